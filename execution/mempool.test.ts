import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bigIntToFixed, bytesToHex, EMPTY_BYTES } from "../core/bytes.ts";
import type { Transaction } from "../core/chain.ts";
import { KECCAK_EMPTY, keccak256 } from "../core/crypto.ts";
import { Mempool } from "./mempool.ts";
import type { AccountState, StateReader } from "./state/types.ts";
import { effectiveTip } from "./tx/derive.ts";

const GWEI = 10n ** 9n;
const OPEN = 10n ** 18n;

class FakeState implements StateReader {
  readonly accounts = new Map<string, AccountState>();
  readonly codes = new Map<string, Uint8Array>();
  set(address: Uint8Array, nonce: bigint, balance: bigint, code: Uint8Array = EMPTY_BYTES): void {
    const codeHash = code.length === 0 ? KECCAK_EMPTY : keccak256(code);
    this.codes.set(bytesToHex(codeHash), code);
    this.accounts.set(bytesToHex(address), { nonce, balance, codeHash, storageRoot: KECCAK_EMPTY });
  }
  account(address: Uint8Array): AccountState | undefined {
    return this.accounts.get(bytesToHex(address));
  }
  storage(): Uint8Array {
    return EMPTY_BYTES;
  }
  code(codeHash: Uint8Array): Uint8Array {
    return this.codes.get(bytesToHex(codeHash)) ?? EMPTY_BYTES;
  }
}

const address = (i: number): Uint8Array => bigIntToFixed(BigInt(i + 1), 20);
let unique = 0n;

interface TxOptions {
  fee?: bigint;
  tip?: bigint;
  value?: bigint;
  gas?: bigint;
  bytes?: number;
  create?: boolean;
  dataBytes?: number;
}

function makeTx(sender: number, nonce: bigint, options: TxOptions = {}): Transaction {
  const fee = options.fee ?? 2n * GWEI;
  return {
    type: 2,
    raw: new Uint8Array(options.bytes ?? 110),
    hash: keccak256(bigIntToFixed(unique++, 32)),
    from: address(sender),
    to: options.create ? undefined : address(99),
    nonce,
    gasLimit: options.gas ?? 21_000n,
    maxFeePerGas: fee,
    maxPriorityFeePerGas: options.tip ?? fee,
    value: options.value ?? 0n,
    data: new Uint8Array(options.dataBytes ?? 0),
    chainId: 1n,
    accessList: [],
    authorizationList: [],
    v: 0n,
    r: 1n,
    s: 1n,
  };
}

function setup(limits: ConstructorParameters<typeof Mempool>[0]["limits"] = {}) {
  const state = new FakeState();
  for (let i = 0; i < 20; i++) state.set(address(i), 0n, OPEN);
  const pool = new Mempool({ next: { baseFeePerGas: GWEI, gasLimit: 30_000_000n }, limits });
  const add = (tx: Transaction, nowMs = 0) => pool.add(tx, state, nowMs);
  return { state, pool, add };
}

const next = { baseFeePerGas: GWEI, gasLimit: 30_000_000n };

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
    ["exceeds block gas limit", { gas: 30_000_001n }],
    ["oversized data: transaction size 131073, limit 131072", { bytes: 131_073 }],
    ["transaction underpriced: gas tip cap 0, minimum needed 1", { tip: 0n }],
    ["transaction gas limit too high (cap: 16777216, tx: 16777217)", { gas: (1n << 24n) + 1n }],
    ["intrinsic gas too low: have 20999, want 21000", { gas: 20_999n }],
    ["insufficient gas for floor data gas cost: have 26000, want 31000", { gas: 26_000n, dataBytes: 1_000 }],
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
    expect(add(makeTx(0, 0n, { value: OPEN / 2n })).ok).toBe(true);
    expect(add(makeTx(0, 1n, { value: OPEN / 2n }))).toMatchObject({ code: "insufficient-funds" });
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
    const order = [...pool.candidates(GWEI)].map((tx) => [Number(tx.from[19]) - 1, Number(tx.nonce)]);
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
    expect(pool.expire(104)).toBe(2);
    expect(pool.content().map((sender) => sender.address)).toEqual([address(2)]);
  });
});

// The naive model: one list of transactions; everything else is derived from it and from the accounts.

type Step =
  | { kind: "add"; sender: number; nonce: number; fee: number; tip: number; bytes: number; value: number }
  | { kind: "mine"; count: number; baseFee: number }
  | { kind: "balance"; sender: number; balance: number }
  | { kind: "price"; price: number }
  | { kind: "drop"; index: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("add" as const),
      sender: fc.nat(4),
      nonce: fc.nat(9),
      fee: fc.integer({ min: 1, max: 40 }),
      tip: fc.integer({ min: 1, max: 40 }),
      bytes: fc.constantFrom(100, 40_000, 100_000),
      value: fc.nat(300),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("mine" as const), count: fc.nat(4), baseFee: fc.nat(20) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("balance" as const), sender: fc.nat(4), balance: fc.nat(2_000) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("price" as const), price: fc.constantFrom(0, 1, 3_000_000, 40_000_000) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("drop" as const), index: fc.nat(10) }) },
);

const GAS = 21_000n;
const UNIT = GAS / 10n;

/** Values and balances in units of 2,100 wei, so that they are of the size of fees. */
function play(steps: readonly Step[], limits: object, check: (game: Game) => void): void {
  const game = new Game(limits);
  for (const [i, one] of steps.entries()) {
    game.take(one, i);
    check(game);
  }
}

class Game {
  readonly state = new FakeState();
  readonly pool: Mempool;
  baseFee = 5n;
  l1FeePrice = 0n;
  all: Transaction[] = [];
  added: Transaction | undefined;
  replaced: Uint8Array | undefined;

  constructor(limits: object) {
    for (let i = 0; i < 5; i++) this.state.set(address(i), 0n, 2_000n * UNIT);
    this.pool = new Mempool({ next: { baseFeePerGas: this.baseFee, gasLimit: 30_000n }, limits });
  }

  get next() {
    return { baseFeePerGas: this.baseFee, gasLimit: 30_000n, l1FeePrice: this.l1FeePrice };
  }

  /** Every byte of these transactions is zero. */
  cost(tx: Transaction): bigint {
    const l1Fee = (4n * BigInt(tx.raw.length) * this.l1FeePrice) / 16_000_000n;
    return tx.gasLimit * tx.maxFeePerGas + tx.value + l1Fee;
  }

  take(one: Step, nowMs: number): void {
    this.added = undefined;
    switch (one.kind) {
      case "add": {
        const tx = makeTx(one.sender, BigInt(one.nonce), {
          fee: BigInt(Math.max(one.fee, one.tip)),
          tip: BigInt(one.tip),
          bytes: one.bytes,
          value: BigInt(one.value) * UNIT,
          gas: GAS,
        });
        const result = this.pool.add(tx, this.state, nowMs);
        if (result.ok) {
          this.added = tx;
          this.replaced = result.replaced;
          this.all = this.all.filter((other) => other.hash !== result.replaced);
          this.all.push(tx);
        }
        return;
      }
      case "mine": {
        const walk = this.pool.candidates(this.baseFee);
        const mined: Transaction[] = [];
        while (mined.length < one.count) {
          const tx = walk.next();
          if (tx === undefined) break;
          const account = this.state.account(tx.from)!;
          const cost = tx.gasLimit * this.baseFee + tx.value;
          if (account.nonce !== tx.nonce || account.balance < cost) {
            walk.skipSender();
            continue;
          }
          this.state.set(tx.from, account.nonce + 1n, account.balance - cost);
          mined.push(tx);
        }
        this.baseFee = BigInt(one.baseFee);
        this.all = this.all.filter((tx) => !mined.includes(tx));
        this.pool.removeMined({ transactions: mined }, this.state, this.next, nowMs);
        return;
      }
      case "price":
        this.l1FeePrice = BigInt(one.price);
        this.pool.removeMined({ transactions: [] }, this.state, this.next, nowMs);
        return;
      case "balance": {
        const account = this.state.account(address(one.sender))!;
        this.state.set(address(one.sender), account.nonce, BigInt(one.balance) * UNIT);
        this.pool.revalidate([address(one.sender)], this.state, nowMs);
        return;
      }
      case "drop": {
        const tx = this.all[one.index];
        if (tx !== undefined) {
          this.pool.drop(tx.hash, nowMs);
          this.all = this.all.filter((other) => other !== tx);
        }
      }
    }
  }
}

function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(`invariant broken: ${what}`);
}

const slots = (tx: Transaction) => Math.ceil(tx.raw.length / 32_768);

test("property: invariants hold under tight bounds", () => {
  const limits = { pendingSlots: 7, queuedSlots: 4, senderPending: 2, senderQueued: 3 };
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: "max" }), (steps) => {
      play(steps, limits, (game) => {
        const { pool, state, all, baseFee, added } = game;
        const content = pool.content();
        const pending = content.flatMap((sender) => sender.pending);
        const queued = content.flatMap((sender) => sender.queued);
        const live = new Set([...pending, ...queued]);
        const known = new Set(all);
        must(
          [...live].every((tx) => known.has(tx)),
          "nothing appears from nowhere",
        );
        must(
          all.every((tx) => pool.get(tx.hash) === (live.has(tx) ? tx : undefined)),
          "found by its hash while it is there",
        );
        must(added === undefined || live.has(added), "what was accepted is there");
        const slotSum = [...live].reduce((sum, tx) => sum + slots(tx), 0);
        expect(pool.counts).toEqual({ pending: pending.length, queued: queued.length, slots: slotSum });
        must(slotSum <= 11 && queued.length <= 4, "capacity");
        for (const sender of content) {
          const account = state.account(sender.address)!;
          const nextNonce = account.nonce + BigInt(sender.pending.length);
          must(sender.pending.length + sender.queued.length > 0, "no empty senders");
          must(
            sender.pending.every((tx, i) => tx.nonce === account.nonce + BigInt(i)),
            "pending has no gap",
          );
          must(pool.pendingNonce(sender.address) === nextNonce, "pending nonce");
          must(new Set(sender.queued.map((tx) => tx.nonce)).size === sender.queued.length, "one a nonce");
          must(
            sender.queued.every((tx) => tx.nonce > nextNonce),
            "queued is behind a gap",
          );
          must(
            [...sender.pending, ...sender.queued].every((tx) => game.cost(tx) <= account.balance),
            "each is payable",
          );
          must(sender.queued.length <= 3, "queued of one sender");
        }
        // The walk is the greedy choice over what is pending.
        const heads = content.map((sender) => [...sender.pending]);
        const tip = (tx: Transaction | undefined) => (tx === undefined ? -1n : effectiveTip(tx, baseFee));
        for (const tx of pool.candidates(baseFee)) {
          const list = heads.find((other) => other[0] === tx);
          must(list !== undefined && heads.every((other) => tip(other[0]) <= tip(tx)), "best tip first");
          list!.shift();
        }
        must(
          heads.every((list) => tip(list[0]) < 0n),
          "the walk ends when nothing is includable",
        );
        must(
          (pool.includableSinceMs !== undefined) === content.some((sender) => tip(sender.pending[0]) >= 0n),
          "includable",
        );
      });
    }),
    { numRuns: 300 },
  );
});

test("property: without tight bounds the pool holds exactly what the naive model holds", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: "max" }), (steps) => {
      const game = new Game({});
      steps.forEach((one, i) => {
        const before = new Set(game.all);
        game.take(one, i);
        // A transaction leaves the model when its nonce is used or when it alone costs more than a balance that was
        // looked at; a sender's account is looked at when it sends, when it is mined, and when it is revalidated.
        const touched = new Set<string>();
        if (one.kind === "add" && game.added !== undefined) touched.add(bytesToHex(game.added.from));
        if (one.kind === "price") for (const tx of before) touched.add(bytesToHex(tx.from));
        if (one.kind === "balance") touched.add(bytesToHex(address(one.sender)));
        if (one.kind === "mine") for (const tx of before) if (!game.all.includes(tx)) touched.add(bytesToHex(tx.from));
        game.all = game.all.filter((tx) => {
          const account = game.state.account(tx.from)!;
          return !touched.has(bytesToHex(tx.from)) || (tx.nonce >= account.nonce && game.cost(tx) <= account.balance);
        });
        const live = game.pool.content().flatMap((sender) => [...sender.pending, ...sender.queued]);
        expect(new Set(live)).toEqual(new Set(game.all));
        for (const sender of game.pool.content()) {
          const account = game.state.account(sender.address)!;
          const nonces = new Set(
            game.all.filter((tx) => bytesToHex(tx.from) === bytesToHex(sender.address)).map((tx) => tx.nonce),
          );
          let run = account.nonce;
          while (nonces.has(run)) run++;
          expect(game.pool.pendingNonce(sender.address)).toBe(run);
          expect(BigInt(sender.pending.length)).toBe(run - account.nonce);
        }
      });
    }),
    { numRuns: 300 },
  );
});
