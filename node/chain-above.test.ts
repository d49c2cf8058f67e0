import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bigIntToFixed, bytesToHex, EMPTY_BYTES, ZERO_32 } from "../core/bytes.ts";
import type { Transaction } from "../core/chain.ts";
import type { Precompile } from "../core/precompile.ts";
import { decodeBlock, encodeBlock } from "../execution/block/block-codec.ts";
import { StoreError } from "../execution/state/errors.ts";
import { openLevelStore } from "../execution/state/level-store.ts";
import { COINBASE, CONTRACTS, SENDERS } from "../execution/testing/world.ts";
import { Chain, type Proposal } from "./chain.ts";
import { CHAIN_ID, contract, FakeStore, RECIPIENT, rich, signed, testGenesis } from "./testing/world.ts";

/** For each n from calldata down to 1: slot number - n := the hash of block number - n. */
const HASHES = contract(
  CONTRACTS[0]!,
  Uint8Array.of(
    ...[0x5f, 0x35],
    ...[0x5b, 0x80, 0x15, 0x60, 0x16, 0x57],
    ...[0x80, 0x43, 0x03, 0x80, 0x40, 0x90, 0x55],
    ...[0x60, 0x01, 0x90, 0x03, 0x60, 0x02, 0x56],
    ...[0x5b, 0x00],
  ),
);
const SPIN_ADDRESS = bigIntToFixed(0x901n, 20);
const GENESIS = testGenesis([rich(0), rich(1), rich(2), HASHES]);
const CERTIFICATE = Uint8Array.of(1, 2, 3);
const word = (value: number | bigint) => bigIntToFixed(BigInt(value), 32);
const open = (store = new FakeStore(), precompiles: readonly Precompile[] = [], genesis = GENESIS) =>
  Chain.open(store, genesis, precompiles);
const time = (chain: Chain, seconds = 1n) => chain.block(0n)!.header.timestamp + seconds;

function proposeOn(chain: Chain, parent: Uint8Array, candidates: Iterable<Transaction>, seconds?: bigint) {
  const timestamp = time(chain, seconds);
  return chain.proposeOn(parent, { candidates, timestamp, feeAddress: COINBASE, isOutOfTime: () => false });
}

/** Blocks one on the other, each of its transactions, none of them committed. */
async function line(chain: Chain, ...blocks: (readonly Transaction[])[]): Promise<Proposal[]> {
  const made: Proposal[] = [];
  for (const transactions of blocks) {
    made.push(await proposeOn(chain, made.at(-1)?.block.hash ?? chain.head.hash, transactions));
  }
  return made;
}

async function verified(chain: Chain, { raw, block }: Proposal): Promise<void> {
  expect(await chain.verify(raw, block.header.parentHash)).toEqual({ ok: true, hash: block.hash });
}

const recorded = (nonce: bigint, count = 1) =>
  signed(0, nonce, { to: HASHES.address, value: 0n, data: word(count), gasLimit: 200_000n });
const everything = ({ memory }: FakeStore) =>
  [...memory.iterate(EMPTY_BYTES, Uint8Array.of(0xff))].map((pair) => pair.map(bytesToHex));

describe("random trees", () => {
  test("another chain verifies them to the same, and committing a path is committing its blocks one by one", async () => {
    const step = fc.record({
      parent: fc.nat(),
      senders: fc.array(fc.nat(2), { maxLength: 3 }),
      commit: fc.nat(4),
      certified: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const stores = [new FakeStore(), new FakeStore(), new FakeStore()] as const;
        const [making, checking, linear] = await Promise.all(stores.map((store) => open(store)));
        let known: Proposal[] = [];
        for (const [index, { parent, senders, commit, certified }] of steps.entries()) {
          const choices = [making!.head.hash, ...known.map(({ block }) => block.hash)];
          const on = choices[parent % choices.length]!;
          const nonces = new Map<number, bigint>();
          const candidates = senders.map((sender) => {
            // Far too many for whoever stands high: those that ancestors contain are passed over.
            const nonce = nonces.get(sender) ?? 0n;
            nonces.set(sender, nonce + 1n);
            return sender === 0 ? recorded(nonce, 3) : signed(sender, nonce);
          });
          const made = await proposeOn(making!, on, candidates, BigInt(index));
          await verified(checking!, made);
          if (!known.some(({ block }) => bytesToHex(block.hash) === bytesToHex(made.block.hash))) known.push(made);
          if (commit > 0) continue;
          const certificate = certified ? Uint8Array.of(index) : undefined;
          const blocks = await making!.commitThrough(made.block.hash, certificate);
          expect(await checking!.commitThrough(made.block.hash, certificate)).toEqual(blocks);
          for (const block of blocks) {
            await verified(linear!, known.find((each) => each.block === block)!);
            await linear!.commitThrough(block.hash, block === made.block ? certificate : undefined);
          }
          known = known.filter(({ block }) => making!.has(block.hash) && !making!.isCommitted(block.hash));
          for (const { block } of known) expect(checking!.has(block.hash)).toBe(true);
        }
        const [first, ...others] = stores.map(everything);
        for (const other of others) expect(other).toEqual(first);
        const resumed = await open(stores[0].copy());
        expect(resumed.head).toEqual(linear!.head);
        expect(resumed.latestCertificate).toEqual(making!.latestCertificate);
      }),
      { numRuns: 40 },
    );
  });
});

describe("committing a path", () => {
  test("one write; each block heard of in order; what does not descend from it is forgotten", async () => {
    const store = new FakeStore();
    const chain = await open(store);
    const [one, two, three, four] = (await line(chain, [signed(0, 0n)], [signed(1, 0n)], [signed(0, 1n)], [])) as [
      Proposal,
      Proposal,
      Proposal,
      Proposal,
    ];
    const besideTwo = await proposeOn(chain, one.block.hash, [], 7n);
    const besideOne = await proposeOn(chain, chain.head.hash, [], 7n);
    const onThat = await proposeOn(chain, besideOne.block.hash, [], 8n);
    const heard: unknown[] = [];
    chain.onCommit(({ number, hash }) => heard.push([number, hash, chain.block(number), chain.head.number]));
    const writes = store.writes;
    const committed = await chain.commitThrough(three.block.hash, CERTIFICATE);

    expect(store.writes).toBe(writes + 1);
    const blocks = [one, two, three].map(({ block }) => block);
    expect(committed).toEqual(blocks);
    expect(heard).toEqual(blocks.map((block) => [block.header.number, block.hash, block, 3n]));
    expect(chain.head).toEqual({ number: 3n, hash: three.block.hash });
    for (const { block, raw } of [one, two, three]) {
      expect(chain.find({ hash: block.hash })).toEqual(block);
      expect([chain.has(block.hash), chain.isCommitted(block.hash)]).toEqual([true, true]);
      expect([chain.raw(block.hash), chain.rawAt(block.header.number)]).toEqual([raw, raw]);
      expect(chain.hashAt(block.header.number)).toEqual(block.hash);
      expect(chain.header(block.hash)).toEqual(block.header);
    }
    for (const { block } of [besideTwo, besideOne, onThat]) {
      expect([chain.has(block.hash), chain.header(block.hash), chain.raw(block.hash)]).toEqual([
        false,
        undefined,
        undefined,
      ]);
    }
    expect([chain.has(four.block.hash), chain.isCommitted(four.block.hash)]).toEqual([true, false]);
    expect(chain.unfinalized.blocks).toBe(1);
    expect(chain.transaction(two.block.transactions[0]!.hash)?.block).toEqual(two.block);
    expect([chain.rawAt(4n), chain.hashAt(4n), chain.rawAt(-1n), chain.hashAt(-1n)]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    await chain.commitThrough(four.block.hash, undefined);
    expect([chain.head.number, chain.unfinalized]).toEqual([4n, { blocks: 0, bytes: 0 }]);
  });

  test("certificates: of the block that they name, the highest, and the next one above a block", async () => {
    const store = new FakeStore();
    const chain = await open(store);
    expect([chain.latestCertificate, await chain.certificateFrom(0n)]).toEqual([undefined, undefined]);
    const made = await line(chain, [], [], [], [], []);
    await chain.commitThrough(made[1]!.block.hash, Uint8Array.of(2));
    await chain.commitThrough(made[2]!.block.hash, undefined);
    await chain.commitThrough(made[3]!.block.hash, Uint8Array.of(4));
    await chain.commitThrough(made[4]!.block.hash, undefined);
    for (const each of [chain, await open(store.copy())]) {
      expect([0n, 1n, 2n, 3n, 4n, 5n, 6n].map((number) => each.certificate(number))).toEqual(
        [undefined, undefined, 2, undefined, 4, undefined, undefined].map((byte) => byte && Uint8Array.of(byte)),
      );
      expect(each.latestCertificate).toEqual({ number: 4n, certificate: Uint8Array.of(4) });
      const from = await Promise.all([0n, 2n, 3n, 4n, 5n].map((number) => each.certificateFrom(number)));
      expect(from.map((found) => found?.number)).toEqual([2n, 2n, 4n, 4n, undefined]);
    }
    // Again, and late: only what is missing is written.
    const writes = store.writes;
    expect(await chain.commitThrough(made[3]!.block.hash, CERTIFICATE)).toEqual([]);
    expect(await chain.commitThrough(made[2]!.block.hash, undefined)).toEqual([]);
    expect([store.writes - writes, chain.certificate(4n)]).toEqual([0, Uint8Array.of(4)]);
    expect(await chain.commitThrough(made[2]!.block.hash, Uint8Array.of(3))).toEqual([]);
    expect(chain.latestCertificate?.number).toBe(4n);
    expect(await chain.commitThrough(made[4]!.block.hash, Uint8Array.of(5))).toEqual([]);
    expect(store.writes).toBe(writes + 2);
    expect((await open(store.copy())).latestCertificate).toEqual({ number: 5n, certificate: Uint8Array.of(5) });
    expect(chain.certificate(3n)).toEqual(Uint8Array.of(3));
  });

  test("on LevelDB as in memory", async () => {
    const directory = await mkdtemp(join(tmpdir(), "openledger-above-"));
    const memory = new FakeStore();
    const other = await open(memory);
    const made = await line(other, [recorded(0n)], [recorded(1n, 2)], [], [recorded(2n, 4)]);
    try {
      let store = await openLevelStore(directory);
      let chain = await Chain.open(store, GENESIS, []);
      for (const proposal of made) await verified(chain, proposal);
      for (const each of [chain, other]) {
        await each.commitThrough(made[1]!.block.hash, Uint8Array.of(2));
        await each.commitThrough(made[3]!.block.hash, undefined);
      }
      await store.close();
      store = await openLevelStore(directory);
      chain = await Chain.open(store, GENESIS, []);
      expect(chain.head).toEqual(other.head);
      expect(chain.latestCertificate).toEqual({ number: 2n, certificate: Uint8Array.of(2) });
      expect(await chain.certificateFrom(1n)).toEqual(chain.latestCertificate);
      expect(await chain.certificateFrom(3n)).toBeUndefined();
      const stored: string[][] = [];
      for await (const pair of store.iterate({ start: EMPTY_BYTES, end: Uint8Array.of(0xff) })) {
        stored.push(pair.map(bytesToHex));
      }
      expect(stored).toEqual(everything(memory));
      await store.close();
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  test("refuses a block that is unknown or not above the head", async () => {
    const chain = await open();
    await expect(chain.commitThrough(ZERO_32, CERTIFICATE)).rejects.toThrow(/block 0x00.* does not stand on the head/);
    const [one] = await line(chain, []);
    const beside = await proposeOn(chain, chain.head.hash, [], 9n);
    await chain.commitThrough(one!.block.hash, undefined);
    await expect(chain.commitThrough(beside.block.hash, CERTIFICATE)).rejects.toThrow("does not stand on the head");
    expect(chain.head.number).toBe(1n);
    expect(chain.latestCertificate).toBeUndefined();
  });

  // Before the batch is in the store, or after: nobody can tell from the error.
  test.each(["beforeWrite", "afterWrite"] as const)(
    "%s fails: the old head stays, and the chain ends",
    async (when) => {
      const store = new FakeStore();
      const chain = await open(store);
      const made = await line(chain, [recorded(0n)], [recorded(1n, 2)], [recorded(2n, 3)]);
      const last = made[2]!.block;
      const full = new StoreError("FAILED", "no space left on device");
      const heard: unknown[] = [];
      chain.onCommit((head) => heard.push(head));
      store[when] = () => Promise.reject(full);
      await expect(chain.commitThrough(last.hash, CERTIFICATE)).rejects.toBe(full);
      store[when] = async () => {};
      expect([chain.head.number, heard, chain.latestCertificate]).toEqual([0n, [], undefined]);
      expect([chain.block(1n), chain.hashAt(2n), chain.isCommitted(last.hash)]).toEqual([undefined, undefined, false]);
      expect(chain.headState.storage(HASHES.address, ZERO_32)).toEqual(EMPTY_BYTES);
      await expect(chain.commitThrough(last.hash, CERTIFICATE)).rejects.toThrow("no block can be committed after");
      const restarted = await open(store.copy());
      expect(restarted.head.number).toBe(when === "beforeWrite" ? 0n : 3n);
      expect(restarted.latestCertificate?.number).toBe(when === "beforeWrite" ? undefined : 3n);
    },
  );

  test("a crash at any moment finds all of the path or nothing", async () => {
    const store = new FakeStore();
    const chain = await open(store);
    const made = await line(chain, [recorded(0n)], [recorded(1n, 2)], [recorded(2n, 3)]);
    const found: FakeStore[] = [];
    store.beforeWrite = store.afterWrite = async () => void found.push(store.copy());
    await chain.commitThrough(made[2]!.block.hash, CERTIFICATE);
    const [before, after] = await Promise.all(found.map((copy) => open(copy)));
    expect([before!.head.number, after!.head.number]).toEqual([0n, 3n]);
    expect([before!.latestCertificate, after!.latestCertificate?.number]).toEqual([undefined, 3n]);
    expect(everything(found[1]!)).toEqual(everything(store));
    for (const proposal of made) await verified(before!, proposal);
    await before!.commitThrough(made[2]!.block.hash, CERTIFICATE);
    expect(everything(found[0]!)).toEqual(everything(store));
  });

  test("while it is written the head is the old one, and what is verified meanwhile ends up where it belongs", async () => {
    const store = new FakeStore();
    const [chain, other] = await Promise.all([open(store), open()]);
    const [one, two, three] = (await line(other, [recorded(0n)], [recorded(1n, 2)], [recorded(2n, 3)])) as [
      Proposal,
      Proposal,
      Proposal,
    ];
    const onOne = await proposeOn(other, one.block.hash, [recorded(1n, 1)], 5n);
    const onHead = await proposeOn(other, other.head.hash, [recorded(0n, 1)], 5n);
    for (const proposal of [one, two]) await verified(chain, proposal);
    let looked = 0;
    const look = async () => {
      looked++;
      expect([chain.head.number, chain.isCommitted(one.block.hash), chain.has(one.block.hash)]).toEqual([
        0n,
        false,
        true,
      ]);
      if (looked === 1) await expect(chain.commitThrough(one.block.hash, undefined)).rejects.toThrow("no block can be");
      for (const proposal of [three, onOne, onHead]) await verified(chain, proposal);
    };
    store.beforeWrite = look;
    store.afterWrite = async () => {
      chain.prune([two.block.hash]);
      await look();
    };
    await chain.commitThrough(two.block.hash, CERTIFICATE);
    expect(looked).toBe(2);
    expect([three, onOne, onHead].map(({ block }) => chain.has(block.hash))).toEqual([true, false, false]);
    store.beforeWrite = store.afterWrite = async () => {};
    await chain.commitThrough(three.block.hash, undefined);
    expect(chain.headState.storage(HASHES.address, word(2))).toEqual(two.block.hash);
  });
});

describe("making blocks above the head", () => {
  test("BLOCKHASH sees ancestors that are not final, and those below", async () => {
    const chain = await open();
    const [one] = await line(chain, [recorded(0n, 1)]);
    await chain.commitThrough(one!.block.hash, undefined);
    const made = await line(chain, [recorded(1n, 2)], [recorded(2n, 3)], [recorded(3n, 4)]);
    expect(made.map(({ block }) => block.receipts[0]!.status)).toEqual([1, 1, 1]);
    await chain.commitThrough(made[2]!.block.hash, undefined);
    const stored = [0, 1, 2, 3].map((number) => bytesToHex(chain.headState.storage(HASHES.address, word(number))));
    expect(stored).toEqual([0n, 1n, 2n, 3n].map((number) => bytesToHex(chain.hashAt(number)!)));
  });

  test("leaves out what ancestors contain, without the sender having to wait and without a word", async () => {
    const chain = await open();
    const [one, two] = await line(chain, [signed(0, 0n), signed(1, 0n)], [signed(0, 1n)]);
    let skipped = 0;
    const pool = [signed(0, 0n), signed(0, 1n), signed(0, 2n), signed(1, 0n, { value: 6n }), signed(1, 1n)];
    const candidates = { [Symbol.iterator]: () => pool[Symbol.iterator](), skipSender: () => void skipped++ };
    const made = await proposeOn(chain, two!.block.hash, candidates as Iterable<Transaction>);
    expect(made.block.transactions).toEqual([pool[2], pool[4]]);
    expect([made.rejected, skipped]).toEqual([[], 0]);
    // On the head the pool is right about its nonces, so one that is used up is a disagreement.
    await chain.commitThrough(one!.block.hash, undefined);
    const onHead = await proposeOn(chain, one!.block.hash, candidates as Iterable<Transaction>);
    expect(onHead.rejected.map(({ code }) => code)).toEqual(["nonce-too-low", "nonce-too-low"]);
    expect(skipped).toBe(2);
  });

  test("tells of a refusal only when no ancestor that is not final is the reason", async () => {
    const chain = await open();
    const most = 10n ** 18n - 10n ** 15n;
    const [one] = await line(chain, [signed(0, 0n, { value: most })]);
    const poor = signed(0, 1n, { value: most });
    const wild = signed(1, 0n, { value: 10n ** 19n });
    const gap = signed(2, 4n);
    const made = await proposeOn(chain, one!.block.hash, [poor, wild, gap]);
    expect(made.block.transactions).toEqual([]);
    expect(made.rejected.map(({ transaction, code }) => [transaction, code])).toEqual([
      [wild, "insufficient-funds"],
      [gap, "nonce-too-high"],
    ]);
    await chain.commitThrough(one!.block.hash, undefined);
    expect((await proposeOn(chain, chain.head.hash, [poor])).rejected).toHaveLength(1);
  });

  test("base fee and time go by the parent", async () => {
    const chain = await open();
    const filling = Array.from({ length: 200 }, (_, nonce) => signed(0, BigInt(nonce)));
    const one = await proposeOn(chain, chain.head.hash, filling, 50n);
    expect(chain.nextBaseFee(one.block.hash)).toBeGreaterThan(chain.nextBaseFee());
    const two = await proposeOn(chain, one.block.hash, [], 3n);
    expect(two.block.header.baseFeePerGas).toBe(chain.nextBaseFee(one.block.hash));
    expect(two.block.header.timestamp).toBe(time(chain, 50n));
    expect(() => chain.nextBaseFee(ZERO_32)).toThrow("no block can stand on 0x00");
    await expect(proposeOn(chain, ZERO_32, [])).rejects.toThrow("no block can stand on 0x00");
  });

  test("nothing of a block above the head can be read as if it were final", async () => {
    const chain = await open();
    const [one] = await line(chain, [signed(0, 0n)]);
    const { hash, transactions } = one!.block;
    expect([chain.find({ hash }), chain.block(1n), chain.transaction(transactions[0]!.hash)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(chain.headState.account(RECIPIENT)).toBeUndefined();
    expect([chain.has(hash), chain.header(hash), chain.raw(hash)]).toEqual([true, one!.block.header, one!.raw]);
    expect(chain.unfinalized).toMatchObject({ blocks: 1 });
  });
});

describe("verifying", () => {
  test("a block that breaks a rule is invalid; one whose parent is not here says nothing", async () => {
    const [chain, other] = await Promise.all([open(), open()]);
    const [one, two] = (await line(other, [signed(0, 0n)], [signed(0, 1n)])) as [Proposal, Proposal];
    const changed = (fields: object) => encodeBlock({ ...one.block, header: { ...one.block.header, ...fields } });
    const genesis = chain.head.hash;
    expect(await chain.verify(changed({ stateRoot: ZERO_32 }), genesis)).toMatchObject({
      ok: false,
      fault: "invalid",
      reason: expect.stringContaining("stateRoot is 0x00"),
    });
    expect(await chain.verify(changed({ extraData: Uint8Array.of(1) }), genesis)).toMatchObject({
      fault: "invalid",
      reason: "extraData is 0x01 instead of 0x",
    });
    expect(await chain.verify(Uint8Array.of(1, 2), genesis)).toMatchObject({ fault: "invalid", hash: undefined });
    expect(await chain.verify(EMPTY_BYTES, genesis)).toMatchObject({ fault: "invalid" });
    expect(await chain.verify(two.raw, genesis)).toMatchObject({ fault: "invalid", hash: two.block.hash });
    expect(await chain.verify(two.raw, one.block.hash)).toMatchObject({ fault: "unavailable", hash: two.block.hash });
    // The header's hash, under it other transactions.
    const forged = encodeBlock({ header: one.block.header, transactions: [] });
    expect(await chain.verify(forged, genesis)).toMatchObject({ fault: "invalid", hash: one.block.hash });
    expect(chain.unfinalized.blocks).toBe(0);
    await verified(chain, one);
    expect(await chain.verify(forged, genesis)).toMatchObject({ fault: "invalid" });
    expect(chain.raw(one.block.hash)).toEqual(one.raw);
    await verified(chain, two);
    await chain.commitThrough(two.block.hash, undefined);
    await verified(chain, one);
    await verified(chain, two);
    expect(await chain.verify(forged, genesis)).toMatchObject({ ok: false });
  });

  test("never throws on any bytes", async () => {
    const [chain, other] = await Promise.all([open(), open()]);
    const [one] = await line(other, [signed(0, 0n), recorded(1n)]);
    const damage = fc.record({
      at: fc.nat(one!.raw.length - 1),
      xor: fc.integer({ min: 1, max: 255 }),
      cut: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(damage, fc.uint8Array({ maxLength: 80 }), async ({ at, xor, cut }, noise) => {
        const raw = cut ? one!.raw.slice(0, at) : one!.raw.slice();
        if (!cut) raw[at]! ^= xor;
        for (const bytes of [raw, noise]) {
          const result = await chain.verify(bytes, chain.head.hash);
          // Of what is left of the block only what nobody signed could differ and still hold: nothing.
          if (result.ok) expect(decodeBlock(bytes, CHAIN_ID).ok).toBe(true);
          else expect(result.fault).toBe("invalid");
        }
      }),
      { numRuns: 150 },
    );
  });

  /** Costs nothing and tells who runs. */
  const spy = (onRun: (data: Uint8Array) => void): Precompile => ({
    address: SPIN_ADDRESS,
    name: "spy",
    run(_, data) {
      onRun(data);
      return EMPTY_BYTES;
    },
  });
  const genesis = testGenesis([rich(0), rich(1), rich(2), HASHES]);
  const spied = (sender: number, nonce: bigint, mark: number) =>
    signed(sender, nonce, { to: SPIN_ADDRESS, value: 0n, data: Uint8Array.of(mark), gasLimit: 100_000n });

  test("the same block at the same time runs once; another one, or the same on another parent, by itself", async () => {
    const runs: number[] = [];
    const other = await open(new FakeStore(), [spy(() => {})], genesis);
    const chain = await open(new FakeStore(), [spy(([mark]) => runs.push(mark!))], genesis);
    const one = await proposeOn(other, other.head.hash, [spied(0, 0n, 1)]);
    const two = await proposeOn(other, other.head.hash, [spied(1, 0n, 2)]);
    const parent = chain.head.hash;
    const results = await Promise.all([
      chain.verify(one.raw, parent),
      chain.verify(one.raw.slice(), parent),
      chain.verify(two.raw, parent),
      chain.verify(one.raw, ZERO_32),
      chain.verify(encodeBlock({ header: one.block.header, transactions: [] }), parent),
      chain.verify(one.raw, parent),
    ]);
    expect(results.map(({ ok }) => ok)).toEqual([true, true, true, false, false, true]);
    expect(runs.toSorted()).toEqual([1, 2]);
    await verified(chain, one);
    expect(runs.toSorted()).toEqual([1, 2]);
  });

  test("blocks that execute at the same time do not disturb each other", async () => {
    const order: number[] = [];
    // 3 ms a transaction: blocks give way to each other every few of them.
    const busy = spy(([mark]) => {
      order.push(mark!);
      for (const until = performance.now() + 3; performance.now() < until; );
    });
    const other = await open(new FakeStore(), [spy(() => {})], genesis);
    const chain = await open(new FakeStore(), [busy], genesis);
    const list = (mark: number, from: bigint) =>
      Array.from({ length: 12 }, (_, i) => spied(0, from + BigInt(i), mark)).concat(recorded(from + 12n, 2));
    const base = await proposeOn(other, other.head.hash, [recorded(0n)]);
    const rivals: Proposal[] = [];
    for (const mark of [1, 2, 3]) rivals.push(await proposeOn(other, base.block.hash, list(mark, 1n), BigInt(mark)));
    await verified(chain, base);
    const own = proposeOn(chain, base.block.hash, list(4, 1n), 4n);
    await Promise.all(rivals.map((rival) => verified(chain, rival)));
    expect((await own).block).toEqual((await proposeOn(other, base.block.hash, list(4, 1n), 4n)).block);
    // They took turns indeed.
    const last = (mark: number) => order.lastIndexOf(mark);
    expect(Math.max(...[1, 2, 3, 4].map((mark) => order.indexOf(mark)))).toBeLessThan(
      Math.min(...[1, 2, 3, 4].map(last)),
    );
  });

  test("a parent that goes while a block executes: the result is discarded", async () => {
    let during = () => {};
    const other = await open(new FakeStore(), [spy(() => {})], genesis);
    const chain = await open(new FakeStore(), [spy(() => during())], genesis);
    const [one, two] = (await line(other, [spied(0, 0n, 1)], [spied(0, 1n, 2)])) as [Proposal, Proposal];
    await verified(chain, one);
    during = () => chain.prune([]);
    expect(await chain.verify(two.raw, one.block.hash)).toMatchObject({ fault: "unavailable" });
    expect([chain.has(one.block.hash), chain.has(two.block.hash), chain.unfinalized.blocks]).toEqual([false, false, 0]);
    during = () => {};
    await verified(chain, one);
    during = () => chain.prune([]);
    await expect(proposeOn(chain, one.block.hash, [spied(0, 1n, 2)])).rejects.toThrow("cannot be kept");
  });

  test("many at once wait for their turn, too many are not looked at", async () => {
    const [chain, other] = await Promise.all([open(), open()]);
    const proposals: Proposal[] = [];
    for (let i = 0n; i < 70n; i++) proposals.push(await proposeOn(other, other.head.hash, [], i));
    const results = await Promise.all(proposals.map(({ raw }) => chain.verify(raw, chain.head.hash)));
    expect(results.filter(({ ok }) => ok)).toHaveLength(68);
    expect(results.slice(68)).toMatchObject([{ fault: "unavailable" }, { fault: "unavailable" }]);
    expect(chain.unfinalized.blocks).toBe(64);
  });
});

test("one sender spends the same nonces in two branches, and one branch becomes final", async () => {
  const chain = await open();
  const left = await line(chain, [signed(0, 0n, { value: 1n })], [signed(0, 1n, { value: 1n })]);
  const right = await proposeOn(chain, chain.head.hash, [signed(0, 0n, { value: 2n })], 9n);
  const onRight = await proposeOn(chain, right.block.hash, [signed(0, 1n, { value: 2n })], 9n);
  expect(left[1]!.block.receipts).toHaveLength(1);
  await chain.commitThrough(onRight.block.hash, undefined);
  expect(chain.headState.account(RECIPIENT)?.balance).toBe(4n);
  expect(chain.headState.account(SENDERS[0]!)?.nonce).toBe(2n);
});
