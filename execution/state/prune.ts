/**
 * States kept as long as they are wanted. A node of the tries belongs to many states, so each commit counts: at how many
 * places of the kept states a node is. A state that comes adds its new nodes and notes down those that it replaced; the
 * state before the lowest that is wanted goes by taking back what its successor replaced; a node at no place any more is
 * deleted. All of it is in the batch of the block, and costs what the block changed.
 *
 * What proves the account that is kept for ever, at any state, is counted and never noted down as replaced.
 */
import { bytesToHex, equalsBytes } from "../../core/bytes.ts";
import { damaged } from "./errors.ts";
import { hashedKey } from "./history.ts";
import { bytesKey, keyBytes } from "./keys.ts";
import {
  nodeTableKey,
  type Replaced,
  readCount,
  readReplaced,
  type StateHistory,
  stageCount,
  stageHistory,
  stagePrunedRoot,
  stageReplaced,
  stageWithoutCount,
  stageWithoutReplaced,
} from "./prune-tables.ts";
import { stateChanges } from "./trie-changes.ts";
import { EMPTY_TRIE_ROOT } from "./trie-node.ts";
import type { BatchWriter, KeyValueReader } from "./types.ts";

/** What a state did to the nodes of the one before it. */
export interface NodeUse {
  /** Places that got a node, each after those above it. */
  readonly added: readonly AddedNode[];
  /** Undefined when nothing changed. */
  readonly replaced: Replaced | undefined;
}

export interface AddedNode {
  /** `bytesKey` of its hash. */
  readonly key: string;
  /** Place in the list of the node above it, −1 where that is not new. */
  readonly above: number;
  readonly isForEver: boolean;
}

/** States that go with one that comes: a backlog shrinks without holding up a block. */
const STATES_AT_ONCE = 8n;

/**
 * Stages the states that come, and that those below `keepFrom` go, a few at a time. Returns what is kept once the batch
 * is written. Throws StoreError.
 */
export function stageNodeUse(
  reader: KeyValueReader,
  history: StateHistory,
  uses: readonly NodeUse[],
  keepFrom: bigint,
  batch: BatchWriter,
  shared = new SharedNodes(),
): StateHistory {
  const counts = new NodeCounts(reader, shared);
  let head = history.head;
  for (const { added, replaced } of uses) {
    counts.add(added);
    stageReplaced(batch, ++head, replaced);
  }
  const until = least(keepFrom, history.lowest + STATES_AT_ONCE * BigInt(uses.length));
  return stageDrops(reader, counts, { ...history, head }, history.head, until, batch);
}

/** Stages that states below `keepFrom` go, a few at a time. As above. */
export function stagePruned(
  reader: KeyValueReader,
  history: StateHistory,
  keepFrom: bigint,
  batch: BatchWriter,
): StateHistory {
  const until = least(keepFrom, history.lowest + STATES_AT_ONCE);
  return stageDrops(reader, new NodeCounts(reader), history, history.head, until, batch);
}

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/** `written`: the head that is in the store. */
function stageDrops(
  reader: KeyValueReader,
  counts: NodeCounts,
  history: StateHistory,
  written: bigint,
  until: bigint,
  batch: BatchWriter,
): StateHistory {
  let { lowest } = history;
  // What a state replaced that is in this batch only cannot be read yet; the head stays anyway.
  while (lowest < least(until, written)) {
    const replaced = readReplaced(reader, ++lowest);
    if (replaced !== undefined) {
      // That of the empty trie is no node.
      if (!equalsBytes(replaced.root, EMPTY_TRIE_ROOT)) {
        stageRootKept(reader, bytesKey(replaced.root), batch);
        counts.remove(bytesKey(replaced.root));
      }
      for (const hash of replaced.nodes) counts.remove(bytesKey(hash));
    }
    stageWithoutReplaced(batch, lowest);
  }
  counts.stage(batch);
  const next = { ...history, lowest };
  stageHistory(batch, next);
  return next;
}

/** What the proofs of a pruned state begin with. */
function stageRootKept(reader: KeyValueReader, rootKey: string, batch: BatchWriter): void {
  const rlp = reader.get(nodeTableKey(rootKey));
  if (rlp !== undefined) stagePrunedRoot(batch, rootKey, rlp);
}

/**
 * Stages that the states above `to` never were. `rootOf`: of the states from there to the head. Returns what is kept
 * once the batch is written. Throws StoreError.
 */
export function stageUndone(
  reader: KeyValueReader,
  history: StateHistory,
  to: bigint,
  rootOf: (number: bigint) => Uint8Array,
  forEver: Uint8Array,
  batch: BatchWriter,
): StateHistory {
  const counts = new NodeCounts(reader);
  const load = (hash: Uint8Array) => reader.get(nodeTableKey(bytesKey(hash)));
  for (let number = history.head; number > to; number--) {
    const changes = stateChanges(load, rootOf(number - 1n), rootOf(number), hashedKey(bytesKey(forEver)));
    for (const { hash, isNew } of changes) if (isNew) counts.remove(bytesKey(hash));
    stageWithoutReplaced(batch, number);
  }
  counts.stage(batch);
  const next = { ...history, head: to };
  stageHistory(batch, next);
  return next;
}

/**
 * Which nodes may be at several places: a bit for each beginning of a hash, so that most need no read of the store. Once
 * set, a bit stays.
 */
export class SharedNodes {
  /** Undefined: any may. */
  readonly #bits: Uint8Array | undefined;

  constructor(bits?: Uint8Array) {
    this.#bits = bits;
  }

  /** `entries`: those of COUNT_TABLE. */
  static async load(entries: AsyncIterable<readonly [key: Uint8Array, value: Uint8Array]>): Promise<SharedNodes> {
    const shared = new SharedNodes(new Uint8Array(SHARED_BITS >> 3));
    for await (const [key] of entries) shared.add(bytesKey(key.subarray(1)));
    return shared;
  }

  add(key: string): void {
    const bit = bitOf(key);
    if (this.#bits !== undefined) this.#bits[bit >> 3]! |= 1 << (bit & 7);
  }

  mayHave(key: string): boolean {
    const bit = bitOf(key);
    return this.#bits === undefined || (this.#bits[bit >> 3]! & (1 << (bit & 7))) !== 0;
  }
}

/** 1 MiB. */
const SHARED_BITS = 1 << 23;
const bitOf = (key: string): number =>
  ((key.charCodeAt(0) << 15) | (key.charCodeAt(1) << 7) | (key.charCodeAt(2) >> 1)) & (SHARED_BITS - 1);

interface Count {
  now: number;
  /** What the store says. */
  readonly stored: number;
}

/** Counts as they are once a batch is written. */
export class NodeCounts {
  readonly #reader: KeyValueReader;
  readonly #shared: SharedNodes;
  readonly #counts = new Map<string, Count>();

  constructor(reader: KeyValueReader, shared = new SharedNodes()) {
    this.#reader = reader;
    this.#shared = shared;
  }

  /**
   * Nodes of one state. A node is in the store only with everything below it, so when one below is not there nothing
   * needs to be asked: but for what is kept for ever, beside which states were pruned.
   */
  add(added: readonly AddedNode[]): void {
    const isAbsent = new Uint8Array(added.length);
    for (let i = added.length - 1; i >= 0; i--) {
      const { key, above, isForEver } = added[i]!;
      let count = this.#counts.get(key);
      if (count === undefined) {
        const isThere = (isAbsent[i] === 0 || isForEver) && this.#reader.get(nodeTableKey(key)) !== undefined;
        count = this.#stored(key, isThere);
      }
      count.now++;
      if (count.stored === 0 && above !== -1) isAbsent[above] = 1;
    }
  }

  /** Precondition: the node is at a place. */
  remove(key: string): void {
    const count = this.#counts.get(key) ?? this.#stored(key, true);
    if (--count.now < 0) throw damaged(`trie node ${bytesToHex(keyBytes(key))} is used less often than it was counted`);
  }

  /** Deletes what is at no place any more. */
  stage(batch: BatchWriter): void {
    for (const [key, { now, stored }] of this.#counts) {
      if (now === 0) batch.del(nodeTableKey(key));
      if (now > 1) {
        if (now === stored) continue;
        stageCount(batch, key, now);
        this.#shared.add(key);
      } else if (stored > 1) stageWithoutCount(batch, key);
    }
  }

  #stored(key: string, isThere: boolean): Count {
    const places = isThere && this.#shared.mayHave(key) ? (readCount(this.#reader, key) ?? 1) : 1;
    const stored = isThere ? places : 0;
    const count = { now: stored, stored };
    this.#counts.set(key, count);
    return count;
  }
}
