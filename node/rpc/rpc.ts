/**
 * JSON-RPC 2.0 without a transport: text or a parsed request in, an answer out. Every input gets a valid answer, and
 * no answer shows more of a failure than its caller needs.
 */
import { pacer } from "../pace.ts";
import { NotRunError } from "../runner/types.ts";
import { BlockFeed } from "./block-feed.ts";
import type { Method, Methods, RpcContext, Session } from "./context.ts";
import { RPC_ERROR, RpcError } from "./errors.ts";
import { Filters } from "./filters.ts";
import { DEFAULT_RPC_LIMITS, type RpcLimits } from "./limits.ts";
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
import { SyncFeed } from "./sync-feed.ts";
import { InvalidValue, isObject } from "./values.ts";

/** Requests of a batch that run at the same time, where they wait for others and their answers are small. They begin in order. */
const BATCH_RUNNING = 32;
const SMALL_ANSWERS: ReadonlySet<unknown> = new Set([
  "eth_sendRawTransaction",
  "eth_getTransactionCount",
  "eth_getTransactionByHash",
  "eth_call",
  "eth_estimateGas",
]);

export type RpcId = string | number | null;

export type RpcAnswer =
  | { readonly jsonrpc: "2.0"; readonly id: RpcId; readonly result: unknown }
  | {
      readonly jsonrpc: "2.0";
      readonly id: RpcId;
      readonly error: { readonly code: number; readonly message: string; readonly data?: unknown };
    };

type FromOptions = "chain" | "pool" | "decode" | "runner" | "clientVersion" | "log";

export interface RpcOptions extends Pick<RpcContext, FromOptions> {
  /** Default 1 OPEN. */
  readonly txFeeCapWei?: bigint;
  readonly allowUnprotected?: boolean;
  readonly peerCount?: RpcContext["peerCount"];
  readonly syncStatus?: RpcContext["syncStatus"];
  readonly limits?: Partial<RpcLimits>;
  /** Offered method prefixes. Default: all that have methods. */
  readonly namespaces?: readonly string[];
  /** Methods of other parts, with full names. */
  readonly methods?: Methods;
  /** Called before each method: what was true when it was asked has to be in the answer. */
  readonly refresh?: () => void;
  /** Full names of methods that this chain cannot answer. */
  readonly withheld?: readonly string[];
  /** Unix milliseconds; for the lifetime of filters and the time of the pending block. */
  readonly now?: () => number;
}

export interface Rpc {
  readonly limits: RpcLimits;
  /** Answers one parsed request, by `deadline` (performance.now()); undefined for a notification. Never rejects. */
  handle(request: unknown, session: Session, deadline?: number): Promise<RpcAnswer | undefined>;
  /** Answers a request or a batch; undefined when there is nothing to say. Never rejects. */
  handleText(text: string, session: Session): Promise<string | undefined>;
  openSession(notify?: (text: string) => void): Session;
  closeSession(session: Session): void;
  close(): void;
}

export function errorText(code: number, message: string, id: RpcId = null): string {
  return JSON.stringify(errorAnswer(id, code, message));
}

export function createRpc(options: RpcOptions): Rpc {
  const limits: RpcLimits = { ...DEFAULT_RPC_LIMITS, ...options.limits };
  const all: Methods = {
    ...ethChain,
    ...ethCapabilities,
    ...ethState,
    ...ethSimulate,
    ...ethTransactions,
    ...ethFill,
    ...ethLogs(limits),
    ...netWeb3,
    ...txpool,
    ...debugRaw,
    ...options.methods,
  };
  const namespaces = new Set(options.namespaces ?? Object.keys(all).map(namespaceOf));
  // A map, so that names such as "constructor" find nothing.
  const methods = new Map<string, Method>(Object.entries(all).filter(([name]) => namespaces.has(namespaceOf(name))));
  for (const name of options.withheld ?? []) methods.delete(name);

  const { chain, pool, log } = options;
  const syncStatus = options.syncStatus ?? (() => undefined);
  const context: RpcContext = {
    txFeeCapWei: 10n ** 18n,
    allowUnprotected: false,
    peerCount: () => 0,
    now: Date.now,
    ...options,
    limits,
    // Not those that have no methods here.
    namespaces: new Set([...methods.keys()].map(namespaceOf)),
    syncStatus,
    syncing: new SyncFeed(syncStatus),
    blocks: new BlockFeed(chain, (err) => log.error({ err }, "subscription failed")),
    filters: new Filters(chain, pool, limits, options.now ?? Date.now),
  };

  async function handle(
    request: unknown,
    session: Session,
    deadline = performance.now() + limits.requestTimeoutMs,
  ): Promise<RpcAnswer | undefined> {
    if (!isObject(request)) return errorAnswer(null, RPC_ERROR.invalidRequest, "invalid request");
    const own = (name: string): unknown => (Object.hasOwn(request, name) ? request[name] : undefined);
    const [id, name, params] = [own("id"), own("method"), own("params")];
    const isNotification = !Object.hasOwn(request, "id");
    if (!isNotification && !isId(id)) return errorAnswer(null, RPC_ERROR.invalidRequest, "invalid request");
    const answerId = isNotification ? null : (id as RpcId);
    if (own("jsonrpc") !== "2.0" || typeof name !== "string") {
      return errorAnswer(answerId, RPC_ERROR.invalidRequest, "invalid request");
    }
    try {
      const result = await call(name, params, session, deadline);
      return isNotification ? undefined : { jsonrpc: "2.0", id: answerId, result };
    } catch (error) {
      if (isNotification) return undefined;
      if (error instanceof RpcError) return errorAnswer(answerId, error.code, error.message, error.data);
      if (error instanceof InvalidValue) return errorAnswer(answerId, RPC_ERROR.invalidParams, error.message);
      if (error instanceof NotRunError) return errorAnswer(answerId, RPC_ERROR.server, error.message);
      log.error({ err: error, method: name }, "method failed");
      return errorAnswer(answerId, RPC_ERROR.internal, "internal error");
    }
  }

  async function call(name: string, params: unknown, session: Session, deadline: number): Promise<unknown> {
    const found = methods.get(name);
    if (found === undefined) {
      throw new RpcError(RPC_ERROR.methodNotFound, `the method ${name.slice(0, 128)} does not exist/is not available`);
    }
    if (performance.now() > deadline) throw timedOut();
    options.refresh?.();
    const result = found.run(context, decodeArguments(found, params), session);
    return result instanceof Promise ? inTime(result, deadline) : result;
  }

  /** Answers of a batch count together against the response limit; what has not begun at the excess is refused, not run. */
  async function handleBatch(batch: readonly unknown[], session: Session): Promise<string | undefined> {
    if (batch.length === 0) return errorText(RPC_ERROR.invalidRequest, "empty batch");
    if (batch.length > limits.batchItems) {
      return errorText(RPC_ERROR.invalidRequest, `batch too large: ${batch.length} items, limit ${limits.batchItems}`);
    }
    const deadline = performance.now() + limits.requestTimeoutMs;
    const pause = pacer();
    const answers: string[] = [];
    const running: { readonly request: unknown; readonly answer: Promise<RpcAnswer | undefined> }[] = [];
    let bytes = 0;
    for (let next = 0; next < batch.length || running.length > 0; ) {
      await pause();
      const isOver = bytes > limits.responseBytes;
      while (!isOver && next < batch.length && running.length < BATCH_RUNNING) {
        const request = batch[next];
        const isSmall = isObject(request) && SMALL_ANSWERS.has(request.method);
        if (!isSmall && running.length > 0) break;
        running.push({ request, answer: handle(request, session, deadline) });
        next++;
        if (!isSmall) break;
      }
      const first = running.shift();
      const request = first === undefined ? batch[next++] : first.request;
      const answer = await first?.answer;
      const text = isOver ? tooLarge(idOf(request)) : stringify(answer);
      if (text === undefined) continue;
      bytes += text.length;
      answers.push(bytes > limits.responseBytes ? (tooLarge(idOf(request)) ?? text) : text);
    }
    return answers.length === 0 ? undefined : `[${answers.join(",")}]`;
  }

  function stringify(answer: RpcAnswer | undefined): string | undefined {
    if (answer === undefined) return undefined;
    const text = JSON.stringify(answer);
    return text.length > limits.responseBytes ? errorText(RPC_ERROR.tooLarge, "response too large", answer.id) : text;
  }

  return {
    limits,
    handle,
    async handleText(text, session) {
      let request: unknown;
      try {
        request = JSON.parse(text);
      } catch {
        return errorText(RPC_ERROR.parse, "parse error");
      }
      return Array.isArray(request) ? handleBatch(request, session) : stringify(await handle(request, session));
    },
    openSession: (notify) => ({ ...(notify === undefined ? {} : { notify }), subscriptions: new Map() }),
    closeSession(session) {
      for (const end of session.subscriptions.values()) end();
      session.subscriptions.clear();
    },
    close() {
      context.filters.close();
      context.blocks.close();
      context.syncing.close();
    },
  };
}

function timedOut(): RpcError {
  return new RpcError(RPC_ERROR.timeout, "request timed out");
}

/** The work itself goes on: only its caller stops waiting. */
async function inTime(result: Promise<unknown>, deadline: number): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(timedOut()), deadline - performance.now());
  });
  try {
    return await Promise.race([result, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Positional arguments. Missing ones at the end and nulls take the parameter's fallback. */
function decodeArguments({ parameters }: Method, params: unknown): unknown[] {
  const given = params ?? [];
  if (!Array.isArray(given)) throw new RpcError(RPC_ERROR.invalidParams, "non-array args");
  if (given.length > parameters.length) {
    throw new RpcError(RPC_ERROR.invalidParams, `too many arguments, want at most ${parameters.length}`);
  }
  return parameters.map(({ decode, fallback }, i) => {
    const value: unknown = given[i];
    if (value === undefined || value === null) {
      if (fallback !== undefined) return fallback();
      throw new RpcError(RPC_ERROR.invalidParams, `missing value for required argument ${i}`);
    }
    try {
      return decode(value);
    } catch (error) {
      if (error instanceof InvalidValue) {
        throw new RpcError(RPC_ERROR.invalidParams, `invalid argument ${i}: ${error.message}`);
      }
      throw error;
    }
  });
}

function tooLarge(id: RpcId | undefined): string | undefined {
  return id === undefined ? undefined : errorText(RPC_ERROR.tooLarge, "response too large", id);
}

/** Undefined for a notification. */
function idOf(request: unknown): RpcId | undefined {
  if (!isObject(request)) return null;
  if (!Object.hasOwn(request, "id")) return undefined;
  return isId(request.id) ? request.id : null;
}

function isId(id: unknown): id is RpcId {
  return id === null || typeof id === "string" || typeof id === "number";
}

function namespaceOf(name: string): string {
  return name.slice(0, name.indexOf("_"));
}

function errorAnswer(id: RpcId, code: number, message: string, data?: unknown): RpcAnswer {
  return { jsonrpc: "2.0", id, error: { code, message, ...(data === undefined ? {} : { data }) } };
}
