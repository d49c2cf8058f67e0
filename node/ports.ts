/** What a node needs from the world outside; tests and the simulator bring their own. */

export interface Clock {
  /** Unix milliseconds. */
  nowMs(): number;
  /** Calls once at or after the moment; returns the function that cancels. */
  at(timeMs: number, callback: () => void): () => void;
}

/** setTimeout's longest delay; a later moment is reached in steps. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  at(timeMs, callback) {
    const delayMs = Math.min(Math.max(0, timeMs - Date.now()), LONGEST_DELAY_MS);
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
