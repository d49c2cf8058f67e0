/** Suffix arrays by the WebAssembly module of attribution/wasm/suffix-sort.as, over memory that the caller fills. */
import { readFileSync } from "node:fs";

export type Symbols = Uint8Array | Uint16Array;

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
}

export interface SortArea {
  /** To be filled before `sort`. */
  readonly text: Symbols;
  /**
   * Start positions of all suffixes of `text` in lexicographic order; a suffix that ends is smaller than one that goes
   * on. Precondition: every symbol is below `alphabet`. The result lies in the area's memory, and `text` must be taken
   * from the area again.
   */
  sort(alphabet: number): Int32Array;
}

let compiled: WebAssembly.Module | undefined;

/** Room for `length` symbols of `width` bytes and their suffix array. Throws RangeError when it exceeds wasm32's memory. */
export function sortArea(length: number, width: 1 | 2): SortArea {
  if (length > MAX_SORTED_SYMBOLS)
    throw new RangeError(`${length} symbols, at most ${MAX_SORTED_SYMBOLS} can be sorted`);
  compiled ??= new WebAssembly.Module(readFileSync(new URL("wasm/suffix-sort.wasm", import.meta.url)));
  const suffixes = align(length * width);
  const bucket = suffixes + 4 * length;
  const beyond = bucket + 4 * 257;
  const memory = new WebAssembly.Memory({ initial: Math.ceil(beyond / 65_536), maximum: 65_536 });
  const { suffixSort } = new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as SuffixSortModule;
  return {
    get text() {
      return width === 1 ? new Uint8Array(memory.buffer, 0, length) : new Uint16Array(memory.buffer, 0, length);
    },
    sort(alphabet) {
      // As unsigned numbers: addresses pass 2^31.
      suffixSort(0, width, length, suffixes | 0, bucket | 0, alphabet, beyond | 0);
      return new Int32Array(memory.buffer, suffixes, length);
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
