/**
 * One layer of uncommitted state: maps of what changed above a parent, and an undo log for the frames of the EVM.
 *
 * Every map entry is replaced, never mutated, so one kind of undo record serves accounts, slots and whole storages:
 * "in this map, under this key, this value was there before".
 */
import { EMPTY_BYTES, trimLeadingZeros } from "../../core/bytes.ts";
import { KECCAK_EMPTY, keccak256 } from "../../core/crypto.ts";
import { hasStorageRoot } from "./account-codec.ts";
import { type KeyedReader, keyedReader } from "./keyed-reader.ts";
import { bytesKey } from "./keys.ts";
import type { AccountState, StateLayer, StateReader } from "./types.ts";

/** Storage writes of one account. `cleared` hides the parent's slots. */
export interface StorageOverlay {
  readonly cleared: boolean;
  readonly slots: Map<string, Uint8Array>;
}

const ABSENT = Symbol("absent");
/** An original value that the parent of the layer still has. */
const IN_PARENT = Symbol("in parent");

/** The state before genesis: nothing exists. */
export const emptyReader: StateReader = {
  account: () => undefined,
  storage: () => EMPTY_BYTES,
  code(codeHash) {
    if (bytesKey(codeHash) === EMPTY_CODE_KEY) return EMPTY_BYTES;
    throw new Error("the empty state has no code");
  },
};

const EMPTY_CODE_KEY = bytesKey(KECCAK_EMPTY);

export class OverlayLayer implements StateLayer, KeyedReader {
  readonly parent: StateReader;
  readonly #below: KeyedReader;
  /** Keyed by `bytesKey(address)`; undefined marks a deleted account. */
  readonly accounts = new Map<string, AccountState | undefined>();
  readonly storages = new Map<string, StorageOverlay>();
  /** Keyed by code hash. Not undone: content-addressed, and sealing keeps only what an account refers to. */
  readonly codes = new Map<string, Uint8Array>();

  #undoMaps: Map<string, unknown>[] = [];
  #undoKeys: string[] = [];
  #undoValues: unknown[] = [];
  /** Length of the undo log at each open checkpoint. */
  #marks: number[] = [];
  #originals = new Map<string, Map<string, Uint8Array | typeof IN_PARENT>>();
  /** What an account's overlay was when the transaction first cleared it. */
  #clearedInTransaction = new Map<string, StorageOverlay | undefined>();
  #frozen = false;

  constructor(parent: StateReader = emptyReader) {
    this.parent = parent;
    this.#below = keyedReader(parent);
  }

  account(address: Uint8Array): AccountState | undefined {
    return this.accountAt(bytesKey(address));
  }

  accountAt(addressKey: string): AccountState | undefined {
    const own = this.accounts.get(addressKey);
    if (own !== undefined) return own;
    return this.accounts.has(addressKey) ? undefined : this.#below.accountAt(addressKey);
  }

  storage(address: Uint8Array, slot: Uint8Array): Uint8Array {
    return this.storageAt(bytesKey(address), bytesKey(slot));
  }

  storageAt(addressKey: string, slotKey: string): Uint8Array {
    return this.#read(this.storages.get(addressKey), addressKey, slotKey);
  }

  code(codeHash: Uint8Array): Uint8Array {
    const key = bytesKey(codeHash);
    if (key === EMPTY_CODE_KEY) return EMPTY_BYTES;
    return this.codes.get(key) ?? this.parent.code(codeHash);
  }

  setAccount(address: Uint8Array, account: AccountState | undefined): void {
    if (account === undefined) this.clearStorage(address);
    const key = bytesKey(address);
    const before = this.accounts.get(key);
    this.#remember(this.accounts, key, before === undefined && !this.accounts.has(key) ? ABSENT : before);
    this.accounts.set(key, account);
  }

  setStorage(address: Uint8Array, slot: Uint8Array, value: Uint8Array): void {
    const key = bytesKey(address);
    let overlay = this.storages.get(key);
    if (overlay === undefined) {
      // Not undone: an overlay without slots reads as its parent does.
      overlay = { cleared: false, slots: new Map() };
      this.storages.set(key, overlay);
    }
    const slotKey = bytesKey(slot);
    const before = overlay.slots.get(slotKey);
    this.#keepOriginal(key, overlay, slotKey, before);
    this.#remember(overlay.slots, slotKey, before ?? ABSENT);
    overlay.slots.set(slotKey, trimLeadingZeros(value));
  }

  clearStorage(address: Uint8Array): void {
    const key = bytesKey(address);
    const before = this.storages.get(key);
    if (before?.cleared && before.slots.size === 0) return;
    if (!this.#clearedInTransaction.has(key)) this.#clearedInTransaction.set(key, before);
    this.#remember(this.storages, key, before ?? ABSENT);
    this.storages.set(key, { cleared: true, slots: new Map() });
  }

  addCode(code: Uint8Array): Uint8Array {
    if (code.length === 0) return KECCAK_EMPTY;
    this.#assertOpen();
    const hash = keccak256(code);
    this.codes.set(bytesKey(hash), code);
    return hash;
  }

  /**
   * Whether a block below or this layer gave the account a slot that is not zero: EIP-7610's question. A slot of the
   * parent that this layer zeroed still counts; only an account that ran code can have one, and its nonce or code
   * already decides the collision.
   */
  hasStorage(address: Uint8Array): boolean {
    const overlay = this.storages.get(bytesKey(address));
    if (overlay !== undefined) {
      for (const value of overlay.slots.values()) if (value.length > 0) return true;
      if (overlay.cleared) return false;
    }
    return hasStorage(this.parent, address);
  }

  checkpoint(): void {
    this.#assertOpen();
    this.#marks.push(this.#undoMaps.length);
  }

  commit(): void {
    if (this.#marks.pop() === undefined) throw new Error("commit without a checkpoint");
    if (this.#marks.length === 0) this.#truncate(0);
  }

  revert(): void {
    const mark = this.#marks.pop();
    if (mark === undefined) throw new Error("revert without a checkpoint");
    for (let i = this.#undoMaps.length - 1; i >= mark; i--) {
      const before = this.#undoValues[i];
      if (before === ABSENT) this.#undoMaps[i]!.delete(this.#undoKeys[i]!);
      else this.#undoMaps[i]!.set(this.#undoKeys[i]!, before);
    }
    this.#truncate(mark);
  }

  get openCheckpoints(): number {
    return this.#marks.length;
  }

  beginTransaction(): void {
    if (this.#originals.size > 0) this.#originals.clear();
    if (this.#clearedInTransaction.size > 0) this.#clearedInTransaction.clear();
  }

  originalStorage(address: Uint8Array, slot: Uint8Array): Uint8Array {
    const key = bytesKey(address);
    const slotKey = bytesKey(slot);
    const original = this.#originals.get(key)?.get(slotKey);
    if (original === IN_PARENT) return this.#below.storageAt(key, slotKey);
    if (original !== undefined) return original;
    const cleared = this.#clearedInTransaction.has(key);
    return this.#read(cleared ? this.#clearedInTransaction.get(key) : this.storages.get(key), key, slotKey);
  }

  /** From here on writes throw. Precondition: no open checkpoint. */
  freeze(): void {
    if (this.#marks.length > 0) throw new Error(`${this.#marks.length} checkpoints are still open`);
    this.#frozen = true;
    this.beginTransaction();
  }

  #read(overlay: StorageOverlay | undefined, addressKey: string, slotKey: string): Uint8Array {
    if (overlay !== undefined) {
      const own = overlay.slots.get(slotKey);
      if (own !== undefined) return own;
      if (overlay.cleared) return EMPTY_BYTES;
    }
    return this.#below.storageAt(addressKey, slotKey);
  }

  #keepOriginal(key: string, overlay: StorageOverlay, slotKey: string, before: Uint8Array | undefined): void {
    let originals = this.#originals.get(key);
    if (originals === undefined) {
      originals = new Map();
      this.#originals.set(key, originals);
    }
    if (originals.has(slotKey)) return;
    let atStart = before;
    let cleared = overlay.cleared;
    if (this.#clearedInTransaction.has(key)) {
      // Later writes go to the fresh overlay; the transaction started with the one before the first clearing.
      const start = this.#clearedInTransaction.get(key);
      atStart = start?.slots.get(slotKey);
      cleared = start?.cleared ?? false;
    }
    originals.set(slotKey, atStart ?? (cleared ? EMPTY_BYTES : IN_PARENT));
  }

  #remember(map: Map<string, unknown>, key: string, before: unknown): void {
    this.#assertOpen();
    if (this.#marks.length === 0) return;
    this.#undoMaps.push(map);
    this.#undoKeys.push(key);
    this.#undoValues.push(before);
  }

  #truncate(length: number): void {
    this.#undoMaps.length = length;
    this.#undoKeys.length = length;
    this.#undoValues.length = length;
  }

  #assertOpen(): void {
    if (this.#frozen) throw new Error("the layer is sealed; fork the sealed state to write");
  }
}

/** See `OverlayLayer.hasStorage`. */
export function hasStorage(state: StateReader, address: Uint8Array): boolean {
  if (state instanceof OverlayLayer) return state.hasStorage(address);
  return hasStorageRoot(state.account(address));
}

/** What the layer has changed, in `copy`. Precondition: `copy` is a new layer on the same parent. */
export function copyLayer(layer: OverlayLayer, copy: OverlayLayer): OverlayLayer {
  for (const [key, account] of layer.accounts) copy.accounts.set(key, account);
  for (const [key, { cleared, slots }] of layer.storages) copy.storages.set(key, { cleared, slots: new Map(slots) });
  for (const [key, code] of layer.codes) copy.codes.set(key, code);
  return copy;
}
