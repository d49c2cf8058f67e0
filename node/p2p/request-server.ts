/** Answering peers, within what each of them may ask. */
import type { Stream } from "@libp2p/interface";
import { TokenBucket } from "../../core/token-bucket.ts";
import type { Logger } from "../log.ts";
import type { Clock } from "../ports.ts";
import {
  ANSWER_RATE,
  MAX_REMEMBERED,
  MAX_REQUEST_BYTES,
  type ProtocolLimits,
  REQUEST_READ_MS,
  REQUESTS_AT_ONCE,
} from "./limits.ts";
import { PeerBuckets } from "./peer-buckets.ts";
import { Deadline, Places, TimeUp } from "./places.ts";
import { PENALTY } from "./reputation.ts";
import { frame, readU32, STATUS, TRAILER, u32 } from "./request-frames.ts";
import type { Counters } from "./stats.ts";
import { StreamEnded, StreamReader, writeTo } from "./streams.ts";
import { type PeerId, PROTOCOLS, type Protocol, type RequestHandler } from "./types.ts";

export interface RequestServerParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: Readonly<Record<Protocol, ProtocolLimits>>;
  readonly counters: Counters;
  readonly penalize: (peer: PeerId, points: number, reason: string) => void;
}

/** What was sent must have left by then; a stream that the asker keeps open is then cut. */
const LINGER_MS = 5_000;

/** The handler gave what the protocol does not allow: our own fault. */
class AnswerTooLarge extends Error {}

interface Buckets {
  readonly peer: PeerBuckets;
  readonly all: TokenBucket;
}

export class RequestServer {
  readonly #parts: RequestServerParts;
  readonly #handlers = new Map<Protocol, RequestHandler>();
  readonly #places = new Places(REQUESTS_AT_ONCE.served);
  readonly #requests: ReadonlyMap<Protocol, Buckets>;
  readonly #bytes: Buckets;
  readonly #underWay = new Set<Deadline>();

  constructor(parts: RequestServerParts) {
    this.#parts = parts;
    const nowMs = parts.clock.nowMs();
    const buckets = ({ peer, all }: Pick<ProtocolLimits, "peer" | "all">): Buckets => ({
      peer: new PeerBuckets(peer, MAX_REMEMBERED),
      all: new TokenBucket(all, nowMs),
    });
    this.#requests = new Map(PROTOCOLS.map((protocol) => [protocol, buckets(parts.limits[protocol])]));
    this.#bytes = buckets(ANSWER_RATE);
  }

  handle(protocol: Protocol, handler: RequestHandler): void {
    this.#handlers.set(protocol, handler);
  }

  /** Never rejects. The stream is closed or broken when it resolves. */
  async serve(protocol: Protocol, stream: Stream, peer: PeerId): Promise<void> {
    const { clock, limits, counters } = this.#parts;
    const isAllowed = this.#isAllowed(protocol, peer);
    const deadline = new Deadline(clock, limits[protocol].timeMs);
    this.#underWay.add(deadline);
    // However the asker leaves, the handler stops.
    const onClose = () => deadline.end(new StreamEnded("the asker left"));
    stream.addEventListener("close", onClose);
    try {
      const payload = await this.#payload(protocol, stream, peer, isAllowed);
      if (payload === undefined) return;
      if (isAllowed) await this.#answer(protocol, stream, peer, payload, deadline.signal);
      else {
        counters.requests.busy++;
        await this.#finish(stream, STATUS.busy);
      }
    } finally {
      stream.removeEventListener("close", onClose);
      deadline.clear();
      this.#underWay.delete(deadline);
      if (isAllowed) this.#places.giveBack(peer);
    }
  }

  /** Takes a place, unless the peer or everybody together asks too much. */
  #isAllowed(protocol: Protocol, peer: PeerId): boolean {
    const nowMs = this.#parts.clock.nowMs();
    const { peer: ofPeer, all } = this.#requests.get(protocol)!;
    if (!ofPeer.take(peer, 1, nowMs)) {
      this.#parts.penalize(peer, PENALTY.rate, `${protocol}: asks too often`);
      return false;
    }
    const hasBytes = this.#bytes.peer.take(peer, 0, nowMs) && this.#bytes.all.take(0, nowMs);
    return hasBytes && all.take(1, nowMs) && this.#places.take(peer);
  }

  /**
   * Undefined, and the stream is broken, when the request is none. One that is not answered is read as far as its length:
   * what is said before anything was asked, together with the end of libp2p's negotiation, gets lost at the asker.
   */
  async #payload(protocol: Protocol, stream: Stream, peer: PeerId, isAnswered: boolean) {
    const { clock, counters, penalize } = this.#parts;
    const deadline = new Deadline(clock, REQUEST_READ_MS);
    this.#underWay.add(deadline);
    const reader = new StreamReader(stream);
    try {
      const length = readU32(await reader.read(4, deadline.signal));
      if (length > MAX_REQUEST_BYTES) throw new RangeError(`a request of ${length} bytes`);
      return await reader.read(isAnswered ? length : 0, deadline.signal);
    } catch (error) {
      if (error instanceof TimeUp) penalize(peer, PENALTY.slow, `${protocol}: the request never arrives`);
      // A connection that breaks is nobody's fault; an end in the middle is.
      else if (stream.status !== "reset" && stream.status !== "aborted") {
        penalize(peer, PENALTY.garbage, `${protocol}: ${(error as Error).message}`);
      }
      counters.requests.bad++;
      stream.abort(new Error("no request"));
      return undefined;
    } finally {
      deadline.clear();
      this.#underWay.delete(deadline);
    }
  }

  async #answer(protocol: Protocol, stream: Stream, peer: PeerId, payload: Uint8Array, signal: AbortSignal) {
    const { counters, log } = this.#parts;
    const handler = this.#handlers.get(protocol);
    if (handler === undefined) {
      counters.requests.refused++;
      await this.#finish(stream, STATUS.refused);
      return;
    }
    try {
      await writeTo(stream, Uint8Array.of(STATUS.ok), signal);
      await this.#chunks(protocol, stream, peer, handler(payload, peer), signal);
      await writeTo(stream, u32(TRAILER.complete), signal);
      counters.requests.served++;
      await this.#close(stream);
    } catch (error) {
      counters.requests.failed++;
      if (signal.aborted) {
        stream.abort(signal.reason);
        return;
      }
      const level = error instanceof AnswerTooLarge ? "error" : "debug";
      log[level]({ err: error, protocol, peer }, "answer failed");
      await writeTo(stream, u32(TRAILER.failed), signal).catch(() => undefined);
      await this.#close(stream);
    }
  }

  async #chunks(
    protocol: Protocol,
    stream: Stream,
    peer: PeerId,
    answer: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, limits, counters } = this.#parts;
    const { chunkBytes, chunks, totalBytes } = limits[protocol];
    const iterator = Symbol.asyncIterator in answer ? answer[Symbol.asyncIterator]() : answer[Symbol.iterator]();
    let isDone = false;
    let bytes = 0;
    try {
      for (let count = 0; ; count++) {
        const { done, value } = await untilAborted(iterator.next(), signal);
        isDone = done === true;
        if (done === true) return;
        bytes += value.length;
        if (value.length > chunkBytes || bytes > totalBytes || count === chunks) {
          throw new AnswerTooLarge(`chunk ${count} of ${value.length} bytes, ${bytes} in all`);
        }
        this.#bytes.peer.charge(peer, value.length, clock.nowMs());
        this.#bytes.all.charge(value.length, clock.nowMs());
        counters.requests.bytesServed += value.length;
        await writeTo(stream, frame(value), signal);
      }
    } finally {
      // Not awaited: a handler that is in the middle of something stops after it.
      if (!isDone) void stopIterator(iterator);
    }
  }

  async #finish(stream: Stream, status: number): Promise<void> {
    try {
      stream.send(Uint8Array.of(status));
    } catch {
      // It broke meanwhile.
    }
    await this.#close(stream);
  }

  /** Lets what was sent leave; cuts the stream when the asker does not close its end. */
  async #close(stream: Stream): Promise<void> {
    const deadline = new Deadline(this.#parts.clock, LINGER_MS);
    this.#underWay.add(deadline);
    try {
      await stream.close({ signal: deadline.signal });
      await ended(stream, deadline.signal);
    } catch (error) {
      stream.abort(error as Error);
    } finally {
      deadline.clear();
      this.#underWay.delete(deadline);
    }
  }

  stop(): void {
    for (const deadline of this.#underWay) deadline.end(new StreamEnded("the network is stopped"));
  }
}

/** Discards what still comes. */
function ended(stream: Stream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (stream.status !== "open") resolve();
    stream.addEventListener("message", () => undefined);
    stream.addEventListener("close", () => resolve());
    signal.addEventListener("abort", () => reject(signal.reason));
    if (signal.aborted) reject(signal.reason);
    if (stream.readStatus === "paused") stream.resume();
  });
}

function untilAborted<T>(work: T | Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = () => reject(signal.reason);
    signal.addEventListener("abort", aborted);
    if (signal.aborted) aborted();
    Promise.resolve(work)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", aborted));
  });
}

async function stopIterator(iterator: Iterator<Uint8Array> | AsyncIterator<Uint8Array>): Promise<void> {
  try {
    await iterator.return?.();
  } catch {
    // Its answer is of no interest any more.
  }
}
