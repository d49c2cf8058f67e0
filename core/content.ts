/**
 * The content tree (docs/spec.md "Content tree"): commits to a non-empty byte string in chunks of 256 bytes.
 *
 *   leaf(chunk) = keccak(0x00 ‖ chunk)      node(l, r) = keccak(0x01 ‖ l ‖ r)
 *   contentRoot = keccak(0x02 ‖ uint64(length) ‖ treeRoot)
 *
 * Shape of RFC 6962: pair up each level from the left, an unpaired last node moves up unchanged.
 */
import { bigIntToFixed, equalsBytes } from "./bytes.ts";
import { keccak256 } from "./crypto.ts";

export const CHUNK_BYTES = 256;

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);
const ROOT = Uint8Array.of(2);

/** Precondition: 1 to 256 bytes. */
export const contentLeaf = (chunk: Uint8Array): Uint8Array => keccak256(LEAF, chunk);
export const contentNode = (left: Uint8Array, right: Uint8Array): Uint8Array => keccak256(NODE, left, right);

/** Binds the length: without it a last chunk could be read as longer content. */
export const sealContentRoot = (length: number | bigint, treeRoot: Uint8Array): Uint8Array =>
  keccak256(ROOT, bigIntToFixed(BigInt(length), 8), treeRoot);

/** Chunks of content of `length` bytes. */
export const chunkCount = (length: number): number => Math.ceil(length / CHUNK_BYTES);

/** Root of content given piece by piece, in memory logarithmic in its length. */
export class ContentHasher {
  #length = 0;
  /** Complete subtrees from the left, strictly falling in size: as in a binary counter. */
  readonly #subtrees: { readonly hash: Uint8Array; readonly leaves: number }[] = [];
  readonly #chunk = new Uint8Array(CHUNK_BYTES);
  #filled = 0;

  get length(): number {
    return this.#length;
  }

  update(bytes: Uint8Array): this {
    this.#length += bytes.length;
    let at = 0;
    while (at < bytes.length) {
      if (this.#filled === 0 && bytes.length - at >= CHUNK_BYTES) {
        this.#append(contentLeaf(bytes.subarray(at, at + CHUNK_BYTES)));
        at += CHUNK_BYTES;
        continue;
      }
      const taken = Math.min(CHUNK_BYTES - this.#filled, bytes.length - at);
      this.#chunk.set(bytes.subarray(at, at + taken), this.#filled);
      this.#filled += taken;
      at += taken;
      if (this.#filled === CHUNK_BYTES) {
        this.#append(contentLeaf(this.#chunk));
        this.#filled = 0;
      }
    }
    return this;
  }

  /** Ends the content. Throws RangeError when nothing was given. */
  root(): Uint8Array {
    return sealContentRoot(this.#length, this.treeRoot());
  }

  /** What the root seals together with the length. Ends the content; throws RangeError when nothing was given. */
  treeRoot(): Uint8Array {
    if (this.#length === 0) throw new RangeError("empty content has no root");
    if (this.#filled > 0) {
      this.#append(contentLeaf(this.#chunk.subarray(0, this.#filled)));
      this.#filled = 0;
    }
    let root = this.#subtrees[this.#subtrees.length - 1]!.hash;
    for (let i = this.#subtrees.length - 2; i >= 0; i--) root = contentNode(this.#subtrees[i]!.hash, root);
    return root;
  }

  #append(leaf: Uint8Array): void {
    let hash = leaf;
    let leaves = 1;
    for (let top = this.#subtrees.at(-1); top !== undefined && top.leaves === leaves; top = this.#subtrees.at(-1)) {
      this.#subtrees.pop();
      hash = contentNode(top.hash, hash);
      leaves *= 2;
    }
    this.#subtrees.push({ hash, leaves });
  }
}

/** Throws RangeError for empty content. */
export const contentRoot = (content: Uint8Array): Uint8Array => new ContentHasher().update(content).root();

/** Throws RangeError for empty content. */
export const contentTreeRoot = (content: Uint8Array): Uint8Array => new ContentHasher().update(content).treeRoot();

/** All levels of the tree, leaves first: for a holder that answers many proofs. 64 bytes a chunk. */
export class ContentTree {
  readonly length: number;
  readonly root: Uint8Array;
  readonly #levels: readonly (readonly Uint8Array[])[];

  /** Throws RangeError for empty content. */
  constructor(content: Uint8Array) {
    if (content.length === 0) throw new RangeError("empty content has no root");
    const leaves: Uint8Array[] = [];
    for (let at = 0; at < content.length; at += CHUNK_BYTES) {
      leaves.push(contentLeaf(content.subarray(at, at + CHUNK_BYTES)));
    }
    const levels: Uint8Array[][] = [leaves];
    for (let level = leaves; level.length > 1; ) {
      const above: Uint8Array[] = [];
      for (let i = 0; i < level.length; i += 2) {
        const right = level[i + 1];
        above.push(right === undefined ? level[i]! : contentNode(level[i]!, right));
      }
      levels.push(above);
      level = above;
    }
    this.length = content.length;
    this.#levels = levels;
    this.root = sealContentRoot(content.length, levels.at(-1)![0]!);
  }

  /** Siblings of chunk `index` from the leaf up. Throws RangeError when there is no such chunk. */
  proof(index: number): readonly Uint8Array[] {
    return this.rangeProof(index, index);
  }

  /** Siblings of chunks `first` to `last`, lowest level first, left before right. Throws RangeError when there are no such chunks. */
  rangeProof(first: number, last: number): readonly Uint8Array[] {
    const chunks = this.#levels[0]!.length;
    if (!Number.isInteger(first) || !Number.isInteger(last) || first < 0 || first > last || last >= chunks) {
      throw new RangeError(`chunks ${first} to ${last} of ${chunks}`);
    }
    const siblings: Uint8Array[] = [];
    let a = first;
    let b = last;
    for (const level of this.#levels) {
      if (a % 2 === 1) siblings.push(level[a - 1]!);
      if (b % 2 === 0 && b + 1 < level.length) siblings.push(level[b + 1]!);
      a = Math.floor(a / 2);
      b = Math.floor(b / 2);
    }
    return siblings;
  }
}

/** Consecutive chunks of a content and the siblings that lead to its root. */
export interface ContentRange {
  /** First chunk. */
  readonly first: number;
  readonly data: Uint8Array;
  readonly siblings: readonly Uint8Array[];
}

/** Content root that `range` leads to for a content of `length` bytes; undefined when it has not the shape of a range of one. */
export function contentRangeRoot(
  length: number,
  { first, data, siblings }: ContentRange,
  hash: (...parts: readonly Uint8Array[]) => Uint8Array = keccak256,
): Uint8Array | undefined {
  if (!Number.isSafeInteger(length) || length <= 0) return undefined;
  const start = first * CHUNK_BYTES;
  const end = start + data.length;
  if (!Number.isSafeInteger(first) || first < 0 || data.length === 0 || end > length) return undefined;
  if (end < length && data.length % CHUNK_BYTES !== 0) return undefined;

  let nodes: Uint8Array[] = [];
  for (let at = 0; at < data.length; at += CHUNK_BYTES) nodes.push(hash(LEAF, data.subarray(at, at + CHUNK_BYTES)));
  let used = 0;
  let a = first;
  // Numbers rather than shifts: content may have more than 2^31 chunks.
  for (let width = chunkCount(length); width > 1; width = Math.ceil(width / 2)) {
    const b = a + nodes.length - 1;
    if (a % 2 === 1) {
      const left = siblings[used++];
      if (left?.length !== 32) return undefined;
      nodes.unshift(left);
    }
    if (b % 2 === 0 && b + 1 < width) {
      const right = siblings[used++];
      if (right?.length !== 32) return undefined;
      nodes.push(right);
    }
    const above: Uint8Array[] = [];
    for (let i = 0; i < nodes.length; i += 2) {
      const right = nodes[i + 1];
      above.push(right === undefined ? nodes[i]! : hash(NODE, nodes[i]!, right));
    }
    nodes = above;
    a = Math.floor(a / 2);
  }
  if (used !== siblings.length) return undefined;
  return hash(ROOT, bigIntToFixed(BigInt(length), 8), nodes[0]!);
}

/** True when the range's data are those chunks of the content of `length` bytes under `root`. Any input gives an answer. */
export function verifyContentRange(root: Uint8Array, length: number, range: ContentRange): boolean {
  const computed = contentRangeRoot(length, range);
  return computed !== undefined && equalsBytes(computed, root);
}
