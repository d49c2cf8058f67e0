/**
 * The Datanet tree (docs/spec.md "Datanet tree"): accepted contributions as leaves from the left of a binary tree of
 * depth 32, the rest empty. As in Ethereum's deposit contract only the frontier is kept.
 *
 *   leaf = keccak(0x03 ‖ uint64(contributionId) ‖ contentRoot ‖ uint64(size) ‖ contributor ‖ uint8(licence))
 *   node(l, r) = keccak(0x04 ‖ l ‖ r)      empty leaf = 32 zero bytes
 */
import { bigIntToFixed, ZERO_32 } from "./bytes.ts";
import { keccak256 } from "./crypto.ts";

const DEPTH = 32;
/** Leaf indices and counts are uint32. */
const MAX_LEAVES = 2 ** DEPTH - 1;

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

export const datanetLeaf = (leaf: DatanetLeaf): Uint8Array =>
  keccak256(
    LEAF,
    bigIntToFixed(leaf.contributionId, 8),
    leaf.contentRoot,
    bigIntToFixed(leaf.size, 8),
    leaf.contributor,
    Uint8Array.of(leaf.licence),
  );

/** Root of an empty subtree of each height. */
const EMPTY: readonly Uint8Array[] = (() => {
  const roots: Uint8Array[] = [ZERO_32];
  for (let height = 0; height < DEPTH; height++) roots.push(keccak256(NODE, roots[height]!, roots[height]!));
  return roots;
})();

export class DatanetTree {
  #count = 0;
  /** At each height the last left node that waits for its right sibling. */
  readonly #frontier: Uint8Array[] = [];

  get count(): number {
    return this.#count;
  }

  /** Throws RangeError when the tree is full. */
  append(leaf: DatanetLeaf): this {
    if (this.#count === MAX_LEAVES) throw new RangeError("the Datanet tree is full");
    let node = datanetLeaf(leaf);
    let height = 0;
    for (let rest = this.#count; rest % 2 === 1; rest = Math.floor(rest / 2), height++) {
      node = keccak256(NODE, this.#frontier[height]!, node);
    }
    this.#frontier[height] = node;
    this.#count++;
    return this;
  }

  /** Over what was appended so far. 32 bytes. */
  root(): Uint8Array {
    let node = EMPTY[0]!;
    let rest = this.#count;
    for (let height = 0; height < DEPTH; height++, rest = Math.floor(rest / 2)) {
      node = rest % 2 === 1 ? keccak256(NODE, this.#frontier[height]!, node) : keccak256(NODE, node, EMPTY[height]!);
    }
    return node;
  }
}
