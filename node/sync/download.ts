/**
 * Fetches the bodies of blocks whose hashes are known, from several peers at once, and hands them out in order. Each
 * block is checked against its hash as it comes in, so that what one peer sends never depends on another.
 *
 * Memory: what is buffered plus the most that the answers under way may bring stays within `MAX_BUFFER_BYTES`, except
 * that the block which comes next may always be asked for, from two peers when the first is slow: two answers more.
 */
import { equalsBytes } from "../../core/bytes.ts";
import { type PeerId, RequestError } from "../p2p/types.ts";
import type { Clock } from "../ports.ts";
import { checkBlock } from "./block-check.ts";
import { encodeRangeRequest, MAX_ANSWER_BYTES, MAX_BLOCKS, MessageError } from "./messages.ts";
import type { Peers } from "./peers.ts";

export const MAX_BUFFER_BYTES = 64 * 1024 * 1024;
/** Answers under way. */
const LANES = 4;
/** Blocks above the next one that may be asked for. */
const LOOKAHEAD = 1_024;
/** When the lowest missing block has been under way for so long, another peer is asked for it as well. */
const HEDGE_MS = 2_000;
/** While nobody can be asked. */
const RETRY_MS = 500;
/** No block came for so long: give up. */
const PATIENCE_MS = 60_000;

/** A run of blocks that one peer was asked for; `at` moves with each block that comes. */
interface Lane {
  readonly peer: PeerId;
  readonly end: number;
  readonly startedMs: number;
  at: number;
}

export class Download {
  readonly #peers: Peers;
  readonly #clock: Clock;
  readonly #first: bigint;
  readonly #hashes: readonly Uint8Array[];
  readonly #maxBufferBytes: number;
  /** By index in `hashes`. */
  readonly #blocks = new Map<number, Uint8Array>();
  readonly #lanes = new Set<Lane>();
  /** Index of the next block to hand out. */
  #next = 0;
  #bufferedBytes = 0;
  #progressAtMs: number;
  #cancelRetry: () => void = () => {};
  #wake: () => void = () => {};
  #error: unknown;
  #isStopped = false;
  /** Most bytes that were here at once: what the bound is checked by. */
  mostBufferedBytes = 0;

  /** `hashes` of the blocks from number `first` on. */
  constructor(
    peers: Peers,
    clock: Clock,
    first: bigint,
    hashes: readonly Uint8Array[],
    maxBufferBytes: number = MAX_BUFFER_BYTES,
  ) {
    this.#peers = peers;
    this.#clock = clock;
    this.#first = first;
    this.#hashes = hashes;
    this.#maxBufferBytes = maxBufferBytes;
    this.#progressAtMs = clock.nowMs();
  }

  /**
   * The next blocks, at least one, and no more than what either limit allows; none at the end. Undefined when no peer
   * gave any for a minute, or after `stop`.
   */
  async take(maxBlocks: number, maxBytes: number): Promise<Uint8Array[] | undefined> {
    this.#progressAtMs = this.#clock.nowMs(); // the time between takes is the caller's
    for (;;) {
      this.#fill();
      if (this.#error !== undefined) throw this.#error;
      if (this.#isStopped) return undefined;
      if (this.#next === this.#hashes.length) return [];
      if (this.#blocks.has(this.#next)) return this.#takeReady(maxBlocks, maxBytes);
      if (this.#clock.nowMs() - this.#progressAtMs > PATIENCE_MS) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#cancelRetry();
        this.#cancelRetry = this.#clock.at(this.#clock.nowMs() + RETRY_MS, resolve);
      });
    }
  }

  /** Answers under way run out by themselves. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelRetry();
    this.#blocks.clear();
    this.#bufferedBytes = 0;
    this.#wake();
  }

  #takeReady(maxBlocks: number, maxBytes: number): Uint8Array[] {
    const taken: Uint8Array[] = [];
    let bytes = 0;
    for (let block = this.#blocks.get(this.#next); block !== undefined; block = this.#blocks.get(this.#next)) {
      if (taken.length === maxBlocks || (taken.length > 0 && bytes + block.length > maxBytes)) break;
      taken.push(block);
      bytes += block.length;
      this.#blocks.delete(this.#next++);
      this.#bufferedBytes -= block.length;
    }
    // What comes next is fetched while the caller works.
    this.#fill();
    return taken;
  }

  #fill(): void {
    if (this.#isStopped || this.#error !== undefined) return;
    while (this.#lanes.size < LANES) {
      const start = this.#lowestFree();
      if (start === undefined) break;
      const isAwaited = start === this.#next;
      if (!isAwaited && this.#bufferedBytes + (this.#lanes.size + 1) * MAX_ANSWER_BYTES > this.#maxBufferBytes) break;
      if (!this.#ask(start, this.#endOf(start))) return;
    }
    this.#hedge();
  }

  /** The lowest block within reach that is neither here nor under way. */
  #lowestFree(): number | undefined {
    const limit = Math.min(this.#hashes.length, this.#next + LOOKAHEAD);
    for (let index = this.#next; index < limit; ) {
      const lane = this.#laneOf(index);
      if (lane !== undefined) index = lane.end;
      else if (this.#blocks.has(index)) index++;
      else return index;
    }
    return undefined;
  }

  #endOf(start: number): number {
    const limit = Math.min(this.#hashes.length, this.#next + LOOKAHEAD, start + MAX_BLOCKS);
    let end = start + 1;
    while (end < limit && !this.#blocks.has(end) && this.#laneOf(end) === undefined) end++;
    return end;
  }

  #laneOf(index: number): Lane | undefined {
    for (const lane of this.#lanes) if (lane.at <= index && index < lane.end) return lane;
    return undefined;
  }

  /** One slow peer must not hold up all that the others have brought. */
  #hedge(): void {
    const holders = [...this.#lanes].filter((lane) => lane.at <= this.#next && this.#next < lane.end);
    const [lane] = holders;
    if (lane === undefined || holders.length > 1 || this.#lanes.size > LANES) return;
    if (this.#clock.nowMs() - lane.startedMs < HEDGE_MS) return;
    this.#ask(this.#next, lane.end, lane.peer);
  }

  /** False when there is no peer for it now. */
  #ask(start: number, end: number, except?: PeerId): boolean {
    const from = this.#first + BigInt(start);
    const need = { from, to: from + BigInt(end - start - 1) };
    const peer = this.#peers.pick(need, new Set(except === undefined ? [] : [except]));
    if (peer === undefined) return false;
    const lane: Lane = { peer, end, startedMs: this.#clock.nowMs(), at: start };
    this.#lanes.add(lane);
    this.#fetch(lane)
      .catch((error: unknown) => {
        this.#error = error;
      })
      .finally(() => {
        this.#lanes.delete(lane);
        this.#wake();
      });
    return true;
  }

  async #fetch(lane: Lane): Promise<void> {
    const { at: start, end, peer } = lane;
    const from = this.#first + BigInt(start);
    await this.#peers.ask(peer, {
      protocol: "blocks-by-range",
      payload: encodeRangeRequest({ part: "blocks", from, count: end - start }),
      limits: { chunks: end - start, bytes: MAX_ANSWER_BYTES },
      read: async (chunks) => {
        for await (const chunk of chunks) {
          if (this.#isStopped) throw new RequestError("closed", "sync was stopped");
          this.#receive(lane, chunk);
        }
        const status = this.#peers.statusOf(peer);
        if (lane.at === start && status !== undefined && status.head.number >= from) {
          throw new MessageError(`it says that it has block ${from}, and does not give it`);
        }
        return lane.at === start ? undefined : true;
      },
    });
  }

  #receive(lane: Lane, raw: Uint8Array): void {
    const index = lane.at;
    const isWanted = index >= this.#next && !this.#blocks.has(index);
    // Checked also when another peer was faster: a lie is one all the same.
    if (!equalsBytes(checkBlock(raw).hash, this.#hashes[index]!)) {
      throw new MessageError(`block ${this.#first + BigInt(index)} is another one`);
    }
    lane.at++;
    if (!isWanted) return;
    this.#blocks.set(index, raw);
    this.#bufferedBytes += raw.length;
    this.#progressAtMs = this.#clock.nowMs();
    this.mostBufferedBytes = Math.max(this.mostBufferedBytes, this.#bufferedBytes);
    if (index === this.#next) this.#wake();
  }
}
