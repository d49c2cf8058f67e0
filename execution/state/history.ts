/** Reads a state through its trie: several store reads an answer, for roots that the flat tables have moved past. */
import { EMPTY_BYTES } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { decodeTrieAccount } from "./account-codec.ts";
import { GenerationCache } from "./cache.ts";
import type { KeyedReader } from "./keyed-reader.ts";
import { bytesKey, keyBytes } from "./keys.ts";
import { type NodeAccount, type NodeLoader, Trie } from "./trie.ts";
import type { AccountState } from "./types.ts";

/** Nodes that one reader keeps in memory before it starts afresh. */
const NODES_KEPT = 16_384;
const HASHED_KEYS_KEPT = 65_536;

const hashedKeys = new GenerationCache<Uint8Array>(HASHED_KEYS_KEPT);

/** keccak256 of an address or a slot, given as `bytesKey`: its key in a secure trie. */
export function hashedKey(key: string): Uint8Array {
  let hash = hashedKeys.get(key);
  if (hash === undefined) {
    hash = keccak256(keyBytes(key));
    hashedKeys.set(key, hash);
  }
  return hash;
}

/** The value of a slot from its leaf, an RLP string of at most 32 bytes. */
export function decodeTrieSlot(leaf: Uint8Array | undefined): Uint8Array {
  if (leaf === undefined) return EMPTY_BYTES;
  return leaf.length === 1 ? leaf : leaf.subarray(1);
}

export class HistoricalReader implements KeyedReader {
  readonly #root: Uint8Array;
  readonly #load: NodeLoader;
  readonly #code: (codeHash: Uint8Array) => Uint8Array;
  readonly #nodes: NodeAccount = { resident: 0, sweep: 0 };
  #accounts: Trie;
  readonly #storages = new Map<string, Trie>();

  constructor(root: Uint8Array, load: NodeLoader, code: (codeHash: Uint8Array) => Uint8Array) {
    this.#root = root;
    this.#load = load;
    this.#code = code;
    this.#accounts = new Trie(load, root, this.#nodes);
  }

  account(address: Uint8Array): AccountState | undefined {
    return this.accountAt(bytesKey(address));
  }

  accountAt(addressKey: string): AccountState | undefined {
    this.#bound();
    const leaf = this.#accounts.get(hashedKey(addressKey));
    return leaf === undefined ? undefined : decodeTrieAccount(leaf);
  }

  storage(address: Uint8Array, slot: Uint8Array): Uint8Array {
    return this.storageAt(bytesKey(address), bytesKey(slot));
  }

  storageAt(addressKey: string, slotKey: string): Uint8Array {
    let trie = this.#storages.get(addressKey);
    if (trie === undefined) {
      const account = this.accountAt(addressKey);
      if (account === undefined) return EMPTY_BYTES;
      trie = new Trie(this.#load, account.storageRoot, this.#nodes);
      this.#storages.set(addressKey, trie);
    }
    return decodeTrieSlot(trie.get(hashedKey(slotKey)));
  }

  code(codeHash: Uint8Array): Uint8Array {
    return this.#code(codeHash);
  }

  #bound(): void {
    if (this.#nodes.resident + this.#storages.size < NODES_KEPT) return;
    this.#nodes.resident = 0;
    this.#accounts = new Trie(this.#load, this.#root, this.#nodes);
    this.#storages.clear();
  }
}
