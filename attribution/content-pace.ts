/** Bodies that keep up: who sends or reads one byte in a while would hold its place for ever. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { PaceLimits } from "./content-limits.ts";
import { HttpError } from "./http.ts";

/** Counts the time that was spent waiting for the other side. */
class Pace {
  readonly #limits: PaceLimits;
  #waitedMs = 0;
  #bytes = 0;

  constructor(limits: PaceLimits) {
    this.#limits = limits;
  }

  count(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Rejects with HttpError 408 when it takes too long. */
  async wait<T>(work: Promise<T>): Promise<T> {
    const { idleMs, graceMs, minBytesPerSecond } = this.#limits;
    const leftMs = graceMs + (this.#bytes * 1_000) / minBytesPerSecond - this.#waitedMs;
    const startMs = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new HttpError(408, "too-slow", `the body moves slower than ${minBytesPerSecond} bytes a second`)),
        Math.max(0, Math.min(idleMs, leftMs)),
      );
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
      this.#waitedMs += performance.now() - startMs;
    }
  }
}

/** The body, piece by piece. Throws HttpError 408 when it comes too slowly and 400 when it breaks off. */
export async function* pacedBody(
  request: IncomingMessage,
  limits: PaceLimits,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void> {
  const pace = new Pace(limits);
  // Left open when it is not read to its end: there is an answer to send.
  const pieces = request.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  try {
    for (;;) {
      const next = pieces.next();
      next.catch(() => {});
      const { done, value } = await pace.wait(next).catch((error: unknown) => {
        if (error instanceof HttpError) throw error;
        throw new HttpError(400, "aborted", "the request ended before its body did");
      });
      if (done === true) return;
      pace.count(value.length);
      onBytes(value.length);
      yield value;
    }
  } finally {
    // Not awaited: the iterator may be in the middle of waiting for a piece.
    void pieces.return?.()?.catch(() => {});
  }
}

/** Writes and, when the client is behind, waits for it. Throws HttpError 408. False: the client has left. */
export function pacedWriter(response: ServerResponse, limits: PaceLimits): (bytes: Uint8Array) => Promise<boolean> {
  const pace = new Pace(limits);
  return async (bytes) => {
    if (response.destroyed) return false;
    if (!response.write(bytes)) await pace.wait(drained(response));
    pace.count(bytes.length);
    return !response.destroyed;
  };
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
  });
}
