/**
 * What a shard cannot hold, told from memory: a Bloom filter of some runs of 16 symbols. Of each 9 neighbouring runs
 * within a contribution the one with the smallest hash is noted, one in five or so; a query of 24 bytes has 9 runs, and
 * when it occurs, the smallest of them was noted. It says "no" or "perhaps".
 */
import { FILTER_LINE_BITS } from "./shard-layout.ts";

/** Queries below this are not told apart. */
export const FILTERED_BYTES = 24;
const RUN = 16;
const WINDOW = FILTERED_BYTES - RUN + 1;
/** As in wasm/suffix-sort.as: a polynomial over 2^32, and its base to the power of RUN. */
const BASE = 0x2c9277b5;
const BASE_TO_RUN = 0x1cf7a6c1;

export class ShardFilter {
  readonly #bits: Uint8Array;
  readonly #lines: number;
  readonly #symbolOf: Uint16Array;
  /** Hashes of the last runs, by their end modulo 16. */
  readonly #last = new Int32Array(16);

  /** `bits` as wasm/suffix-sort.as fills them. */
  constructor(bits: Uint8Array, symbolOf: Uint16Array) {
    this.#bits = bits;
    this.#lines = (bits.length * 8) / FILTER_LINE_BITS;
    this.#symbolOf = symbolOf;
  }

  /** Whether query[from..to) may occur; true for what is shorter than FILTERED_BYTES. */
  mayHold(query: Uint8Array, from: number, to: number): boolean {
    if (to - from < FILTERED_BYTES) return true;
    const symbolOf = this.#symbolOf;
    const last = this.#last;
    let hash = 0;
    for (let i = from; i < from + RUN - 1; i++) hash = (Math.imul(hash, BASE) + symbolOf[query[i]!]!) | 0;
    let smallest = 0;
    let smallestAt = -1;
    for (let i = from + RUN - 1; i < to; i++) {
      hash = (Math.imul(hash, BASE) + symbolOf[query[i]!]!) | 0;
      if (i >= from + RUN) hash = (hash - Math.imul(symbolOf[query[i - RUN]!]!, BASE_TO_RUN)) | 0;
      const value = spread(hash);
      last[i & 15] = value;
      const isFull = i >= from + FILTERED_BYTES - 1;
      if (smallestAt < 0 || value >>> 0 <= smallest >>> 0) {
        smallest = value;
        smallestAt = i;
      } else if (smallestAt <= i - WINDOW) {
        smallestAt = i - WINDOW + 1;
        smallest = last[smallestAt & 15]!;
        for (let k = smallestAt + 1; k <= i; k++) {
          const one = last[k & 15]!;
          if (one >>> 0 <= smallest >>> 0) {
            smallest = one;
            smallestAt = k;
          }
        }
      } else if (i !== from + FILTERED_BYTES - 1) continue;
      if (isFull && !this.#isNoted(smallest)) return false;
    }
    return true;
  }

  #isNoted(hash: number): boolean {
    // What is noted are small hashes: they are spread once more.
    let x = Math.imul(hash, 0x9e3779b1);
    const line = Math.floor(((x >>> 0) * this.#lines) / 2 ** 32) * FILTER_LINE_BITS;
    x = Math.imul(x ^ (x >>> 15), 0x85ebca6b) >>> 5;
    for (let k = 0; k < 3; k++) {
      const bit = x & (FILTER_LINE_BITS - 1);
      if ((this.#bits[line / 8 + (bit >>> 3)]! & (1 << (bit & 7))) === 0) return false;
      x >>>= 9;
    }
    return true;
  }
}

function spread(hash: number): number {
  let x = hash ^ (hash >>> 16);
  x = Math.imul(x, 0x7feb352d);
  x ^= x >>> 15;
  x = Math.imul(x, 0x846ca68b);
  return x ^ (x >>> 16);
}
