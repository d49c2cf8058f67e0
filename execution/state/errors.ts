import { bytesToHex } from "../../core/bytes.ts";

/** FAILED: what the operating system refuses (permissions, a full disk). PRUNED: a state that is not kept any more. */
export type StoreErrorCode = "LOCKED" | "DAMAGED" | "FAILED" | "PRUNED";

/**
 * A store that cannot be used. Reaction: halt, with exit code 3 for LOCKED and DAMAGED; the message says what to do.
 * PRUNED is an answer: nothing is wrong.
 */
export class StoreError extends Error {
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StoreError";
    this.code = code;
  }
}

export function damaged(what: string, cause?: unknown): StoreError {
  const message = `damaged state: ${what}; restore the data directory from a backup or sync it again`;
  return new StoreError("DAMAGED", message, cause === undefined ? undefined : { cause });
}

/** `missing trie node` is what geth says. */
export const pruned = (stateRoot: Uint8Array): StoreError =>
  new StoreError("PRUNED", `missing trie node: no state with root ${bytesToHex(stateRoot)} is here; it was pruned`);
