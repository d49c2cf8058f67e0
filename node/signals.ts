/** When a long-running command ends. */
import { EXIT } from "./errors.ts";
import type { Logger } from "./log.ts";

/** Signals closer together than this are one: a terminal, npm and the launcher each pass on the same Ctrl-C. */
const SAME_SIGNAL_MS = 300;

/** Resolves at the first SIGINT, SIGTERM, SIGHUP, or when the launcher is gone; a second signal ends the process. */
export function signalled(log: Logger): Promise<undefined> {
  return new Promise((resolve) => {
    let firstAtMs: number | undefined;
    const stop = (reason: string) => {
      if (firstAtMs === undefined) {
        firstAtMs = performance.now();
        log.info({ reason }, "stopping");
        resolve(undefined);
      } else if (performance.now() - firstAtMs > SAME_SIGNAL_MS) {
        process.exit(EXIT.failure);
      }
    };
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop(signal));
    process.once("disconnect", () => {
      // Who asked for the end and is gone before it has not asked again.
      if (firstAtMs === undefined) stop("the launcher ended");
    });
  });
}
