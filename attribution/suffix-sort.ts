/** Suffix arrays by the WebAssembly module of attribution/wasm/suffix-sort.as, over memory that the caller fills. */
import { readFileSync } from "node:fs";
import { FILTERED_BYTES } from "./shard-filter.ts";
import { mostShared, PAGE_BYTES, type Symbols } from "./shard-layout.ts";

/** wasm32 addresses 4 GiB: 5 bytes a symbol of one byte, 6 of two, and what a reduced problem may need beside. */
export const MAX_SORTED_SYMBOLS = 600_000_000;

interface SuffixSortModule {
  suffixSort(
    text: number,
    width: number,
    n: number,
    sa: number,
    bucket: number,
    alphabet: number,
    beyond: number,
  ): void;
  writeLeafPages(
    width: number,
    text: number,
    n: number,
    sa: number,
    entries: number,
    leaf: number,
    pages: number,
    out: number,
    most: number,
  ): void;
  fillFilter(width: number, text: number, from: number, to: number, filter: number, bits: number): void;
}

export interface SortArea {
  /** To be filled before `sort`. Taken anew after it: memory may have grown. */
  readonly text: Symbols;
  /**
   * Start positions of all suffixes of `text` in lexicographic order; a suffix that ends is smaller than one that goes
   * on. Precondition: every symbol is below `alphabet`. The result lies in the area's memory.
   */
  sort(alphabet: number): Int32Array;
  /**
   * Pages of leaves from leaf `leaf` on (attribution/shard-layout.ts), at most LEAF_PAGES at once, of the sorted
   * suffixes without the first `skipped`. Valid until the next call.
   */
  leafPages(skipped: number, leaf: number, pages: number): Uint8Array;
  /** A filter of so many bytes over the text (attribution/shard-filter.ts). Ends what else the area is for. */
  filter(bytes: number): Uint8Array;
}

/** What `leafPages` writes at once. */
export const LEAF_PAGES = 256;

/** Symbols between two turns of the module: as there, so that code that was made quickly is replaced. */
const FILTER_PIECE = 1 << 16;

let compiled: WebAssembly.Module | undefined;

/** Room for `length` symbols of `width` bytes and their suffix array. Throws RangeError when it exceeds wasm32's memory. */
export function sortArea(length: number, width: 1 | 2): SortArea {
  if (length > MAX_SORTED_SYMBOLS) {
    throw new RangeError(`${length} symbols, at most ${MAX_SORTED_SYMBOLS} can be sorted`);
  }
  compiled ??= new WebAssembly.Module(readFileSync(new URL("wasm/suffix-sort.wasm", import.meta.url)));
  const suffixes = align(length * width);
  // Buckets while sorting, pages of leaves afterwards.
  const scratch = suffixes + 4 * length;
  const beyond = scratch + Math.min(LEAF_PAGES, Math.ceil(length / 640) + 1) * PAGE_BYTES;
  const memory = new WebAssembly.Memory({ initial: Math.ceil(beyond / 65_536), maximum: 65_536 });
  const module = new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as SuffixSortModule;
  return {
    get text() {
      return width === 1 ? new Uint8Array(memory.buffer, 0, length) : new Uint16Array(memory.buffer, 0, length);
    },
    sort(alphabet) {
      // Addresses are unsigned; | 0 makes them what the module's signature takes.
      module.suffixSort(0, width, length, suffixes | 0, scratch | 0, alphabet, beyond | 0);
      return new Int32Array(memory.buffer, suffixes, length);
    },
    leafPages(skipped, leaf, pages) {
      const sa = (suffixes + 4 * skipped) | 0;
      module.writeLeafPages(width, 0, length, sa, length - skipped, leaf, pages, scratch | 0, mostShared(width));
      return new Uint8Array(memory.buffer, scratch, pages * PAGE_BYTES);
    },
    filter(bytes) {
      // Where the suffix array was.
      new Uint8Array(memory.buffer, suffixes, bytes).fill(0);
      for (let from = 0; from < length; from += FILTER_PIECE) {
        const to = Math.min(from + FILTER_PIECE + FILTERED_BYTES, length);
        module.fillFilter(width, 0, from, to, suffixes | 0, 8 * bytes);
      }
      return new Uint8Array(memory.buffer, suffixes, bytes);
    },
  };
}

const align = (bytes: number) => Math.ceil(bytes / 8) * 8;

/** Suffix array of a text that lies elsewhere, copied twice: for short ones. */
export function suffixArray(text: Symbols, alphabet: number): Int32Array {
  const area = sortArea(text.length, text instanceof Uint8Array ? 1 : 2);
  area.text.set(text);
  return area.sort(alphabet).slice();
}
