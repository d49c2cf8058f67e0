/**
 * Searching one shard: longest prefix and suffix of a query that occur, how often and where, and what follows. Places
 * among its suffixes are found in attribution/shard-search.ts.
 */

import { ShardFilter } from "./shard-filter.ts";
import {
  BLOCK_ENTRIES,
  bytesOfSymbols,
  type Header,
  LEAF_ENTRIES,
  layoutOf,
  POSITIONS_AT,
  symbolsOfBytes,
} from "./shard-layout.ts";
import { minimumOfBlocks } from "./shard-minimum.ts";
import type { ShardPages } from "./shard-pages.ts";
import { ShardSearch } from "./shard-search.ts";

export interface ShardParts {
  readonly header: Header;
  readonly ids: BigUint64Array;
  /** Text position of each document's first symbol, and the length of the text. */
  readonly starts: Uint32Array;
  /** The directory's section. */
  readonly directory: ArrayBuffer;
  /** The filter's section. */
  readonly filter: Uint8Array;
  readonly pages: ShardPages;
}

/** Half-open interval of suffix array entries. */
export interface Interval {
  readonly from: number;
  readonly to: number;
}

export class Shard {
  readonly ids: BigUint64Array;
  readonly starts: Uint32Array;
  /** Suffixes: bytes of data. */
  readonly entries: number;
  readonly #search: ShardSearch;
  readonly #filter: ShardFilter;
  readonly #pages: ShardPages;
  readonly #byteOf: Uint8Array;
  readonly #minima: Int32Array;

  constructor({ header, ids, starts, directory, filter, pages }: ShardParts) {
    this.ids = ids;
    this.starts = starts;
    this.entries = header.symbols - header.documents;
    this.#search = new ShardSearch(header, directory, pages);
    this.#filter = new ShardFilter(filter, symbolsOfBytes(header));
    this.#pages = pages;
    this.#byteOf = bytesOfSymbols(header);
    const { minima, blockCount } = layoutOf(header);
    this.#minima = new Int32Array(directory, minima, 2 * blockCount);
  }

  /** Length of the longest prefix of query[from..to) that occurs in one document, or `known` when none is longer. */
  longestPrefix(query: Uint8Array, from: number, to: number, known: number): number {
    if (to - from <= known || !this.#filter.mayHold(query, from, from + known + 1)) return known;
    this.#search.place(query, from, to, false);
    return Math.max(known, this.#search.left, this.#search.right);
  }

  /**
   * Length of the longest suffix of query[from..to) that occurs in one document, or `known` when none is longer.
   * A halving, in which the occurrences of a part are extended to the left as far as the text goes along: when there are
   * but few of them, that is the answer.
   */
  longestSuffix(query: Uint8Array, from: number, to: number, known: number): number {
    let low = known;
    let high = to - from;
    let probe = Math.min(high, Math.max(low + 1, FIRST_PROBE));
    while (low < high) {
      const entry = this.#find(query, to - probe, to);
      if (entry < 0) {
        high = probe - 1;
        probe = (low + high + 1) >>> 1;
        continue;
      }
      // Marks say how many there are; only few are worth the reads of their text.
      const few = this.#fewFrom(entry, probe);
      let extended = 0;
      for (let k = 0; k < Math.max(1, few); k++) {
        const position = this.position(entry + k);
        extended = Math.max(extended, this.#search.sharedBefore(position, query, from, to - probe));
      }
      low = probe + extended;
      if (few > 0) return low;
      probe = (low + high + 1) >>> 1;
    }
    return low;
  }

  /** Suffixes that start with query[from..to). Precondition: from < to. */
  interval(query: Uint8Array, from: number, to: number): Interval {
    const first = this.#find(query, from, to);
    if (first < 0) return { from: 0, to: 0 };
    const few = this.#fewFrom(first, to - from);
    if (few > 0) return { from: first, to: first + few };
    return { from: first, to: this.#search.place(query, from, to, true) };
  }

  /** How many entries from `first` on share `length` symbols with it; 0 when they are many, or marks do not tell. */
  #fewFrom(first: number, length: number): number {
    for (let few = 1; few <= FEW; few++) {
      const isNext = this.#search.continues(first + few, length);
      if (isNext === undefined) return 0;
      if (!isNext) return few;
    }
    return 0;
  }

  /** First entry that starts with query[from..to), -1 when there is none. */
  #find(query: Uint8Array, from: number, to: number): number {
    if (!this.#filter.mayHold(query, from, to)) return -1;
    const place = this.#search.place(query, from, to, false);
    return this.#search.right === to - from ? place : -1;
  }

  /** Text position of a suffix array entry. */
  position(entry: number): number {
    return this.#search.position(entry);
  }

  /** Smallest text position of an interval: that of the lowest contribution id, and its lowest offset there. */
  smallestPosition({ from, to }: Interval): number {
    const firstBlock = Math.ceil(from / BLOCK_ENTRIES);
    const lastBlock = Math.floor(to / BLOCK_ENTRIES);
    if (firstBlock >= lastBlock) return this.#scanSmallest(from, to);
    return Math.min(
      minimumOfBlocks(this.#minima, firstBlock, lastBlock),
      this.#scanSmallest(from, firstBlock * BLOCK_ENTRIES),
      this.#scanSmallest(lastBlock * BLOCK_ENTRIES, to),
    );
  }

  /** The document that holds a text position. */
  documentAt(position: number): number {
    let low = 0;
    let high = this.ids.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.starts[middle]! <= position) low = middle;
      else high = middle;
    }
    return low;
  }

  /** Up to `limit` bytes from a text position on, to the end of the document at most. */
  read(position: number, limit: number): Uint8Array {
    const document = this.documentAt(position);
    const length = Math.min(limit, this.starts[document + 1]! - 1 - position);
    const bytes = new Uint8Array(length);
    for (let filled = 0; filled < length; ) {
      const { symbols, base, end } = this.#pages.textAt(position + filled);
      const stop = Math.min(length, end - position);
      for (; filled < stop; filled++) bytes[filled] = this.#byteOf[symbols[position + filled - base]!]!;
    }
    return bytes;
  }

  /** The part of an interval of suffixes starting with `length` equal bytes whose occurrences do not end their document. */
  continued({ from, to }: Interval, length: number): Interval {
    let low = from;
    let high = to;
    // The separator is the smallest symbol: those come first.
    while (low < high) {
      const middle = (low + high) >>> 1;
      const at = this.position(middle) + length;
      const { symbols, base } = this.#pages.textAt(at);
      if (symbols[at - base] === 0) low = middle + 1;
      else high = middle;
    }
    return { from: low, to };
  }

  #scanSmallest(from: number, to: number): number {
    let smallest = 0x7fffffff;
    for (let entry = from; entry < to; ) {
      const leaf = Math.floor(entry / LEAF_ENTRIES);
      const { ints, at } = this.#pages.leafAt(leaf);
      const base = (at + POSITIONS_AT) / 4 - leaf * LEAF_ENTRIES;
      const stop = Math.min(to, (leaf + 1) * LEAF_ENTRIES);
      for (; entry < stop; entry++) smallest = Math.min(smallest, ints[base + entry]!);
    }
    return smallest;
  }
}

/** Bytes of the first look for a suffix: what is shorter is rarely of use, what is longer often absent. */
const FIRST_PROBE = 24;
/** Occurrences that are looked at one by one. */
const FEW = 4;
