/**
 * Begins to count the states of a store whose states all stayed until now, or were imported: counts the nodes of those
 * that are to be kept, then deletes the others. Two passes, both resumed after an interruption: until the first is over
 * nothing is deleted, and the second remembers how far it came.
 *
 * Memory: the counts of one flush, and one state's changes. Nobody else may write to the store meanwhile.
 */
import { concatBytes, equalsBytes } from "../../core/bytes.ts";
import { hashedKey } from "./history.ts";
import { bytesKey } from "./keys.ts";
import { Batch, type KeyRange, type LevelStore } from "./level-store.ts";
import {
  COUNT_TABLE,
  NODE_TABLE,
  NOTHING_SWEPT,
  nodeTableKey,
  REPLACED_TABLE,
  readCount,
  readHistory,
  readPrunedRoot,
  type StateHistory,
  stageCount,
  stageHistory,
  stagePrunedRoot,
  stageReplaced,
  stageWithoutCount,
} from "./prune-tables.ts";
import { stateChanges } from "./trie-changes.ts";
import { EMPTY_TRIE_ROOT } from "./trie-node.ts";

export interface CountParts {
  readonly store: Pick<LevelStore, "reader" | "write" | "iterate">;
  /** Number of the last committed state. */
  readonly head: bigint;
  /** The lowest state to keep, where it is here. */
  readonly keepFrom: bigint;
  /** The lowest state that was ever here whole. */
  readonly first: bigint;
  /** State root of a block; undefined where the block is not here. */
  readonly rootOf: (number: bigint) => Uint8Array | undefined;
  /** Address of the account whose proofs are kept for ever. */
  readonly forEver: Uint8Array;
  /** How many nodes were counted, or deleted, so far. Throws to interrupt. */
  readonly onProgress?: (what: "counted" | "deleted", nodes: number) => void;
}

/** Entries of a write. */
const FLUSHED_AT_ONCE = 20_000;
const STEPS_AT_ONCE = 4_096;

/** Resolves to how many nodes were deleted. Throws StoreError where a state is not whole; then nothing was deleted. */
export async function beginCounting(parts: CountParts): Promise<number> {
  const { store, head } = parts;
  let history = readHistory(store.reader);
  if (history?.phase !== "sweeping" || history.head !== head) history = await new Counting(parts).run();
  return sweep(parts, history);
}

class Counting {
  readonly #parts: CountParts;
  readonly #forEver: Uint8Array;
  readonly #counts = new Map<string, number>();
  #batch = new Batch();
  #counted = 0;

  constructor(parts: CountParts) {
    this.#parts = parts;
    this.#forEver = hashedKey(bytesKey(parts.forEver));
  }

  async run(): Promise<StateHistory> {
    const { store, head, first } = this.#parts;
    // Below it, what an earlier pass left is no whole state.
    const whole = readHistory(store.reader)?.lowest ?? first;
    const unfinished = { phase: "counting", lowest: whole, head, swept: NOTHING_SWEPT } as const;
    stageHistory(this.#batch, unfinished);
    await this.#flush();
    for (const table of [COUNT_TABLE, REPLACED_TABLE]) await deleteAll(store, table);
    await this.#count(EMPTY_TRIE_ROOT, this.#rootOf(head), true, ({ isNew }) => isNew);
    let lowest = head;
    const keepFrom = this.#parts.keepFrom > whole ? this.#parts.keepFrom : whole;
    while (lowest > keepFrom && this.#isHere(lowest - 1n)) await this.#countBefore(lowest--);
    // Of all others what proves one account.
    for (let number = lowest; number > first && this.#isHere(number - 1n); number--) await this.#keepProof(number);
    const history = { ...unfinished, phase: "sweeping", lowest } as const;
    stageHistory(this.#batch, history);
    await this.#flush(true);
    return history;
  }

  /** What the state before `number` has and that state has not. */
  async #countBefore(number: bigint): Promise<void> {
    const [root, next] = [this.#rootOf(number - 1n), this.#rootOf(number)];
    const nodes: Uint8Array[] = [];
    await this.#count(root, next, true, ({ hash, isNew, isForEver }) => {
      if (!isNew && !isForEver) nodes.push(hash);
      return !isNew;
    });
    stageReplaced(this.#batch, number, equalsBytes(root, next) ? undefined : { root, nodes });
  }

  /** A place may be counted several times: none is ever taken back. */
  async #keepProof(number: bigint): Promise<void> {
    const [root, next] = [this.#rootOf(number - 1n), this.#rootOf(number)];
    await this.#count(root, next, false, ({ hash, isNew }) => !isNew && !equalsBytes(hash, root));
    const rlp = this.#load(root);
    if (rlp !== undefined) stagePrunedRoot(this.#batch, bytesKey(root), rlp);
  }

  async #count(
    before: Uint8Array,
    after: Uint8Array,
    isAll: boolean,
    isCounted: (change: { hash: Uint8Array; isNew: boolean; isForEver: boolean }) => boolean,
  ): Promise<void> {
    let steps = 0;
    for (const change of stateChanges(this.#load, before, after, this.#forEver, isAll)) {
      if (isCounted(change)) {
        const key = bytesKey(change.hash);
        this.#counts.set(key, (this.#counts.get(key) ?? readCount(this.#parts.store.reader, key) ?? 0) + 1);
        this.#counted++;
      }
      if (++steps % STEPS_AT_ONCE === 0) await this.#turn();
    }
    await this.#turn();
  }

  async #turn(): Promise<void> {
    if (this.#counts.size + this.#batch.operations.length >= FLUSHED_AT_ONCE) await this.#flush();
    this.#parts.onProgress?.("counted", this.#counted);
    await breathe();
  }

  async #flush(sync = false): Promise<void> {
    const batch = this.#batch;
    for (const [key, count] of this.#counts) stageCount(batch, key, count);
    this.#counts.clear();
    this.#batch = new Batch();
    await this.#parts.store.write(batch, { sync });
  }

  #rootOf(number: bigint): Uint8Array {
    const root = this.#parts.rootOf(number);
    if (root === undefined) throw new Error(`the state root of block ${number} was asked for, which is not here`);
    return root;
  }

  #isHere(number: bigint): boolean {
    const root = this.#parts.rootOf(number);
    return root !== undefined && (equalsBytes(root, EMPTY_TRIE_ROOT) || this.#load(root) !== undefined);
  }

  readonly #load = (hash: Uint8Array): Uint8Array | undefined => {
    const { reader } = this.#parts.store;
    const key = bytesKey(hash);
    return reader.get(nodeTableKey(key)) ?? readPrunedRoot(reader, key);
  };
}

async function sweep({ store, onProgress }: CountParts, history: StateHistory): Promise<number> {
  let deleted = 0;
  let batch = new Batch();
  const write = async (next: StateHistory, sync: boolean) => {
    stageHistory(batch, next);
    await store.write(batch, { sync });
    batch = new Batch();
    onProgress?.("deleted", deleted);
  };
  const start = concatBytes(nodeTableKey(bytesKey(history.swept)), Uint8Array.of(0));
  let steps = 0;
  for await (const [key] of store.iterate({ start, end: NODE_TABLE.end })) {
    const hash = key.slice(1);
    const count = readCount(store.reader, bytesKey(hash));
    if (count === undefined) {
      batch.del(key);
      deleted++;
    } else if (count === 1) stageWithoutCount(batch, bytesKey(hash));
    if (batch.operations.length >= FLUSHED_AT_ONCE) await write({ ...history, swept: hash }, false);
    if (++steps % STEPS_AT_ONCE === 0) await breathe();
  }
  await write({ ...history, phase: "complete" }, true);
  return deleted;
}

async function deleteAll(store: CountParts["store"], range: KeyRange): Promise<void> {
  let batch = new Batch();
  for await (const [key] of store.iterate(range)) {
    batch.del(key);
    if (batch.operations.length < FLUSHED_AT_ONCE) continue;
    await store.write(batch);
    batch = new Batch();
  }
  await store.write(batch);
}

const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
