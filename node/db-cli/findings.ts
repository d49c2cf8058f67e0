/** What a check of a database finds. */
import { StoreError } from "../../execution/state/errors.ts";
import { DataError } from "../errors.ts";

const FAILURES_TOLD = 10;

/** Collects what a check finds. */
export class Findings {
  compared = 0;
  failed = 0;
  readonly failures: string[] = [];

  readonly fail = (reason: string): void => {
    if (++this.failed <= FAILURES_TOLD) this.failures.push(reason);
  };

  /** For walks over tries. */
  readonly watch = { onDamage: this.fail };

  expect(isRight: boolean, reason: string): void {
    if (!isRight) this.fail(reason);
  }

  /** Damage that a reader throws is a finding; anything else is not. Undefined then. */
  async reading<T>(read: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof DataError || (error instanceof StoreError && error.code === "DAMAGED"))) throw error;
      this.fail(error.message.replace(/^the data directory is damaged: /, "").replace(/; restore a backup.*$/s, ""));
      return undefined;
    }
  }
}

/** Signals are heard, and progress is told. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
