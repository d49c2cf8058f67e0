import { readFileSync } from "node:fs";
import fc from "fast-check";
import { encodeErrorResult, parseAbi } from "viem";
import { describe, expect, test } from "vitest";
import { EMPTY_BYTES, hexToBytes } from "../../core/bytes.ts";
import { datanetAbi } from "../../precompiles/interfaces/datanet.abi.ts";
import { method } from "./context.ts";
import { DEFAULT_RPC_LIMITS } from "./limits.ts";
import { debugRaw } from "./methods/debug-raw.ts";
import { ethCapabilities } from "./methods/eth-capabilities.ts";
import { ethChain } from "./methods/eth-chain.ts";
import { ethFill } from "./methods/eth-fill.ts";
import { ethLogs } from "./methods/eth-logs.ts";
import { ethSimulate } from "./methods/eth-simulate.ts";
import { ethState } from "./methods/eth-state.ts";
import { ethTransactions } from "./methods/eth-transactions.ts";
import { netWeb3 } from "./methods/net-web3.ts";
import { txpool } from "./methods/txpool.ts";
import { accounts, setup } from "./testing/setup.ts";

const [alice, bob] = accounts as [(typeof accounts)[0], (typeof accounts)[0]];
const TOPIC = `0x${"ab".repeat(32)}` as const;
const CHAIN_ID = 161_299;

function sign(
  options: Partial<{ nonce: number; to: `0x${string}`; data: `0x${string}`; type: "legacy"; fee: bigint }> = {},
) {
  const { fee = 3n * 10n ** 9n } = options;
  const base = { chainId: CHAIN_ID, nonce: options.nonce ?? 0, to: options.to ?? bob.address, gas: 50_000n, value: 7n };
  const payload = options.data === undefined ? {} : { data: options.data };
  return options.type === "legacy"
    ? alice.signTransaction({ ...base, ...payload, type: "legacy", gasPrice: fee })
    : alice.signTransaction({
        ...base,
        ...payload,
        type: "eip1559",
        maxFeePerGas: fee,
        maxPriorityFeePerGas: 10n ** 9n,
      });
}

describe("the envelope", () => {
  const answer = async (text: string) => {
    const { rpc, session } = setup();
    const reply = await rpc.handleText(text, session);
    return reply === undefined ? undefined : JSON.parse(reply);
  };
  const error = (code: number, message: string, id: unknown = null) => ({
    jsonrpc: "2.0",
    id,
    error: { code, message },
  });

  test.each([
    ["{", error(-32700, "parse error")],
    ["", error(-32700, "parse error")],
    ["[]", error(-32600, "empty batch")],
    ["1", error(-32600, "invalid request")],
    ["null", error(-32600, "invalid request")],
    ['{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}', error(-32600, "invalid request")],
    ['{"jsonrpc":"1.0","id":7,"method":"eth_chainId"}', error(-32600, "invalid request", 7)],
    ['{"jsonrpc":"2.0","id":7,"method":5}', error(-32600, "invalid request", 7)],
    [
      '{"jsonrpc":"2.0","id":"a","method":"constructor"}',
      error(-32601, "the method constructor does not exist/is not available", "a"),
    ],
    ['{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":{"a":1}}', error(-32602, "non-array args", 1)],
    [
      '{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[1]}',
      error(-32602, "too many arguments, want at most 0", 1),
    ],
    [
      '{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":[]}',
      error(-32602, "missing value for required argument 0", 1),
    ],
    ['{"jsonrpc":"2.0","method":"eth_chainId"}', undefined],
    ['{"jsonrpc":"2.0","id":null,"method":"eth_chainId"}', { jsonrpc: "2.0", id: null, result: "0x27613" }],
    ['{"__proto__":{"method":"eth_chainId"},"jsonrpc":"2.0","id":1}', error(-32600, "invalid request", 1)],
  ])("%s", async (text, expected) => {
    expect(await answer(text)).toEqual(expected);
  });

  test("a batch answers each, in order, without its notifications", async () => {
    const call = (id: number, name: string) => ({ jsonrpc: "2.0", id, method: name });
    const batch = [call(1, "eth_chainId"), { jsonrpc: "2.0", method: "eth_chainId" }, call(2, "nope"), 3];
    const replies = await answer(JSON.stringify(batch));
    expect(replies.map((reply: { id: unknown }) => reply.id)).toEqual([1, 2, null]);
    expect(await answer(JSON.stringify(Array(101).fill(call(1, "eth_chainId"))))).toEqual(
      error(-32600, "batch too large: 101 items, limit 100"),
    );
  });

  test("an unexpected failure is logged and tells the caller nothing", async () => {
    const { fail, chain, errors } = setup();
    chain.onCall = () => {
      throw new Error("secret path /home/x");
    };
    expect(await fail("eth_call", { to: bob.address })).toEqual({ code: -32603, message: "internal error" });
    expect(errors).toHaveLength(1);
  });

  test("answers over the limit are refused, and what follows in the batch is not run", async () => {
    let runs = 0;
    const count = method([], () => {
      runs++;
      return "x".repeat(60);
    });
    const { rpc, session, fail } = setup({
      limits: { responseBytes: 150 },
      methods: { test_count: count, test_long: method([], () => "x".repeat(200)) },
    });
    expect(await rpc.handleText('{"jsonrpc":"2.0","id":9,"method":"test_long"}', session)).toBe(
      '{"jsonrpc":"2.0","id":9,"error":{"code":-32003,"message":"response too large"}}',
    );
    const batch = [1, 2, 3].map((id) => ({ jsonrpc: "2.0", id, method: "test_count" }));
    const replies = JSON.parse((await rpc.handleText(JSON.stringify(batch), session)) ?? "");
    expect(replies.map((reply: object) => "result" in reply)).toEqual([true, false, false]);
    expect(runs).toBe(2);
    await expect(fail("test_count")).rejects.toThrow("no error");
  });

  test("a method that takes too long is answered for", async () => {
    const { fail } = setup({
      limits: { requestTimeoutMs: 5 },
      methods: { test_never: method([], () => new Promise(() => {})) },
    });
    expect(await fail("test_never")).toEqual({ code: -32002, message: "request timed out" });
  });

  test("namespaces that are not offered do not exist", async () => {
    const { fail, ask } = setup({ namespaces: ["eth"] });
    expect((await fail("txpool_status")).code).toBe(-32601);
    expect(await ask("eth_accounts")).toEqual([]);
  });
});

describe("arguments", () => {
  const address = bob.address;
  test.each([
    ["eth_getBalance", ["0x12"], "invalid argument 0: hex string has length 2, want 40"],
    ["eth_getBalance", [12], "invalid argument 0: want hex data, have 12"],
    ["eth_getBalance", [address, "0x01"], 'invalid argument 1: hex number with leading zero digits: "0x01"'],
    ["eth_getBalance", [address, "0x"], 'invalid argument 1: hex string "0x"'],
    [
      "eth_getBalance",
      [address, "newest"],
      'invalid argument 1: want a block number or one of latest, safe, finalized, earliest, pending, have "newest"',
    ],
    ["eth_getBalance", [address, {}], "invalid argument 1: want blockNumber or blockHash"],
    [
      "eth_getBalance",
      [address, { blockNumber: "0x0", blockHash: TOPIC }],
      "invalid argument 1: cannot specify both blockHash and blockNumber, choose one or the other",
    ],
    ["eth_getBlockByNumber", ["latest", 1], "invalid argument 1: want true or false, have 1"],
    [
      "eth_call",
      [{ input: "0x01", data: "0x02" }],
      'invalid argument 0: both "data" and "input" are set and not equal. Please use "input" to pass transaction call data',
    ],
    [
      "eth_call",
      [{ gasPrice: "0x1", maxFeePerGas: "0x1" }],
      "invalid argument 0: both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified",
    ],
    ["eth_call", [{ value: `0x1${"0".repeat(64)}` }], 'invalid argument 0: value: hex number > 256 bits: "0x1'],
    [
      "eth_call",
      [{}, "latest", { [address]: { colour: "0x1" } }],
      'invalid argument 2: unknown override "colour": know nonce, balance, code, state, stateDiff, movePrecompileToAddress',
    ],
    [
      "eth_call",
      [{}, "latest", { [address]: { state: {}, stateDiff: {} } }],
      `invalid argument 2: account ${address.toLowerCase()} has both 'state' and 'stateDiff'`,
    ],
    [
      "eth_call",
      [{}, "latest", {}, { beaconRoot: TOPIC }],
      'invalid argument 3: block override "beaconRoot" is not supported for this RPC method',
    ],
    ["eth_call", [{ chainId: "0x1" }], "chainId does not match node's (have=1, want=161299)"],
    ["eth_sendRawTransaction", ["0xzz"], 'invalid argument 0: invalid hex string: "0xzz"'],
    ["eth_getLogs", [{ topics: [[], [], [], [], []] }], "invalid argument 0: topics: exceed max topics: 5, limit 4"],
    [
      "eth_getLogs",
      [{ blockHash: TOPIC, fromBlock: "0x0" }],
      "invalid argument 0: cannot specify both blockHash and fromBlock/toBlock, choose one or the other",
    ],
    ["eth_getLogs", [{ fromBlock: "0x2", toBlock: "0x1" }], "invalid block range params"],
    [
      "eth_getLogs",
      [{ fromBlock: "0x0", toBlock: "0x2710" }],
      "query exceeds max block range 10000: have 10001 blocks",
    ],
    ["eth_getLogs", [{ fromBlock: "0x0", toBlock: "0xff" }], "block range extends beyond current head block"],
    ["eth_getStorageValues", [{}], "empty request"],
    ["eth_getProof", [address, Array(1_025).fill("0x0")], "too many storage keys: 1025, limit 1024"],
    ["eth_feeHistory", ["0x1", "latest", Array(101).fill(1)], "over the query limit 100 of reward percentiles"],
    ["eth_feeHistory", ["0x1", "latest", [50, 40]], "invalid reward percentile: #0:50 >= #1:40"],
    ["eth_feeHistory", ["0x1", "latest", [101]], "invalid reward percentile: 101"],
  ])("%s %j", async (name, params, message) => {
    const { fail } = setup();
    const error = await fail(name, ...params);
    expect(error.code).toBe(-32602);
    expect(error.message.slice(0, message.length)).toBe(message);
  });
});

describe("shapes", () => {
  test("block, transaction, receipt and log of a typed transaction", async () => {
    const { ask, mine } = setup();
    const raw = await sign({ data: `${TOPIC}cafe` });
    const hash = await ask<string>("eth_sendRawTransaction", raw);

    const pending = await ask<Record<string, unknown>>("eth_getTransactionByHash", hash);
    expect(pending).toMatchObject({
      blockHash: null,
      blockNumber: null,
      transactionIndex: null,
      gasPrice: "0xb2d05e00",
    });
    expect(await ask("eth_getTransactionCount", alice.address, "pending")).toBe("0x1");
    expect(await ask("eth_getTransactionCount", alice.address, "latest")).toBe("0x0");
    expect(await ask("eth_getTransactionReceipt", hash)).toBeNull();
    expect(await ask("eth_getBlockByNumber", "pending", false)).toMatchObject({
      number: "0x1",
      hash: null,
      transactions: [hash],
    });

    mine();
    const block = await ask<Record<string, unknown>>("eth_getBlockByNumber", "latest", true);
    expect(Object.keys(block).sort()).toEqual(
      (
        "baseFeePerGas blobGasUsed difficulty excessBlobGas extraData gasLimit gasUsed hash logsBloom miner mixHash nonce " +
        "number parentBeaconBlockRoot parentHash receiptsRoot requestsHash sha3Uncles size stateRoot timestamp " +
        "transactions transactionsRoot uncles withdrawals withdrawalsRoot"
      ).split(" "),
    );
    const tx = {
      blockHash: block.hash,
      blockNumber: "0x1",
      blockTimestamp: "0x6553f101",
      transactionIndex: "0x0",
      hash,
      type: "0x2",
      from: alice.address.toLowerCase(),
      to: bob.address.toLowerCase(),
      nonce: "0x0",
      gas: "0xc350",
      gasPrice: "0x77359400",
      maxFeePerGas: "0xb2d05e00",
      maxPriorityFeePerGas: "0x3b9aca00",
      value: "0x7",
      input: `${TOPIC}cafe`,
      chainId: "0x27613",
      accessList: [],
      v: expect.stringMatching(/^0x[01]$/),
      yParity: expect.stringMatching(/^0x[01]$/),
      r: expect.stringMatching(/^0x[1-9a-f]/),
      s: expect.stringMatching(/^0x[1-9a-f]/),
    };
    expect(block.transactions).toEqual([tx]);
    for (const found of [
      await ask("eth_getTransactionByHash", hash),
      await ask("eth_getTransactionByBlockNumberAndIndex", "0x1", "0x0"),
      await ask("eth_getTransactionByBlockHashAndIndex", block.hash, "0x0"),
    ]) {
      expect(found).toEqual(tx);
    }
    const receipt = {
      transactionHash: hash,
      transactionIndex: "0x0",
      blockHash: block.hash,
      blockNumber: "0x1",
      from: tx.from,
      to: tx.to,
      cumulativeGasUsed: "0x5208",
      gasUsed: "0x5208",
      effectiveGasPrice: "0x77359400",
      contractAddress: null,
      logs: [
        {
          address: tx.to,
          topics: [TOPIC],
          data: "0xcafe",
          blockNumber: "0x1",
          blockHash: block.hash,
          blockTimestamp: "0x6553f101",
          transactionHash: hash,
          transactionIndex: "0x0",
          logIndex: "0x0",
          removed: false,
        },
      ],
      logsBloom: block.logsBloom,
      status: "0x1",
      type: "0x2",
    };
    expect(await ask("eth_getTransactionReceipt", hash)).toEqual(receipt);
    expect(await ask("eth_getBlockReceipts", "0x1")).toEqual([receipt]);
  });

  test("a legacy transaction has no fields of later types", async () => {
    const { ask, mine } = setup();
    const hash = await ask("eth_sendRawTransaction", await sign({ type: "legacy" }));
    mine();
    const tx = await ask<Record<string, unknown>>("eth_getTransactionByHash", hash);
    expect(tx).toMatchObject({ type: "0x0", chainId: "0x27613" });
    expect(["0x4ec49", "0x4ec4a"]).toContain(tx.v);
    for (const name of ["accessList", "yParity", "maxFeePerGas", "authorizationList"])
      expect(tx).not.toHaveProperty(name);
  });

  test("what is not there is null", async () => {
    const { ask } = setup();
    for (const [name, ...params] of [
      ["eth_getBlockByNumber", "0x99", false],
      ["eth_getBlockByHash", TOPIC, false],
      ["eth_getBlockReceipts", "0x99"],
      ["eth_getBlockTransactionCountByNumber", "0x99"],
      ["eth_getUncleCountByBlockHash", TOPIC],
      ["eth_getTransactionByHash", TOPIC],
      ["eth_getTransactionByBlockNumberAndIndex", "0x0", "0x0"],
      ["eth_getTransactionReceipt", TOPIC],
    ] as const) {
      expect(await ask(name, ...params), name).toBeNull();
    }
  });

  test("state, also where there is none", async () => {
    const { ask, fail, chain } = setup();
    chain.latest.set(hexToBytes(bob.address), 3n, 5n, Uint8Array.of(0x60, 0x00));
    chain.latest.slots.set(bob.address.toLowerCase() + TOPIC, Uint8Array.of(0x01, 0x02));
    const nobody = `0x${"99".repeat(20)}`;
    expect(await ask("eth_getCode", bob.address)).toBe("0x6000");
    expect(await ask("eth_getCode", nobody)).toBe("0x");
    expect(await ask("eth_getBalance", nobody, { blockNumber: "0x0" })).toBe("0x0");
    expect(await ask("eth_getStorageAt", bob.address, TOPIC)).toBe(`0x${"0".repeat(60)}0102`);
    expect(await ask("eth_getStorageAt", bob.address, "0x0", "latest")).toBe(`0x${"0".repeat(64)}`);
    expect(await ask("eth_getProof", bob.address, [TOPIC, "0x1"], "latest")).toMatchObject({
      balance: "0x5",
      nonce: "0x3",
      accountProof: ["0xc0"],
      storageProof: [
        { key: TOPIC, value: "0x102", proof: [] },
        { key: "0x1", value: "0x0", proof: [] },
      ],
    });
    expect(await fail("eth_getBalance", bob.address, "0x99")).toEqual({ code: -32000, message: "header not found" });
    chain.isPruned = true;
    expect((await fail("eth_getBalance", bob.address)).message).toMatch(/^historical state 0x.* is not available/);
  });

  test("fees", async () => {
    const { ask, mine, chain } = setup();
    await ask("eth_sendRawTransaction", await sign());
    mine();
    expect(await ask("eth_maxPriorityFeePerGas")).toBe("0x3b9aca00");
    expect(await ask("eth_gasPrice")).toBe("0x77359400");
    expect(await ask("eth_feeHistory", "0x5", "latest", [0, 50, 100])).toEqual({
      oldestBlock: "0x0",
      reward: [
        ["0x0", "0x0", "0x0"],
        ["0x3b9aca00", "0x3b9aca00", "0x3b9aca00"],
      ],
      baseFeePerGas: ["0x3b9aca00", "0x3b9aca00", "0x3b9aca00"],
      gasUsedRatio: [0, 0.0007],
      baseFeePerBlobGas: ["0x1", "0x1", "0x1"],
      blobGasUsedRatio: [0, 0],
    });
    for (let i = 0; i < 1_100; i++) chain.mine([]);
    const long = await ask<{ gasUsedRatio: number[] }>("eth_feeHistory", `0x${"f".repeat(16)}`, "latest", []);
    expect(long.gasUsedRatio).toHaveLength(1_024);
  });

  test("the mempool", async () => {
    const { ask } = setup();
    await ask("eth_sendRawTransaction", await sign({ nonce: 2 }));
    const hash = await ask("eth_sendRawTransaction", await sign());
    const from = alice.address;
    expect(await ask("txpool_status")).toEqual({ pending: "0x1", queued: "0x1" });
    expect(await ask("txpool_content")).toMatchObject({
      pending: { [from]: { "0": { hash } } },
      queued: { [from]: { "2": { nonce: "0x2" } } },
    });
    expect(await ask("txpool_contentFrom", alice.address)).toMatchObject({ pending: { "0": { hash } } });
    expect(await ask("txpool_inspect")).toMatchObject({
      pending: { [from]: { "0": `${bob.address}: 7 wei + 50000 gas × 3000000000 wei` } },
    });
  });
});

describe("sending", () => {
  test("refusals carry the pool's and geth's words", async () => {
    const { ask, fail } = setup();
    const raw = await sign();
    await ask("eth_sendRawTransaction", raw);
    const words = async (signed: string) => (await fail("eth_sendRawTransaction", signed)).message;
    expect(await words(raw)).toBe("already known");
    expect(await words(await sign({ fee: 3n * 10n ** 9n, data: "0x01" }))).toBe("replacement transaction underpriced");
    expect(await words(await sign({ nonce: 1, fee: 10n ** 14n }))).toBe(
      "tx fee (5.00 ether) exceeds the configured cap (1.00 ether)",
    );
    const other = await alice.signTransaction({
      type: "legacy",
      to: bob.address,
      gas: 21_000n,
      gasPrice: 10n ** 9n,
      nonce: 5,
    });
    expect(await words(other)).toBe("only replay-protected (EIP-155) transactions allowed over RPC");
    expect((await fail("eth_sendRawTransaction", "0x")).code).toBe(-32000);
  });

  test("EIP-7966: the receipt when it is there in time, else error 4 with the hash", async () => {
    const { ask, fail, mine } = setup();
    const answer = ask<{ status: string }>("eth_sendRawTransactionSync", await sign());
    await new Promise(setImmediate);
    mine();
    expect((await answer).status).toBe("0x1");
    const late = await fail("eth_sendRawTransactionSync", await sign({ nonce: 1 }), "0x1");
    expect(late.code).toBe(4);
    expect(late.data).toMatch(/^0x[0-9a-f]{64}$/);
  });
});

describe("calls", () => {
  const failing = (output: `0x${string}`, reason = "execution reverted") => {
    const built = setup();
    built.chain.onCall = () => ({ ok: false, output: hexToBytes(output), gasUsed: 1n, reason });
    return built.fail("eth_call", { to: bob.address });
  };
  const solidity = parseAbi(["error Error(string)", "error Panic(uint256)", "error Unknown(uint256)"]);

  test("reverts say why where that is known, and always carry the data", async () => {
    const duplicate = encodeErrorResult({ abi: datanetAbi, errorName: "DuplicateContent", args: [1n, TOPIC, 9n] });
    expect(await failing(duplicate)).toEqual({
      code: 3,
      message: `execution reverted: DuplicateContent(1, ${TOPIC}, 9)`,
      data: duplicate,
    });
    const plain = encodeErrorResult({ abi: solidity, errorName: "Error", args: ["no"] });
    expect(await failing(plain)).toEqual({ code: 3, message: "execution reverted: no", data: plain });
    const panic = encodeErrorResult({ abi: solidity, errorName: "Panic", args: [17n] });
    expect((await failing(panic)).message).toBe("execution reverted: arithmetic underflow or overflow");
    const unknown = encodeErrorResult({ abi: solidity, errorName: "Unknown", args: [1n] });
    expect(await failing(unknown)).toEqual({ code: 3, message: "execution reverted", data: unknown });
    expect(await failing("0x08c379a0ff")).toEqual({ code: 3, message: "execution reverted", data: "0x08c379a0ff" });
    expect(await failing("0x")).toEqual({ code: 3, message: "execution reverted", data: "0x" });
    expect(await failing("0x", "out of gas")).toEqual({ code: -32000, message: "out of gas" });
  });

  test("gas is capped, input and data are the same field", async () => {
    const { ask, chain } = setup();
    const seen: (bigint | undefined)[] = [];
    chain.onCall = ({ gas, data }) => {
      seen.push(gas);
      return { ok: true, output: data ?? EMPTY_BYTES, gasUsed: 1n };
    };
    expect(await ask("eth_call", { data: "0x01", gas: "0xffffffffffff" })).toBe("0x01");
    expect(await ask("eth_call", { input: "0x02", to: null, gas: "0x5" }, { blockHash: await headHash(ask) })).toBe(
      "0x02",
    );
    expect(seen).toEqual([50_000_000n, 5n]);
    expect(await ask("eth_estimateGas", { to: bob.address, gas: "0xffffffffffff" })).toBe("0x5208");
    expect(seen.every((gas) => gas! <= 50_000_000n)).toBe(true);
  });
  const headHash = async (ask: ReturnType<typeof setup>["ask"]) => {
    const block = await ask<{ hash: string }>("eth_getBlockByNumber", "latest");
    return block.hash;
  };
});

// Whatever comes in, one well-formed answer goes out, and nothing unexpected happens inside.

const [offered, notOffered] = readFileSync(new URL("README.md", import.meta.url), "utf8").split("Everything else");
const namesIn = (text = "") =>
  [...text.matchAll(/`((?:eth|net|web3|txpool|rpc)_\w+|debug_get\w+)`/g)].map((match) => match[1]!);
const names = namesIn(offered);

test("the README names every method, and what it says is not offered is not there", async () => {
  const groups = [
    ethChain,
    ethState,
    ethSimulate,
    ethTransactions,
    ethFill,
    ethCapabilities,
    netWeb3,
    txpool,
    debugRaw,
  ];
  const own = [...groups.flatMap(Object.keys), ...Object.keys(ethLogs(DEFAULT_RPC_LIMITS)), "eth_config"];
  expect([...new Set(names)].sort()).toEqual(own.sort());
  const { fail } = setup();
  const others = namesIn(notOffered?.slice(0, notOffered.indexOf("A block from before"))).filter(
    (name) => !own.includes(name),
  );
  expect(others.length).toBeGreaterThan(5);
  for (const name of others) expect(await fail(name)).toMatchObject({ code: -32601 });
});

const junk = fc.oneof(
  fc.constantFrom<unknown>(
    "latest",
    "0x0",
    "0x1",
    "0xffffffffffffffff",
    "0x",
    null,
    true,
    {},
    [],
    TOPIC,
    bob.address,
    -1,
    1e300,
  ),
  fc.anything({ maxDepth: 2 }),
  fc.record(
    { address: fc.anything(), topics: fc.anything(), fromBlock: fc.constant("0x0"), to: fc.constant(bob.address) },
    { requiredKeys: [] },
  ),
);

function isAnswer(reply: {
  jsonrpc?: unknown;
  id?: unknown;
  result?: unknown;
  error?: { code?: unknown; message?: unknown };
}) {
  const hasResult = Object.hasOwn(reply, "result");
  const hasError = typeof reply.error?.code === "number" && typeof reply.error.message === "string";
  return reply.jsonrpc === "2.0" && Object.hasOwn(reply, "id") && hasResult !== hasError;
}

test("property: random text gets a valid answer", async () => {
  const { rpc, session, errors } = setup();
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string({ unit: "binary" }), fc.json()), async (text) => {
      const reply = await rpc.handleText(text, session);
      if (reply === undefined) return false;
      const parsed = JSON.parse(reply);
      return Array.isArray(parsed) ? parsed.every(isAnswer) : isAnswer(parsed);
    }),
    { numRuns: 200 },
  );
  expect(errors).toEqual([]);
});

test("property: every documented method with random arguments gives a valid answer and no internal error", async () => {
  expect(names.length).toBeGreaterThan(45);
  const { rpc, session, errors } = setup({ limits: { syncWaitMs: 1 } });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...names), fc.array(junk, { maxLength: 4 }), async (name, params) => {
      const reply = await rpc.handleText(JSON.stringify({ jsonrpc: "2.0", id: 1, method: name, params }), session);
      const parsed = JSON.parse(reply ?? "");
      return isAnswer(parsed) && parsed.error?.code !== -32601 && parsed.error?.code !== -32603;
    }),
    { numRuns: 2_000 },
  );
  expect(errors).toEqual([]);
});
