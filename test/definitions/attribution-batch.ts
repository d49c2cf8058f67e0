/**
 * test/vectors/attribution-batch.json by definition (docs/spec.md "Batch", "Signed answer"): recursion on noble's hash
 * and viem's encoder, where core/answer-batch.ts goes level by level and core/span-rule.ts writes words itself.
 */
import { encodeAbiParameters, parseAbiParameters } from "viem";
import { bytesOf, type Hash, hex, keccak, leftCount, tagged, uint } from "./merkle.ts";

const SIZES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 256];
const SPANS = parseAbiParameters("(uint32 outputStart, uint32 length, uint64 contribution, uint64 contentOffset)[]");

/** Two contributions of which the answers' spans are. */
const CONTRIBUTIONS = ["the quick brown fox jumps over the lazy dog", "pack my box with five dozen liquor jugs"];

type Place = readonly [outputStart: number, length: number, contribution: number, contentOffset: number];
const TEMPLATES: readonly (readonly [output: string, spans: readonly Place[]])[] = [
  ["nothing of it", []],
  ["quick brown fox", [[0, 15, 1, 4]]],
  ["with five dozen", [[0, 15, 2, 12]]],
  [
    "quick brown fox with five dozen",
    [
      [0, 15, 1, 4],
      [16, 15, 2, 12],
    ],
  ],
  ["say: over the lazy dog", [[5, 17, 1, 26]]],
];

/** Each output is one chunk. */
function answerOf([text, places]: (typeof TEMPLATES)[number]) {
  const output = Buffer.from(text);
  const spans = places.map(([outputStart, length, contribution, contentOffset]) => ({
    outputStart,
    length,
    contribution,
    contentOffset,
  }));
  const exact = spans.map((span) => ({
    ...span,
    contribution: BigInt(span.contribution),
    contentOffset: BigInt(span.contentOffset),
  }));
  return {
    output: hex(output),
    outputRoot: hex(tagged(2, uint(output.length, 8), tagged(0, output))),
    outputBytes: output.length,
    spans,
    spansHash: hex(keccak(bytesOf(encodeAbiParameters(SPANS, [exact])))),
  };
}

function rootOf(leaves: readonly Hash[]): Hash {
  if (leaves.length === 1) return leaves[0]!;
  const left = leftCount(leaves.length);
  const pair = [rootOf(leaves.slice(0, left)), rootOf(leaves.slice(left))].sort(Buffer.compare);
  return tagged(6, ...pair);
}

function proofOf(leaves: readonly Hash[], index: number): Hash[] {
  if (leaves.length === 1) return [];
  const count = leftCount(leaves.length);
  const [left, right] = [leaves.slice(0, count), leaves.slice(count)];
  return index < count ? [...proofOf(left, index), rootOf(right)] : [...proofOf(right, index - count), rootOf(left)];
}

export function batchVectors() {
  const answers = TEMPLATES.map(answerOf);
  let firstInference = 1;
  const batches = SIZES.map((count) => {
    const first = firstInference;
    firstInference += count;
    const leaves = Array.from({ length: count }, (_, i) => {
      const { outputRoot, outputBytes, spansHash } = answers[i % answers.length]!;
      return tagged(5, uint(first + i, 32), bytesOf(outputRoot), uint(outputBytes, 4), bytesOf(spansHash));
    });
    const shown = count <= 9 ? [...leaves.keys()] : [0, 1, 127, 128, 255];
    return {
      firstInference: first,
      leaves: leaves.map(hex),
      root: hex(rootOf(leaves)),
      proofs: shown.map((index) => ({ index, siblings: proofOf(leaves, index).map(hex) })),
    };
  });
  const note =
    'docs/spec.md "Batch". Leaf i of a batch is answer i modulo their number, for inference firstInference + i. Contributions 1 and 2 have these contents.';
  return { note, contributions: CONTRIBUTIONS.map((text) => hex(Buffer.from(text))), answers, batches };
}

export type BatchVectors = ReturnType<typeof batchVectors>;
