/**
 * L1 through several endpoints. Headers are believed when they hash to what they are called, receipts and transactions
 * when they make the header's roots: an endpoint that says otherwise is put aside for a while, one that is overloaded or
 * silent is left alone for longer and longer, and the request goes to the next. Nothing that is empty is kept: what is not
 * there now may be there later.
 */
import { bytesToHex, equalsBytes } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { orderedRoot } from "../../execution/block/ordered-root.ts";
import type { Logger } from "../log.ts";
import type { Clock } from "../ports.ts";
import { Endpoint, EndpointError, L1RequestError } from "./endpoint.ts";
import {
  bytesOf,
  fieldsOf,
  headerOf,
  type L1Receipt,
  listOf,
  quantityOf,
  receiptOf,
  type VerifiedHeader,
} from "./json.ts";
import { serializeL1Transaction, withoutBlobs } from "./transactions.ts";

/** No endpoint served the request: it may be made again later. */
export class L1UnavailableError extends Error {
  constructor(method: string, cause: unknown) {
    super(`L1 cannot be reached for ${method}: ${(cause as Error).message}`, { cause });
    this.name = "L1UnavailableError";
  }
}

export interface L1ClientOptions {
  /** The first is asked first. */
  readonly urls: readonly string[];
  readonly chainId: bigint;
  readonly clock: Clock;
  readonly log: Logger;
  readonly timeoutMs?: number;
}

export type BlockSelector = bigint | "latest" | "safe" | "finalized" | Uint8Array;

/** Of one request, over all endpoints. */
const ATTEMPTS_PER_ENDPOINT = 3;
const TIMEOUT_MS = 15_000;
/** What a node says of a transaction that it has already. */
const ALREADY_KNOWN = /already known|already imported|known transaction|already exists/i;

export class L1Client {
  readonly #endpoints: readonly Endpoint[];
  readonly #chainId: bigint;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #ofThisChain = new Set<Endpoint>();
  readonly #stopped = new AbortController();

  constructor({ urls, chainId, clock, log, timeoutMs = TIMEOUT_MS }: L1ClientOptions) {
    if (urls.length === 0) throw new RangeError("an L1 client needs at least one endpoint");
    this.#endpoints = urls.map((url) => new Endpoint(url, clock, timeoutMs));
    this.#chainId = chainId;
    this.#clock = clock;
    this.#log = log;
  }

  get chainId(): bigint {
    return this.#chainId;
  }

  /** Requests that run reject. */
  stop(): void {
    this.#stopped.abort(new Error("the L1 client was stopped"));
  }

  /**
   * Asks one endpoint after the other until one gives a result that `check` takes: it throws EndpointError for what is not
   * true, and returns undefined for what is not there, which is the answer when every endpoint says so. Rejects with
   * L1UnavailableError, or with L1RequestError when L1 says that the request is wrong.
   */
  async ask<T>(method: string, params: readonly unknown[], check: (result: unknown) => T): Promise<T> {
    let last: EndpointError | undefined;
    const empty = new Set<Endpoint>();
    for (let attempt = 0; attempt < ATTEMPTS_PER_ENDPOINT * this.#endpoints.length; attempt++) {
      const endpoint = this.#next(method, empty);
      if (endpoint === undefined) break;
      await this.#untilRested(endpoint);
      try {
        const answer = await this.#askOne(endpoint, method, params, check);
        if (answer !== undefined) return answer;
        empty.add(endpoint);
      } catch (error) {
        if (!(error instanceof EndpointError)) throw error;
        last = error;
      }
    }
    if (empty.size > 0) return undefined as T;
    throw new L1UnavailableError(method, last ?? new Error("no endpoint supports it"));
  }

  async #askOne<T>(
    endpoint: Endpoint,
    method: string,
    params: readonly unknown[],
    check: (result: unknown) => T,
  ): Promise<T> {
    try {
      await this.#requireChain(endpoint);
      const answer = check(await endpoint.request(method, params, this.#stopped.signal));
      endpoint.noteSuccess();
      return answer;
    } catch (error) {
      if (!(error instanceof EndpointError)) throw error;
      // Not to know a method is no fault.
      if (!endpoint.supports(method)) throw error;
      endpoint.noteFault(error);
      const fields = { endpoint: endpoint.name, method, problem: error.message };
      if (error.isLie) this.#log.warn(fields, "an L1 endpoint is put aside for a false answer");
      else this.#log.debug(fields, "an L1 endpoint failed");
      throw error;
    }
  }

  /** Who rests least; of equals the first. */
  #next(method: string, without: ReadonlySet<Endpoint>): Endpoint | undefined {
    const nowMs = this.#clock.nowMs();
    let best: Endpoint | undefined;
    for (const endpoint of this.#endpoints) {
      if (without.has(endpoint) || !endpoint.supports(method)) continue;
      if (best === undefined || Math.max(endpoint.restUntilMs, nowMs) < Math.max(best.restUntilMs, nowMs)) {
        best = endpoint;
      }
    }
    return best;
  }

  async #untilRested({ restUntilMs }: Endpoint): Promise<void> {
    const { signal } = this.#stopped;
    signal.throwIfAborted();
    if (restUntilMs <= this.#clock.nowMs()) return;
    await new Promise<void>((resolve, reject) => {
      const stop = () => {
        cancel();
        reject(signal.reason);
      };
      const cancel = this.#clock.at(restUntilMs, () => {
        signal.removeEventListener("abort", stop);
        resolve();
      });
      signal.addEventListener("abort", stop, { once: true });
    });
  }

  async #requireChain(endpoint: Endpoint): Promise<void> {
    if (this.#ofThisChain.has(endpoint)) return;
    const id = quantityOf(await endpoint.request("eth_chainId", [], this.#stopped.signal), "eth_chainId");
    if (id !== this.#chainId) {
      throw new EndpointError(`${endpoint.name} is chain ${id}, the network's L1 is ${this.#chainId}`, { isLie: true });
    }
    this.#ofThisChain.add(endpoint);
  }

  // What is verified

  /** Undefined when no endpoint has it. */
  header(selector: BlockSelector): Promise<VerifiedHeader | undefined> {
    return this.ask(...blockRequest(selector, false), (result) => checkedHeader(result, selector));
  }

  /**
   * Whether an endpoint has this block at this number. Those that say otherwise are put aside when another agrees.
   * "unknown": nobody answered.
   */
  async confirms(number: bigint, hash: Uint8Array): Promise<"yes" | "no" | "unknown"> {
    const others: Endpoint[] = [];
    let agrees = false;
    for (const endpoint of this.#endpoints) {
      try {
        const [method, params] = blockRequest(number, false);
        const found = await this.#askOne(endpoint, method, params, (result) => checkedHeader(result, number));
        if (found === undefined) continue;
        if (equalsBytes(found.hash, hash)) agrees = true;
        else others.push(endpoint);
      } catch (error) {
        if (!(error instanceof EndpointError) && !(error instanceof L1RequestError)) throw error;
      }
    }
    if (!agrees) return others.length > 0 ? "no" : "unknown";
    for (const endpoint of others) {
      endpoint.noteFault(new EndpointError(`another block ${number}`, { isLie: true }));
      this.#log.warn({ endpoint: endpoint.name, l1: Number(number) }, "an L1 endpoint follows another chain");
    }
    return "yes";
  }

  /** All receipts of a block, which make its receiptsRoot. Rejects with L1UnavailableError. */
  async receipts({ header, hash, transactionHashes }: VerifiedHeader): Promise<readonly L1Receipt[]> {
    const check = (items: unknown): readonly L1Receipt[] => {
      const receipts = listOf(items, "receipts").map(receiptOf);
      requireRoot(
        receipts.map(({ encoded }) => encoded),
        header.receiptsRoot,
        `receipts of block ${header.number}`,
      );
      return receipts;
    };
    try {
      return await this.ask("eth_getBlockReceipts", [bytesToHex(hash)], (result) => check(result ?? []));
    } catch (error) {
      if (!(error instanceof L1UnavailableError) && !(error instanceof L1RequestError)) throw error;
      // Not everybody has the method, and some know it by number only.
      const items: unknown[] = [];
      for (const transactionHash of transactionHashes) {
        items.push(await this.ask("eth_getTransactionReceipt", [transactionHash], requireThere));
      }
      try {
        return check(items);
      } catch (cause) {
        throw new L1UnavailableError(`the receipts of block ${header.number}`, cause);
      }
    }
  }

  /** Raw transactions of a block, which make its transactionsRoot. Rejects with L1UnavailableError. */
  async transactions(hash: Uint8Array): Promise<readonly Uint8Array[]> {
    const [method, params] = blockRequest(hash, true);
    const { header, items } = await this.ask(method, params, (result) => {
      const { header, transactionHashes } = checkedHeader(requireThere(result), hash) as VerifiedHeader;
      const items = transactionHashes.map((item) => {
        const transactionHash = bytesOf(fieldsOf(item, "transaction").hash, "hash", 32);
        const raw = serializeL1Transaction(item);
        const isWhole = raw !== undefined && equalsBytes(keccak256(raw), transactionHash);
        return { transactionHash, raw: isWhole ? raw : undefined };
      });
      const known = items.flatMap(({ raw }) => (raw === undefined ? [] : [raw]));
      if (known.length === items.length) requireRoot(known, header.transactionsRoot, "transactions");
      return { header, items };
    });
    const raws: Uint8Array[] = [];
    for (const { transactionHash, raw } of items) raws.push(raw ?? (await this.#rawTransaction(transactionHash)));
    try {
      requireRoot(raws, header.transactionsRoot, `transactions of block ${header.number}`);
    } catch (cause) {
      throw new L1UnavailableError(`the transactions of block ${header.number}`, cause);
    }
    return raws;
  }

  /** Of a type that is not known here. */
  #rawTransaction(hash: Uint8Array): Promise<Uint8Array> {
    return this.ask("eth_getRawTransactionByHash", [bytesToHex(hash)], (result) => {
      const raw = withoutBlobs(bytesOf(requireThere(result), "raw transaction"));
      if (!equalsBytes(keccak256(raw), hash)) throw new EndpointError("another transaction", { isLie: true });
      return raw;
    });
  }

  // What is not

  /** To every endpoint. Rejects with L1RequestError when all that answer refuse it, L1UnavailableError if none answers. */
  async broadcast(raw: Uint8Array): Promise<void> {
    const hex = bytesToHex(raw);
    const method = "eth_sendRawTransaction";
    const results = await Promise.allSettled(
      this.#endpoints
        .filter((endpoint) => endpoint.restUntilMs <= this.#clock.nowMs())
        .map((endpoint) => this.#askOne(endpoint, method, [hex], () => true)),
    );
    let refusal: L1RequestError | undefined;
    let failure: unknown = new Error("every endpoint rests");
    for (const result of results) {
      if (result.status === "fulfilled") return;
      if (result.reason instanceof L1RequestError) {
        if (ALREADY_KNOWN.test(result.reason.message)) return;
        refusal = result.reason;
      } else failure = result.reason;
    }
    throw refusal ?? new L1UnavailableError(method, failure);
  }
}

function blockRequest(selector: BlockSelector, isFull: boolean): [method: string, params: unknown[]] {
  if (selector instanceof Uint8Array) return ["eth_getBlockByHash", [bytesToHex(selector), isFull]];
  const at = typeof selector === "bigint" ? `0x${selector.toString(16)}` : selector;
  return ["eth_getBlockByNumber", [at, isFull]];
}

function checkedHeader(result: unknown, selector: BlockSelector): VerifiedHeader | undefined {
  if (result === null) return undefined;
  const verified = headerOf(result);
  const isAsked =
    typeof selector === "string" ||
    (typeof selector === "bigint" ? verified.header.number === selector : equalsBytes(verified.hash, selector));
  if (!isAsked) throw new EndpointError("another block than was asked for", { isLie: true });
  return verified;
}

function requireThere(result: unknown): unknown {
  if (result === null) throw new EndpointError("it is not there");
  return result;
}

function requireRoot(items: readonly Uint8Array[], root: Uint8Array, what: string): void {
  if (equalsBytes(orderedRoot(items), root)) return;
  // Nodes answer with nothing for what they have not indexed yet: that is no lie.
  throw new EndpointError(`the ${what} do not make the header's root`, { isLie: items.length > 0 });
}
