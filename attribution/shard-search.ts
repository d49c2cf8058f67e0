/**
 * Finding a query's place among the suffixes of one shard: from the top level of the directory down to a leaf, 64
 * entries a node. What the query shares with one entry, and the marks of the entries after it, tell where it belongs up
 * to the first entry that goes on as the query does; of those that do, the one that goes along farthest is found by
 * marks alone and read from the text (a blind search: Ferragina and Grossi, "The String B-Tree", 1999). So a node costs
 * at most one or two reads of text, and none where the marks decide.
 */
import {
  FAN,
  type Header,
  KEY_SYMBOLS,
  LEAF_ENTRIES,
  type Level,
  layoutOf,
  markBits,
  mostShared,
  POSITIONS_AT,
  type Symbols,
  symbolsOfBytes,
  symbolView,
} from "./shard-layout.ts";
import type { ShardPages } from "./shard-pages.ts";

/** A level of the directory in memory. */
interface LevelView {
  readonly entries: number;
  readonly positions: Int32Array;
  readonly marks: Uint16Array;
  readonly keys: Symbols | undefined;
}

export class ShardSearch {
  /** Suffixes: bytes of data. */
  readonly entries: number;
  readonly #pages: ShardPages;
  readonly #symbolOf: Uint16Array;
  readonly #levels: readonly LevelView[];
  readonly #bits: number;
  readonly #mask: number;
  readonly #most: number;

  // Results of the last search, and its state: fields rather than objects, there are thousands a trace.
  /** Symbols that the query shares with the entry before the place, and with the one at the place. */
  left = 0;
  right = 0;
  /** Whether the compared suffix is below the query; only where they differ. */
  #below = false;
  /** The node at hand: where its marks and positions are, its number of entries, and its keys where it has them. */
  #marks: Uint16Array = new Uint16Array(0);
  #marksAt = 0;
  #positions: Int32Array = new Int32Array(0);
  #positionsAt = 0;
  #keys: Symbols | undefined;

  constructor(header: Header, directory: ArrayBuffer, pages: ShardPages) {
    const { width, symbols, documents } = header;
    this.entries = symbols - documents;
    this.#pages = pages;
    this.#symbolOf = symbolsOfBytes(header);
    this.#bits = markBits(width);
    this.#mask = (1 << this.#bits) - 1;
    this.#most = mostShared(width);
    this.#levels = layoutOf(header).levels.map(({ entries, positions, marks, keys }: Level) => ({
      entries,
      positions: new Int32Array(directory, positions, entries),
      marks: new Uint16Array(directory, marks, entries),
      keys: keys === undefined ? undefined : symbolView(width, directory, keys, entries * KEY_SYMBOLS),
    }));
  }

  /** Text position of a suffix array entry. */
  position(entry: number): number {
    const leaf = Math.floor(entry / LEAF_ENTRIES);
    const { ints, at } = this.#pages.leafAt(leaf);
    return ints[(at + POSITIONS_AT) / 4 + (entry - leaf * LEAF_ENTRIES)]!;
  }

  /**
   * Whether an entry shares at least `length` symbols with the one before it; undefined where its mark does not tell,
   * and false after the last entry.
   */
  continues(entry: number, length: number): boolean | undefined {
    if (entry >= this.entries) return false;
    const leaf = Math.floor(entry / LEAF_ENTRIES);
    if (entry === leaf * LEAF_ENTRIES) return undefined;
    const { shorts, at } = this.#pages.leafAt(leaf);
    const both = shorts[at / 2 + (entry - leaf * LEAF_ENTRIES)]! >>> this.#bits;
    return both >= this.#most && length > both ? undefined : both >= length;
  }

  /**
   * How many entries are below query[from..to); those that start with it count as below when `after`. Sets `left` and
   * `right`, 0 where there is no such entry. A byte that does not occur is above all others. Precondition: from < to.
   */
  place(query: Uint8Array, from: number, to: number, after: boolean): number {
    const top = this.#levels.length - 1;
    const first = this.#compare(this.#levels[top]!.positions[0]!, query, from, to, 0);
    this.left = 0;
    this.right = first;
    if (first === to - from ? !after : !this.#below) return 0;
    this.left = first;
    this.right = 0;
    let child = 0;
    for (let k = top; k >= 0; k--) {
      const level = this.#levels[k]!;
      this.#marks = level.marks;
      this.#positions = level.positions;
      this.#keys = level.keys;
      this.#marksAt = child * FAN;
      this.#positionsAt = child * FAN;
      child = child * FAN + this.#placeInNode(query, from, to, after, Math.min(FAN, level.entries - child * FAN));
    }
    const { shorts, ints, at } = this.#pages.leafAt(child);
    this.#marks = shorts;
    this.#positions = ints;
    this.#keys = undefined;
    this.#marksAt = at / 2;
    this.#positionsAt = (at + POSITIONS_AT) / 4;
    const count = Math.min(LEAF_ENTRIES, this.entries - child * LEAF_ENTRIES);
    return child * LEAF_ENTRIES + this.#placeInNode(query, from, to, after, count) + 1;
  }

  /**
   * The last entry of the node that is below the query. On entry the first one is, and shares `left` symbols with the
   * query. Sets `left` for the result, and `right` where the entry after it is in the node.
   */
  #placeInNode(query: Uint8Array, from: number, to: number, after: boolean, count: number): number {
    const marks = this.#marks;
    const base = this.#marksAt;
    const bits = this.#bits;
    const length = to - from;
    let shared = this.left;
    let i = 1;
    while (i < count) {
      if (shared >= this.#most) return this.#placeInRun(query, from, to, after, i - 1, count);
      const mark = marks[base + i]!;
      const both = mark >>> bits;
      if (both < shared) {
        this.left = shared;
        this.right = both;
        return i - 1;
      }
      // It shares more with the one before than the query does, or all of the query: it is where that is.
      if (both > shared || shared === length) {
        i++;
        continue;
      }
      const symbol = this.#symbolOf[query[from + shared]!]!;
      const own = mark & this.#mask;
      if (own < symbol) {
        i++;
        continue;
      }
      if (own > symbol) {
        this.left = shared;
        this.right = shared;
        return i - 1;
      }

      const candidate = this.#blindly(query, from, length, i, count, shared);
      const found = this.#compareEntry(candidate, query, from, to, shared + 1);
      if (found >= this.#most) return this.#placeInRun(query, from, to, after, candidate, count);
      if (found === length ? !after : !this.#below) return this.#placeBefore(query, from, length, candidate, found);
      shared = found;
      i = candidate + 1;
    }
    this.left = shared;
    return count - 1;
  }

  /**
   * Of the entries from i on that share more than `shared` symbols with each other, the one that shares most with the
   * query, given that entry i shares more than `shared` with it.
   */
  #blindly(query: Uint8Array, from: number, length: number, i: number, count: number, shared: number): number {
    const marks = this.#marks;
    const base = this.#marksAt;
    let candidate = i;
    let least = 0x7fffffff;
    for (let k = i + 1; k < count; k++) {
      const mark = marks[base + k]!;
      const both = mark >>> this.#bits;
      if (both <= shared) break;
      // Beyond `least` it is like an entry that already went another way than the query.
      if (both > least) continue;
      least = both;
      if (both < length && both < this.#most && this.#symbolOf[query[from + both]!] === (mark & this.#mask)) {
        candidate = k;
        least = 0x7fffffff;
      }
    }
    return candidate;
  }

  /**
   * The candidate is above the query and shares `found` symbols with it, no entry shares more: the place is before it
   * or before one of those to its left that share as much and are above, too.
   */
  #placeBefore(query: Uint8Array, from: number, length: number, candidate: number, found: number): number {
    const marks = this.#marks;
    const base = this.#marksAt;
    let place = candidate;
    for (;;) {
      while (marks[base + place]! >>> this.#bits > found) place--; // the same symbol there
      const both = marks[base + place]! >>> this.#bits;
      const isFirst = both < found;
      if (isFirst || (found < length && this.#symbolAt(place - 1, found) < this.#symbolOf[query[from + found]!]!)) {
        this.left = both;
        this.right = found;
        return place - 1;
      }
      place--;
    }
  }

  /** Symbol at depth `found` of an entry: by the mark at which it began, or else by the text. */
  #symbolAt(entry: number, found: number): number {
    let k = entry;
    while (this.#marks[this.#marksAt + k]! >>> this.#bits > found) k--;
    const mark = this.#marks[this.#marksAt + k]!;
    if (mark >>> this.#bits === found) return mark & this.#mask;
    const at = this.#positions[this.#positionsAt + entry]! + found;
    const { symbols, base } = this.#pages.textAt(at);
    return symbols[at - base]!;
  }

  /** Halving by the text among the entries around `start` that share more with each other, and the query, than marks say. */
  #placeInRun(query: Uint8Array, from: number, to: number, after: boolean, start: number, count: number): number {
    const marks = this.#marks;
    const base = this.#marksAt;
    let first = start;
    while (first > 0 && marks[base + first]! >>> this.#bits >= this.#most) first--;
    let end = start + 1;
    while (end < count && marks[base + end]! >>> this.#bits >= this.#most) end++;
    let low = first;
    let high = end;
    let lowShared = -1;
    let highShared = -1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const shared = this.#compareEntry(middle, query, from, to, this.#most);
      if (shared === to - from ? after : this.#below) {
        low = middle + 1;
        lowShared = shared;
      } else {
        high = middle;
        highShared = shared;
      }
    }
    this.left = lowShared >= 0 ? lowShared : marks[base + low]! >>> this.#bits;
    if (highShared >= 0) this.right = highShared;
    else if (low < count) this.right = marks[base + low]! >>> this.#bits;
    return low - 1;
  }

  #compareEntry(entry: number, query: Uint8Array, from: number, to: number, shared: number): number {
    const keys = this.#keys;
    let known = shared;
    if (keys !== undefined && known < KEY_SYMBOLS) {
      const at = (this.#marksAt + entry) * KEY_SYMBOLS;
      const end = Math.min(KEY_SYMBOLS, to - from);
      while (known < end && keys[at + known] === this.#symbolOf[query[from + known]!]) known++;
      if (known < end) {
        this.#below = keys[at + known]! < this.#symbolOf[query[from + known]!]!;
        return known;
      }
    }
    return this.#compare(this.#positions[this.#positionsAt + entry]!, query, from, to, known);
  }

  /** Symbols that query[from..to) shares with the text at `position`, `shared` of which are known. Sets #below. */
  #compare(position: number, query: Uint8Array, from: number, to: number, shared: number): number {
    const symbolOf = this.#symbolOf;
    let at = from + shared;
    while (at < to) {
      const { symbols, base, end } = this.#pages.textAt(position + at - from);
      const offset = position - from - base;
      const stop = Math.min(to, end - position + from);
      while (at < stop && symbols[at + offset] === symbolOf[query[at]!]) at++;
      if (at < stop) {
        this.#below = symbols[at + offset]! < symbolOf[query[at]!]!;
        break;
      }
    }
    return at - from;
  }

  /** Symbols before `position` that are those of query[from..to) from its end on. */
  sharedBefore(position: number, query: Uint8Array, from: number, to: number): number {
    const symbolOf = this.#symbolOf;
    let shared = 0;
    while (to - shared > from && position - shared > 0) {
      const { symbols, base } = this.#pages.textAt(position - shared - 1);
      const stop = Math.min(to - from, position - base);
      while (shared < stop && symbols[position - shared - 1 - base] === symbolOf[query[to - shared - 1]!]) shared++;
      if (shared < stop) break;
    }
    return shared;
  }
}
