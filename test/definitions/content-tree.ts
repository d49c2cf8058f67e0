/**
 * test/vectors/content-tree.json by definition (docs/spec.md "Content tree"): RFC 6962's recursion on noble's hash,
 * where core/content.ts goes level by level.
 */
import { type Hash, hex, leftCount, tagged, uint } from "./merkle.ts";

const LENGTHS = [1, 255, 256, 257, 512, 513, 768, 1_024, 1_025, 1_280, 1_500, 1_793, 2_048, 2_305, 4_097, 16_384];

/** Byte i is i modulo 251. */
export const patternContent = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i % 251);

function treeRoot(leaves: readonly Hash[]): Hash {
  if (leaves.length === 1) return leaves[0]!;
  const left = leftCount(leaves.length);
  return tagged(1, treeRoot(leaves.slice(0, left)), treeRoot(leaves.slice(left)));
}

interface Sibling {
  readonly level: number;
  readonly isRight: boolean;
  readonly hash: Hash;
}

/** Of the subtree over `leaves`, the subtrees without any of first … last, where their sibling has some of them. */
function siblingsOf(leaves: readonly Hash[], first: number, last: number): Sibling[] {
  if (leaves.length === 1) return [];
  const count = leftCount(leaves.length);
  const left = leaves.slice(0, count);
  const right = leaves.slice(count);
  const level = Math.log2(count);
  if (last < count) return [...siblingsOf(left, first, last), { level, isRight: true, hash: treeRoot(right) }];
  const inRight = siblingsOf(right, Math.max(first - count, 0), last - count);
  if (first >= count) return [...inRight, { level, isRight: false, hash: treeRoot(left) }];
  return [...siblingsOf(left, first, count - 1), ...inRight];
}

/** Lowest level first, left before right. */
const ordered = (siblings: readonly Sibling[]): string[] =>
  siblings
    .toSorted((a, b) => a.level - b.level || Number(a.isRight) - Number(b.isRight))
    .map((sibling) => hex(sibling.hash));

/** First and last chunks of ranges that begin and end at each kind of node; single chunks have proofs of their own. */
function rangesOf(chunks: number): [first: number, last: number][] {
  const middle = chunks >> 1;
  const candidates: [number, number][] = [
    [0, chunks - 1],
    [0, middle],
    [1, chunks - 1],
    [middle, chunks - 1],
    [1, middle],
    [chunks - 3, chunks - 2],
    [middle - 1, middle + 2],
    [3, 5],
  ];
  const valid = candidates.filter(([first, last]) => first >= 0 && first < last && last < chunks);
  return [...new Map(valid.map((range) => [range.join(), range])).values()].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
}

function vectorOf(length: number) {
  const content = patternContent(length);
  const leaves: Hash[] = [];
  for (let at = 0; at < length; at += 256) leaves.push(tagged(0, content.subarray(at, at + 256)));
  const chunks = leaves.length;
  const singles = chunks <= 3 ? [...leaves.keys()] : [0, chunks >> 1, chunks - 1];
  return {
    length,
    root: hex(tagged(2, uint(length, 8), treeRoot(leaves))),
    proofs: singles.map((index) => ({ index, siblings: ordered(siblingsOf(leaves, index, index)) })),
    ranges: rangesOf(chunks).map(([first, last]) => ({
      first,
      last,
      siblings: ordered(siblingsOf(leaves, first, last)),
    })),
  };
}

export const contentTreeVectors = () => ({
  note: 'docs/spec.md "Content tree". Byte i of the content of `length` bytes is i modulo 251. A proof of one chunk is the range proof of it alone.',
  content: LENGTHS.map(vectorOf),
});

export type ContentTreeVector = ReturnType<typeof vectorOf>;
