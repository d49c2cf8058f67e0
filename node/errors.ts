/** What an operator sees when the program cannot go on: one line that names the thing, the value and the remedy. */

export const EXIT = { ok: 0, failure: 1, usage: 2, locked: 3 } as const;

export class UsageError extends Error {
  readonly exitCode = EXIT.usage;
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/** The data directory is in use, damaged, or of another network or version. */
export class DataError extends Error {
  readonly exitCode = EXIT.locked;
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DataError";
  }
}

/** A port is taken, a disk is full, a peer part failed to start. */
export class OperationError extends Error {
  readonly exitCode = EXIT.failure;
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "OperationError";
  }
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError || error instanceof DataError || error instanceof OperationError)
    return error.exitCode;
  return EXIT.failure;
}

/** What is left to do when a directory cannot be used, in the commands' words. */
export const START_ANEW = "start anew (a devnet: --fresh; a node: an empty --datadir)";

/** It was to end before it had begun: nothing is wrong. */
export class StoppedEarly extends Error {}
