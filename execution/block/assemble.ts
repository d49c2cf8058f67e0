/** Makes a block of the candidates that are valid in their turn. */
import { isAdrift } from "../../bridge/derivation.ts";
import type { L1Attributes } from "../../bridge/l1-attributes.ts";
import { EMPTY_BYTES } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import { StoreError } from "../state/errors.ts";
import type { SealedState } from "../state/types.ts";
import { decodeDepositTransaction } from "../tx/deposit.ts";
import type { RejectionCode } from "../tx/validate.ts";
import { attributesFailure, checkDeposits } from "./deposits.ts";
import { type ExecutionParts, NO_L1_ORIGIN, OpenBlock, type ParentBlock, type ProducedBlock } from "./execute.ts";

/** Best first, each sender's in nonce order. */
export interface Candidates extends Iterable<Transaction> {
  /** Told after a candidate was left out: what its sender still has cannot follow. */
  skipSender?(): void;
}

export interface AssemblyInput extends ExecutionParts {
  readonly parent: ParentBlock;
  /** After `parent`. */
  readonly state: SealedState;
  readonly candidates: Candidates;
  /** On a chain with an L1: those that come first, the L1 attributes before the others. As they are hashed. */
  readonly deposits?: readonly Uint8Array[];
  readonly coinbase: Uint8Array;
  /** Unix seconds, not before the parent's. */
  readonly timestamp: bigint;
  readonly extraData?: Uint8Array;
  /** Of the L1 origin; zero without an L1. */
  readonly prevRandao?: Uint8Array;
  readonly parentBeaconBlockRoot?: Uint8Array;
  /** Asked before each candidate; true ends the block there, but not before the first: a slow machine makes progress. */
  readonly isOutOfTime?: () => boolean;
}

export interface RejectedTransaction {
  readonly transaction: Transaction;
  /** "faulty": executing it failed for a reason that is not its own. Drop it, and look at the message. */
  readonly code: RejectionCode | "faulty";
  readonly message: string;
}

export interface AssembledBlock extends ProducedBlock {
  /** Left out although there was room: invalid in this place. Those that only did not fit are not listed. */
  readonly rejected: readonly RejectedTransaction[];
}

/** No transaction costs less: with less gas left the block is full. */
const MIN_TRANSACTION_GAS = 21_000n;
/** Candidates in a row that do not fit before the block counts as full. */
const MAX_MISFITS = 32;

/**
 * Throws RangeError when `timestamp` is before the parent's, `extraData` too long or `deposits` against the chain's
 * rules, StoreError on a damaged store.
 */
export async function assembleBlock(input: AssemblyInput): Promise<AssembledBlock> {
  const { parent, state, rules, timestamp, isOutOfTime, pause } = input;
  const deposits = (input.deposits ?? []).map(decodeDue);
  const check = checkDeposits({ transactions: deposits, timestamp }, state.reader, rules);
  if (!check.ok) throw new RangeError(check.reason);
  const choices = {
    coinbase: input.coinbase,
    timestamp,
    extraData: input.extraData ?? EMPTY_BYTES,
    prevRandao: input.prevRandao ?? NO_L1_ORIGIN.prevRandao,
    parentBeaconBlockRoot: input.parentBeaconBlockRoot ?? NO_L1_ORIGIN.parentBeaconBlockRoot,
  };
  const open = new OpenBlock(input, parent, state, choices, check.l1);
  const beginning = open.begin();
  if (beginning !== undefined) await beginning;
  await applyDeposits(open, deposits, check.l1, pause);
  const drifts = check.l1 !== undefined && rules.l1 !== undefined && isAdrift(timestamp, check.l1, rules.l1);
  const candidates: Candidates = drifts ? [] : input.candidates;
  const rejected: RejectedTransaction[] = [];
  let misfits = 0;
  let isFirst = true;
  for (const transaction of candidates) {
    const pausing = pause?.();
    if (pausing !== undefined) await pausing;
    const isLate = isOutOfTime?.() === true && !isFirst;
    if (open.gasLeft < MIN_TRANSACTION_GAS || misfits === MAX_MISFITS || isLate) break;
    isFirst = false;
    if (!open.hasRoomFor(transaction)) {
      misfits++;
      candidates.skipSender?.();
      continue;
    }
    misfits = 0;
    let code: RejectedTransaction["code"] = "faulty";
    let message: string;
    try {
      const running = open.apply(transaction);
      const outcome = running instanceof Promise ? await running : running;
      if (outcome.ok) continue;
      ({ code, message } = outcome);
    } catch (error) {
      // A damaged store concerns every block; anything else must not keep the chain from going on without this one.
      if (error instanceof StoreError) throw error;
      message = String(error);
    }
    rejected.push({ transaction, code, message });
    candidates.skipSender?.();
  }
  return { ...open.seal(), rejected };
}

function decodeDue(raw: Uint8Array): Transaction {
  const decoded = decodeDepositTransaction(raw);
  if (!decoded.ok) throw new RangeError(decoded.message);
  return decoded.tx;
}

async function applyDeposits(
  open: OpenBlock,
  deposits: readonly Transaction[],
  l1: L1Attributes | undefined,
  pause: AssemblyInput["pause"],
): Promise<void> {
  for (const [index, deposit] of deposits.entries()) {
    const pausing = pause?.();
    if (pausing !== undefined) await pausing;
    const outcome = await open.apply(deposit);
    const failure = index === 0 && outcome.ok ? attributesFailure(l1, outcome) : undefined;
    if (failure !== undefined) {
      open.abandon();
      throw new Error(failure);
    }
  }
}
