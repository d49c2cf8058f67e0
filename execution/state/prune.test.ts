/** Random histories on a store that counts, beside one where every state stays. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { bigIntToFixed, bytesToHex, equalsBytes } from "../../core/bytes.ts";
import { KECCAK_EMPTY } from "../../core/crypto.ts";
import { decodeTrieAccount } from "./account-codec.ts";
import { openStateDatabase } from "./database.ts";
import { hashedKey } from "./history.ts";
import { bytesKey } from "./keys.ts";
import { Batch } from "./level-store.ts";
import { type MemoryStore, memoryStore } from "./memory-store.ts";
import { SharedNodes, stageUndone } from "./prune.ts";
import { beginCounting, type CountParts } from "./prune-count.ts";
import { COUNT_TABLE, NODE_TABLE, readCount, readHistory, readPrunedRoot } from "./prune-tables.ts";
import { stageRestored } from "./restore.ts";
import { stateChanges } from "./trie-changes.ts";
import { EMPTY_TRIE_ROOT } from "./trie-node.ts";
import { trieLeaves } from "./trie-walk.ts";
import type { StateDatabase, StateLayer } from "./types.ts";

const ADDRESSES = Array.from({ length: 5 }, (_, i) => new Uint8Array(20).fill(i + 1));
/** The account that pruned states still prove. */
const FOR_EVER = ADDRESSES[0]!;
const SLOTS = Array.from({ length: 6 }, (_, i) => bigIntToFixed(BigInt(i), 32));

/**
 * Accounts come, change, go, and are again what they were, storage too; several have the same storage. So nodes with the
 * same hash are in several tries, and come back after they were gone.
 */
const step = fc.record({
  account: fc.nat(ADDRESSES.length - 1),
  change: fc.oneof(
    { weight: 6, arbitrary: fc.record({ slot: fc.nat(SLOTS.length - 1), value: fc.nat(2) }) },
    { weight: 2, arbitrary: fc.record({ balance: fc.nat(2) }) },
    { weight: 3, arbitrary: fc.record({ pattern: fc.integer({ min: 1, max: 2 }) }) },
    { weight: 1, arbitrary: fc.constant("delete" as const) },
    { weight: 1, arbitrary: fc.constant("clear" as const) },
  ),
});
type Steps = readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[];

function apply(layer: StateLayer, steps: Steps): void {
  for (const { account, change } of steps) {
    const address = ADDRESSES[account]!;
    const { balance = 1n } = layer.account(address) ?? {};
    const existing = { nonce: 1n, balance, codeHash: KECCAK_EMPTY, storageRoot: EMPTY_TRIE_ROOT };
    if (change === "delete") layer.setAccount(address, undefined);
    else if (change === "clear") layer.clearStorage(address);
    else if ("balance" in change) layer.setAccount(address, { ...existing, balance: BigInt(change.balance) });
    else if ("pattern" in change) {
      layer.setAccount(address, existing);
      for (const [i, slot] of SLOTS.entries()) layer.setStorage(address, slot, Uint8Array.of(i % change.pattern));
    } else {
      layer.setAccount(address, existing);
      layer.setStorage(address, SLOTS[change.slot]!, Uint8Array.of(change.value));
    }
  }
}

const action = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({ blocks: fc.array(fc.array(step, { maxLength: 6 }), { minLength: 1, maxLength: 3 }) }),
  },
  { weight: 2, arbitrary: fc.constant("crash" as const) },
  { weight: 1, arbitrary: fc.record({ undo: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.constant("count again" as const) },
  { weight: 1, arbitrary: fc.record({ keep: fc.nat(4) }) },
);

function written(memory: MemoryStore, batch: Batch): void {
  for (const { key, value } of batch.operations) {
    if (value === undefined) memory.del(key);
    else memory.put(key, value);
  }
}

const asStore = (memory: MemoryStore): CountParts["store"] => ({
  reader: memory,
  write: async (batch) => written(memory, batch),
  async *iterate({ start, end }) {
    yield* memory.iterate(start, end);
  },
});

class World {
  readonly store: MemoryStore;
  /** What a chain whose states all stay has. */
  readonly archive = memoryStore();
  /** By number. */
  roots: Uint8Array[] = [EMPTY_TRIE_ROOT];
  keep: number;
  #database!: StateDatabase;
  #reference!: StateDatabase;

  constructor(keep: number, store = memoryStore()) {
    this.keep = keep;
    this.store = store;
  }

  get head(): number {
    return this.roots.length - 1;
  }

  get history() {
    return readHistory(this.store)!;
  }

  async open(): Promise<void> {
    const headRoot = this.roots.at(-1)!;
    const shared = await SharedNodes.load(asStore(this.store).iterate(COUNT_TABLE));
    this.#database = openStateDatabase({ reader: this.store, headRoot, forEver: FOR_EVER, shared });
    this.#reference = openStateDatabase({ reader: this.archive, headRoot });
  }

  async count(store = asStore(this.store)): Promise<void> {
    await beginCounting({
      store,
      head: BigInt(this.head),
      keepFrom: BigInt(Math.max(0, this.head - this.keep)),
      first: 0n,
      rootOf: (number) => this.roots[Number(number)],
      forEver: FOR_EVER,
    });
    await this.open();
  }

  /** One batch, as when several blocks become final at once. */
  async extend(blocks: readonly Steps[], isWritten: boolean): Promise<void> {
    const batch = new Batch();
    let [state, reference] = [this.#database.head, this.#reference.head];
    const roots: Uint8Array[] = [];
    for (const steps of blocks) {
      const [layer, other] = [state.fork(), reference.fork()];
      apply(layer, steps);
      apply(other, steps);
      [state, reference] = [this.#database.seal(layer), this.#reference.seal(other)];
      expect(state.stateRoot).toEqual(reference.stateRoot);
      roots.push(state.stateRoot);
    }
    this.#database.stage(state, batch, BigInt(Math.max(0, this.head + blocks.length - this.keep)));
    if (!isWritten) {
      await this.open();
      return;
    }
    this.#reference.stage(reference, this.archive);
    this.#reference.committed(reference);
    written(this.store, batch);
    this.#database.committed(state);
    this.roots.push(...roots);
  }

  async undo(count: number): Promise<void> {
    const to = Math.max(Number(this.history.lowest), this.head - count);
    const batch = new Batch();
    const rootOf = (number: bigint) => this.roots[Number(number)]!;
    stageRestored(this.store, this.roots.at(-1)!, this.roots[to]!, batch);
    stageUndone(this.store, this.history, BigInt(to), rootOf, FOR_EVER, batch);
    written(this.store, batch);
    stageRestored(this.archive, this.roots.at(-1)!, this.roots[to]!, this.archive);
    this.roots = this.roots.slice(0, to + 1);
    await this.open();
  }

  /** Every kept state is whole and what it was, nothing else is in the store, and the account for ever is proven. */
  check(): void {
    const { lowest, head } = this.history;
    expect(head).toBe(BigInt(this.head));
    const wanted = new Set<string>();
    for (const [number, root] of this.roots.entries()) {
      const isKept = BigInt(number) >= lowest;
      if (isKept) expect(contentOf(this.store, root)).toEqual(contentOf(this.archive, root));
      const load = (hash: Uint8Array) => node(this.archive, hash);
      const forEver = hashedKey(bytesKey(FOR_EVER));
      for (const { hash } of stateChanges(load, EMPTY_TRIE_ROOT, root, forEver, isKept)) {
        if (isKept || !equalsBytes(hash, root)) wanted.add(bytesToHex(hash));
      }
      const slots = SLOTS.slice(0, 3);
      expect(this.#database.prove(root, FOR_EVER, slots)).toEqual(this.#reference.prove(root, FOR_EVER, slots));
    }
    const found = [...this.store.iterate(NODE_TABLE.start, NODE_TABLE.end)].map(([key]) => bytesToHex(key.slice(1)));
    expect(found.toSorted()).toEqual([...wanted].toSorted());
    for (const root of this.roots) {
      const isHere = equalsBytes(root, EMPTY_TRIE_ROOT) || wanted.has(bytesToHex(root));
      expect(this.#database.at(root) !== undefined).toBe(isHere);
      if (!isHere) expect(readPrunedRoot(this.store, bytesKey(root))).toBeDefined();
    }
  }

  /** Places of each node of the kept states, counted anew. */
  checkCounts(): void {
    const { lowest } = this.history;
    const counts = new Map<string, number>();
    const load = (hash: Uint8Array) => node(this.store, hash);
    const forEver = hashedKey(bytesKey(FOR_EVER));
    const isForEver = new Set<string>();
    for (const root of this.roots) {
      const loadAny = (hash: Uint8Array) => node(this.archive, hash);
      for (const { hash } of stateChanges(loadAny, EMPTY_TRIE_ROOT, root, forEver, false))
        isForEver.add(bytesKey(hash));
    }
    let before = EMPTY_TRIE_ROOT;
    for (const root of this.roots.slice(Number(lowest))) {
      for (const change of stateChanges(load, before, root, forEver)) {
        const key = bytesKey(change.hash);
        if (change.isNew) counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      before = root;
    }
    for (const [key, count] of counts) {
      const found = readCount(this.store, key) ?? 1;
      if (isForEver.has(key)) expect(found).toBeGreaterThanOrEqual(count);
      else expect(found).toBe(count);
    }
  }
}

const node = (store: MemoryStore, hash: Uint8Array) => store.get(Uint8Array.of(3, ...hash));

/** Of a state walked whole, with its storage. */
function contentOf(store: MemoryStore, root: Uint8Array): Record<string, string> {
  const watch = {
    onDamage(reason: string) {
      throw new Error(reason);
    },
  };
  const content: Record<string, string> = {};
  const load = (hash: Uint8Array) => node(store, hash);
  for (const { key, value } of trieLeaves(load, root, watch)) {
    content[bytesToHex(key)] = bytesToHex(value);
    for (const slot of trieLeaves(load, decodeTrieAccount(value).storageRoot, watch)) {
      content[`${bytesToHex(key)} ${bytesToHex(slot.key)}`] = bytesToHex(slot.value);
    }
  }
  return content;
}

test("property: what is kept is whole after every block, crash and rollback, and nothing else stays", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(4), fc.array(action, { minLength: 1, maxLength: 14 }), async (keep, actions) => {
      const world = new World(keep);
      await world.count();
      for (const each of actions) {
        if (each === "count again") await world.count();
        else if (each === "crash") await world.extend([[{ account: 1, change: { slot: 1, value: 1 } }], []], false);
        else if ("undo" in each) await world.undo(each.undo);
        else if ("keep" in each) world.keep = each.keep;
        else await world.extend(each.blocks, true);
        world.check();
        world.checkCounts();
      }
    }),
    { numRuns: 60 },
  );
});
