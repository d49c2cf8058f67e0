/**
 * A state with a root. Where its answers come from changes with its place in the chain, what they are never does:
 *
 *   pending     its own changes, then its parent
 *   staged      its own changes, then those of the states that are written with it, then the flat tables
 *   head        the flat tables
 *   leaving     while the next head is written: its accounts that the next one changes, as they were when that began,
 *               then the flat tables; for slots its trie
 *   superseded  its trie, because the flat tables have moved on
 *
 * A state between the old head and a new one stays pending on the old head, which is superseded by then.
 */
import { EMPTY_BYTES, equalsBytes } from "../../core/bytes.ts";
import { type AccountRecord, NO_RECORD } from "./account-codec.ts";
import { pruned } from "./errors.ts";
import type { FlatState, StateChanges } from "./flat-state.ts";
import { HistoricalReader } from "./history.ts";
import type { KeyedReader } from "./keyed-reader.ts";
import { bytesKey } from "./keys.ts";
import { OverlayLayer } from "./layer.ts";
import { type Child, EMPTY_TRIE_ROOT } from "./trie-node.ts";
import type { AccountState, SealedState, StateLayer, StateReader } from "./types.ts";

/** A source of answers that also knows the generation of an account's slots. */
interface RecordReader extends KeyedReader {
  /** `addressKey`: `bytesKey` of the address. */
  record(addressKey: string): AccountRecord;
}

export class ChainState implements SealedState, RecordReader {
  readonly stateRoot: Uint8Array;
  readonly #flat: FlatState;
  #source: KeyedReader;
  /** What stands between this state and the store. */
  #pending: { readonly changes: StateChanges; readonly parent: ChainState; readonly reader: RecordReader } | undefined;
  #accountTrie: Child;
  #isHead = false;

  /** A state whose trie is in the store. */
  constructor(flat: FlatState, stateRoot: Uint8Array) {
    this.#flat = flat;
    this.stateRoot = stateRoot;
    this.#accountTrie = stateRoot;
    this.#source = this.#history();
  }

  /** `accountTrie`: the hashed trie's root node. */
  static above(parent: ChainState, stateRoot: Uint8Array, accountTrie: Child, changes: StateChanges): ChainState {
    const state = new ChainState(parent.#flat, stateRoot);
    state.#accountTrie = accountTrie;
    state.#becomePending(changes, parent, new PendingReader(changes, parent));
    return state;
  }

  get reader(): StateReader {
    return this;
  }

  get accountTrie(): Child {
    return this.#accountTrie;
  }

  /** Undefined once the state is in the store. */
  get pendingChanges(): StateChanges | undefined {
    return this.#pending?.changes;
  }

  /** Undefined once the state is in the store. */
  get parent(): ChainState | undefined {
    return this.#pending?.parent;
  }

  get heldBytes(): number {
    return this.#pending?.changes.heldBytes ?? 0;
  }

  fork(): StateLayer {
    return new OverlayLayer(this);
  }

  account(address: Uint8Array): AccountState | undefined {
    return this.#source.account(address);
  }

  accountAt(addressKey: string): AccountState | undefined {
    return this.#source.accountAt(addressKey);
  }

  storage(address: Uint8Array, slot: Uint8Array): Uint8Array {
    return this.#source.storage(address, slot);
  }

  storageAt(addressKey: string, slotKey: string): Uint8Array {
    return this.#source.storageAt(addressKey, slotKey);
  }

  code(codeHash: Uint8Array): Uint8Array {
    return this.#source.code(codeHash);
  }

  storageRoot(address: Uint8Array): Uint8Array {
    return this.account(address)?.storageRoot ?? EMPTY_TRIE_ROOT;
  }

  record(addressKey: string): AccountRecord {
    if (this.#isHead) return this.#flat.record(addressKey);
    if (this.#pending !== undefined) return this.#pending.reader.record(addressKey);
    // Nothing above a superseded state is ever committed, so no slot key needs the generation.
    const account = this.accountAt(addressKey);
    return account === undefined ? NO_RECORD : { account, generation: 0 };
  }

  /** Trie nodes of this state: from the pending states below, then the store. */
  readonly loadNode = (hash: Uint8Array): Uint8Array | undefined => {
    const key = bytesKey(hash);
    for (let state: ChainState | undefined = this; state !== undefined; state = state.parent) {
      const rlp = state.pendingChanges?.nodes.get(key);
      if (rlp !== undefined) return rlp;
    }
    return this.#flat.node(hash);
  };

  /**
   * A batch with the changes of `path`, the last of which is this state's, may reach the store at any moment from now.
   * They hide it here, so what they do not cover is the same before and after.
   */
  becomeStaged(path: readonly StateChanges[]): void {
    if (this.#pending === undefined) return;
    const { changes, parent } = this.#pending;
    let reader: RecordReader = this.#flat;
    for (const each of path) reader = new PendingReader(each, reader);
    this.#becomePending(changes, parent, reader);
  }

  #becomePending(changes: StateChanges, parent: ChainState, reader: RecordReader): void {
    this.#pending = { changes, parent, reader };
    this.#source = reader;
  }

  becomeHead(): void {
    this.#source = this.#flat;
    this.#pending = undefined;
    this.#isHead = true;
  }

  /**
   * The flat tables may move on at any moment from now, for these accounts: what is asked for most while a block is
   * written, accounts, is still one read. `records`: what they are in this state.
   */
  becomeLeaving(records: ReadonlyMap<string, AccountRecord>): void {
    const wasHead = this.#isHead;
    this.becomeSuperseded();
    // Another batch may have been on its way before: the tables have moved on for its accounts, too.
    if (wasHead) this.#source = new LeavingReader(records, this.#flat, this.#source);
  }

  /** The flat tables have moved on: whoever still stands on this state reads its trie. */
  becomeSuperseded(): void {
    this.#source = this.#history();
    this.#isHead = false;
    this.#accountTrie = this.stateRoot;
  }

  #history(): KeyedReader {
    return new HistoricalReader(
      this.stateRoot,
      (hash) => this.#flat.node(hash) ?? this.#missing(),
      (codeHash) => this.#flat.code(codeHash),
    );
  }

  /** A state can be pruned while somebody reads it. */
  #missing(): undefined {
    const isHere = equalsBytes(this.stateRoot, EMPTY_TRIE_ROOT) || this.#flat.node(this.stateRoot) !== undefined;
    if (!isHere) throw pruned(this.stateRoot);
  }
}

class LeavingReader implements KeyedReader {
  readonly #records: ReadonlyMap<string, AccountRecord>;
  readonly #flat: FlatState;
  readonly #trie: KeyedReader;

  constructor(records: ReadonlyMap<string, AccountRecord>, flat: FlatState, trie: KeyedReader) {
    this.#records = records;
    this.#flat = flat;
    this.#trie = trie;
  }

  account(address: Uint8Array): AccountState | undefined {
    return this.accountAt(bytesKey(address));
  }

  accountAt(addressKey: string): AccountState | undefined {
    return (this.#records.get(addressKey) ?? this.#flat.record(addressKey)).account;
  }

  storage(address: Uint8Array, slot: Uint8Array): Uint8Array {
    return this.#trie.storage(address, slot);
  }

  storageAt(addressKey: string, slotKey: string): Uint8Array {
    return this.#trie.storageAt(addressKey, slotKey);
  }

  code(codeHash: Uint8Array): Uint8Array {
    return this.#trie.code(codeHash);
  }
}

class PendingReader implements RecordReader {
  readonly #changes: StateChanges;
  readonly #below: RecordReader;

  constructor(changes: StateChanges, below: RecordReader) {
    this.#changes = changes;
    this.#below = below;
  }

  record(addressKey: string): AccountRecord {
    return this.#changes.records.get(addressKey) ?? this.#below.record(addressKey);
  }

  account(address: Uint8Array): AccountState | undefined {
    return this.accountAt(bytesKey(address));
  }

  accountAt(addressKey: string): AccountState | undefined {
    const own = this.#changes.records.get(addressKey);
    return own === undefined ? this.#below.accountAt(addressKey) : own.account;
  }

  storage(address: Uint8Array, slot: Uint8Array): Uint8Array {
    return this.storageAt(bytesKey(address), bytesKey(slot));
  }

  storageAt(addressKey: string, slotKey: string): Uint8Array {
    const overlay = this.#changes.storages.get(addressKey);
    return overlay?.slots.get(slotKey) ?? (overlay?.cleared ? EMPTY_BYTES : this.#below.storageAt(addressKey, slotKey));
  }

  code(codeHash: Uint8Array): Uint8Array {
    return this.#changes.codes.get(bytesKey(codeHash)) ?? this.#below.code(codeHash);
  }
}
