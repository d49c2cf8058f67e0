import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Transaction } from "../../core/chain.ts";
import type { MempoolLimits } from "../../execution/mempool/rules.ts";
import { Mempool } from "../../execution/mempool.ts";
import { Chain } from "../chain.ts";
import { extend, FakeClock, FakeStore, rich, signed, testGenesis, testLog } from "../testing/world.ts";
import { openLocalTransactions } from "./local-transactions.ts";

const GENESIS = testGenesis([0, 1, 2].map((index) => rich(index)));
const MINUTE_MS = 60_000;

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "locals-"));
  path = join(directory, "transactions.journal");
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A process on the files that are there. What it told its peers is in `told`. */
async function start(store = new FakeStore(), limits: Partial<MempoolLimits> = {}, rejournalMs = 60 * MINUTE_MS) {
  const clock = new FakeClock();
  const { log, lines } = testLog();
  const chain = await Chain.open(store, GENESIS, []);
  const mempool = new Mempool({ next: chain.nextBlock, limits });
  const told: Transaction[] = [];
  const locals = await openLocalTransactions(path, {
    chain,
    mempool,
    clock,
    log,
    rejournalMs,
    submit(tx) {
      const result = mempool.add(tx, chain.headState, clock.nowMs());
      if (result.ok) told.push(tx);
      return result;
    },
  });
  /** The pool does as the engine has it do. */
  chain.onCommit(({ number }) =>
    mempool.removeMined(chain.block(number)!, chain.headState, chain.nextBlock, clock.nowMs()),
  );
  const later = (ms: number) => clock.setMs(clock.nowMs() + ms);
  const has = (...all: Transaction[]) => all.map(({ hash }) => mempool.get(hash) !== undefined);
  return { store, clock, lines, chain, mempool, locals, told, later, has };
}

/** Ends it without another word, and starts the next on a copy of its disk. */
const restarted = ({ store }: { store: FakeStore }, limits?: Partial<MempoolLimits>) => start(store.copy(), limits);

const linesOnDisk = (): number => readFileSync(path, "latin1").split("\n").filter(Boolean).length - 1;

describe("transactions that were submitted here", () => {
  test("are in the pool again after a process was killed, and told to peers again", async () => {
    const one = await start();
    const all = [signed(0, 0n), signed(0, 2n), signed(1, 0n)];
    for (const tx of all) expect(one.locals.submit(tx)).toMatchObject({ ok: true });
    const two = await restarted(one);
    expect(two.has(...all)).toEqual([true, true, true]);
    expect(two.mempool.counts).toMatchObject({ pending: 2, queued: 1 });
    expect(two.told.map(({ raw }) => raw)).toEqual(all.map(({ raw }) => raw));
    expect(two.lines).toMatchObject([{ transactions: 3, dropped: 0, msg: "local transactions loaded" }]);
    await one.locals.stop();
    await two.locals.stop();
  });

  test("not those that the pool refused", async () => {
    const one = await start();
    expect(one.locals.submit(signed(0, 0n, { value: 10n ** 20n }))).toMatchObject({ code: "insufficient-funds" });
    expect([one.locals.count, linesOnDisk()]).toEqual([0, 0]);
    await one.locals.stop();
  });

  test("until they are in a block, whoever made it", async () => {
    const one = await start();
    const [mined, waits, stale] = [signed(0, 0n), signed(1, 1n), signed(2, 0n)];
    for (const tx of [mined, waits, stale]) one.locals.submit(tx);
    await extend(one.chain, [mined, signed(2, 0n, { value: 6n })]);
    expect(one.locals.count).toBe(2);
    one.later(MINUTE_MS);
    expect(one.locals.count).toBe(1);
    const two = await restarted(one);
    expect([two.locals.count, ...two.has(mined, waits, stale)]).toEqual([1, false, true, false]);
    expect(two.lines.at(-1)).toMatchObject({ level: 30, transactions: 1, dropped: 2 });
    expect(linesOnDisk()).toBe(1);
    await one.locals.stop();
    await two.locals.stop();
  });

  test("go into the pool again when it lost them", async () => {
    const one = await start();
    const tx = signed(0, 0n);
    one.locals.submit(tx);
    one.mempool.drop(tx.hash, 0);
    one.later(MINUTE_MS - 1);
    expect(one.has(tx)).toEqual([false]);
    one.later(1);
    expect(one.has(tx)).toEqual([true]);
    one.mempool.drop(tx.hash, 0);
    one.later(MINUTE_MS);
    expect(one.has(tx)).toEqual([true]);
    await one.locals.stop();
    expect(one.clock.timers).toBe(0);
  });

  test("wait while the pool has no room for them", async () => {
    const limits = { pendingSlots: 1, queuedSlots: 1 };
    const one = await start(undefined, limits);
    const fees = (tip: bigint) => ({ maxPriorityFeePerGas: tip });
    const cheap = signed(0, 0n, fees(1n));
    const others = [signed(1, 0n, fees(5n)), signed(2, 0n, fees(5n))];
    for (const tx of [cheap, ...others]) expect(one.locals.submit(tx)).toMatchObject({ ok: true });
    one.later(MINUTE_MS);
    expect([one.locals.count, ...one.has(cheap, ...others)]).toEqual([3, false, true, true]);
    const two = await restarted(one, limits);
    expect([two.locals.count, ...two.has(cheap, ...others)]).toEqual([3, false, true, true]);
    await extend(two.chain, [others[0]!]);
    two.later(MINUTE_MS);
    expect(two.has(cheap)).toEqual([true]);
    await one.locals.stop();
    await two.locals.stop();
  });

  test("not what its sender replaced, and not what can never be", async () => {
    const one = await start();
    const old = signed(0, 0n);
    const better = signed(0, 0n, { maxFeePerGas: 2_000_000_000n, maxPriorityFeePerGas: 2_000n });
    one.locals.submit(old);
    one.locals.submit(better);
    expect(one.locals.count).toBe(1);
    const lowTip = signed(1, 0n, { maxPriorityFeePerGas: 1n });
    one.locals.submit(lowTip);
    const two = await restarted(one, { minTipWei: 2n });
    expect([two.locals.count, ...two.has(old, better, lowTip)]).toEqual([1, false, true, false]);
    await one.locals.stop();
    await two.locals.stop();
  });

  test("are given up when the pool loses them for a day", async () => {
    const one = await start();
    const tx = signed(0, 0n);
    one.locals.submit(tx);
    for (let minute = 0; minute <= 1_440; minute++) {
      expect(one.locals.count).toBe(1);
      one.mempool.drop(tx.hash, 0);
      one.later(MINUTE_MS);
    }
    expect(one.locals.count).toBe(0);
    await one.locals.stop();
  });

  test("are bounded: those that the pool does not hold go first", async () => {
    const one = await start(undefined, { pendingSlots: 3, queuedSlots: 1 });
    const all = Array.from({ length: 9 }, (_, i) => signed(0, 0n, { value: BigInt(i) }));
    for (const tx of all) {
      expect(one.locals.submit(tx)).toMatchObject({ ok: true });
      one.mempool.drop(tx.hash, 0);
    }
    expect(one.locals.count).toBe(6);
    one.later(MINUTE_MS);
    expect(one.has(...all.slice(3, 5))).toEqual([true, false]);
    await one.locals.stop();
  });

  test("the journal is made anew at its time, without what is done with", async () => {
    const one = await start(undefined, {}, 2 * MINUTE_MS);
    for (let nonce = 0n; nonce < 10n; nonce++) one.locals.submit(signed(0, nonce));
    await extend(
      one.chain,
      Array.from({ length: 9 }, (_, i) => signed(0, BigInt(i))),
    );
    one.later(MINUTE_MS);
    expect(linesOnDisk()).toBe(10);
    one.later(MINUTE_MS);
    await vi.waitFor(() => expect(linesOnDisk()).toBe(1), { interval: 2, timeout: 10_000 });
    await one.locals.stop();
  });
});
