/** The pool against the naive one (testing/naive-pool.ts): the same answers and the same contents, whatever happens. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesToHex } from "../core/bytes.ts";
import type { Transaction } from "../core/chain.ts";
import { DEFAULT_MEMPOOL_LIMITS, type MempoolLimits } from "./mempool/rules.ts";
import { Mempool } from "./mempool.ts";
import type { AccountState } from "./state/types.ts";
import { NaivePool } from "./testing/naive-pool.ts";
import { address, FakeState, makeTx } from "./testing/pool-world.ts";
import { effectiveTip } from "./tx/derive.ts";

type Step =
  | {
      readonly kind: "add";
      readonly sender: number;
      readonly nonce: number;
      readonly fee: number;
      readonly tip: number;
      readonly bytes: number;
      readonly value: number;
      readonly authorities: readonly number[];
    }
  | { readonly kind: "mine"; readonly count: number; readonly baseFee: number; readonly drains: readonly number[] }
  | { readonly kind: "elsewhere"; readonly sender: number; readonly authorities: readonly number[] }
  | { readonly kind: "balance"; readonly sender: number; readonly balance: number }
  | { readonly kind: "price"; readonly price: number }
  | { readonly kind: "drop"; readonly index: number }
  | { readonly kind: "wait"; readonly ms: number };

const SENDER_COUNT = 5;
const sender = fc.nat(SENDER_COUNT - 1);
const few = fc.oneof({ weight: 5, arbitrary: fc.constant([]) }, fc.array(sender, { minLength: 1, maxLength: 2 }));

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("add" as const),
      sender,
      nonce: fc.nat(9),
      fee: fc.integer({ min: 1, max: 40 }),
      tip: fc.integer({ min: 1, max: 40 }),
      bytes: fc.constantFrom(100, 100, 40_000, 100_000),
      value: fc.nat(300),
      authorities: few,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("mine" as const),
      count: fc.nat(4),
      baseFee: fc.nat(20),
      drains: fc.array(sender, { maxLength: 2 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("elsewhere" as const), sender, authorities: few }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("balance" as const), sender, balance: fc.nat(2_000) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("price" as const), price: fc.constantFrom(0, 1, 3_000_000, 40_000_000) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("drop" as const), index: fc.nat(10) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(12) }) },
);

/** Values and balances are multiples of it, so that they are of the size of fees. */
const UNIT = 2_100n;
const GAS_LIMIT = 100_000n;
const DELEGATION = new Uint8Array([0xef, 1, 0, ...new Uint8Array(20)]);

class Game {
  readonly state = new FakeState();
  readonly pool: Mempool;
  readonly model: NaivePool;
  readonly pendingSeen: Transaction[] = [];
  #baseFee = 5n;
  #l1FeePrice = 0n;
  #nowMs = 0;

  constructor(limits: Partial<MempoolLimits>) {
    for (let i = 0; i < SENDER_COUNT; i++) this.state.set(address(i), 0n, 2_000n * UNIT);
    this.pool = new Mempool({ next: this.#next, limits });
    this.pool.onPending((tx) => this.pendingSeen.push(tx));
    this.model = new NaivePool({ ...DEFAULT_MEMPOOL_LIMITS, ...limits }, (tx) => this.#costOf(tx));
  }

  get #next() {
    return { baseFeePerGas: this.#baseFee, gasLimit: GAS_LIMIT, l1FeePrice: this.#l1FeePrice };
  }

  /** Every byte of these transactions is zero. */
  #costOf(tx: Transaction): bigint {
    const l1Fee = (4n * BigInt(tx.raw.length) * this.#l1FeePrice) / 16_000_000n;
    return tx.gasLimit * tx.maxFeePerGas + tx.value + l1Fee;
  }

  #account(i: number): AccountState {
    return this.state.account(address(i))!;
  }

  #change(i: number, change: { nonce?: bigint; balance?: bigint; isDelegated?: boolean }): void {
    const { nonce, balance, codeHash } = this.#account(i);
    const code = change.isDelegated === true ? DELEGATION : this.state.code(codeHash);
    this.state.set(address(i), change.nonce ?? nonce, change.balance ?? balance, code);
  }

  take(one: Step): void {
    const nowMs = ++this.#nowMs;
    switch (one.kind) {
      case "add":
        this.#add(one, nowMs);
        break;
      case "mine":
        this.#mine(one, nowMs);
        break;
      case "elsewhere": {
        // A block of somebody else, with a transaction that the pool never saw.
        const { nonce, balance } = this.#account(one.sender);
        this.#change(one.sender, { nonce: nonce + 1n, balance: balance / 2n });
        this.#blockOf([makeTx(one.sender, nonce, { authorities: one.authorities })], nowMs);
        break;
      }
      case "balance":
        this.#change(one.sender, { balance: BigInt(one.balance) * UNIT });
        this.pool.revalidate([address(one.sender)], this.state, nowMs);
        this.model.look(keyOf(one.sender), this.#account(one.sender), nowMs);
        break;
      case "price":
        if (BigInt(one.price) === this.#l1FeePrice) break;
        this.#l1FeePrice = BigInt(one.price);
        this.model.reprice(nowMs);
        this.#blockOf([], nowMs);
        break;
      case "drop": {
        const entry = this.model.entries[one.index];
        if (entry === undefined) break;
        expect(this.pool.drop(entry.tx.hash, nowMs)).toBe(true);
        this.model.drop(entry, nowMs);
        break;
      }
      case "wait":
        this.#nowMs += one.ms;
        this.pool.expire(this.#nowMs);
        this.model.expire(this.#nowMs);
    }
    this.#compare();
  }

  #add(one: Step & { kind: "add" }, nowMs: number): void {
    const tx = makeTx(one.sender, BigInt(one.nonce), {
      fee: BigInt(Math.max(one.fee, one.tip)),
      tip: BigInt(one.tip),
      bytes: one.bytes,
      value: BigInt(one.value) * UNIT,
      authorities: one.authorities,
    });
    const old = this.model.entries.find((entry) => entry.from === keyOf(one.sender) && entry.tx.nonce === tx.nonce);
    const keys = one.authorities.map(keyOf);
    const expected = this.model.add(tx, keys, this.#account(one.sender), this.#baseFee, nowMs);
    const result = this.pool.add(tx, this.state, nowMs);
    expect(result.ok ? (result.pending ? "pending" : "queued") : result.code).toBe(expected);
    if (!result.ok) return;
    expect(result.replaced).toBe(old?.tx.hash);
    expect(this.pool.add(tx, this.state, nowMs)).toMatchObject({ code: "already-known" });
  }

  /** What a proposer would take, as far as the accounts bear it, and what others do to delegated ones meanwhile. */
  #mine({ count, baseFee, drains }: Step & { kind: "mine" }, nowMs: number): void {
    const walk = this.pool.candidates(this.#baseFee);
    const mined: Transaction[] = [];
    while (mined.length < count) {
      const tx = walk.next();
      if (tx === undefined) break;
      const i = indexOf(tx.from);
      const { nonce, balance } = this.#account(i);
      const cost = tx.gasLimit * this.#baseFee + tx.value;
      if (nonce !== tx.nonce || balance < cost) {
        walk.skipSender();
        continue;
      }
      this.#change(i, { nonce: nonce + 1n, balance: balance - cost });
      mined.push(tx);
    }
    this.#baseFee = BigInt(baseFee);
    this.#blockOf(mined, nowMs, drains);
  }

  #blockOf(transactions: readonly Transaction[], nowMs: number, drains: readonly number[] = []): void {
    const authorities = transactions.flatMap(authoritiesOf);
    for (const i of authorities) this.#change(i, { nonce: this.#account(i).nonce + 1n, isDelegated: true });
    const isDelegated = (i: number) => this.state.code(this.#account(i).codeHash).length > 0;
    for (const i of drains.filter(isDelegated)) this.#change(i, { balance: this.#account(i).balance / 2n });
    const touched = transactions.flatMap((tx) => [bytesToHex(tx.from), ...authoritiesOf(tx).map(keyOf)]);
    this.pool.removeMined({ transactions }, this.state, this.#next, nowMs);
    this.model.mined(touched, (key) => this.#account(indexOfKey(key)), nowMs);
    // Also of those that were not looked at.
    for (const { tx, from } of this.model.pending()) {
      const account = this.#account(indexOfKey(from));
      expect(tx.nonce).toBeGreaterThanOrEqual(account.nonce);
      expect(this.#costOf(tx)).toBeLessThanOrEqual(account.balance);
    }
  }

  #compare(): void {
    const { pool, model } = this;
    const content = pool.content();
    expect(content.map((each) => bytesToHex(each.address))).toEqual([...model.seen.keys()]);
    for (const { address, pending, queued } of content) {
      const key = bytesToHex(address);
      expect(pending).toEqual(model.pending(key).map(({ tx }) => tx));
      expect(queued).toEqual(model.queued(key).map(({ tx }) => tx));
      expect(pool.pendingNonce(address)).toBe(model.seen.get(key)!.nonce + BigInt(pending.length));
    }
    const slots = model.entries.reduce((sum, { tx }) => sum + Math.ceil(tx.raw.length / 32_768), 0);
    expect(pool.counts).toEqual({ pending: model.pending().length, queued: model.queued().length, slots });
    expect(slots).toBeLessThanOrEqual(model.limits.pendingSlots + model.limits.queuedSlots);
    expect(model.queued().length).toBeLessThanOrEqual(model.limits.queuedSlots);
    expect(model.entries.every(({ tx }) => pool.get(tx.hash) === tx)).toBe(true);
    expect(model.pending().every(({ tx }) => this.pendingSeen.includes(tx))).toBe(true);
    // A block takes the best of what is first for its sender, again and again.
    const heads = content.map(({ pending }) => [...pending]);
    const tip = (tx: Transaction | undefined) => (tx === undefined ? -1n : effectiveTip(tx, this.#baseFee));
    for (const tx of pool.candidates(this.#baseFee)) {
      expect(heads.every(([first]) => tip(first) <= tip(tx))).toBe(true);
      heads.find(([first]) => first === tx)!.shift();
    }
    expect(heads.every(([first]) => tip(first) < 0n)).toBe(true);
    expect(pool.includableSinceMs !== undefined).toBe(content.some(({ pending }) => tip(pending[0]) >= 0n));
  }
}

const EACH = Array.from({ length: SENDER_COUNT }, (_, i) => i);
const KEYS: readonly string[] = EACH.map((i) => bytesToHex(address(i)));
const AUTHORIZATIONS = EACH.map((i) => makeTx(0, 0n, { authorities: [i] }).authorizationList[0]!);
const keyOf = (i: number): string => KEYS[i]!;
const indexOfKey = (key: string): number => KEYS.indexOf(key);
const indexOf = (of: Uint8Array): number => indexOfKey(bytesToHex(of));
/** In the order of the transaction. */
const authoritiesOf = (tx: Transaction): number[] => tx.authorizationList.map((each) => AUTHORIZATIONS.indexOf(each));

function play(limits: Partial<MempoolLimits>, runs: number): void {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const game = new Game(limits);
      for (const one of steps) game.take(one);
    }),
    { numRuns: runs },
  );
}

test("under tight bounds", () => {
  play({ pendingSlots: 7, queuedSlots: 4, senderPending: 2, senderQueued: 3, lifetimeMs: 20 }, 120);
});

test("with few senders' slots but room for all", () => {
  play({ pendingSlots: 4, queuedSlots: 60, senderPending: 1, senderQueued: 4, lifetimeMs: 30 }, 40);
});

test("without bounds that matter", () => {
  play({}, 40);
});
