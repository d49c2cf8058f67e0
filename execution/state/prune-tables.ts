/**
 * What is in the store of states that are not kept for ever:
 *
 *   06 ‖ keccak256(node)  uint32: at how many places of kept states the node is, when there are several
 *   07 ‖ number u64       what that state replaced: nothing, or the root of the state before it ‖ hashes of nodes
 *   08                    keccak256(rest), 4 bytes ‖ phase u8 ‖ lowest u64 ‖ head u64 ‖ hash 32
 *   09 ‖ root             root node of a state that was pruned
 *
 * Integers are big-endian. A place is an account (or none, in the trie of accounts) and a path, from the state that has
 * the node there first to the state that replaces it. Without 08 nothing is counted and every state stays.
 */
import { bigIntToFixed, bytesToBigInt, concatBytes, equalsBytes } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { damaged } from "./errors.ts";
import { writeKey } from "./keys.ts";
import type { BatchWriter, KeyValueReader } from "./types.ts";

const NODES = 0x03;
const COUNTS = 0x06;
const REPLACED = 0x07;
export const HISTORY_KEY = Uint8Array.of(0x08);
const PRUNED_ROOTS = 0x09;

const table = (first: number) => ({ start: Uint8Array.of(first), end: Uint8Array.of(first + 1) }) as const;
export const NODE_TABLE = table(NODES);
export const COUNT_TABLE = table(COUNTS);
export const REPLACED_TABLE = table(REPLACED);

const PHASES = ["counting", "sweeping", "complete"] as const;

export interface StateHistory {
  /**
   * `counting`: nothing has been deleted, and what was counted so far means nothing. `sweeping`: nodes whose hash is
   * above `swept` and that were not counted are still there. Then each commit counts.
   */
  readonly phase: (typeof PHASES)[number];
  /** Numbers of states: from the lowest to the head each is whole. */
  readonly lowest: bigint;
  readonly head: bigint;
  readonly swept: Uint8Array;
}

const RECORD_BYTES = 4 + 1 + 8 + 8 + 32;
const checksum = (value: Uint8Array): Uint8Array => keccak256(value).subarray(0, 4);
export const NOTHING_SWEPT = new Uint8Array(32);

export function stageHistory(batch: BatchWriter, { phase, lowest, head, swept }: StateHistory): void {
  const value = concatBytes(
    Uint8Array.of(PHASES.indexOf(phase)),
    bigIntToFixed(lowest, 8),
    bigIntToFixed(head, 8),
    swept,
  );
  batch.put(HISTORY_KEY, concatBytes(checksum(value), value));
}

/** Undefined where every state stays. Throws StoreError. */
export function readHistory(reader: KeyValueReader): StateHistory | undefined {
  const stored = reader.get(HISTORY_KEY);
  if (stored === undefined) return undefined;
  const value = stored.subarray(4);
  const phase = PHASES[value[0] ?? PHASES.length];
  const isRight = stored.length === RECORD_BYTES && equalsBytes(stored.subarray(0, 4), checksum(value));
  if (!isRight || phase === undefined) throw damaged("the record of which states are kept does not match its checksum");
  return {
    phase,
    lowest: bytesToBigInt(value.subarray(1, 9)),
    head: bytesToBigInt(value.subarray(9, 17)),
    swept: value.slice(17),
  };
}

function nodeKey(first: number, hashKey: string): Uint8Array {
  const out = new Uint8Array(33);
  out[0] = first;
  return writeKey(hashKey, out, 1);
}

/** Table key of a node. `hashKey` here and below: `bytesKey` of its hash. */
export const nodeTableKey = (hashKey: string): Uint8Array => nodeKey(NODES, hashKey);

/** Places of a node; undefined when the table does not say: one, or none for a node that is not there. */
export function readCount(reader: KeyValueReader, hashKey: string): number | undefined {
  const stored = reader.get(nodeKey(COUNTS, hashKey));
  return stored && new DataView(stored.buffer, stored.byteOffset).getUint32(0);
}

export function stageCount(batch: BatchWriter, hashKey: string, count: number): void {
  const value = new Uint8Array(4);
  new DataView(value.buffer).setUint32(0, count);
  batch.put(nodeKey(COUNTS, hashKey), value);
}

export const stageWithoutCount = (batch: BatchWriter, hashKey: string): void => batch.del(nodeKey(COUNTS, hashKey));

export interface Replaced {
  /** Of the state before. */
  readonly root: Uint8Array;
  readonly nodes: readonly Uint8Array[];
}

const replacedKey = (number: bigint): Uint8Array => concatBytes(Uint8Array.of(REPLACED), bigIntToFixed(number, 8));

/** `replaced`: undefined when the state is the one before it. */
export function stageReplaced(batch: BatchWriter, number: bigint, replaced: Replaced | undefined): void {
  batch.put(
    replacedKey(number),
    replaced === undefined ? new Uint8Array(0) : concatBytes(replaced.root, ...replaced.nodes),
  );
}

export const stageWithoutReplaced = (batch: BatchWriter, number: bigint): void => batch.del(replacedKey(number));

/** Throws StoreError when there is no record of that state. */
export function readReplaced(reader: KeyValueReader, number: bigint): Replaced | undefined {
  const stored = reader.get(replacedKey(number));
  if (stored === undefined || stored.length % 32 !== 0) {
    throw damaged(`what the state of block ${number} replaced is ${stored === undefined ? "missing" : "malformed"}`);
  }
  if (stored.length === 0) return undefined;
  const nodes = Array.from({ length: stored.length / 32 - 1 }, (_, i) => stored.subarray(32 * i + 32, 32 * i + 64));
  return { root: stored.subarray(0, 32), nodes };
}

/** The root node of a state that was pruned, from where the account that is kept for ever can be proven. */
export const readPrunedRoot = (reader: KeyValueReader, rootKey: string): Uint8Array | undefined =>
  reader.get(nodeKey(PRUNED_ROOTS, rootKey));

export const stagePrunedRoot = (batch: BatchWriter, rootKey: string, rlp: Uint8Array): void =>
  batch.put(nodeKey(PRUNED_ROOTS, rootKey), rlp);
