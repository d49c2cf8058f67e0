/**
 * Signatures by their bands: 51 bands of 5 bins; two contents meet when one band is equal, so of a pair with Jaccard similarity J the
 * share 1 − (1 − J⁵)^51 meets (0.80 at J = 0.5, 0.985 at 0.6, 0.9999 at 0.7), and is then judged by the whole signature.
 *
 * Memory of a contribution: signature 1,020 bytes, band chains 204, hash slots 204 to 816; a copy of a signature only the
 * signature.
 */
import { similarity } from "./sketch.ts";
import { INDEX_LIMITS, SKETCH } from "./thresholds.ts";

const { bins, bands, rows } = SKETCH;

export interface Near {
  /** Position in the order in which signatures were added. */
  readonly position: number;
  /** Estimated Jaccard similarity. */
  readonly jaccard: number;
}

export class NearIndex {
  readonly #signatures: Uint32Array[] = [];
  /** 1 + entry of the newest in a band's chain; 0 for none. An entry is position × bands + band. */
  #heads = new Uint32Array(1 << 10);
  /** 1 + next entry of the chain, by entry. */
  #next = new Uint32Array(1 << 10);
  /** Used slots of #heads. */
  #used = 0;

  get size(): number {
    return this.#signatures.length;
  }

  signature(position: number): Uint32Array {
    return this.#signatures[position]!;
  }

  /** Takes the signature as its own. */
  add(signature: Uint32Array): void {
    const position = this.#signatures.length;
    // Many copies would make long chains; the first of them answers for all.
    const isCopy = this.near(signature, 1).length > 0;
    this.#signatures.push(signature);
    if (isCopy || signature[0] === 0xffffffff) return;
    this.#reserve((position + 1) * bands);
    for (let band = 0; band < bands; band++) this.#link(position * bands + band);
  }

  /** At least `jaccard` similar by estimate, most similar first, of equals the earliest. At most INDEX_LIMITS.candidates are looked at. */
  near(signature: Uint32Array, jaccard: number): Near[] {
    const found: Near[] = [];
    if (signature[0] === 0xffffffff) return found;
    const seen = new Set<number>();
    for (let band = 0; band < bands; band++) {
      const slot = this.#slot(signature, band);
      for (let entry = this.#heads[slot]!; entry !== 0; entry = this.#next[entry - 1]!) {
        if (seen.size >= INDEX_LIMITS.candidates) break;
        const position = Math.floor((entry - 1) / bands);
        if (seen.has(position)) continue;
        seen.add(position);
        const estimate = similarity(signature, this.#signatures[position]!);
        if (estimate >= jaccard) found.push({ position, jaccard: estimate });
      }
    }
    return found.sort((a, b) => b.jaccard - a.jaccard || a.position - b.position);
  }

  #link(entry: number): void {
    const slot = this.#slot(this.#signatures[Math.floor(entry / bands)]!, entry % bands);
    const head = this.#heads[slot]!;
    if (head === 0) this.#used++;
    this.#next[entry] = head;
    this.#heads[slot] = entry + 1;
    if (this.#used * 2 > this.#heads.length) this.#rehash(this.#heads.length * 2);
  }

  /** Of the chain with this band, or the free one where it would begin. */
  #slot(signature: Uint32Array, band: number): number {
    const mask = this.#heads.length - 1;
    for (let slot = bandHash(signature, band) & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#heads[slot]! - 1;
      if (entry < 0) return slot;
      if (entry % bands === band && isSameBand(signature, this.#signatures[Math.floor(entry / bands)]!, band))
        return slot;
    }
  }

  #rehash(slots: number): void {
    const chains = this.#heads.filter((head) => head !== 0);
    this.#heads = new Uint32Array(slots);
    for (const head of chains) {
      const entry = head - 1;
      this.#heads[this.#slot(this.#signatures[Math.floor(entry / bands)]!, entry % bands)] = head;
    }
  }

  #reserve(entries: number): void {
    if (entries <= this.#next.length) return;
    const larger = new Uint32Array(Math.max(entries, Math.ceil(this.#next.length * 1.5)));
    larger.set(this.#next);
    this.#next = larger;
  }
}

function bandHash(signature: Uint32Array, band: number): number {
  let hash = Math.imul(band + 1, 0x9e3779b1);
  for (let i = band * rows; i < (band + 1) * rows; i++) {
    hash = Math.imul(hash ^ signature[i]!, 0x85ebca6b);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}

function isSameBand(a: Uint32Array, b: Uint32Array, band: number): boolean {
  for (let i = band * rows; i < (band + 1) * rows; i++) if (a[i] !== b[i]) return false;
  return true;
}

if (bands * rows !== bins) throw new Error("bands × rows must be bins");
