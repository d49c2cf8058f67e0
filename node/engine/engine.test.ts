/** The engine of a validator that is alone: its pace, its end, and what stops it for good. */
import { describe, expect, test } from "vitest";
import { bytesToHex } from "../../core/bytes.ts";
import { StoreError } from "../../execution/state/errors.ts";
import { COINBASE, CONTRACTS } from "../../execution/testing/world.ts";
import { alone, pooled } from "../testing/alone.ts";
import { TEST_TIMING } from "../testing/node.ts";
import { contract, rich, signed } from "../testing/world.ts";

const { intervalMs: INTERVAL_MS, heartbeatMs: HEARTBEAT_MS } = TEST_TIMING;

describe("pace", () => {
  test("a heartbeat without transactions, an interval with them", async () => {
    const { engine, start, clock, chain, add, beat } = await alone();
    await start();
    expect(await beat()).toEqual({ waitedMs: HEARTBEAT_MS, transactions: [] });
    expect(await beat()).toEqual({ waitedMs: HEARTBEAT_MS, transactions: [] });
    const [one, two] = [signed(0, 0n), signed(0, 1n)];
    await clock.pass(300);
    add(one, two);
    expect(await beat()).toEqual({ waitedMs: INTERVAL_MS, transactions: [one, two] });
    expect(await beat()).toEqual({ waitedMs: HEARTBEAT_MS, transactions: [] });
    await clock.pass(2 * INTERVAL_MS);
    const late = signed(0, 2n);
    add(late);
    expect(await beat()).toMatchObject({ transactions: [late] });
    expect(chain.head.number).toBe(5n);
    expect(engine.status).toMatchObject({
      mode: "validate",
      validatorIndex: 0,
      validators: 1,
      peers: undefined,
      blocksCommitted: 5,
      transactionsCommitted: 3,
      notarizations: 5,
      finalizations: 5,
      nullifications: 0,
      votesCast: 10,
    });
    expect(chain.headBlock.header.coinbase).toEqual(COINBASE);
    expect(chain.headBlock.header.timestamp).toBe(BigInt(Math.floor(clock.nowMs() / 1_000)));
  });

  test("a transaction that comes after the interval is in a block at once", async () => {
    const { start, clock, add, beat } = await alone();
    await start();
    await beat();
    await clock.pass(INTERVAL_MS + 300);
    const tx = signed(0, 0n);
    add(tx);
    const arrivedMs = clock.nowMs();
    expect((await beat()).transactions).toEqual([tx]);
    // Two votes, each durable before it is signed.
    expect(clock.nowMs() - arrivedMs).toBeLessThan(10);
  });

  test("what did not fit goes into the next block, an interval later", async () => {
    // INVALID uses up all gas.
    const burner = contract(CONTRACTS[0]!, Uint8Array.of(0xfe));
    const { start, add, beat } = await alone([rich(0), rich(1), rich(2), burner]);
    const heavy = [0, 1, 2].map((index) => signed(index, 0n, { to: burner.address, gasLimit: 2_400_000n }));
    add(...heavy);
    await start();
    const first = await beat();
    expect(first.transactions).toHaveLength(2);
    const rest = await beat();
    expect(rest.waitedMs).toBe(INTERVAL_MS);
    expect([...first.transactions, ...rest.transactions].map(({ hash }) => bytesToHex(hash)).sort()).toEqual(
      heavy.map(({ hash }) => bytesToHex(hash)).sort(),
    );
  });

  test("transactions that were there at the start count", async () => {
    const { add, start, beat } = await alone();
    add(signed(0, 0n));
    await start();
    expect(await beat()).toMatchObject({ waitedMs: INTERVAL_MS, transactions: { length: 1 } });
  });

  test("a clock that is set back keeps neither the pace nor the time of blocks", async () => {
    const { engine, start, clock, chain, add, beat } = await alone();
    await start();
    await beat();
    const { timestamp } = chain.headBlock.header;
    clock.setMs(clock.nowMs() - 3_600_000);
    add(signed(0, 0n));
    const setAtMs = clock.nowMs();
    expect(await beat()).toMatchObject({ transactions: { length: 1 } });
    expect(clock.nowMs() - setAtMs).toBeLessThan(INTERVAL_MS + 10);
    expect(chain.headBlock.header.timestamp).toBe(timestamp);
    expect((await beat()).waitedMs).toBe(HEARTBEAT_MS);
    clock.setMs(clock.nowMs() - 3_600_000);
    expect(engine.status.sinceBlockMs).toBeGreaterThanOrEqual(0);
    const againMs = clock.nowMs();
    await beat();
    expect(clock.nowMs() - againMs).toBeLessThan(HEARTBEAT_MS + 10);
  });

  test("a clock that is set forward brings a block and no more", async () => {
    const { start, clock, chain, beat } = await alone();
    await start();
    await beat();
    clock.setMs(clock.nowMs() + 3_600_000);
    await beat();
    expect(chain.headBlock.header.timestamp).toBe(BigInt(Math.floor(clock.nowMs() / 1_000)));
    expect((await beat()).waitedMs).toBe(HEARTBEAT_MS);
  });

  test("an assembly that failed is tried again after an interval", async () => {
    const { engine, start, clock, chain, messages, halts, add, beat } = await alone();
    const tx = signed(0, 0n);
    add(tx);
    await start();
    const { proposeOn } = chain;
    const triedAtMs: number[] = [];
    chain.proposeOn = (...args) => {
      triedAtMs.push(clock.nowMs());
      return triedAtMs.length < 4 ? Promise.reject(new Error("a defect")) : proposeOn(...args);
    };
    expect((await beat()).transactions).toEqual([tx]);
    const gapsMs = triedAtMs.slice(1).map((atMs, index) => atMs - triedAtMs[index]!);
    // What follows from a failure is a vote to go on, and that is made durable too.
    for (const gapMs of gapsMs) expect(Math.abs(gapMs - INTERVAL_MS)).toBeLessThan(10);
    expect(gapsMs).toHaveLength(3);
    expect(messages()).toEqual([...Array(3).fill("block assembly failed"), "block committed"]);
    expect(engine.status.nullifications).toBe(3);
    expect(halts).toEqual([]);
  });

  test("queued transactions expire", async () => {
    const { start, clock, mempool, add, beat } = await alone();
    add(signed(0, 5n));
    await start();
    await beat();
    expect(pooled(mempool)).toEqual({ pending: 0, queued: 1 });
    clock.setMs(clock.nowMs() + mempool.limits.lifetimeMs);
    await beat();
    expect(pooled(mempool)).toEqual({ pending: 0, queued: 0 });
  });
});

describe("stopping", () => {
  test("leaves no timer and makes no block afterwards", async () => {
    const { engine, start, clock, chain, add, beat, stop } = await alone();
    await start();
    await beat();
    await stop();
    expect(clock.timers).toBe(0);
    add(signed(0, 0n));
    await clock.pass(10 * HEARTBEAT_MS);
    await engine.stop();
    expect(clock.timers).toBe(0);
    expect(chain.head.number).toBe(1n);
  });

  test("before the start", async () => {
    const { engine, clock } = await alone();
    await engine.stop();
    expect(clock.timers).toBe(0);
  });

  test("a block that is being assembled is seen through", async () => {
    const { engine, clock, chain, mempool, halts, messages, add, start, stop } = await alone();
    add(signed(0, 0n));
    await start();
    const begun = Promise.withResolvers<void>();
    const { proposeOn } = chain;
    chain.proposeOn = (...args) => {
      begun.resolve();
      return proposeOn(...args);
    };
    await clock.run(begun.promise);
    await stop();
    expect([chain.head.number, clock.timers, halts]).toEqual([1n, 0, []]);
    expect([mempool.counts.pending, engine.status.blocksCommitted]).toEqual([0, 1]);
    expect(messages()).toEqual(["block committed"]);
  });

  test("and no further one, be it due", async () => {
    const { clock, chain, store, add, start, stop } = await alone();
    add(signed(0, 0n));
    await start();
    const { proposeOn } = chain;
    let made = 0;
    chain.proposeOn = (...args) => {
      made++;
      return proposeOn(...args);
    };
    const begun = Promise.withResolvers<void>();
    store.beforeWrite = () => {
      begun.resolve();
      // A disk so slow that the next block is due when this one is written.
      return clock.sleep(2 * HEARTBEAT_MS);
    };
    await clock.run(begun.promise);
    await stop();
    expect([made, chain.head.number, clock.timers]).toEqual([1, 1n, 0]);
  });

  test("while an assembly waits to be tried again", async () => {
    const { clock, chain, start, stop, messages } = await alone();
    await start();
    chain.proposeOn = () => Promise.reject(new Error("a defect"));
    await clock.pass(HEARTBEAT_MS + 1);
    expect(messages()).toEqual(["block assembly failed"]);
    await stop();
    expect([chain.head.number, clock.timers]).toEqual([0n, 0]);
  });

  test("waits for the block that is being written", async () => {
    const { engine, start, clock, chain, store, mempool, halts, messages, add } = await alone();
    add(signed(0, 0n));
    await start();
    const [begun, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    store.beforeWrite = () => {
      begun.resolve();
      return release.promise;
    };
    await clock.run(begun.promise);
    let hasStopped = false;
    const stopping = engine.stop().then(() => {
      hasStopped = true;
    });
    await clock.pass(HEARTBEAT_MS);
    expect([hasStopped, chain.head.number]).toEqual([false, 0n]);
    release.resolve();
    await clock.run(stopping);
    expect(chain.head.number).toBe(1n);
    expect([clock.timers, mempool.counts.pending, engine.status.blocksCommitted]).toEqual([0, 0, 1]);
    expect([halts, messages()]).toEqual([[], ["block committed"]]);
  });

  test("says so when that block cannot be written", async () => {
    const { engine, start, clock, chain, store, halts, messages, add } = await alone();
    add(signed(0, 0n));
    await start();
    const [begun, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    store.beforeWrite = () => {
      begun.resolve();
      return release.promise;
    };
    await clock.run(begun.promise);
    const stopping = engine.stop();
    release.reject(new Error("no space left on device"));
    await clock.run(stopping);
    expect(halts.map(({ message }) => message)).toEqual(["no space left on device"]);
    expect(messages()).toEqual(["failed while stopping"]);
    expect([chain.head.number, clock.timers]).toEqual([0n, 0]);
  });
});

describe("halting", () => {
  test("once, when a block cannot be written; nothing is made afterwards", async () => {
    const { engine, start, clock, chain, store, mempool, halts, halted, add } = await alone();
    const tx = signed(0, 0n);
    add(tx);
    await start();
    const full = new StoreError("FAILED", "no space left on device");
    store.beforeWrite = () => Promise.reject(full);
    expect(await halted()).toBe(full);
    store.beforeWrite = async () => {};
    expect(clock.timers).toBe(0);
    add(signed(1, 0n));
    await clock.pass(10 * HEARTBEAT_MS);
    await engine.stop();
    expect(halts).toEqual([full]);
    expect([chain.head.number, store.writes, clock.timers]).toEqual([0n, 2, 0]);
    expect(mempool.get(tx.hash)).toBe(tx);
  });

  test("when the store cannot be read: no later attempt would fare better", async () => {
    const { engine, start, clock, chain, halts, halted } = await alone();
    const damage = new StoreError("DAMAGED", "damaged state");
    chain.proposeOn = () => Promise.reject(damage);
    await start();
    expect(await halted()).toBe(damage);
    await engine.stop();
    expect([halts, clock.timers]).toEqual([[damage], 0]);
  });
});
