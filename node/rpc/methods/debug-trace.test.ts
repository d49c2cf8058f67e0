/** debug_trace* of a real chain with deposits and stateful precompiles: shapes, errors, bounds. */
import { decodeErrorResult, encodeFunctionData } from "viem";
import { beforeAll, describe, expect, test } from "vitest";
import { encodeDeposit, sourceHash } from "../../../bridge/deposit.ts";
import { attributesDeposit } from "../../../bridge/l1-attributes.ts";
import { DATANET_ADDRESS, TREASURY_ADDRESS } from "../../../core/addresses.ts";
import { bigIntToFixed, bytesToHex, EMPTY_BYTES, type Hex, hexToBytes } from "../../../core/bytes.ts";
import type { Transaction } from "../../../core/chain.ts";
import { revertReason } from "../../../core/revert-reason.ts";
import { encodeBlock } from "../../../execution/block/block-codec.ts";
import { readL1FeeScalars, readL1Origin } from "../../../execution/block/l1-origin.ts";
import { Mempool } from "../../../execution/mempool.ts";
import { COINBASE, CONTRACTS, SENDERS } from "../../../execution/testing/world.ts";
import { decodeTransaction } from "../../../execution/tx/decode.ts";
import { createdAddress } from "../../../execution/tx/derive.ts";
import { datanetAbi } from "../../../precompiles/interfaces/datanet.abi.ts";
import { PRECOMPILES } from "../../../precompiles/table.ts";
import { Chain } from "../../chain.ts";
import { Calls } from "../../runner/calls.ts";
import { Traces } from "../../runner/traces.ts";
import { testL1Parameters } from "../../testing/l1.ts";
import { contract, FakeStore, rich, signed, testGenesis } from "../../testing/world.ts";
import type { RpcLimits } from "../limits.ts";
import { LocalPool } from "../pool.ts";
import { createRpc } from "../rpc.ts";
import { debugTrace } from "./debug-trace.ts";

const START = 1_700_000_000n;
const L1 = testL1Parameters({ number: 50n, hash: new Uint8Array(32).fill(0x50), timestamp: START - 100n });
const code = (address: Uint8Array, hex: Hex) => contract(address, hexToBytes(hex));

/** Hands its calldata and value to the Datanet precompile, and what comes back to its caller. */
const ROUTER = code(CONTRACTS[0]!, "0x365f5f375f5f365f346109015af13d5f5f3e6018573d5ffd5b3d5ff3");
/** sstore(0, 1); sstore(0, 0); mstore(0, 7); and ends without saying so. */
const STEPS = code(CONTRACTS[1]!, "0x60015f555f5f5560075f52");
/** Sends 9 wei, which it does not have, and creates with as much; then destroys itself in favour of 0xbe. */
const POOR = code(CONTRACTS[2]!, "0x5f5f5f5f600960aa5af15f5f6009f060beff");
const LOOP = code(CONTRACTS[3]!, "0x5b5f56");
/** Reverts with Error("no"). */
const NO = code(CONTRACTS[4]!, `0x36${"3d3d37"}${"363dfd"}`);

const hex = (address: Uint8Array) => bytesToHex(address);
const [SENDER, ROUTER_HEX, DATANET] = [hex(SENDERS[0]!), hex(ROUTER.address), hex(DATANET_ADDRESS)];
const create = (licence: number) =>
  encodeFunctionData({
    abi: datanetAbi,
    functionName: "createDatanet",
    args: ["Net", "language", "ipfs://net", 0, licence, 0, 0n],
  });
const call = (nonce: bigint, to: Uint8Array, data: Hex = "0x", value = 0n) =>
  signed(0, nonce, { to, data: hexToBytes(data), value, gasLimit: 500_000n });

const FROM = new Uint8Array(20).fill(0xd0);
const deposit = (index: bigint, fields: Partial<Parameters<typeof encodeDeposit>[0]>) =>
  encodeDeposit({
    sourceHash: sourceHash("user", new Uint8Array(32), index),
    from: FROM,
    to: STEPS.address,
    mintWei: 0n,
    valueWei: 0n,
    gasLimit: 100_000n,
    isSystem: false,
    data: EMPTY_BYTES,
    ...fields,
  });

async function extend(chain: Chain, candidates: readonly Transaction[], users: readonly Uint8Array[] = []) {
  const before = readL1Origin(chain.headState);
  const attributes = {
    number: before.number + 1n,
    hash: new Uint8Array(32).fill(Number(before.number + 1n)),
    timestamp: before.timestamp + 12n,
    baseFeeWei: 30_000_000_000n,
    blobBaseFeeWei: 1n,
    sequenceNumber: 0n,
    ...readL1FeeScalars(chain.headState),
  };
  const deposits = [encodeDeposit(attributesDeposit(attributes)), ...users];
  const l1 = { deposits, prevRandao: attributes.hash, parentBeaconBlockRoot: attributes.hash };
  const timestamp = START + chain.head.number + 1n;
  const made = await chain.propose({ candidates, timestamp, feeAddress: COINBASE, isOutOfTime: () => false, l1 });
  await chain.commit(made);
  return made;
}

let chain: Chain;
/** Of block 1: after the L1 attributes, two deposits, then the transactions. */
let hashes: Hex[];

beforeAll(async () => {
  const genesis = testGenesis([rich(0), rich(1), ROUTER, STEPS, POOR, LOOP, NO], { l1: L1 });
  const parameters = { ...genesis.parameters, l1BaseFeeScalar: 1_368n, l1BlobBaseFeeScalar: 810_949n };
  chain = await Chain.open(new FakeStore(), { ...genesis, parameters }, PRECOMPILES);
  const transactions = [
    call(0n, DATANET_ADDRESS, create(7)),
    call(1n, ROUTER.address, create(7)),
    call(2n, ROUTER.address, create(99)),
    call(3n, STEPS.address),
    call(4n, POOR.address),
    signed(0, 5n),
    call(6n, NO.address, hex(revertReason("no"))),
  ];
  const users = [deposit(1n, { mintWei: 5n }), deposit(2n, { valueWei: 10n ** 18n })];
  const { block } = await extend(chain, transactions, users);
  expect(block.transactions.length).toBe(3 + transactions.length);
  hashes = block.transactions.map((tx) => hex(tx.hash));
  await extend(chain, [signed(1, 0n)]);
});

function rpcWith(limits: Partial<RpcLimits> = {}) {
  return createRpc({
    chain,
    pool: new LocalPool(new Mempool({ next: chain.nextBlock }), () => {
      throw new Error("nothing is sent here");
    }),
    decode: decodeTransaction,
    runner: new Calls(chain, PRECOMPILES),
    clientVersion: "openledger/test",
    methods: debugTrace(new Traces(chain, PRECOMPILES)),
    limits,
    log: { error: (fields) => console.error(fields), debug: () => {} },
  });
}

type Answer = { readonly result?: unknown; readonly error?: { readonly code: number; readonly message: string } };

async function request(method: string, params: readonly unknown[], limits?: Partial<RpcLimits>): Promise<Answer> {
  const rpc = rpcWith(limits);
  const answer = await rpc.handle({ jsonrpc: "2.0", id: 1, method, params }, rpc.openSession());
  rpc.close();
  // What is absent in JSON is absent.
  return JSON.parse(JSON.stringify(answer));
}

// biome-ignore lint/suspicious/noExplicitAny: answers have the shape that each test says
async function ask(method: string, ...params: unknown[]): Promise<any> {
  const { result, error } = await request(method, params);
  if (error !== undefined) throw new Error(JSON.stringify(error));
  return result;
}

const refusal = async (method: string, ...params: unknown[]) => (await request(method, params)).error;
const receiptOf = (index: number) => chain.block(1n)!.receipts[index]!;
const gasUsedOf = (index: number) => `0x${receiptOf(index).gasUsed.toString(16)}`;
const callTracer = { tracer: "callTracer", tracerConfig: { withLog: true } };

describe("stateful precompiles are calls", () => {
  const [straight, routed, refused] = [3, 4, 5];
  const logsOf = async (index: number, position: Hex) => {
    const { logs } = await ask("eth_getTransactionReceipt", hashes[index]);
    return logs.map(({ address, topics, data, logIndex }: Record<string, unknown>) => {
      return { address, topics, data, index: logIndex, position };
    });
  };

  test("straight from a transaction, and through a contract", async () => {
    const id = (n: bigint) => hex(bigIntToFixed(n, 32));
    expect((await logsOf(straight, "0x0")).length).toBeGreaterThan(0);
    expect(await ask("debug_traceTransaction", hashes[straight], callTracer)).toEqual({
      from: SENDER,
      gas: "0x7a120",
      gasUsed: gasUsedOf(straight),
      to: DATANET,
      input: create(7),
      output: id(1n),
      logs: await logsOf(straight, "0x0"),
      value: "0x0",
      type: "CALL",
    });
    const trace = await ask("debug_traceTransaction", hashes[routed], callTracer);
    const { calls, ...top } = trace;
    expect(top).toMatchObject({ from: SENDER, to: ROUTER_HEX, gasUsed: gasUsedOf(routed), output: id(2n) });
    expect(calls).toEqual([
      {
        from: ROUTER_HEX,
        gas: calls[0].gas,
        gasUsed: calls[0].gasUsed,
        to: DATANET,
        input: create(7),
        output: id(2n),
        logs: await logsOf(routed, "0x0"),
        value: "0x0",
        type: "CALL",
      },
    ]);
    expect(Number(calls[0].gasUsed)).toBeLessThan(Number(gasUsedOf(routed)));
  });

  test("with their revert data", async () => {
    const { calls, ...top } = await ask("debug_traceTransaction", hashes[refused], callTracer);
    expect(top).toMatchObject({ error: "execution reverted", output: calls[0].output });
    expect(calls[0]).toMatchObject({ to: DATANET, error: "execution reverted" });
    expect(decodeErrorResult({ abi: datanetAbi, data: calls[0].output }).errorName).toMatch(/^[A-Z]/);
    // geth puts only Solidity's own errors into words.
    expect(calls[0].revertReason).toBeUndefined();
  });

  test("without opcodes, and with what they store", async () => {
    expect((await ask("debug_traceTransaction", hashes[straight])).structLogs).toEqual([]);
    const { structLogs } = await ask("debug_traceTransaction", hashes[routed]);
    expect(new Set(structLogs.map(({ depth }: { depth: number }) => depth))).toEqual(new Set([1]));
    const tracer = { tracer: "prestateTracer", tracerConfig: { diffMode: true } };
    for (const index of [straight, routed]) {
      const { post } = await ask("debug_traceTransaction", hashes[index], tracer);
      expect(Object.keys(post[DATANET].storage).length).toBeGreaterThan(3);
      expect(Object.keys(post)).toContain(hex(TREASURY_ADDRESS));
    }
  });

  test("their functions are counted", async () => {
    const selector = create(7).slice(0, 10);
    const size = (create(7).length - 10) / 2;
    const counts = await ask("debug_traceTransaction", hashes[routed], { tracer: "4byteTracer" });
    expect(counts).toEqual({ [`${selector}-${size}`]: 2 });
  });
});

describe("the opcode logger", () => {
  const BASE = 500_000 - 21_000;
  const zero = hex(new Uint8Array(32));
  const one = hex(bigIntToFixed(1n, 32));

  test("is geth's and the specification's", async () => {
    const config = { enableMemory: true, enableReturnData: true };
    const refund = 19_900;
    const steps = [
      [0, "PUSH1", 3, [], {}],
      [2, "PUSH0", 2, ["0x1"], {}],
      [3, "SSTORE", 22_100, ["0x1", "0x0"], { storage: { [zero]: one } }],
      [4, "PUSH0", 2, [], {}],
      [5, "PUSH0", 2, ["0x0"], {}],
      [6, "SSTORE", 100, ["0x0", "0x0"], { storage: { [zero]: zero }, refund }],
      [7, "PUSH1", 3, [], { refund }],
      [9, "PUSH0", 2, ["0x7"], { refund }],
      [10, "MSTORE", 6, ["0x7", "0x0"], { refund }],
      [11, "STOP", 0, [], { refund, memory: [hex(bigIntToFixed(7n, 32))] }],
    ] as const;
    let gas = BASE;
    const structLogs = steps.map(([pc, op, gasCost, stack, more]) => {
      const step = { pc, op, gas, gasCost, depth: 1, stack, ...more };
      gas -= gasCost;
      return step;
    });
    const trace = await ask("debug_traceTransaction", hashes[6], config);
    expect(trace).toEqual({ gas: Number(receiptOf(6).gasUsed), failed: false, returnValue: "0x", structLogs });
    expect(
      await ask("debug_traceTransaction", hashes[6], { disableStack: true, disableStorage: true, limit: 3 }),
    ).toEqual({
      ...trace,
      structLogs: structLogs.slice(0, 3).map(({ stack: _, ...step }) => {
        const { storage: __, ...rest } = step as { storage?: unknown };
        return rest;
      }),
    });
  });

  test("a transfer has no steps; a revert returns its data", async () => {
    const transfer = await ask("debug_traceTransaction", hashes[8]);
    expect(transfer).toEqual({ gas: 21_000, failed: false, returnValue: "0x", structLogs: [] });
    const { failed, returnValue, structLogs } = await ask("debug_traceTransaction", hashes[9]);
    expect({ failed, returnValue }).toEqual({ failed: true, returnValue: hex(revertReason("no")) });
    expect(structLogs.at(-1)).toMatchObject({ op: "REVERT" });
    expect(structLogs.at(-1).error).toBeUndefined();
  });
});

test("frames that could not be, a destroyed contract, a reason", async () => {
  const { calls } = await ask("debug_traceTransaction", hashes[7], callTracer);
  const from = hex(POOR.address);
  const error = "insufficient balance for transfer";
  const nothing = { gasUsed: "0x0", input: "0x" };
  expect(calls).toEqual([
    { from, to: `0x${"aa".padStart(40, "0")}`, value: "0x9", type: "CALL", gas: calls[0].gas, ...nothing, error },
    { from, value: "0x9", type: "CREATE", gas: calls[1].gas, ...nothing, error },
    { from, to: `0x${"be".padStart(40, "0")}`, value: "0x0", type: "SELFDESTRUCT", gas: "0x0", ...nothing },
  ]);
  // A CALL's price has what it hands on, but for the stipend; a CREATE's has not.
  const { structLogs } = await ask("debug_traceTransaction", hashes[7]);
  const costOf = (name: string) => structLogs.find(({ op }: { op: string }) => op === name).gasCost;
  expect(costOf("CALL")).toBe(2_600 + 9_000 + 25_000 + Number(calls[0].gas) - 2_300);
  expect(costOf("CREATE")).toBe(32_000);
  expect(await ask("debug_traceTransaction", hashes[9], callTracer)).toMatchObject({
    error: "execution reverted",
    revertReason: "no",
  });
  const topOnly = { tracer: "callTracer", tracerConfig: { onlyTopCall: true } };
  expect(await ask("debug_traceTransaction", hashes[7], topOnly)).not.toHaveProperty("calls");
});

describe("deposits", () => {
  test("are traced as they ran, also the one that could not be paid for", async () => {
    const [attributes, minted, unpaid] = await ask("debug_traceBlockByNumber", "0x1", callTracer);
    expect(attributes.result).toMatchObject({ type: "CALL", gasUsed: gasUsedOf(0) });
    expect(minted.result).toMatchObject({ from: hex(FROM), to: hex(STEPS.address), gasUsed: gasUsedOf(1) });
    expect(unpaid).toEqual({
      txHash: hashes[2],
      result: {
        from: hex(FROM),
        to: hex(STEPS.address),
        gas: "0x186a0",
        gasUsed: "0x186a0",
        input: "0x",
        value: "0xde0b6b3a7640000",
        error: expect.stringContaining("insufficient funds for transfer"),
        type: "CALL",
      },
    });
    const tracer = { tracer: "prestateTracer", tracerConfig: { diffMode: true } };
    const { pre, post } = await ask("debug_traceTransaction", hashes[1], tracer);
    expect([pre[hex(FROM)], post[hex(FROM)]]).toEqual([undefined, { balance: "0x5", nonce: 1 }]);
  });
});

test("a block by number, by hash and in bytes; one transaction of it by its hash", async () => {
  const block = chain.block(1n)!;
  const byNumber = await ask("debug_traceBlockByNumber", "0x1");
  expect(byNumber.map(({ txHash }: { txHash: Hex }) => txHash)).toEqual(hashes);
  expect(await ask("debug_traceBlockByHash", hex(block.hash))).toEqual(byNumber);
  expect(await ask("debug_traceBlock", hex(chain.rawAt(1n)!))).toEqual(byNumber);
  expect(await ask("debug_traceTransaction", hashes[4])).toEqual(byNumber[4].result);
  expect((await ask("debug_traceBlockByNumber", "latest")).length).toBe(2);
});

test("several tracers at once, and none", async () => {
  const tracerConfig = { callTracer: { withLog: true }, noopTracer: {}, "4byteTracer": null, prestateTracer: {} };
  const result = await ask("debug_traceTransaction", hashes[4], { tracer: "muxTracer", tracerConfig });
  expect(Object.keys(result)).toEqual(Object.keys(tracerConfig));
  expect(result.callTracer).toEqual(await ask("debug_traceTransaction", hashes[4], callTracer));
  expect(result.noopTracer).toEqual({});
  expect(await ask("debug_traceTransaction", hashes[4], { tracer: "noopTracer" })).toEqual({});
});

describe("calls", () => {
  const to = hex(new Uint8Array(20).fill(0x77));
  /** Returns the block's number, its own balance and slot 1. */
  const PROBE = "0x435f5247602052600154604052606 05ff3".replace(" ", "");
  const stateOverrides = {
    [to]: { code: PROBE, balance: "0x5", stateDiff: { [hex(bigIntToFixed(1n, 32))]: hex(bigIntToFixed(9n, 32)) } },
  };

  test("run under overrides", async () => {
    const config = { ...callTracer, stateOverrides, blockOverrides: { number: "0x64" } };
    const { output, gas } = await ask("debug_traceCall", { to, gas: "0x186a0" }, "latest", config);
    expect(BigInt(`0x${output.slice(2, 66)}`)).toBe(100n);
    expect(BigInt(`0x${output.slice(66, 130)}`)).toBe(5n);
    expect(BigInt(`0x${output.slice(130)}`)).toBe(9n);
    expect(gas).toBe("0x186a0");
    expect(
      (await ask("debug_traceCall", { to, gas: "0x186a0" }, "0x0", { stateOverrides })).structLogs[0],
    ).toMatchObject({
      op: "NUMBER",
      gas: 100_000 - 21_000,
    });
  });

  test("see the state before a transaction of the block", async () => {
    const diff = { tracer: "prestateTracer" };
    const nonceOf = async (txIndex: Hex) =>
      (await ask("debug_traceCall", { from: SENDER, to }, "0x1", { ...diff, txIndex }))[SENDER].nonce;
    expect([await nonceOf("0x4"), await nonceOf("0x5")]).toEqual([1, 2]);
    expect(await refusal("debug_traceCall", { to }, "0x1", { txIndex: "0xa" })).toMatchObject({ code: -32602 });
  });

  test("creations name what they would create", async () => {
    const trace = await ask("debug_traceCall", { from: SENDER, data: "0x5f5ff3" }, "latest", callTracer);
    const { nonce } = chain.headState.account(SENDERS[0]!)!;
    expect(trace).toMatchObject({ type: "CREATE", to: hex(createdAddress(SENDERS[0]!, nonce)) });
  });
});

describe("what is not answered says why", () => {
  const of = (message: string, code = -32000) => ({ code, message: expect.stringContaining(message) });

  test("unknown, impossible, not offered", async () => {
    const unknown = hex(new Uint8Array(32).fill(1));
    expect(await refusal("debug_traceTransaction", unknown)).toEqual(of("transaction not found"));
    expect(await refusal("debug_traceBlockByHash", unknown)).toEqual(of(`block ${unknown} not found`));
    expect(await refusal("debug_traceBlockByNumber", "0x63")).toEqual(of("block #99 not found"));
    expect(await refusal("debug_traceBlockByNumber", "0x0")).toEqual(of("genesis is not traceable"));
    expect(await refusal("debug_traceBlockByNumber", "pending")).toEqual(of("pending is not supported"));
    expect(await refusal("debug_traceCall", { to: SENDER }, "pending")).toEqual(of("pending is not supported"));
    expect(await refusal("debug_traceBlock", "0xc0")).toEqual(of("could not decode block"));
    const poor = { from: hex(FROM), to: SENDER, value: "0xde0b6b3a7640000" };
    expect(await refusal("debug_traceCall", poor, "latest")).toEqual(of("tracing failed: insufficient funds"));
    const script = { tracer: "{step: function() {}, fault: function() {}, result: function() { return 1 }}" };
    expect(await refusal("debug_traceTransaction", hashes[3], script)).toEqual(
      of("JavaScript is not run here", -32602),
    );
    const nested = { tracer: "muxTracer", tracerConfig: { muxTracer: {} } };
    expect(await refusal("debug_traceTransaction", hashes[3], nested)).toEqual(of("is not offered", -32602));
    const wrong = [{ timeout: "5 minutes" }, { timeout: "" }, { limit: -1 }, { enableMemory: "yes" }, { tracer: 1 }];
    for (const config of wrong) {
      expect(await refusal("debug_traceTransaction", hashes[3], config)).toMatchObject({ code: -32602 });
    }
  });

  test("a block that no node would run", async () => {
    const { header, transactions } = chain.block(1n)!;
    const raw = encodeBlock({ header: { ...header, gasLimit: 1n }, transactions });
    const gasLimit = "block 1 is not valid: gasLimit is 1 instead of 5000000";
    expect(await refusal("debug_traceBlock", hex(raw))).toEqual(of(gasLimit));
    const orphan = encodeBlock({ header: { ...header, parentHash: new Uint8Array(32) }, transactions });
    expect(await refusal("debug_traceBlock", hex(orphan))).toEqual(of("of block 1 is not here"));
    const without = encodeBlock({ header, transactions: transactions.slice(1) });
    expect(await refusal("debug_traceBlock", hex(without))).toEqual(of("block 1 is not valid"));
    const twice = encodeBlock({ header, transactions: [...transactions, transactions.at(-1)!] });
    expect(await refusal("debug_traceBlock", hex(twice))).toEqual(of("tracing failed: nonce too low"));
  });

  test("endless loops end: by time, by bytes", async () => {
    const loop = { to: hex(LOOP.address), gas: "0x2faf080" };
    const timeouts = [
      { timeout: "1ms", limit: 1 },
      { timeout: "0.00002m", tracer: "callTracer" },
      { timeout: "0s", tracer: "noopTracer" },
    ];
    for (const config of timeouts) {
      expect(await refusal("debug_traceCall", loop, "latest", config)).toEqual(of("execution timeout"));
    }
    const { error } = await request("debug_traceCall", [loop, "latest", { timeout: "20s" }], {
      responseBytes: 100_000,
    });
    expect(error).toEqual(of("the trace is larger than 100000 bytes"));
    // The executor keeps a deposit, whatever happens to it; but this never did.
    const long = await request("debug_traceTransaction", [hashes[0]], { responseBytes: 3_000 });
    expect(long.error).toEqual(of("larger than 3000"));
  });
});
