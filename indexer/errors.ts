export type IndexErrorCode =
  /** The file was written by a newer program. */
  | "INDEX_NEWER"
  /** What was given as the index's place cannot be one. */
  | "BAD_LOCATION"
  /** The checkpoint is not where this process left it. */
  | "CHECKPOINT_MOVED"
  /** Another process writes it. */
  | "INDEX_LOCKED"
  /** The file is not an index, or SQLite finds it damaged. */
  | "INDEX_DAMAGED"
  /** An event refers to something that the index has never seen. */
  | "INDEX_INCONSISTENT"
  /** A precompile emitted what this program does not know: it is older than the chain. */
  | "UNKNOWN_EVENT"
  /** The chain does not have a block that it must have. */
  | "CHAIN_INCOMPLETE";

/** Operational failure of the index. The message names the thing, the value and the remedy. */
export class IndexError extends Error {
  readonly code: IndexErrorCode;
  constructor(code: IndexErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "IndexError";
    this.code = code;
  }
}
