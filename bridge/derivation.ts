/**
 * Which deposits an L2 block begins with. Pure: L1 blocks in, deposits out.
 *
 * Every L2 block names an L1 block, its origin: its parent's, or a later one that is final by the network's rule. It
 * carries the L1 attributes of its origin and then the deposits of every L1 block after its parent's origin up to its
 * own, in order (the OP Stack's rule for one block at a time, specs/protocol/derivation.md).
 *
 *  - block time >= origin time;
 *  - at most MAX_ORIGIN_ADVANCE L1 blocks at once, and when more than one, the gas limits of their deposits together are
 *    at most half of the block's gas and their bytes at most half of the block's. One L1 block always fits: the portal
 *    meters what it sells;
 *  - a block whose time is more than `maxDriftSeconds` after its origin's carries no transaction of a user, so that L1's
 *    deposits cannot be kept out while the chain is of use.
 */
import { bytesToHex, equalsBytes } from "../core/bytes.ts";
import { RlpError } from "../core/rlp.ts";
import { decodeDeposit, depositFromLog, encodeDeposit } from "./deposit.ts";
import { attributesDeposit, decodeAttributes, type L1Attributes } from "./l1-attributes.ts";
import type { L1Block } from "./l1-block.ts";

/** L1 blocks that one L2 block may catch up with. */
export const MAX_ORIGIN_ADVANCE = 32;

export interface L1Origin {
  readonly number: bigint;
  /** 32 bytes. */
  readonly hash: Uint8Array;
  /** Unix seconds. */
  readonly timestamp: bigint;
  /** How many L2 blocks before this one have the same origin. */
  readonly sequenceNumber: bigint;
}

/** What L2's rules and governed parameters say. */
export interface DerivationRules {
  /** Of an L2 block. */
  readonly gasLimit: bigint;
  readonly blockBytes: number;
  readonly maxDriftSeconds: number;
  readonly baseFeeScalar: bigint;
  readonly blobBaseFeeScalar: bigint;
}

export interface OriginInput {
  /** The L2 parent's origin. */
  readonly parent: L1Origin;
  /** Final L1 blocks that follow one another, the first of them the parent's origin. */
  readonly blocks: readonly L1Block[];
  /** Of the L2 block: Unix seconds. */
  readonly timestamp: bigint;
  readonly rules: DerivationRules;
}

/** What an L2 block takes from L1. */
export interface DerivedOrigin {
  readonly origin: L1Origin;
  /** Raw transactions of type 0x7e, the L1 attributes first. */
  readonly deposits: readonly Uint8Array[];
  readonly prevRandao: Uint8Array;
  readonly parentBeaconBlockRoot: Uint8Array;
  /** False: the block carries no transaction of a user. */
  readonly mayCarryTransactions: boolean;
}

/** The newest origin that the block may name. Throws RangeError when `blocks` do not begin with the parent's origin. */
export function chooseOrigin(input: OriginInput): DerivedOrigin {
  const { blocks, timestamp, rules } = input;
  requireRun(input);
  let advance = 0;
  const spent = new Spent(rules);
  for (let i = 1; i < blocks.length && i <= MAX_ORIGIN_ADVANCE; i++) {
    const block = blocks[i]!;
    if (block.timestamp > timestamp || !spent.add(block)) break;
    advance = i;
  }
  return deriveAt(input, advance);
}

/**
 * What a block takes from L1 when its origin is `advance` L1 blocks after its parent's, which `blocks` must reach. Checks
 * no limit: for blocks that are final.
 */
export function deriveAt({ parent, blocks, timestamp, rules }: OriginInput, advance: number): DerivedOrigin {
  const block = blocks[advance]!;
  const origin: L1Origin = {
    number: block.number,
    hash: block.hash,
    timestamp: block.timestamp,
    sequenceNumber: advance === 0 ? parent.sequenceNumber + 1n : 0n,
  };
  const { baseFeeScalar, blobBaseFeeScalar } = rules;
  const { baseFeeWei, blobBaseFeeWei } = block;
  const attributes: L1Attributes = { ...origin, baseFeeWei, blobBaseFeeWei, baseFeeScalar, blobBaseFeeScalar };
  return {
    origin,
    deposits: [
      encodeDeposit(attributesDeposit(attributes)),
      ...blocks.slice(1, advance + 1).flatMap((passed) => userDeposits(passed).map(encodeDeposit)),
    ],
    prevRandao: block.prevRandao,
    parentBeaconBlockRoot: block.parentBeaconBlockRoot,
    mayCarryTransactions: !isAdrift(timestamp, origin, rules),
  };
}

/** Whether a block carries no transaction of a user because its origin is too old. */
export const isAdrift = (
  timestamp: bigint,
  origin: Pick<L1Origin, "timestamp">,
  { maxDriftSeconds }: Pick<DerivationRules, "maxDriftSeconds">,
): boolean => timestamp - origin.timestamp > BigInt(maxDriftSeconds);

const userDeposits = ({ hash, deposits }: L1Block) => deposits.map((log) => depositFromLog(log, hash, log.logIndex));

/** Counts what the deposits of several L1 blocks take of an L2 block. */
class Spent {
  readonly #rules: DerivationRules;
  #blocks = 0;
  #gas = 0n;
  #bytes = 0;

  constructor(rules: DerivationRules) {
    this.#rules = rules;
  }

  /** False when the block's deposits are too many on top of the others. */
  add(block: L1Block): boolean {
    for (const deposit of userDeposits(block)) {
      this.#gas += deposit.gasLimit;
      this.#bytes += encodeDeposit(deposit).length;
    }
    this.#blocks++;
    if (this.#blocks === 1) return true;
    const { gasLimit, blockBytes } = this.#rules;
    return this.#gas * 2n <= gasLimit && this.#bytes * 2 <= blockBytes;
  }
}

/** What somebody else's L2 block says that it takes from L1. */
export interface ClaimedOrigin {
  /** Its leading transactions of type 0x7e, raw. */
  readonly deposits: readonly Uint8Array[];
  readonly prevRandao: Uint8Array;
  readonly parentBeaconBlockRoot: Uint8Array;
  /** Whether others follow. */
  readonly hasTransactions: boolean;
}

export type OriginCheck =
  | { readonly ok: true; readonly origin: L1Origin }
  | { readonly ok: false; readonly fault: "invalid"; readonly reason: string }
  /** Its origin is not final here yet: nothing is said about the block. */
  | { readonly ok: false; readonly fault: "unknown"; readonly number: bigint };

/**
 * Whether a block carries exactly what L1 demands of it, as a voter must know. `input.blocks` reach as far as L1 is final
 * here. That an origin could have advanced further is no fault: another node's L1 may have been behind. Throws RangeError
 * as chooseOrigin does.
 */
export function checkOrigin(input: OriginInput, claimed: ClaimedOrigin): OriginCheck {
  requireRun(input);
  const { parent, blocks, timestamp, rules } = input;
  const [first] = claimed.deposits;
  if (first === undefined) return invalid("it does not begin with L1 attributes");
  const decoded = readAttributes(first);
  if (!decoded.ok) return invalid(decoded.reason);
  const { number, hash } = decoded.attributes;
  if (number < parent.number) return invalid(`its origin ${number} is before its parent's, ${parent.number}`);
  if (number - parent.number > BigInt(MAX_ORIGIN_ADVANCE)) {
    return invalid(`its origin ${number} is more than ${MAX_ORIGIN_ADVANCE} blocks after its parent's`);
  }
  const advance = Number(number - parent.number);
  const block = blocks[advance];
  if (block === undefined) return { ok: false, fault: "unknown", number };
  if (!equalsBytes(block.hash, hash)) {
    return invalid(`its origin ${number} is ${bytesToHex(hash)}, on L1 it is ${bytesToHex(block.hash)}`);
  }
  if (block.timestamp > timestamp)
    return invalid(`its origin's time is ${block.timestamp}, after its own ${timestamp}`);
  const spent = new Spent(rules);
  if (!blocks.slice(1, advance + 1).every((passed) => spent.add(passed))) {
    return invalid(`its origin ${number} passes deposits for more than half of a block at once`);
  }
  const due = deriveAt(input, advance);
  if (!equalsBytes(due.prevRandao, claimed.prevRandao)) return invalid("its prevRandao is not its origin's");
  if (!equalsBytes(due.parentBeaconBlockRoot, claimed.parentBeaconBlockRoot)) {
    return invalid("its parentBeaconBlockRoot is not its origin's");
  }
  if (due.deposits.length !== claimed.deposits.length) {
    return invalid(`it has ${claimed.deposits.length} deposits instead of ${due.deposits.length}`);
  }
  const wrong = due.deposits.findIndex((deposit, index) => !equalsBytes(deposit, claimed.deposits[index]!));
  if (wrong !== -1) return invalid(`its deposit ${wrong} is not what L1 demands there`);
  if (claimed.hasTransactions && !due.mayCarryTransactions) {
    return invalid(`it carries transactions, ${timestamp - block.timestamp} seconds after its origin`);
  }
  return { ok: true, origin: due.origin };
}

const invalid = (reason: string): OriginCheck => ({ ok: false, fault: "invalid", reason });

function readAttributes(raw: Uint8Array) {
  try {
    return decodeAttributes(decodeDeposit(raw));
  } catch (error) {
    if (error instanceof RlpError) return { ok: false, reason: `L1 attributes: ${error.message}` } as const;
    throw error;
  }
}

function requireRun({ parent, blocks }: OriginInput): void {
  const [first] = blocks;
  if (first === undefined || first.number !== parent.number || !equalsBytes(first.hash, parent.hash)) {
    throw new RangeError(`the L1 blocks do not begin with the parent's origin ${parent.number}`);
  }
  for (let i = 1; i < blocks.length; i++) {
    if (!equalsBytes(blocks[i]!.parentHash, blocks[i - 1]!.hash)) {
      throw new RangeError(`L1 block ${blocks[i]!.number} does not follow the one before it`);
    }
  }
}
