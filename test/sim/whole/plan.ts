/** What a seed of whole nodes draws: they are slow to simulate, so one has fewer seconds, and fewer of them run. */
import type { Timing } from "../../../consensus/timing.ts";
import type { Random } from "../random.ts";

/** Faults up to this simulated millisecond. */
export const WHOLE_HEAL_MS = 15_000;
export const WHOLE_END_MS = 35_000;
/** Keys of a world; four of them are in the set at a time. */
export const KEYS = 5;

export interface WholePlan {
  readonly timing: Timing;
  readonly epochBlocks: number;
  /** Sets from genesis on, by the numbers of their keys; a later one is in force two epochs after the one before. */
  readonly sets: readonly (readonly number[])[];
  /** The key that two processes have at once; undefined: none. */
  readonly twin: number | undefined;
  readonly lossRate: number;
  readonly delayMs: number;
  readonly tailRate: number;
  readonly syncMs: number;
  /** Infinity: never. */
  readonly crashEveryMs: number;
  /** At each operation on the validator's files, each write of the chain's store, each message sent. */
  readonly crashRate: number;
  readonly downMs: number;
  readonly cutEveryMs: number;
  readonly cutMs: number;
  readonly clockOffsetMs: number;
}

export function drawWholePlan(random: Random): WholePlan {
  const never = Number.POSITIVE_INFINITY;
  const deltaMs = random.pick([200, 400]);
  const everyMs = (low: number, high: number): number => (random.chance(0.6) ? random.between(low, high) : never);
  const isChanging = random.chance(0.5);
  return {
    timing: { intervalMs: random.pick([250, 500]), heartbeatMs: 1_000, deltaMs },
    epochBlocks: random.between(4, 12),
    sets: isChanging ? [[0, 1, 2, 3], random.shuffled([0, 1, 2, 3, 4]).slice(0, 4)] : [[0, 1, 2, 3]],
    twin: random.chance(0.3) ? 3 : undefined,
    lossRate: random.chance(0.5) ? random.real() * 0.1 : 0,
    delayMs: random.between(1, deltaMs / 5),
    tailRate: random.chance(0.5) ? random.real() * 0.1 : 0,
    syncMs: random.pick([0, 2, 30]),
    crashEveryMs: everyMs(1_000, 6_000),
    crashRate: random.chance(0.5) ? 0.001 : 0,
    downMs: random.pick([100, 2_000]),
    cutEveryMs: everyMs(2_000, 8_000),
    cutMs: random.between(500, 5_000),
    clockOffsetMs: random.pick([0, 300]),
  };
}
