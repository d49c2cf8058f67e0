/**
 * Suffix array by induced sorting (SA-IS: Nong, Zhang, Chan, "Linear Suffix Array Construction by Almost Pure
 * Induced-Sorting", 2009). Linear time and memory; all passes run over typed arrays.
 *
 * Terms: suffix i is S-type when it is smaller than suffix i+1, otherwise L-type; an S-type suffix right of an L-type
 * one is LMS. A suffix that ends is smaller than one that goes on, as if a smallest symbol followed the text.
 */
type Symbols = Uint16Array | Int32Array;

/**
 * Start positions of all suffixes of `text` in lexicographic order of their symbols.
 * Precondition: every symbol is below `alphabetSize`; the text has fewer than 2^31 symbols.
 * Memory beyond the result: 1 byte a symbol, plus the reduced problem (at most half the text, recursively).
 */
export function suffixArray(text: Symbols, alphabetSize: number): Int32Array {
  const suffixes = new Int32Array(text.length);
  sortSuffixes(text, alphabetSize, suffixes);
  return suffixes;
}

function sortSuffixes(text: Symbols, alphabetSize: number, sa: Int32Array): void {
  const n = text.length;
  if (n === 0) return;
  const smaller = smallerTypes(text);
  const bucketEnds = countBuckets(text, alphabetSize);

  // Sort the LMS substrings: LMS suffixes in any order, then two inducing passes.
  sa.fill(-1);
  const tails = bucketEnds.slice();
  let lmsCount = 0;
  for (let i = n - 1; i > 0; i--) {
    if (smaller[i] === 1 && smaller[i - 1] === 0) {
      const symbol = text[i]!;
      tails[symbol]! -= 1;
      sa[tails[symbol]!] = i;
      lmsCount++;
    }
  }
  induce(text, smaller, bucketEnds, sa);
  if (lmsCount === 0) return;

  const order = sortedLms(text, smaller, sa, lmsCount);

  // Put the LMS suffixes into their buckets in final order, from the right, and induce the rest.
  sa.fill(-1);
  tails.set(bucketEnds);
  for (let i = lmsCount - 1; i >= 0; i--) {
    const position = order[i]!;
    const symbol = text[position]!;
    tails[symbol]! -= 1;
    sa[tails[symbol]!] = position;
  }
  induce(text, smaller, bucketEnds, sa);
}

/** 1 for S-type, 0 for L-type. The last suffix is L-type: the imagined end symbol is smaller. */
function smallerTypes(text: Symbols): Uint8Array {
  const n = text.length;
  const smaller = new Uint8Array(n);
  let next = text[n - 1]!;
  let type = 0;
  for (let i = n - 2; i >= 0; i--) {
    const symbol = text[i]!;
    if (symbol !== next) type = symbol < next ? 1 : 0;
    smaller[i] = type;
    next = symbol;
  }
  return smaller;
}

/** Exclusive end of each symbol's bucket in the suffix array. */
function countBuckets(text: Symbols, alphabetSize: number): Int32Array {
  const ends = new Int32Array(alphabetSize);
  for (let i = 0; i < text.length; i++) ends[text[i]!]! += 1;
  let total = 0;
  for (let symbol = 0; symbol < alphabetSize; symbol++) {
    total += ends[symbol]!;
    ends[symbol] = total;
  }
  return ends;
}

/** From sorted LMS entries: places the L-type suffixes left to right, then the S-type ones right to left. */
function induce(text: Symbols, smaller: Uint8Array, bucketEnds: Int32Array, sa: Int32Array): void {
  const n = text.length;
  const heads = new Int32Array(bucketEnds.length);
  heads.set(bucketEnds.subarray(0, bucketEnds.length - 1), 1);

  const last = text[n - 1]!;
  sa[heads[last]!] = n - 1;
  heads[last]! += 1;
  for (let i = 0; i < n; i++) {
    const before = sa[i]! - 1;
    if (before >= 0 && smaller[before] === 0) {
      const symbol = text[before]!;
      const slot = heads[symbol]!;
      heads[symbol] = slot + 1;
      sa[slot] = before;
    }
  }

  const tails = bucketEnds.slice();
  for (let i = n - 1; i >= 0; i--) {
    const before = sa[i]! - 1;
    if (before >= 0 && smaller[before] === 1) {
      const symbol = text[before]!;
      const slot = tails[symbol]! - 1;
      tails[symbol] = slot;
      sa[slot] = before;
    }
  }
}

/**
 * Positions of the LMS suffixes in the order of the suffixes. On entry `sa` holds all suffixes with the LMS
 * substrings in order; it is used as scratch space.
 */
function sortedLms(text: Symbols, smaller: Uint8Array, sa: Int32Array, lmsCount: number): Int32Array {
  const n = text.length;
  const order = new Int32Array(lmsCount);
  let filled = 0;
  for (let i = 0; i < n; i++) {
    const position = sa[i]!;
    if (position > 0 && smaller[position] === 1 && smaller[position - 1] === 0) order[filled++] = position;
  }

  // Two LMS positions are at least 2 apart, so position >> 1 is a unique slot: first for lengths, then for names.
  const slots = sa.subarray(0, (n >> 1) + 1);
  slots.fill(-1);
  const positions = new Int32Array(lmsCount);
  let found = lmsCount;
  let following = n;
  for (let i = n - 1; i > 0; i--) {
    if (smaller[i] === 1 && smaller[i - 1] === 0) {
      positions[--found] = i;
      slots[i >> 1] = following - i;
      following = i;
    }
  }

  let name = -1;
  let previous = -1;
  let previousLength = -1;
  for (let i = 0; i < lmsCount; i++) {
    const position = order[i]!;
    const length = slots[position >> 1]!;
    if (!sameLmsSubstring(text, previous, previousLength, position, length)) name++;
    slots[position >> 1] = name;
    previous = position;
    previousLength = length;
  }
  if (name + 1 === lmsCount) return order;

  const reduced = new Int32Array(lmsCount);
  for (let i = 0; i < lmsCount; i++) reduced[i] = slots[positions[i]! >> 1]!;
  sortSuffixes(reduced, name + 1, order);
  for (let i = 0; i < lmsCount; i++) order[i] = positions[order[i]!]!;
  return order;
}

/**
 * Equal symbols up to and including the next LMS position: then the types are equal too, since they follow from the
 * right. The substring that runs into the end of the text equals no other.
 */
function sameLmsSubstring(text: Symbols, a: number, aLength: number, b: number, bLength: number): boolean {
  if (a < 0 || aLength !== bLength) return false;
  const n = text.length;
  if (a + aLength >= n || b + bLength >= n) return false;
  for (let i = 0; i <= aLength; i++) {
    if (text[a + i] !== text[b + i]) return false;
  }
  return true;
}
