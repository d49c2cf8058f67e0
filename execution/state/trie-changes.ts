/**
 * Which stored nodes one version of a trie has and another has not, place by place. A place is the path from the root: a
 * node never moves, so what is at a place in both versions with the same hash is the same node with everything below it,
 * and is not looked into. Cost: the nodes that differ. Nodes that are in memory are not read from the store.
 *
 * What a parent embeds (shorter than 32 bytes) is not stored by itself, and neither is anything below it.
 */
import { bytesToHex, equalsBytes } from "../../core/bytes.ts";
import { decodeTrieAccount } from "./account-codec.ts";
import { damaged } from "./errors.ts";
import { type NodeLoader, Trie } from "./trie.ts";
import { type Child, decodeNode, EMPTY_TRIE_ROOT, isNode, type Node, toNibbles } from "./trie-node.ts";
import { childAt, trieDifferences } from "./trie-walk.ts";

/** A hashed trie: its root, and where to begin reading it (the root itself, or its node in memory). */
export interface TrieVersion {
  readonly root: Uint8Array;
  readonly node: Child;
}

export interface NodeChange {
  readonly hash: Uint8Array;
  /** At this place in the later version and not in the earlier one; false: the reverse. */
  readonly isNew: boolean;
  /** Needed to prove the account that is kept for ever: on the way to it, or in its storage. */
  readonly isForEver: boolean;
  /** The new node above it in the trie: its place among the new nodes so far, −1 when there is none. */
  readonly above: number;
}

export const EMPTY_TRIE: TrieVersion = { root: EMPTY_TRIE_ROOT, node: undefined };

/** What is in the store under a root. */
export const storedTrie = (root: Uint8Array): TrieVersion =>
  equalsBytes(root, EMPTY_TRIE_ROOT) ? EMPTY_TRIE : { root, node: root };

/** The way to a key, marked as kept for ever. `isAll`: without it nothing beside the way is visited. */
export interface Way {
  readonly nibbles: Uint8Array;
  readonly isAll: boolean;
}

/** A node comes after those above it. Throws StoreError where a node is missing or malformed. */
export function* trieChanges(
  load: NodeLoader,
  before: TrieVersion,
  after: TrieVersion,
  way?: Way,
): Generator<NodeChange> {
  if (equalsBytes(before.root, after.root)) return;
  // A root is stored however short it is.
  const root = { isForEver: way !== undefined, above: -1 };
  if (before.node !== undefined) yield { hash: before.root, isNew: false, ...root };
  if (after.node !== undefined) yield { hash: after.root, isNew: true, ...root };
  let added = after.node === undefined ? 0 : 1;
  const pending = [
    { a: inner(load, before.node), b: inner(load, after.node), depth: 0, isOnWay: root.isForEver, above: added - 1 },
  ];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (let nibble = 0; nibble < 16; nibble++) {
      const [a, b] = [childAt(next.a, nibble), childAt(next.b, nibble)];
      if (a === b) continue;
      const isOnWay = next.isOnWay && way?.nibbles[next.depth] === nibble;
      if (way?.isAll === false && !isOnWay) continue;
      const [from, to] = [storedHash(a), storedHash(b)];
      if (from !== undefined && to !== undefined && equalsBytes(from, to)) continue;
      const { above } = next;
      if (from !== undefined) yield { hash: from, isNew: false, isForEver: isOnWay, above };
      if (to !== undefined) yield { hash: to, isNew: true, isForEver: isOnWay, above };
      const lower = to === undefined ? above : added++;
      const below = { a: inner(load, a), b: inner(load, b), depth: next.depth + 1, isOnWay, above: lower };
      if (below.a !== undefined || below.b !== undefined) pending.push(below);
    }
  }
}

/** What a node is stored under; undefined for what is not: embedded, or the rest of an extension's path. */
function storedHash(child: Child): Uint8Array | undefined {
  const reference = isNode(child) ? child.reference : child;
  return reference?.length === 32 ? reference : undefined;
}

/** The node if others can be below it. */
function inner(load: NodeLoader, child: Child): Node | undefined {
  let node = child;
  if (node instanceof Uint8Array) {
    const rlp = load(node);
    if (rlp === undefined) throw damaged(`trie node ${bytesToHex(node)} is missing`);
    node = decodeNode(rlp, node);
  }
  if (node === undefined || node.kind === "leaf") return undefined;
  return node.reference !== undefined && node.reference.length < 32 ? undefined : node;
}

/**
 * The same for two states in the store, storage tries included, each place of which has the account's key before it.
 * `forEver`: the account's key in the trie. Throws StoreError.
 */
export function* stateChanges(
  load: NodeLoader,
  before: Uint8Array,
  after: Uint8Array,
  forEver: Uint8Array,
  isAll = true,
): Generator<NodeChange> {
  const nibbles = toNibbles(forEver);
  yield* trieChanges(load, storedTrie(before), storedTrie(after), { nibbles, isAll });
  for (const { key, from, to } of isAll
    ? changedStorages(load, before, after)
    : [storageOf(load, before, after, forEver)]) {
    const isForEver = equalsBytes(key, forEver);
    for (const change of trieChanges(load, storedTrie(from), storedTrie(to))) yield { ...change, isForEver };
  }
}

interface StorageRoots {
  readonly key: Uint8Array;
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

function* changedStorages(load: NodeLoader, before: Uint8Array, after: Uint8Array): Generator<StorageRoots> {
  for (const { key, before: from, after: to } of trieDifferences(load, before, after)) {
    yield { key, from: storageRootOf(from), to: storageRootOf(to) };
  }
}

function storageOf(load: NodeLoader, before: Uint8Array, after: Uint8Array, key: Uint8Array): StorageRoots {
  const at = (root: Uint8Array) => storageRootOf(new Trie(load, root).get(key));
  return { key, from: at(before), to: at(after) };
}

const storageRootOf = (leaf: Uint8Array | undefined): Uint8Array =>
  leaf === undefined ? EMPTY_TRIE_ROOT : decodeTrieAccount(leaf).storageRoot;
