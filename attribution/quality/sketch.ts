/**
 * What of a content is compared with others. A shingle is five words in a row, as 32 bits.
 *
 *   signature     255 minima over all shingles: the share of equal bins estimates the Jaccard similarity of the two
 *                 shingle sets (standard deviation √(J(1 − J)/255), at most 0.031). Fast similarity sketching (Dahlgaard,
 *                 Knudsen, Thorup 2017): as exact as 255 permutations, in time linear in the text.
 *   fingerprints  one shingle of each eight in a row (winnowing; Schleimer, Wilkerson, Aiken 2003): kept to tell later which passages were
 *                 there before.
 */
import { SKETCH } from "./thresholds.ts";
import type { Words } from "./words.ts";

const { shingleWords, bins, window } = SKETCH;

export interface Sketch {
  readonly words: number;
  /** Shingle i begins at word i. A text of fewer than five words has one; none without a word. */
  readonly shingles: Uint32Array;
  /** `bins` values, all 0xffffffff without a word. */
  readonly signature: Uint32Array;
  /** Distinct, rising. */
  readonly fingerprints: Uint32Array;
}

export function sketchOf(words: Words): Sketch {
  const shingles = shinglesOf(words.hashes);
  return {
    words: words.hashes.length,
    shingles,
    signature: signatureOf(shingles),
    fingerprints: winnow(shingles),
  };
}

const MULTIPLIER = 0x9e3779b1;
const MULTIPLIER_POWER = power(MULTIPLIER, shingleWords);

function power(base: number, exponent: number): number {
  let result = 1;
  for (let i = 0; i < exponent; i++) result = Math.imul(result, base);
  return result;
}

/** MurmurHash3's finalizer: each bit of the input moves half of the output's. */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A polynomial over the words' hashes that rolls: each word comes in once and goes out once. */
function shinglesOf(hashes: Uint32Array): Uint32Array {
  const count = hashes.length === 0 ? 0 : Math.max(1, hashes.length - shingleWords + 1);
  const shingles = new Uint32Array(count);
  let rolling = 0;
  for (let i = 0; i < hashes.length; i++) {
    rolling = (Math.imul(rolling, MULTIPLIER) + mix(hashes[i]!)) | 0;
    if (i >= shingleWords) rolling = (rolling - Math.imul(mix(hashes[i - shingleWords]!), MULTIPLIER_POWER)) | 0;
    const index = i - shingleWords + 1;
    if (index >= 0) shingles[index] = mix(rolling);
  }
  if (hashes.length > 0 && hashes.length < shingleWords) shingles[0] = mix(rolling ^ hashes.length);
  return shingles;
}

const EMPTY_BIN = 0xffffffff;

/**
 * Round by round each shingle falls into a bin with a value; a bin keeps its least, values of earlier rounds being less. In the first
 * 255 rounds the bin is random, in the next it is the round's. It ends when no bin is empty: after one round for long texts.
 */
function signatureOf(shingles: Uint32Array): Uint32Array {
  const signature = new Uint32Array(bins).fill(EMPTY_BIN);
  if (shingles.length === 0) return signature;
  let empty: number = bins;
  for (let round = 0; empty > 0; round++) {
    const seed = Math.imul(round + 1, 0x632be5ab);
    const base = round * 0x800000;
    for (let i = 0; i < shingles.length; i++) {
      const value = mix(shingles[i]! ^ seed);
      const bin = round < bins ? ((value >>> 16) * bins) >>> 16 : round - bins;
      const ranked = base + (value & 0x7fffff);
      const before = signature[bin]!;
      if (ranked >= before) continue;
      if (before === EMPTY_BIN) empty--;
      signature[bin] = ranked;
    }
  }
  return signature;
}

/** Share of equal bins; 0 when either has no word. */
export function similarity(a: Uint32Array, b: Uint32Array): number {
  if (a[0] === EMPTY_BIN || b[0] === EMPTY_BIN) return 0;
  let equal = 0;
  for (let i = 0; i < bins; i++) if (a[i] === b[i]) equal++;
  return equal / bins;
}

/** The least of each window of shingles, the rightmost of equals. */
function winnow(shingles: Uint32Array): Uint32Array {
  if (shingles.length === 0) return new Uint32Array(0);
  const kept = new Uint32Array(shingles.length);
  let count = 0;
  let least = -1;
  const last = Math.max(0, shingles.length - window);
  for (let start = 0; start <= last; start++) {
    const end = Math.min(start + window, shingles.length);
    if (least >= start && end - start === window) {
      // Only one shingle is new to the window.
      if (shingles[end - 1]! > shingles[least]!) continue;
      least = end - 1;
    } else {
      least = start;
      for (let i = start + 1; i < end; i++) if (shingles[i]! <= shingles[least]!) least = i;
    }
    kept[count++] = shingles[least]!;
  }
  return distinct(kept.subarray(0, count).sort());
}

function distinct(sorted: Uint32Array): Uint32Array {
  let count = 0;
  for (let i = 0; i < sorted.length; i++) if (i === 0 || sorted[i] !== sorted[i - 1]) sorted[count++] = sorted[i]!;
  return sorted.slice(0, count);
}
