import fc from "fast-check";
import { expect, test } from "vitest";
import { bigIntToFixed } from "../../core/bytes.ts";
import { KECCAK_EMPTY } from "../../core/crypto.ts";
import { openStateDatabase } from "./database.ts";
import { type MemoryStore, memoryStore } from "./memory-store.ts";
import { stageRestored } from "./restore.ts";
import { EMPTY_TRIE_ROOT } from "./trie-node.ts";
import type { StateLayer, StateReader } from "./types.ts";

const ADDRESSES = Array.from({ length: 4 }, (_, i) => new Uint8Array(20).fill(i + 1));
const SLOTS = Array.from({ length: 4 }, (_, i) => bigIntToFixed(BigInt(i), 32));

/** Accounts come, change, lose their storage, go and come again, as before Cancun. */
const step = fc.record({
  account: fc.nat(3),
  change: fc.oneof(
    { weight: 4, arbitrary: fc.record({ slot: fc.nat(3), value: fc.nat(2) }) },
    { weight: 1, arbitrary: fc.constant("delete" as const) },
    { weight: 1, arbitrary: fc.constant("clear" as const) },
  ),
});
const block = fc.array(step, { maxLength: 8 });

function apply(layer: StateLayer, steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[]): void {
  for (const { account, change } of steps) {
    const address = ADDRESSES[account]!;
    if (change === "delete") {
      layer.setAccount(address, undefined);
      continue;
    }
    const before = layer.account(address);
    const fields = { balance: 1n, codeHash: KECCAK_EMPTY, storageRoot: EMPTY_TRIE_ROOT };
    layer.setAccount(address, { ...fields, nonce: (before?.nonce ?? 0n) + 1n });
    if (change === "clear") layer.clearStorage(address);
    else layer.setStorage(address, SLOTS[change.slot]!, Uint8Array.of(change.value));
  }
}

const content = (state: StateReader) =>
  ADDRESSES.map((address) => [state.account(address), SLOTS.map((slot) => state.storage(address, slot))]);

/** Commits the blocks one by one; returns the roots, the first of them before the first block. */
function commit(
  store: MemoryStore,
  headRoot: Uint8Array,
  blocks: readonly Parameters<typeof apply>[1][],
): Uint8Array[] {
  const database = openStateDatabase({ reader: store, headRoot });
  return blocks.map((steps) => {
    const layer = database.head.fork();
    apply(layer, steps);
    const sealed = database.seal(layer);
    database.stage(sealed, store);
    database.committed(sealed);
    return sealed.stateRoot;
  });
}

test("the flat tables become those of an earlier state, and the chain goes on from there as if nothing had been above", () => {
  const chain = fc.array(block, { minLength: 2, maxLength: 6 });
  fc.assert(
    fc.property(chain, chain, fc.nat(), (blocks, others, choice) => {
      const store = memoryStore();
      const roots = [EMPTY_TRIE_ROOT, ...commit(store, EMPTY_TRIE_ROOT, blocks)];
      const kept = choice % roots.length;
      const target = roots[kept]!;
      stageRestored(store, roots.at(-1)!, target, store);

      const restored = openStateDatabase({ reader: store, headRoot: target });
      const fresh = memoryStore();
      commit(fresh, EMPTY_TRIE_ROOT, blocks.slice(0, kept));
      const want = openStateDatabase({ reader: fresh, headRoot: target });
      expect(content(restored.head.reader)).toEqual(content(want.head.reader));

      expect(commit(store, target, others)).toEqual(commit(fresh, target, others));
    }),
    { numRuns: 200 },
  );
});

test("a state that is not whole is told, not restored", () => {
  const store = memoryStore();
  const [first, second] = commit(store, EMPTY_TRIE_ROOT, [
    [{ account: 0, change: { slot: 0, value: 1 } }],
    [{ account: 1, change: { slot: 1, value: 1 } }],
  ]);
  expect(() => stageRestored(store, second!, new Uint8Array(32).fill(9), store)).toThrow(/trie node .* is missing/);
  expect(() => stageRestored(store, second!, first!, store)).not.toThrow();
});
