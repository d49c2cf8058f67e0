/** Blocks take from L1 what they must: made so, and refused otherwise, by the parts that the engine uses. */
import { beforeEach, expect, test } from "vitest";
import { DEPOSITED_TOPIC } from "../../bridge/deposit.ts";
import type { L1Block, L1Log } from "../../bridge/l1-block.ts";
import { bigIntToFixed, concatBytes, padTo32, ZERO_32 } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { readL1Origin } from "../../execution/block/l1-origin.ts";
import { Mempool } from "../../execution/mempool.ts";
import { COINBASE } from "../../execution/testing/world.ts";
import { Chain } from "../chain.ts";
import { VirtualClock } from "../testing/clock.ts";
import { testL1Parameters } from "../testing/l1.ts";
import { FakeStore, RECIPIENT, rich, signed, testGenesis, testLog } from "../testing/world.ts";
import { BlockWork } from "./block-work.ts";
import { Bodies } from "./bodies.ts";
import { Origins } from "./origins.ts";

const address = (fill: number) => new Uint8Array(20).fill(fill);
const hashOf = (number: bigint) => keccak256(bigIntToFixed(number, 32));
const PATIENCE_MS = 500;
const FIRST = 50n;
const GENESIS_TIME = testGenesis([]).timestamp;

const L1 = testL1Parameters({ number: FIRST, hash: hashOf(FIRST), timestamp: GENESIS_TIME });
const GENESIS = testGenesis([rich(0)], { l1: L1 });

/** The portal's event for 9 wei to `RECIPIENT`. */
const depositLog = (logIndex: number): L1Log => {
  const word = (value: bigint) => bigIntToFixed(value, 32);
  const opaque = concatBytes(word(9n), word(9n), bigIntToFixed(100_000n, 8), Uint8Array.of(0));
  const padding = new Uint8Array((32 - (opaque.length % 32)) % 32);
  return {
    address: L1.portal,
    topics: [DEPOSITED_TOPIC, padTo32(address(0xc0)), padTo32(RECIPIENT), ZERO_32],
    data: concatBytes(word(32n), word(BigInt(opaque.length)), opaque, padding),
    logIndex,
    transactionIndex: 0,
  };
};

const l1Block = (number: bigint, deposits: readonly L1Log[] = []): L1Block => ({
  number,
  hash: hashOf(number),
  parentHash: hashOf(number - 1n),
  timestamp: GENESIS_TIME + (number - FIRST),
  baseFeeWei: 7n,
  blobBaseFeeWei: 1n,
  prevRandao: keccak256(hashOf(number)),
  parentBeaconBlockRoot: keccak256(keccak256(hashOf(number))),
  deposits,
  posts: [],
});

/** What a node has read of L1. */
class Known {
  readonly blocksRead: L1Block[] = [l1Block(FIRST)];
  readonly #listeners = new Set<() => void>();

  read(...blocks: readonly L1Block[]): void {
    this.blocksRead.push(...blocks);
    for (const listener of [...this.#listeners]) listener();
  }

  blocks(number: bigint, limit: number): readonly L1Block[] {
    const from = this.blocksRead.findIndex((block) => block.number === number);
    return from === -1 ? [] : this.blocksRead.slice(from, from + limit);
  }

  onAdvance(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

async function node() {
  const clock = new VirtualClock();
  clock.setMs(Number(GENESIS_TIME + 100n) * 1_000);
  const chain = await Chain.open(new FakeStore(), GENESIS, []);
  const mempool = new Mempool({ next: chain.nextBlock });
  const { log, lines } = testLog();
  const source = new Known();
  const state = { isThrottled: false };
  const origins = new Origins({
    chain,
    clock,
    parameters: L1,
    source,
    patienceMs: PATIENCE_MS,
    isThrottled: () => state.isThrottled,
  });
  const work = new BlockWork({
    chain,
    mempool,
    clock,
    log,
    feeAddress: COINBASE,
    buildMs: 100,
    bodies: new Bodies(),
    origins,
    fetch: async () => [],
  });
  return { clock, chain, mempool, lines, source, origins, work, state };
}

type Node = Awaited<ReturnType<typeof node>>;
let leader: Node;
let voter: Node;

beforeEach(async () => {
  leader = await node();
  voter = await node();
});

/** Built by the leader and executed by the voter. */
async function proposed(): Promise<Uint8Array> {
  const block = (await leader.work.build(leader.chain.head.hash))!;
  expect(await voter.chain.verify(leader.chain.raw(block)!, leader.chain.head.hash)).toMatchObject({ ok: true });
  return block;
}

test("a block passes the L1 blocks that are known, with the deposits of all of them", async () => {
  const blocks = [l1Block(51n, [depositLog(3)]), l1Block(52n), l1Block(53n, [depositLog(0), depositLog(7)])];
  expect(leader.origins.hasDeposits).toBe(false);
  for (const { source } of [leader, voter]) source.read(...blocks);
  expect(leader.origins.hasDeposits).toBe(true);
  expect(leader.work.isWorthwhile).toBe(true);
  const block = await proposed();
  expect(await voter.work.validate(block)).toBe(true);
  await leader.chain.commitThrough(block, undefined);
  expect(leader.chain.headBlock.transactions).toHaveLength(4);
  expect(leader.chain.headState.account(RECIPIENT)?.balance).toBe(27n);
  expect(readL1Origin(leader.chain.headState).number).toBe(53n);
  expect(leader.work.isWorthwhile).toBe(false);
});

test("a voter that is behind waits for L1, and refuses what it cannot see in time", async () => {
  leader.source.read(l1Block(51n, [depositLog(3)]));
  const block = await proposed();
  const vote = voter.work.validate(block);
  voter.source.read(l1Block(51n, [depositLog(3)]));
  expect(await vote).toBe(true);

  leader.source.read(l1Block(52n));
  const next = await proposed();
  expect(await voter.clock.run(voter.work.validate(next))).toBe(false);
  expect(voter.lines.at(-1)).toMatchObject({ reason: "its origin 52 is not known here" });
});

test.each([
  ["a deposit is left out", [l1Block(51n)], /1 deposits instead of 2/],
  ["a deposit is made up", [l1Block(51n, [depositLog(3), depositLog(4)])], /3 deposits instead of 2/],
  ["a deposit is another", [l1Block(51n, [depositLog(4)])], /deposit 1 is not what L1 demands/],
  [
    "its randomness is made up",
    [{ ...l1Block(51n, [depositLog(3)]), prevRandao: ZERO_32 }],
    /prevRandao is not its origin's/,
  ],
  ["its origin is of another branch", [{ ...l1Block(51n, [depositLog(3)]), hash: ZERO_32 }], /on L1 it is/],
])("is refused: %s", async (_, lie, reason) => {
  leader.source.read(...lie);
  voter.source.read(l1Block(51n, [depositLog(3)]));
  expect(await voter.work.validate(await proposed())).toBe(false);
  expect(voter.lines.at(-1)).toMatchObject({ reason: expect.stringMatching(reason) });
});

test("without L1 as far as the chain is nobody makes a block, and says so", async () => {
  leader.source.blocksRead.length = 0;
  expect(await leader.work.build(leader.chain.head.hash)).toBeUndefined();
  expect(leader.lines.at(-1)).toMatchObject({ msg: expect.stringContaining("L1 is not known here") });
});

test("transactions of users wait while too much of the chain is not on L1, deposits do not", async () => {
  const { mempool, chain, clock, state, source, work } = leader;
  expect(mempool.add(signed(0, 0n), chain.headState, clock.nowMs())).toMatchObject({ ok: true });
  state.isThrottled = true;
  expect(work.isWorthwhile).toBe(false);
  source.read(l1Block(51n, [depositLog(3)]));
  expect(work.isWorthwhile).toBe(true);
  await chain.commitThrough((await work.build(chain.head.hash))!, undefined);
  expect(chain.headBlock.transactions.map(({ type }) => type)).toEqual([0x7e, 0x7e]);
  state.isThrottled = false;
  expect(work.isWorthwhile).toBe(true);
  await chain.commitThrough((await work.build(chain.head.hash))!, undefined);
  expect(chain.headBlock.transactions).toHaveLength(2);
});

test("a block too long after its origin carries no transaction of a user", async () => {
  const { mempool, chain, clock, work } = leader;
  expect(mempool.add(signed(0, 0n), chain.headState, clock.nowMs())).toMatchObject({ ok: true });
  clock.setMs(Number(GENESIS_TIME + 601n) * 1_000);
  await chain.commitThrough((await work.build(chain.head.hash))!, undefined);
  expect(chain.headBlock.transactions).toHaveLength(1);
});
