/**
 * Range minimum over a fixed Int32Array: a segment tree over the minima of blocks of 64 entries. A query reads at
 * most 128 entries and two nodes a level; memory is an eighth of a byte per entry byte (n/8 bytes for n entries),
 * where a sparse table would take log2(n) times the array.
 */
const BLOCK_SHIFT = 6;
const BLOCK = 1 << BLOCK_SHIFT;
const NONE = 0x7fffffff;

export interface RangeMinimum {
  readonly values: Int32Array;
  /** Bottom-up segment tree: leaf of block b at index leaves + b, parent of i at i >> 1. */
  readonly tree: Int32Array;
}

export function buildRangeMinimum(values: Int32Array): RangeMinimum {
  const leaves = Math.max(1, Math.ceil(values.length / BLOCK));
  const tree = new Int32Array(2 * leaves).fill(NONE);
  for (let i = 0; i < values.length; i++) {
    const leaf = leaves + (i >>> BLOCK_SHIFT);
    if (values[i]! < tree[leaf]!) tree[leaf] = values[i]!;
  }
  for (let i = leaves - 1; i > 0; i--) tree[i] = Math.min(tree[2 * i]!, tree[2 * i + 1]!);
  return { values, tree };
}

/** Smallest of values[from..to). Precondition: 0 <= from < to <= values.length. */
export function rangeMinimum({ values, tree }: RangeMinimum, from: number, to: number): number {
  let smallest = NONE;
  const firstBlock = (from + BLOCK - 1) >>> BLOCK_SHIFT;
  const lastBlock = to >>> BLOCK_SHIFT;
  if (firstBlock >= lastBlock) {
    for (let i = from; i < to; i++) if (values[i]! < smallest) smallest = values[i]!;
    return smallest;
  }
  for (let i = from; i < firstBlock << BLOCK_SHIFT; i++) if (values[i]! < smallest) smallest = values[i]!;
  for (let i = lastBlock << BLOCK_SHIFT; i < to; i++) if (values[i]! < smallest) smallest = values[i]!;
  const leaves = tree.length >>> 1;
  let left = firstBlock + leaves;
  let right = lastBlock + leaves;
  while (left < right) {
    if (left & 1) smallest = Math.min(smallest, tree[left++]!);
    if (right & 1) smallest = Math.min(smallest, tree[--right]!);
    left >>>= 1;
    right >>>= 1;
  }
  return smallest;
}
