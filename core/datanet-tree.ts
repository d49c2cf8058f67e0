/**
 * The Datanet tree (docs/spec.md "Datanet tree"): accepted contributions as leaves from the left of a binary tree of
 * depth 32, the rest empty. As in Ethereum's deposit contract only the frontier is kept: at each height the last left
 * node that waits for its right sibling.
 *
 *   leaf = keccak(0x03 ‖ uint64(contributionId) ‖ contentRoot ‖ uint64(size) ‖ contributor ‖ uint8(licence))
 *   node(l, r) = keccak(0x04 ‖ l ‖ r)      empty leaf = 32 zero bytes
 */
import { bigIntToFixed, ZERO_32 } from "./bytes.ts";
import { keccak256 } from "./crypto.ts";

const DEPTH = 32;
/** Leaf indices and counts are uint32. */
export const MAX_LEAVES = 2 ** DEPTH - 1;

const LEAF = Uint8Array.of(3);
const NODE = Uint8Array.of(4);

export interface DatanetLeaf {
  readonly contributionId: bigint;
  /** 32 bytes. */
  readonly contentRoot: Uint8Array;
  /** Bytes. */
  readonly size: bigint;
  /** 20 bytes. */
  readonly contributor: Uint8Array;
  readonly licence: number;
}

/** Where a tree's frontier lies, and what hashes it: the chain keeps one in storage and charges for each hash. */
export interface Frontier {
  /** The left node that waits at this height. */
  get(height: number): Uint8Array;
  set(height: number, node: Uint8Array): void;
  readonly hash: (...parts: readonly Uint8Array[]) => Uint8Array;
}

/** Root of an empty subtree of each height. */
const EMPTY: readonly Uint8Array[] = (() => {
  const roots: Uint8Array[] = [ZERO_32];
  for (let height = 0; height < DEPTH; height++) roots.push(keccak256(NODE, roots[height]!, roots[height]!));
  return roots;
})();

const hashLeaf = (hash: Frontier["hash"], leaf: DatanetLeaf): Uint8Array =>
  hash(
    LEAF,
    bigIntToFixed(leaf.contributionId, 8),
    leaf.contentRoot,
    bigIntToFixed(leaf.size, 8),
    leaf.contributor,
    Uint8Array.of(leaf.licence),
  );

export const datanetLeaf = (leaf: DatanetLeaf): Uint8Array => hashLeaf(keccak256, leaf);

/** Precondition: `count` leaves so far, fewer than MAX_LEAVES. */
export function appendLeaf(frontier: Frontier, count: number, leaf: DatanetLeaf): void {
  let node = hashLeaf(frontier.hash, leaf);
  let height = 0;
  for (let rest = count; rest % 2 === 1; rest = Math.floor(rest / 2), height++) {
    node = frontier.hash(NODE, frontier.get(height), node);
  }
  frontier.set(height, node);
}

/** Root over the first `count` leaves, 32 bytes. Precondition: `count` is what has been appended. */
export function treeRoot(frontier: Frontier, count: number): Uint8Array {
  let node = EMPTY[0]!;
  let rest = count;
  for (let height = 0; height < DEPTH; height++, rest = Math.floor(rest / 2)) {
    node = rest % 2 === 1 ? frontier.hash(NODE, frontier.get(height), node) : frontier.hash(NODE, node, EMPTY[height]!);
  }
  return node;
}

/** One in memory. */
export class DatanetTree {
  #count = 0;
  readonly #frontier: Frontier;

  constructor() {
    const nodes: Uint8Array[] = [];
    this.#frontier = {
      get: (height) => nodes[height]!,
      set: (height, node) => {
        nodes[height] = node;
      },
      hash: keccak256,
    };
  }

  get count(): number {
    return this.#count;
  }

  /** Throws RangeError when the tree is full. */
  append(leaf: DatanetLeaf): this {
    if (this.#count === MAX_LEAVES) throw new RangeError("the Datanet tree is full");
    appendLeaf(this.#frontier, this.#count, leaf);
    this.#count++;
    return this;
  }

  /** Over what was appended so far. 32 bytes. */
  root(): Uint8Array {
    return treeRoot(this.#frontier, this.#count);
  }
}
