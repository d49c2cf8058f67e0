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
    if (this.#length === 0) throw new RangeError("empty content has no root");
    if (this.#filled > 0) {
      this.#append(contentLeaf(this.#chunk.subarray(0, this.#filled)));
      this.#filled = 0;
    }
    let root = this.#subtrees[this.#subtrees.length - 1]!.hash;
    for (let i = this.#subtrees.length - 2; i >= 0; i--) root = contentNode(this.#subtrees[i]!.hash, root);
    return sealContentRoot(this.#length, root);
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
    if (!Number.isInteger(index) || index < 0 || index >= this.#levels[0]!.length) {
      throw new RangeError(`chunk ${index} of ${this.#levels[0]!.length}`);
    }
    const siblings: Uint8Array[] = [];
    let at = index;
    for (const level of this.#levels) {
      const sibling = level[at ^ 1];
      if (sibling !== undefined) siblings.push(sibling);
      at >>>= 1;
    }
    return siblings;
  }
}

export interface ContentProof {
  readonly root: Uint8Array;
  /** Bytes of the whole content. */
  readonly length: number;
  readonly index: number;
  readonly chunk: Uint8Array;
  readonly siblings: readonly Uint8Array[];
}

/** True when `chunk` is the chunk at `index` of the content under `root`. Any input gives an answer. */
export function verifyContentProof({ root, length, index, chunk, siblings }: ContentProof): boolean {
  if (!Number.isSafeInteger(length) || length <= 0) return false;
  const chunks = chunkCount(length);
  if (!Number.isInteger(index) || index < 0 || index >= chunks) return false;
  const expected = index < chunks - 1 ? CHUNK_BYTES : length - (chunks - 1) * CHUNK_BYTES;
  if (chunk.length !== expected) return false;
  let hash = contentLeaf(chunk);
  let used = 0;
  // Numbers rather than shifts: content may have more than 2^31 chunks.
  for (let at = index, width = chunks; width > 1; at = Math.floor(at / 2), width = Math.ceil(width / 2)) {
    if (at % 2 === 0 && at === width - 1) continue; // moved up unchanged
    const sibling = siblings[used++];
    if (sibling === undefined || sibling.length !== 32) return false;
    hash = at % 2 === 0 ? contentNode(hash, sibling) : contentNode(sibling, hash);
  }
  return used === siblings.length && equalsBytes(sealContentRoot(length, hash), root);
}
