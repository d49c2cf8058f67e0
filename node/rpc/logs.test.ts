import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bigIntToFixed, bytesToHex, concatBytes } from "../../core/bytes.ts";
import type { Log, Transaction } from "../../core/chain.ts";
import { keccak256 } from "../../core/crypto.ts";
import { logsBloom } from "../../execution/block/bloom.ts";
import { bloomBits, mayContain } from "./bloom.ts";
import { FAKE_CHAIN_ID } from "./testing/fake-chain.ts";
import { setup } from "./testing/setup.ts";

let unique = 0n;
const address = (i: number) => bigIntToFixed(BigInt(0xa0 + i), 20);
const topic = (i: number) => bigIntToFixed(BigInt(0xb0 + i), 32);
const hex = (bytes: Uint8Array) => bytesToHex(bytes);

/** A transaction whose run leaves one log: address `to`, topic `word`. */
function logging(to: number, word: number): Transaction {
  return {
    type: 2,
    raw: new Uint8Array(100),
    hash: keccak256(bigIntToFixed(unique++, 32)),
    from: address(50),
    to: address(to),
    nonce: 0n,
    gasLimit: 50_000n,
    maxFeePerGas: 2n * 10n ** 9n,
    maxPriorityFeePerGas: 1n,
    value: 0n,
    data: concatBytes(topic(word), bigIntToFixed(unique, 32)),
    chainId: FAKE_CHAIN_ID,
    accessList: [],
    authorizationList: [],
    v: 0n,
    r: 1n,
    s: 1n,
  };
}

interface JsonLog {
  address: string;
  topics: string[];
  blockNumber: string;
  logIndex: string;
}

describe("eth_getLogs", () => {
  const scenario = () => {
    const built = setup();
    built.chain.mine([logging(0, 0), logging(1, 0), logging(0, 1)]);
    built.chain.mine([]);
    built.chain.mine([logging(1, 1)]);
    const find = async (filter: object) => {
      const logs = await built.ask<JsonLog[]>("eth_getLogs", { fromBlock: "earliest", ...filter });
      return logs.map((log) => [Number(log.blockNumber), Number(log.logIndex)]);
    };
    return { ...built, find };
  };

  test.each([
    [
      "everything",
      {},
      [
        [1, 0],
        [1, 1],
        [1, 2],
        [3, 0],
      ],
    ],
    [
      "one address",
      { address: hex(address(1)) },
      [
        [1, 1],
        [3, 0],
      ],
    ],
    [
      "a list of addresses",
      { address: [hex(address(0)), hex(address(9))] },
      [
        [1, 0],
        [1, 2],
      ],
    ],
    [
      "one topic",
      { topics: [hex(topic(1))] },
      [
        [1, 2],
        [3, 0],
      ],
    ],
    [
      "alternatives of a topic",
      { topics: [[hex(topic(1)), hex(topic(7))]] },
      [
        [1, 2],
        [3, 0],
      ],
    ],
    [
      "any topic",
      { topics: [null] },
      [
        [1, 0],
        [1, 1],
        [1, 2],
        [3, 0],
      ],
    ],
    ["more topics than a log has", { topics: [null, null] }, []],
    [
      "no alternatives",
      { topics: [[]], address: [] },
      [
        [1, 0],
        [1, 1],
        [1, 2],
        [3, 0],
      ],
    ],
    ["address and topic", { address: hex(address(1)), topics: [hex(topic(1))] }, [[3, 0]]],
    ["a range", { fromBlock: "0x2", toBlock: "0x3" }, [[3, 0]]],
    ["latest by default", { fromBlock: null }, [[3, 0]]],
  ])("%s", async (_name, filter, expected) => {
    expect(await scenario().find(filter)).toEqual(expected);
  });

  test("one block by hash; an unknown one is an error", async () => {
    const { ask, fail, chain } = scenario();
    const logs = await ask<JsonLog[]>("eth_getLogs", {
      blockHash: hex(chain.blocks[1]!.hash),
      address: hex(address(1)),
    });
    expect(logs.map((log) => log.logIndex)).toEqual(["0x1"]);
    expect(await fail("eth_getLogs", { blockHash: hex(topic(0)) })).toEqual({ code: -32000, message: "unknown block" });
    expect((await fail("eth_getLogs", { toBlock: "pending" })).message).toBe("pending logs are not supported");
  });

  test("log indices count through the block, in receipts as in logs", async () => {
    const { ask, chain } = scenario();
    const [hash] = chain.blocks[1]!.transactions.slice(2).map((tx) => hex(tx.hash));
    const indices = (receipt: { logs: JsonLog[] }) => receipt.logs.map((log) => log.logIndex);
    expect(indices(await ask<{ logs: JsonLog[] }>("eth_getTransactionReceipt", hash))).toEqual(["0x2"]);
    const receipts = await ask<{ logs: JsonLog[] }[]>("eth_getBlockReceipts", "0x1");
    expect(receipts.flatMap(indices)).toEqual(["0x0", "0x1", "0x2"]);
  });

  test("too many results name the range that fits", async () => {
    const built = setup({ limits: { logResults: 2 } });
    built.chain.mine([logging(0, 0)]);
    built.chain.mine([logging(0, 0), logging(0, 0)]);
    expect(await built.fail("eth_getLogs", { fromBlock: "0x0" })).toEqual({
      code: -32602,
      message: "query exceeds max results 2, retry with the range 0x0-0x1",
    });
  });
});

test("property: the bloom never hides a log", () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  const log: fc.Arbitrary<Log> = fc.record({
    address: bytes(20),
    topics: fc.array(bytes(32), { maxLength: 4 }),
    data: fc.constant(new Uint8Array()),
  });
  fc.assert(
    fc.property(fc.array(log, { maxLength: 20 }), (logs) => {
      const bloom = logsBloom(logs);
      return logs.flatMap((one) => [one.address, ...one.topics]).every((value) => mayContain(bloom, bloomBits(value)));
    }),
    { numRuns: 50 },
  );
});

describe("filters", () => {
  test("log filters give what is new, and all on demand", async () => {
    const { ask, chain } = setup();
    chain.mine([logging(0, 0)]);
    const id = await ask("eth_newFilter", { fromBlock: "0x0", address: hex(address(0)) });
    const poll = async (name: string) => (await ask<JsonLog[]>(name, id)).map((log) => Number(log.blockNumber));
    expect(await poll("eth_getFilterChanges")).toEqual([]);
    chain.mine([logging(0, 0), logging(1, 0)]);
    chain.mine([logging(0, 0)]);
    expect(await poll("eth_getFilterChanges")).toEqual([2, 3]);
    expect(await poll("eth_getFilterChanges")).toEqual([]);
    expect(await poll("eth_getFilterLogs")).toEqual([1, 2, 3]);
  });

  test("a poll with very many logs stops at a block and goes on at the next poll", async () => {
    const { ask, chain } = setup({ limits: { logResults: 2 } });
    const id = await ask("eth_newFilter", {});
    for (let i = 0; i < 3; i++) chain.mine([logging(0, 0), logging(0, 0)]);
    for (const expected of [["0x1", "0x1"], ["0x2", "0x2"], ["0x3", "0x3"], []]) {
      expect((await ask<JsonLog[]>("eth_getFilterChanges", id)).map((log) => log.blockNumber)).toEqual(expected);
    }
  });

  test("block and pending filters give hashes since the last poll", async () => {
    const { ask, chain, mempool } = setup();
    const [blocks, pending] = [await ask("eth_newBlockFilter"), await ask("eth_newPendingTransactionFilter")];
    const whole = await ask("eth_newPendingTransactionFilter", true);
    const block = chain.mine([]);
    chain.latest.set(address(50), 0n, 10n ** 20n);
    const tx = logging(0, 0);
    mempool.add(tx, chain.latest, 0);
    expect(await ask("eth_getFilterChanges", blocks)).toEqual([hex(block.hash)]);
    expect(await ask("eth_getFilterChanges", blocks)).toEqual([]);
    expect(await ask("eth_getFilterChanges", pending)).toEqual([hex(tx.hash)]);
    expect(await ask("eth_getFilterChanges", pending)).toEqual([]);
    expect(await ask("eth_getFilterChanges", whole)).toEqual([await ask("eth_getTransactionByHash", hex(tx.hash))]);
    expect(await ask("eth_getFilterChanges", whole)).toEqual([]);
  });

  test("filters are bounded in number and lifetime", async () => {
    let nowMs = 0;
    const { ask, fail } = setup({ limits: { filters: 2, filterLifetimeMs: 100 }, now: () => nowMs });
    const first = await ask("eth_newBlockFilter");
    nowMs = 60;
    const second = await ask("eth_newBlockFilter");
    expect((await fail("eth_newBlockFilter")).message).toMatch(/^too many filters: the limit is 2/);
    expect(await ask("eth_getFilterChanges", first)).toEqual([]);
    nowMs = 159;
    await ask("eth_getFilterChanges", first);
    nowMs = 161;
    expect(await fail("eth_getFilterChanges", second)).toEqual({ code: -32000, message: "filter not found" });
    expect(await ask("eth_uninstallFilter", first)).toBe(true);
    expect(await ask("eth_uninstallFilter", first)).toBe(false);
  });
});
