/**
 * One JSON-RPC endpoint of L1: a request at a time limit, answers of bounded size, and how long it is left alone after a
 * fault. What it says is believed only after it was checked (reader.ts).
 */
import type { Clock } from "../ports.ts";

/** The endpoint did not serve the request: another may. */
export class EndpointError extends Error {
  /** It said something that cannot be true, or is of another chain. */
  readonly isLie: boolean;
  /** How long it asks to be left alone. */
  readonly retryAfterMs: number;

  constructor(
    message: string,
    options: ErrorOptions & { readonly isLie?: boolean; readonly retryAfterMs?: number } = {},
  ) {
    super(message, options);
    this.name = "EndpointError";
    this.isLie = options.isLie ?? false;
    this.retryAfterMs = options.retryAfterMs ?? 0;
  }
}

/** L1 answered that the request is wrong or failed; another endpoint would say the same. */
export class L1RequestError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = "L1RequestError";
    this.code = code;
  }
}

/** A day's worth of full receipts of the largest blocks is far below. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const REST_MS = { first: 1_000, longest: 60_000 };
/** Who lied is asked again only when much else failed. */
const LIAR_REST_MS = 600_000;
/** JSON-RPC's "method not found" and the codes that providers use for "too many requests" and their own failures. */
const UNSUPPORTED = [-32601, -32004];
const OVERLOADED = [-32005, -32029, -32603, -32097, 429];
const OVERLOAD_WORDS = /rate limit|too many requests|limit exceeded|timeout|timed out|unavailable|capacity/i;

export class Endpoint {
  /** Without what may be secret in it. */
  readonly name: string;
  readonly #url: string;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #unsupported = new Set<string>();
  #faults = 0;
  #restUntilMs = 0;
  #id = 0;

  constructor(url: string, clock: Clock, timeoutMs: number) {
    this.#url = url;
    // Providers put keys into paths and queries.
    this.name = new URL(url).origin;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  get restUntilMs(): number {
    return this.#restUntilMs;
  }

  supports(method: string): boolean {
    return !this.#unsupported.has(method);
  }

  noteSuccess(): void {
    this.#faults = 0;
    this.#restUntilMs = 0;
  }

  /** Rests twice as long after each fault in a row, or as long as it asked for. */
  noteFault({ isLie, retryAfterMs }: EndpointError): void {
    const restMs = isLie ? LIAR_REST_MS : Math.min(REST_MS.first * 2 ** this.#faults, REST_MS.longest);
    this.#faults = Math.min(this.#faults + 1, 16);
    this.#restUntilMs = this.#clock.nowMs() + Math.max(restMs, Math.min(retryAfterMs, REST_MS.longest));
  }

  /** The result as JSON. Throws EndpointError and L1RequestError. */
  async request(method: string, params: readonly unknown[], signal: AbortSignal): Promise<unknown> {
    const timeout = new AbortController();
    const cancel = this.#clock.at(this.#clock.nowMs() + this.#timeoutMs, () =>
      timeout.abort(new Error(`no answer within ${this.#timeoutMs} ms`)),
    );
    const id = ++this.#id;
    try {
      const response = await fetch(this.#url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ jsonrpc: "2.0", id, method, params }),
        redirect: "error",
        signal: AbortSignal.any([signal, timeout.signal]),
      });
      if (response.status === 429 || response.status >= 500) {
        await response.body?.cancel();
        const retryAfterMs = 1_000 * (Number(response.headers.get("retry-after")) || 0);
        throw new EndpointError(`${this.name}: ${method}: HTTP ${response.status}`, { retryAfterMs });
      }
      return this.#resultOf(method, id, response.status, await readBounded(response));
    } catch (error) {
      if (error instanceof EndpointError || error instanceof L1RequestError) throw error;
      signal.throwIfAborted();
      throw new EndpointError(`${this.name}: ${method}: ${reasonOf(error)}`, { cause: error });
    } finally {
      cancel();
    }
  }

  #resultOf(method: string, id: number, status: number, text: string): unknown {
    const fail = (why: string) => new EndpointError(`${this.name}: ${method}: ${why}`);
    let answer: unknown;
    try {
      answer = JSON.parse(text);
    } catch {
      throw fail(`HTTP ${status}, and the answer is no JSON`);
    }
    const { id: answered, error, result } = (answer ?? {}) as Record<string, unknown>;
    if (error !== undefined && error !== null) {
      const { code, message } = error as { code?: unknown; message?: unknown };
      const said = `${message ?? "error"}`.slice(0, 200);
      if (UNSUPPORTED.includes(Number(code))) {
        this.#unsupported.add(method);
        throw fail("it is not supported");
      }
      if (OVERLOADED.includes(Number(code)) || OVERLOAD_WORDS.test(said)) throw fail(said);
      throw new L1RequestError(Number(code), said);
    }
    if (answered !== id || result === undefined) throw fail(`HTTP ${status}, and the answer is none of JSON-RPC`);
    return result;
  }
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}

/** Throws EndpointError when the body is too large. */
async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES) throw new EndpointError(`an answer of more than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
