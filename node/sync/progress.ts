/** How far sync is and when it will be done, from the last half minute. */
import type { Clock } from "../ports.ts";

const SAMPLES = 16;
const SAMPLE_EVERY_MS = 2_000;

export interface Progress {
  readonly isSyncing: boolean;
  readonly head: bigint;
  /** The highest block that a peer says is certified; at least `head`. */
  readonly target: bigint;
  readonly blocksPerSecond: number;
  /** Undefined while nothing is known of the speed. */
  readonly etaSeconds: number | undefined;
}

export class Speedometer {
  readonly #clock: Clock;
  /** The oldest first. */
  readonly #samples: { readonly atMs: number; readonly head: bigint }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Starts afresh: the time before was not spent on sync. */
  reset(head: bigint): void {
    this.#samples.length = 0;
    this.record(head);
  }

  record(head: bigint): void {
    const atMs = this.#clock.nowMs();
    const newest = this.#samples.at(-1);
    if (newest !== undefined && atMs >= newest.atMs && atMs - newest.atMs < SAMPLE_EVERY_MS) return;
    this.#samples.push({ atMs, head });
    if (this.#samples.length > SAMPLES) this.#samples.shift();
  }

  read(isSyncing: boolean, head: bigint, target: bigint): Progress {
    const oldest = this.#samples[0];
    const elapsedMs = oldest === undefined ? 0 : this.#clock.nowMs() - oldest.atMs;
    const blocks = oldest === undefined ? 0 : Number(head - oldest.head);
    const blocksPerSecond = elapsedMs > 0 && isSyncing ? (blocks * 1_000) / elapsedMs : 0;
    const left = target > head ? Number(target - head) : 0;
    return {
      isSyncing,
      head,
      target: target > head ? target : head,
      blocksPerSecond,
      etaSeconds: left === 0 ? 0 : blocksPerSecond > 0 ? left / blocksPerSecond : undefined,
    };
  }
}
