import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import fc from "fast-check";
import {
  createPublicClient,
  createWalletClient,
  defineChain,
  encodeErrorResult,
  http,
  parseAbi,
  webSocket,
} from "viem";
import { afterEach, describe, expect, test } from "vitest";
import WebSocket from "ws";
import { hexToBytes } from "../../core/bytes.ts";
import type { Rpc } from "./rpc.ts";
import { type RpcServer, type RpcServerOptions, startRpcServer } from "./server.ts";
import { accounts, setup } from "./testing/setup.ts";

const [alice, bob] = accounts as [(typeof accounts)[0], (typeof accounts)[0]];
const closers: (() => Promise<unknown> | undefined)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function serve(options: Partial<RpcServerOptions> = {}, rpcOptions: Parameters<typeof setup>[0] = {}) {
  const built = setup(rpcOptions);
  const log = { error: () => {}, debug: () => {} };
  const server: RpcServer = await startRpcServer({
    rpc: built.rpc,
    listener: { address: "127.0.0.1", port: 0 },
    access: { vhosts: [], origins: [] },
    log,
    ...options,
  });
  closers.push(async () => {
    await server.close(50);
    built.rpc.close();
  });
  return { ...built, server, url: `http://127.0.0.1:${server.port}`, wsUrl: `ws://127.0.0.1:${server.port}` };
}

const CHAIN_ID = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId" });
const JSON_TYPE = { "Content-Type": "application/json" };

/** With node:http, because fetch does not let Host be set. */
async function post(port: number, headers: Record<string, string>, body: string, method = "POST") {
  const request = httpRequest({ host: "127.0.0.1", port, method, headers, agent: false });
  request.end(body);
  const [response] = await once(request, "response");
  let text = "";
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode as number, headers: response.headers as Record<string, string>, text };
}

describe("HTTP", () => {
  test("answers POST, greets GET, refuses other methods and types", async () => {
    const { server } = await serve();
    const answer = await post(server.port, JSON_TYPE, CHAIN_ID);
    expect(answer).toMatchObject({ status: 200, text: '{"jsonrpc":"2.0","id":1,"result":"0x27613"}' });
    expect(await post(server.port, { "Content-Type": "application/json; charset=utf-8" }, CHAIN_ID)).toMatchObject({
      status: 200,
    });
    expect((await post(server.port, {}, "", "GET")).text).toMatch(/^OpenLedger JSON-RPC/);
    expect(await post(server.port, { "Content-Type": "text/plain" }, CHAIN_ID)).toMatchObject({ status: 415 });
    expect(await post(server.port, JSON_TYPE, "", "PUT")).toMatchObject({ status: 405 });
    const notification = '{"jsonrpc":"2.0","method":"eth_chainId"}';
    expect(await post(server.port, JSON_TYPE, notification)).toMatchObject({ status: 200, text: "" });
  });

  test("a body over the limit is refused, announced or not", async () => {
    const { server } = await serve({}, { limits: { requestBytes: 1_000 } });
    const long = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "x".repeat(1_000) });
    expect(await post(server.port, JSON_TYPE, long)).toMatchObject({ status: 413 });
    const chunked = await post(server.port, { ...JSON_TYPE, "Transfer-Encoding": "chunked" }, long);
    expect(chunked.status).toBe(413);
    expect(JSON.parse(chunked.text).error).toEqual({
      code: -32600,
      message: "request body too large: the limit is 1000 bytes",
    });
  });

  test("who is still writing a body that is too long gets the answer, not a reset", async () => {
    const { server } = await serve({}, { limits: { requestBytes: 2_000_000 } });
    // More than the sockets of both sides hold.
    const long = "x".repeat(7_000_000);
    const head = [
      "POST / HTTP/1.1",
      "Host: localhost",
      "Content-Type: application/json",
      `Content-Length: ${long.length}`,
    ];
    const socket = connect(server.port, "127.0.0.1");
    // It looks for an answer only when all is written.
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.write(`${head.join("\r\n")}\r\n\r\n${long}`, () => resolve());
    });
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(String(answer)).toMatch(/^HTTP\/1\.1 413 /);
    socket.destroy();
  });

  test("Host must be this machine or a configured name", async () => {
    const { server } = await serve({ access: { vhosts: ["node.example"], origins: [] } });
    const status = async (host: string) => (await post(server.port, { ...JSON_TYPE, Host: host }, CHAIN_ID)).status;
    for (const host of ["localhost", "LOCALHOST:8545", "127.0.0.1:1", "[::1]:8545", "node.example:80"]) {
      expect(await status(host), host).toBe(200);
    }
    for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io:8545"]) {
      expect(await status(host), host).toBe(403);
    }
  });

  test("web pages read answers only from configured origins", async () => {
    const { server } = await serve({ access: { vhosts: [], origins: ["https://app.example"] } });
    const allowed = async (origin: string, method: string) => {
      const { headers } = await post(server.port, { ...JSON_TYPE, Origin: origin }, CHAIN_ID, method);
      return headers["access-control-allow-origin"];
    };
    expect(await allowed("https://app.example", "OPTIONS")).toBe("https://app.example");
    expect(await allowed("https://app.example", "POST")).toBe("https://app.example");
    expect(await allowed("https://evil.example", "OPTIONS")).toBeUndefined();
    const closed = await serve();
    const { headers } = await post(closed.server.port, { Origin: "https://app.example" }, "", "OPTIONS");
    expect(headers).not.toHaveProperty("access-control-allow-origin");
  });

  test("a client that offers HTTP/2 is answered over HTTP/1.1", async () => {
    const { server } = await serve();
    const headers = { ...JSON_TYPE, Connection: "Upgrade", Upgrade: "h2c" };
    expect(await post(server.port, headers, CHAIN_ID)).toMatchObject({ status: 200 });
  });

  test("property: random bytes on the wire never stop the server", async () => {
    const { server, errors } = await serve();
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.string({ unit: "binary" }).map((body) => new TextEncoder().encode(body)),
    );
    await fc.assert(
      fc.asyncProperty(bytes, fc.boolean(), async (body, withHead) => {
        const head = `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
        const socket = connect(server.port, "127.0.0.1");
        socket.on("error", () => {});
        if (withHead) socket.write(head);
        socket.end(body);
        socket.resume();
        await once(socket, "close");
      }),
      { numRuns: 40 },
    );
    expect((await post(server.port, JSON_TYPE, CHAIN_ID)).status).toBe(200);
    expect(errors).toEqual([]);
  });

  test("a busy port is one clear line", async () => {
    const { server } = await serve();
    await expect(serve({ listener: { address: "127.0.0.1", port: server.port } })).rejects.toThrow(
      `port ${server.port} is in use`,
    );
  });
});

describe("WebSocket", () => {
  async function open(url: string, options: WebSocket.ClientOptions = {}) {
    const socket = new WebSocket(url, options);
    const messages: string[] = [];
    let wake = () => {};
    socket.on("message", (data) => {
      messages.push(data.toString());
      wake();
    });
    closers.push(async () => socket.terminate());
    await once(socket, "open");
    const next = async (): Promise<{
      id?: number;
      result?: unknown;
      error?: unknown;
      params?: { result: unknown };
    }> => {
      while (messages.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      return JSON.parse(messages.shift()!);
    };
    const ask = async (method: string, ...params: unknown[]) => {
      socket.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }));
      return next();
    };
    return { socket, next, ask };
  }

  test("heads, logs and pending transactions are pushed until unsubscribed", async () => {
    const { wsUrl, chain, mempool, mine, ask: askHttp } = await serve();
    const { next, ask } = await open(wsUrl);
    const heads = (await ask("eth_subscribe", "newHeads")).result;
    const first = chain.mine([]);
    expect((await next()).params).toMatchObject({
      subscription: heads,
      result: { number: "0x1", parentHash: expect.any(String) },
    });
    expect(first.header.number).toBe(1n);
    expect((await ask("eth_unsubscribe", heads)).result).toBe(true);

    await ask("eth_subscribe", "newPendingTransactions");
    await ask("eth_subscribe", "logs", { address: bob.address });
    const raw = await alice.signTransaction({
      chainId: 161_299,
      type: "eip1559",
      to: bob.address,
      data: `0x${"ab".repeat(32)}`,
      gas: 50_000n,
      maxFeePerGas: 2n * 10n ** 9n,
      maxPriorityFeePerGas: 1n,
    });
    const hash = await askHttp("eth_sendRawTransaction", raw);
    expect((await next()).params?.result).toBe(hash);
    expect(mempool.counts.pending).toBe(1);
    mine();
    expect((await next()).params?.result).toMatchObject({
      transactionHash: hash,
      topics: [`0x${"ab".repeat(32)}`],
      logIndex: "0x0",
    });
    expect(await ask("eth_subscribe", "nothing")).toMatchObject({
      error: { code: -32601, message: 'no "nothing" subscription in eth namespace' },
    });
    expect(await ask("eth_unsubscribe", "0x1")).toMatchObject({ error: { message: "subscription not found" } });
  });

  test("no block is missed when several come at once", async () => {
    const { wsUrl, chain } = await serve();
    const { next, ask } = await open(wsUrl);
    await ask("eth_subscribe", "newHeads");
    for (let i = 0; i < 20; i++) chain.mine([]);
    for (let i = 1; i <= 20; i++)
      expect((await next()).params?.result).toMatchObject({ number: `0x${i.toString(16)}` });
  });

  test("subscriptions are bounded and end with their connection", async () => {
    const built = setup({ limits: { subscriptionsPerSession: 2 } });
    const { promise: ended, resolve } = Promise.withResolvers<number>();
    const rpc: Rpc = {
      ...built.rpc,
      closeSession(session) {
        const before = session.subscriptions.size;
        built.rpc.closeSession(session);
        resolve(before - session.subscriptions.size);
      },
    };
    const { wsUrl } = await serve({ rpc });
    const { socket, ask } = await open(wsUrl);
    await ask("eth_subscribe", "newHeads");
    await ask("eth_subscribe", "newHeads");
    expect(await ask("eth_subscribe", "newHeads")).toMatchObject({
      error: { message: "too many subscriptions: the limit is 2 a connection" },
    });
    socket.close();
    expect(await ended).toBe(2);
  });

  test("a closed session hears nothing more", async () => {
    const { rpc, chain } = setup();
    const notified: string[] = [];
    const session = rpc.openSession((text) => notified.push(text));
    const subscribe = { jsonrpc: "2.0", id: 1, method: "eth_subscribe", params: ["newHeads"] };
    await rpc.handle(subscribe, session);
    chain.mine([]);
    await new Promise(setImmediate);
    expect(notified).toHaveLength(1);
    rpc.closeSession(session);
    chain.mine([]);
    await new Promise(setImmediate);
    expect(notified).toHaveLength(1);
  });

  test("more requests than run at a time are all answered", async () => {
    const { wsUrl } = await serve();
    const { socket, next } = await open(wsUrl);
    for (let id = 0; id < 300; id++) socket.send(JSON.stringify({ jsonrpc: "2.0", id, method: "eth_blockNumber" }));
    const ids = new Set<number | undefined>();
    while (ids.size < 300) ids.add((await next()).id);
    expect(ids.size).toBe(300);
  });

  test("Origin and Host are checked, frames are bounded, silence ends the connection", async () => {
    const { wsUrl } = await serve(
      { access: { vhosts: [], origins: ["https://app.example"] }, pingIntervalMs: 20 },
      { limits: { requestBytes: 500 } },
    );
    await expect(open(wsUrl, { origin: "https://evil.example" })).rejects.toThrow("403");
    await expect(open(wsUrl, { headers: { Host: "evil.example" } })).rejects.toThrow("403");
    const { socket } = await open(wsUrl, { origin: "https://app.example" });
    socket.send("x".repeat(501));
    const [code] = await once(socket, "close");
    expect(code).toBe(1009);
    const deaf = await open(wsUrl, { autoPong: false });
    await once(deaf.socket, "close");
  });

  test("closing says goodbye", async () => {
    const { wsUrl, server } = await serve();
    const { socket } = await open(wsUrl);
    const closed = once(socket, "close");
    await server.close(50);
    expect((await closed)[0]).toBe(1001);
  });
});

describe("viem", () => {
  const chainOf = (url: string) =>
    defineChain({
      id: 161_299,
      name: "fake",
      nativeCurrency: { name: "OPEN", symbol: "OPEN", decimals: 18 },
      rpcUrls: { default: { http: [url] } },
    });

  test("sends, waits, reads, and watches over HTTP", async () => {
    const { url, mine, chain } = await serve();
    const client = createPublicClient({ chain: chainOf(url), transport: http(), pollingInterval: 10 });
    const wallet = createWalletClient({ chain: chainOf(url), transport: http(), account: alice });

    expect(await client.getChainId()).toBe(161_299);
    expect(await client.getBalance({ address: alice.address })).toBe(10n ** 20n);
    const fees = await client.estimateFeesPerGas();
    expect(fees.maxFeePerGas).toBeGreaterThan(10n ** 9n);

    const event = parseAbi(["event Stored(bytes32 indexed key)"])[0];
    const topicOnly = await client.getLogs({ event, fromBlock: "earliest" });
    expect(topicOnly).toEqual([]);

    const hash = await wallet.sendTransaction({ to: bob.address, value: 5n, data: `0x${"cd".repeat(32)}` });
    expect((await client.getTransaction({ hash })).blockNumber).toBeNull();
    expect(await client.getTransactionCount({ address: alice.address, blockTag: "pending" })).toBe(1);
    mine();
    const receipt = await client.waitForTransactionReceipt({ hash });
    expect(receipt).toMatchObject({ status: "success", blockNumber: 1n, transactionIndex: 0, type: "eip1559" });
    expect(receipt.logs[0]).toMatchObject({ logIndex: 0, data: "0x", removed: false });
    const block = await client.getBlock({ includeTransactions: true });
    expect(block.transactions[0]).toMatchObject({ hash, value: 5n, typeHex: "0x2", chainId: 161_299 });
    expect(await client.getBlock({ blockTag: "pending" })).toMatchObject({ hash: null, number: 2n });

    const filter = await client.createBlockFilter();
    const mined = chain.mine([]);
    expect((await client.getFilterChanges({ filter })).map((one) => one.length)).toEqual([66]);
    expect(mined.header.number).toBe(2n);
    expect(await client.getFeeHistory({ blockCount: 2, rewardPercentiles: [50] })).toMatchObject({ oldestBlock: 1n });
  });

  test("decodes a custom error of a contract, and names refusals", async () => {
    const { url, chain } = await serve();
    const client = createPublicClient({ chain: chainOf(url), transport: http() });
    const wallet = createWalletClient({ chain: chainOf(url), transport: http(), account: alice });
    const abi = parseAbi(["error Refused(uint256 amount)", "function take(uint256)"]);
    chain.onCall = () => ({
      ok: false,
      reason: "execution reverted",
      gasUsed: 1n,
      output: hexToBytes(encodeErrorResult({ abi, errorName: "Refused", args: [7n] })),
    });
    const call = client.simulateContract({ address: bob.address, abi, functionName: "take", args: [7n] });
    await expect(call).rejects.toThrow("Refused(uint256 amount)");
    chain.onCall = () => ({ ok: true, output: new Uint8Array(), gasUsed: 21_000n });
    const broke = wallet.sendTransaction({ to: bob.address, value: 10n ** 21n, gas: 21_000n });
    await expect(broke).rejects.toThrow("exceeds the balance");
    await expect(client.getBalance({ address: bob.address, blockNumber: 99n })).rejects.toThrow("header not found");
  });

  test("subscribes over WebSocket", async () => {
    const { wsUrl, chain } = await serve();
    const client = createPublicClient({ transport: webSocket(wsUrl, { reconnect: false }) });
    const { promise, resolve } = Promise.withResolvers<string>();
    const { unsubscribe } = await client.transport.subscribe({
      params: ["newHeads"],
      onData: (data) => resolve(data.result.number),
      onError: () => {},
    });
    const socket = await client.transport.getRpcClient();
    closers.push(async () => socket.close());
    chain.mine([]);
    expect(await promise).toBe("0x1");
    await unsubscribe();
  });
});
