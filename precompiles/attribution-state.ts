/** Storage of the attribution precompile: docs/precompiles.md "Attribution storage". */
import type { PrecompileContext } from "../core/precompile.ts";
import { feeWei } from "../core/settlement.ts";
import { error, STATE } from "./attribution-interface.ts";
import { mapSlot, packedSlot, rootSlot, slotAt, wordOf, wordToInteger } from "./storage.ts";

const COUNTERS = rootSlot(0);
const INFERENCES = rootSlot(1);
const ACCRUED = rootSlot(2);
const STAKES = rootSlot(3);
const BATCHES = rootSlot(4);
const TERMS_IDS = rootSlot(5);
const TERMS = rootSlot(6);
const DEMANDS = rootSlot(7);
const AUDITORS = rootSlot(8);

/** Offsets of an inference's slots. */
const HOST = 1;
const ESCROW = 2;
const REQUEST_ROOT = 3;

const countersLayout = packedSlot({ inferences: "uint64", batches: "uint64", terms: "uint32" });
const headLayout = packedSlot({
  state: "uint8",
  audience: "uint8",
  minSpan: "uint16",
  modelId: "uint48",
  openDemands: "uint8",
  extensions: "uint8",
  payer: "address",
});
const hostLayout = packedSlot({ host: "address", requestBytes: "uint24", requestedAt: "uint40", termsId: "uint32" });
const escrowLayout = packedSlot({
  escrow: "uint128",
  commitDeadline: "uint40",
  committedAt: "uint40",
  batchId: "uint48",
});
const pricesLayout = packedSlot({ requestPrice: "uint128", outputPrice: "uint128" });
const termsLayout = packedSlot({
  platformFee: "uint128",
  modelPpm: "uint24",
  stakersPpm: "uint24",
  contributorsPpm: "uint24",
  settleWindowSeconds: "uint24",
  stakeMultiple: "uint32",
});
const stakeLayout = packedSlot({ total: "uint128", locked: "uint128" });
const demandLayout = packedSlot({ demander: "address", deadline: "uint40", closed: "uint8" });

type Context = PrecompileContext;

export type InferenceHead = ReturnType<typeof headLayout.unpack>;
export type InferenceHost = ReturnType<typeof hostLayout.unpack>;
export type InferenceEscrow = ReturnType<typeof escrowLayout.unpack>;
/** What the request's block fixes: the model's prices and governed parameters. */
export type InferenceTerms = ReturnType<typeof pricesLayout.unpack> & ReturnType<typeof termsLayout.unpack>;
export type Stake = ReturnType<typeof stakeLayout.unpack>;

export const loadCounters = (context: Context) => countersLayout.unpack(context.load(COUNTERS));
export const storeCounters = (context: Context, counters: ReturnType<typeof loadCounters>): void =>
  context.store(COUNTERS, countersLayout.pack(counters));

export interface Found {
  readonly inferenceId: bigint;
  readonly slot: Uint8Array;
  readonly head: InferenceHead;
  readonly escrow: InferenceEscrow;
  /** Of STATE. A stored state of "requested" with a batch is "committed": a commitment writes one slot. */
  readonly state: number;
}

/** Reverts with UnknownInference. */
export function requireInference(context: Context, inferenceId: bigint): Found {
  const slot = mapSlot(context, INFERENCES, inferenceId);
  const head = headLayout.unpack(context.load(slot));
  if (head.state === STATE.none) throw error("UnknownInference", { inferenceId });
  const escrow = escrowLayout.unpack(context.load(slotAt(slot, ESCROW)));
  const committed = head.state === STATE.requested && escrow.batchId !== 0n;
  return { inferenceId, slot, head, escrow, state: committed ? STATE.committed : head.state };
}

export const wrongState = ({ inferenceId, state }: Found) => error("WrongState", { inferenceId, state });

/** Reverts with UnknownInference or WrongState. */
export function requireState(context: Context, inferenceId: bigint, state: number): Found {
  const found = requireInference(context, inferenceId);
  if (found.state !== state) throw wrongState(found);
  return found;
}

export const storeHead = (context: Context, slot: Uint8Array, head: InferenceHead): void =>
  context.store(slot, headLayout.pack(head));
export const storeEscrow = (context: Context, slot: Uint8Array, escrow: InferenceEscrow): void =>
  context.store(slotAt(slot, ESCROW), escrowLayout.pack(escrow));

export interface Request {
  readonly head: InferenceHead;
  readonly host: Omit<InferenceHost, "termsId">;
  readonly escrow: InferenceEscrow;
  readonly requestRoot: Uint8Array;
  readonly terms: InferenceTerms;
}

/** Stores a request under the next id, which it returns. */
export function storeRequest(context: Context, request: Request): bigint {
  const counters = loadCounters(context);
  const inferenceId = counters.inferences + 1n;
  const termsId = shareTerms(context, request.terms, counters.terms);
  storeCounters(context, { ...counters, inferences: inferenceId, terms: Math.max(counters.terms, termsId) });
  const slot = mapSlot(context, INFERENCES, inferenceId);
  storeHead(context, slot, request.head);
  context.store(slotAt(slot, HOST), hostLayout.pack({ ...request.host, termsId }));
  storeEscrow(context, slot, request.escrow);
  context.store(slotAt(slot, REQUEST_ROOT), wordToInteger(request.requestRoot));
  return inferenceId;
}

/** Id of these terms; equal ones are stored once, whatever requests them. */
function shareTerms(context: Context, terms: InferenceTerms, count: number): number {
  const prices = pricesLayout.pack(terms);
  const parameters = termsLayout.pack(terms);
  const key = mapSlot(context, TERMS_IDS, context.keccak(wordOf(prices), wordOf(parameters)));
  const known = Number(context.load(key));
  if (known !== 0) return known;
  const termsId = count + 1;
  const slot = mapSlot(context, TERMS, BigInt(termsId));
  context.store(key, BigInt(termsId));
  context.store(slot, prices);
  context.store(slotAt(slot, 1), parameters);
  return termsId;
}

export const loadHost = (context: Context, slot: Uint8Array): InferenceHost =>
  hostLayout.unpack(context.load(slotAt(slot, HOST)));
export const loadRequestRoot = (context: Context, slot: Uint8Array): Uint8Array =>
  wordOf(context.load(slotAt(slot, REQUEST_ROOT)));
export function loadTerms(context: Context, { termsId }: InferenceHost): InferenceTerms {
  const slot = mapSlot(context, TERMS, BigInt(termsId));
  return { ...pricesLayout.unpack(context.load(slot)), ...termsLayout.unpack(context.load(slotAt(slot, 1))) };
}

export const feeOf = (terms: InferenceTerms, requestBytes: number, outputBytes: number): bigint =>
  feeWei({ ...terms, platformFeeWei: terms.platformFee }, requestBytes, outputBytes);

/** Zero where there is no such batch. */
export const loadBatchRoot = (context: Context, batchId: bigint): Uint8Array =>
  wordOf(context.load(mapSlot(context, BATCHES, batchId)));
export const storeBatchRoot = (context: Context, batchId: bigint, root: Uint8Array): void =>
  context.store(mapSlot(context, BATCHES, batchId), wordToInteger(root));

/** The window that challenges have, and the half of it that an extension adds. Seconds. */
export const windowOf = ({
  settleWindowSeconds,
}: InferenceTerms): { readonly whole: bigint; readonly half: bigint } => ({
  whole: BigInt(settleWindowSeconds),
  half: BigInt(settleWindowSeconds) / 2n,
});

/** From this block time on the inference settles; 0 before its commitment. */
export function settleAfter({ state, head, escrow }: Found, terms: InferenceTerms): bigint {
  if (escrow.batchId === 0n || state === STATE.requested) return 0n;
  const { whole, half } = windowOf(terms);
  return escrow.committedAt + whole + BigInt(head.extensions) * half;
}

export interface Demand {
  readonly demander: Uint8Array;
  /** Block time, seconds. */
  readonly deadline: bigint;
  /** Shown, proven unavailable or returned. */
  readonly closed: boolean;
  readonly bond: bigint;
}

export interface DemandKey {
  readonly inferenceId: bigint;
  readonly contributionId: bigint;
  readonly chunk: bigint;
}

const demandSlot = (context: Context, { inferenceId, contributionId, chunk }: DemandKey): Uint8Array =>
  mapSlot(context, mapSlot(context, mapSlot(context, DEMANDS, inferenceId), contributionId), chunk);

/** Undefined when there is no such demand. */
export function loadDemand(context: Context, key: DemandKey): Demand | undefined {
  const slot = demandSlot(context, key);
  const { demander, deadline, closed } = demandLayout.unpack(context.load(slot));
  if (deadline === 0n) return undefined;
  return { demander, deadline, closed: closed !== 0, bond: context.load(slotAt(slot, 1)) };
}

export function storeDemand(context: Context, key: DemandKey, { demander, deadline, closed, bond }: Demand): void {
  const slot = demandSlot(context, key);
  context.store(slot, demandLayout.pack({ demander, deadline, closed: closed ? 1 : 0 }));
  if (!closed && bond !== 0n) context.store(slotAt(slot, 1), bond);
}

const auditorSlot = (context: Context, inferenceId: bigint, account: Uint8Array): Uint8Array =>
  mapSlot(context, mapSlot(context, AUDITORS, inferenceId), account);
export const loadIsAuditor = (context: Context, inferenceId: bigint, account: Uint8Array): boolean =>
  context.load(auditorSlot(context, inferenceId, account)) !== 0n;
export const storeIsAuditor = (context: Context, inferenceId: bigint, account: Uint8Array, allowed: boolean): void =>
  context.store(auditorSlot(context, inferenceId, account), allowed ? 1n : 0n);

const accruedSlot = (context: Context, account: Uint8Array): Uint8Array => mapSlot(context, ACCRUED, account);

export const loadAccrued = (context: Context, account: Uint8Array): bigint =>
  context.load(accruedSlot(context, account));

export function addAccrued(context: Context, account: Uint8Array, amountWei: bigint): void {
  const slot = accruedSlot(context, account);
  context.store(slot, context.load(slot) + amountWei);
}

/** Empties the account and returns what it held. */
export function takeAccrued(context: Context, account: Uint8Array): bigint {
  const slot = accruedSlot(context, account);
  const amountWei = context.load(slot);
  if (amountWei !== 0n) context.store(slot, 0n);
  return amountWei;
}

export const loadStake = (context: Context, host: Uint8Array): Stake =>
  stakeLayout.unpack(context.load(mapSlot(context, STAKES, host)));
/** Precondition: locked <= total <= 2^128 - 1. */
export const storeStake = (context: Context, host: Uint8Array, stake: Stake): void =>
  context.store(mapSlot(context, STAKES, host), stakeLayout.pack(stake));
