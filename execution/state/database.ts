/**
 * The state database: layers are sealed into states, states are staged into the caller's atomic batch, and the last
 * committed one is the head. See flat-state.ts for the tables and sealed-state.ts for where reads go.
 *
 * Memory: flat caches are bounded; trie nodes beyond `nodeBudget` turn back into hashes when a state is committed
 * (half of the budget stays, so a sweep costs a few steps for each node loaded since the last one).
 */
import { bytesToHex, equalsBytes } from "../../core/bytes.ts";
import { type AccountRecord, encodeTrieAccount, hasStorageRoot } from "./account-codec.ts";
import { GenerationCache } from "./cache.ts";
import { damaged } from "./errors.ts";
import { FlatState } from "./flat-state.ts";
import { decodeTrieSlot, hashedKey } from "./history.ts";
import { bytesKey, keyBytes } from "./keys.ts";
import { OverlayLayer, type StorageOverlay } from "./layer.ts";
import { ChainState } from "./sealed-state.ts";
import { type NodeAccount, sweepNodes, Trie } from "./trie.ts";
import { EMPTY_TRIE_ROOT, isNode, type Node, stringLength, writeString } from "./trie-node.ts";
import type {
  AccountProof,
  AccountState,
  BatchWriter,
  KeyValueReader,
  SealedState,
  StateDatabase,
  StateLayer,
} from "./types.ts";

export interface StateDatabaseOptions {
  readonly reader: KeyValueReader;
  /** State root of the last committed block; the empty trie's before genesis. */
  readonly headRoot: Uint8Array;
  /** Trie nodes in memory, about 500 bytes each. */
  readonly nodeBudget?: number;
}

const DEFAULT_NODE_BUDGET = 100_000;
/** Storage tries whose upper nodes stay in memory between blocks. */
const STORAGE_TRIES_KEPT = 8_192;

/** What a pending state's entries take in memory besides their bytes: a trie node twice, as object and as RLP. */
const NODE_BYTES = 600;
const RECORD_BYTES = 400;
const SLOT_BYTES = 200;

/** Throws a StoreError (DAMAGED) when the head's root is not in the store. */
export function openStateDatabase(options: StateDatabaseOptions): StateDatabase {
  return new TrieStateDatabase(options);
}

class TrieStateDatabase implements StateDatabase {
  readonly #flat: FlatState;
  readonly #nodeBudget: number;
  readonly #nodes: NodeAccount = { resident: 0, sweep: 0 };
  /** Root nodes by storage root. */
  readonly #storageTries = new GenerationCache<Node>(STORAGE_TRIES_KEPT);
  #head: ChainState;
  /** Oldest first; the last one is to be the head. */
  #staged: readonly ChainState[] = [];

  constructor({ reader, headRoot, nodeBudget = DEFAULT_NODE_BUDGET }: StateDatabaseOptions) {
    this.#flat = new FlatState(reader);
    this.#nodeBudget = nodeBudget;
    if (!this.#knows(headRoot)) throw damaged(`the root ${bytesToHex(headRoot)} of the last block's state is missing`);
    this.#head = new ChainState(this.#flat, headRoot);
    this.#head.becomeHead();
  }

  get head(): SealedState {
    return this.#head;
  }

  seal(layer: StateLayer): SealedState {
    if (!(layer instanceof OverlayLayer) || !(layer.parent instanceof ChainState)) {
      throw new TypeError("only a layer that a sealed state forked can be sealed");
    }
    layer.freeze();
    return new Sealing(layer, layer.parent, this.#nodes, this.#storageTries).seal();
  }

  stage(state: SealedState, batch: BatchWriter): void {
    const path = this.#pathTo(state);
    this.#staged = path;
    this.#head.becomeSuperseded();
    const changes = path.map((each) => each.pendingChanges!);
    path.at(-1)!.becomeStaged(changes);
    for (const each of changes) this.#flat.stage(each, batch);
  }

  committed(state: SealedState): void {
    const staged = this.#staged.at(-1);
    if (staged === undefined || state !== staged) {
      throw new Error(`state ${bytesToHex(state.stateRoot)} is not the one staged last`);
    }
    for (const { pendingChanges } of this.#staged) {
      this.#flat.committed(pendingChanges!);
      // Only history uses them from here on, and it loads what it needs.
      for (const root of pendingChanges!.replacedRoots) this.#storageTries.delete(root);
    }
    staged.becomeHead();
    this.#head = staged;
    this.#staged = [];
    if (this.#nodes.resident > this.#nodeBudget) this.#sweep();
  }

  /** From the head's child to the state. */
  #pathTo(state: SealedState): ChainState[] {
    const path: ChainState[] = [];
    let at = state instanceof ChainState ? state : undefined;
    for (; at !== undefined && at !== this.#head; at = at.parent) path.push(at);
    if (at === undefined || path.length === 0) {
      throw new Error(`state ${bytesToHex(state.stateRoot)} does not stand on the committed head`);
    }
    return path.reverse();
  }

  at(stateRoot: Uint8Array): ChainState | undefined {
    if (equalsBytes(stateRoot, this.#head.stateRoot)) return this.#head;
    return this.#knows(stateRoot) ? new ChainState(this.#flat, stateRoot) : undefined;
  }

  prove(stateRoot: Uint8Array, address: Uint8Array, slots: readonly Uint8Array[]): AccountProof {
    const state = this.at(stateRoot);
    if (state === undefined) throw new Error(`no state with root ${bytesToHex(stateRoot)} here`);
    const accounts = new Trie(state.loadNode, stateRoot);
    const account = state.account(address);
    const storage = new Trie(state.loadNode, account?.storageRoot);
    return {
      account,
      accountProof: accounts.prove(hashedKey(bytesKey(address))),
      storageProofs: slots.map((slot) => {
        const key = hashedKey(bytesKey(slot));
        return { slot, value: decodeTrieSlot(storage.get(key)), proof: storage.prove(key) };
      }),
    };
  }

  #knows(root: Uint8Array): boolean {
    return equalsBytes(root, EMPTY_TRIE_ROOT) || this.#flat.node(root) !== undefined;
  }

  #sweep(): void {
    const roots = new Set(this.#storageTries.values());
    if (isNode(this.#head.accountTrie)) roots.add(this.#head.accountTrie);
    sweepNodes(roots, this.#nodes, this.#nodeBudget >> 1);
  }
}

/** Hashes one layer's changes: storage tries first, then the account trie. */
class Sealing {
  readonly #layer: OverlayLayer;
  readonly #parent: ChainState;
  readonly #nodes: NodeAccount;
  readonly #storageTries: GenerationCache<Node>;
  readonly #records = new Map<string, AccountRecord>();
  readonly #newNodes = new Map<string, Uint8Array>();
  readonly #codes = new Map<string, Uint8Array>();
  readonly #replacedRoots: string[] = [];
  #heldBytes = 0;

  constructor(layer: OverlayLayer, parent: ChainState, nodes: NodeAccount, storageTries: GenerationCache<Node>) {
    this.#layer = layer;
    this.#parent = parent;
    this.#nodes = nodes;
    this.#storageTries = storageTries;
  }

  seal(): ChainState {
    const { accounts, storages } = this.#layer;
    const trie = new Trie(this.#parent.loadNode, this.#parent.accountTrie, this.#nodes);
    for (const key of accounts.keys()) this.#sealAccount(key, trie);
    for (const key of storages.keys()) if (!accounts.has(key)) this.#sealAccount(key, trie);
    const stateRoot = trie.hash(this.#keepNode);
    this.#heldBytes += this.#records.size * RECORD_BYTES;
    for (const { slots } of storages.values()) this.#heldBytes += slots.size * SLOT_BYTES;
    for (const code of this.#codes.values()) this.#heldBytes += code.length;
    return ChainState.above(this.#parent, stateRoot, trie.root, {
      records: this.#records,
      storages,
      nodes: this.#newNodes,
      codes: this.#codes,
      replacedRoots: this.#replacedRoots,
      heldBytes: this.#heldBytes,
    });
  }

  #sealAccount(key: string, trie: Trie): void {
    const before = this.#parent.record(key);
    const overlay = this.#layer.storages.get(key);
    const written = this.#layer.accounts.has(key) ? this.#layer.accounts.get(key) : before.account;
    const dropsStorage = (written === undefined || overlay?.cleared === true) && hasStorageRoot(before.account);
    const generation = before.generation + (dropsStorage ? 1 : 0);
    if (written === undefined) {
      for (const value of overlay?.slots.values() ?? []) {
        if (value.length > 0) throw new Error(`storage written to ${bytesToHex(keyBytes(key))}, which does not exist`);
      }
      if (before.account === undefined) return;
      trie.delete(hashedKey(key));
      this.#records.set(key, { account: undefined, generation });
      return;
    }
    const storageRoot = this.#sealStorage(overlay, before.account);
    if (sameAccount(written, storageRoot, before.account)) return;
    const account = { nonce: written.nonce, balance: written.balance, codeHash: written.codeHash, storageRoot };
    trie.put(hashedKey(key), encodeTrieAccount(account));
    this.#records.set(key, { account, generation });
    const codeKey = bytesKey(account.codeHash);
    const code = this.#layer.codes.get(codeKey);
    if (code !== undefined) this.#codes.set(codeKey, code);
  }

  #sealStorage(overlay: StorageOverlay | undefined, before: AccountState | undefined): Uint8Array {
    const start = overlay?.cleared ? EMPTY_TRIE_ROOT : (before?.storageRoot ?? EMPTY_TRIE_ROOT);
    if (overlay === undefined || overlay.slots.size === 0) return start;
    const startKey = bytesKey(start);
    const trie = new Trie(this.#parent.loadNode, this.#storageTries.get(startKey) ?? start, this.#nodes);
    for (const [slotKey, value] of overlay.slots) {
      const key = hashedKey(slotKey);
      if (value.length === 0) trie.delete(key);
      else trie.put(key, encodeSlot(value));
    }
    const root = trie.hash(this.#keepNode);
    const rootKey = bytesKey(root);
    if (rootKey !== startKey) this.#replacedRoots.push(startKey);
    if (isNode(trie.root)) this.#storageTries.set(rootKey, trie.root);
    return root;
  }

  readonly #keepNode = (hash: Uint8Array, rlp: Uint8Array): void => {
    this.#newNodes.set(bytesKey(hash), rlp);
    this.#heldBytes += rlp.length + NODE_BYTES;
  };
}

function encodeSlot(value: Uint8Array): Uint8Array {
  const out = new Uint8Array(stringLength(value));
  writeString(out, 0, value);
  return out;
}

function sameAccount(written: AccountState, storageRoot: Uint8Array, before: AccountState | undefined): boolean {
  return (
    before !== undefined &&
    written.nonce === before.nonce &&
    written.balance === before.balance &&
    equalsBytes(written.codeHash, before.codeHash) &&
    equalsBytes(storageRoot, before.storageRoot)
  );
}
