/** The engine of a validator that is alone: its pace, its end, and what it does with refused transactions. */
import { describe, expect, test } from "vitest";
import { bigIntToFixed, bytesToHex } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import type { Precompile } from "../../core/precompile.ts";
import { validatorSet } from "../../core/validators.ts";
import type { Mempool } from "../../execution/mempool.ts";
import { StoreError } from "../../execution/state/errors.ts";
import { COINBASE, CONTRACTS, type GenesisAccount, KEYS, SENDERS } from "../../execution/testing/world.ts";
import { delegationCode } from "../../execution/tx/authorization.ts";
import { signAuthorization } from "../../execution/tx/sign.ts";
import { testValidator } from "../../genesis/testing/validators.ts";
import { VirtualClock } from "../testing/clock.ts";
import { TEST_TIMING, TestDisk, testNode } from "../testing/node.ts";
import { CHAIN_ID, contract, RECIPIENT, rich, signed, testGenesis } from "../testing/world.ts";

const { intervalMs: INTERVAL_MS, heartbeatMs: HEARTBEAT_MS } = TEST_TIMING;
const BROKEN: Precompile = {
  address: bigIntToFixed(0x901n, 20),
  name: "broken",
  run() {
    throw new TypeError("a defect");
  },
};

async function setup(accounts: readonly GenesisAccount[] = [rich(0), rich(1), rich(2), rich(3)]) {
  const validator = testValidator(0);
  const clock = new VirtualClock();
  const genesis = testGenesis(accounts, { validators: validatorSet([validator]) });
  const disk = new TestDisk();
  disk.validator.syncMs = 0;
  const node = await testNode({ genesis, clock, disk, validator, precompiles: [BROKEN] });
  const { chain, mempool, engine, lines, halts } = node;
  const madeAtMs: number[] = [clock.nowMs()];
  const proposeOn = chain.proposeOn;
  chain.proposeOn = (...args) => {
    madeAtMs.push(clock.nowMs());
    return proposeOn(...args);
  };
  const add = (...transactions: Transaction[]) => {
    for (const tx of transactions) expect(mempool.add(tx, chain.headState, clock.nowMs())).toMatchObject({ ok: true });
  };
  const start = () => clock.run(node.start());
  /** Lets time pass until the next block; says how long it was after the one before that it was begun. */
  const beat = async () => {
    const committed = new Promise<void>((resolve) => {
      const off = chain.onCommit(() => {
        off();
        resolve();
      });
    });
    await clock.run(committed);
    const [before, made] = madeAtMs.slice(-2) as [number, number];
    return { waitedMs: made - before, transactions: chain.headBlock.transactions };
  };
  const messages = () => lines.map(({ msg }) => msg);
  const halted = async () => {
    for (let i = 0; halts.length === 0; i++) {
      if (i > 100) throw new Error("it goes on");
      await clock.pass(INTERVAL_MS);
    }
    return halts[0]!;
  };
  const stop = () => clock.run(node.stop());
  const { store } = disk;
  return { node, store, chain, clock, mempool, engine, lines, messages, halts, halted, add, start, stop, beat };
}

const pooled = (mempool: Mempool) => {
  const { pending, queued } = mempool.counts;
  return { pending, queued };
};

describe("pace", () => {
  test("a heartbeat without transactions, an interval with them", async () => {
    const { engine, start, clock, chain, add, beat } = await setup();
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
    const { start, clock, add, beat } = await setup();
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
    const { start, add, beat } = await setup([rich(0), rich(1), rich(2), burner]);
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
    const { add, start, beat } = await setup();
    add(signed(0, 0n));
    await start();
    expect(await beat()).toMatchObject({ waitedMs: INTERVAL_MS, transactions: { length: 1 } });
  });

  test("a clock that is set back keeps neither the pace nor the time of blocks", async () => {
    const { engine, start, clock, chain, add, beat } = await setup();
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
    const { start, clock, chain, beat } = await setup();
    await start();
    await beat();
    clock.setMs(clock.nowMs() + 3_600_000);
    await beat();
    expect(chain.headBlock.header.timestamp).toBe(BigInt(Math.floor(clock.nowMs() / 1_000)));
    expect((await beat()).waitedMs).toBe(HEARTBEAT_MS);
  });

  test("an assembly that failed is tried again after an interval", async () => {
    const { engine, start, clock, chain, messages, halts, add, beat } = await setup();
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
    const { start, clock, mempool, add, beat } = await setup();
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
    const { engine, start, clock, chain, add, beat, stop } = await setup();
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
    const { engine, clock } = await setup();
    await engine.stop();
    expect(clock.timers).toBe(0);
  });

  test("a block that is being assembled is seen through", async () => {
    const { engine, clock, chain, mempool, halts, messages, add, start, stop } = await setup();
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
    const { clock, chain, store, add, start, stop } = await setup();
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
    const { clock, chain, start, stop, messages } = await setup();
    await start();
    chain.proposeOn = () => Promise.reject(new Error("a defect"));
    await clock.pass(HEARTBEAT_MS + 1);
    expect(messages()).toEqual(["block assembly failed"]);
    await stop();
    expect([chain.head.number, clock.timers]).toEqual([0n, 0]);
  });

  test("waits for the block that is being written", async () => {
    const { engine, start, clock, chain, store, mempool, halts, messages, add } = await setup();
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
    const { engine, start, clock, chain, store, halts, messages, add } = await setup();
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
    const { engine, start, clock, chain, store, mempool, halts, halted, add } = await setup();
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
    const { engine, start, clock, chain, halts, halted } = await setup();
    const damage = new StoreError("DAMAGED", "damaged state");
    chain.proposeOn = () => Promise.reject(damage);
    await start();
    expect(await halted()).toBe(damage);
    await engine.stop();
    expect([halts, clock.timers]).toEqual([[damage], 0]);
  });
});

describe("transactions that are refused at their turn", () => {
  /** Sends half an OPEN to whoever calls: as an account's delegation it gives the account's money away. */
  const HALF = 5n * 10n ** 17n;
  const GIVER = contract(
    CONTRACTS[0]!,
    Uint8Array.of(...[0x5f, 0x5f, 0x5f, 0x5f, 0x67], ...bigIntToFixed(HALF, 8), ...[0x33, 0x5a, 0xf1, 0]),
  );
  /** Creates an empty contract: raises the nonce of the account that runs it. */
  const CREATOR = contract(CONTRACTS[1]!, Uint8Array.of(0x5f, 0x5f, 0x5f, 0xf0, 0));
  /** Fees of up to 0.01 OPEN. */
  const call = (sender: number, nonce: bigint, to: Uint8Array, tip = 10n ** 6n) =>
    signed(sender, nonce, { to, value: 0n, gasLimit: 200_000n, maxPriorityFeePerGas: tip });

  test("money moved away by somebody else: the pool gets rid of what cannot be paid, and keeps the rest", async () => {
    const victim = rich(1, { code: delegationCode(GIVER.address) });
    const { start, mempool, add, beat } = await setup([rich(0), victim, GIVER]);
    const drain = call(0, 0n, victim.address);
    const dear = signed(1, 0n, { value: 6n * 10n ** 17n });
    const behind = signed(1, 1n);
    add(drain, dear, behind);
    await start();
    expect((await beat()).transactions).toEqual([drain]);
    expect(mempool.get(dear.hash)).toBeUndefined();
    expect(pooled(mempool)).toEqual({ pending: 0, queued: 1 });
    // Nothing includable is left: no empty blocks at the pace of full ones.
    expect(await beat()).toEqual({ waitedMs: HEARTBEAT_MS, transactions: [] });
    const cheap = signed(1, 0n);
    add(cheap);
    expect((await beat()).transactions).toEqual([cheap, behind]);
  });

  test("money that is back before the block ends: what could not be paid in between stays and is next", async () => {
    const victim = rich(1, { code: delegationCode(GIVER.address) });
    const { lines, add, start, beat } = await setup([rich(0), rich(2, { balance: 4n * HALF }), victim, GIVER]);
    const drain = call(0, 0n, victim.address, 3_000_000n);
    const dear = signed(1, 0n, { value: 6n * 10n ** 17n, maxPriorityFeePerGas: 2_000_000n });
    // The delegation gives half of it back at once.
    const refill = signed(2, 0n, { to: victim.address, value: 2n * HALF, gasLimit: 100_000n });
    add(drain, dear, refill);
    await start();
    expect((await beat()).transactions).toEqual([drain, refill]);
    expect(lines.find(({ code }) => code === "insufficient-funds")?.hash).toBe(bytesToHex(dear.hash));
    expect(await beat()).toEqual({ waitedMs: INTERVAL_MS, transactions: [dear] });
    expect((await beat()).waitedMs).toBe(HEARTBEAT_MS);
  });

  test("a nonce used up by somebody else: what is behind it is not lost", async () => {
    const victim = rich(1, { code: delegationCode(CREATOR.address) });
    const { start, mempool, lines, add, beat } = await setup([rich(0), victim, CREATOR]);
    const bump = call(0, 0n, victim.address);
    const stale = signed(1, 0n);
    const next = [signed(1, 1n), signed(1, 2n)];
    add(bump, stale, ...next);
    await start();
    expect((await beat()).transactions).toEqual([bump]);
    expect(lines.filter(({ code }) => code !== undefined).map(({ code }) => code)).toEqual(["nonce-too-low"]);
    expect(mempool.get(stale.hash)).toBeUndefined();
    expect(pooled(mempool)).toEqual({ pending: 2, queued: 0 });
    expect(await beat()).toEqual({ waitedMs: INTERVAL_MS, transactions: next });
  });

  test("nonces used up by an authorization (EIP-7702) of the account", async () => {
    const { start, mempool, add, beat } = await setup([rich(0), rich(1), CREATOR]);
    const authorization = signAuthorization({ chainId: CHAIN_ID, address: CREATOR.address, nonce: 0n }, KEYS[1]!);
    const delegate = signed(0, 0n, {
      type: 4,
      authorizationList: [authorization],
      gasLimit: 200_000n,
      maxPriorityFeePerGas: 10n ** 6n,
    });
    add(delegate, signed(1, 0n), signed(1, 1n));
    await start();
    expect((await beat()).transactions).toEqual([delegate]);
    expect(pooled(mempool)).toEqual({ pending: 1, queued: 0 });
    expect((await beat()).transactions).toHaveLength(1);
    expect(pooled(mempool)).toEqual({ pending: 0, queued: 0 });
  });

  test("a defect that one transaction meets: it is dropped and logged, the others go on", async () => {
    const { start, chain, mempool, lines, add, beat } = await setup([rich(0), rich(1)]);
    const bad = signed(0, 0n, { to: BROKEN.address, gasLimit: 200_000n, value: 0n });
    const good = signed(1, 0n);
    add(bad, good);
    await start();
    expect((await beat()).transactions).toEqual([good]);
    expect(mempool.get(bad.hash)).toBeUndefined();
    expect(lines.find(({ code }) => code === "faulty")).toMatchObject({
      level: 50,
      msg: "transaction dropped: executing it failed",
      hash: bytesToHex(bad.hash),
    });
    expect((await beat()).waitedMs).toBe(HEARTBEAT_MS);
    expect(chain.headState.account(SENDERS[0]!)?.nonce).toBe(0n);
  });

  test("where pool and execution disagree, one empty block ends it", async () => {
    const { start, chain, mempool, add, beat } = await setup([rich(0), rich(1)]);
    const tx = signed(0, 0n);
    add(tx, signed(0, 1n));
    await start();
    const { proposeOn } = chain;
    chain.proposeOn = async (parent, input) => {
      const refused = [...input.candidates];
      const proposal = await proposeOn(parent, { ...input, candidates: [] });
      const rejected = refused.map((transaction) => ({
        transaction,
        code: "insufficient-funds" as const,
        message: "",
      }));
      return { ...proposal, rejected };
    };
    expect((await beat()).transactions).toEqual([]);
    expect(pooled(mempool)).toEqual({ pending: 0, queued: 0 });
    expect((await beat()).waitedMs).toBe(HEARTBEAT_MS);
  });

  test("with many at once the proposer reaches an empty pool and all that was valid is in", async () => {
    const victims = [1, 2, 3].map((index) => rich(index, { code: delegationCode(GIVER.address) }));
    const { start, chain, mempool, add, beat } = await setup([rich(0), ...victims, GIVER]);
    const drains = [1, 2, 3].map((index) => call(0, BigInt(index - 1), SENDERS[index]!));
    add(...drains);
    for (const index of [1, 2, 3]) {
      for (let nonce = 0n; nonce < 6n; nonce++) add(signed(index, nonce, { value: 16n * 10n ** 16n }));
    }
    await start();
    for (let i = 0; i < 12; i++) await beat();
    expect(mempool.counts.pending).toBe(0);
    expect((await beat()).waitedMs).toBe(HEARTBEAT_MS);
    for (const index of [1, 2, 3]) {
      const account = chain.headState.account(SENDERS[index]!)!;
      // 1 - 0.5 given away leaves three times 0.16.
      expect(account.nonce).toBe(3n);
    }
    expect(chain.headState.account(RECIPIENT)?.balance).toBe(9n * 16n * 10n ** 16n);
  });
});
