import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesToHex, hexToBytes } from "../core/bytes.ts";
import { type Change, insert } from "./changes.ts";
import { REWARD_KIND } from "./codes.ts";
import { openReader } from "./database.ts";
import { Reader } from "./loaders.ts";
import { rewardSeries, topContributors } from "./series.ts";
import { testAddress, testHash } from "./testing/fake-chain.ts";
import { writeRows } from "./testing/rows.ts";
import { STORES } from "./testing/stores.ts";

const MONDAY = Date.UTC(2024, 0, 1) / 1_000;
const HOUR = 3_600;
const hash = hexToBytes(testHash("tx"));

interface FakeReward {
  readonly account: number;
  readonly source: number;
  readonly time: number;
  readonly amount: bigint;
}

const rewards: fc.Arbitrary<FakeReward[]> = fc
  .array(
    fc.record({
      account: fc.nat(3),
      source: fc.integer({ min: 1, max: 4 }),
      time: fc.integer({ min: MONDAY - 40 * HOUR, max: MONDAY + 400 * HOUR }),
      amount: fc.oneof(fc.bigInt(0n, 3n), fc.bigInt(0n, 2n ** 200n)),
    }),
    { maxLength: 60 },
  )
  .map((list) => list.toSorted((a, b) => a.time - b.time));

/** Each in a block of its own. */
const rowsOf = ({ account, source, time, amount }: FakeReward, block: number): Change[] => [
  insert("blocks", { block, hash, parent_hash: hash, timestamp: time, gas_used: 0n, transactions: 1, events: 1 }),
  insert("rewards", {
    block,
    log_index: 0,
    tx_hash: hash,
    inference: 1,
    account: hexToBytes(testAddress(account)),
    kind: REWARD_KIND.CONTRIBUTOR,
    source,
    weight: 1n,
    amount,
    time,
  }),
];

/** Odd contributions are in Datanet 1, even ones in 2. */
const datanetOf = (contribution: number): number => 2 - (contribution % 2);

const contribution = (id: number): Change =>
  insert("contributions", {
    block: 0,
    log_index: id,
    tx_hash: hash,
    id,
    datanet: datanetOf(id),
    contributor: hexToBytes(testAddress(0)),
    content_root: hash,
    size: 1n,
    licence: 2,
    uri: "",
    bond: 0n,
    status: 2,
    curator: null,
    score: null,
    leaf_index: null,
    duplicate_of: null,
    reason: null,
    decided_block: null,
    decided_tx: null,
    withdrawn_block: null,
    withdrawn_tx: null,
  });

const windows = fc
  .tuple(fc.integer({ min: -50, max: 400 }), fc.integer({ min: 1, max: 300 }))
  .map(([start, length]) => ({ from: MONDAY + start * HOUR - 17, to: MONDAY + (start + length) * HOUR + 5 }));

describe.each(STORES)("$name", ({ newLocation, runs }) => {
  test("series and top contributors are the exact sums of what lies in the window", async () => {
    await fc.assert(
      fc.asyncProperty(rewards, windows, async (list, window) => {
        const location = await newLocation();
        await writeRows(location, [...[1, 2, 3, 4].map(contribution), ...list.flatMap(rowsOf)]);
        const reader = new Reader(openReader(location, { connections: 1 }), 10_000);
        const inWindow = list.filter(({ time }) => time >= window.from && time < window.to);
        for (const [interval, seconds, origin] of [
          ["HOUR", HOUR, MONDAY],
          ["DAY", 24 * HOUR, MONDAY],
          ["WEEK", 168 * HOUR, MONDAY],
        ] as const) {
          const own = inWindow.filter(({ account }) => account === 1);
          const groups = Map.groupBy(own, ({ time }) => origin + Math.floor((time - origin) / seconds) * seconds);
          const expected = [...groups].map(([start, all]) => ({ start, seconds, ...sum(all) }));
          const filter = { account: hexToBytes(testAddress(1)) };
          expect(await rewardSeries(reader, filter, interval, window)).toEqual(expected);
        }
        for (const datanet of [undefined, 1, 2]) {
          const within = inWindow.filter(({ source }) => datanet === undefined || datanetOf(source) === datanet);
          const best = [...Map.groupBy(within, ({ account }) => account)]
            .map(([account, all]) => ({ account: testAddress(account).toLowerCase(), ...sum(all) }))
            .filter(({ amount }) => amount > 0n)
            .toSorted((a, b) =>
              a.amount === b.amount ? (a.account < b.account ? -1 : 1) : a.amount > b.amount ? -1 : 1,
            );
          const found = await topContributors(reader, datanet, window, 3);
          expect(found.map((one) => ({ ...one, account: bytesToHex(one.account) }))).toEqual(best.slice(0, 3));
        }
        await reader.db.destroy();
      }),
      { numRuns: runs },
    );
  });

  test("a window that is none, or of too many intervals, is refused", async () => {
    const location = await newLocation();
    await writeRows(location, []);
    const reader = new Reader(openReader(location, { connections: 1 }), 10_000);
    const series = (from: number, to: number) => rewardSeries(reader, {}, "HOUR", { from, to });
    await expect(series(5, 5)).rejects.toThrow("from must be before to, and 5 is not before 5");
    await expect(series(1, 1_000 * HOUR + 1)).rejects.toThrow("are 1001 of HOUR, the limit is 1000: ask for less");
    expect(await series(0, 1_000 * HOUR)).toEqual([]);
    await reader.db.destroy();
  });
});

const sum = (all: readonly FakeReward[]) => ({
  amount: all.reduce((total, { amount }) => total + amount, 0n),
  count: all.length,
});
