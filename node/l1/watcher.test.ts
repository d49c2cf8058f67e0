import { type Address, encodeAbiParameters, hexToBytes, numberToHex, toHex } from "viem";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DEPOSITED_TOPIC, depositFromLog } from "../../bridge/deposit.ts";
import { bytesToHex } from "../../core/bytes.ts";
import type { L1Parameters } from "../../genesis/l1.ts";
import { type Anvil, startAnvil } from "../../test/helpers/anvil.ts";
import { deployEmitter, emit } from "../../test/helpers/l1-emitter.ts";
import { FakeClock, FakeStore, testLog } from "../testing/world.ts";
import { L1Client } from "./client.ts";
import { type FaultyProxy, startFaultyProxy } from "./testing/proxy.ts";
import { type L1BlockId, L1Watcher } from "./watcher.ts";

let anvil: Anvil;
let proxy: FaultyProxy;
let portal: Address;
let inbox: Address;
let store: FakeStore;
let clock: FakeClock;
let used: L1BlockId;
let keepFrom: bigint;
let halts: Error[];

beforeEach(async () => {
  anvil = await startAnvil({ args: ["--slots-in-an-epoch", "2"] });
  proxy = await startFaultyProxy(anvil.url);
  portal = await deployEmitter(anvil);
  inbox = await deployEmitter(anvil);
  store = new FakeStore();
  clock = new FakeClock();
  keepFrom = 0n;
  halts = [];
  used = await idOf(2n);
});

afterEach(async () => {
  await proxy.stop();
  await anvil.stop();
});

async function idOf(number: bigint): Promise<L1BlockId> {
  const { hash } = await anvil.client.getBlock({ blockNumber: number });
  return { number, hash: hexToBytes(hash) };
}

function open(finality: L1Parameters["finality"] = { depth: 3 }, urls = [proxy.url]) {
  const { log, lines } = testLog();
  const client = new L1Client({ urls, chainId: 31_337n, clock, log });
  const unused = new Uint8Array(20).fill(9);
  const l1: L1Parameters = {
    chainId: 31_337n,
    portal: hexToBytes(portal),
    inbox: hexToBytes(inbox),
    oracle: unused,
    registry: unused,
    token: unused,
    systemConfig: unused,
    l1StandardBridge: unused,
    l1Messenger: unused,
    origin: { ...used, timestamp: 0n },
    finality,
    maxDriftSeconds: 600,
  };
  const watcher = new L1Watcher({
    client,
    l1,
    store,
    clock,
    log,
    pollMs: 1_000,
    usedOrigin: () => used,
    keepFrom: () => keepFrom,
    onHalt: (error) => halts.push(error),
  });
  return { watcher, lines, client };
}

const reorg = (depth: number) => anvil.client.request({ method: "anvil_reorg", params: [depth, []] } as never);
const mine = (blocks: number) => anvil.client.mine({ blocks });
const word = (value: number) => numberToHex(value, { size: 32 });

/** In a block of its own. */
const deposit = (mint: number) => {
  const opaque = `0x${word(mint).slice(2)}${word(1).slice(2)}${toHex(50_000, { size: 8 }).slice(2)}00` as const;
  const topics = [bytesToHex(DEPOSITED_TOPIC), word(0xaa), word(0xbb), word(0)] as const;
  return emit(anvil, portal, topics, encodeAbiParameters([{ type: "bytes" }], [opaque]));
};

const mints = ({ watcher }: ReturnType<typeof open>) => {
  const blocks = watcher.finalBlocks(used.number + 1n, 1_000);
  return blocks.flatMap((b) => b.deposits.map((log) => depositFromLog(log, b.hash, log.logIndex).mintWei));
};

test("reads final blocks with the portal's deposits and others' posts, and goes on after a restart", async () => {
  await deposit(1);
  await emit(anvil, inbox, [word(5), word(6), word(7), word(8)], "0xff");
  await emit(anvil, portal, [word(5), word(6), word(7), word(8)], "0xff");
  await mine(40);
  await deposit(2);
  const first = open();
  let advances = 0;
  first.watcher.onAdvance(() => advances++);
  await first.watcher.poll();
  const tip = await anvil.client.getBlockNumber({ cacheTime: 0 });
  expect(first.watcher.status).toMatchObject({ head: { number: tip }, current: { number: tip }, lagBlocks: 0n });
  expect(first.watcher.finalNumber).toBe(tip - 3n);
  expect(advances).toBeGreaterThan(0);
  expect(mints(first)).toEqual([1n]);
  expect(first.watcher.finalBlocks(3n, 3).map((b) => [b.deposits.length, b.posts.length])).toEqual([
    [1, 0],
    [0, 1],
    [0, 0],
  ]);
  // Only blocks whose filter has one of the addresses are looked into.
  expect(proxy.calls.filter(({ method }) => method === "eth_getBlockReceipts").length).toBe(4);
  await mine(3);
  proxy.calls.length = 0;
  const second = open();
  expect(mints(second)).toEqual([1n]);
  await second.watcher.poll();
  expect(mints(second)).toEqual([1n, 2n]);
  expect(proxy.calls.filter(({ method }) => method === "eth_getBlockByNumber").length).toBeLessThan(8);
  const { timestamp, baseFeePerGas, mixHash, parentBeaconBlockRoot } = await anvil.client.getBlock({ blockNumber: 9n });
  const block = second.watcher.block(9n)!;
  expect(block).toMatchObject({ timestamp, baseFeeWei: baseFeePerGas, blobBaseFeeWei: 1n });
  expect(bytesToHex(block.prevRandao)).toBe(mixHash);
  expect(bytesToHex(block.parentBeaconBlockRoot)).toBe(parentBeaconBlockRoot);
});

test("by tag: final is what L1 calls so", async () => {
  await mine(10);
  const { watcher } = open("finalized");
  await watcher.poll();
  const { number } = await anvil.client.getBlock({ blockTag: "finalized" });
  expect(watcher.finalNumber).toBe(number);
  expect(watcher.status.safe!.number).toBe((await anvil.client.getBlock({ blockTag: "safe" })).number);
});

test("what L1 reorganises above the used origin is read again: a deposit counts once, where it ended up", async () => {
  await mine(5);
  await deposit(1);
  const run = open();
  const { watcher, lines } = run;
  await watcher.poll();
  await reorg(4); // drops the deposit
  await watcher.poll();
  expect(lines).toContainEqual(expect.objectContaining({ msg: "L1 was reorganised" }));
  await deposit(7);
  await mine(4);
  await watcher.poll();
  expect(mints(run)).toEqual([7n]);
  const tip = await anvil.client.getBlock();
  expect(bytesToHex(watcher.status.current!.hash)).toBe(tip.hash);
  for (let number = 3n; number < tip.number; number++) {
    expect(bytesToHex(watcher.block(number)!.hash)).toBe((await anvil.client.getBlock({ blockNumber: number })).hash);
  }
  expect(halts).toEqual([]);
});

test("an L1 that is shorter for a while is waited for, and a reorganisation behind it is found", async () => {
  await mine(8);
  const { watcher } = open({ depth: 0 });
  await watcher.poll();
  await anvil.client.request({ method: "anvil_rollback", params: [3] } as never);
  await watcher.poll();
  expect(watcher.tipNumber).toBe(10n);
  await anvil.client.increaseTime({ seconds: 100 });
  await mine(5);
  await watcher.poll();
  expect(bytesToHex(watcher.status.current!.hash)).toBe((await anvil.client.getBlock()).hash);
});

test("a reorganisation below the used origin ends it, with the block's name; final blocks above may still change", async () => {
  await mine(12);
  const { watcher } = open({ depth: 0 });
  await watcher.poll();
  used = await idOf(8n);
  await reorg(6);
  await watcher.poll();
  expect(halts).toEqual([]);
  expect(watcher.finalNumber).toBe(14n);
  await reorg(8);
  await watcher.poll();
  expect(halts.map(({ message }) => message)).toEqual([
    expect.stringContaining("L1 block 8, on which L2 stands, was 0x"),
  ]);
  await watcher.poll();
  expect(halts.length).toBe(1);
});

test("one endpoint on another branch does not end it while another has the block", async () => {
  await mine(6);
  const { watcher } = open({ depth: 0 }, [anvil.url, proxy.url]);
  await watcher.poll();
  used = await idOf(8n);
  const kept = new Map<unknown, unknown>();
  for (const number of ["latest", "safe", "0x7", "0x8"]) {
    const block = await anvil.client.request({ method: "eth_getBlockByNumber", params: [number, false] } as never);
    kept.set(number, block);
  }
  // One endpoint stays on the branch that L2 stands on.
  proxy.fault = ({ params }) => (kept.has(params[0]) ? { change: () => kept.get(params[0]) } : undefined);
  await reorg(3);
  await watcher.poll();
  expect(watcher.status.problem).toContain("at one endpoint");
  await watcher.poll();
  expect(watcher.status.problem).toBeUndefined();
  expect(watcher.block(8n)!.hash).toEqual(used.hash);
  expect(halts).toEqual([]);
});

test("an L1 that is not the network's ends it", async () => {
  used = { number: 2n, hash: new Uint8Array(32).fill(1) };
  const { watcher } = open();
  await watcher.poll();
  expect(halts.map(({ message }) => message)).toEqual([expect.stringContaining("was 0x0101")]);
});

test("overload in the middle of a walk: it goes on where it was", async () => {
  await deposit(3);
  await mine(60);
  const run = open();
  let left = 30;
  proxy.fault = () => (left-- > 0 ? undefined : { status: 429 });
  const polling = run.watcher.poll();
  let isDone = false;
  void polling.then(() => {
    isDone = true;
  });
  while (!isDone) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    clock.setMs(clock.nowMs() + 1_000);
  }
  expect(run.watcher.status.problem).toContain("HTTP 429");
  const reached = run.watcher.tipNumber!;
  expect(reached).toBeGreaterThan(2n);
  proxy.fault = () => undefined;
  proxy.calls.length = 0;
  clock.setMs(clock.nowMs() + 100_000);
  await run.watcher.poll();
  expect(mints(run)).toEqual([3n]);
  const asked = proxy.calls.filter(({ method }) => method === "eth_getBlockByNumber").map(({ params }) => params[0]);
  for (let number = 3n; number <= reached; number++) expect(asked).not.toContain(numberToHex(number));
});

test("what nobody needs any more is forgotten", async () => {
  await mine(100);
  const { watcher } = open({ depth: 0 });
  await watcher.poll();
  used = await idOf(90n);
  keepFrom = 80n;
  await watcher.poll();
  await watcher.poll();
  const fresh = open({ depth: 0 }).watcher;
  expect(fresh.block(37n)).toBeUndefined();
  expect(fresh.block(38n)!.number).toBe(38n); // 64 blocks below the newest
  expect(fresh.block(80n)!.number).toBe(80n);
});

test("polls by the clock until it is stopped", async () => {
  const { watcher } = open({ depth: 0 });
  watcher.start();
  await watcher.poll();
  await mine(3);
  while (clock.timers === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  clock.setMs(clock.nowMs() + 1_000);
  await watcher.poll();
  expect(watcher.tipNumber).toBe(5n);
  await watcher.stop();
  expect(clock.timers).toBe(0);
});
