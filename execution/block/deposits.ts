/**
 * What the deposits of a block must be on a chain with an L1, as far as the parent's state and the rules tell. Whether
 * they are the ones that L1 demands is checked by those who vote; nobody asks L1 while importing.
 */
import { isAdrift, MAX_ORIGIN_ADVANCE } from "../../bridge/derivation.ts";
import { decodeAttributes, type L1Attributes } from "../../bridge/l1-attributes.ts";
import { bytesToHex, equalsBytes } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import type { ChainRules } from "../rules.ts";
import type { StateReader } from "../state/types.ts";
import { depositOf } from "../tx/deposit.ts";
import type { AppliedTransaction } from "../tx/run.ts";
import { readL1FeeScalars, readL1Origin } from "./l1-origin.ts";

export type DepositsCheck =
  /** `l1` undefined: the chain has none. */
  { readonly ok: true; readonly l1: L1Attributes | undefined } | { readonly ok: false; readonly reason: string };

interface Candidate {
  readonly transactions: readonly Transaction[];
  /** Unix seconds. */
  readonly timestamp: bigint;
}

/** `parent`: the state after the parent. */
export function checkDeposits(block: Candidate, parent: StateReader, rules: ChainRules): DepositsCheck {
  const { transactions } = block;
  const end = transactions.findIndex((tx) => tx.deposit === undefined);
  const deposits = end < 0 ? transactions : transactions.slice(0, end);
  if (rules.l1 === undefined) {
    const at = transactions.findIndex((tx) => tx.deposit !== undefined);
    return at < 0 ? { ok: true, l1: undefined } : refuse(`transaction ${at}: a deposit on a chain without an L1`);
  }
  const late = end < 0 ? -1 : transactions.findIndex((tx, index) => index > end && tx.deposit !== undefined);
  if (late >= 0) return refuse(`transaction ${late}: a deposit after transaction ${end}, which is none`);
  const system = deposits.findIndex((tx) => tx.deposit?.isSystem);
  if (system >= 0) return refuse(`transaction ${system}: a deposit that is a system transaction`);
  const [first, ...users] = deposits;
  if (first === undefined) return refuse("the first transaction is not the L1 attributes");
  const decoded = decodeAttributes(depositOf(first));
  if (!decoded.ok) return refuse(`transaction 0: ${decoded.reason}`);
  const { attributes } = decoded;
  const reason =
    checkScalars(attributes, parent) ??
    checkAdvance(attributes, readL1Origin(parent), users, rules) ??
    checkTime(attributes, block, end >= 0, rules.l1);
  return reason === undefined ? { ok: true, l1: attributes } : refuse(reason);
}

function checkScalars({ baseFeeScalar, blobBaseFeeScalar }: L1Attributes, parent: StateReader): string | undefined {
  const governed = readL1FeeScalars(parent);
  if (baseFeeScalar === governed.baseFeeScalar && blobBaseFeeScalar === governed.blobBaseFeeScalar) return undefined;
  const [have, want] = [
    `${baseFeeScalar} and ${blobBaseFeeScalar}`,
    `${governed.baseFeeScalar} and ${governed.blobBaseFeeScalar}`,
  ];
  return `scalars of the L1 fee are ${have} instead of ${want}`;
}

function checkAdvance(
  origin: L1Attributes,
  before: L1Attributes,
  users: readonly Transaction[],
  { gasLimit, blockBytes }: ChainRules,
): string | undefined {
  const advance = origin.number - before.number;
  if (advance < 0n) return `L1 origin ${origin.number} is before the parent's ${before.number}`;
  if (advance > BigInt(MAX_ORIGIN_ADVANCE))
    return `L1 origin advances by ${advance}, at most ${MAX_ORIGIN_ADVANCE} are allowed`;
  const sequence = advance === 0n ? before.sequenceNumber + 1n : 0n;
  if (origin.sequenceNumber !== sequence) return `sequence number is ${origin.sequenceNumber} instead of ${sequence}`;
  if (advance === 0n) {
    if (!equalsBytes(origin.hash, before.hash)) {
      return `L1 origin ${origin.number} is ${bytesToHex(origin.hash)} instead of the parent's ${bytesToHex(before.hash)}`;
    }
    if (origin.timestamp !== before.timestamp) {
      return `L1 origin's time is ${origin.timestamp} instead of the parent's ${before.timestamp}`;
    }
    return users.length === 0 ? undefined : `${users.length} deposits of users without a new L1 origin`;
  }
  if (advance === 1n) return undefined; // the portal's metering bounds what one L1 block demands
  // Several L1 blocks at once must leave room for others.
  const gas = users.reduce((sum, tx) => sum + tx.gasLimit, 0n);
  if (2n * gas > gasLimit) return `deposits of ${advance} L1 blocks demand ${gas} gas, more than half of the block's`;
  const bytes = users.reduce((sum, tx) => sum + tx.raw.length, 0);
  return 2 * bytes > blockBytes ? `deposits of ${advance} L1 blocks take ${bytes} bytes, more than half` : undefined;
}

function checkTime(
  origin: L1Attributes,
  { timestamp }: Candidate,
  hasOthers: boolean,
  rules: NonNullable<ChainRules["l1"]>,
): string | undefined {
  if (timestamp < origin.timestamp) return `timestamp is ${timestamp}, before the L1 origin's ${origin.timestamp}`;
  if (hasOthers && isAdrift(timestamp, origin, rules)) {
    return `transactions of users although the L1 origin is ${timestamp - origin.timestamp} seconds old, more than ${rules.maxDriftSeconds}`;
  }
  return undefined;
}

/** Why the block's first transaction did not do what it is for; the next block's origin would be checked against an old one. */
export function attributesFailure(
  l1: L1Attributes | undefined,
  { status, failure }: Pick<AppliedTransaction, "status" | "failure">,
): string | undefined {
  return l1 === undefined || status === 1 ? undefined : `the L1 attributes failed: ${failure}`;
}

const refuse = (reason: string): DepositsCheck => ({ ok: false, reason });
