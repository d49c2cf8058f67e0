import { describe, expect, test } from "vitest";
import { bigIntToFixed, bytesToHex } from "../core/bytes.ts";
import type { Transaction } from "../core/chain.ts";
import type { Precompile } from "../core/precompile.ts";
import { Mempool } from "../execution/mempool.ts";
import { StoreError } from "../execution/state/errors.ts";
import { COINBASE, CONTRACTS, type GenesisAccount, KEYS, SENDERS } from "../execution/testing/world.ts";
import { delegationCode } from "../execution/tx/authorization.ts";
import { signAuthorization } from "../execution/tx/sign.ts";
import { Chain } from "./chain.ts";
import { Driver } from "./driver.ts";
import {
  CHAIN_ID,
  contract,
  FakeClock,
  FakeStore,
  RECIPIENT,
  rich,
  signed,
  testGenesis,
  testLog,
} from "./testing/world.ts";

const INTERVAL_MS = 1_000;
const HEARTBEAT_MS = 5_000;
const BROKEN: Precompile = {
  address: bigIntToFixed(0x901n, 20),
  name: "broken",
  run() {
    throw new TypeError("a defect");
  },
};

async function setup(accounts: readonly GenesisAccount[] = [rich(0), rich(1), rich(2), rich(3)]) {
  const store = new FakeStore();
  const chain = await Chain.open(store, testGenesis(accounts), [BROKEN]);
  const clock = new FakeClock();
  const mempool = new Mempool({ next: { baseFeePerGas: chain.nextBaseFee(), gasLimit: chain.rules.gasLimit } });
  const { log, lines } = testLog();
  const halts: Error[] = [];
  const halted = Promise.withResolvers<Error>();
  const driver = new Driver({
    chain,
    mempool,
    config: { intervalMs: INTERVAL_MS, heartbeatMs: HEARTBEAT_MS },
    feeAddress: COINBASE,
    clock,
    log,
    onHalt(error) {
      halts.push(error);
      halted.resolve(error);
    },
  });
  const add = (...transactions: Transaction[]) => {
    for (const tx of transactions) expect(mempool.add(tx, chain.headState, clock.nowMs())).toMatchObject({ ok: true });
  };
  /** What waits in the pool already brings the first block forward. */
  const start = async () => {
    driver.start();
    if (mempool.includableSinceMs !== undefined) await clock.armed();
  };
  /** What comes while nothing waits brings the next block forward. */
  const wake = async (...transactions: Transaction[]) => {
    const armed = clock.armed();
    add(...transactions);
    await armed;
  };
  /** Lets the next timer fire and everything happen that follows from it; says how long that took. */
  const beat = async () => {
    const armed = clock.armed();
    const waitedMs = clock.nextMs - clock.nowMs();
    clock.setMs(clock.nextMs);
    await armed;
    return { waitedMs, transactions: chain.headBlock.transactions };
  };
  const messages = () => lines.map(({ msg }) => msg);
  return {
    store,
    chain,
    clock,
    mempool,
    driver,
    lines,
    messages,
    halts,
    halted: halted.promise,
    add,
    start,
    wake,
    beat,
  };
}

const pooled = (mempool: Mempool) => {
  const { pending, queued } = mempool.counts;
  return { pending, queued };
};

describe("pace", () => {
  test("a heartbeat without transactions, an interval with them", async () => {
    const { driver, start, clock, chain, wake, beat } = await setup();
    await start();
    expect(await beat()).toEqual({ waitedMs: HEARTBEAT_MS, transactions: [] });
    expect(await beat()).toEqual({ waitedMs: HEARTBEAT_MS, transactions: [] });
    const [one, two] = [signed(0, 0n), signed(0, 1n)];
    clock.setMs(clock.nowMs() + 300);
    await wake(one, two);
    expect(await beat()).toEqual({ waitedMs: INTERVAL_MS - 300, transactions: [one, two] });
    expect(await beat()).toEqual({ waitedMs: HEARTBEAT_MS, transactions: [] });
    expect(chain.head.number).toBe(4n);
    expect([driver.blocksProduced, driver.transactionsIncluded]).toEqual([4, 2]);
    expect(chain.headBlock.header.coinbase).toEqual(COINBASE);
    expect(chain.headBlock.header.timestamp).toBe(BigInt(Math.floor(clock.nowMs() / 1_000)));
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
    const { start, clock, chain, wake, beat } = await setup();
    await start();
    await beat();
    const { timestamp } = chain.headBlock.header;
    clock.setMs(clock.nowMs() - 3_600_000);
    await wake(signed(0, 0n));
    expect(await beat()).toMatchObject({ waitedMs: INTERVAL_MS, transactions: { length: 1 } });
    expect(chain.headBlock.header.timestamp).toBe(timestamp);
    expect((await beat()).waitedMs).toBe(HEARTBEAT_MS);
  });

  test("an assembly that failed is tried again after an interval", async () => {
    const { start, chain, messages, halts, add, beat } = await setup();
    const tx = signed(0, 0n);
    add(tx);
    await start();
    const propose = chain.propose.bind(chain);
    let failures = 2;
    chain.propose = (input) => (failures-- > 0 ? Promise.reject(new Error("a defect")) : propose(input));
    await beat();
    expect(chain.head.number).toBe(0n);
    expect((await beat()).waitedMs).toBe(INTERVAL_MS);
    expect(chain.head.number).toBe(0n);
    expect(await beat()).toEqual({ waitedMs: INTERVAL_MS, transactions: [tx] });
    expect(messages()).toEqual(["block assembly failed", "block assembly failed", "block committed"]);
    expect(halts).toEqual([]);
  });

  test("queued transactions expire", async () => {
    const { start, clock, mempool, add, beat } = await setup();
    add(signed(0, 5n));
    await start();
    await beat();
    expect(pooled(mempool)).toEqual({ pending: 0, queued: 1 });
    const armed = clock.armed();
    clock.setMs(clock.nowMs() + mempool.limits.lifetimeMs);
    await armed;
    expect(pooled(mempool)).toEqual({ pending: 0, queued: 0 });
  });
});

describe("stopping", () => {
  test("leaves no timer and makes no block afterwards", async () => {
    const { driver, start, clock, chain, add, beat } = await setup();
    await start();
    await beat();
    await driver.stop();
    expect(clock.timers).toBe(0);
    add(signed(0, 0n));
    clock.setMs(clock.nowMs() + 10 * HEARTBEAT_MS);
    await driver.stop();
    expect(clock.timers).toBe(0);
    expect(chain.head.number).toBe(1n);
  });

  test("before the start", async () => {
    const { driver, clock } = await setup();
    await driver.stop();
    expect(clock.timers).toBe(0);
  });

  test("a block that is being assembled is seen through", async () => {
    const { driver, clock, chain, halts, add, start } = await setup();
    add(signed(0, 0n));
    await start();
    const begun = Promise.withResolvers<void>();
    const propose = chain.propose.bind(chain);
    chain.propose = (input) => {
      begun.resolve();
      return propose(input);
    };
    clock.setMs(clock.nextMs);
    await begun.promise;
    await driver.stop();
    expect([chain.head.number, clock.timers, halts]).toEqual([1n, 0, []]);
  });

  test("waits for the block that is being written", async () => {
    const { driver, start, clock, chain, store, mempool, halts, add } = await setup();
    add(signed(0, 0n));
    await start();
    const [begun, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    store.beforeWrite = () => {
      begun.resolve();
      return release.promise;
    };
    clock.setMs(clock.nextMs);
    await begun.promise;
    let hasStopped = false;
    const stopping = driver.stop().then(() => {
      hasStopped = true;
    });
    await new Promise(setImmediate);
    expect([hasStopped, chain.head.number]).toEqual([false, 0n]);
    release.resolve();
    await stopping;
    expect(chain.head.number).toBe(1n);
    expect([clock.timers, mempool.counts.pending, driver.blocksProduced]).toEqual([0, 0, 1]);
    expect(halts).toEqual([]);
  });

  test("says so when that block cannot be written", async () => {
    const { driver, start, clock, chain, store, halts, messages, add } = await setup();
    add(signed(0, 0n));
    await start();
    const [begun, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    store.beforeWrite = () => {
      begun.resolve();
      return release.promise;
    };
    clock.setMs(clock.nextMs);
    await begun.promise;
    const stopping = driver.stop();
    release.reject(new Error("no space left on device"));
    await stopping;
    expect(halts.map(({ message }) => message)).toEqual(["no space left on device"]);
    expect(messages()).toEqual(["failed while stopping"]);
    expect([chain.head.number, clock.timers]).toEqual([0n, 0]);
  });
});

describe("halting", () => {
  test("once, when a block cannot be written; nothing is made afterwards", async () => {
    const { driver, start, clock, chain, store, mempool, halts, halted, add } = await setup();
    const tx = signed(0, 0n);
    add(tx);
    await start();
    const full = new StoreError("FAILED", "no space left on device");
    store.beforeWrite = () => Promise.reject(full);
    clock.setMs(clock.nextMs);
    expect(await halted).toBe(full);
    store.beforeWrite = async () => {};
    expect(clock.timers).toBe(0);
    add(signed(1, 0n));
    clock.setMs(clock.nowMs() + 10 * HEARTBEAT_MS);
    await driver.stop();
    expect(halts).toEqual([full]);
    expect([chain.head.number, store.writes, clock.timers]).toEqual([0n, 2, 0]);
    expect(mempool.get(tx.hash)).toBe(tx);
  });

  test("when the store cannot be read: no later attempt would fare better", async () => {
    const { driver, start, clock, chain, halts, halted } = await setup();
    const damage = new StoreError("DAMAGED", "damaged state");
    chain.propose = () => Promise.reject(damage);
    await start();
    clock.setMs(clock.nextMs);
    expect(await halted).toBe(damage);
    await driver.stop();
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
    const { start, wake, mempool, add, beat } = await setup([rich(0), victim, GIVER]);
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
    await wake(cheap);
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
    const propose = chain.propose.bind(chain);
    chain.propose = async (input) => {
      const refused = [...input.candidates];
      const proposal = await propose({ ...input, candidates: [] });
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
