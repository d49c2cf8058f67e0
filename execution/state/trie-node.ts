/**
 * Nodes of the hexary Merkle-Patricia trie and their RLP (Yellow Paper, appendix D).
 *
 * Keys are prefix-free (secure tries: all 32 bytes; RLP indices), so a branch never carries a value.
 * `reference` is how a parent refers to the node: its 32-byte keccak256, or its whole RLP when that is shorter than
 * 32 bytes. It is undefined while the node is being edited; once it is set, nobody changes what the node says.
 */
import { bytesToHex } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { damaged } from "./errors.ts";

/** The edit session that may change the node in place. */
export type Owner = object | undefined;
export type Node = Leaf | Extension | Branch;
/** A node in memory, the hash of one in the store, or nothing. */
export type Child = Node | Uint8Array | undefined;

/** Paths hold one nibble a byte. */
export class Leaf {
  readonly kind = "leaf";
  readonly owner: Owner;
  path: Uint8Array;
  value: Uint8Array;
  reference: Uint8Array | undefined;
  /** Sweep in which the node was last used. */
  used = 0;

  constructor(owner: Owner, path: Uint8Array, value: Uint8Array) {
    this.owner = owner;
    this.path = path;
    this.value = value;
  }
}

export class Extension {
  readonly kind = "extension";
  readonly owner: Owner;
  path: Uint8Array;
  child: Child;
  reference: Uint8Array | undefined;
  used = 0;

  constructor(owner: Owner, path: Uint8Array, child: Child) {
    this.owner = owner;
    this.path = path;
    this.child = child;
  }
}

export class Branch {
  readonly kind = "branch";
  readonly owner: Owner;
  readonly children: Child[];
  /** Bit i: child i was put here since the last hash, so it may have no reference yet. */
  edited = 0;
  reference: Uint8Array | undefined;
  used = 0;

  constructor(owner: Owner, children: Child[]) {
    this.owner = owner;
    this.children = children;
  }
}

/** Not `instanceof`, which costs several times as much: this is asked for every child. */
export function isNode(child: Child): child is Node {
  return child !== undefined && !ArrayBuffer.isView(child);
}

/** keccak256(rlp("")). */
export const EMPTY_TRIE_ROOT = keccak256(Uint8Array.of(0x80));

/** Into `out`, the beginning of it, where that has the room. */
export function toNibbles(key: Uint8Array, out: Uint8Array = new Uint8Array(key.length * 2)): Uint8Array {
  for (let i = 0; i < key.length; i++) {
    const byte = key[i]!;
    out[2 * i] = byte >> 4;
    out[2 * i + 1] = byte & 15;
  }
  return out;
}

/** Precondition: the children are hashed. The result shares its allocation with others: copy what is to live long. */
export function encodeNode(node: Node): Uint8Array {
  if (node.kind === "branch") return encodeBranch(node);
  const pathLength = (node.path.length >> 1) + 1;
  const itemLength = node.kind === "leaf" ? stringLength(node.value) : referenceLength(node.child);
  const payload = (pathLength === 1 ? 1 : 1 + pathLength) + itemLength;
  const out = newList(payload, allocateShared);
  let at = out.length - payload;
  if (pathLength > 1) out[at++] = 0x80 + pathLength;
  at = writePath(out, at, node.path, node.kind === "leaf");
  if (node.kind === "leaf") writeString(out, at, node.value);
  else writeReference(out, at, node.child);
  return out;
}

/** A list's header of three bytes, 16 hashes of 33 bytes, and the value that there never is. */
const MOST_BRANCH_BYTES = 3 + 16 * 33 + 1;

/** The payload first, in its place, as its length is known only then; the header goes before it. */
function encodeBranch({ children }: Branch): Uint8Array {
  reserveShared(MOST_BRANCH_BYTES);
  const start = sharedUsed + 3;
  let at = start;
  for (let i = 0; i < 16; i++) at = writeReference(shared, at, children[i]);
  shared[at++] = 0x80;
  const payload = at - start;
  const first = start - headerLength(payload);
  writeHeader(shared, first, 0xc0, payload);
  sharedUsed = at;
  return shared.subarray(first, at);
}

/** Throws a StoreError when the bytes are no node. `reference` as in the node; embedded nodes get their own bytes. */
export function decodeNode(rlp: Uint8Array, reference: Uint8Array): Node {
  const starts: number[] = [];
  let at = rlp.length > 0 && rlp[0]! >= 0xc0 ? contentStart(rlp, 0) : rlp.length + 1;
  while (at < rlp.length && starts.length < 18) {
    starts.push(at);
    at = itemEnd(rlp, at);
  }
  if (at !== rlp.length || itemEnd(rlp, 0) !== at) throw notANode(reference);
  let node: Node;
  if (starts.length === 17) {
    const children: Child[] = [];
    for (let i = 0; i < 16; i++) children.push(decodeChild(rlp, starts[i]!, starts[i + 1]!, reference));
    node = new Branch(undefined, children);
  } else {
    if (starts.length !== 2) throw notANode(reference);
    const second = starts[1]!;
    const prefixed = toNibbles(rlp.subarray(contentStart(rlp, starts[0]!), second));
    if (prefixed.length === 0) throw notANode(reference);
    const path = prefixed.slice(prefixed[0]! & 1 ? 1 : 2);
    if (prefixed[0]! & 2) node = new Leaf(undefined, path, rlp.slice(contentStart(rlp, second)));
    else node = new Extension(undefined, path, decodeChild(rlp, second, rlp.length, reference));
  }
  node.reference = reference;
  return node;
}

// Small arrays are copied throughout: V8 keeps them in its heap, while a view of one forces a buffer outside of it.

function decodeChild(rlp: Uint8Array, start: number, end: number, parent: Uint8Array): Child {
  const first = rlp[start]!;
  if (first === 0x80) return undefined;
  if (first === 0xa0) return rlp.slice(start + 1, end);
  if (first < 0xc0 || end - start >= 32) throw notANode(parent);
  const embedded = rlp.slice(start, end);
  return decodeNode(embedded, embedded);
}

function notANode(reference: Uint8Array): Error {
  return damaged(`the record of trie node ${bytesToHex(reference)} is no trie node`);
}

/** Where the content of the RLP item at `at` starts. */
function contentStart(rlp: Uint8Array, at: number): number {
  const first = rlp[at]!;
  if (first < 0x80) return at;
  const length = first < 0xc0 ? first - 0x80 : first - 0xc0;
  return length <= 55 ? at + 1 : at + 1 + (length - 55);
}

/** Where the RLP item at `at` ends; past the end of the bytes when it is cut off. */
function itemEnd(rlp: Uint8Array, at: number): number {
  const first = rlp[at]!;
  if (first < 0x80) return at + 1;
  const start = contentStart(rlp, at);
  if (start === at + 1) return start + (first < 0xc0 ? first - 0x80 : first - 0xc0);
  let length = 0;
  for (let i = at + 1; i < start; i++) length = length * 256 + (rlp[i] ?? 0);
  return start + length;
}

function referenceOf(child: Node | Uint8Array): Uint8Array {
  if (ArrayBuffer.isView(child)) return child;
  if (child.reference === undefined) throw new Error("a child of the node is not hashed yet");
  return child.reference;
}

function referenceLength(child: Child): number {
  if (child === undefined) return 1;
  const length = referenceOf(child).length;
  return length === 32 ? 33 : length;
}

function writeReference(out: Uint8Array, at: number, child: Child): number {
  if (child === undefined) {
    out[at] = 0x80;
    return at + 1;
  }
  const reference = referenceOf(child);
  const { length } = reference;
  let start = at;
  if (length === 32) out[start++] = 0xa0;
  out.set(reference, start);
  return start + length;
}

/** Hex-prefix encoding: 2 marks a leaf, 1 an odd number of nibbles. */
function writePath(out: Uint8Array, start: number, path: Uint8Array, leaf: boolean): number {
  let at = start;
  const odd = path.length & 1;
  out[at++] = ((leaf ? 2 : 0) + odd) * 16 + (odd ? path[0]! : 0);
  for (let i = odd; i < path.length; i += 2) out[at++] = path[i]! * 16 + path[i + 1]!;
  return at;
}

/** RLP length of a byte string, header included. */
export function stringLength(bytes: Uint8Array): number {
  if (bytes.length === 1 && bytes[0]! < 0x80) return 1;
  return headerLength(bytes.length) + bytes.length;
}

/** Returns the position after the string. */
export function writeString(out: Uint8Array, start: number, bytes: Uint8Array): number {
  let at = start;
  if (bytes.length !== 1 || bytes[0]! >= 0x80) at = writeHeader(out, at, 0x80, bytes.length);
  out.set(bytes, at);
  return at + bytes.length;
}

/** An RLP list with its header written and room for `payload` bytes at its end. */
export function newList(
  payload: number,
  allocate: (length: number) => Uint8Array = (length) => new Uint8Array(length),
): Uint8Array {
  const out = allocate(headerLength(payload) + payload);
  writeHeader(out, 0, 0xc0, payload);
  return out;
}

const SHARED_BYTES = 16_384;
let shared = new Uint8Array(SHARED_BYTES);
let sharedUsed = 0;

/** Zeros. Beyond 64 bytes an array of its own costs four times as much as a part of a larger one. */
function allocateShared(length: number): Uint8Array {
  if (length > SHARED_BYTES / 8) return new Uint8Array(length);
  reserveShared(length);
  sharedUsed += length;
  return shared.subarray(sharedUsed - length, sharedUsed);
}

function reserveShared(length: number): void {
  if (sharedUsed + length <= SHARED_BYTES) return;
  shared = new Uint8Array(SHARED_BYTES);
  sharedUsed = 0;
}

function headerLength(length: number): number {
  if (length < 56) return 1;
  return length < 0x100 ? 2 : length < 0x10000 ? 3 : length < 0x1000000 ? 4 : 5;
}

function writeHeader(out: Uint8Array, at: number, base: number, length: number): number {
  if (length < 56) {
    out[at] = base + length;
    return at + 1;
  }
  const size = headerLength(length) - 1;
  out[at] = base + 55 + size;
  for (let i = size, rest = length; i > 0; i--, rest = Math.floor(rest / 256)) out[at + i] = rest & 0xff;
  return at + 1 + size;
}
