/** Storage of the attribution precompile: docs/precompiles.md "Attribution storage". */
import type { PrecompileContext } from "../core/precompile.ts";
import { error, STATE } from "./attribution-interface.ts";
import { mapSlot, packedSlot, rootSlot, slotAt, wordOf, wordToInteger } from "./storage.ts";

const COUNT = rootSlot(0);
const INFERENCES = rootSlot(1);
const ACCRUED = rootSlot(2);
const STAKES = rootSlot(3);

/** Offsets of an inference's slots; the last three are written by the commitment. */
const HOST = 1;
const ESCROW = 2;
const REQUEST_ROOT = 3;
const PRICES = 4;
const TERMS = 5;
const OUTPUT_ROOT = 6;
const SPANS_HASH = 7;
const RESULT = 8;

const headLayout = packedSlot({
  state: "uint8",
  audience: "uint8",
  minSpan: "uint16",
  modelId: "uint64",
  payer: "address",
});
const hostLayout = packedSlot({ host: "address", requestBytes: "uint32", requestedAt: "uint64" });
const escrowLayout = packedSlot({ escrow: "uint128", commitDeadline: "uint64" });
const pricesLayout = packedSlot({ requestPrice: "uint128", outputPrice: "uint128" });
const termsLayout = packedSlot({
  platformFee: "uint128",
  modelPpm: "uint24",
  stakersPpm: "uint24",
  contributorsPpm: "uint24",
  settleWindowSeconds: "uint24",
  stakeMultiple: "uint32",
});
const resultLayout = packedSlot({
  fee: "uint128",
  outputBytes: "uint32",
  coveredBytes: "uint32",
  settleAfter: "uint64",
});
const stakeLayout = packedSlot({ total: "uint128", locked: "uint128" });

type Context = PrecompileContext;

export type InferenceHead = ReturnType<typeof headLayout.unpack>;
export type InferenceHost = ReturnType<typeof hostLayout.unpack>;
export type InferenceEscrow = ReturnType<typeof escrowLayout.unpack>;
export type InferencePrices = ReturnType<typeof pricesLayout.unpack>;
/** What the request's block fixes of the governed parameters. */
export type InferenceTerms = ReturnType<typeof termsLayout.unpack>;
export type InferenceResult = ReturnType<typeof resultLayout.unpack>;
export type Stake = ReturnType<typeof stakeLayout.unpack>;

export const loadInferenceCount = (context: Context): bigint => context.load(COUNT);
export const storeInferenceCount = (context: Context, count: bigint): void => context.store(COUNT, count);

export interface Found {
  readonly slot: Uint8Array;
  readonly head: InferenceHead;
}

/** Reverts with UnknownInference. */
export function requireInference(context: Context, inferenceId: bigint): Found {
  const slot = mapSlot(context, INFERENCES, inferenceId);
  const head = headLayout.unpack(context.load(slot));
  if (head.state === STATE.none) throw error("UnknownInference", { inferenceId });
  return { slot, head };
}

/** Reverts with UnknownInference or WrongState. */
export function requireState(context: Context, inferenceId: bigint, state: number): Found {
  const found = requireInference(context, inferenceId);
  if (found.head.state !== state) throw error("WrongState", { inferenceId, state: found.head.state });
  return found;
}

export const storeHead = (context: Context, slot: Uint8Array, head: InferenceHead): void =>
  context.store(slot, headLayout.pack(head));

export interface Request {
  readonly head: InferenceHead;
  readonly host: InferenceHost;
  readonly escrow: InferenceEscrow;
  readonly requestRoot: Uint8Array;
  readonly prices: InferencePrices;
  readonly terms: InferenceTerms;
}

export function storeRequest(context: Context, inferenceId: bigint, request: Request): void {
  const slot = mapSlot(context, INFERENCES, inferenceId);
  storeHead(context, slot, request.head);
  context.store(slotAt(slot, HOST), hostLayout.pack(request.host));
  context.store(slotAt(slot, ESCROW), escrowLayout.pack(request.escrow));
  context.store(slotAt(slot, REQUEST_ROOT), wordToInteger(request.requestRoot));
  context.store(slotAt(slot, PRICES), pricesLayout.pack(request.prices));
  context.store(slotAt(slot, TERMS), termsLayout.pack(request.terms));
}

export const loadHost = (context: Context, slot: Uint8Array): InferenceHost =>
  hostLayout.unpack(context.load(slotAt(slot, HOST)));
export const loadEscrow = (context: Context, slot: Uint8Array): InferenceEscrow =>
  escrowLayout.unpack(context.load(slotAt(slot, ESCROW)));
export const loadRequestRoot = (context: Context, slot: Uint8Array): Uint8Array =>
  wordOf(context.load(slotAt(slot, REQUEST_ROOT)));
export const loadPrices = (context: Context, slot: Uint8Array): InferencePrices =>
  pricesLayout.unpack(context.load(slotAt(slot, PRICES)));
export const loadTerms = (context: Context, slot: Uint8Array): InferenceTerms =>
  termsLayout.unpack(context.load(slotAt(slot, TERMS)));
export const loadOutputRoot = (context: Context, slot: Uint8Array): Uint8Array =>
  wordOf(context.load(slotAt(slot, OUTPUT_ROOT)));
export const loadSpansHash = (context: Context, slot: Uint8Array): Uint8Array =>
  wordOf(context.load(slotAt(slot, SPANS_HASH)));
export const loadResult = (context: Context, slot: Uint8Array): InferenceResult =>
  resultLayout.unpack(context.load(slotAt(slot, RESULT)));

export function storeResult(
  context: Context,
  slot: Uint8Array,
  outputRoot: Uint8Array,
  spansHash: Uint8Array,
  result: InferenceResult,
): void {
  context.store(slotAt(slot, OUTPUT_ROOT), wordToInteger(outputRoot));
  context.store(slotAt(slot, SPANS_HASH), wordToInteger(spansHash));
  context.store(slotAt(slot, RESULT), resultLayout.pack(result));
}

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
