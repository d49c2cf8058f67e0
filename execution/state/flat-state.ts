/**
 * The committed head as flat tables: one read an answer, behind bounded caches.
 *
 *   0x01 ‖ address                            account record (account-codec.ts)
 *   0x02 ‖ address ‖ slot [‖ generation u32]  storage value, no leading zeros; absent for zero
 *   0x03 ‖ keccak256(node)                    trie node RLP, of every state that is kept
 *   0x04 ‖ keccak256(code)                    code
 *   0x05 ‖ keccak256(key)                     the address or slot, which a trie knows only by its hash
 *
 * Generation 0 is left out of slot keys. It rises only when an account loses storage that was on disk: never by the
 * rules since Cancun (EIP-6780 deletes what the same transaction created, and EIP-7610 refuses to create over
 * storage), but by irregular changes of state. The old slots then stay as unreachable garbage.
 */
import { bytesToHex, EMPTY_BYTES } from "../../core/bytes.ts";
import { KECCAK_EMPTY } from "../../core/crypto.ts";
import { type AccountRecord, decodeRecord, encodeRecord, hasStorageRoot, NO_RECORD } from "./account-codec.ts";
import { GenerationCache, PairCache } from "./cache.ts";
import { damaged } from "./errors.ts";
import { hashedKey } from "./history.ts";
import type { KeyedReader } from "./keyed-reader.ts";
import { bytesKey, keyBytes, writeKey } from "./keys.ts";
import type { StorageOverlay } from "./layer.ts";
import type { NodeUse } from "./prune.ts";
import type { AccountState, BatchWriter, KeyValueReader } from "./types.ts";

const ACCOUNTS = 0x01;
const STORAGE = 0x02;
const NODES = 0x03;
const CODES = 0x04;
const KEYS = 0x05;

/** Cache entries. */
const RECORDS_CACHED = 65_536;
const SLOTS_CACHED = 262_144;
const CODES_CACHED = 1_024;
/** Addresses and slots known to be in KEYS. */
const KEYS_CACHED = 262_144;

/** Nodes that a block adds, as they were hashed; one that is at several places may come several times. */
export class NewNodes {
  readonly #hashes: Uint8Array[] = [];
  readonly #rlps: Uint8Array[] = [];
  /** Made when somebody asks: most nodes that are read are in memory as nodes. Undefined until then. */
  #byHash: Map<string, Uint8Array> | undefined;

  /** Not after `get`. */
  add(hash: Uint8Array, rlp: Uint8Array): void {
    this.#hashes.push(hash);
    this.#rlps.push(rlp);
  }

  /** `key`: `bytesKey` of the hash. */
  get(key: string): Uint8Array | undefined {
    this.#byHash ??= new Map(this.#hashes.map((hash, i) => [bytesKey(hash), this.#rlps[i]!]));
    return this.#byHash.get(key);
  }

  stage(batch: BatchWriter): void {
    for (let i = 0; i < this.#hashes.length; i++) {
      const key = new Uint8Array(33);
      key[0] = NODES;
      key.set(this.#hashes[i]!, 1);
      batch.put(key, this.#rlps[i]!);
    }
  }
}

/** What a block changes; keys are `bytesKey` of address, slot and code hash. */
export interface StateChanges {
  readonly records: ReadonlyMap<string, AccountRecord>;
  readonly storages: ReadonlyMap<string, StorageOverlay>;
  readonly nodes: NewNodes;
  readonly codes: ReadonlyMap<string, Uint8Array>;
  /** Storage roots that the block replaced by others. */
  readonly replacedRoots: readonly string[];
  /** Undefined where every state stays. */
  readonly nodeUse: NodeUse | undefined;
  /** About how much memory all this takes. */
  readonly heldBytes: number;
}

export class FlatState implements KeyedReader {
  readonly #store: KeyValueReader;
  readonly #records = new GenerationCache<AccountRecord>(RECORDS_CACHED);
  readonly #slots = new PairCache<Uint8Array>(SLOTS_CACHED);
  readonly #codes = new GenerationCache<Uint8Array>(CODES_CACHED);
  readonly #storedKeys = new GenerationCache<number>(KEYS_CACHED);

  constructor(store: KeyValueReader) {
    this.#store = store;
  }

  record(key: string): AccountRecord {
    let record = this.#records.get(key);
    if (record === undefined) {
      const bytes = this.#store.get(tableKey(ACCOUNTS, key));
      record = bytes === undefined ? NO_RECORD : decodeRecord(bytes);
      this.#records.set(key, record);
    }
    return record;
  }

  account(address: Uint8Array): AccountState | undefined {
    return this.record(bytesKey(address)).account;
  }

  accountAt(addressKey: string): AccountState | undefined {
    return this.record(addressKey).account;
  }

  storage(address: Uint8Array, slot: Uint8Array): Uint8Array {
    return this.storageAt(bytesKey(address), bytesKey(slot));
  }

  storageAt(addressKey: string, ownKey: string): Uint8Array {
    const { account, generation } = this.record(addressKey);
    if (!hasStorageRoot(account)) return EMPTY_BYTES;
    const overlayKey = generationKey(addressKey, generation);
    let value = this.#slots.get(overlayKey, ownKey);
    if (value === undefined) {
      value = this.#store.get(slotKey(addressKey, ownKey, generation)) ?? EMPTY_BYTES;
      this.#slots.set(overlayKey, ownKey, value);
    }
    return value;
  }

  code(codeHash: Uint8Array): Uint8Array {
    const key = bytesKey(codeHash);
    if (key === EMPTY_CODE_KEY) return EMPTY_BYTES;
    let code = this.#codes.get(key);
    if (code === undefined) {
      code = this.#store.get(tableKey(CODES, key));
      if (code === undefined) throw damaged(`code ${bytesToHex(codeHash)} is missing`);
      this.#codes.set(key, code);
    }
    return code;
  }

  node(hash: Uint8Array): Uint8Array | undefined {
    return this.#store.get(tableKey(NODES, bytesKey(hash)));
  }

  stage(changes: StateChanges, batch: BatchWriter): void {
    for (const [key, record] of changes.records) {
      const at = tableKey(ACCOUNTS, key);
      if (record.account === undefined && record.generation === 0) batch.del(at);
      else batch.put(at, encodeRecord(record));
      if (record.account !== undefined) this.#stageKey(key, batch);
    }
    forEachSlot(changes, (addressKey, key, value, generation) => {
      const at = slotKey(addressKey, key, generation);
      if (value.length === 0) {
        batch.del(at);
        return;
      }
      batch.put(at, value);
      this.#stageKey(key, batch);
    });
    changes.nodes.stage(batch);
    for (const [key, code] of changes.codes) batch.put(tableKey(CODES, key), code);
  }

  /** Without it nobody could tell which account or slot a leaf of a trie is. */
  #stageKey(key: string, batch: BatchWriter): void {
    if (this.#storedKeys.get(key) === undefined) batch.put(tableKey(KEYS, bytesKey(hashedKey(key))), keyBytes(key));
  }

  /** The staged changes are in the store: the caches follow. */
  committed(changes: StateChanges): void {
    for (const [key, record] of changes.records) {
      this.#records.set(key, record);
      if (record.account !== undefined) this.#storedKeys.set(key, 1);
    }
    forEachSlot(changes, (addressKey, key, value, generation) => {
      this.#slots.set(generationKey(addressKey, generation), key, value);
      if (value.length > 0) this.#storedKeys.set(key, 1);
    });
    for (const [key, code] of changes.codes) this.#codes.set(key, code);
  }
}

/**
 * Slots of accounts that changed and exist. An account without a record has the storage root it had, so its slots are
 * as they were; a deleted one's are out of reach, because its generation rose.
 */
function forEachSlot(
  { records, storages }: StateChanges,
  visit: (addressKey: string, slotKey: string, value: Uint8Array, generation: number) => void,
): void {
  for (const [addressKey, overlay] of storages) {
    const record = records.get(addressKey);
    if (record?.account === undefined) continue;
    for (const [key, value] of overlay.slots) visit(addressKey, key, value, record.generation);
  }
}

const EMPTY_CODE_KEY = bytesKey(KECCAK_EMPTY);

function tableKey(table: number, key: string): Uint8Array {
  const out = new Uint8Array(1 + key.length);
  out[0] = table;
  return writeKey(key, out, 1);
}

function slotKey(addressKey: string, slotKey: string, generation: number): Uint8Array {
  const out = new Uint8Array(generation === 0 ? 53 : 57);
  out[0] = STORAGE;
  writeKey(addressKey, out, 1);
  writeKey(slotKey, out, 21);
  if (generation > 0) new DataView(out.buffer).setUint32(53, generation);
  return out;
}

function generationKey(addressKey: string, generation: number): string {
  return generation === 0 ? addressKey : `${addressKey}${generation}`;
}

/**
 * A trie node, code, or the address or slot behind a hashed key: whatever has this keccak256. Only what is committed, or
 * was imported.
 */
export function readStateItem(store: KeyValueReader, hash: Uint8Array): Uint8Array | undefined {
  const key = bytesKey(hash);
  return store.get(tableKey(NODES, key)) ?? store.get(tableKey(KEYS, key)) ?? store.get(tableKey(CODES, key));
}

const TABLES = { node: NODES, code: CODES, key: KEYS } as const;

/** Precondition: `hash` is the item's keccak256. */
export function stageStateItem(
  batch: BatchWriter,
  kind: keyof typeof TABLES,
  hash: Uint8Array,
  item: Uint8Array,
): void {
  batch.put(tableKey(TABLES[kind], bytesKey(hash)), item);
}

/** For the head of a store that has no flat tables yet: every account and slot, once. */
export function stageFlatAccount(batch: BatchWriter, address: Uint8Array, account: AccountState): void {
  batch.put(tableKey(ACCOUNTS, bytesKey(address)), encodeRecord({ account, generation: 0 }));
}

/** As above. `value`: without leading zeros, not empty. */
export function stageFlatSlot(batch: BatchWriter, address: Uint8Array, slot: Uint8Array, value: Uint8Array): void {
  batch.put(slotKey(bytesKey(address), bytesKey(slot), 0), value);
}

// For those who check or restore a store that nobody else uses.

export function readFlatRecord(store: KeyValueReader, address: Uint8Array): AccountRecord {
  const bytes = store.get(tableKey(ACCOUNTS, bytesKey(address)));
  return bytes === undefined ? NO_RECORD : decodeRecord(bytes);
}

/** Of the account's storage in its present generation; empty where there is none. */
export function readFlatSlot(
  store: KeyValueReader,
  address: Uint8Array,
  slot: Uint8Array,
  generation: number,
): Uint8Array {
  return store.get(slotKey(bytesKey(address), bytesKey(slot), generation)) ?? EMPTY_BYTES;
}

export function stageFlatRecord(batch: BatchWriter, address: Uint8Array, record: AccountRecord): void {
  const at = tableKey(ACCOUNTS, bytesKey(address));
  if (record.account === undefined && record.generation === 0) batch.del(at);
  else batch.put(at, encodeRecord(record));
}

/** An empty value deletes. */
export function stageFlatSlotAt(
  batch: BatchWriter,
  address: Uint8Array,
  slot: Uint8Array,
  generation: number,
  value: Uint8Array,
): void {
  const at = slotKey(bytesKey(address), bytesKey(slot), generation);
  if (value.length === 0) batch.del(at);
  else batch.put(at, value);
}

export type FlatEntry =
  | { readonly kind: "account"; readonly address: Uint8Array; readonly record: AccountRecord }
  | { readonly kind: "slot"; readonly address: Uint8Array; readonly generation: number };

/** What an entry between FLAT_TABLES' keys is; undefined when its key is malformed. Throws StoreError. */
export function flatEntryOf(key: Uint8Array, value: Uint8Array): FlatEntry | undefined {
  if (key[0] === ACCOUNTS && key.length === 21) {
    return { kind: "account", address: key.slice(1), record: decodeRecord(value) };
  }
  if (key[0] !== STORAGE || (key.length !== 53 && key.length !== 57)) return undefined;
  const generation = key.length === 53 ? 0 : new DataView(key.buffer, key.byteOffset + 53).getUint32(0);
  return { kind: "slot", address: key.slice(1, 21), generation };
}

/** Keys of the flat tables: what a store holds between them is a head's accounts and slots. */
export const FLAT_TABLES = { start: Uint8Array.of(ACCOUNTS), end: Uint8Array.of(STORAGE + 1) } as const;
