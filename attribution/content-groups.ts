/**
 * What a store keeps beside a content so that a range of it can be checked without hashing all of it: the hashes of its
 * groups. A group is 64 chunks (16 KiB, the last one may be shorter); its hash is the node that the content tree has
 * above these chunks, so that the hashes lead to the content root (docs/spec.md "Content tree").
 *
 *   file = "OLGROUP1" ‖ uint64(length) ‖ hash of each group (32 bytes)
 *
 * The file is trusted as far as it leads to the root, and no further.
 */
import { bigIntToFixed, equalsBytes } from "../core/bytes.ts";
import { CHUNK_BYTES, contentLeaf, contentNode, contentTreeRoot, sealContentRoot } from "../core/content.ts";

const GROUP_LEVEL = 6;
const GROUP_CHUNKS = 2 ** GROUP_LEVEL;
export const GROUP_BYTES = GROUP_CHUNKS * CHUNK_BYTES;

const MAGIC = new TextEncoder().encode("OLGROUP1");
const HEADER_BYTES = MAGIC.length + 8;

export const groupCount = (length: number): number => Math.ceil(length / GROUP_BYTES);

/** Precondition: 1 to GROUP_BYTES bytes. */
export const groupHash = contentTreeRoot;

/** Group hashes of a content given piece by piece. Memory: 32 bytes a group. */
export class GroupHasher {
  #length = 0;
  readonly #group = new Uint8Array(GROUP_BYTES);
  #filled = 0;
  #hashes = new Uint8Array(32 * 64);
  #groups = 0;

  get length(): number {
    return this.#length;
  }

  update(bytes: Uint8Array): this {
    this.#length += bytes.length;
    for (let at = 0; at < bytes.length; ) {
      const taken = Math.min(GROUP_BYTES - this.#filled, bytes.length - at);
      this.#group.set(bytes.subarray(at, at + taken), this.#filled);
      this.#filled += taken;
      at += taken;
      if (this.#filled === GROUP_BYTES) this.#flush();
    }
    return this;
  }

  /** Ends the content. Throws RangeError when nothing was given. */
  tree(): GroupTree {
    if (this.#filled > 0) this.#flush();
    return new GroupTree(this.#length, this.#hashes.slice(0, this.#groups * 32));
  }

  #flush(): void {
    if (this.#groups * 32 === this.#hashes.length) {
      const larger = new Uint8Array(this.#hashes.length * 2);
      larger.set(this.#hashes);
      this.#hashes = larger;
    }
    this.#hashes.set(groupHash(this.#group.subarray(0, this.#filled)), this.#groups * 32);
    this.#groups++;
    this.#filled = 0;
  }
}

/** The content tree from its groups up. 64 bytes a group. */
export class GroupTree {
  readonly length: number;
  readonly root: Uint8Array;
  /** Each a row of 32-byte nodes, the groups first. */
  readonly #levels: readonly Uint8Array[];

  /** Throws RangeError when these are not as many hashes as content of `length` bytes has groups. */
  constructor(length: number, hashes: Uint8Array) {
    if (!Number.isSafeInteger(length) || length <= 0 || hashes.length !== groupCount(length) * 32) {
      throw new RangeError(`${hashes.length} bytes of group hashes for content of ${length} bytes`);
    }
    const levels = [hashes];
    for (let level = hashes; level.length > 32; ) {
      const above = new Uint8Array(Math.ceil(level.length / 64) * 32);
      for (let at = 0; at < level.length; at += 64) {
        const left = level.subarray(at, at + 32);
        const isPaired = at + 32 < level.length;
        above.set(isPaired ? contentNode(left, level.subarray(at + 32, at + 64)) : left, at / 2);
      }
      levels.push(above);
      level = above;
    }
    this.length = length;
    this.#levels = levels;
    this.root = sealContentRoot(length, levels.at(-1)!);
  }

  /** Of all levels together. */
  get memoryBytes(): number {
    return this.#levels.reduce((sum, level) => sum + level.length, 0);
  }

  /** Bytes [start, end) of group `index`. */
  extent(index: number): readonly [number, number] {
    return [index * GROUP_BYTES, Math.min((index + 1) * GROUP_BYTES, this.length)];
  }

  /** Whether `bytes` are those of group `index`. */
  holds(index: number, bytes: Uint8Array): boolean {
    const [start, end] = this.extent(index);
    if (bytes.length !== end - start) return false;
    return equalsBytes(groupHash(bytes), this.#levels[0]!.subarray(index * 32, index * 32 + 32));
  }

  /**
   * Siblings of chunks `first` to `last` as `ContentTree.rangeProof` lists them. `firstGroup` and `lastGroup` are the
   * bytes of the groups that hold the first and the last chunk; one that is not is found out: undefined.
   */
  rangeSiblings(first: number, last: number, firstGroup: Uint8Array, lastGroup: Uint8Array): Uint8Array[] | undefined {
    const [groupA, groupB] = [Math.floor(first / GROUP_CHUNKS), Math.floor(last / GROUP_CHUNKS)];
    const left = nodesOf(firstGroup);
    const right = groupA === groupB ? left : nodesOf(lastGroup);
    if (!this.#isRoot(groupA, left.at(-1)![0]!) || !this.#isRoot(groupB, right.at(-1)![0]!)) return undefined;
    const siblings: Uint8Array[] = [];
    let [a, b] = [first % GROUP_CHUNKS, last % GROUP_CHUNKS];
    for (let level = 0; level < GROUP_LEVEL; level++) {
      if (a % 2 === 1) siblings.push(left[level]![a - 1]!);
      const sibling = b % 2 === 0 ? right[level]![b + 1] : undefined;
      if (sibling !== undefined) siblings.push(sibling);
      [a, b] = [a >> 1, b >> 1];
    }
    [a, b] = [groupA, groupB];
    for (const level of this.#levels) {
      if (a % 2 === 1) siblings.push(level.slice((a - 1) * 32, a * 32));
      if (b % 2 === 0 && (b + 1) * 32 < level.length) siblings.push(level.slice((b + 1) * 32, (b + 2) * 32));
      [a, b] = [Math.floor(a / 2), Math.floor(b / 2)];
    }
    return siblings;
  }

  #isRoot(group: number, hash: Uint8Array): boolean {
    return equalsBytes(hash, this.#levels[0]!.subarray(group * 32, group * 32 + 32));
  }

  encode(): Uint8Array {
    const hashes = this.#levels[0]!;
    const bytes = new Uint8Array(HEADER_BYTES + hashes.length);
    bytes.set(MAGIC);
    bytes.set(bigIntToFixed(BigInt(this.length), 8), MAGIC.length);
    bytes.set(hashes, HEADER_BYTES);
    return bytes;
  }
}

/** Undefined unless `bytes` are the groups of content of `length` bytes under `root`. */
export function decodeGroups(bytes: Uint8Array, root: Uint8Array, length: number): GroupTree | undefined {
  if (bytes.length !== HEADER_BYTES + groupCount(length) * 32) return undefined;
  if (!equalsBytes(bytes.subarray(0, MAGIC.length), MAGIC)) return undefined;
  if (!equalsBytes(bytes.subarray(MAGIC.length, HEADER_BYTES), bigIntToFixed(BigInt(length), 8))) return undefined;
  const tree = new GroupTree(length, bytes.slice(HEADER_BYTES));
  return equalsBytes(tree.root, root) ? tree : undefined;
}

/** The nodes of one group, level by level: its chunks' leaves first, up to the one at the top. */
function nodesOf(group: Uint8Array): readonly (readonly Uint8Array[])[] {
  const leaves: Uint8Array[] = [];
  for (let at = 0; at < group.length; at += CHUNK_BYTES) leaves.push(contentLeaf(group.subarray(at, at + CHUNK_BYTES)));
  const levels: Uint8Array[][] = [leaves];
  for (let height = 0; height < GROUP_LEVEL; height++) {
    const below = levels[height]!;
    const above: Uint8Array[] = [];
    for (let i = 0; i < below.length; i += 2) {
      const right = below[i + 1];
      above.push(right === undefined ? below[i]! : contentNode(below[i]!, right));
    }
    levels.push(above);
  }
  return levels;
}
