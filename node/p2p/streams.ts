/**
 * Reading and writing a libp2p stream with bounds. Its async iterator buffers whatever comes, and its `onDrain` waits
 * only the first time (libp2p 3.3: the promise is never renewed); hence the events themselves.
 */
import type { Stream } from "@libp2p/interface";

/** The other side ended the stream, or the connection did, before everything was there. */
export class StreamEnded extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StreamEnded";
  }
}

/** Above what is asked for, so much may wait to be read before the sender is held back. */
const READ_AHEAD_BYTES = 64 * 1_024;

/** One reader a stream. Buffers what `read` waits for, and READ_AHEAD_BYTES and what is on its way besides. */
export class StreamReader {
  readonly #stream: Stream;
  #parts: Uint8Array[] = [];
  #available = 0;
  #needed = 0;
  #error: Error | undefined;
  #wake: () => void = () => {};

  constructor(stream: Stream) {
    this.#stream = stream;
    stream.addEventListener("message", ({ data }) => {
      this.#parts.push(data.subarray());
      this.#available += data.byteLength;
      if (this.#available >= this.#needed) {
        this.#wake();
        if (this.#available > READ_AHEAD_BYTES && isReadable(stream)) stream.pause();
      }
    });
    stream.addEventListener("end", () => this.#end(new StreamEnded("the other side ended the stream")));
    stream.addEventListener("close", ({ error }) => {
      // Without an error there may be more in the stream's own buffer: `end` comes after it.
      if (error !== undefined) this.#end(new StreamEnded("the stream broke", { cause: error }));
    });
    if (stream.readableEnded) this.#end(new StreamEnded("the other side ended the stream"));
  }

  #end(error: Error): void {
    this.#error ??= error;
    this.#wake();
  }

  /** Throws StreamEnded when there are not so many bytes, and the signal's reason when it aborts. */
  async read(length: number, signal: AbortSignal): Promise<Uint8Array> {
    this.#needed = length;
    while (this.#available < length) {
      signal.throwIfAborted();
      if (this.#error !== undefined) throw this.#error;
      await this.#more(signal);
    }
    return this.#take(length);
  }

  /** True when the stream ended and everything was read. */
  async isAtEnd(signal: AbortSignal): Promise<boolean> {
    this.#needed = 1;
    while (this.#available === 0) {
      signal.throwIfAborted();
      if (this.#error !== undefined) return true;
      await this.#more(signal);
    }
    return false;
  }

  #more(signal: AbortSignal): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      const wake = () => {
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#wake = wake;
      signal.addEventListener("abort", wake);
    });
    this.#resume();
    return woken;
  }

  #resume(): void {
    if (this.#stream.readStatus !== "paused") return;
    try {
      this.#stream.resume();
    } catch {
      // The connection went away meanwhile: `close` tells.
    }
  }

  #take(length: number): Uint8Array {
    this.#available -= length;
    const taken = new Uint8Array(length);
    let at = 0;
    let used = 0;
    while (at < length) {
      const part = this.#parts[used]!;
      const count = Math.min(part.length, length - at);
      taken.set(part.subarray(0, count), at);
      at += count;
      if (count === part.length) used++;
      else this.#parts[used] = part.subarray(count);
    }
    this.#parts.splice(0, used);
    return taken;
  }
}

const isReadable = ({ readStatus }: Stream): boolean => readStatus === "readable";

/** Resolves when the stream takes more. Throws StreamEnded, or the signal's reason. */
export async function writeTo(stream: Stream, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  let takesMore: boolean;
  try {
    takesMore = stream.send(bytes);
  } catch (error) {
    throw new StreamEnded("the other side does not read", { cause: error });
  }
  while (!takesMore) {
    await writable(stream, signal);
    takesMore = !stream.writableNeedsDrain;
  }
}

function writable(stream: Stream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (how: () => void) => {
      stream.removeEventListener("drain", drained);
      stream.removeEventListener("close", closed);
      signal.removeEventListener("abort", aborted);
      how();
    };
    // The stream sends what it holds right after this event, and may be full again.
    const drained = () => settle(() => setImmediate(resolve));
    const closed = () => settle(() => reject(new StreamEnded("the other side does not read")));
    const aborted = () => settle(() => reject(signal.reason));
    if (stream.status !== "open") closed();
    else if (!stream.writableNeedsDrain) drained();
    else {
      stream.addEventListener("drain", drained);
      stream.addEventListener("close", closed);
      signal.addEventListener("abort", aborted);
      if (signal.aborted) aborted();
    }
  });
}
