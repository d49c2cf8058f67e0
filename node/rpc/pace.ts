/** For walks that may be long: other work gets its turn in between. */
const SLICE_MS = 10;

/** Returns a function to call at each step: every 10 ms it gives a promise to wait for. */
export function pacer(): () => Promise<void> | undefined {
  let sliceEnd = performance.now() + SLICE_MS;
  return () => {
    if (performance.now() < sliceEnd) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        sliceEnd = performance.now() + SLICE_MS;
        resolve();
      });
    });
  };
}
