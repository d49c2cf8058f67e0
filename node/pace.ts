/** For work that may be long: other work gets its turn in between. */
const SLICE_MS = 10;

/** The work has had all the time that it may take. */
export class TimeSpent extends Error {}

/**
 * Returns a function to call at each step: every 10 ms of work it gives a promise to wait for. Throws TimeSpent after
 * `budgetMs` of work, waiting not counted.
 */
export function pacer(budgetMs = Number.POSITIVE_INFINITY): () => Promise<void> | undefined {
  let sliceStart = performance.now();
  let leftMs = budgetMs;
  return () => {
    const sliceMs = performance.now() - sliceStart;
    if (sliceMs < SLICE_MS) return undefined;
    leftMs -= sliceMs;
    if (leftMs <= 0) throw new TimeSpent(`${budgetMs} ms of work`);
    return new Promise((resolve) => {
      setImmediate(() => {
        sliceStart = performance.now();
        resolve();
      });
    });
  };
}
