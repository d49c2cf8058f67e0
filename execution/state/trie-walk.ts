/**
 * Tries read whole, for those who check or restore a store: every leaf of one, and what differs between two. Nodes are
 * dropped once passed, so memory is bounded by the depth.
 */
import { bytesToHex, compareBytes, equalsBytes } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { damaged, StoreError } from "./errors.ts";
import type { NodeLoader } from "./trie.ts";
import { type Child, decodeNode, EMPTY_TRIE_ROOT, Extension, isNode, Leaf, type Node } from "./trie-node.ts";

export interface TrieLeaf {
  /** 32 bytes in the tries of states. */
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export interface TrieWatch {
  /** Whether what is below this node needs no visit. Asked once for each node that is stored by itself. */
  readonly isKnown?: (hash: Uint8Array) => boolean;
  /** A node is missing or is not what its hash says; the walk goes on beside it. */
  readonly onDamage: (reason: string) => void;
}

/** Leaves below the root in the order of their keys. Each node is hashed. */
export function* trieLeaves(load: NodeLoader, root: Uint8Array, watch: TrieWatch): Generator<TrieLeaf> {
  if (equalsBytes(root, EMPTY_TRIE_ROOT)) return;
  yield* leavesBelow(load, root, [], watch);
}

function* leavesBelow(load: NodeLoader, child: Child, path: readonly number[], watch: TrieWatch): Generator<TrieLeaf> {
  if (child instanceof Uint8Array && watch.isKnown?.(child) === true) return;
  const node = loaded(load, child, watch.onDamage);
  if (node === undefined) return;
  if (node.kind === "leaf") {
    yield { key: fromNibbles([...path, ...node.path]), value: node.value };
  } else if (node.kind === "extension") {
    yield* leavesBelow(load, node.child, [...path, ...node.path], watch);
  } else {
    for (const [index, next] of node.children.entries()) {
      if (next !== undefined) yield* leavesBelow(load, next, [...path, index], watch);
    }
  }
}

/** The node, checked; undefined where there is none and where it is damaged. */
function loaded(load: NodeLoader, child: Child, onDamage: (reason: string) => void): Node | undefined {
  if (child === undefined || isNode(child)) return child;
  const rlp = load(child);
  if (rlp === undefined) {
    onDamage(`trie node ${bytesToHex(child)} is missing`);
    return undefined;
  }
  if (!equalsBytes(keccak256(rlp), child)) {
    onDamage(`trie node ${bytesToHex(child)} does not match its hash`);
    return undefined;
  }
  try {
    return decodeNode(rlp, child);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    onDamage(error.message);
    return undefined;
  }
}

export interface TrieDifference {
  readonly key: Uint8Array;
  /** Undefined: not there. */
  readonly before: Uint8Array | undefined;
  readonly after: Uint8Array | undefined;
}

/** Keys whose values differ between two tries, in order; what they share is not read. Throws StoreError on damage. */
export function* trieDifferences(load: NodeLoader, before: Uint8Array, after: Uint8Array): Generator<TrieDifference> {
  const child = (root: Uint8Array): Child => (equalsBytes(root, EMPTY_TRIE_ROOT) ? undefined : root);
  yield* differencesBelow(load, child(before), child(after), []);
}

function* differencesBelow(load: NodeLoader, a: Child, b: Child, path: readonly number[]): Generator<TrieDifference> {
  if (isSame(a, b)) return;
  const [left, right] = [loaded(load, a, stop), loaded(load, b, stop)];
  if (isLeafOrNone(left) && isLeafOrNone(right)) {
    yield* leafDifferences(left, right, path);
    return;
  }
  for (let nibble = 0; nibble < 16; nibble++) {
    yield* differencesBelow(load, childAt(left, nibble), childAt(right, nibble), [...path, nibble]);
  }
}

const isLeafOrNone = (node: Node | undefined): node is Leaf | undefined => node === undefined || node.kind === "leaf";

function* leafDifferences(
  a: Leaf | undefined,
  b: Leaf | undefined,
  path: readonly number[],
): Generator<TrieDifference> {
  const keyOf = (leaf: Leaf): Uint8Array => fromNibbles([...path, ...leaf.path]);
  const order = a === undefined || b === undefined ? -1 : compareBytes(a.path, b.path);
  if (a !== undefined && b !== undefined && order === 0) {
    if (!equalsBytes(a.value, b.value)) yield { key: keyOf(a), before: a.value, after: b.value };
    return;
  }
  const removed = a && { key: keyOf(a), before: a.value, after: undefined };
  const added = b && { key: keyOf(b), before: undefined, after: b.value };
  for (const each of order > 0 ? [added, removed] : [removed, added]) if (each !== undefined) yield each;
}

/** Where one nibble leads: for a node with a path, to what is left of it, which is no node of the trie. */
export function childAt(node: Node | undefined, nibble: number): Child {
  if (node === undefined) return undefined;
  if (node.kind === "branch") return node.children[nibble];
  if (node.path[0] !== nibble) return undefined;
  const rest = node.path.slice(1);
  if (node.kind === "leaf") return new Leaf(undefined, rest, node.value);
  return rest.length === 0 ? node.child : new Extension(undefined, rest, node.child);
}

function isSame(a: Child, b: Child): boolean {
  if (a === undefined || b === undefined) return a === b;
  const [left, right] = [referenceOf(a), referenceOf(b)];
  return left !== undefined && right !== undefined && equalsBytes(left, right);
}

const referenceOf = (child: Exclude<Child, undefined>): Uint8Array | undefined =>
  child instanceof Uint8Array ? child : child.reference;

function stop(reason: string): never {
  throw damaged(reason);
}

function fromNibbles(nibbles: readonly number[]): Uint8Array {
  const out = new Uint8Array(nibbles.length >> 1);
  for (let i = 0; i < out.length; i++) out[i] = (nibbles[2 * i]! << 4) | nibbles[2 * i + 1]!;
  return out;
}
