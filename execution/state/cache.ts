/**
 * A bounded map that forgets what was not used lately. Two generations instead of a linked list: reads touch one map
 * in the common case, and forgetting is dropping the older map. Holds between half and all of `capacity` entries.
 */
export class GenerationCache<V extends object | string | number | bigint | null> {
  readonly #half: number;
  #young = new Map<string, V>();
  #old = new Map<string, V>();

  constructor(capacity: number) {
    this.#half = Math.max(1, capacity >> 1);
  }

  get(key: string): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: string, value: V): void {
    if (this.#young.size >= this.#half && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  delete(key: string): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }

  /** Values in no particular order; a key that is in both generations gives both. */
  *values(): Generator<V> {
    yield* this.#young.values();
    yield* this.#old.values();
  }
}

/** A GenerationCache with keys of two parts, which it takes as they are: joining strings costs more than a second map. */
export class PairCache<V extends object> {
  readonly #half: number;
  #young = new Map<string, Map<string, V>>();
  #old = new Map<string, Map<string, V>>();
  #size = 0;

  constructor(capacity: number) {
    this.#half = Math.max(1, capacity >> 1);
  }

  get(outer: string, inner: string): V | undefined {
    const young = this.#young.get(outer)?.get(inner);
    if (young !== undefined) return young;
    const old = this.#old.get(outer)?.get(inner);
    if (old !== undefined) this.set(outer, inner, old);
    return old;
  }

  set(outer: string, inner: string, value: V): void {
    if (this.#size >= this.#half) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#size = 0;
    }
    let values = this.#young.get(outer);
    if (values === undefined) {
      values = new Map();
      this.#young.set(outer, values);
    }
    // Overwriting counts as well: forgetting a little early costs less than asking first.
    this.#size++;
    values.set(inner, value);
  }
}
