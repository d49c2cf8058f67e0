/** Methods over a real chain: calls that pretend, blocks that are simulated, bytes; what they answer and in which shape. */
import { createPublicClient, custom, decodeFunctionResult, encodeFunctionData, type Hex, parseTransaction } from "viem";
import { beforeAll, describe, expect, test } from "vitest";
import { DATANET_ADDRESS } from "../../core/addresses.ts";
import { bigIntToFixed, bytesToHex, hexToBytes } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { decodeBlock } from "../../execution/block/block-codec.ts";
import { orderedRoot } from "../../execution/block/ordered-root.ts";
import { CONTRACTS, SENDERS } from "../../execution/testing/world.ts";
import { datanetAbi } from "../../precompiles/interfaces/datanet.abi.ts";
import { PRECOMPILES } from "../../precompiles/table.ts";
import { Chain } from "../chain.ts";
import { Calls } from "../runner/calls.ts";
import { CHAIN_ID, contract, extend, FakeStore, rich, signed, testGenesis } from "../testing/world.ts";
import { setup } from "./testing/setup.ts";

const word = (value: bigint | number): Hex => bytesToHex(bigIntToFixed(BigInt(value), 32));
const hex = (bytes: Uint8Array): Hex => bytesToHex(bytes);
const [ALICE, BOB] = [hex(SENDERS[0]!), hex(SENDERS[1]!)];
const NOBODY: Hex = `0x${"99".repeat(20)}`;
const CELL = hex(CONTRACTS[0]!);
/** Slot 0 := slot 0 + 1; logs nothing with it; returns it. */
const COUNT: Hex = "0x60015f54015f555f5fa05f545f5260205ff3";
/** NUMBER, TIMESTAMP, GASLIMIT, COINBASE, PREVRANDAO, BASEFEE, BLOBBASEFEE. */
const SURROUNDINGS: Hex = "0x435f52426020524560405241606052446080524860a0524a60c05260e05ff3";
const DATANET = hex(DATANET_ADDRESS);
const read = (functionName: "datanetCount") => encodeFunctionData({ abi: datanetAbi, functionName });
const CREATE = encodeFunctionData({
  abi: datanetAbi,
  functionName: "createDatanet",
  args: ["Net", "language", "ipfs://net", 0, 7, 0, 5n],
});

let chain: Chain;
let world: ReturnType<typeof setup>;
beforeAll(async () => {
  const genesis = testGenesis([rich(0), rich(1), contract(CONTRACTS[0]!, hexToBytes(COUNT))]);
  chain = await Chain.open(new FakeStore(), genesis, PRECOMPILES);
  await extend(chain, [signed(0, 0n), signed(0, 1n, { to: CONTRACTS[0]!, value: 0n, gasLimit: 100_000n })]);
  await extend(chain, [
    signed(1, 0n, { to: DATANET_ADDRESS, value: 0n, data: hexToBytes(CREATE), gasLimit: 900_000n }),
  ]);
  world = setup({ chain, runner: new Calls(chain, PRECOMPILES) });
});

describe("overrides", () => {
  test("of accounts are what the call sees, and nobody else", async () => {
    const { ask, fail } = world;
    const call = { from: NOBODY, to: CELL, value: "0x5" };
    expect(await fail("eth_call", call)).toMatchObject({ code: -32000 });
    const rich = { [NOBODY]: { balance: "0x64" } };
    expect(await ask("eth_call", call, "latest", rich)).toBe(word(2));
    expect(await ask("eth_call", call, "latest", { ...rich, [CELL]: { stateDiff: { [word(0)]: word(40) } } })).toBe(
      word(41),
    );
    const other = { [CELL]: { code: "0x5f545f5260205ff3", state: { [word(9)]: word(1) } } };
    expect(await ask("eth_call", call, "0x0", { ...rich, ...other })).toBe(word(0));
    // The nonce decides where a creation puts its contract.
    const creation = { from: NOBODY, data: "0x305f5260205ff3" };
    const at = async (nonce: Hex) => ask("eth_call", creation, "latest", { [NOBODY]: { nonce } });
    expect(await at("0x1")).not.toBe(await at("0x2"));
    expect(await ask("eth_call", { to: CELL })).toBe(word(2));
    expect(await ask("eth_getStorageAt", CELL, "0x0")).toBe(word(1));
  });

  test("reach the precompiles' storage, which code of theirs then reads", async () => {
    const { ask } = world;
    const count = { to: DATANET, data: read("datanetCount") };
    expect(await ask("eth_call", count)).toBe(word(1));
    expect(await ask("eth_call", count, "latest", { [DATANET]: { stateDiff: { [word(0)]: word(7) } } })).toBe(word(7));
    expect(await ask("eth_call", count, "latest", { [DATANET]: { state: {} } })).toBe(word(0));
    const created = await ask<Hex>("eth_call", { from: NOBODY, to: DATANET, data: CREATE }, "latest", {
      [DATANET]: { stateDiff: { [word(0)]: word(7) } },
    });
    expect(decodeFunctionResult({ abi: datanetAbi, functionName: "createDatanet", data: created })).toBe(8n);
  });

  test("of the block are what code sees of it", async () => {
    const { ask } = world;
    const code = { [CELL]: { code: SURROUNDINGS } };
    const block = {
      number: "0x1234",
      time: "0x7fffffff",
      gasLimit: "0x989680",
      feeRecipient: NOBODY,
      prevRandao: word(77),
      baseFeePerGas: "0x5",
      blobBaseFee: "0x9",
      difficulty: "0x8",
    };
    const seen = async (call: object) =>
      (await ask<Hex>("eth_call", { from: ALICE, to: CELL, ...call }, "latest", code, block)).slice(2).match(/.{64}/g)!;
    const words = [0x1234, 0x7fffffff, 0x989680, BigInt(NOBODY), 77, 5, 9].map((each) => word(each).slice(2));
    expect(await seen({ gasPrice: "0x5", gas: "0x186a0" })).toEqual(words);
    // As in geth: who pays nothing sees a base fee of 0.
    expect(await seen({})).toEqual(words.with(5, word(0).slice(2)));
    const blockHash = { [CELL]: { code: "0x60014303405f5260205ff3" } };
    expect(await ask("eth_call", { to: CELL }, "latest", blockHash, { number: "0xffff" })).toBe(word(0));
    expect(await ask("eth_call", { to: CELL }, "latest", blockHash)).toBe(hex(chain.headBlock.header.parentHash));
  });

  test("count in estimates and access lists", async () => {
    const { ask } = world;
    const call = { from: NOBODY, to: CELL, value: "0x5", maxFeePerGas: "0x3b9aca00" };
    const state = {
      [NOBODY]: { balance: "0x16345785d8a0000" },
      [CELL]: { code: COUNT, stateDiff: { [word(0)]: word(0) } },
    };
    const fresh = Number(await ask("eth_estimateGas", call, "latest", state));
    // A slot that was zero costs 17,100 more than one that is changed.
    const used = Number(await ask("eth_estimateGas", { ...call, value: "0x0" }, "latest", { [NOBODY]: state[NOBODY] }));
    expect(fresh - used).toBeGreaterThan(16_000);
    const list = await ask("eth_createAccessList", { from: ALICE, to: NOBODY }, "latest", {
      [NOBODY]: { code: `0x73${CELL.slice(2)}31506002545f5ffd` },
    });
    expect(list).toEqual({
      accessList: [
        { address: CELL, storageKeys: [] },
        { address: NOBODY, storageKeys: [word(2)] },
      ],
      error: "execution reverted",
      gasUsed: expect.stringMatching(/^0x[1-9a-f][0-9a-f]*$/),
    });
  });
});

test("access lists: a transfer has none, a precompile its slots, a call that cannot run an error", async () => {
  const { ask, fail } = world;
  expect(await ask("eth_createAccessList", { from: NOBODY, to: BOB })).toEqual({ accessList: [], gasUsed: "0x5208" });
  const { accessList } = await ask<{ accessList: object[] }>("eth_createAccessList", {
    from: NOBODY,
    to: DATANET,
    data: read("datanetCount"),
  });
  expect(accessList).toEqual([{ address: DATANET, storageKeys: [word(0)] }]);
  expect(await fail("eth_createAccessList", { from: NOBODY, to: BOB, value: "0x1" })).toEqual({
    code: -32000,
    message: `insufficient funds for transfer: address ${NOBODY}`,
  });
});

describe("eth_simulateV1", () => {
  const simulate = (...blockStateCalls: object[]) => ({ blockStateCalls });

  test("answers with blocks and what each call did", async () => {
    const { ask } = world;
    const blocks = await ask<Record<string, unknown>[]>("eth_simulateV1", {
      ...simulate(
        {
          calls: [
            { from: ALICE, to: CELL },
            { from: ALICE, to: NOBODY, value: "0x3" },
          ],
        },
        { blockOverrides: { time: "0x7fffffff" }, calls: [{ from: NOBODY, to: CELL, value: "0x2" }, { to: DATANET }] },
      ),
      traceTransfers: true,
      returnFullTransactions: true,
    });
    const [first, second] = blocks as [Record<string, unknown>, Record<string, unknown>];
    const head = await ask<Record<string, unknown>>("eth_getBlockByNumber", "latest");
    expect(Object.keys(first).sort()).toEqual([...Object.keys(head), "calls"].sort());
    expect(first).toMatchObject({
      number: "0x3",
      parentHash: head.hash,
      baseFeePerGas: "0x0",
      gasLimit: head.gasLimit,
    });
    expect(second).toMatchObject({ number: "0x4", parentHash: first.hash, timestamp: "0x7fffffff" });
    const place = { blockHash: first.hash, blockNumber: "0x3", blockTimestamp: first.timestamp, removed: false };
    const [counted, sent] = (first.transactions as { hash: Hex }[]).map(({ hash }) => hash);
    expect(first.calls).toEqual([
      {
        returnData: word(2),
        logs: [
          {
            ...place,
            address: CELL,
            topics: [],
            data: "0x",
            transactionHash: counted,
            transactionIndex: "0x0",
            logIndex: "0x0",
          },
        ],
        gasUsed: expect.any(String),
        maxUsedGas: expect.any(String),
        status: "0x1",
      },
      {
        returnData: "0x",
        logs: [
          {
            ...place,
            address: `0x${"ee".repeat(20)}`,
            topics: [keccakText("Transfer(address,address,uint256)"), word(BigInt(ALICE)), word(BigInt(NOBODY))],
            data: word(3),
            transactionHash: sent,
            transactionIndex: "0x1",
            logIndex: "0x1",
          },
        ],
        gasUsed: "0x5208",
        maxUsedGas: "0x5208",
        status: "0x1",
      },
    ]);
    expect(first.transactions).toMatchObject([
      { from: ALICE, nonce: "0x2", type: "0x2", to: CELL, maxFeePerGas: "0x0", r: "0x0", s: "0x0", yParity: "0x0" },
      { from: ALICE, nonce: "0x3", value: "0x3", blockNumber: "0x3", transactionIndex: "0x1" },
    ]);
    const [third, failed] = second.calls as [object, { error: { code: number; data: Hex } }];
    expect(third).toMatchObject({ returnData: word(3), status: "0x1" });
    // The precompile refuses empty data by a revert.
    expect(failed).toMatchObject({ status: "0x0", logs: [], error: { code: 3, message: /^execution reverted/ } });
    expect(chain.head.number).toBe(2n);
  });

  test("viem reads it", async () => {
    const { ask } = world;
    const request = ({ method, params }: { method: string; params?: unknown }) => ask(method, ...(params as unknown[]));
    const client = createPublicClient({ transport: custom({ request } as Parameters<typeof custom>[0]) });
    const [block] = await client.simulateBlocks({
      blocks: [
        {
          stateOverrides: [{ address: NOBODY, balance: 1_000n }],
          calls: [
            { account: NOBODY, to: BOB, value: 1n },
            { to: DATANET, abi: datanetAbi, functionName: "datanetCount" },
          ],
        },
      ],
    });
    expect(block!.calls.map(({ status }) => status)).toEqual(["success", "success"]);
    expect(block!.calls[1]!.result).toBe(1n);
  });

  const sent = { from: ALICE, to: BOB, value: "0x1" };
  test.each<[string, object, number, string]>([
    ["no blocks", simulate(), -32602, "empty input"],
    [
      "a number that does not rise",
      simulate({ blockOverrides: { number: "0x2" } }),
      -38020,
      "block numbers must be in order: 2 <= 2",
    ],
    ["too high a number", simulate({ blockOverrides: { number: "0x103" } }), -38026, "too many blocks"],
    [
      "a time that stands still",
      simulate({ blockOverrides: { time: "0x64" } }, { blockOverrides: { time: "0x64" } }),
      -38021,
      "block timestamps must be in order: 100 <= 1700000001",
    ],
    [
      "no wei",
      simulate({ calls: [{ ...sent, from: NOBODY }] }),
      -38014,
      `insufficient funds for transfer: address ${NOBODY}`,
    ],
    [
      "too little gas",
      simulate({ calls: [{ ...sent, gas: "0x5207" }] }),
      -38013,
      "intrinsic gas too low: have 20999, want 21000",
    ],
    [
      "more gas than a block has",
      simulate({ calls: [{ ...sent, gas: "0x4c4b41" }] }),
      -38015,
      "block gas limit reached: 0 >= 5000000",
    ],
    [
      "another chain's call",
      simulate({ calls: [{ ...sent, chainId: "0x1" }] }),
      -32602,
      "chainId does not match node's (have=1, want=161299)",
    ],
    [
      "a nonce of the past",
      { ...simulate({ calls: [{ ...sent, nonce: "0x1", maxFeePerGas: "0xffff" }] }), validation: true },
      -38010,
      `nonce too low: address ${ALICE}, tx: 1 state: 2`,
    ],
    [
      "a nonce of the future",
      { ...simulate({ calls: [{ ...sent, nonce: "0x9", maxFeePerGas: "0xffff" }] }), validation: true },
      -38011,
      `nonce too high: address ${ALICE}, tx: 9 state: 2`,
    ],
    [
      "no fee",
      { ...simulate({ blockOverrides: { baseFeePerGas: "0xa" }, calls: [sent] }), validation: true },
      -38012,
      `max fee per gas less than block base fee: address ${ALICE}, maxFeePerGas: 0, baseFee: 10`,
    ],
  ])("refuses %s", async (_name, payload, code, message) => {
    expect(await world.fail("eth_simulateV1", payload)).toEqual({ code, message });
  });

  test("all calls together have the gas of one", async () => {
    const { ask, fail } = setup({ chain, runner: new Calls(chain, PRECOMPILES), limits: { callGas: 50_000n } });
    expect(await ask("eth_simulateV1", simulate({ calls: [sent, sent] }))).toHaveLength(1);
    expect(await fail("eth_simulateV1", simulate({ calls: [sent, sent] }, { calls: [sent] }))).toEqual({
      code: -38026,
      message: "the calls use more than 50000 gas: ask for fewer at a time",
    });
  });
});

test("raw forms are what is hashed", async () => {
  const { ask, fail } = world;
  for (const block of [chain.block(0n)!, chain.block(1n)!, chain.block(2n)!]) {
    const at = `0x${block.header.number.toString(16)}`;
    expect(hex(keccak256(hexToBytes(await ask<Hex>("debug_getRawHeader", at))))).toBe(hex(block.hash));
    const raw = hexToBytes(await ask<Hex>("debug_getRawBlock", hex(block.hash)));
    expect(decodeBlock(raw, CHAIN_ID)).toMatchObject({ ok: true, block: { hash: block.hash } });
    const receipts = await ask<Hex[]>("debug_getRawReceipts", at);
    expect(hex(orderedRoot(receipts.map((receipt) => hexToBytes(receipt))))).toBe(hex(block.header.receiptsRoot));
  }
  const [, tx] = chain.block(1n)!.transactions;
  const raw = hex(tx!.raw);
  expect(await ask("eth_getRawTransactionByHash", hex(tx!.hash))).toBe(raw);
  expect(await ask("debug_getRawTransaction", hex(tx!.hash))).toBe(raw);
  expect(await ask("eth_getRawTransactionByBlockNumberAndIndex", "0x1", "0x1")).toBe(raw);
  expect(await ask("eth_getRawTransactionByBlockHashAndIndex", hex(chain.block(1n)!.hash), "0x1")).toBe(raw);
  expect(await ask("eth_getRawTransactionByHash", word(1))).toBeNull();
  expect(await ask("eth_getRawTransactionByBlockNumberAndIndex", "0x1", "0x2")).toBeNull();
  expect(await fail("debug_getRawBlock", "0x9")).toEqual({ code: -32000, message: "header not found" });
  expect(await fail("debug_getRawHeader", "pending")).toMatchObject({ code: -32000 });
  expect(await ask("debug_getBadBlocks")).toEqual([]);
});

test("headers are blocks without their bodies; what is pending has none", async () => {
  const { ask } = world;
  const { size, transactions, uncles, withdrawals, ...header } = await ask<Record<string, unknown>>(
    "eth_getBlockByNumber",
    "0x1",
  );
  expect(await ask("eth_getHeaderByNumber", "0x1")).toEqual(header);
  expect(await ask("eth_getHeaderByHash", header.hash)).toEqual(header);
  expect(await ask("eth_getHeaderByNumber", "pending")).toBeNull();
  expect(await ask("eth_getHeaderByHash", word(1))).toBeNull();
  expect(await ask("eth_getBlockReceipts", "pending")).toBeNull();
  expect(await ask("eth_baseFee")).toBe(`0x${chain.nextBaseFee().toString(16)}`);
});

test("slots of several accounts in one answer, at most as many as in a proof", async () => {
  const { ask, fail } = world;
  expect(await ask("eth_getStorageValues", { [CELL]: ["0x0", word(5)], [DATANET]: [word(0)] }, "latest")).toEqual({
    [CELL]: [word(1), word(0)],
    [DATANET]: [word(1)],
  });
  expect(await ask("eth_getStorageValues", { [CELL]: ["0x0"] }, "0x0")).toEqual({ [CELL]: [word(0)] });
  expect(
    await fail("eth_getStorageValues", { [CELL]: Array(1_000).fill("0x0"), [BOB]: Array(25).fill("0x0") }),
  ).toEqual({
    code: -32602,
    message: "too many slots: 1025, limit 1024",
  });
});

describe("how far back", () => {
  const whole = (oldestBlock: Hex) => ({ disabled: false, oldestBlock });
  const since = (blocks: Hex, state: Hex) => {
    const [kept, states] = [whole(blocks), whole(state)];
    const head = { number: "0x2", hash: hex(chain.head.hash) };
    return { head, state: states, tx: kept, logs: kept, receipts: kept, blocks: kept, stateproofs: states };
  };

  test("eth_capabilities says it", async () => {
    expect(await world.ask("eth_capabilities")).toEqual(since("0x0", "0x0"));
    const missing = (first: bigint): Pick<Chain, "block" | "find"> => ({
      block: (number) => (number > 0n && number < first ? undefined : chain.block(number)),
      find: (selector) => ("number" in selector && selector.number < first ? undefined : chain.find(selector)),
    });
    const state: Chain["state"] = (block) => (block.header.number < 2n ? undefined : chain.state(block));
    const view = (parts: object) =>
      setup({ chain: new Proxy(chain, { get: (target, name) => parts[name as never] ?? bound(target, name) }) });
    expect(await view({ state }).ask("eth_capabilities")).toEqual(since("0x0", "0x2"));
    const { ask, fail } = view({ ...missing(2n), state });
    expect(await ask("eth_capabilities")).toEqual(since("0x2", "0x2"));
    const pruned = { code: 4444, message: "pruned history unavailable" };
    for (const method of [
      "eth_getBlockByNumber",
      "eth_getHeaderByNumber",
      "eth_getBlockReceipts",
      "debug_getRawBlock",
    ]) {
      expect(await fail(method, "0x1")).toEqual(pruned);
    }
    expect(await ask("eth_getBlockByNumber", "0x3")).toBeNull();
  });
});

function bound(target: Chain, name: string | symbol): unknown {
  const value = Reflect.get(target, name, target) as unknown;
  return typeof value === "function" ? value.bind(target) : value;
}

test("eth_fillTransaction fills in what is missing and keeps what is there", async () => {
  const { ask, fail } = world;
  const filled = await ask<{ raw: Hex; tx: Record<string, Hex> }>("eth_fillTransaction", { from: ALICE, to: CELL });
  const base = chain.nextBaseFee();
  const tip = BigInt(await ask<Hex>("eth_maxPriorityFeePerGas"));
  expect(filled.tx).toMatchObject({
    type: "0x2",
    nonce: "0x2",
    to: CELL,
    value: "0x0",
    chainId: `0x${CHAIN_ID.toString(16)}`,
    maxPriorityFeePerGas: `0x${tip.toString(16)}`,
    maxFeePerGas: `0x${(2n * base + tip).toString(16)}`,
    gas: await ask("eth_estimateGas", { from: ALICE, to: CELL }),
  });
  expect(parseTransaction(filled.raw)).toMatchObject({ to: CELL, nonce: 2, chainId: Number(CHAIN_ID) });
  const given = { from: ALICE, to: BOB, gas: "0x5300", nonce: "0x7", gasPrice: "0x9" };
  expect((await ask<typeof filled>("eth_fillTransaction", given)).tx).toMatchObject({
    type: "0x0",
    gas: "0x5300",
    nonce: "0x7",
    gasPrice: "0x9",
  });
  expect(await fail("eth_fillTransaction", { from: ALICE })).toMatchObject({ code: -32602 });
  expect(await fail("eth_fillTransaction", { from: ALICE, to: DATANET })).toMatchObject({ code: 3 });
});

const keccakText = (text: string): Hex => hex(keccak256(Buffer.from(text)));
