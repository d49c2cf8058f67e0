/**
 * Which passages were there before: fingerprint → the first contribution that has it, and how many have it. A hash table
 * with open addressing, 9 bytes a slot, at most two thirds full: some 14 to 27 bytes a fingerprint, 0.5 to 1 byte a byte of new text.
 */
import { INDEX_LIMITS, SKETCH } from "./thresholds.ts";

/** Words of a content that earlier ones hold, by one of them. */
export interface SourceWords {
  /** Position in the order in which contributions were added. */
  readonly position: number;
  readonly words: number;
}

export interface Coverage {
  readonly covered: number;
  /** Covered by passages that at least `commonHolders` contributions hold. */
  readonly common: number;
  /** Most words first, of equals the earliest. A word counts for the first holder of the passage. */
  readonly sources: readonly SourceWords[];
}

const MAX_HOLDERS = 255;

export class CoverageIndex {
  /** 0 is a free slot; fingerprint 0 is stored as 1. */
  #keys = new Uint32Array(1 << 12);
  #firsts = new Uint32Array(1 << 12);
  #holders = new Uint8Array(1 << 12);
  #used = 0;
  /** Nobody can choose a text whose fingerprints all meet in one slot. What the index answers does not depend on it. */
  readonly #seed = Math.floor(Math.random() * 2 ** 32);

  /** Distinct fingerprints. */
  get size(): number {
    return this.#used;
  }

  /** `fingerprints` distinct; positions never fall. Throws RangeError when the table is full. */
  add(position: number, fingerprints: Uint32Array): void {
    for (const fingerprint of fingerprints) this.put(fingerprint, position, 1);
  }

  /** Of a saved index; otherwise use add. */
  put(fingerprint: number, first: number, holders: number): void {
    const key = fingerprint === 0 ? 1 : fingerprint;
    const slot = this.#slot(key);
    if (this.#keys[slot] === key) {
      this.#holders[slot] = Math.min(MAX_HOLDERS, this.#holders[slot]! + holders);
      return;
    }
    if (this.#used >= INDEX_LIMITS.fingerprints) throw new RangeError("the index holds as many passages as it may");
    this.#keys[slot] = key;
    this.#firsts[slot] = first;
    this.#holders[slot] = holders;
    this.#used++;
    if (this.#used * 3 > this.#keys.length * 2) this.#grow();
  }

  /** Entries by rising fingerprint: the same for the same contents. */
  *entries(): Generator<{ readonly fingerprint: number; readonly first: number; readonly holders: number }> {
    for (const fingerprint of this.#keys.filter((key) => key !== 0).sort()) {
      const slot = this.#slot(fingerprint);
      yield { fingerprint, first: this.#firsts[slot]!, holders: this.#holders[slot]! };
    }
  }

  /**
   * A passage that another content has is known by fingerprints at most 8 shingles apart: what lies between two of them
   * counts as covered. So a common run of 12 words is always seen; up to 7 words at each of its ends may be missed.
   */
  coverage(shingles: Uint32Array, words: number, commonHolders: number): Coverage {
    const perSource = new Map<number, number>();
    const all = new Passages();
    const shared = new Passages();
    for (let i = 0; i < shingles.length; i++) {
      const key = shingles[i] === 0 ? 1 : shingles[i]!;
      const slot = this.#slot(key);
      if (this.#keys[slot] !== key) continue;
      const end = Math.min(words, i + SKETCH.shingleWords);
      const position = this.#firsts[slot]!;
      perSource.set(position, (perSource.get(position) ?? 0) + all.extend(i, end));
      if (this.#holders[slot]! >= commonHolders) shared.extend(i, end);
    }
    const sources = [...perSource].map(([position, held]) => ({ position, words: held }));
    sources.sort((a, b) => b.words - a.words || a.position - b.position);
    return { covered: all.words, common: shared.words, sources };
  }

  #slot(key: number): number {
    const mask = this.#keys.length - 1;
    for (let slot = (Math.imul(key ^ this.#seed, 0x9e3779b1) >>> 7) & mask; ; slot = (slot + 1) & mask) {
      const found = this.#keys[slot];
      if (found === key || found === 0) return slot;
    }
  }

  #grow(): void {
    const [keys, firsts, holders] = [this.#keys, this.#firsts, this.#holders];
    this.#keys = new Uint32Array(keys.length * 2);
    this.#firsts = new Uint32Array(keys.length * 2);
    this.#holders = new Uint8Array(keys.length * 2);
    for (let i = 0; i < keys.length; i++) {
      if (keys[i] === 0) continue;
      const slot = this.#slot(keys[i]!);
      this.#keys[slot] = keys[i]!;
      this.#firsts[slot] = firsts[i]!;
      this.#holders[slot] = holders[i]!;
    }
  }
}

/** Words of a text that are covered, hit by hit from the left. */
class Passages {
  words = 0;
  #reached = 0;
  #lastHit = Number.NEGATIVE_INFINITY;

  /** The shingle at `start` is known, its words end at `end`. Returns how many words that adds. */
  extend(start: number, end: number): number {
    const from = start - this.#lastHit <= SKETCH.window ? this.#reached : Math.max(this.#reached, start);
    const added = Math.max(0, end - from);
    this.#reached = Math.max(this.#reached, end);
    this.#lastHit = start;
    this.words += added;
    return added;
  }
}
