import { hexToBytes as fromHex, type Hex, numberToHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { decodePart, encodeParts, encodePayload } from "../../bridge/batch.ts";
import { bigIntToFixed, bytesToHex, concatBytes } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { EPOCH_BLOCKS, type TestL1, TestL2, testL1, VALIDATORS } from "../../test/helpers/l1-world.ts";
import { type FakeStore, RECIPIENT, signed } from "../testing/world.ts";
import { INBOX_ABI } from "./abi.ts";
import { compress } from "./compression.ts";
import { Deriver } from "./derive.ts";
import { openBatch } from "./parts.ts";
import { Poster, type PosterParts } from "./poster.ts";
import { L1Sender, type SenderParts } from "./sender.ts";
import { type FaultyProxy, startFaultyProxy } from "./testing/proxy.ts";

const KEY: Hex = `0x${"42".repeat(32)}`;
const ACCOUNT = privateKeyToAccount(KEY);
let world: TestL1;
let proxy: FaultyProxy;

beforeEach(async () => {
  world = await testL1();
  proxy = await startFaultyProxy(world.anvil.url);
  await world.anvil.client.setBalance({ address: ACCOUNT.address, value: 10n ** 20n });
});

afterEach(async () => {
  await proxy.stop();
  await world.anvil.stop();
});

function posting(l2: TestL2, fields: Partial<PosterParts & SenderParts> = {}) {
  const { chain, watcher, safeHead, store, clock, client } = l2;
  const { log } = l2.log;
  const sender = new L1Sender({
    client,
    store,
    clock,
    log,
    privateKey: fromHex(KEY),
    maxFeePerGas: 500_000_000_000n,
    bumpAfterMs: 60_000,
    readTo: () => safeHead.readTo,
    ...fields,
  });
  const poster = new Poster({
    chain,
    watcher,
    safeHead,
    sender,
    store,
    clock,
    log,
    inbox: world.l1.inbox,
    epochBlocks: BigInt(EPOCH_BLOCKS),
    data: "calldata",
    validators: () => chain.validatorSet(0)!,
    publicKey: VALIDATORS[0]!.publicKey,
    maxAgeMs: 0,
    ...fields,
  });
  return { sender, poster };
}

/** The four validators share one key here, whose turn it is: time passes until anybody may post. */
async function open(url = proxy.url): Promise<TestL2> {
  const l2 = await TestL2.open(world, { url });
  l2.clock.setMs(l2.clock.nowMs() + 10_000_000);
  await l2.follow();
  return l2;
}

async function until(what: () => boolean, l2: TestL2, poster: Poster, ticks = 12): Promise<void> {
  for (let i = 0; i < ticks && !what(); i++) {
    await poster.tick();
    await world.mine();
    await l2.follow();
  }
  expect(what()).toBe(true);
}

const postings = async () => {
  const logs = await world.anvil.client.getContractEvents({ address: world.inbox, abi: INBOX_ABI, fromBlock: 0n });
  return logs.map(({ args }) => Number((args as { lastNumber: bigint }).lastNumber));
};

async function derive(l2: TestL2) {
  const other = await TestL2.open(world);
  await other.watcher.poll();
  const { chain, watcher, sources, rules } = other;
  const deriver = new Deriver({ chain, watcher, parameters: world.l1, sources, rules, log: other.log.log });
  await deriver.advance();
  for (let n = 1n; n <= other.chain.head.number; n++) expect(chain.hashAt(n)).toEqual(l2.chain.hashAt(n));
  return other;
}

test("blocks with deposits and transactions are posted, become safe and final, and are made again from L1 alone", async () => {
  const l2 = await open();
  await world.deposit(77);
  await world.mine(3);
  await l2.follow();
  await l2.extend([signed(0, 0n)]);
  await world.deposit(5);
  await world.mine(3);
  await l2.follow();
  for (let n = 1n; n < 25n; n++) await l2.extend([signed(0, n), signed(1, n - 1n)], n % 3n === 1n || n === 18n);
  const { poster } = posting(l2);
  const before = poster.unpostedBytes;
  expect(before).toBe([...Array(25).keys()].reduce((sum, i) => sum + l2.chain.rawAt(BigInt(i + 1))!.length, 0));
  await until(() => l2.safeHead.safe === 23n, l2, poster);
  // The first epoch's batch ends with its last block; the next ends with the last block that has a certificate.
  expect(await postings()).toEqual([20 - 1, 23]);
  expect(poster.unpostedBytes).toBeLessThan(before);
  await world.mine(3);
  await l2.follow();
  expect(l2.safeHead.finalized).toBe(23n);
  const other = await derive(l2);
  expect(other.chain.head.number).toBe(23n);
  expect(other.chain.headState.account(RECIPIENT)!.balance).toBe(
    l2.chain.state(l2.chain.block(23n)!)!.account(RECIPIENT)!.balance,
  );
  expect(other.chain.headState.account(fromHex(numberToHex(0xbbbbbb, { size: 20 })))).toBeUndefined();
  const restarted = await TestL2.open(world, { store: l2.store.copy() });
  expect([restarted.safeHead.safe, restarted.safeHead.finalized]).toEqual([23n, 23n]);
});

test("what does not fit one transaction goes in parts", async () => {
  const l2 = await open();
  const noise = (seed: number) =>
    concatBytes(...Array.from({ length: 2_800 }, (_, i) => keccak256(bigIntToFixed(BigInt(i + 10_000 * seed), 4))));
  for (let n = 0n; n < 3n; n++) {
    await l2.extend([signed(0, n, { data: noise(Number(n)), gasLimit: 4_000_000n, to: RECIPIENT })], n === 2n);
  }
  expect(l2.chain.headBlock.transactions.length).toBe(2);
  const { poster } = posting(l2);
  await until(() => l2.safeHead.safe === 3n, l2, poster);
  expect((await postings()).length).toBeGreaterThan(1);
  await world.mine(2);
  expect((await derive(l2)).chain.head.number).toBe(3n);
});

describe("never twice", () => {
  // A process may end at each request to L1, before or after L1 got it, and before or after each write.
  test("whenever the process ends, the next one goes on; each block is posted once", async () => {
    const first = await open();
    for (let n = 0n; n < 3n; n++) await first.extend([signed(0, n)]);
    await world.anvil.client.setAutomine(false);
    const begin = async (store: FakeStore) => {
      const l2 = await TestL2.open(world, { store: store.copy(), url: proxy.url });
      l2.clock.setMs(first.clock.nowMs());
      await l2.follow();
      return { l2, ...posting(l2) };
    };
    let crashes = 0;
    for (let isOver = false; !isOver; crashes++) {
      const snapshot = await world.anvil.client.snapshot();
      const { l2, poster } = await begin(first.store);
      const { promise: crashed, resolve: crash } = Promise.withResolvers<"crashed">();
      let stepsLeft = crashes;
      const ends = (): boolean => {
        if (stepsLeft-- > 0) return false;
        crash("crashed");
        return true;
      };
      const end = async () => {
        if (ends()) throw new Error("the process ended");
      };
      l2.store.beforeWrite = end;
      l2.store.afterWrite = end;
      proxy.fault = () => (ends() ? { status: 500 } : { change: (result) => (ends() ? null : result) });
      const run = async () => {
        await poster.tick();
        await world.mine();
        await l2.follow();
        await poster.tick();
        return "done" as const;
      };
      isOver = (await Promise.race([crashed, run().catch(() => crashed)])) === "done";
      l2.client.stop();
      const found = l2.store.copy();
      proxy.fault = () => undefined;
      const next = await begin(found);
      await until(() => next.l2.safeHead.safe === 3n, next.l2, next.poster);
      await next.poster.tick();
      await world.mine();
      expect(await postings(), `crash ${crashes}`).toEqual([3]);
      expect(await world.anvil.client.getTransactionCount({ address: ACCOUNT.address })).toBe(1);
      await world.anvil.client.revert({ id: snapshot });
    }
    expect(crashes).toBeGreaterThan(20);
  });

  test("a batch that L1 reorganises away is posted again", async () => {
    const l2 = await open();
    await l2.extend([signed(0, 0n)]);
    const { poster } = posting(l2);
    await until(() => l2.safeHead.safe === 1n, l2, poster);
    await world.reorg(1);
    await l2.follow();
    if ((await postings()).length === 0) expect(l2.safeHead.safe).toBe(0n);
    await until(() => l2.safeHead.safe === 1n, l2, poster);
    expect(await postings()).toEqual([1]);
  });

  test("what waits for long is sent again dearer, with the same nonce, and never above the limit", async () => {
    const l2 = await open();
    await l2.extend([signed(0, 0n)]);
    await world.anvil.client.setAutomine(false);
    const { poster } = posting(l2);
    await poster.tick();
    const pool = async () => {
      const block = await world.anvil.client.getBlock({ blockTag: "pending", includeTransactions: true });
      return block.transactions.filter(({ from }) => from === ACCOUNT.address.toLowerCase());
    };
    const [before] = await pool();
    l2.clock.setMs(l2.clock.nowMs() + 61_000);
    await poster.tick();
    const [after] = await pool();
    expect(after!.nonce).toBe(before!.nonce);
    expect(after!.maxFeePerGas!).toBeGreaterThan((before!.maxFeePerGas! * 11n) / 10n);
    const { poster: poor } = posting(l2, { maxFeePerGas: after!.maxFeePerGas! });
    l2.clock.setMs(l2.clock.nowMs() + 61_000);
    await poor.tick();
    expect((await pool())[0]!.hash).toBe(after!.hash);
    await until(() => l2.safeHead.safe === 1n, l2, poor);
    expect(await postings()).toEqual([1]);
  });
});

describe("garbage", () => {
  const post = async (last: bigint, hash: Uint8Array, batch: Uint8Array) => {
    const args = [last, bytesToHex(hash), bytesToHex(batch)] as const;
    await world.anvil.client.writeContract({ address: world.inbox, abi: INBOX_ABI, functionName: "post", args });
  };

  test("neither makes a block safe nor is derived, and does not keep the valid batch out", async () => {
    const l2 = await open();
    for (let n = 0n; n < 3n; n++) await l2.extend([signed(0, n)]);
    const { chain } = l2;
    const [hash2, hash3] = [chain.hashAt(2n)!, chain.hashAt(3n)!];
    const { poster } = posting(l2);
    const good = async (change: (payload: Awaited<ReturnType<typeof openBatch>>) => object) => {
      const { buildBatch } = await import("./build-batch.ts");
      const built = buildBatch(chain, 1n, { epochBlocks: 20n, targetBytes: 1e6, maxBytes: 1e6 })!;
      const compressed = await compress(built.payload);
      const posted = { ...built, lastNumber: 3n, compressed, l1Number: 0n, l1First: 0n, poster: new Uint8Array(20) };
      const payload = await openBatch(posted, 20n);
      return encodeParts(await compress(encodePayload({ ...payload, ...change(payload) })), 100_000)[0]!;
    };
    const forged = (fields: object, signers?: number[]) => l2.certificate(3n, hash3, fields, signers);
    await post(3n, hash3, Uint8Array.of(1, 2, 3));
    await post(3n, hash3, Uint8Array.of(0, 0, 1, 9, 9));
    await post(3n, hash3, encodeParts(await compress(new Uint8Array(5 << 20)), 100_000)[0]!); // unpacks to too much
    await post(3n, hash3, encodeParts(await compress(Uint8Array.of(1)), 100_000)[0]!);
    await post(3n, hash3, await good(() => ({ certificate: forged({}, [0, 1]) }))); // no quorum
    await post(3n, hash3, await good(() => ({ certificate: forged({ kind: 1 }) }))); // notarized only
    await post(3n, hash3, await good(() => ({ certificate: forged({ block: hash2 }) })));
    await post(3n, hash3, await good(() => ({ certificate: new Uint8Array(40) })));
    await post(3n, hash3, await good(({ blocks }) => ({ blocks: [blocks[0], blocks[2], blocks[1]] })));
    await post(3n, hash3, await good(({ blocks }) => ({ blocks: blocks.map((b) => ({ ...b, transactions: [] })) })));
    await post(
      3n,
      hash3,
      await good(({ blocks }) => ({ blocks: blocks.map((b) => ({ ...b, coinbase: hash2.slice(12) })) })),
    );
    await post(3n, hash3, await good(({ blocks }) => ({ blocks: blocks.map((b) => ({ ...b, originHash: hash2 })) })));
    await post(3n, hash3, await good(() => ({ parentHash: hash2 })));
    await post(2n, hash2, await good(() => ({})));
    await post(40n, hash3, await good(() => ({ first: 38n })));
    await post(2n ** 63n, hash2, encodeParts(hash2, 100)[0]!);
    await world.mine(3);
    await l2.follow();
    expect([l2.safeHead.safe, l2.safeHead.finalized]).toEqual([0n, 0n]);
    const early = await derive(l2);
    expect(early.chain.head.number).toBe(0n);
    expect(early.log.lines.filter(({ msg }) => msg === "a batch is skipped").length).toBeGreaterThan(8);
    await until(() => l2.safeHead.safe === 3n, l2, poster);
    await world.mine(3);
    expect((await derive(l2)).chain.head.number).toBe(3n);
    expect(poster.problem).toBeUndefined();
  });

  test("a batch that overlaps with what is there counts for the rest; one that is ahead waits", async () => {
    const l2 = await open();
    for (let n = 0n; n < 6n; n++) await l2.extend([signed(0, n)]);
    const { buildBatch } = await import("./build-batch.ts");
    const part = async (first: bigint, last: bigint) => {
      for (let targetBytes = 1_100; ; targetBytes += 50) {
        const built = buildBatch(l2.chain, first, { epochBlocks: 20n, targetBytes, maxBytes: 1e6 })!;
        if (built.last === last)
          return [built.last, built.lastHash, encodeParts(await compress(built.payload), 1e5)[0]!] as const;
      }
    };
    await post(...(await part(4n, 6n)));
    await world.mine(3);
    await l2.follow();
    expect(l2.safeHead.safe).toBe(0n);
    expect((await derive(l2)).chain.head.number).toBe(0n);
    await post(...(await part(1n, 2n)));
    await post(...(await part(1n, 3n)));
    await world.mine(3);
    await l2.follow();
    expect(l2.safeHead.finalized).toBe(6n);
    expect((await derive(l2)).chain.head.number).toBe(6n);
    expect(decodePart((await part(1n, 2n))[2]).count).toBe(1);
  });
});
