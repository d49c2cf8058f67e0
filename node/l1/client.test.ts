import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { bytesToHex } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { ANVIL_ACCOUNTS, type Anvil, startAnvil } from "../../test/helpers/anvil.ts";
import { FakeClock, testLog } from "../testing/world.ts";
import { L1Client, L1UnavailableError } from "./client.ts";
import { L1RequestError } from "./endpoint.ts";
import { type Call, type FaultyProxy, startFaultyProxy } from "./testing/proxy.ts";

const CHAIN_ID = 31_337n;
let anvil: Anvil;
let proxy: FaultyProxy;
let clock: FakeClock;

beforeAll(async () => {
  anvil = await startAnvil();
  proxy = await startFaultyProxy(anvil.url);
  const { client } = anvil;
  const [one, two] = ANVIL_ACCOUNTS as [(typeof ANVIL_ACCOUNTS)[0], (typeof ANVIL_ACCOUNTS)[0]];
  await client.setAutomine(false);
  const to = two.address;
  const accessList = [{ address: to, storageKeys: [] }];
  const init = "0x60aa5f5260205fa05f5ff3" as const; // a log of one word
  await client.sendTransaction({ account: one, to, value: 1n, type: "legacy", gas: 21_000n, nonce: 0 });
  await client.sendTransaction({ account: one, to, type: "eip2930", accessList, gas: 60_000n, nonce: 1 });
  await client.sendTransaction({ account: one, data: init, gas: 200_000n, nonce: 2 });
  const authorization = await client.signAuthorization({ account: two, contractAddress: to, chainId: 31_337 });
  await client.sendTransaction({ account: one, to, authorizationList: [authorization], gas: 100_000n, nonce: 3 });
  await client.mine({ blocks: 1 });
  await client.mine({ blocks: 3 });
});

afterAll(async () => {
  await proxy.stop();
  await anvil.stop();
});

beforeEach(() => {
  clock = new FakeClock();
  proxy.fault = () => undefined;
  proxy.calls.length = 0;
});

const open = (urls = [proxy.url], chainId = CHAIN_ID) => {
  const { log, lines } = testLog();
  return { l1: new L1Client({ urls, chainId, clock, log }), lines };
};

/** Waits until the client waits, then lets its rest pass. */
async function passRests<T>(work: Promise<T>): Promise<T> {
  let isDone = false;
  const end = () => {
    isDone = true;
  };
  work.then(end, end);
  while (!isDone) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    clock.setMs(clock.nowMs() + 500);
  }
  return work;
}

describe("what is true", () => {
  test("headers, receipts and transactions of every type, checked against the header", async () => {
    const { l1 } = open([anvil.url]);
    const block = (await l1.header(1n))!;
    expect(bytesToHex(block.hash)).toBe((await anvil.client.getBlock({ blockNumber: 1n })).hash);
    const receipts = await l1.receipts(block);
    expect(receipts.map(({ encoded }) => (encoded[0]! >= 0xc0 ? 0 : encoded[0]))).toEqual([0, 1, 2, 4]);
    expect(receipts[2]!.logs.length).toBe(1);
    const raws = await l1.transactions(block.hash);
    expect(raws.map((raw) => bytesToHex(keccak256(raw)))).toEqual(block.transactionHashes);
    expect(await l1.header(99n)).toBeUndefined();
    expect((await l1.header("latest"))!.header.number).toBe(4n);
    expect((await l1.header(block.hash))!.header.number).toBe(1n);
  });

  test("without eth_getBlockReceipts each transaction is asked for", async () => {
    proxy.fault = ({ method }) =>
      method === "eth_getBlockReceipts" ? { error: { code: -32601, message: "no such method" } } : undefined;
    const { l1 } = open();
    const block = (await l1.header(1n))!;
    expect((await l1.receipts(block)).length).toBe(4);
    expect((await l1.receipts(block)).length).toBe(4);
    expect(proxy.calls.filter(({ method }) => method === "eth_getBlockReceipts").length).toBe(1);
  });

  test("a transaction of a type that is not known here is asked for as bytes", async () => {
    proxy.fault = ({ method }) =>
      method === "eth_getBlockByHash"
        ? {
            change: (result) => {
              const block = result as { transactions: object[] };
              return { ...block, transactions: block.transactions.map((tx) => ({ ...tx, type: "0x55" })) };
            },
          }
        : undefined;
    const { l1 } = open();
    const { hash, transactionHashes } = (await l1.header(1n))!;
    const raws = await l1.transactions(hash);
    expect(raws.map((raw) => bytesToHex(keccak256(raw)))).toEqual(transactionHashes);
  });
});

const lies: [string, (call: Call) => boolean, (result: unknown) => unknown][] = [
  ["a header's field", isHeader, (block) => ({ ...(block as object), stateRoot: `0x${"11".repeat(32)}` })],
  ["a header's hash", isHeader, (block) => ({ ...(block as object), hash: `0x${"11".repeat(32)}` })],
  ["no block at all", isHeader, () => 5],
  ["malformed hex", isHeader, (block) => ({ ...(block as object), miner: "0xzz" })],
  ["one receipt left out", isReceipts, (receipts) => (receipts as unknown[]).slice(1)],
  ["a receipt changed", isReceipts, (receipts) => (receipts as object[]).map((r) => ({ ...r, status: "0x0" }))],
  ["logs left out", isReceipts, (receipts) => (receipts as object[]).map((r) => ({ ...r, logs: [] }))],
];

function isHeader({ method }: Call): boolean {
  return method === "eth_getBlockByNumber";
}
function isReceipts({ method }: Call): boolean {
  return method === "eth_getBlockReceipts";
}

describe("what is not", () => {
  for (const [name, concerns, change] of lies) {
    test(`${name}: the endpoint is put aside, another is asked, and only later this one again`, async () => {
      proxy.fault = (call) => (concerns(call) ? { change } : undefined);
      const { l1, lines } = open([proxy.url, anvil.url]);
      const block = (await l1.header(1n))!;
      expect((await l1.receipts(block)).length).toBe(4);
      expect(lines).toMatchObject([{ msg: "an L1 endpoint is put aside for a false answer" }]);
      expect(JSON.stringify(lines)).not.toContain("secret-key");
      proxy.calls.length = 0;
      await l1.header(2n);
      expect(proxy.calls).toEqual([]);
      clock.setMs(clock.nowMs() + 600_000);
      await l1.header(2n);
      expect(proxy.calls.length).toBeGreaterThan(0);
    });
  }

  test("receipts that are not there yet are no lie, and are not kept", async () => {
    let isEmpty = true;
    proxy.fault = (call) => (isReceipts(call) && isEmpty ? { change: () => [] } : undefined);
    const { l1, lines } = open();
    const block = (await l1.header(1n))!;
    const work = passRests(l1.receipts(block));
    expect((await work).length).toBe(4); // each transaction's are there
    isEmpty = false;
    expect((await l1.receipts(block)).length).toBe(4);
    expect(lines.every(({ level }) => level < 40)).toBe(true);
  });

  test("an endpoint of another chain is never believed", async () => {
    const { l1, lines } = open([proxy.url], 1n);
    await expect(passRests(l1.header(1n))).rejects.toThrow("is chain 31337, the network's L1 is 1");
    expect(proxy.calls.every(({ method }) => method === "eth_chainId")).toBe(true);
    expect(lines.length).toBeGreaterThan(0);
  });

  test("overload, garbage and silence: the next endpoint at once; a rest that grows, and then all is well", async () => {
    const faults = [{ status: 429 }, { status: 503 }, { body: "<html>" }, { body: "{}" }, { body: "[]" }] as const;
    for (const fault of [...faults, { error: { code: -32005, message: "limit" } }]) {
      proxy.fault = () => fault;
      const { l1 } = open([proxy.url, anvil.url]);
      expect((await l1.header(1n))!.header.number).toBe(1n);
    }
    let failures = 2;
    proxy.fault = () => (failures-- > 0 ? { status: 429 } : undefined);
    const { l1 } = open();
    expect((await passRests(l1.header(1n)))!.header.number).toBe(1n);
    proxy.fault = () => ({ status: 500 });
    await expect(passRests(l1.header(1n))).rejects.toBeInstanceOf(L1UnavailableError);
  });

  test("what L1 says is wrong with a request is not asked again", async () => {
    const { l1 } = open([proxy.url, anvil.url]);
    await expect(l1.ask("eth_call", [{ to: "0x12" }, "latest"], (x) => x)).rejects.toBeInstanceOf(L1RequestError);
    await expect(l1.broadcast(Uint8Array.of(1, 2, 3))).rejects.toBeInstanceOf(L1RequestError);
  });

  test("an answer that never ends is cut off, and a stop ends what waits", async () => {
    const { l1 } = open();
    proxy.fault = () => ({ status: 429 });
    const waiting = l1.header(1n);
    while (clock.timers === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    while (proxy.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    l1.stop();
    await expect(waiting).rejects.toThrow("stopped");
  });
});

test("who follows another chain is found by asking the others", async () => {
  let kept: unknown;
  const keep = (result: unknown) => {
    kept ??= result;
    return kept;
  };
  proxy.fault = (call) => (isHeader(call) && call.params[0] === "0x4" ? { change: keep } : undefined);
  const { l1, lines } = open([proxy.url, anvil.url]);
  const old = (await l1.header(4n))!;
  await anvil.client.request({ method: "anvil_reorg", params: [1, []] } as never);
  const { hash } = (await open([anvil.url]).l1.header(4n))!;
  expect(hash).not.toEqual(old.hash);
  expect(await l1.confirms(4n, new Uint8Array(32))).toBe("no");
  expect(await l1.confirms(77n, hash)).toBe("unknown");
  expect(lines).toEqual([]);
  expect(await l1.confirms(4n, hash)).toBe("yes");
  expect(lines).toMatchObject([{ msg: "an L1 endpoint follows another chain" }]);
  expect((await l1.header(4n))!.hash).toEqual(hash);
});
