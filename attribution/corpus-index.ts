/**
 * The index over a model's live contributions: what occurs where, how often, and who had it first.
 *
 * Text layout: contributions in rising id order, each byte b as symbol b + 1, each contribution followed by the
 * separator 0. All 256 byte values occur in data, so no byte could separate; a query never holds symbol 0, so no match
 * crosses two contributions. Because ids rise with the position, the earliest holder of a match and its lowest offset
 * there are both given by the smallest position in the match's suffix interval.
 *
 * Memory: 2 bytes (text) + 4 (suffix array) + 1/8 (range minimum) per byte of data.
 */
import { buildRangeMinimum, type RangeMinimum, rangeMinimum } from "./range-minimum.ts";
import { suffixArray } from "./suffix-array.ts";

export interface CorpusDocument {
  readonly id: bigint;
  readonly bytes: Uint8Array;
}

/** Plain data over typed arrays: it can be posted between threads. */
export interface CorpusIndex {
  /** Rising. */
  readonly ids: readonly bigint[];
  /** Text position of each document's first byte, and at the end the length of the text. */
  readonly starts: Int32Array;
  readonly text: Uint16Array;
  readonly suffixes: Int32Array;
  readonly minimum: RangeMinimum;
}

/** Half-open interval of the suffix array; every suffix in it starts with the same bytes. */
export interface Interval {
  readonly from: number;
  readonly to: number;
}

export interface Location {
  readonly id: bigint;
  /** Position of the document in the index. */
  readonly document: number;
  readonly offset: number;
}

const SEPARATOR = 0;
const ALPHABET = 257;

/** Throws RangeError unless ids rise strictly and every document has at least one byte. */
export function buildCorpusIndex(documents: readonly CorpusDocument[]): CorpusIndex {
  const starts = new Int32Array(documents.length + 1);
  let length = 0;
  for (const [i, { id, bytes }] of documents.entries()) {
    if (bytes.length === 0) throw new RangeError(`contribution ${id} is empty`);
    if (i > 0 && id <= documents[i - 1]!.id) throw new RangeError(`contribution ${id} is out of order`);
    starts[i] = length;
    length += bytes.length + 1;
    if (length > 0x7fffffff) throw new RangeError("a corpus index holds less than 2^31 bytes");
  }
  starts[documents.length] = length;

  const text = new Uint16Array(length);
  for (const [i, { bytes }] of documents.entries()) {
    const start = starts[i]!;
    for (let k = 0; k < bytes.length; k++) text[start + k] = bytes[k]! + 1;
    text[start + bytes.length] = SEPARATOR;
  }
  const suffixes = suffixArray(text, ALPHABET);
  return { ids: documents.map(({ id }) => id), starts, text, suffixes, minimum: buildRangeMinimum(suffixes) };
}

/** Bytes of memory that the index holds on to. */
export function indexBytes({ starts, text, suffixes, minimum }: CorpusIndex): number {
  return starts.byteLength + text.byteLength + suffixes.byteLength + minimum.tree.byteLength;
}

/**
 * Length of the longest prefix of query[from..to) that occurs in one document; 0 when even the first byte is unknown.
 * A halving of the suffix array: it compares O(length + log n) symbols on text, O(length * log n) on endless repeats.
 */
export function longestMatch(index: CorpusIndex, query: Uint8Array, from: number, to: number): number {
  const { text, suffixes } = index;
  // The suffixes that begin with a separator come first and match nothing.
  let low = index.ids.length;
  let high = suffixes.length;
  let lowShared = 0;
  let highShared = 0;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const start = suffixes[middle]!;
    // All suffixes between two that share k symbols with the query share at least k.
    let shared = Math.min(lowShared, highShared);
    while (from + shared < to && text[start + shared] === query[from + shared]! + 1) shared++;
    if (from + shared === to) return shared;
    if (text[start + shared]! <= query[from + shared]!) {
      low = middle + 1;
      lowShared = shared;
    } else {
      high = middle;
      highShared = shared;
    }
  }
  return Math.max(lowShared, highShared);
}

/** Suffixes that start with query[from..to); empty when it does not occur. Precondition: from < to. */
export function findInterval(index: CorpusIndex, query: Uint8Array, from: number, to: number): Interval {
  const first = bound(index, query, from, to, index.ids.length, 0);
  return { from: first, to: bound(index, query, from, to, first, 1) };
}

/** First suffix that is above the query, where a suffix that starts with it counts as `prefixSide`: 0 above, 1 below. */
function bound(index: CorpusIndex, query: Uint8Array, from: number, to: number, start: number, prefixSide: 0 | 1) {
  const { text, suffixes } = index;
  let low = start;
  let high = suffixes.length;
  let lowShared = 0;
  let highShared = 0;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const position = suffixes[middle]!;
    let shared = Math.min(lowShared, highShared);
    while (from + shared < to && text[position + shared] === query[from + shared]! + 1) shared++;
    const below = from + shared === to ? prefixSide === 1 : text[position + shared]! <= query[from + shared]!;
    if (below) {
      low = middle + 1;
      lowShared = shared;
    } else {
      high = middle;
      highShared = shared;
    }
  }
  return low;
}

export const count = ({ from, to }: Interval): number => to - from;

/** The lowest contribution id in the interval and its lowest offset. Precondition: the interval is not empty. */
export function earliest(index: CorpusIndex, { from, to }: Interval): Location {
  return locate(index, rangeMinimum(index.minimum, from, to));
}

/** The document that holds a text position. */
export function locate(index: CorpusIndex, position: number): Location {
  let low = 0;
  let high = index.ids.length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (index.starts[middle]! <= position) low = middle;
    else high = middle;
  }
  return { id: index.ids[low]!, document: low, offset: position - index.starts[low]! };
}
