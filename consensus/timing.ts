/** When a view's leader is due, and when patience with it ends. */

export interface Timing {
  /** Shortest time between blocks while transactions wait. */
  readonly intervalMs: number;
  /** Time between blocks while none do. */
  readonly heartbeatMs: number;
  /** Bound on the delay of a message that the network keeps once it is well: Simplex's Δ. */
  readonly deltaMs: number;
}

/** Patience grows up to this many times Δ's, so that a network slower than Δ still makes progress. */
const MAX_PATIENCE = 16;

/** Doubles with every full turn of leaders that brought no block. */
export function patience(viewsWithoutBlock: number, validators: number): number {
  return Math.min(2 ** Math.min(Math.floor(viewsWithoutBlock / validators), 10), MAX_PATIENCE);
}

export interface ViewClock {
  readonly enteredAtMs: number;
  /** When the last block was proposed; undefined when the view before this one brought none. */
  readonly lastBlockAtMs: number | undefined;
  /** When the pool came to hold something to include. */
  readonly includableAtMs: number | undefined;
}

/** The moment from which the leader may propose, and from which it is late 2Δ on. */
export function dueAtMs({ enteredAtMs, lastBlockAtMs, includableAtMs }: ViewClock, timing: Timing): number {
  // A skipped view has cost time enough.
  if (lastBlockAtMs === undefined) return enteredAtMs;
  const heartbeatAtMs = lastBlockAtMs + timing.heartbeatMs;
  const idle = Math.max(enteredAtMs, heartbeatAtMs);
  if (includableAtMs === undefined) return idle;
  return Math.min(idle, Math.max(enteredAtMs, includableAtMs, lastBlockAtMs + timing.intervalMs));
}
