/** A node's wall clock: it starts off, drifts, and on some seeds is set while the node runs. */
import type { Plan } from "./plan.ts";
import { HEAL_MS } from "./plan.ts";
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

/** Of simulated time zero, so that a clock that is off never shows a negative time. */
const EPOCH_MS = 1_000_000;

export class SimClock {
  readonly #scheduler: Scheduler;
  readonly #rate: number;
  #offsetMs: number;

  constructor(scheduler: Scheduler, random: Random, plan: Plan["clock"]) {
    this.#scheduler = scheduler;
    this.#rate = 1 + random.between(-plan.driftPpm, plan.driftPpm) / 1_000_000;
    this.#offsetMs = random.between(-plan.offsetMs, plan.offsetMs);
    if (plan.jumpEveryMs === Number.POSITIVE_INFINITY) return;
    const jump = (): void => {
      if (scheduler.nowMs >= HEAL_MS) return;
      this.#offsetMs += random.between(-3_000, 3_000);
      scheduler.after(random.between(1, 2 * plan.jumpEveryMs), jump);
    };
    scheduler.after(random.between(1, 2 * plan.jumpEveryMs), jump);
  }

  nowMs(): number {
    return EPOCH_MS + Math.floor(this.#scheduler.nowMs * this.#rate) + this.#offsetMs;
  }

  /** True time until this clock shows `atMs`, if nobody sets it. */
  trueDelayMs(atMs: number): number {
    return Math.max(0, Math.ceil((atMs - this.nowMs()) / this.#rate));
  }
}
