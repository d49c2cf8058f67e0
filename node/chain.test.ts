import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bigIntToFixed, bytesToBigInt, bytesToHex, concatBytes, EMPTY_BYTES, ZERO_32 } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";
import { StoreError } from "../execution/state/errors.ts";
import { openLevelStore } from "../execution/state/level-store.ts";
import { Trie } from "../execution/state/trie.ts";
import { CONTRACTS, SENDERS } from "../execution/testing/world.ts";
import { PRECOMPILES } from "../precompiles/table.ts";
import { Chain } from "./chain.ts";
import { DataError } from "./errors.ts";
import { buildGenesisBlock } from "./genesis-block.ts";
import {
  contract,
  extend,
  FakeStore,
  propose,
  RECIPIENT,
  rich,
  signed,
  testGenesis,
  testLog,
} from "./testing/world.ts";

/** With calldata: slot 0 := calldata. Always returns slot 0, the block's number, and the hash of the block that was last. */
const CELL = contract(
  CONTRACTS[0]!,
  Uint8Array.of(
    ...[0x36, 0x15, 0x60, 0x09, 0x57, 0x5f, 0x35, 0x5f, 0x55, 0x5b],
    ...[0x5f, 0x54, 0x5f, 0x52, 0x43, 0x60, 0x20, 0x52],
    ...[0x60, 0x01, 0x43, 0x03, 0x40, 0x60, 0x40, 0x52, 0x60, 0x60, 0x5f, 0xf3],
  ),
);
const GENESIS = testGenesis([rich(0), rich(1), rich(2), CELL]);
const word = (value: bigint) => bigIntToFixed(value, 32);
const open = (store: FakeStore, genesis = GENESIS) => Chain.open(store, genesis, PRECOMPILES);
const write = (nonce: bigint, value: bigint) =>
  signed(0, nonce, { to: CELL.address, value: 0n, data: word(value), gasLimit: 100_000n });
const ask = { to: CELL.address, data: EMPTY_BYTES, gas: 100_000n };
const balance = (chain: Chain, address: Uint8Array) => chain.headState.account(address)?.balance ?? 0n;

/** Slot 0, block number and parent hash that the contract sees after `number`. */
async function seen(chain: Chain, number = chain.head.number) {
  const result = await chain.call(ask, chain.block(number)!);
  if (!result.ok) throw new Error(result.reason);
  const { output } = result;
  return [bytesToBigInt(output.slice(0, 32)), bytesToBigInt(output.slice(32, 64)), bytesToHex(output.slice(64))];
}

/** Everything that a reader can ask of a block. */
async function answers(chain: Chain, number: bigint) {
  const block = chain.block(number)!;
  const proof = chain.prove(block, CELL.address, [ZERO_32]);
  const balances = [...SENDERS.slice(0, 3), RECIPIENT].map((address) => chain.state(block)?.account(address)?.balance);
  return { block, proof, balances, seen: await seen(chain, number) };
}

describe("opening", () => {
  test("an empty store gets the genesis block once; the next start resumes", async () => {
    const store = new FakeStore();
    const chain = await open(store);
    expect(store.writes).toBe(1);
    expect(chain.head).toEqual({ number: 0n, hash: chain.genesisHash });
    const { block } = buildGenesisBlock(GENESIS, new FakeStore().reader);
    expect(chain.headBlock).toEqual(block);
    expect(balance(chain, SENDERS[0]!)).toBe(10n ** 18n);
    const again = await open(store);
    expect(store.writes).toBe(1);
    expect(again.headBlock).toEqual(block);
  });

  test("resumes at the same head with the same answers about every block", async () => {
    const store = new FakeStore();
    const chain = await open(store);
    for (let n = 0n; n < 5n; n++) await extend(chain, [write(n, 10n + n), signed(1, n)]);
    const resumed = await open(store);
    expect(resumed.head).toEqual(chain.head);
    for (let number = 0n; number <= 5n; number++) {
      expect(await answers(resumed, number)).toEqual(await answers(chain, number));
    }
    const [one, two] = await Promise.all([propose(chain, [write(5n, 99n)]), propose(resumed, [write(5n, 99n)])]);
    expect(two.block).toEqual(one.block);
  });

  test("on LevelDB as in memory", async () => {
    const directory = await mkdtemp(join(tmpdir(), "openledger-chain-"));
    const memory = await open(new FakeStore());
    try {
      for (let n = 0n; n < 3n; n++) {
        const store = await openLevelStore(directory);
        const chain = await Chain.open(store, GENESIS, PRECOMPILES);
        expect(chain.head).toEqual(memory.head);
        await extend(chain, [write(n, n + 1n)]);
        await extend(memory, [write(n, n + 1n)]);
        for (let number = 0n; number <= n + 1n; number++) {
          expect(await answers(chain, number)).toEqual(await answers(memory, number));
        }
        await store.close();
      }
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  test("a genesis that could not be written leaves an empty store, for the next start", async () => {
    const store = new FakeStore();
    store.beforeWrite = async () => {
      throw new StoreError("FAILED", "no space left on device");
    };
    await expect(open(store)).rejects.toThrow("no space left");
    expect(store.memory.size).toBe(0);
    expect((await open(store.copy())).head.number).toBe(0n);
  });

  test("refuses another network's store, another version's, and a damaged one", async () => {
    const store = new FakeStore();
    const chain = await open(store);
    await extend(chain, [write(0n, 1n)]);
    await expect(open(store, testGenesis([rich(1)]))).rejects.toThrow(/belongs to a chain with genesis 0x/);
    const broken = async (key: Uint8Array, value: Uint8Array | undefined) => {
      const copy = store.copy();
      if (value === undefined) copy.memory.del(key);
      else copy.memory.put(key, value);
      const error = await open(copy).catch((cause: unknown) => cause);
      expect(error).toBeInstanceOf(DataError);
      return (error as Error).message;
    };
    const one = bigIntToFixed(1n, 8);
    expect(await broken(Uint8Array.of(0x15), concatBytes(bigIntToFixed(99n, 4), chain.genesisHash))).toContain(
      "schema 99",
    );
    expect(await broken(Uint8Array.of(0x14), undefined)).toContain("its head block is missing");
    expect(await broken(Uint8Array.of(0x14), concatBytes(one, ZERO_32))).toContain("its head block is missing");
    expect(await broken(Uint8Array.of(0x14), concatBytes(bigIntToFixed(2n, 8), chain.head.hash))).toContain(
      "is missing",
    );
    expect(await broken(Uint8Array.of(0x14), Uint8Array.of(1))).toContain("head record is malformed");
    expect(await broken(Uint8Array.of(0x10, ...one), undefined)).toContain("block 1 is half there");
    expect(await broken(Uint8Array.of(0x11, ...one), Uint8Array.of(0xc0))).toContain("block 1 does not match");
    expect(await broken(Uint8Array.of(0x03, ...chain.headBlock.header.stateRoot), undefined)).toContain("root 0x");
  });
});

describe("proposing and committing", () => {
  test("nothing of a proposal can be seen before it is committed, everything afterwards", async () => {
    const store = new FakeStore();
    const chain = await open(store);
    const tx = write(0n, 7n);
    const before = await answers(chain, 0n);
    const size = store.memory.size;
    const proposal = await propose(chain, [tx]);
    const { hash } = proposal.block;
    expect(chain.head.number).toBe(0n);
    expect([chain.block(1n), chain.find({ hash }), chain.transaction(tx.hash)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(await answers(chain, 0n)).toEqual(before);
    expect(store.memory.size).toBe(size);

    const heads: unknown[] = [];
    chain.onCommit((head) => heads.push({ head, block: chain.block(head.number) }));
    await chain.commit(proposal);
    expect(heads).toEqual([{ head: { number: 1n, hash }, block: proposal.block }]);
    expect(chain.head).toEqual({ number: 1n, hash });
    expect(chain.find({ hash })).toEqual(proposal.block);
    expect(chain.transaction(tx.hash)).toEqual({
      block: proposal.block,
      index: 0,
      transaction: tx,
      receipt: proposal.block.receipts[0],
    });
    expect((await seen(chain))[0]).toBe(7n);
    expect(await answers(chain, 0n)).toEqual(before);
  });

  test("also while it is being written", async () => {
    const store = new FakeStore();
    const chain = await open(store);
    const before = await answers(chain, 0n);
    const tx = write(0n, 7n);
    let looked = 0;
    const look = async () => {
      looked++;
      expect(chain.head.number).toBe(0n);
      expect([chain.block(1n), chain.transaction(tx.hash)]).toEqual([undefined, undefined]);
      expect(await answers(chain, 0n)).toEqual(before);
      await expect(chain.commit(await propose(chain, []))).rejects.toThrow("no block can be committed");
    };
    store.beforeWrite = look;
    store.afterWrite = look;
    await extend(chain, [tx]);
    expect(looked).toBe(2);
    expect((await seen(chain))[0]).toBe(7n);
  });

  test("of two proposals on one head the second is refused", async () => {
    const chain = await open(new FakeStore());
    const [one, two] = await Promise.all([propose(chain, [write(0n, 1n)]), propose(chain, [write(0n, 2n)])]);
    await chain.commit(one);
    await expect(chain.commit(two)).rejects.toThrow("block 1 does not stand on the head");
    expect((await seen(chain))[0]).toBe(1n);
    await extend(chain, [write(1n, 3n)]);
    expect((await seen(chain))[0]).toBe(3n);
  });

  test("time never runs backwards", async () => {
    const chain = await open(new FakeStore());
    const genesisTime = chain.headBlock.header.timestamp;
    const times = [genesisTime + 10n, genesisTime - 500n, 0n, genesisTime + 11n];
    const made: bigint[] = [];
    for (const time of times) made.push((await extend(chain, [], time)).block.header.timestamp - genesisTime);
    expect(made).toEqual([10n, 10n, 10n, 11n]);
  });

  test("a follower that throws is logged and disturbs nobody", async () => {
    const { log, lines } = testLog();
    const chain = await Chain.open(new FakeStore(), GENESIS, PRECOMPILES, log);
    const heard: bigint[] = [];
    chain.onCommit(() => {
      throw new Error("a follower's defect");
    });
    const unsubscribe = chain.onCommit(({ number }) => heard.push(number));
    await extend(chain, []);
    unsubscribe();
    await extend(chain, []);
    expect(heard).toEqual([1n]);
    expect(chain.head.number).toBe(2n);
    expect(lines.map(({ msg, height }) => [msg, height])).toEqual([
      ["a follower failed on a new block", 1],
      ["a follower failed on a new block", 2],
    ]);
  });
});

describe("a write that fails", () => {
  const full = new StoreError("FAILED", "no space left on device");

  // Before the batch is in the store, or after: nobody can tell from the error.
  test.each(["beforeWrite", "afterWrite"] as const)(
    "%s: head, state and answers stay, and the chain ends",
    async (when) => {
      const store = new FakeStore();
      const chain = await open(store);
      await extend(chain, [write(0n, 5n), signed(1, 0n)]);
      const before = [await answers(chain, 0n), await answers(chain, 1n)];
      const tx = write(1n, 6n);
      const heard: unknown[] = [];
      chain.onCommit((head) => heard.push(head));
      store[when] = () => Promise.reject(full);
      const proposal = await propose(chain, [tx, signed(2, 0n)]);
      await expect(chain.commit(proposal)).rejects.toBe(full);
      store[when] = async () => {};

      expect(chain.head).toEqual({ number: 1n, hash: before[1]!.block.hash });
      expect(heard).toEqual([]);
      expect([await answers(chain, 0n), await answers(chain, 1n)]).toEqual(before);
      expect([chain.block(2n), chain.find({ hash: proposal.block.hash })]).toEqual([undefined, undefined]);
      expect(chain.transaction(tx.hash)).toBeUndefined();
      expect(balance(chain, SENDERS[2]!)).toBe(10n ** 18n);
      // Another block in its place could contradict what a restart finds.
      await expect(chain.commit(await propose(chain, []))).rejects.toThrow("no block can be committed after");
      await expect(chain.commit(proposal)).rejects.toThrow("no block can be committed after");

      const restarted = await open(store.copy());
      expect(restarted.head.number).toBe(when === "beforeWrite" ? 1n : 2n);
      expect(await answers(restarted, 1n)).toEqual(before[1]);
      const next = await extend(restarted, [restarted.head.number === 1n ? tx : write(2n, 8n)]);
      expect(next.block.transactions).toHaveLength(1);
    },
  );

  test("a crash at any moment of a commit is consistent", async () => {
    const store = new FakeStore();
    const chain = await open(store);
    const found: FakeStore[] = [];
    store.beforeWrite = store.afterWrite = async () => void found.push(store.copy());
    const proposal = await extend(chain, [write(0n, 5n)]);
    const [before, after] = await Promise.all(found.map((copy) => open(copy)));
    expect([before!.head.number, after!.head.number]).toEqual([0n, 1n]);
    expect(await answers(after!, 1n)).toEqual(await answers(chain, 1n));
    expect((await extend(before!, [write(0n, 5n)])).block).toEqual(proposal.block);
  });
});

describe("reading", () => {
  test("history by block: state, calls with the block's own environment, proofs", async () => {
    const chain = await open(new FakeStore());
    for (let n = 0n; n < 6n; n++) await extend(chain, [write(n, 100n + n)]);
    for (let number = 1n; number <= 6n; number++) {
      const block = chain.block(number)!;
      expect(await seen(chain, number)).toEqual([99n + number, number, bytesToHex(chain.block(number - 1n)!.hash)]);
      expect(chain.state(block)!.storage(CELL.address, ZERO_32)).toEqual(Uint8Array.of(Number(99n + number)));
      const proof = chain.prove(block, CELL.address, [ZERO_32, word(1n)]);
      const nodes = new Map(proof.accountProof.map((node) => [bytesToHex(keccak256(node)), node]));
      const trie = new Trie((hash) => nodes.get(bytesToHex(hash)), block.header.stateRoot);
      expect(trie.get(keccak256(CELL.address))).toBeDefined();
      expect(proof.storageProofs.map(({ value }) => value)).toEqual([Uint8Array.of(Number(99n + number)), EMPTY_BYTES]);
    }
    const unknown = { ...chain.headBlock, header: { ...chain.headBlock.header, stateRoot: keccak256(EMPTY_BYTES) } };
    expect(chain.state(unknown)).toBeUndefined();
    expect(() => chain.prove(unknown, CELL.address, [])).toThrow("no state with root");
    expect(await chain.call(ask, unknown)).toMatchObject({
      ok: false,
      reason: expect.stringMatching(/^state .* is not available/),
    });
  });

  test("tags, numbers and hashes", async () => {
    const chain = await open(new FakeStore());
    for (let n = 0; n < 3; n++) await extend(chain, []);
    for (const tag of ["latest", "safe", "finalized", "pending"] as const) {
      expect(chain.find({ tag })).toBe(chain.headBlock);
    }
    expect(chain.find({ tag: "earliest" })?.hash).toEqual(chain.genesisHash);
    expect(chain.find({ number: 2n })?.header.number).toBe(2n);
    expect(chain.find({ hash: chain.block(2n)!.hash })?.header.number).toBe(2n);
    for (const number of [-1n, 4n, 2n ** 64n, 2n ** 256n]) expect(chain.block(number)).toBeUndefined();
    expect(chain.find({ hash: ZERO_32 })).toBeUndefined();
    expect(chain.transaction(ZERO_32)).toBeUndefined();
  });

  test("indexes that point to something else are damage, not answers", async () => {
    const store = new FakeStore();
    const chain = await open(store);
    const [a, b] = [write(0n, 1n), write(1n, 2n)];
    await extend(chain, [a, b]);
    await extend(chain, []);
    const copied = (table: number, to: Uint8Array, from: Uint8Array) =>
      store.memory.put(Uint8Array.of(table, ...to), store.memory.get(Uint8Array.of(table, ...from))!);
    copied(0x12, chain.block(1n)!.hash, chain.block(2n)!.hash);
    expect(() => chain.find({ hash: chain.block(1n)!.hash })).toThrow("block 2 is listed as 0x");
    copied(0x13, a.hash, b.hash);
    expect(() => chain.transaction(a.hash)).toThrow(/damaged: block 1 lacks transaction 0x/);
    const resumed = await open(store);
    for (const table of [0x10, 0x11]) store.memory.del(Uint8Array.of(table, ...bigIntToFixed(1n, 8)));
    expect(() => resumed.block(1n)).toThrow(/damaged: block 1 is missing/);
  });

  test("next(): the head's state in the environment of the block to come", async () => {
    const chain = await open(new FakeStore());
    await extend(chain, [write(0n, 3n)]);
    const { header } = chain.headBlock;
    const next = chain.next(header.timestamp + 4n);
    expect(next.header).toMatchObject({ number: 2n, timestamp: header.timestamp + 4n, parentHash: chain.head.hash });
    expect(next.header.baseFeePerGas).toBe(chain.nextBaseFee());
    expect([next.hash, next.transactions, next.receipts]).toEqual([ZERO_32, [], []]);
    expect(chain.next(0n).header.timestamp).toBe(header.timestamp);
    const result = await chain.call(ask, next);
    expect(bytesToHex(result.output)).toBe(bytesToHex(concatBytes(word(3n), word(2n), chain.head.hash)));
    const { block } = await extend(chain, [], header.timestamp + 4n);
    expect(block.header.baseFeePerGas).toBe(next.header.baseFeePerGas);
  });

  test("memory holds the last blocks only, the store all", async () => {
    const chain = await open(new FakeStore());
    for (let n = 0; n < 130; n++) await extend(chain, []);
    expect(chain.block(130n)).toBe(chain.block(130n));
    expect(chain.block(3n)).toBe(chain.block(3n));
    expect(chain.block(2n)).not.toBe(chain.block(2n));
    expect(chain.block(2n)?.header.number).toBe(2n);
  });

  test("and large ones not even that long", async () => {
    // LOG0 of 1 MiB.
    const loud = contract(CONTRACTS[1]!, Uint8Array.of(0x62, 0x10, 0, 0, 0x5f, 0xa0));
    const payer = rich(0, { balance: 10n ** 24n });
    const chain = await open(new FakeStore(), testGenesis([payer, loud], { gasLimit: 1_000_000_000n }));
    const heavy = { to: loud.address, value: 0n, gasLimit: 12_000_000n, maxFeePerGas: 10n ** 6n };
    for (let n = 0n; n < 3n; n++) {
      const transactions = Array.from({ length: 25 }, (_, i) => signed(0, n * 25n + BigInt(i), heavy));
      const { block } = await extend(chain, transactions);
      expect(block.receipts.filter(({ logs }) => logs[0]?.data.length === 2 ** 20)).toHaveLength(25);
    }
    expect(chain.block(3n)).toBe(chain.block(3n));
    expect(chain.block(2n)).toBe(chain.block(2n));
    expect(chain.block(1n)).not.toBe(chain.block(1n));
  });
});

describe("calls and blocks at the same time", () => {
  test("calls answer as if they were alone, blocks come out as if nobody called", async () => {
    const [quiet, busy] = await Promise.all([open(new FakeStore()), open(new FakeStore())]);
    const answered: Promise<unknown>[] = [];
    const expected: unknown[] = [];
    for (let n = 0n; n < 8n; n++) {
      const transactions = [write(n, n + 1n), signed(1, n), signed(2, n, { to: CELL.address, gasLimit: 90_000n })];
      const block = busy.headBlock;
      for (let i = 0; i < 4; i++) {
        answered.push(busy.call({ ...ask, data: i % 2 === 0 ? EMPTY_BYTES : word(1_000n) }, block));
        answered.push(busy.call(ask, busy.block(n / 2n)!));
      }
      const [made] = await Promise.all([extend(busy, transactions), ...answered.slice(-2)]);
      for (let i = 0; i < 4; i++) {
        expected.push(await quiet.call({ ...ask, data: i % 2 === 0 ? EMPTY_BYTES : word(1_000n) }, quiet.headBlock));
        expected.push(await quiet.call(ask, quiet.block(n / 2n)!));
      }
      expect(made.block).toEqual((await extend(quiet, transactions)).block);
    }
    expect(await Promise.all(answered)).toEqual(expected);
  });

  test("a call that is overtaken by blocks still sees the state it began with", async () => {
    // With calldata: slot 0 := calldata. Without: spins until little gas is left, then returns slot 0.
    const spinner = contract(
      CONTRACTS[2]!,
      Uint8Array.of(
        ...[0x36, 0x60, 0x15, 0x57],
        ...[0x5b, 0x61, 0x75, 0x30, 0x5a, 0x11, 0x60, 0x04, 0x57],
        ...[0x5f, 0x54, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3],
        ...[0x5b, 0x5f, 0x35, 0x5f, 0x55, 0x00],
      ),
    );
    const chain = await open(new FakeStore(), testGenesis([rich(0), spinner]));
    const set = (nonce: bigint, value: bigint) =>
      signed(0, nonce, { to: spinner.address, value: 0n, data: word(value), gasLimit: 100_000n });
    await extend(chain, [set(0n, 1n)]);
    let hasEnded = false;
    const calling = chain.call({ to: spinner.address, gas: 4_000_000n }, chain.headBlock).finally(() => {
      hasEnded = true;
    });
    for (let n = 1n; n < 4n; n++) await extend(chain, [set(n, n + 1n)]);
    expect(hasEnded).toBe(false);
    expect(await calling).toMatchObject({ ok: true, output: word(1n) });
    expect(chain.headState.storage(spinner.address, ZERO_32)).toEqual(Uint8Array.of(4));
  });

  test("too many at once are refused, in order, and the rest is answered", async () => {
    const chain = await open(new FakeStore());
    const results = await Promise.all(Array.from({ length: 270 }, () => chain.call(ask, chain.headBlock)));
    expect(results.filter(({ ok }) => ok)).toHaveLength(260);
    expect(results.slice(260).every((result) => !result.ok && result.reason.startsWith("too many calls"))).toBe(true);
    expect((await chain.call(ask, chain.headBlock)).ok).toBe(true);
  });
});
