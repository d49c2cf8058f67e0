/**
 * `npm run fuzz:rpc -- [--count 100000] [--seed 1]`: requests of every shape over HTTP and WebSocket against a real node
 * in a process of its own, while blocks come.
 *
 * Most are calls of known methods with arguments as they are meant, or nearly; others ask for more than anybody may have,
 * are no request, no JSON, no HTTP or no frame of WebSocket; one in 250 is a call that would run for ever, with all the
 * gas that the node allows, two of them at a time. All the while somebody sends transfers, and hears of blocks.
 *
 * Every answer is checked: its form, its id, its code, that it tells nothing of the program. Prints `name value unit goal`
 * a line; a goal that is missed ends in exit code 1.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { WebSocket } from "ws";
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import { addressOf, keccak256 } from "../../core/crypto.ts";
import { signTransaction } from "../../execution/tx/sign.ts";
import { DEVNET_CHAIN_ID, devnetAccount, privateKeyOf } from "../../node/accounts.ts";
import { Cluster, type ClusterNode } from "../helpers/cluster.ts";
import { areMet, atLeast, atMost, type Figure, figure, printFigure } from "../helpers/figures.ts";
import { mostMemoryMib } from "../helpers/process-stats.ts";
import { Random } from "../sim/random.ts";
import { checkAnswer } from "./rpc-check.ts";
import { RequestMaker, type RpcRequest } from "./rpc-requests.ts";
import { HttpClient, oddRequest, rawBytes, SocketClient, sendRaw } from "./rpc-transports.ts";

export interface FuzzOptions {
  readonly count: number;
  readonly seed: number;
}

export interface FuzzReport {
  readonly lines: readonly Figure[];
  /** With the request that shows it. */
  readonly surprises: readonly string[];
  /** The request that took longest. */
  readonly slowest: string;
}

const CLIENTS = 8;
const HEAVY_EVERY = 250;
const MOST_HEAVY = 2;
/** Then a WebSocket is opened anew: what it subscribed to is many by then. */
const SOCKET_REQUESTS = 200;
const BLOCK_MS = 100;
const HEARTBEAT_MS = 250;
const MOST_MS = 10_000;
const MOST_GAP_MS = 5_000;
const MOST_MEMORY_MIB = 2_048;
const MOST_SURPRISES = 20;
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const directory = mkdtempSync(join(tmpdir(), "fuzz-rpc-"));
  const timing = { intervalMs: BLOCK_MS, heartbeatMs: HEARTBEAT_MS };
  const alone = { validators: 1, unproxied: true, options: () => ({ p2p: false, "log.blocks": false }) };
  const cluster = await Cluster.create({ directory, ...timing, ...alone });
  try {
    await cluster.start();
    return await run(cluster.nodes[0]!, options);
  } finally {
    await cluster.stop();
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function run(node: ClusterNode, { count, seed }: FuzzOptions): Promise<FuzzReport> {
  const random = new Random(seed);
  const port = Number(new URL(node.rpcUrl).port);
  const surprises = new Surprises();
  const http = new HttpClient(port);
  // What is left of an odd request on a connection would be the beginning of the next one.
  const oddHttp = new HttpClient(port, false);
  const pace = await Pace.open(node);
  const tally = new Tally(surprises);
  const maker = new RequestMaker(random, {
    accounts: [...pace.accounts, ...PRECOMPILES],
    hashes: pace.hashes,
    chainId: DEVNET_CHAIN_ID,
    head: () => pace.head,
  });
  let [sent, heavy] = [0, 0];

  const client = async (): Promise<void> => {
    let socket: SocketClient | undefined;
    while (sent < count && !tally.isOver) {
      const index = sent++;
      const isHeavyOnesTurn = index % HEAVY_EVERY === HEAVY_EVERY - 1 && heavy < MOST_HEAVY;
      const request = isHeavyOnesTurn ? maker.heavy() : maker.next();
      const way = random.real();
      if (request.isHeavy) heavy++;
      if (way < 0.02 && !request.isHeavy) {
        await tally.odd(request, async () => oddHttp.send(oddRequest(request.text, random)));
      } else if (way < 0.03 && !request.isHeavy) {
        await tally.odd(request, async () => ({
          status: await sendRaw(port, rawBytes(request.text, random)),
          text: "",
        }));
      } else if (way < 0.3) {
        if (socket?.isOpen !== true || socket.requests > SOCKET_REQUESTS) {
          socket?.close();
          socket = await SocketClient.open(port);
        }
        // Of a notification nobody would hear again.
        const isSilent = request.expected === "any";
        if (socket !== undefined && !isSilent) await tally.frame(request, socket, random.chance(0.1));
        else await tally.ask(request, http);
      } else await tally.ask(request, http);
      if (request.isHeavy) heavy--;
    }
    socket?.close();
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  await tally.ask(
    { text: '{"jsonrpc":"2.0","id":"last","method":"eth_blockNumber"}', expected: { id: "last" }, isHeavy: false },
    http,
  );
  http.close();
  oddHttp.close();
  await pace.close();
  for (const text of pace.problems) surprises.add(text, "");
  for (const text of errorsLogged(readFileSync(node.logFile, "utf8"))) surprises.add(`the node logged: ${text}`, "");
  return {
    surprises: surprises.texts,
    slowest: tally.slowest,
    lines: [
      figure("requests", tally.requests, "requests", atLeast(count)),
      figure("requests_heavy", tally.heavy, "requests", atLeast(Math.floor(count / HEAVY_EVERY / 2))),
      figure("requests_websocket", tally.frames, "requests", atLeast(Math.floor(count / 10))),
      figure("answers_result", tally.results, "answers", atLeast(Math.floor(count / 5))),
      figure("answers_error", tally.errors, "answers", atLeast(Math.floor(count / 10))),
      figure("answers_5xx", tally.failures, "answers", atMost(0)),
      figure("crashes", tally.isOver ? 1 : 0, "crashes", atMost(0)),
      figure("surprises", surprises.count, "errors", atMost(0)),
      figure("time_slowest", Math.round(tally.slowestMs), "ms", atMost(MOST_MS)),
      figure("time_slowest_light", Math.round(tally.slowestLightMs), "ms"),
      figure("memory_most", Math.round(mostMemoryMib(node.pid!)), "MiB", atMost(MOST_MEMORY_MIB)),
      figure("blocks", pace.blocks, "blocks", atLeast(1)),
      figure("transfers_in_blocks", pace.transfers, "transactions", atLeast(1)),
      figure("block_gap_longest", Math.round(pace.longestMs), "ms", atMost(MOST_GAP_MS)),
    ],
  };
}

const PRECOMPILES = [1, 2, 5, 9, 0x901, 0x902, 0x903].map((number) => `0x${number.toString(16).padStart(40, "0")}`);

/** What pino writes at error and above, in the node's output. */
function errorsLogged(output: string): string[] {
  return output.split("\n").filter((text) => /^\{"level":(50|60|"error"|"fatal")/.test(text));
}

/** One of each kind: what it says before it says where. */
class Surprises {
  readonly texts: string[] = [];
  readonly #kinds = new Set<string>();

  get count(): number {
    return this.#kinds.size;
  }

  add(text: string, request: string): void {
    const kind = text.replace(/\d+/g, "0").slice(0, 80);
    if (!this.#kinds.has(kind) && this.texts.length < MOST_SURPRISES)
      this.texts.push(`${text}\n  ${request.slice(0, 400)}`);
    this.#kinds.add(kind);
  }
}

interface Given {
  readonly status: number;
  readonly text: string;
}

/** What was asked and how it was answered. */
class Tally {
  requests = 0;
  heavy = 0;
  frames = 0;
  results = 0;
  errors = 0;
  failures = 0;
  slowestMs = 0;
  slowest = "";
  slowestLightMs = 0;
  /** Nobody listens any more. */
  isOver = false;
  readonly #surprises: Surprises;

  constructor(surprises: Surprises) {
    this.#surprises = surprises;
  }

  async ask(request: RpcRequest, http: HttpClient): Promise<void> {
    const { status, text } = await this.#timed(request, () => http.send({ body: request.text }));
    // Longer than a request may be: refused before it is read.
    if (status === 200) this.#check(request, text);
    else if (status !== 413) this.#surprises.add(`status ${status}: ${text.slice(0, 300)}`, request.text);
  }

  async frame(request: RpcRequest, socket: SocketClient, isBinary: boolean): Promise<void> {
    this.frames++;
    const { status, text } = await this.#timed(request, () => socket.send(request.text, isBinary));
    if (status === 101) this.#check(request, text);
    else this.#surprises.add("a WebSocket was closed", request.text);
  }

  /** Whatever the answer is, it is not the server's fault. */
  async odd(request: RpcRequest, send: () => Promise<Given>): Promise<void> {
    const { text } = await this.#timed(request, send);
    const { problem } = checkAnswer(text.startsWith("{") ? text : "", { expected: "any" });
    if (problem !== undefined) this.#surprises.add(problem, request.text);
  }

  #check(request: RpcRequest, text: string): void {
    const { problem, results, errors } = checkAnswer(text, request);
    this.results += results;
    this.errors += errors;
    if (problem !== undefined) this.#surprises.add(problem, request.text);
  }

  async #timed(request: RpcRequest, send: () => Promise<Given>): Promise<Given> {
    this.requests++;
    if (request.isHeavy) this.heavy++;
    const startMs = performance.now();
    const given = await send();
    const tookMs = performance.now() - startMs;
    if (tookMs > this.slowestMs) [this.slowestMs, this.slowest] = [tookMs, request.text.slice(0, 400)];
    if (!request.isHeavy) this.slowestLightMs = Math.max(this.slowestLightMs, tookMs);
    if (given.status === 599) this.isOver = true;
    if (given.status >= 500) {
      this.failures++;
      this.#surprises.add(`status ${given.status}: ${given.text.slice(0, 300)}`, request.text);
    }
    return given;
  }
}

/** Sends a transfer for each block that it hears of, and measures the time from one to the next. */
class Pace {
  head = 0;
  blocks = 0;
  transfers = 0;
  longestMs = 0;
  readonly problems: string[] = [];
  readonly accounts: readonly string[];
  /** Of transactions and blocks, the newest last; a few at first. */
  readonly hashes: string[] = [`0x${"0".repeat(64)}`];
  readonly #socket: WebSocket;
  readonly #key = hexToBytes(privateKeyOf(devnetAccount(1)));
  #nonce = 0n;
  #lastMs = performance.now();
  #isOver = false;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    const other = addressOf(keccak256(new TextEncoder().encode("somebody")));
    this.accounts = [devnetAccount(0).address, devnetAccount(1).address, bytesToHex(other)];
    socket.on("message", (data) => this.#hear(JSON.parse(String(data))));
    socket.on("close", () => {
      if (!this.#isOver) this.problems.push("the node closed the connection that hears of blocks");
    });
  }

  /** Resolves with the first block that holds a transfer. */
  static async open(node: ClusterNode): Promise<Pace> {
    const socket = new WebSocket(node.rpcUrl.replace(/^http/, "ws"));
    const pace = new Pace(socket);
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    pace.#send("eth_subscribe", ["newHeads"]);
    pace.#transfer();
    while (pace.transfers === 0) await delay(20);
    pace.longestMs = 0;
    return pace;
  }

  async close(): Promise<void> {
    this.longestMs = Math.max(this.longestMs, performance.now() - this.#lastMs);
    this.#isOver = true;
    this.#socket.terminate();
  }

  #hear(message: {
    readonly error?: { readonly message: string };
    readonly result?: unknown;
    readonly params?: { readonly result: Head };
  }): void {
    if (message.error !== undefined) this.problems.push(`a transfer was refused: ${message.error.message}`);
    if (message.params === undefined) return;
    const { number, hash, gasUsed } = message.params.result;
    const nowMs = performance.now();
    this.longestMs = Math.max(this.longestMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    this.head = Number(number);
    this.blocks++;
    if (this.hashes.length < 20) this.hashes.push(hash);
    if (gasUsed === "0x0") return;
    this.transfers++;
    this.#transfer();
  }

  #transfer(): void {
    const transaction = {
      type: 2,
      chainId: DEVNET_CHAIN_ID,
      nonce: this.#nonce++,
      maxPriorityFeePerGas: 2n * 10n ** 9n,
      maxFeePerGas: 10n ** 11n,
      gasLimit: 21_000n,
      to: hexToBytes(this.accounts[2]! as `0x${string}`),
      value: 1n,
      data: new Uint8Array(0),
      accessList: [],
      authorizationList: [],
    } as const;
    const envelope = signTransaction(transaction, this.#key);
    if (this.hashes.length < 20) this.hashes.push(bytesToHex(keccak256(envelope)));
    this.#send("eth_sendRawTransaction", [bytesToHex(envelope)]);
  }

  #send(method: string, params: readonly unknown[]): void {
    this.#socket.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }));
  }
}

interface Head {
  readonly number: string;
  readonly hash: string;
  readonly gasUsed: string;
}

export const isGood = ({ lines }: FuzzReport): boolean => areMet(lines);

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { count: { type: "string", default: "100000" }, seed: { type: "string", default: "1" } },
  });
  const report = await fuzz({ count: Number(values.count), seed: Number(values.seed) });
  report.lines.forEach(printFigure);
  for (const surprise of report.surprises) console.error(surprise);
  if (!isGood(report)) console.error(`the slowest: ${report.slowest}`);
  process.exitCode = isGood(report) ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
