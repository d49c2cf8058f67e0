/**
 * The peers that sync can ask: what they say they have, how fast they were, and how far they can be relied on. A peer
 * that breaks the protocol is penalized and left alone for a while; one that is slow, busy or gone is only used less.
 */
import { epochOfHeight } from "../../consensus/types.ts";
import { EMPTY_BYTES, equalsBytes } from "../../core/bytes.ts";
import type { Logger } from "../log.ts";
import { type Network, type PeerId, type Protocol, RequestError } from "../p2p/types.ts";
import type { Clock } from "../ports.ts";
import { decodeStatus, MessageError, type Status } from "./messages.ts";

/** Peers that are remembered; the network has fewer. */
const MAX_PEERS = 128;
/** Requests to one peer at a time, statuses not counted. */
export const MAX_IN_FLIGHT = 2;
/** Without a chunk for so long, or with an answer that takes so long in all, a peer is given up. */
const IDLE_MS = 6_000;
const ANSWER_MS = 30_000;
/** After a failure a peer rests: twice as long each time, up to the limit. */
const REST_MS: Readonly<Record<RequestError["code"], number>> = {
  busy: 500,
  closed: 1_000,
  refused: 2_000,
  timeout: 4_000,
  bad: 4_000,
};
const LONGEST_REST_MS = 60_000;
const DOUBT_MS = 4_000;
/** A peer that lacks part of a download is not asked for it again at once. */
const LACKING_REST_MS = 500;
const DOWNLOADS: readonly Protocol[] = ["blocks-by-range", "state"];
/** An urgent request goes to one peer more when the last one asked has not answered by then. */
const HEDGE_MS = 300;
/** How long a peer that lied is not asked again, should the network still have it. */
const DISTRUST_MS = 600_000;
const MAX_STATUS_BYTES = 4_096;
/** An answer counts as this large at least: below it the time is that of the round trip. */
const MEASURED_BYTES = 4_096;

interface Entry {
  readonly id: PeerId;
  status: Status | undefined;
  isAskedForStatus: boolean;
  inFlight: number;
  failures: number;
  doubts: number;
  restUntilMs: number;
  hasLied: boolean;
  /** Moving average; 0 before the first answer. */
  msPerByte: number;
}

export interface Request<T> {
  readonly protocol: Protocol;
  readonly payload: Uint8Array;
  /** An answer beyond them is a lie. */
  readonly limits: { readonly chunks: number; readonly bytes: number };
  /** Undefined when the answer shows that the peer lacks what was asked for. Throws MessageError for a lie. */
  readonly read: (chunks: AsyncIterable<Uint8Array>, peer: PeerId) => Promise<T | undefined>;
}

/** What a peer must have to be worth asking. */
export interface Need {
  readonly from?: bigint;
  readonly to?: bigint;
  readonly prefer?: PeerId | undefined;
  /** What consensus waits for has a place of its own beside downloads. */
  readonly isUrgent?: boolean;
}

export interface PeersParts {
  readonly network: Network;
  readonly clock: Clock;
  readonly log: Logger;
  readonly genesisHash: Uint8Array;
  readonly epochBlocks: number;
}

export class Peers {
  readonly #parts: PeersParts;
  readonly #entries = new Map<PeerId, Entry>();
  /** What waits for a peer. */
  readonly #waiting = new Set<(error: Error) => void>();
  #isStopped = false;

  constructor(parts: PeersParts) {
    this.#parts = parts;
  }

  /** Everything that waits for a peer ends, and nothing is asked any more. */
  stop(): void {
    this.#isStopped = true;
    for (const fail of this.#waiting) fail(new RequestError("closed", "sync was stopped"));
  }

  /** Of peers that are connected, on the same network, and not caught lying. */
  get statuses(): readonly { readonly id: PeerId; readonly status: Status }[] {
    this.#forgetGone();
    return [...this.#entries.values()].flatMap((entry) => {
      const { id, status } = entry;
      return status === undefined || (entry.hasLied && this.#isResting(entry)) ? [] : [{ id, status }];
    });
  }

  statusOf(peer: PeerId): Status | undefined {
    return this.#entries.get(peer)?.status;
  }

  /** Asks all connected peers, or one, what they have. Resolves when each has answered or failed. */
  async refresh(only?: PeerId): Promise<void> {
    this.#forgetGone();
    const ids = this.#parts.network.peers.map(({ id }) => id).filter((id) => only === undefined || id === only);
    await Promise.all(ids.map((id) => this.#refreshOne(id)));
  }

  async #refreshOne(id: PeerId): Promise<void> {
    const entry = this.#entry(id);
    if (entry === undefined || entry.isAskedForStatus || this.#isResting(entry)) return;
    entry.hasLied = false; // its time is over
    entry.isAskedForStatus = true;
    const status = await this.#ask(entry, {
      protocol: "status",
      payload: EMPTY_BYTES,
      limits: { chunks: 1, bytes: MAX_STATUS_BYTES },
      read: async (chunks) => {
        const chunk = await onlyChunk(chunks);
        if (chunk === undefined) throw new MessageError("the answer is empty");
        return this.#plausible(decodeStatus(chunk));
      },
    });
    entry.isAskedForStatus = false;
    if (status === undefined) return;
    if (equalsBytes(status.genesisHash, this.#parts.genesisHash)) entry.status = status;
    else this.#parts.log.debug({ peer: id }, "peer is of another network");
  }

  /** Refuses what no honest peer says, whatever its chain. */
  #plausible(status: Status): Status {
    const { epochBlocks } = this.#parts;
    const { head, certified, epoch, first } = status;
    if (epoch !== epochOfHeight(Number(head.number) + 1, epochBlocks)) {
      throw new MessageError("its epoch is not that of its head");
    }
    if (first > head.number) throw new MessageError("its first block is above its head");
    if (certified === undefined) return status;
    if (certified.number > head.number) throw new MessageError("it certified a block above its head");
    if (epochOfHeight(Number(certified.number), epochBlocks) !== certified.certificate.epoch) {
      throw new MessageError("its certificate is of another epoch than the certified block");
    }
    return status;
  }

  /** The best peer that is free: those that say they have the blocks first, then those that might by now. */
  pick({ from, to, prefer, isUrgent = false }: Need, except: ReadonlySet<PeerId> = new Set()): PeerId | undefined {
    this.#forgetGone();
    const mostInFlight = isUrgent ? 2 * MAX_IN_FLIGHT : MAX_IN_FLIGHT;
    let best: PeerId | undefined;
    let bestRank = Number.POSITIVE_INFINITY;
    for (const entry of this.#entries.values()) {
      const { id, status, inFlight, msPerByte } = entry;
      if (status === undefined || inFlight >= mostInFlight || except.has(id) || this.#isResting(entry)) continue;
      if (from !== undefined && status.first > from) continue;
      const isShort = to !== undefined && status.head.number < to;
      const rank = id === prefer ? -1 : (isShort ? 1e9 : 0) + msPerByte * (inFlight + 1);
      if (rank >= bestRank) continue;
      best = id;
      bestRank = rank;
    }
    return best;
  }

  /** Undefined when the peer failed, lied, or lacks it. */
  async ask<T>(peer: PeerId, request: Request<T>): Promise<T | undefined> {
    const entry = this.#entry(peer);
    if (entry === undefined) return undefined;
    entry.inFlight++;
    try {
      return await this.#ask(entry, request);
    } finally {
      entry.inFlight--;
    }
  }

  /** Asks one peer after the other, each once, until one has it. */
  async askAny<T>(need: Need, request: Request<T>): Promise<T | undefined> {
    const asked = new Set<PeerId>();
    for (let peer = this.pick(need); peer !== undefined; peer = this.pick(need, asked)) {
      asked.add(peer);
      const value = await this.ask(peer, request);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  /** As `askAny`, but does not wait for a slow peer before it asks the next one. The first to have it counts. */
  askFirst<T>(need: Need, request: Request<T>): Promise<T | undefined> {
    const { clock } = this.#parts;
    const asked = new Set<PeerId>();
    let running = 0;
    let cancel = () => {};
    return new Promise((resolve, reject) => {
      let isOver = false;
      const end = (how: () => void) => {
        isOver = true;
        cancel();
        how();
      };
      const next = () => {
        cancel();
        const peer = this.pick(need, asked);
        if (peer === undefined) {
          if (running === 0) end(() => resolve(undefined));
          return;
        }
        asked.add(peer);
        running++;
        cancel = clock.at(this.#nowMs + HEDGE_MS, next);
        this.ask(peer, request).then(
          (value) => {
            running--;
            if (isOver) return;
            if (value !== undefined) end(() => resolve(value));
            else next();
          },
          (error: unknown) => end(() => reject(error)),
        );
      };
      next();
    });
  }

  /** What the peer said it has could not be had: its word counts for nothing until it has rested. */
  doubt(peer: PeerId): void {
    const entry = this.#entries.get(peer);
    if (entry === undefined || entry.hasLied) return;
    entry.status = undefined;
    entry.restUntilMs = this.#nowMs + Math.min(LONGEST_REST_MS, DOUBT_MS * 2 ** Math.min(entry.doubts++, 8));
  }

  /** The opposite of `doubt`. */
  trust(peer: PeerId): void {
    const entry = this.#entries.get(peer);
    if (entry !== undefined) entry.doubts = 0;
  }

  /** The peer lied. */
  accuse(peer: PeerId, reason: string): void {
    this.#parts.log.warn({ peer, reason }, "peer misbehaved");
    this.#parts.network.penalize(peer, reason);
    const entry = this.#entries.get(peer);
    if (entry === undefined) return;
    entry.hasLied = true;
    entry.restUntilMs = this.#nowMs + DISTRUST_MS;
  }

  async #ask<T>(entry: Entry, { protocol, payload, limits, read }: Request<T>): Promise<T | undefined> {
    if (this.#isStopped) return undefined;
    const startedMs = this.#nowMs;
    const chunks = this.#parts.network.request(entry.id, protocol, payload)[Symbol.asyncIterator]();
    let count = 0;
    let bytes = 0;
    const next = async (): Promise<IteratorResult<Uint8Array>> => {
      const result = await this.#inTime(chunks.next(), Math.min(startedMs + ANSWER_MS, this.#nowMs + IDLE_MS));
      if (result.done === true) return result;
      bytes += result.value.length;
      if (++count > limits.chunks || bytes > limits.bytes) throw new MessageError("the answer is too long");
      return result;
    };
    try {
      const value = await read({ [Symbol.asyncIterator]: () => ({ next }) }, entry.id);
      entry.failures = 0;
      if (value === undefined && DOWNLOADS.includes(protocol)) entry.restUntilMs = this.#nowMs + LACKING_REST_MS;
      if (protocol !== "status") this.#measure(entry, bytes, this.#nowMs - startedMs);
      return value;
    } catch (error) {
      this.#failed(entry, protocol, error);
      return undefined;
    } finally {
      // A peer that never sends another chunk must not hold this up.
      void Promise.resolve(chunks.return?.()).catch(() => undefined);
    }
  }

  #failed(entry: Entry, protocol: Protocol, error: unknown): void {
    if (error instanceof MessageError) {
      this.accuse(entry.id, `${protocol}: ${error.message}`);
      return;
    }
    if (!(error instanceof RequestError)) throw error;
    if (this.#isStopped || entry.hasLied) return;
    this.#parts.log.debug({ peer: entry.id, protocol, code: error.code, reason: error.message }, "request failed");
    const restMs = REST_MS[error.code] * 2 ** Math.min(entry.failures, 8);
    entry.restUntilMs = this.#nowMs + Math.min(LONGEST_REST_MS, restMs);
    entry.failures++;
  }

  #measure(entry: Entry, bytes: number, elapsedMs: number): void {
    const msPerByte = Math.max(1, elapsedMs) / Math.max(MEASURED_BYTES, bytes);
    entry.msPerByte = entry.msPerByte === 0 ? msPerByte : entry.msPerByte * 0.7 + msPerByte * 0.3;
  }

  #inTime<T>(work: Promise<T>, untilMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (how: () => void) => {
        cancel();
        this.#waiting.delete(fail);
        how();
      };
      const fail = (error: Error) => settle(() => reject(error));
      const cancel = this.#parts.clock.at(untilMs, () => fail(new RequestError("timeout", "no answer in time")));
      this.#waiting.add(fail);
      work.then((value) => settle(() => resolve(value)), fail);
    });
  }

  get #nowMs(): number {
    return this.#parts.clock.nowMs();
  }

  /** A clock that was set back must not make a rest longer. */
  #isResting({ restUntilMs, hasLied }: Entry): boolean {
    const leftMs = restUntilMs - this.#nowMs;
    return leftMs > 0 && leftMs <= (hasLied ? DISTRUST_MS : LONGEST_REST_MS);
  }

  #entry(id: PeerId): Entry | undefined {
    const known = this.#entries.get(id);
    if (known !== undefined) return known;
    if (this.#entries.size >= MAX_PEERS) {
      const connected = this.#connected();
      const gone = [...this.#entries.values()].find((entry) => !connected.has(entry.id) && entry.inFlight === 0);
      if (gone === undefined) return undefined;
      this.#entries.delete(gone.id);
    }
    const entry: Entry = {
      id,
      status: undefined,
      isAskedForStatus: false,
      inFlight: 0,
      failures: 0,
      doubts: 0,
      restUntilMs: 0,
      hasLied: false,
      msPerByte: 0,
    };
    this.#entries.set(id, entry);
    return entry;
  }

  readonly #connected = (): Set<PeerId> => new Set(this.#parts.network.peers.map(({ id }) => id));

  #forgetGone(): void {
    const connected = this.#connected();
    for (const [id, entry] of this.#entries) {
      if (connected.has(id)) continue;
      entry.status = undefined;
      // One that lied is remembered until its time is over, or it would come back with a clean slate.
      if (entry.inFlight === 0 && !this.#isResting(entry)) this.#entries.delete(id);
    }
  }
}

/** Of an answer that has at most one. To its end, or the peer would see it cut off. */
export async function onlyChunk(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array | undefined> {
  let only: Uint8Array | undefined;
  for await (const chunk of chunks) only = chunk;
  return only;
}
