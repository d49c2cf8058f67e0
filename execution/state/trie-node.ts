/**
 * Nodes of the hexary Merkle-Patricia trie and their RLP (Yellow Paper, appendix D).
 *
 * Keys are prefix-free (secure tries: all 32 bytes; RLP indices), so a branch never carries a value.
 * `reference` is how a parent refers to the node: its 32-byte keccak256, or its whole RLP when that is shorter than
 * 32 bytes. It is undefined while the node is being edited; once it is set, nobody changes what the node says.
 */
import { bytesToHex, EMPTY_BYTES } from "../../core/bytes.ts";
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
  reference: Uint8Array | undefined;
  used = 0;

  constructor(owner: Owner, children: Child[]) {
    this.owner = owner;
    this.children = children;
  }
}

export function isNode(child: Child): child is Node {
  return child !== undefined && !(child instanceof Uint8Array);
}

/** keccak256(rlp("")). */
export const EMPTY_TRIE_ROOT = keccak256(Uint8Array.of(0x80));

export function toNibbles(key: Uint8Array): Uint8Array {
  const out = new Uint8Array(key.length * 2);
  for (let i = 0; i < key.length; i++) {
    const byte = key[i]!;
    out[2 * i] = byte >> 4;
    out[2 * i + 1] = byte & 15;
  }
  return out;
}

/** Precondition: the children are hashed. */
export function encodeNode(node: Node): Uint8Array {
  if (node.kind === "branch") {
    let payload = 1;
    for (let i = 0; i < 16; i++) payload += referenceLength(node.children[i]);
    const out = newList(payload);
    let at = out.length - payload;
    for (let i = 0; i < 16; i++) at = writeReference(out, at, node.children[i]);
    out[at] = 0x80;
    return out;
  }
  const pathLength = (node.path.length >> 1) + 1;
  const itemLength = node.kind === "leaf" ? stringLength(node.value) : referenceLength(node.child);
  const payload = (pathLength === 1 ? 1 : 1 + pathLength) + itemLength;
  const out = newList(payload);
  let at = out.length - payload;
  if (pathLength > 1) out[at++] = 0x80 + pathLength;
  at = writePath(out, at, node.path, node.kind === "leaf");
  if (node.kind === "leaf") writeString(out, at, node.value);
  else writeReference(out, at, node.child);
  return out;
}

/** Throws a StoreError when the bytes are no node. `reference` as in the node; embedded nodes get their own bytes. */
export function decodeNode(rlp: Uint8Array, reference: Uint8Array): Node {
  const items = listItems(rlp, reference);
  let node: Node;
  if (items.length === 17) {
    const children: Child[] = new Array(16);
    for (let i = 0; i < 16; i++) children[i] = decodeChild(items[i]!, reference);
    node = new Branch(undefined, children);
  } else {
    const encodedPath = items.length === 2 ? content(items[0]!) : EMPTY_BYTES;
    if (encodedPath.length === 0) throw notANode(reference);
    const nibbles = toNibbles(encodedPath);
    const path = nibbles.subarray(nibbles[0]! & 1 ? 1 : 2);
    if (nibbles[0]! & 2) node = new Leaf(undefined, path, content(items[1]!));
    else node = new Extension(undefined, path, decodeChild(items[1]!, reference));
  }
  node.reference = reference;
  return node;
}

function decodeChild(item: Uint8Array, parent: Uint8Array): Child {
  const first = item[0]!;
  if (first === 0x80) return undefined;
  if (first === 0xa0) return item.subarray(1);
  if (first >= 0xc0) return decodeNode(item, item);
  throw notANode(parent);
}

function notANode(reference: Uint8Array): Error {
  return damaged(`the record of trie node ${bytesToHex(reference)} is no trie node`);
}

/** The items of an RLP list, each with its header. */
function listItems(rlp: Uint8Array, reference: Uint8Array): Uint8Array[] {
  const items: Uint8Array[] = [];
  let [at, end] = rlp.length > 0 && rlp[0]! >= 0xc0 ? span(rlp, 0) : [0, 0];
  if (end === 0 || end !== rlp.length) throw notANode(reference);
  while (at < end) {
    const next = span(rlp, at)[1];
    if (next > end || items.length === 17) throw notANode(reference);
    items.push(rlp.subarray(at, next));
    at = next;
  }
  return items;
}

/** Where the content of the item at `at` starts and ends. */
function span(rlp: Uint8Array, at: number): [start: number, end: number] {
  const first = rlp[at]!;
  if (first < 0x80) return [at, at + 1];
  const short = first < 0xc0 ? first - 0x80 : first - 0xc0;
  if (short <= 55) return [at + 1, at + 1 + short];
  const start = at + 1 + (short - 55);
  let length = 0;
  for (let i = at + 1; i < start; i++) length = length * 256 + (rlp[i] ?? 0);
  return [start, start + length];
}

const content = (item: Uint8Array) => item.subarray(span(item, 0)[0]);

function referenceOf(child: Node | Uint8Array): Uint8Array {
  if (child instanceof Uint8Array) return child;
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
  let start = at;
  if (reference.length === 32) out[start++] = 0xa0;
  out.set(reference, start);
  return start + reference.length;
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
export function newList(payload: number): Uint8Array {
  const out = new Uint8Array(headerLength(payload) + payload);
  writeHeader(out, 0, 0xc0, payload);
  return out;
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
