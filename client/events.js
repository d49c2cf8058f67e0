/** A subscription over Server-Sent Events (the protocol "GraphQL over SSE", distinct connections), with reconnection. */
import { LineageError, LineageQueryError, LineageTransportError } from "./errors.js";

const IDLE_TIMEOUT_MS = 45_000;
const MAX_RETRIES = 20;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 10_000;
const MAX_EVENT_CHARS = 4 * 1024 * 1024;

/** What a server says that is stopping, or cannot serve this client now: another attempt may find it otherwise. */
const PASSING = ["STOPPING", "UNAVAILABLE", "RATE_LIMITED", "TOO_MANY_SUBSCRIBERS", "SLOW_CONSUMER", "TIMEOUT"];

/**
 * What `each` makes of every event, without end. A connection that breaks, is silent for `idleTimeoutMs` or is ended by
 * the server is made anew after a pause that doubles, and so it is when `each` cannot reach the server; `maxRetries`
 * attempts without an event between them end it with the last error.
 * @template T
 * @param {string} url
 * @param {(signal: AbortSignal) => Promise<Response>} connect
 * @param {import("./lineage.d.ts").SubscribeOptions} options
 * @param {(data: any) => AsyncIterable<T>} each is given the data, and undefined whenever a connection begins: later
 * events will come, those before may be missing
 */
export async function* followEvents(url, connect, options, each) {
  const {
    signal,
    idleTimeoutMs = IDLE_TIMEOUT_MS,
    maxRetries = MAX_RETRIES,
    retryMs = FIRST_RETRY_MS,
    onRetry,
  } = options;
  for (let failures = 0; ; ) {
    signal?.throwIfAborted();
    const watch = watchdog(idleTimeoutMs, signal);
    try {
      const response = await connect(watch.signal);
      for await (const data of eventsOf(url, response, watch.alive)) {
        // Whoever takes his time with an event does not make the server silent.
        watch.pause();
        yield* each(data);
        if (data !== undefined) failures = 0;
        watch.alive();
      }
      throw new LineageTransportError("UNREACHABLE", `${url} has ended the subscription: is it stopping?`);
    } catch (error) {
      signal?.throwIfAborted();
      if (isFinal(error)) throw error;
      failures += 1;
      const reason = asLineageError(url, error);
      if (failures > maxRetries) throw reason;
      onRetry?.(reason);
    } finally {
      watch.stop();
    }
    await pause(Math.min(retryMs * 2 ** (failures - 1), LAST_RETRY_MS), signal);
  }
}

/** Ends a connection that is silent for `idleMs`, and with it goes what the caller's signal ends.
 * @param {number} idleMs
 * @param {AbortSignal | undefined} outer
 */
function watchdog(idleMs, outer) {
  const controller = new AbortController();
  const end = () => controller.abort(outer?.reason);
  outer?.addEventListener("abort", end, { once: true });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const quiet = () => clearTimeout(timer);
  function alive() {
    quiet();
    timer = setTimeout(() => controller.abort(new Error(`nothing came for ${idleMs} ms`)), idleMs);
  }
  alive();
  return {
    signal: controller.signal,
    alive,
    pause: quiet,
    stop() {
      quiet();
      outer?.removeEventListener("abort", end);
      controller.abort();
    },
  };
}

/**
 * Undefined once the server has answered, which it does when events count for this client; then the data of each event.
 * Returns when the server says that the subscription is complete; throws when the stream ends without that.
 * @param {string} url
 * @param {Response} response
 * @param {() => void} alive is called for every part that comes
 */
async function* eventsOf(url, response, alive) {
  const { status, body } = response;
  const type = response.headers.get("content-type") ?? "";
  if (!response.ok || body === null || !type.includes("text/event-stream")) {
    const text = (await response.text()).slice(0, 200);
    const code = response.ok ? "BAD_ANSWER" : "HTTP";
    throw new LineageTransportError(code, `${url} answered ${status} ${type}: ${text}`, { status });
  }
  yield undefined;
  let event = "";
  let data = "";
  for await (const line of linesOf(body, alive)) {
    if (line === "") {
      if (event === "complete") return;
      if (event === "next") yield dataOf(data);
      event = "";
      data = "";
    } else if (line.startsWith("event:")) event = line.slice(6).trim();
    else if (line.startsWith("data:")) data += line.slice(5);
    // Comments keep the connection alive; ids and retries are not used.
  }
  throw new Error("the stream ended before the subscription did");
}

/** @param {string} text */
function dataOf(text) {
  const { data, errors } = JSON.parse(text);
  if (Array.isArray(errors) && errors.length > 0) throw new LineageQueryError(errors);
  return data;
}

/**
 * @param {ReadableStream<Uint8Array>} body
 * @param {() => void} alive
 */
async function* linesOf(body, alive) {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
      const lines = (rest + decoder.decode(value, { stream: true })).split(/\r?\n/);
      rest = lines.pop() ?? "";
      if (rest.length > MAX_EVENT_CHARS) throw new Error(`an event is longer than ${MAX_EVENT_CHARS} characters`);
      yield* lines;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** What another attempt would not change.
 * @param {unknown} error
 */
function isFinal(error) {
  if (error instanceof LineageQueryError) return !PASSING.includes(error.code);
  if (!(error instanceof LineageTransportError) || error.status === undefined) return false;
  return error.status < 500 && error.status !== 429;
}

/**
 * @param {string} url
 * @param {unknown} error
 */
function asLineageError(url, error) {
  if (error instanceof LineageError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new LineageTransportError("UNREACHABLE", `${url} cannot be reached: ${reason}`, { cause: error });
}

/**
 * @param {number} ms
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<void>}
 */
function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
