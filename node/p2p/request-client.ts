/** Asking one peer. */
import type { Stream } from "@libp2p/interface";
import type { Clock } from "../ports.ts";
import { MAX_REQUEST_BYTES, type ProtocolLimits, REQUESTS_AT_ONCE } from "./limits.ts";
import { Deadline, Places, TimeUp } from "./places.ts";
import { PENALTY } from "./reputation.ts";
import { frame, readU32, STATUS, TRAILER } from "./request-frames.ts";
import type { Counters } from "./stats.ts";
import { StreamEnded, StreamReader, writeTo } from "./streams.ts";
import { type PeerId, type Protocol, RequestError } from "./types.ts";

export interface RequestClientParts {
  readonly clock: Clock;
  readonly limits: Readonly<Record<Protocol, ProtocolLimits>>;
  readonly counters: Counters;
  /** Rejects when there is no connection, or the peer does not know the protocol. */
  readonly open: (peer: PeerId, protocol: Protocol, signal: AbortSignal) => Promise<Stream>;
  readonly penalize: (peer: PeerId, points: number, reason: string) => void;
}

export class RequestClient {
  readonly #parts: RequestClientParts;
  readonly #places = new Places(REQUESTS_AT_ONCE.asked);
  readonly #underWay = new Set<Deadline>();
  #isStopped = false;

  constructor(parts: RequestClientParts) {
    this.#parts = parts;
  }

  async *request(peer: PeerId, protocol: Protocol, payload: Uint8Array): AsyncGenerator<Uint8Array, void> {
    const { clock, limits, open, counters } = this.#parts;
    if (payload.length > MAX_REQUEST_BYTES) {
      throw new RangeError(`a request of ${payload.length} bytes, at most ${MAX_REQUEST_BYTES} are allowed`);
    }
    if (this.#isStopped) throw new RequestError("closed", "the network is stopped");
    if (!this.#places.take(peer)) throw new RequestError("busy", `too many requests at once to ${peer}`);
    const deadline = new Deadline(clock, limits[protocol].timeMs);
    this.#underWay.add(deadline);
    counters.requests.asked++;
    let stream: Stream | undefined;
    let isComplete = false;
    try {
      stream = await open(peer, protocol, deadline.signal);
      const reader = new StreamReader(stream);
      await writeTo(stream, frame(payload), deadline.signal);
      // Waits for nothing: what was sent is on its way, and this end is closed after it.
      stream.close({ signal: deadline.signal }).catch(() => undefined);
      yield* this.#answer(reader, protocol, deadline.signal);
      isComplete = true;
    } catch (error) {
      throw this.#failure(peer, protocol, error);
    } finally {
      deadline.clear();
      this.#underWay.delete(deadline);
      this.#places.giveBack(peer);
      if (!isComplete) stream?.abort(new Error("the asker left"));
    }
  }

  async *#answer(reader: StreamReader, protocol: Protocol, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
    const { chunkBytes, chunks, totalBytes } = this.#parts.limits[protocol];
    const [status] = await reader.read(1, signal);
    if (status === STATUS.busy) throw new RequestError("busy", "the peer is busy");
    if (status === STATUS.refused) throw new RequestError("refused", "the peer does not answer this");
    if (status !== STATUS.ok) throw new RequestError("bad", `unknown status ${status}`);
    let leftBytes = totalBytes;
    for (let count = 0; ; count++) {
      const length = readU32(await reader.read(4, signal));
      if (length === TRAILER.complete) break;
      if (length === TRAILER.failed) throw new RequestError("refused", "the peer could not finish its answer");
      if (length > chunkBytes) throw new RequestError("bad", `a chunk of ${length} bytes`);
      if (length > leftBytes) throw new RequestError("bad", `more than ${totalBytes} bytes`);
      if (count === chunks) throw new RequestError("bad", `more than ${chunks} chunks`);
      leftBytes -= length;
      yield await reader.read(length, signal);
    }
    if (!(await reader.isAtEnd(signal))) throw new RequestError("bad", "bytes after the answer");
  }

  #failure(peer: PeerId, protocol: Protocol, error: unknown): RequestError {
    const failure = asRequestError(error);
    this.#parts.counters.requests.failed++;
    if (failure.code === "bad") this.#parts.penalize(peer, PENALTY.garbage, `${protocol}: ${failure.message}`);
    return failure;
  }

  stop(): void {
    this.#isStopped = true;
    for (const deadline of this.#underWay) deadline.end(new RequestError("closed", "the network is stopped"));
  }
}

function asRequestError(error: unknown): RequestError {
  if (error instanceof RequestError) return error;
  if (error instanceof TimeUp) return new RequestError("timeout", error.message, { cause: error });
  if (error instanceof StreamEnded) return new RequestError("closed", error.message, { cause: error });
  const { name, message } = error as Error;
  const code = name === "UnsupportedProtocolError" ? "refused" : "closed";
  return new RequestError(code, message, { cause: error });
}
