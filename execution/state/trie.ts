/**
 * A persistent hexary Merkle-Patricia trie: editing copies the path to the root and shares the rest, so each block's
 * trie is cheap and older ones stay as they were. Nodes made in the current session are edited in place; `hash` ends
 * the session. Nodes that are not in memory are hashes, loaded when an access passes through them.
 */
import { bytesToHex, equalsBytes } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { damaged } from "./errors.ts";
import {
  Branch,
  type Child,
  decodeNode,
  EMPTY_TRIE_ROOT,
  Extension,
  encodeNode,
  isNode,
  Leaf,
  type Node,
  type Owner,
  toNibbles,
} from "./trie-node.ts";

/** The RLP of the node with this hash. */
export type NodeLoader = (hash: Uint8Array) => Uint8Array | undefined;

/** What the tries of one database share: how many nodes are in memory, and the current sweep. */
export interface NodeAccount {
  /** Nodes made or loaded since the last sweep, those dropped meanwhile included, and those that it kept. */
  resident: number;
  sweep: number;
}

export class Trie {
  readonly #load: NodeLoader;
  readonly #account: NodeAccount;
  #root: Child;
  #owner: Owner = {};

  /** `root`: a node, a hash that `load` knows, or undefined for the empty trie. */
  constructor(load: NodeLoader, root: Child, account: NodeAccount = { resident: 0, sweep: 0 }) {
    this.#load = load;
    this.#account = account;
    this.#root = root instanceof Uint8Array && equalsBytes(root, EMPTY_TRIE_ROOT) ? undefined : root;
  }

  /** What another Trie can start from. Precondition: hashed. */
  get root(): Child {
    return this.#root;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const nibbles = nibblesFor(key);
    for (let depth = 0, node = this.#loadRoot(); node !== undefined; ) {
      node.used = this.#account.sweep;
      if (node.kind === "branch") {
        node = this.#branchChild(node, nibbles[depth++]!);
        continue;
      }
      if (commonLength(node.path, nibbles, depth) < node.path.length) return undefined;
      if (node.kind === "leaf") return node.path.length === nibbles.length - depth ? node.value : undefined;
      depth += node.path.length;
      node = this.#extensionChild(node);
    }
    return undefined;
  }

  /** Precondition: the value is not empty, and no key is a prefix of another. */
  put(key: Uint8Array, value: Uint8Array): void {
    if (value.length === 0) throw new RangeError("an empty value cannot be told from no value; use delete");
    this.#root = this.#insert(this.#loadRoot(), nibblesFor(key), 0, value);
  }

  delete(key: Uint8Array): void {
    this.#root = this.#remove(this.#loadRoot(), nibblesFor(key), 0);
  }

  /** The root hash. `store` receives each node that is new since the last call, children first. */
  hash(store: (hash: Uint8Array, rlp: Uint8Array) => void): Uint8Array {
    this.#owner = {};
    if (this.#root === undefined) return EMPTY_TRIE_ROOT;
    if (!isNode(this.#root)) return this.#root;
    const isNew = this.#root.reference === undefined;
    const reference = hashNode(this.#root, store);
    if (reference.length === 32) return reference;
    const hash = keccak256(reference);
    if (isNew) store(hash, reference); // a root is stored however short it is
    return hash;
  }

  /**
   * EIP-1186: the RLP of the nodes from the root towards the key, as far as they go; where the key is absent they
   * prove that. Nodes embedded in their parent are not repeated. Precondition: hashed.
   */
  prove(key: Uint8Array): Uint8Array[] {
    const nibbles = toNibbles(key);
    const proof: Uint8Array[] = [];
    for (let depth = 0, node = this.#loadRoot(); node !== undefined; ) {
      if (proof.length === 0 || node.reference?.length === 32) proof.push(encodeNode(node));
      if (node.kind === "branch") {
        node = this.#branchChild(node, nibbles[depth++]!);
      } else if (node.kind === "extension" && commonLength(node.path, nibbles, depth) === node.path.length) {
        depth += node.path.length;
        node = this.#extensionChild(node);
      } else break;
    }
    return proof;
  }

  #insert(node: Node | undefined, nibbles: Uint8Array, depth: number, value: Uint8Array): Node {
    if (node === undefined) return this.#made(new Leaf(this.#owner, nibbles.slice(depth), value));
    node.used = this.#account.sweep;
    if (node.kind === "branch") {
      const index = nibbles[depth]!;
      const child = this.#branchChild(node, index);
      return this.#withChild(node, index, child, this.#insert(child, nibbles, depth + 1, value));
    }
    const common = commonLength(node.path, nibbles, depth);
    if (common === node.path.length) {
      if (node.kind === "extension") {
        const child = this.#extensionChild(node);
        const next = this.#insert(child, nibbles, depth + common, value);
        if (next === child) return node;
        return this.#setExtension(node, next);
      }
      if (common < nibbles.length - depth) throw new RangeError("a key of the trie is a prefix of another");
      if (equalsBytes(node.value, value)) return node;
      if (node.owner !== this.#owner) return this.#made(new Leaf(this.#owner, node.path, value));
      node.value = value;
      return node;
    }
    if (depth + common === nibbles.length) throw new RangeError("a key of the trie is a prefix of another");
    const branch = this.#made(new Branch(this.#owner, new Array<Child>(16).fill(undefined)));
    setChild(branch, node.path[common]!, this.#shortened(node, common + 1));
    setChild(branch, nibbles[depth + common]!, this.#insert(undefined, nibbles, depth + common + 1, value));
    if (common === 0) return branch;
    return this.#made(new Extension(this.#owner, node.path.slice(0, common), branch));
  }

  #remove(node: Node | undefined, nibbles: Uint8Array, depth: number): Node | undefined {
    if (node === undefined) return undefined;
    node.used = this.#account.sweep;
    if (node.kind === "branch") {
      const index = nibbles[depth]!;
      const child = this.#branchChild(node, index);
      const next = this.#remove(child, nibbles, depth + 1);
      if (next === undefined && child !== undefined) {
        const last = lastOther(node, index);
        if (last !== -1) return this.#prefixed(Uint8Array.of(last), this.#branchChild(node, last)!);
      }
      return this.#withChild(node, index, child, next);
    }
    const common = commonLength(node.path, nibbles, depth);
    if (common < node.path.length) return node;
    if (node.kind === "leaf") return common === nibbles.length - depth ? undefined : node;
    const child = this.#extensionChild(node);
    const next = this.#remove(child, nibbles, depth + common);
    if (next === child) return node;
    // A branch below an extension had two children or more, so something is left.
    return next!.kind === "branch" ? this.#setExtension(node, next!) : this.#prefixed(node.path, next!);
  }

  /** A branch with one child replaced. Same child: either nothing changed, or it and therefore `node` are our own. */
  #withChild(node: Branch, index: number, child: Child, next: Child): Branch {
    if (next === child) return node;
    if (node.owner === this.#owner) {
      setChild(node, index, next);
      return node;
    }
    const copy = this.#made(new Branch(this.#owner, node.children.slice()));
    setChild(copy, index, next);
    return copy;
  }

  #setExtension(node: Extension, child: Node): Extension {
    if (node.owner !== this.#owner) return this.#made(new Extension(this.#owner, node.path, child));
    node.child = child;
    return node;
  }

  /** The node without the first `count` nibbles of its path. */
  #shortened(node: Leaf | Extension, count: number): Child {
    const path = node.path.slice(count);
    if (node.kind === "leaf") return this.#made(new Leaf(this.#owner, path, node.value));
    return path.length === 0 ? node.child : this.#made(new Extension(this.#owner, path, node.child));
  }

  /** The node below `prefix`, merged into one node where it has a path itself. */
  #prefixed(prefix: Uint8Array, node: Node): Node {
    if (node.kind === "branch") return this.#made(new Extension(this.#owner, prefix, node));
    const path = new Uint8Array(prefix.length + node.path.length);
    path.set(prefix);
    path.set(node.path, prefix.length);
    if (node.kind === "leaf") return this.#made(new Leaf(this.#owner, path, node.value));
    return this.#made(new Extension(this.#owner, path, node.child));
  }

  #made<N extends Node>(node: N): N {
    this.#account.resident++;
    node.used = this.#account.sweep;
    return node;
  }

  // A loaded node takes the place of its hash in the parent, also in a hashed parent: it says the same.

  #loadRoot(): Node | undefined {
    if (this.#root instanceof Uint8Array) this.#root = this.#loadNode(this.#root);
    return this.#root;
  }

  #branchChild(node: Branch, index: number): Node | undefined {
    const child = node.children[index];
    if (child === undefined || isNode(child)) return child;
    const loaded = this.#loadNode(child);
    node.children[index] = loaded;
    return loaded;
  }

  #extensionChild(node: Extension): Node | undefined {
    if (!(node.child instanceof Uint8Array)) return node.child;
    const loaded = this.#loadNode(node.child);
    node.child = loaded;
    return loaded;
  }

  #loadNode(hash: Uint8Array): Node {
    const rlp = this.#load(hash);
    if (rlp === undefined) throw damaged(`trie node ${bytesToHex(hash)} is missing`);
    return this.#made(decodeNode(rlp, hash));
  }
}

function setChild(branch: Branch, index: number, child: Child): void {
  branch.children[index] = child;
  branch.edited |= 1 << index;
}

const KEY_BYTES = 32;
const keyNibbles = new Uint8Array(2 * KEY_BYTES);

/** Until the next call: what a trie keeps of a path is copied. */
function nibblesFor(key: Uint8Array): Uint8Array {
  return key.length === KEY_BYTES ? toNibbles(key, keyNibbles) : toNibbles(key);
}

/** Hashes a node whose reference is missing, children first. */
function hashNode(node: Node, store: (hash: Uint8Array, rlp: Uint8Array) => void): Uint8Array {
  if (node.reference !== undefined) return node.reference;
  if (node.kind === "branch") {
    // Most children are as they were: not even to look at them is much of what a branch costs.
    for (let rest = node.edited; rest !== 0; rest &= rest - 1) {
      const child = node.children[31 - Math.clz32(rest & -rest)];
      if (isNode(child)) hashNode(child, store);
    }
  } else if (node.kind === "extension" && isNode(node.child)) {
    hashNode(node.child, store);
  }
  const rlp = encodeNode(node);
  if (rlp.length < 32) {
    node.reference = rlp.slice();
  } else {
    node.reference = keccak256(rlp);
    store(node.reference, rlp);
  }
  return node.reference;
}

/**
 * Keeps at most `keep` nodes, the rest turn back into hashes. Breadth first, so that the upper levels, which every
 * access needs, stay; the second half of the room is only for what was used since the last sweep. Precondition: every
 * node below `roots` is hashed, and its loader finds it. Cost: one step for each node that stays and each of its children. Nodes that several
 * roots share count once.
 */
export function sweepNodes(roots: Iterable<Node>, account: NodeAccount, keep: number): void {
  const kept = new Set<Node>(roots);
  const stays = (child: Node): boolean => {
    if (kept.has(child)) return true;
    const embedded = child.reference!.length < 32;
    const room = child.used < account.sweep ? keep >> 1 : keep;
    if (!embedded && kept.size >= room) return false;
    kept.add(child);
    return true;
  };
  for (const node of kept) {
    if (node.kind === "extension") {
      if (isNode(node.child) && !stays(node.child)) node.child = node.child.reference;
    } else if (node.kind === "branch") {
      const { children } = node;
      for (let i = 0; i < 16; i++) {
        const child = children[i];
        if (isNode(child) && !stays(child)) children[i] = child.reference;
      }
    }
  }
  account.resident = kept.size;
  account.sweep++;
}

/** The only child of the branch besides `index`, or -1 when there are more. */
function lastOther(branch: Branch, index: number): number {
  let last = -1;
  for (let i = 0; i < 16; i++) {
    if (i === index || branch.children[i] === undefined) continue;
    if (last !== -1) return -1;
    last = i;
  }
  return last;
}

function commonLength(path: Uint8Array, nibbles: Uint8Array, depth: number): number {
  const limit = Math.min(path.length, nibbles.length - depth);
  let i = 0;
  while (i < limit && path[i] === nibbles[depth + i]) i++;
  return i;
}
