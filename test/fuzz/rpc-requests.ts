/** Requests of every shape out of a seed: proper ones, absurd ones, broken ones, and ones that are made to cost. */
import { bytesToHex } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { signTransaction } from "../../execution/tx/sign.ts";
import type { Random } from "../sim/random.ts";
import { BOMBS, bombRequest } from "./rpc-bombs.ts";
import { type Kind, METHODS } from "./rpc-methods.ts";

/** What the chain knows. */
export interface Vocabulary {
  readonly accounts: readonly string[];
  readonly hashes: readonly string[];
  readonly chainId: bigint;
  readonly head: () => number;
}

export interface RpcRequest {
  readonly text: string;
  /** What must come back: the ids of a single answer or of a batch's; "refusal": an error without an id; or anything. */
  readonly expected: { readonly id: unknown } | { readonly ids: readonly unknown[] } | "refusal" | "any";
  /** Runs for seconds where nobody stops it. */
  readonly isHeavy: boolean;
}

export interface Call {
  readonly method: unknown;
  readonly params: unknown;
}

const MAX = `0x${"f".repeat(64)}`;
const NAMES = Object.keys(METHODS);
const BLOCKS = ["latest", "earliest", "pending", "safe", "finalized", "0x0", "0x1"] as const;
const SMALL_GAS = "0x30000";
const TOPICS = ["newHeads", "logs", "newPendingTransactions", "syncing", "newhead", ""];
const TRACERS = [
  "callTracer",
  "prestateTracer",
  "4byteTracer",
  "noopTracer",
  "muxTracer",
  "{result:1}",
  "__proto__",
  "",
];
/** Accounts with native code, Ethereum's and our own. */
const NATIVE = ["1", "4", "5", "a", "11", "100", "901", "902"].map((last) => `0x${last.padStart(40, "0")}`);
const KEY = keccak256(new TextEncoder().encode("a sender of nonsense"));

/** Nested so deep. */
function nested(depth: number, isList: boolean): string {
  return isList ? `${"[".repeat(depth)}${"]".repeat(depth)}` : `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
}

export class RequestMaker {
  readonly #random: Random;
  readonly #words: Vocabulary;
  #id = 0;
  #bomb = 0;

  constructor(random: Random, words: Vocabulary) {
    this.#random = random;
    this.#words = words;
  }

  next(): RpcRequest {
    const kind = this.#random.real();
    if (kind < 0.76) return this.#single(this.call());
    if (kind < 0.82) return this.#batch();
    if (kind < 0.86) return this.#notEnvelope();
    if (kind < 0.93) return this.#notJson();
    if (kind < 0.95) return this.#single(bombRequest(this.#nextBomb(), this.#random, SMALL_GAS, false));
    return this.#single(this.#absurd());
  }

  /** A bomb with all the gas that the node allows, each in its turn. */
  heavy(): RpcRequest {
    const gas = this.#random.pick([undefined, undefined, "0x2faf080", "0xffffffffffffffff"]);
    return { ...this.#single(bombRequest(this.#nextBomb(), this.#random, gas, true)), isHeavy: true };
  }

  /** A known method, mostly with arguments as they are meant. */
  call(): Call {
    const random = this.#random;
    if (random.chance(0.02)) return { method: this.#nonsense(), params: random.pick([[], undefined, [1], {}]) };
    if (random.chance(0.02))
      return { method: random.pick(["eth_sign", "eth_", "_", "debug_x", "constructor"]), params: [] };
    const method = random.pick(NAMES);
    const params: unknown[] = METHODS[method]!.map((kind) =>
      random.chance(0.1) ? this.#nonsense() : this.#value(kind),
    );
    if (random.chance(0.1)) params.length = random.below(params.length + 1);
    if (random.chance(0.03)) params.push(this.#nonsense());
    return { method, params: random.chance(0.02) ? this.#nonsense() : params };
  }

  #nextBomb() {
    return BOMBS[this.#bomb++ % BOMBS.length]!;
  }

  #single({ method, params }: Call): RpcRequest {
    const id = this.#random.chance(0.9)
      ? ++this.#id
      : this.#random.pick([0, -1, 1.5, "x", "", "é".repeat(500), null, 1e300]);
    const text = JSON.stringify({ jsonrpc: "2.0", id, method, params });
    // A method that is undefined is left out: then it is no request.
    return { text, expected: { id }, isHeavy: false };
  }

  #batch(): RpcRequest {
    const random = this.#random;
    const size = random.pick([0, 1, 2, 10, 100, 101, 1_000]);
    const items: string[] = [];
    const ids: unknown[] = [];
    for (let i = 0; i < size; i++) {
      const kind = random.real();
      if (kind < 0.05) {
        items.push(random.pick(["1", "null", "[]", '"x"', "{}", "[[]]"]));
        ids.push(null);
      } else if (kind < 0.1) {
        items.push(JSON.stringify({ jsonrpc: "2.0", method: "eth_chainId", params: [] }));
      } else {
        // Cheap ones where there are many: what one costs, the single ones show.
        const { method, params } =
          size > 10 ? { method: "eth_getBalance", params: [this.#value("account"), "latest"] } : this.call();
        items.push(JSON.stringify({ jsonrpc: "2.0", id: ++this.#id, method, params }));
        ids.push(this.#id);
      }
    }
    const text = `[${items.join(",")}]`;
    if (size === 0 || size > 100) return { text, expected: "refusal", isHeavy: false };
    return { text, expected: ids.length === 0 ? "any" : { ids }, isHeavy: false };
  }

  /** JSON, but no request. */
  #notEnvelope(): RpcRequest {
    const random = this.#random;
    const { method, params } = this.call();
    const whole = { jsonrpc: "2.0", id: ++this.#id, method, params };
    const broken = random.pick<() => unknown>([
      () => ({ ...whole, jsonrpc: random.pick(["1.0", 2, null, undefined, {}]) }),
      () => ({ ...whole, id: random.pick([{}, [], true, { a: 1 }]) }),
      () => ({ ...whole, method: random.pick([1, null, {}, [], undefined]) }),
      () => random.pick([null, true, 1, "eth_chainId", {}, { id: 1 }, { method: "eth_chainId" }]),
      () => JSON.parse(`{"__proto__":${JSON.stringify(whole)}}`),
    ])();
    return { text: JSON.stringify(broken), expected: "any", isHeavy: false };
  }

  #notJson(): RpcRequest {
    const random = this.#random;
    const text = this.#single(this.call()).text;
    const depth = random.pick([100, 5_000, 100_000]);
    const broken = random.pick<() => string>([
      () => text.slice(0, random.below(text.length)),
      () => `${text}${random.pick(["}", "]", ",", "x", text])}`,
      () => text.replace(/"/, "'"),
      () => random.pick(["", " ", "\0", "nul", "NaN", "{", "[", '"', "\ufeff{}", "0x1", "<xml/>", "[1,]", "{'a':1}"]),
      () => `{"jsonrpc":"2.0","id":1,"method":"eth_call","params":${nested(depth, true).slice(1)}`,
      () => "9".repeat(random.pick([10, 1_000, 100_000])).concat("x"),
      () => String.fromCharCode(...Array.from({ length: 40 }, () => random.below(256))),
    ])();
    return { text: broken, expected: isJson(broken) ? "any" : "refusal", isHeavy: false };
  }

  /** A proper request for more than anybody may have. */
  #absurd(): Call {
    const random = this.#random;
    const account = this.#value("account");
    const list = <T>(length: number, make: (index: number) => T): T[] => Array.from({ length }, (_, i) => make(i));
    const address = (index: number): string => `0x${index.toString(16).padStart(40, "0")}`;
    const word = (index: number): string => `0x${index.toString(16).padStart(64, "0")}`;
    const call = { to: account, gas: SMALL_GAS };
    return random.pick<() => Call>([
      () => ({
        method: "eth_getLogs",
        params: [{ fromBlock: "0x0", toBlock: random.pick(["0xffffffffffffffff", MAX, "latest"]) }],
      }),
      () => ({ method: "eth_getLogs", params: [{ fromBlock: "latest", toBlock: "0x0" }] }),
      () => ({ method: "eth_getLogs", params: [{ address: list(random.pick([1_000, 1_001, 50_000]), address) }] }),
      () => ({
        method: "eth_getLogs",
        params: [{ fromBlock: "0x0", topics: list(random.pick([4, 5, 200]), () => list(50, word)) }],
      }),
      () => ({ method: "eth_newFilter", params: [{ fromBlock: "0x0", topics: [list(1_001, word)] }] }),
      () => ({
        method: "eth_feeHistory",
        params: [random.pick(["0x400", "0x401", MAX, 2 ** 53, "18446744073709551616"]), "latest", []],
      }),
      () => ({
        method: "eth_feeHistory",
        params: ["0x400", "latest", list(random.pick([100, 101, 100_000]), (i) => i / 1_000)],
      }),
      () => ({ method: "eth_getProof", params: [account, list(random.pick([1_024, 1_025, 20_000]), word), "latest"] }),
      () => ({
        method: "eth_getStorageValues",
        params: [Object.fromEntries(list(1_200, (i) => [address(i), [word(i)]])), "latest"],
      }),
      () => ({
        method: "eth_call",
        params: [
          call,
          "latest",
          Object.fromEntries(list(random.pick([100, 10_000]), (i) => [address(i + 5_000), { balance: MAX }])),
        ],
      }),
      () => ({
        method: "eth_call",
        params: [
          call,
          "latest",
          { [`${account}`]: { stateDiff: Object.fromEntries(list(20_000, (i) => [word(i), word(i)])) } },
        ],
      }),
      () => ({ method: "eth_call", params: [call, "latest", { [`${account}`]: { state: {}, stateDiff: {} } }] }),
      () => ({
        method: "eth_call",
        params: [
          {
            ...call,
            accessList: list(random.pick([100, 5_000]), (i) => ({ address: address(i), storageKeys: list(2, word) })),
          },
          "latest",
        ],
      }),
      () => ({
        method: "eth_call",
        params: [{ ...call, data: `0x${"00".repeat(random.pick([1_000, 500_000]))}` }, "latest"],
      }),
      () => ({
        method: "eth_call",
        params: [call, "latest", {}, { number: MAX, time: MAX, gasLimit: MAX, baseFeePerGas: MAX }],
      }),
      () => ({
        method: "eth_simulateV1",
        params: [{ blockStateCalls: list(random.pick([256, 257, 5_000]), () => ({})) }],
      }),
      () => ({
        method: "eth_simulateV1",
        params: [
          {
            blockStateCalls: [
              { blockOverrides: { number: random.pick(["0xffff", "0xffffffffffffffff", MAX, "0x0"]) } },
            ],
          },
        ],
      }),
      () => ({
        method: "eth_simulateV1",
        params: [
          { blockStateCalls: [{ calls: list(2_000, () => call) }], validation: true, returnFullTransactions: true },
        ],
      }),
      () => ({
        method: "debug_traceCall",
        params: [call, "latest", { timeout: random.pick(["1e9h", "9999999h", "-1s", "0s", ""]) }],
      }),
      () => ({
        method: "debug_traceCall",
        params: [call, "latest", { tracer: "muxTracer", tracerConfig: this.#deep(random.pick([3, 300])) }],
      }),
      () => ({ method: "debug_traceBlock", params: [`0x${"f9ffff".repeat(random.pick([1, 10_000]))}`] }),
      () => ({ method: "web3_sha3", params: [`0x${"00".repeat(random.pick([1_000, 2_000_000]))}`] }),
      () => ({
        method: "eth_sendRawTransaction",
        params: [`0x02${"00".repeat(random.pick([10, 131_072, 1_000_000]))}`],
      }),
      () => ({ method: "x".repeat(random.pick([1_000, 1_000_000])), params: [] }),
      () => ({ method: "eth_getBalance", params: [JSON.parse(nested(random.pick([100, 3_000]), random.chance(0.5)))] }),
      () => ({ method: "eth_getBalance", params: list(random.pick([100, 100_000]), () => 1) }),
    ])();
  }

  #deep(levels: number): unknown {
    let config: unknown = {};
    for (let i = 0; i < levels; i++) config = { muxTracer: { muxTracer: config } };
    return config;
  }

  #nonsense(): unknown {
    const random = this.#random;
    return random.pick<() => unknown>([
      () => random.pick([null, true, false, 0, -1, 1.5, 2 ** 53, 1e308, -0]),
      () =>
        random.pick(["", "0x", "0X1", "0x0x", "0xg", "x", " 0x1", "0x01", "-0x1", "latest ", "LATEST", "1e3", "NaN"]),
      () => `0x${"f".repeat(random.pick([1, 16, 17, 39, 41, 63, 65, 1_000, 50_000]))}`,
      () => "9".repeat(random.pick([20, 79, 5_000])),
      () =>
        random.pick(["\ud800", "\0", "é", "😀".repeat(100), "__proto__", "constructor", "toString", "hasOwnProperty"]),
      () => random.pick<unknown>([[], [[]], [null], {}, { a: 1 }, { length: 5 }, [[[[[]]]]]]),
      () => JSON.parse('{"__proto__":{"x":1},"constructor":1,"toString":2,"valueOf":3}'),
      () => this.#value(random.pick(["account", "hash", "block", "call", "filter", "simulation", "slots"])),
      () => Array.from({ length: random.pick([10, 1_000]) }, () => "0x1"),
    ])();
  }

  #value(kind: Kind): unknown {
    const random = this.#random;
    const { accounts, hashes, head } = this.#words;
    const number = (): string => `0x${random.pick([0, 1, 2, 7, 100, head(), head() + 1, 2 ** 40]).toString(16)}`;
    switch (kind) {
      case "account":
        return random.pick(accounts);
      case "hash":
        return random.pick(hashes);
      case "block":
        return random.pick<() => unknown>([
          () => random.pick(BLOCKS),
          () => "latest",
          () => number(),
          () => ({ blockHash: random.pick(hashes), requireCanonical: random.chance(0.5) }),
          () => ({ blockNumber: number() }),
        ])();
      case "quantity":
        return random.chance(0.1) ? MAX : number();
      case "boolean":
        return random.chance(0.5);
      case "bytes":
        return this.#bytes(random.pick([0, 1, 32, 100, 1_000]));
      case "transaction":
        return this.#transaction();
      case "call":
        return this.#call();
      case "overrides":
        return random.chance(0.5) ? {} : this.#overrides();
      case "blockOverrides":
        return random.chance(0.5) ? {} : this.#blockOverrides();
      case "filter":
        return this.#filter();
      case "filterId":
        return random.chance(0.5) ? `0x${random.below(20).toString(16)}` : this.#bytes(16);
      case "slots":
        return Array.from({ length: random.below(5) }, () => random.pick(hashes));
      case "slotsByAccount":
        return { [random.pick(accounts)]: [random.pick(hashes)] };
      case "percentiles":
        return random.pick<unknown>([[], [50], [0, 50, 100], [100, 0], [-1], [101], ["5"]]);
      case "simulation": {
        const calls = Array.from({ length: random.below(4) }, () => this.#call());
        const blocks = Array.from({ length: random.below(3) }, () => ({
          calls,
          ...(random.chance(0.2) && { stateOverrides: this.#overrides() }),
          ...(random.chance(0.2) && { blockOverrides: this.#blockOverrides() }),
        }));
        return { blockStateCalls: blocks, validation: random.chance(0.2), traceTransfers: random.chance(0.5) };
      }
      case "trace":
        return random.chance(0.5)
          ? {}
          : { tracer: random.pick(TRACERS), timeout: random.pick(["1s", "100ms", "x"]), limit: 50 };
      case "topic":
        return random.pick(TOPICS);
      case "milliseconds":
        return random.pick<unknown>([0, 1, 20, "0x10", -1]);
    }
  }

  #overrides(): Record<string, unknown> {
    const random = this.#random;
    const { accounts } = this.#words;
    const account = () => random.pick([...accounts, ...NATIVE]);
    const fields = () =>
      random.pick<unknown>([
        { balance: "0x1" },
        { code: this.#bytes(40) },
        { nonce: random.pick(["0x5", "0xffffffffffffffff"]) },
        { state: {} },
        { codes: 1 },
        { movePrecompileToAddress: account() },
      ]);
    return Object.fromEntries(Array.from({ length: 1 + random.below(3) }, () => [account(), fields()]));
  }

  #blockOverrides(): Record<string, unknown> {
    const random = this.#random;
    const number = () => random.pick(["0x0", "0x1", "0x5", "0xffffffff", MAX]);
    return {
      ...(random.chance(0.3) && { number: number() }),
      ...(random.chance(0.3) && { time: number() }),
      ...(random.chance(0.3) && { baseFeePerGas: number(), blobBaseFee: number() }),
      ...(random.chance(0.1) && { gasLimit: number() }),
      ...(random.chance(0.1) && { beaconRoot: this.#bytes(32) }),
      ...(random.chance(0.1) && {
        withdrawals: [{ index: number(), validatorIndex: "0x0", address: random.pick(NATIVE), amount: number() }],
      }),
    };
  }

  #call(): Record<string, unknown> {
    const random = this.#random;
    const { accounts } = this.#words;
    return {
      ...(random.chance(0.7) && { from: random.pick(accounts) }),
      ...(random.chance(0.8) && { to: random.pick(accounts) }),
      ...(random.chance(0.4) && { data: this.#bytes(random.pick([4, 36, 68])) }),
      ...(random.chance(0.3) && { value: random.pick(["0x0", "0x1", MAX]) }),
      gas: random.pick(["0x0", "0x5208", SMALL_GAS]),
      ...(random.chance(0.1) && { maxFeePerGas: random.pick(["0x0", "0x77359400", MAX]) }),
      ...(random.chance(0.05) && {
        nonce: random.pick(["0x0", MAX]),
        type: random.pick(["0x0", "0x2", "0x3", "0x7e"]),
      }),
      ...(random.chance(0.05) && { blobVersionedHashes: [this.#bytes(32)], maxFeePerBlobGas: "0x1" }),
    };
  }

  #filter(): Record<string, unknown> {
    const random = this.#random;
    const { accounts, hashes } = this.#words;
    const at = (): unknown => this.#value(random.chance(0.9) ? "block" : "quantity");
    return {
      ...(random.chance(0.2) ? { blockHash: random.pick(hashes) } : { fromBlock: at(), toBlock: at() }),
      ...(random.chance(0.5) && { address: random.chance(0.5) ? random.pick(accounts) : random.some(accounts, 0.5) }),
      ...(random.chance(0.5) && {
        topics: random.pick<unknown>([[], [null], [random.pick(hashes)], [[], null], [[random.pick(hashes)]]]),
      }),
    };
  }

  /** Signed and of a chain, mostly this one; or the bytes of one with some changed. */
  #transaction(): string {
    const random = this.#random;
    const envelope = signTransaction(
      {
        type: random.pick([0, 1, 2]),
        chainId: random.chance(0.9) ? this.#words.chainId : 1n,
        nonce: BigInt(random.pick([0, 1, 2 ** 40])),
        maxPriorityFeePerGas: 10n ** 9n,
        maxFeePerGas: 10n ** 10n,
        gasLimit: 21_000n,
        to: random.chance(0.5) ? new Uint8Array(20) : undefined,
        value: BigInt(random.below(5)),
        data: new Uint8Array(random.below(50)),
        accessList: [],
        authorizationList: [],
      },
      KEY,
    );
    if (random.chance(0.7))
      for (let i = random.below(4); i >= 0; i--) envelope[random.below(envelope.length)] = random.below(256);
    return bytesToHex(random.chance(0.1) ? envelope.subarray(0, random.below(envelope.length)) : envelope);
  }

  #bytes(length: number): string {
    return bytesToHex(Uint8Array.from({ length }, () => this.#random.below(256)));
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
