import fc from "fast-check";
import { expect, it } from "vitest";
import { bigIntToFixed, equalsBytes, trimLeadingZeros } from "../../core/bytes.ts";
import { KECCAK_EMPTY } from "../../core/crypto.ts";
import { openStateDatabase } from "../../execution/state/database.ts";
import { readStateItem } from "../../execution/state/flat-state.ts";
import { memoryStore } from "../../execution/state/memory-store.ts";
import { EMPTY_TRIE_ROOT } from "../../execution/state/trie-node.ts";
import { FakeStore, testLog } from "../testing/world.ts";
import { Peers } from "./peers.ts";
import { StateImport, type StateImportParts } from "./state-import.ts";
import { Ledger, LedgerChain } from "./testing/ledger.ts";
import { SyncWorld } from "./testing/world.ts";

const LEDGER = new Ledger({ blocks: 1, epochBlocks: 10 });

interface Account {
  readonly address: Uint8Array;
  readonly balance: bigint;
  readonly code: Uint8Array;
  readonly storage: readonly (readonly [slot: number, value: bigint])[];
}

/** A store that holds the state of these accounts. */
function stateOf(accounts: readonly Account[]) {
  const memory = memoryStore();
  const database = openStateDatabase({ reader: memory, headRoot: EMPTY_TRIE_ROOT });
  const layer = database.head.fork();
  for (const { address, balance, code, storage } of accounts) {
    const codeHash = code.length === 0 ? KECCAK_EMPTY : layer.addCode(code);
    layer.setAccount(address, { nonce: 1n, balance, codeHash, storageRoot: EMPTY_TRIE_ROOT });
    for (const [slot, value] of storage) layer.setStorage(address, word(slot), bigIntToFixed(value, 32));
  }
  const sealed = database.seal(layer);
  database.stage(sealed, memory);
  return { store: new FakeStore(memory), root: sealed.stateRoot };
}

const word = (value: number): Uint8Array => bigIntToFixed(BigInt(value), 32);

async function importInto(target: FakeStore, source: FakeStore, root: Uint8Array, limits?: StateImportParts["limits"]) {
  const world = new SyncWorld(LEDGER);
  for (const id of ["a", "b", "c"]) world.serve(id, new LedgerChain(LEDGER, 1), { store: source });
  const network = world.network.join("new");
  world.network.connectAll();
  const { clock } = world;
  const genesisHash = LEDGER.hashes[0]!;
  const peers = new Peers({ network, clock, log: testLog().log, genesisHash, epochBlocks: 10 });
  await clock.run(peers.refresh());
  let fraction = 0;
  const running = new StateImport({
    peers,
    clock,
    store: target,
    block: 1n,
    onProgress: (progress) => {
      fraction = progress.fraction;
    },
    ...(limits && { limits }),
  });
  expect(await clock.run(running.run(root))).toBe(true);
  return { mostTasks: running.mostTasks, fraction };
}

it("imports any state: flat tables, tries and code are those that were there", async () => {
  const account: fc.Arbitrary<Account> = fc.record({
    address: fc.uint8Array({ minLength: 20, maxLength: 20 }),
    balance: fc.bigInt({ min: 0n, max: 2n ** 128n }),
    code: fc.constantFrom(new Uint8Array(0), Uint8Array.of(1, 2), new Uint8Array(30_000).fill(7)),
    // Few slots and values, so that accounts have storage, or parts of it, in common.
    storage: fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 40 }), fc.constantFrom(1n, 127n, 128n, 2n ** 200n)), {
      maxLength: 40,
      selector: ([slot]) => slot,
    }),
  });
  const accounts = fc.uniqueArray(account, { maxLength: 30, selector: ({ address }) => String(address) });
  await fc.assert(
    fc.asyncProperty(accounts, async (all) => {
      const { store, root } = stateOf(all);
      const target = new FakeStore();
      await importInto(target, store, root);
      const { head } = openStateDatabase({ reader: target.reader, headRoot: root });
      for (const { address, balance, code, storage } of all) {
        const imported = head.reader.account(address)!;
        expect(imported.balance).toBe(balance);
        expect(equalsBytes(head.reader.code(imported.codeHash), code)).toBe(true);
        for (const [slot, value] of storage) {
          expect(head.reader.storage(address, word(slot))).toEqual(trimLeadingZeros(bigIntToFixed(value, 32)));
        }
      }
      // Nothing is there that was not there before, and nothing is missing.
      expect(target.memory.size).toBe(store.memory.size);
    }),
    { numRuns: 30, seed: 9 },
  );
});

it("keeps few things in mind, however large the state is", async () => {
  const accounts = Array.from({ length: 6_000 }, (_, index): Account => {
    const address = bigIntToFixed(BigInt(index + 1), 20);
    return { address, balance: BigInt(index), code: new Uint8Array(0), storage: [] };
  });
  const { store, root } = stateOf(accounts);
  const target = new FakeStore();
  const { mostTasks, fraction } = await importInto(target, store, root, { lanes: 2, items: 16 });
  expect(mostTasks).toBeLessThan(2_000);
  expect(fraction).toBeGreaterThan(0.99);
  expect(readStateItem(target.reader, root)).toBeDefined();
  expect(target.memory.size).toBe(store.memory.size);
});

it("imports an empty state without asking anybody", async () => {
  const target = new FakeStore();
  await importInto(target, new FakeStore(), EMPTY_TRIE_ROOT);
  expect(target.memory.size).toBe(0);
});
