/**
 * The Datanet tree (docs/spec.md "Datanet tree"): depth 32, append only. As in Ethereum's deposit contract only its
 * frontier is stored: at level h, the last left node that still waits for its right sibling.
 */
import { bigIntToFixed, ZERO_32 } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";
import type { PrecompileContext } from "../core/precompile.ts";
import { frontierSlot } from "./datanet-state.ts";
import { slotAt, wordOf, wordToInteger } from "./storage.ts";

export const TREE_DEPTH = 32;
/** Leaf indices and counts are uint32. */
export const MAX_LEAVES = 2 ** 32 - 1;

const LEAF = Uint8Array.of(3);
const NODE = Uint8Array.of(4);

export interface Leaf {
  readonly contributionId: bigint;
  readonly contentRoot: Uint8Array;
  readonly size: bigint;
  readonly contributor: Uint8Array;
  readonly licence: number;
}

/** keccak(0x03 ‖ uint64(contributionId) ‖ contentRoot ‖ uint64(size) ‖ contributor ‖ uint8(licence)) */
export const leafParts = (leaf: Leaf): readonly Uint8Array[] => [
  LEAF,
  bigIntToFixed(leaf.contributionId, 8),
  leaf.contentRoot,
  bigIntToFixed(leaf.size, 8),
  leaf.contributor,
  Uint8Array.of(leaf.licence),
];

/** Root of an empty subtree of height h. */
export const EMPTY_SUBTREES: readonly Uint8Array[] = (() => {
  const roots: Uint8Array[] = [ZERO_32];
  for (let h = 0; h < TREE_DEPTH; h++) roots.push(keccak256(NODE, roots[h]!, roots[h]!));
  return roots;
})();

/** Precondition: `count` leaves so far, fewer than MAX_LEAVES. */
export function appendLeaf(context: PrecompileContext, datanetId: bigint, count: number, leaf: Leaf): void {
  const frontier = frontierSlot(context, datanetId);
  let node = context.keccak(...leafParts(leaf));
  let level = 0;
  for (let rest = count; rest % 2 === 1; rest = Math.floor(rest / 2), level++) {
    node = context.keccak(NODE, wordOf(context.load(slotAt(frontier, level))), node);
  }
  context.store(slotAt(frontier, level), wordToInteger(node));
}

/** Root over the first `count` leaves. Precondition: `count` is what has been appended. */
export function treeRoot(context: PrecompileContext, datanetId: bigint, count: number): Uint8Array {
  const frontier = frontierSlot(context, datanetId);
  let node = EMPTY_SUBTREES[0]!;
  let rest = count;
  for (let level = 0; level < TREE_DEPTH; level++, rest = Math.floor(rest / 2)) {
    node =
      rest % 2 === 1
        ? context.keccak(NODE, wordOf(context.load(slotAt(frontier, level))), node)
        : context.keccak(NODE, node, EMPTY_SUBTREES[level]!);
  }
  return node;
}
