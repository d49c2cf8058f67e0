/**
 * Smallest entry of a range of blocks: a bottom-up segment tree over the blocks' minima, leaf of block b at index
 * leaves + b, parent of i at i >> 1. A query reads two nodes a level.
 */
const NONE = 0x7fffffff;

/** Completes the upper half of `tree` from its lower one, tree[leaves..2 * leaves), which holds the minima. */
export function growMinimumTree(tree: Int32Array): void {
  for (let i = (tree.length >>> 1) - 1; i > 0; i--) tree[i] = Math.min(tree[2 * i]!, tree[2 * i + 1]!);
}

/** Smallest of blocks from..to, `to` exclusive; 2^31 - 1 when there is none. */
export function minimumOfBlocks(tree: Int32Array, from: number, to: number): number {
  const leaves = tree.length >>> 1;
  let smallest = NONE;
  let left = from + leaves;
  let right = to + leaves;
  while (left < right) {
    if (left & 1) smallest = Math.min(smallest, tree[left++]!);
    if (right & 1) smallest = Math.min(smallest, tree[--right]!);
    left >>>= 1;
    right >>>= 1;
  }
  return smallest;
}
