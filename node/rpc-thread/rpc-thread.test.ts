/** JSON-RPC in its thread, beside a chain and a pool of this one. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import { Mempool } from "../../execution/mempool.ts";
import { type LevelStore, openLevelStore } from "../../execution/state/level-store.ts";
import { CONTRACTS, SENDERS } from "../../execution/testing/world.ts";
import { PRECOMPILES } from "../../precompiles/table.ts";
import { Chain } from "../chain.ts";
import { LocalPool } from "../rpc/pool.ts";
import { testL1Parameters } from "../testing/l1.ts";
import { contract, extend, RECIPIENT, rich, signed, testGenesis, testLog } from "../testing/world.ts";
import type { News } from "./protocol.ts";
import { type RpcThread, startRpcThread } from "./start.ts";

/** Returns 7. */
const SEVEN = contract(CONTRACTS[0]!, hexToBytes("0x60075f5260205ff3"));
const L1_BLOCK = { number: 9n, hash: new Uint8Array(32).fill(9), parentHash: new Uint8Array(32), timestamp: 1n };

let directory: string;
let store: LevelStore;
let chain: Chain;
let mempool: Mempool;
let thread: RpcThread;
let news: News = { tags: undefined, sync: undefined, peers: 3 };
const { log, lines } = testLog();

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "rpc-thread-"));
  store = await openLevelStore(directory);
  chain = await Chain.open(store, testGenesis([rich(0), rich(1), SEVEN]), PRECOMPILES);
  mempool = new Mempool({ next: chain.nextBlock });
  const { rules, genesisHash, firstBlock } = chain;
  thread = await startRpcThread({
    data: {
      address: "127.0.0.1",
      port: 0,
      directory,
      chain: { rules, genesisHash, firstBlock },
      epochBlocks: Number(rules.epochBlocks),
      access: { vhosts: [], origins: [] },
      maxConnections: 100,
      apis: ["eth", "net", "txpool", "debug", "admin", "optimism"],
      clientVersion: "openledger/test",
      txFeeCapWei: 0n,
      minTipWei: mempool.limits.minTipWei,
      limits: {},
      datadir: "/data",
      callThreads: 1,
      callMs: 5_000,
      rollup: { parameters: testL1Parameters(L1_BLOCK), blockSeconds: 1 },
    },
    chain,
    pool: new LocalPool(mempool, (tx) => mempool.add(tx, chain.headState, 0)),
    news: () => news,
    network: () => ({
      id: "me",
      addresses: ["/ip4/1.2.3.4/tcp/1"],
      peers: [{ id: "you", address: "/ip4/5.6.7.8/tcp/2", direction: "inbound", score: -1 }],
    }),
    l1: () => ({ current: L1_BLOCK, head: L1_BLOCK, safe: undefined, finalized: undefined }),
    log,
  });
});
afterAll(async () => {
  await thread.close();
  await store.close();
  await rm(directory, { recursive: true });
  expect(lines).toEqual([]);
});

async function post(body: unknown): Promise<never> {
  const response = await fetch(`http://127.0.0.1:${thread.port}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return (await response.json()) as never;
}
const request = (method: string, ...params: unknown[]) => ({ jsonrpc: "2.0", id: 1, method, params });

/** The result; throws the error's message. */
async function ask<T>(method: string, ...params: unknown[]): Promise<T> {
  const answer = (await post(request(method, ...params))) as { result: T; error?: { message: string } };
  if (answer.error !== undefined) throw new Error(answer.error.message);
  return answer.result;
}

async function mine(): Promise<readonly Transaction[]> {
  const { block } = await extend(chain, mempool.candidates(chain.nextBaseFee()));
  mempool.removeMined(block, chain.headState, chain.nextBlock, 0);
  return block.transactions;
}

const raw = (tx: Transaction) => bytesToHex(tx.raw);
const quantity = (value: bigint) => `0x${value.toString(16)}`;
const sender = bytesToHex(SENDERS[0]!);

test("what is sent waits in the pool of this thread, is found, and is mined", async () => {
  const sent = [0n, 1n, 2n].map((nonce) => signed(0, nonce));
  const hash = bytesToHex(sent[0]!.hash);
  const filter = await ask("eth_newPendingTransactionFilter");
  // Together, in their order: the second needs the first.
  const answers = (await post(sent.slice(0, 2).map((tx) => request("eth_sendRawTransaction", raw(tx))))) as object[];
  expect(answers).toMatchObject(sent.slice(0, 2).map((tx) => ({ result: bytesToHex(tx.hash) })));
  expect(mempool.get(sent[1]!.hash)).toEqual(sent[1]);
  expect(await ask("eth_getFilterChanges", filter)).toEqual(sent.slice(0, 2).map((tx) => bytesToHex(tx.hash)));
  await expect(ask("eth_sendRawTransaction", raw(sent[0]!))).rejects.toThrow("already known");

  expect(await ask("txpool_status")).toEqual({ pending: "0x2", queued: "0x0" });
  expect(await ask("eth_getTransactionCount", sender, "pending")).toBe("0x2");
  expect(await ask("eth_getTransactionByHash", hash)).toMatchObject({ hash, from: sender, blockHash: null });
  expect(await ask("eth_getBlockByNumber", "pending", true)).toMatchObject({
    transactions: [{ nonce: "0x0" }, { nonce: "0x1" }],
  });
  expect(await ask("txpool_contentFrom", sender)).toMatchObject({ pending: { 0: { hash }, 1: {} }, queued: {} });

  const waiting = ask<{ status: string }>("eth_sendRawTransactionSync", raw(sent[2]!), "0x2710");
  await vi.waitUntil(() => mempool.counts.pending === 3, 10_000);
  expect(await mine()).toHaveLength(3);
  expect(await waiting).toMatchObject({ status: "0x1", blockNumber: "0x1" });
  // An answer is never older than its question.
  expect(await ask("eth_blockNumber")).toBe("0x1");
  expect(await ask("eth_getBalance", bytesToHex(RECIPIENT))).toBe("0xf");
  expect(await ask("eth_getTransactionCount", sender, "pending")).toBe("0x3");
});

test("calls and proofs are answered from the thread below", async () => {
  const seven = `0x${"07".padStart(64, "0")}`;
  expect(await ask("eth_call", { to: bytesToHex(SEVEN.address) })).toBe(seven);
  expect(await ask("eth_estimateGas", { from: sender, to: bytesToHex(RECIPIENT) })).toBe("0x5208");
  const { header } = chain.headBlock;
  expect(await ask("eth_getProof", sender, [], quantity(header.number))).toMatchObject({
    nonce: quantity(chain.headState.account(SENDERS[0]!)!.nonce),
    accountProof: chain.prove(chain.headBlock, SENDERS[0]!, []).accountProof.map(bytesToHex),
  });
  expect(await ask("debug_traceBlockByNumber", "latest", { tracer: "callTracer" })).toHaveLength(3);
});

test("what only this thread knows is asked for, and news are told", async () => {
  expect(await ask("admin_peers")).toMatchObject([{ id: "you", network: { inbound: true } }]);
  expect(await ask("admin_nodeInfo")).toMatchObject({ id: "me", listenAddr: "/ip4/1.2.3.4/tcp/1" });
  expect(await ask("net_peerCount")).toBe("0x3");
  news = { tags: { safe: 1n, finalized: 0n }, sync: undefined, peers: 4 };
  await mine();
  await vi.waitUntil(async () => (await ask("net_peerCount")) === "0x4", 10_000);
  expect(await ask("eth_getBlockByNumber", "finalized", false)).toMatchObject({ number: "0x0" });
  expect(await ask("eth_getBlockByNumber", "safe", false)).toMatchObject({ number: "0x1" });
});

test("subscribers hear of heads, and of pending transactions only while they want to", async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${thread.port}`);
  const heard: { id?: number; result?: string; params?: { result: unknown } }[] = [];
  socket.on("message", (data) => heard.push(JSON.parse(String(data))));
  await new Promise((resolve) => socket.once("open", resolve));
  const say = async (id: number, method: string, ...params: unknown[]): Promise<string> => {
    socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    return (await vi.waitUntil(() => heard.find((message) => message.id === id), 10_000)).result!;
  };
  await say(1, "eth_subscribe", "newHeads");
  const pending = await say(2, "eth_subscribe", "newPendingTransactions");
  const results = () => heard.flatMap(({ params }) => (params === undefined ? [] : [params.result]));
  const tx = signed(1, 0n);
  await ask("eth_sendRawTransaction", raw(tx));
  await vi.waitUntil(() => results().includes(bytesToHex(tx.hash)), 10_000);
  await say(3, "eth_unsubscribe", pending);
  const before = results().length;
  const next = signed(1, 1n);
  await ask("eth_sendRawTransaction", raw(next));
  await mine();
  await vi.waitUntil(() => results().length > before, 10_000);
  expect(results()).not.toContain(bytesToHex(next.hash));
  expect(results().at(-1)).toMatchObject({ number: quantity(chain.head.number), hash: bytesToHex(chain.head.hash) });
  socket.terminate();
});
