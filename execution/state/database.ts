/**
 * The state database: layers are sealed into states, states are staged into the caller's atomic batch, and the last
 * committed one is the head. See flat-state.ts for the tables and sealed-state.ts for where reads go.
 *
 * Memory: flat caches are bounded; trie nodes beyond `nodeBudget` turn back into hashes when a state is committed
 * (half of the budget stays, so a sweep costs a few steps for each node loaded since the last one).
 *
 * Every state stays readable, unless the store says that states are counted (prune-tables.ts): then those go that nobody
 * wants any more (prune.ts).
 */
import { bytesToHex, equalsBytes } from "../../core/bytes.ts";
import { type AccountRecord, decodeTrieAccount, encodeTrieAccount, hasStorageRoot } from "./account-codec.ts";
import { GenerationCache } from "./cache.ts";
import { damaged, StoreError } from "./errors.ts";
import { FlatState, NewNodes } from "./flat-state.ts";
import { decodeTrieSlot, hashedKey } from "./history.ts";
import { bytesKey, keyBytes } from "./keys.ts";
import { OverlayLayer, type StorageOverlay } from "./layer.ts";
import { type SharedNodes, stageNodeUse } from "./prune.ts";
import { NodeUseOfSeal } from "./prune-seal.ts";
import { readHistory, readPrunedRoot, type StateHistory } from "./prune-tables.ts";
import { ChainState } from "./sealed-state.ts";
import { type NodeAccount, type NodeLoader, sweepNodes, Trie } from "./trie.ts";
import { EMPTY_TRIE, storedTrie } from "./trie-changes.ts";
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
  /** Address of the account that pruned states still prove. Whoever commits to a store that counts states names it. */
  readonly forEver?: Uint8Array;
  /** Of the store; without it each count is read. */
  readonly shared?: SharedNodes;
}

const DEFAULT_NODE_BUDGET = 100_000;
/** Storage tries whose upper nodes stay in memory between blocks. */
const STORAGE_TRIES_KEPT = 8_192;

/** What a pending state's entries take in memory besides their bytes: a trie node twice, as object and as RLP. */
const NODE_BYTES = 600;
const RECORD_BYTES = 400;
const SLOT_BYTES = 200;

/** Throws a StoreError (DAMAGED) when the head's root is not in the store, or states are counted in part only. */
export function openStateDatabase(options: StateDatabaseOptions): StateDatabase {
  return new TrieStateDatabase(options);
}

class TrieStateDatabase implements StateDatabase {
  readonly #reader: KeyValueReader;
  readonly #flat: FlatState;
  readonly #forEver: Uint8Array | undefined;
  readonly #shared: SharedNodes | undefined;
  readonly #nodeBudget: number;
  readonly #nodes: NodeAccount = { resident: 0, sweep: 0 };
  /** Root nodes by storage root. */
  readonly #storageTries = new GenerationCache<Node>(STORAGE_TRIES_KEPT);
  #head: ChainState;
  /** Oldest first; the last one is to be the head. */
  #staged: readonly ChainState[] = [];
  /** Undefined where states are not counted. */
  #history: StateHistory | undefined;
  #stagedHistory: StateHistory | undefined;

  constructor({ reader, headRoot, nodeBudget = DEFAULT_NODE_BUDGET, forEver, shared }: StateDatabaseOptions) {
    this.#reader = reader;
    this.#flat = new FlatState(reader);
    this.#forEver = forEver;
    this.#shared = shared;
    this.#nodeBudget = nodeBudget;
    this.#history = forEver && countedHistory(reader);
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
    const use = this.#history && this.#forEver && new NodeUseOfSeal(layer.parent.loadNode, this.#forEver);
    return new Sealing(layer, layer.parent, this.#nodes, this.#storageTries, use).seal();
  }

  stage(state: SealedState, batch: BatchWriter, keepFrom?: bigint): void {
    const path = this.#pathTo(state);
    this.#staged = path;
    const changes = path.map((each) => each.pendingChanges!);
    const replaced = changes.flatMap(({ records }) => [...records.keys()]);
    this.#head.becomeLeaving(new Map(replaced.map((key) => [key, this.#head.record(key)])));
    path.at(-1)!.becomeStaged(changes);
    for (const each of changes) this.#flat.stage(each, batch);
    if (this.#history === undefined) return;
    const uses = changes.map(({ nodeUse }) => nodeUse!);
    this.#stagedHistory = stageNodeUse(this.#reader, this.#history, uses, keepFrom ?? 0n, batch, this.#shared);
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
    this.#head.becomeSuperseded();
    staged.becomeHead();
    this.#head = staged;
    this.#staged = [];
    this.#history = this.#stagedHistory;
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

  prove(stateRoot: Uint8Array, address: Uint8Array, slots: readonly Uint8Array[]): AccountProof | undefined {
    const state = this.at(stateRoot);
    if (state !== undefined) return proof(state.loadNode, stateRoot, address, slots);
    const root = readPrunedRoot(this.#reader, bytesKey(stateRoot));
    if (root === undefined) return undefined;
    const load = (hash: Uint8Array) => (equalsBytes(hash, stateRoot) ? root : this.#flat.node(hash));
    try {
      return proof(load, stateRoot, address, slots);
    } catch (error) {
      // What is left of the state proves one account.
      if (error instanceof StoreError && error.code === "DAMAGED") return undefined;
      throw error;
    }
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

function proof(
  load: NodeLoader,
  stateRoot: Uint8Array,
  address: Uint8Array,
  slots: readonly Uint8Array[],
): AccountProof {
  const accounts = new Trie(load, stateRoot);
  const addressKey = hashedKey(bytesKey(address));
  const leaf = accounts.get(addressKey);
  const account = leaf && decodeTrieAccount(leaf);
  const storage = new Trie(load, account?.storageRoot);
  return {
    account,
    accountProof: accounts.prove(addressKey),
    storageProofs: slots.map((slot) => {
      const key = hashedKey(bytesKey(slot));
      return { slot, value: decodeTrieSlot(storage.get(key)), proof: storage.prove(key) };
    }),
  };
}

/** Throws StoreError. */
function countedHistory(reader: KeyValueReader): StateHistory | undefined {
  const history = readHistory(reader);
  // Counts that mean nothing yet change nothing.
  if (history === undefined || history.phase === "counting") return undefined;
  if (history.phase === "complete") return history;
  throw damaged("nodes of earlier states were deleted in part only, which a start of the node takes up again");
}

/** Hashes one layer's changes: storage tries first, then the account trie. */
class Sealing {
  readonly #layer: OverlayLayer;
  readonly #parent: ChainState;
  readonly #nodes: NodeAccount;
  readonly #storageTries: GenerationCache<Node>;
  readonly #use: NodeUseOfSeal | undefined;
  readonly #load: NodeLoader;
  readonly #records = new Map<string, AccountRecord>();
  readonly #newNodes = new NewNodes();
  readonly #codes = new Map<string, Uint8Array>();
  readonly #replacedRoots: string[] = [];
  #heldBytes = 0;

  constructor(
    layer: OverlayLayer,
    parent: ChainState,
    nodes: NodeAccount,
    storageTries: GenerationCache<Node>,
    use: NodeUseOfSeal | undefined,
  ) {
    this.#use = use;
    this.#load = use?.load ?? parent.loadNode;
    this.#layer = layer;
    this.#parent = parent;
    this.#nodes = nodes;
    this.#storageTries = storageTries;
  }

  seal(): ChainState {
    const { accounts, storages } = this.#layer;
    const parentRoot = this.#parent.stateRoot;
    const trie = new Trie(this.#load, this.#parent.accountTrie, this.#nodes);
    const before = this.#use?.before(trie, parentRoot, accounts.size > 0 ? accounts.keys() : storages.keys());
    for (const key of accounts.keys()) this.#sealAccount(key, trie);
    for (const key of storages.keys()) if (!accounts.has(key)) this.#sealAccount(key, trie);
    const stateRoot = trie.hash(this.#keepNode);
    if (before !== undefined) this.#use?.noteAccounts(before, { root: stateRoot, node: trie.root });
    this.#heldBytes += this.#records.size * RECORD_BYTES;
    for (const { slots } of storages.values()) this.#heldBytes += slots.size * SLOT_BYTES;
    for (const code of this.#codes.values()) this.#heldBytes += code.length;
    return ChainState.above(this.#parent, stateRoot, trie.root, {
      records: this.#records,
      storages,
      nodes: this.#newNodes,
      codes: this.#codes,
      replacedRoots: this.#replacedRoots,
      nodeUse: this.#use?.result(parentRoot, equalsBytes(parentRoot, stateRoot)),
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
      this.#use?.noteStorage(key, storedTrie(before.account.storageRoot), EMPTY_TRIE);
      trie.delete(hashedKey(key));
      this.#records.set(key, { account: undefined, generation });
      return;
    }
    const storageRoot = this.#sealStorage(key, overlay, before.account);
    if (sameAccount(written, storageRoot, before.account)) return;
    const account = { nonce: written.nonce, balance: written.balance, codeHash: written.codeHash, storageRoot };
    trie.put(hashedKey(key), encodeTrieAccount(account));
    this.#records.set(key, { account, generation });
    const codeKey = bytesKey(account.codeHash);
    const code = this.#layer.codes.get(codeKey);
    if (code !== undefined) this.#codes.set(codeKey, code);
  }

  #sealStorage(addressKey: string, overlay: StorageOverlay | undefined, account: AccountState | undefined): Uint8Array {
    const had = account?.storageRoot ?? EMPTY_TRIE_ROOT;
    if (overlay === undefined) return had;
    const start = overlay.cleared ? EMPTY_TRIE_ROOT : had;
    const startKey = bytesKey(start);
    const trie = new Trie(this.#load, this.#storageTries.get(startKey) ?? start, this.#nodes);
    const before = overlay.cleared ? storedTrie(had) : this.#use?.before(trie, start, overlay.slots.keys());
    for (const [slotKey, value] of overlay.slots) {
      const key = hashedKey(slotKey);
      if (value.length === 0) trie.delete(key);
      else trie.put(key, encodeSlot(value));
    }
    const root = trie.hash(this.#keepNode);
    if (before !== undefined) this.#use?.noteStorage(addressKey, before, { root, node: trie.root });
    const rootKey = bytesKey(root);
    if (rootKey !== startKey) this.#replacedRoots.push(startKey);
    if (isNode(trie.root)) this.#storageTries.set(rootKey, trie.root);
    return root;
  }

  readonly #keepNode = (hash: Uint8Array, rlp: Uint8Array): void => {
    this.#newNodes.add(hash, rlp);
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
