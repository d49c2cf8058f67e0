import { describe, expect, test } from "vitest";
import type { Transaction } from "../core/chain.ts";
import { Mempool } from "./mempool.ts";
import { address, FakeState, makeTx, type TxOptions } from "./testing/pool-world.ts";

const GWEI = 10n ** 9n;
const OPEN = 10n ** 18n;

function setup(limits: ConstructorParameters<typeof Mempool>[0]["limits"] = {}) {
  const state = new FakeState();
  for (let i = 0; i < 20; i++) state.set(address(i), 0n, OPEN);
  const pool = new Mempool({ next: { baseFeePerGas: GWEI, gasLimit: 12_000_000n }, limits });
  const add = (tx: Transaction, nowMs = 0) => pool.add(tx, state, nowMs);
  return { state, pool, add };
}

const next = { baseFeePerGas: GWEI, gasLimit: 12_000_000n };

describe("refusals carry geth's texts", () => {
  const refused = (options: TxOptions & { nonce?: bigint }, limits = {}) => {
    const { state, pool } = setup(limits);
    state.set(address(0), 5n, OPEN);
    const result = pool.add(makeTx(0, options.nonce ?? 5n, options), state, 0);
    return result.ok ? "accepted" : result.message;
  };
  test.each([
    ["nonce too low: next nonce 5, tx nonce 4", { nonce: 4n }],
    ["nonce has max value", { nonce: 2n ** 64n - 1n }],
    ["exceeds block gas limit", { gas: 12_000_001n }],
    ["oversized data: transaction size 131073, limit 131072", { bytes: 131_073 }],
    ["transaction gas price below minimum: gas tip cap 0, minimum needed 1", { tip: 0n }],
    ["transaction gas limit too high (cap: 16777216, tx: 16777217)", { gas: (1n << 24n) + 1n }],
    ["intrinsic gas too low: gas 20999, minimum needed 21000", { gas: 20_999n }],
    ["insufficient gas for floor data gas cost: gas 26000, minimum needed 31000", { gas: 26_000n, dataBytes: 1_000 }],
    ["max initcode size exceeded: code size 49153 limit 49152", { create: true, dataBytes: 49_153, gas: 1_000_000n }],
    [
      "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: 3, maxFeePerGas: 2",
      { fee: 2n, tip: 3n },
    ],
    [
      "insufficient funds for gas * price + value: balance 1000000000000000000, tx cost 1000042000000000000, overshot 42000000000000",
      { value: OPEN },
    ],
    ["accepted", {}],
  ])("%s", (message, options) => {
    expect(refused(options)).toBe(message);
  });

  test("already known", () => {
    const { add } = setup();
    const tx = makeTx(0, 0n);
    expect(add(tx).ok).toBe(true);
    expect(add(tx)).toMatchObject({ ok: false, message: "already known" });
  });

  test("a sender with code is refused, a delegated one is not", () => {
    const { state, add } = setup();
    state.set(address(0), 0n, OPEN, new Uint8Array([1]));
    expect(add(makeTx(0, 0n))).toMatchObject({ ok: false, code: "sender-has-code" });
    state.set(address(0), 0n, OPEN, new Uint8Array([0xef, 1, 0, ...address(3)]));
    expect(add(makeTx(0, 0n)).ok).toBe(true);
  });

  test("pending transactions of a sender must be payable together", () => {
    const { add } = setup();
    const fees = { fee: 10n, tip: 10n, value: OPEN / 2n };
    expect(add(makeTx(0, 0n, fees)).ok).toBe(true);
    const text =
      "insufficient funds for gas * price + value: balance 1000000000000000000, queued cost 500000000000210000";
    expect(add(makeTx(0, 1n, fees))).toMatchObject({
      code: "insufficient-funds",
      message: `${text}, tx cost 500000000000210000, overshot 420000`,
    });
    expect(add(makeTx(0, 0n, { ...fees, fee: 20n, tip: 20n, value: OPEN - 420_000n }))).toMatchObject({ ok: true });
    expect(add(makeTx(0, 1n, { ...fees, value: 0n }))).toMatchObject({ code: "insufficient-funds" });
  });

  test("a replacement must be payable with what else is pending", () => {
    const { add } = setup();
    add(makeTx(0, 0n, { fee: 10n, value: OPEN / 2n }));
    add(makeTx(0, 1n, { fee: 10n, value: 0n }));
    const text =
      "insufficient funds for gas * price + value: balance 1000000000000000000, queued cost 500000000000420000";
    expect(add(makeTx(0, 0n, { fee: 20n, value: OPEN - 420_000n }))).toMatchObject({
      message: `${text}, tx bumped 499999999999790000, overshot 210000`,
    });
  });
});

describe("replacement", () => {
  test.each([
    [{ fee: 110n, tip: 10n }, false],
    [{ fee: 109n, tip: 11n }, false],
    [{ fee: 110n, tip: 11n }, true],
  ])("100/10 by %o: %s", (fees, accepted) => {
    const { pool, add } = setup();
    const old = makeTx(0, 0n, { fee: 100n, tip: 10n });
    add(old);
    const tx = makeTx(0, 0n, fees);
    const result = add(tx);
    expect(result).toMatchObject(
      accepted ? { ok: true, replaced: old.hash } : { ok: false, message: "replacement transaction underpriced" },
    );
    expect(pool.get(old.hash) === undefined).toBe(accepted);
    expect(pool.counts).toEqual({ pending: 1, queued: 0, slots: 1 });
  });
});

describe("order and gaps", () => {
  test("a gap queues, filling it promotes", () => {
    const { pool, add } = setup();
    const pending: bigint[] = [];
    pool.onPending((tx) => pending.push(tx.nonce));
    expect(add(makeTx(0, 2n))).toMatchObject({ pending: false });
    expect(add(makeTx(0, 1n))).toMatchObject({ pending: false });
    expect(pool.pendingNonce(address(0))).toBe(0n);
    expect(add(makeTx(0, 0n))).toMatchObject({ pending: true });
    expect(pool.pendingNonce(address(0))).toBe(3n);
    expect(pending).toEqual([0n, 1n, 2n]);
  });

  test("best tip first, nonces in order, senders below the base fee left out", () => {
    const { pool, add } = setup();
    add(makeTx(0, 0n, { fee: 2n * GWEI, tip: 1n }));
    add(makeTx(0, 1n, { fee: 9n * GWEI, tip: 9n * GWEI }));
    add(makeTx(1, 0n, { fee: 9n * GWEI, tip: 5n }));
    add(makeTx(2, 0n, { fee: GWEI - 1n, tip: 1n }));
    add(makeTx(3, 0n, { fee: GWEI + 3n, tip: 100n }));
    const order = [...pool.candidates(GWEI)].map((tx) => [
      [0, 1, 2, 3].findIndex((i) => tx.from === address(i)),
      Number(tx.nonce),
    ]);
    expect(order).toEqual([
      [1, 0],
      [3, 0],
      [0, 0],
      [0, 1],
    ]);
  });

  test("a skipped sender gives nothing more; replacement and arrival during the walk are seen", () => {
    const { pool, add } = setup();
    add(makeTx(0, 0n, { fee: 9n * GWEI }));
    add(makeTx(0, 1n, { fee: 8n * GWEI }));
    add(makeTx(1, 0n, { fee: 3n * GWEI }));
    const walk = pool.candidates(GWEI);
    expect(walk.next()?.from).toEqual(address(0));
    walk.skipSender();
    const better = makeTx(1, 0n, { fee: 5n * GWEI });
    add(better);
    const later = makeTx(1, 1n);
    add(later);
    expect(walk.next()).toBe(better);
    expect(walk.next()).toBe(later);
    expect(walk.next()).toBeUndefined();
  });
});

describe("delegated accounts", () => {
  const DELEGATION = new Uint8Array([0xef, 1, 0, ...address(3)]);

  test("have one pending transaction, which can be replaced, and none after a gap", () => {
    const { state, pool, add } = setup();
    state.set(address(0), 7n, OPEN, DELEGATION);
    expect(add(makeTx(0, 8n))).toMatchObject({ message: "gapped-nonce tx from delegated accounts" });
    expect(add(makeTx(0, 7n)).ok).toBe(true);
    const text = "in-flight transaction limit reached for delegated accounts";
    for (const nonce of [8n, 9n]) expect(add(makeTx(0, nonce))).toMatchObject({ message: text });
    const other = makeTx(0, 7n, { fee: 4n * GWEI });
    expect(add(other)).toMatchObject({ ok: true });
    state.set(address(0), 8n, OPEN, DELEGATION);
    pool.removeMined({ transactions: [other] }, state, next, 0);
    expect(add(makeTx(0, 8n)).ok).toBe(true);
  });

  test("so have those that are about to be, until that transaction is gone", () => {
    const { pool, add } = setup();
    const setCode = makeTx(0, 0n, { authorities: [1] });
    expect(add(setCode).ok).toBe(true);
    expect(add(makeTx(1, 1n))).toMatchObject({ code: "delegated-gap" });
    expect(add(makeTx(1, 0n)).ok).toBe(true);
    expect(add(makeTx(1, 1n))).toMatchObject({ code: "delegated-limit" });
    // A second one that names it takes over when the first goes.
    const second = makeTx(2, 0n, { authorities: [1, 1] });
    expect(add(second).ok).toBe(true);
    pool.drop(setCode.hash, 0);
    expect(add(makeTx(1, 1n))).toMatchObject({ code: "delegated-limit" });
    pool.drop(second.hash, 0);
    expect(add(makeTx(1, 1n)).ok).toBe(true);
    expect(add(makeTx(0, 0n, { authorities: [1] }))).toMatchObject({ message: "authority already reserved" });
  });

  test("are looked at after each block: others move their balance and nonce", () => {
    const { state, pool, add } = setup();
    state.set(address(0), 0n, OPEN, DELEGATION);
    add(makeTx(0, 0n));
    add(makeTx(1, 0n));
    state.set(address(0), 0n, 5n, DELEGATION);
    pool.removeMined({ transactions: [] }, state, next, 0);
    expect(pool.content().map((sender) => sender.address)).toEqual([address(1)]);
  });

  test("whoever a block delegates is looked at, also when the transaction was never here", () => {
    const { state, pool, add } = setup();
    add(makeTx(1, 0n));
    state.set(address(1), 1n, OPEN, DELEGATION);
    pool.removeMined({ transactions: [makeTx(9, 0n, { authorities: [1] })] }, state, next, 0);
    expect(pool.counts.pending).toBe(0);
    add(makeTx(1, 1n));
    expect(add(makeTx(1, 2n))).toMatchObject({ code: "delegated-limit" });
  });
});

describe("the leader's timer", () => {
  test("starts at the first includable transaction and again when a block leaves some over", () => {
    const { state, pool, add } = setup();
    const starts: number[] = [];
    pool.onIncludable((ms) => starts.push(ms));
    add(makeTx(0, 0n, { fee: GWEI - 1n }), 10);
    add(makeTx(1, 1n), 11);
    expect(pool.includableSinceMs).toBeUndefined();
    const first = makeTx(1, 0n);
    add(first, 12);
    add(makeTx(2, 0n), 13);
    expect(starts).toEqual([12]);
    state.set(address(1), 2n, OPEN);
    state.set(address(2), 1n, OPEN);
    pool.removeMined({ transactions: [first, makeTx(2, 0n)] }, state, next, 20);
    expect(pool.includableSinceMs).toBeUndefined();
    pool.removeMined({ transactions: [] }, state, { ...next, baseFeePerGas: 1n }, 30);
    expect(starts).toEqual([12, 30]);
  });
});

describe("bounds", () => {
  test("a full pool evicts the cheapest, and refuses what is cheaper still", () => {
    const { pool, add } = setup({ pendingSlots: 2, queuedSlots: 1 });
    const cheap = makeTx(0, 0n, { fee: 2n * GWEI });
    for (const tx of [cheap, makeTx(1, 0n, { fee: 3n * GWEI }), makeTx(2, 0n, { fee: 4n * GWEI })]) add(tx);
    expect(add(makeTx(3, 0n, { fee: 2n * GWEI }))).toMatchObject({ message: "transaction underpriced" });
    expect(add(makeTx(4, 1n, { fee: 9n * GWEI }))).toMatchObject({ code: "future-replaces-pending" });
    expect(add(makeTx(5, 0n, { fee: 5n * GWEI })).ok).toBe(true);
    expect(pool.get(cheap.hash)).toBeUndefined();
    expect(pool.counts.slots).toBe(3);
  });

  test("the sender with most pending transactions gives way to others, not to itself", () => {
    const { pool, add } = setup({ pendingSlots: 5, queuedSlots: 5, senderPending: 2 });
    for (let nonce = 0n; nonce < 5n; nonce++) expect(add(makeTx(0, nonce)).ok).toBe(true);
    expect(add(makeTx(0, 5n))).toMatchObject({ message: "txpool is full" });
    expect(add(makeTx(1, 0n)).ok).toBe(true);
    expect(pool.pendingNonce(address(0))).toBe(4n);
    expect(pool.counts).toEqual({ pending: 5, queued: 0, slots: 5 });
  });

  test("queued transactions: 64 a sender, the idle sender gives way, lifetime", () => {
    const { pool, add } = setup({ queuedSlots: 3, senderQueued: 2, lifetimeMs: 100 });
    add(makeTx(0, 5n), 1);
    add(makeTx(0, 4n), 2);
    expect(add(makeTx(0, 6n), 3)).toMatchObject({ message: "account limit exceeded" });
    expect(add(makeTx(0, 3n), 3)).toMatchObject({ ok: true });
    add(makeTx(1, 7n), 4);
    expect(add(makeTx(2, 7n), 5).ok).toBe(true);
    expect(pool.content(address(0))[0]?.queued.map((tx) => tx.nonce)).toEqual([3n]);
    expect(pool.expire(100)).toBe(0);
    expect(pool.expire(101)).toBe(1);
    expect(pool.expire(104)).toBe(1);
    expect(pool.content().map((sender) => sender.address)).toEqual([address(2)]);
  });

  test("a queue lives on when a transaction of its sender becomes pending, not when it grows", () => {
    const { pool, add } = setup({ lifetimeMs: 100 });
    for (const sender of [0, 1, 2]) add(makeTx(sender, 5n), sender);
    add(makeTx(0, 6n), 50);
    add(makeTx(1, 0n), 60);
    add(makeTx(2, 0n), 70);
    add(makeTx(2, 0n, { fee: 4n * GWEI }), 80);
    expect([pool.expire(100), pool.expire(159), pool.expire(160), pool.expire(179), pool.expire(180)]).toEqual([
      2, 0, 1, 0, 1,
    ]);
  });

  test("of equal prices the higher nonce leaves first, and nobody's place is taken at the same price", () => {
    const { pool, add } = setup({ pendingSlots: 2, queuedSlots: 1 });
    const [low, high] = [makeTx(0, 0n), makeTx(0, 1n)];
    add(high);
    add(low);
    add(makeTx(1, 0n));
    expect(add(makeTx(2, 0n))).toMatchObject({ message: "transaction underpriced" });
    expect(add(makeTx(2, 0n, { fee: 3n * GWEI })).ok).toBe(true);
    expect([pool.get(low.hash), pool.get(high.hash)]).toEqual([low, undefined]);
  });
});
