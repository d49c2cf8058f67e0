/**
 * State as execution sees it: synchronous layers over a flat committed state.
 *
 *   base (level, flat keys, LRU)  <-  layer of block n+1  <-  layer of block n+2 ...
 *
 * A layer records what changed above its parent, with an undo log for the frames of the EVM. Sealing a layer hashes
 * the Merkle-Patricia trie once; committing writes flat values, trie nodes and code into the caller's atomic batch.
 */

/** Immutable; replace, never mutate. */
export interface AccountState {
  readonly nonce: bigint;
  readonly balance: bigint;
  readonly codeHash: Uint8Array;
  /** As of the last sealed state below; stale inside a block that wrote storage. */
  readonly storageRoot: Uint8Array;
}

export interface StateReader {
  /** 20-byte address. Undefined when the account does not exist. */
  account(address: Uint8Array): AccountState | undefined;
  /** 32-byte slot. Big-endian without leading zeros; empty for zero. */
  storage(address: Uint8Array, slot: Uint8Array): Uint8Array;
  /** Empty for the empty hash. Throws when the code is missing: the database is damaged. */
  code(codeHash: Uint8Array): Uint8Array;
}

export interface StateLayer extends StateReader {
  /** Undefined deletes the account and its storage. */
  setAccount(address: Uint8Array, account: AccountState | undefined): void;
  /** Any leading zeros are trimmed. */
  setStorage(address: Uint8Array, slot: Uint8Array, value: Uint8Array): void;
  clearStorage(address: Uint8Array): void;
  /** Stores code under its keccak256 and returns the hash; the caller puts it into the account. */
  addCode(code: Uint8Array): Uint8Array;

  /** Nested undo points. `commit` folds the newest into the one below; `revert` undoes back to it. */
  checkpoint(): void;
  commit(): void;
  revert(): void;
  /** How many checkpoints are open. */
  readonly openCheckpoints: number;

  /** Marks the start of a transaction: `originalStorage` answers as of here (EIP-2200). Precondition: no open checkpoint. */
  beginTransaction(): void;
  originalStorage(address: Uint8Array, slot: Uint8Array): Uint8Array;
}

/** A layer whose trie has been hashed; immutable from here on. New layers may stand on it before it is committed. */
export interface SealedState {
  readonly stateRoot: Uint8Array;
  /** A new layer on top of this state. */
  fork(): StateLayer;
  /** Storage root of an account in this state (the empty trie's root when it has none). */
  storageRoot(address: Uint8Array): Uint8Array;
  readonly reader: StateReader;
  /** About how much memory its changes take; 0 once they are committed. */
  readonly heldBytes: number;
}

export interface BatchWriter {
  put(key: Uint8Array, value: Uint8Array): void;
  del(key: Uint8Array): void;
}

/** EIP-1186, RLP nodes from the root down. */
export interface AccountProof {
  readonly account: AccountState | undefined;
  readonly accountProof: readonly Uint8Array[];
  readonly storageProofs: readonly {
    readonly slot: Uint8Array;
    readonly value: Uint8Array;
    readonly proof: readonly Uint8Array[];
  }[];
}

export interface StateDatabase {
  /** The last committed state. */
  readonly head: SealedState;
  /** Hashes the layer's changes into the trie of the state that it was forked from. Precondition: no open checkpoint. */
  seal(layer: StateLayer): SealedState;
  /**
   * Puts flat values, trie nodes and code into `batch`: the state's, and before them those of the states between it and
   * the committed head. Throws when it does not stand on that. In a store whose states are counted those below number
   * `keepFrom` go, a few with each that comes; without it they stay.
   */
  stage(state: SealedState, batch: BatchWriter, keepFrom?: bigint): void;
  /**
   * Call after the batch is on disk: `state` becomes the head, layers above it now stand on the database. Precondition:
   * it was staged last.
   */
  committed(state: SealedState): void;
  /** Read-only view of a historical state by root; undefined when the root is unknown here. Reads through the trie. */
  at(stateRoot: Uint8Array): { readonly reader: StateReader; fork(): StateLayer } | undefined;
  /**
   * Undefined when the state is not here, or no longer; the account that is kept for ever is proven at pruned states too.
   */
  prove(stateRoot: Uint8Array, address: Uint8Array, slots: readonly Uint8Array[]): AccountProof | undefined;
}

/**
 * Synchronous key-value reads over level (classic-level `getSync`). The first key byte is the table:
 * state uses 0x01..0x0f, the chain store 0x10..0x2f.
 */
export interface KeyValueReader {
  get(key: Uint8Array): Uint8Array | undefined;
}
