/** Chains that keep their newest states, beside one that keeps all. */
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { MESSAGE_PASSER_ADDRESS } from "../core/addresses.ts";
import { bytesToHex, EMPTY_BYTES } from "../core/bytes.ts";
import { HISTORY_KEY, readHistory } from "../execution/state/prune-tables.ts";
import { COINBASE, SENDERS } from "../execution/testing/world.ts";
import { PRECOMPILES } from "../precompiles/table.ts";
import { Chain } from "./chain.ts";
import type { Database } from "./db-cli/open.ts";
import { prune } from "./db-cli/prune.ts";
import { rollBack } from "./db-cli/rollback.ts";
import { verifyDatabase } from "./db-cli/verify.ts";
import { partsOf } from "./db-cli/verify-cli.ts";
import { lowestNeeded } from "./state-history.ts";
import { CERTIFIED_GENESIS, certify, extendCertified, storing } from "./testing/certified-chain.ts";
import { FakeStore, signed } from "./testing/world.ts";

const HEAD = 22n;
/** Blocks of an epoch of that chain. */
const EPOCH = 4n;

const open = (store: FakeStore, states?: bigint) =>
  Chain.open(store, CERTIFIED_GENESIS, PRECOMPILES, undefined, { states });

/** Blocks with a withdrawal each, up to `to`. */
async function grow(chain: Chain, to: bigint): Promise<Chain> {
  while (chain.head.number < to) {
    const number = Number(chain.head.number) + 1;
    const nonce = (sender: number) => chain.headState.account(SENDERS[sender]!)?.nonce ?? 0n;
    const { block } = await chain.propose({
      candidates: [
        signed(0, nonce(0), { to: MESSAGE_PASSER_ADDRESS, gasLimit: 300_000n, value: BigInt(number) }),
        // Slots that come back to what they were.
        storing(1, nonce(1), number % 3, number % 2),
      ],
      timestamp: chain.headBlock.header.timestamp + 1n,
      feeAddress: COINBASE,
      isOutOfTime: () => false,
    });
    await chain.commitThrough(block.hash, certify(number, block.hash));
  }
  return chain;
}

let archive: FakeStore;
let whole: Chain;
beforeAll(async () => {
  archive = new FakeStore();
  whole = await grow(await open(archive), HEAD);
});

const database = (store: FakeStore): Database & { kind: "own" } => ({
  kind: "own",
  genesis: CERTIFIED_GENESIS,
  directory: { path: "/nowhere", store } as unknown as Database["directory"],
});

async function failures(store: FakeStore): Promise<readonly string[]> {
  const told: string[] = [];
  for await (const { name, failures } of verifyDatabase({ ...partsOf(database(store)), samples: 100 })) {
    told.push(...failures.map((failure) => `${name}: ${failure}`));
  }
  return told;
}

/** All but counts: places that are kept for ever are counted again by a later count. */
const contents = (store: FakeStore) =>
  [...store.memory.iterate(EMPTY_BYTES, Uint8Array.of(0xff))]
    .map(([key, value]) => [bytesToHex(key), bytesToHex(value)])
    .filter(([key]) => !key!.startsWith("0x06"));

/** What the chain still answers is what the one that keeps all does, and that is at least what it has to. */
function check(chain: Chain, states: bigint): void {
  const head = chain.head.number;
  const lowest = lowestNeeded({ head, states, finalizedOnL1: undefined, epochBlocks: EPOCH });
  for (let number = 0n; number <= head; number++) {
    const block = chain.block(number)!;
    const state = chain.state(block);
    expect([number, state !== undefined]).toEqual([number, number >= lowest]);
    expect(state?.account(SENDERS[0]!)).toEqual(state && whole.state(block)!.account(SENDERS[0]!));
    const slots = [new Uint8Array(32), new Uint8Array(32).fill(7)];
    const passer = chain.prove(block, MESSAGE_PASSER_ADDRESS, slots);
    expect(passer).toEqual(whole.prove(block, MESSAGE_PASSER_ADDRESS, slots));
    if (state === undefined) {
      expect(() => chain.prove(block, SENDERS[0]!, [])).toThrow(/missing trie node: no state with root .* pruned/);
    }
  }
}

describe("a chain that keeps its newest states", () => {
  test("property: has them, the last epoch's end and all withdrawals, whenever it was told to and however far it goes back", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.bigInt({ min: 0n, max: 6n }),
        fc.bigInt({ min: 0n, max: HEAD }),
        fc.bigInt({ min: 0n, max: 5n }),
        async (states, since, back) => {
          const store = new FakeStore();
          await grow(await open(store), since);
          let chain = await grow(await open(store, states), HEAD);
          expect(chain.head).toEqual(whole.head);
          check(chain, states);
          expect(await failures(store)).toEqual([]);

          const { lowest } = readHistory(store.reader)!;
          const to = HEAD - back > lowest ? HEAD - back : lowest;
          if (to < HEAD) await rollBack(database(store), to, true);
          expect(await failures(store)).toEqual([]);
          chain = await grow(await open(store, states), HEAD);
          check(chain, states);
          if (lowest > 0n) await expect(rollBack(database(store), lowest - 1n, true)).rejects.toThrow(/were pruned/);
        },
      ),
      { numRuns: 5 },
    );
  }, 60_000);

  test("an archive becomes one by openledger prune or as it starts, with the same result, interrupted at any write", async () => {
    const [started, pruned] = [archive.copy(), archive.copy()];
    check(await open(started, 3n), 3n);
    expect(await prune(database(pruned), 3n)).toEqual({ lowest: 19n, head: HEAD });
    expect(contents(pruned)).toEqual(contents(started));
    for (let writes = 0, isDone = false; !isDone; writes++) {
      const store = archive.copy();
      let left = writes;
      store.beforeWrite = async () => {
        if (left-- === 0) throw new Error("disk full");
      };
      isDone = await open(store, 3n).then(
        () => true,
        () => false,
      );
      store.beforeWrite = async () => {};
      check(await open(store, 3n), 3n);
      expect(contents(store)).toEqual(contents(started));
      expect(await failures(store)).toEqual([]);
    }
  });

  test("keeps all that come once it is an archive again, and those of a program that does not count are counted", async () => {
    const store = archive.copy();
    await open(store, 3n);
    const chain = await open(store);
    await extendCertified(chain, 9);
    expect(chain.state(chain.block(19n)!)).toBeDefined();
    expect(chain.state(chain.block(18n)!)).toBeUndefined();
    expect(await failures(store)).toEqual([]);

    // Blocks of a program that knows nothing of it leave the record behind the head.
    const older = archive.copy();
    await open(older, 3n);
    const [record, counted] = [older.memory.get(HISTORY_KEY)!, older.copy()];
    await grow(await open(counted), HEAD + 4n);
    counted.memory.put(HISTORY_KEY, record);
    expect(await failures(counted)).not.toEqual([]);
    const again = await open(counted, 2n);
    expect(readHistory(counted.reader)).toMatchObject({ head: HEAD + 4n, lowest: 23n });
    expect(again.state(again.block(23n)!)).toBeDefined();
    expect(await failures(counted)).toEqual([]);
  });

  test("property: a note of what was replaced, and the record of it all, are noticed when they are changed", async () => {
    const store = archive.copy();
    await open(store, 3n);
    const keys = [...store.memory.iterate(Uint8Array.of(7), Uint8Array.of(9))].map(([key]) => key);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...keys), fc.nat(), async (key, place) => {
        const copy = store.copy();
        const value = Uint8Array.from(copy.memory.get(key)!);
        value[place % value.length]! ^= 1;
        copy.memory.put(key, value);
        expect([bytesToHex(key), (await failures(copy)).length > 0]).toEqual([bytesToHex(key), true]);
      }),
      { numRuns: 10 },
    );
  });
});

test("what is needed: some states, those since what is final on L1, and the last epoch's end", () => {
  const at = (head: bigint, states: bigint, finalizedOnL1?: bigint, epochBlocks?: bigint) =>
    lowestNeeded({ head, states, finalizedOnL1, epochBlocks });
  expect(at(5n, 10n)).toBe(0n);
  expect(at(100n, 10n)).toBe(90n);
  expect(at(100n, 10n, 40n)).toBe(40n);
  expect(at(100n, 10n, 95n)).toBe(90n);
  expect(at(100n, 10n, undefined, 60n)).toBe(59n);
  expect(at(119n, 10n, undefined, 60n)).toBe(109n);
  expect(at(100n, 10n, undefined, 1_000n)).toBe(90n);
});
