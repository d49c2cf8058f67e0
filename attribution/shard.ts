/**
 * Searching one shard. The suffix array is entered from the top: groups and leaf keys in memory, then one leaf, then the
 * text of the few suffixes that its hints leave open. Each step only uses what is certain, so the place that comes out
 * is that of a halving over the text itself.
 */
import { hintOfWide, packKey } from "./shard-build.ts";
import {
  BLOCK_ENTRIES,
  bytesOfSymbols,
  DEPTH_AT,
  GROUP_LEAVES,
  GROUP_SYMBOLS,
  type Header,
  type Layout,
  LEAF_ENTRIES,
  layoutOf,
  POSITIONS_AT,
  type Symbols,
  symbolsOfBytes,
  symbolView,
} from "./shard-layout.ts";
import { minimumOfBlocks } from "./shard-minimum.ts";
import type { ShardPages } from "./shard-pages.ts";

const UNKNOWN = -1;

export interface ShardParts {
  readonly header: Header;
  readonly ids: BigUint64Array;
  /** Text position of each document's first symbol, and the length of the text. */
  readonly starts: Uint32Array;
  /** The directory's section. */
  readonly directory: ArrayBuffer;
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
  readonly #pages: ShardPages;
  readonly #layout: Layout;
  readonly #width: 1 | 2;
  readonly #foreign: number;
  readonly #symbolOf: Uint16Array;
  readonly #byteOf: Uint8Array;
  readonly #groupPositions: Int32Array;
  readonly #groupDepths: Uint16Array;
  readonly #groupKeys: Symbols;
  readonly #leafKeys: Uint32Array;
  readonly #minima: Int32Array;

  // Results of the last call of #compare and #search: fields rather than objects, there are thousands a trace.
  /** Whether the compared suffix is below the query; only where they differ. */
  #below = false;
  /** Symbols that the query shares with the entries before and at the place found, or UNKNOWN. */
  #left = 0;
  #right = 0;
  readonly #key = new Uint32Array(2);

  constructor({ header, ids, starts, directory, pages }: ShardParts) {
    const { width, foreign, symbols, documents } = header;
    this.ids = ids;
    this.starts = starts;
    this.entries = symbols - documents;
    this.#pages = pages;
    this.#layout = layoutOf(header);
    this.#width = width;
    this.#foreign = foreign;
    this.#symbolOf = symbolsOfBytes(header);
    this.#byteOf = bytesOfSymbols(header);
    const { groupCount, leafCount, blockCount, groupDepths, groupKeys, leafKeys, minima } = this.#layout;
    this.#groupPositions = new Int32Array(directory, 0, groupCount);
    this.#groupDepths = new Uint16Array(directory, groupDepths, groupCount);
    this.#groupKeys = symbolView(width, directory, groupKeys, groupCount * GROUP_SYMBOLS);
    this.#leafKeys = new Uint32Array(directory, leafKeys, 2 * leafCount);
    this.#minima = new Int32Array(directory, minima, 2 * blockCount);
  }

  /** Length of the longest prefix of query[from..to) that occurs in one document. */
  longestPrefix(query: Uint8Array, from: number, to: number): number {
    const end = this.#cut(query, from, to);
    if (end === from) return 0;
    const place = this.#search(query, from, end, false);
    const right = this.#right === UNKNOWN ? this.#sharedWith(place, query, from, end) : this.#right;
    if (right === end - from) return right;
    return Math.max(right, this.#left === UNKNOWN ? this.#sharedWith(place - 1, query, from, end) : this.#left);
  }

  /** Text position of some occurrence of query[from..to), -1 when there is none. Precondition: from < to. */
  find(query: Uint8Array, from: number, to: number): number {
    if (this.#cut(query, from, to) < to) return -1;
    const place = this.#search(query, from, to, false);
    const right = this.#right === UNKNOWN ? this.#sharedWith(place, query, from, to) : this.#right;
    return right === to - from ? this.position(place) : -1;
  }

  /**
   * Length of the longest suffix of query[from..to) that occurs in one document, or `known` when none is longer.
   * An occurrence is extended to the left as far as the text goes along: often that is the answer, and one more look
   * shows that nothing longer occurs.
   */
  longestSuffix(query: Uint8Array, from: number, to: number, known: number): number {
    let low = known;
    let high = to - from;
    let probe = Math.min(high, Math.max(low + 1, FIRST_PROBE));
    while (low < high) {
      const position = this.find(query, to - probe, to);
      if (position < 0) {
        high = probe - 1;
        probe = (low + high + 1) >>> 1;
      } else {
        const grown = low;
        low = probe + this.#sharedBefore(position, query, from, to - probe);
        // One more symbol, but on repeats, where every look wins a little, halve.
        probe = low - grown < 4 ? (low + high + 1) >>> 1 : low + 1;
      }
    }
    return low;
  }

  /** Suffixes that start with query[from..to). Precondition: from < to. */
  interval(query: Uint8Array, from: number, to: number): Interval {
    if (this.#cut(query, from, to) < to) return { from: 0, to: 0 };
    const first = this.#search(query, from, to, false);
    const right = this.#right === UNKNOWN ? this.#sharedWith(first, query, from, to) : this.#right;
    if (right < to - from) return { from: first, to: first };
    return { from: first, to: this.#search(query, from, to, true) };
  }

  /** Text position of a suffix array entry. */
  position(entry: number): number {
    const leaf = Math.floor(entry / LEAF_ENTRIES);
    const { ints, at } = this.#pages.leafAt(leaf);
    return ints[(at + POSITIONS_AT) / 4 + (entry - leaf * LEAF_ENTRIES)]!;
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

  /** End of what of the query can occur here at all. */
  #cut(query: Uint8Array, from: number, to: number): number {
    if (this.#width === 2) return to;
    const foreign = query.indexOf(this.#foreign, from);
    return foreign < 0 || foreign > to ? to : foreign;
  }

  /**
   * How many entries are below query[from..to); those that start with it count as below when `after`. Sets #left and
   * #right. Precondition: from < to.
   */
  #search(query: Uint8Array, from: number, to: number, after: boolean): number {
    const group = this.#groupsBelow(query, from, to, after) - 1;
    if (group < 0) {
      this.#left = 0;
      this.#right = UNKNOWN;
      return 0;
    }
    const leaf = this.#leafOf(group, query, from, to, after);
    const right = this.#right;
    const { shorts, at } = this.#pages.leafAt(leaf);
    const entries = Math.min(LEAF_ENTRIES, this.entries - leaf * LEAF_ENTRIES);
    const hints = at / 2;
    const depth = shorts[(at + DEPTH_AT) / 2]!;

    // From here on all that is between this leaf's first suffix and the next one's shares `depth` symbols.
    const narrow = this.#width === 1;
    const remaining = to - from - depth;
    const first = this.#symbolOf[query[from + depth]!]!;
    const second = remaining > 1 ? this.#symbolOf[query[from + depth + 1]!]! : 0;
    const lowHint = narrow ? (first << 8) | second : hintOfWide(first, second);
    const highHint = remaining > 1 ? lowHint : narrow ? lowHint | 0xff : lowHint | 0x7f;
    // The first entry is below: that is why this is the leaf.
    let low = 1;
    let high = entries;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (shorts[hints + middle]! < lowHint) low = middle + 1;
      else high = middle;
    }
    const tiesFrom = low;
    let tiesTo = low;
    while (tiesTo < entries && shorts[hints + tiesTo]! <= highHint) tiesTo++;

    let place = tiesFrom;
    const shared = depth + (narrow ? 2 : 1);
    let lowShared = UNKNOWN;
    let highShared = UNKNOWN;
    if (remaining <= (narrow ? 2 : 1)) {
      // The hints show all of the query.
      if (after) place = tiesTo;
      if (tiesFrom < tiesTo) {
        if (after) lowShared = to - from;
        else highShared = to - from;
      }
    } else {
      high = tiesTo;
      while (low < high) {
        const middle = (low + high) >>> 1;
        const known = lowShared === UNKNOWN || highShared === UNKNOWN ? shared : Math.min(lowShared, highShared);
        const entry = leaf * LEAF_ENTRIES + middle;
        const both = this.#compare(this.position(entry), query, from, to, known);
        if (both === to - from ? after : this.#below) {
          low = middle + 1;
          lowShared = both;
        } else {
          high = middle;
          highShared = both;
        }
      }
      place = low;
    }
    // Reading text does not move the leaf, but position() may have: it is the same leaf.
    this.#left = lowShared;
    if (lowShared === UNKNOWN) this.#left = sharedByHint(shorts[hints + place - 1]!, lowHint, highHint, depth, narrow);
    this.#right = highShared;
    if (highShared === UNKNOWN) {
      this.#right = place === entries ? right : sharedByHint(shorts[hints + place]!, lowHint, highHint, depth, narrow);
    }
    return leaf * LEAF_ENTRIES + place;
  }

  /** Groups whose first suffix is below the query. */
  #groupsBelow(query: Uint8Array, from: number, to: number, after: boolean): number {
    const keys = this.#groupKeys;
    const symbolOf = this.#symbolOf;
    const length = to - from;
    const keyLength = Math.min(GROUP_SYMBOLS, length);
    let low = 0;
    let high = this.#layout.groupCount;
    let lowShared = 0;
    let highShared = 0;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const at = middle * GROUP_SYMBOLS;
      // All suffixes between two that share k symbols with the query share at least k.
      let shared = Math.min(lowShared, highShared);
      while (shared < keyLength && keys[at + shared] === symbolOf[query[from + shared]!]) shared++;
      let below: boolean;
      if (shared < keyLength) below = keys[at + shared]! < symbolOf[query[from + shared]!]!;
      else {
        if (shared < length) shared = this.#compare(this.#groupPositions[middle]!, query, from, to, shared);
        below = shared === length ? after : this.#below;
      }
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

  /** The last leaf of the group whose first suffix is below the query. Sets #right to what the next leaf's first shares. */
  #leafOf(group: number, query: Uint8Array, from: number, to: number, after: boolean): number {
    const keys = this.#leafKeys;
    const depth = this.#groupDepths[group]!;
    const remaining = to - from - depth;
    const keySymbols = this.#width === 1 ? 8 : 4;
    const key = this.#key;
    packKey(this.#width, (k) => (k < remaining ? this.#symbolOf[query[from + depth + k]!]! : 0), key);
    const firstLeaf = group * GROUP_LEAVES;
    const lastLeaf = Math.min(firstLeaf + GROUP_LEAVES, this.#layout.leafCount);
    let low = firstLeaf + 1;
    let high = lastLeaf;
    const top = key[0]!;
    const rest = key[1]!;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const a = keys[2 * middle]!;
      if (a < top || (a === top && keys[2 * middle + 1]! < rest)) low = middle + 1;
      else high = middle;
    }
    const tiesFrom = low;
    let tiesTo = low;
    while (tiesTo < lastLeaf && this.#keyShared(tiesTo, remaining) >= Math.min(remaining, keySymbols)) tiesTo++;
    let place = tiesFrom;
    if (remaining <= keySymbols) {
      if (after) place = tiesTo;
    } else {
      high = tiesTo;
      while (low < high) {
        const middle = (low + high) >>> 1;
        const position = this.position(middle * LEAF_ENTRIES);
        const shared = this.#compare(position, query, from, to, depth + keySymbols);
        if (shared === to - from ? after : this.#below) low = middle + 1;
        else high = middle;
      }
      place = low;
    }
    this.#right = UNKNOWN;
    if (place < lastLeaf) {
      const shared = this.#keyShared(place, remaining);
      if (shared < keySymbols || shared === remaining) this.#right = depth + shared;
    }
    return place - 1;
  }

  /** Symbols that a leaf's key shares with #key, at most `remaining` and as many as a key has. */
  #keyShared(leaf: number, remaining: number): number {
    const a = this.#leafKeys[2 * leaf]! ^ this.#key[0]!;
    const bits = a !== 0 ? Math.clz32(a) : 32 + Math.clz32(this.#leafKeys[2 * leaf + 1]! ^ this.#key[1]!);
    return Math.min(remaining, this.#width === 1 ? bits >>> 3 : bits >>> 4);
  }

  /** Symbols that query[from..to) shares with an entry, 0 when there is no such entry. */
  #sharedWith(entry: number, query: Uint8Array, from: number, to: number): number {
    if (entry < 0 || entry >= this.entries) return 0;
    return this.#compare(this.position(entry), query, from, to, 0);
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
  #sharedBefore(position: number, query: Uint8Array, from: number, to: number): number {
    const symbolOf = this.#symbolOf;
    let shared = 0;
    while (to - shared > from && position - shared > 0) {
      const { symbols, base } = this.#pages.textAt(position - shared - 1);
      const stop = Math.min(to - from, position - base);
      const before = shared;
      while (shared < stop && symbols[position - shared - 1 - base] === symbolOf[query[to - shared - 1]!]) shared++;
      if (shared < stop || shared === before) break;
    }
    return shared;
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

/** Symbols shared with an entry whose hint is not one of the query's; UNKNOWN when it is. */
function sharedByHint(hint: number, lowHint: number, highHint: number, depth: number, narrow: boolean): number {
  if (hint >= lowHint && hint <= highHint) return UNKNOWN;
  const shift = narrow ? 8 : 7;
  return hint >>> shift === lowHint >>> shift ? depth + 1 : depth;
}
