/**
 * Where a shard's text and leaves are read: all in memory, or pages of the file by positioned reads through a small
 * cache. Every page is checked against its checksum, once when it comes into memory.
 */
import { readSync } from "node:fs";
import { crc32 } from "node:zlib";
import { LEAF_BYTES, LEAVES_A_PAGE, PAGE_BYTES, ShardDamagedError, type Symbols, symbolView } from "./shard-layout.ts";

/** A run of the text. One object is filled again and again. */
export interface TextRun {
  symbols: Symbols;
  /** Position of symbols[0]. */
  base: number;
  /** Position after the last one. */
  end: number;
}

/** One leaf. One object is filled again and again. */
export interface Leaf {
  shorts: Uint16Array;
  ints: Int32Array;
  /** Byte offset of the leaf in both. */
  at: number;
}

export interface ShardPages {
  /** The run that holds `position`, which lies in the text. Valid until the next call. */
  textAt(position: number): TextRun;
  leafAt(leaf: number): Leaf;
}

/** Both sections in memory, as they are in the file. */
export function memoryPages(text: Symbols, leaves: ArrayBufferLike, leavesAt: number): ShardPages {
  const run: TextRun = { symbols: text, base: 0, end: text.length };
  const leaf: Leaf = { shorts: new Uint16Array(leaves), ints: new Int32Array(leaves), at: 0 };
  return {
    textAt: () => run,
    leafAt(i) {
      const page = Math.floor(i / LEAVES_A_PAGE);
      leaf.at = leavesAt + page * PAGE_BYTES + (i - page * LEAVES_A_PAGE) * LEAF_BYTES;
      return leaf;
    },
  };
}

export interface FileSections {
  readonly shard: string;
  readonly file: number;
  readonly width: 1 | 2;
  readonly symbols: number;
  readonly textAt: number;
  readonly leavesAt: number;
  readonly textPages: number;
  /** Of each page of the text, then of each page of leaves. */
  readonly sums: Uint32Array;
  /** Told before ShardDamagedError is thrown. */
  readonly onDamage: () => void;
}

/** Positioned reads. Each kind of page has a cache of `cachePages` slots, where a page has one slot. */
export function filePages(sections: FileSections, cachePages: number): ShardPages {
  const { width, symbols } = sections;
  const texts = pageCache(sections, sections.textAt, 0, cachePages, (buffer, at) =>
    symbolView(width, buffer, at, PAGE_BYTES / width),
  );
  const leaves = pageCache(sections, sections.leavesAt, sections.textPages, cachePages, (buffer, at) => ({
    shorts: new Uint16Array(buffer, at, PAGE_BYTES / 2),
    ints: new Int32Array(buffer, at, PAGE_BYTES / 4),
  }));
  const perPage = PAGE_BYTES / width;
  const run: TextRun = { symbols: new Uint8Array(0), base: 0, end: 0 };
  const leaf: Leaf = { shorts: new Uint16Array(0), ints: new Int32Array(0), at: 0 };
  return {
    textAt(position) {
      const page = Math.floor(position / perPage);
      run.symbols = texts(page);
      run.base = page * perPage;
      run.end = Math.min(run.base + perPage, symbols);
      return run;
    },
    leafAt(i) {
      const page = Math.floor(i / LEAVES_A_PAGE);
      const { shorts, ints } = leaves(page);
      leaf.shorts = shorts;
      leaf.ints = ints;
      leaf.at = (i - page * LEAVES_A_PAGE) * LEAF_BYTES;
      return leaf;
    },
  };
}

function pageCache<View>(
  { shard, file, sums, onDamage }: FileSections,
  sectionAt: number,
  firstSum: number,
  slots: number,
  viewOf: (buffer: ArrayBuffer, at: number) => View,
): (page: number) => View {
  const buffer = Buffer.from(new ArrayBuffer(slots * PAGE_BYTES));
  const held = new Int32Array(slots).fill(-1);
  const views = new Array<View>(slots);
  return (page) => {
    const slot = page % slots;
    if (held[slot] !== page) {
      held[slot] = -1;
      const at = slot * PAGE_BYTES;
      const read = readSync(file, buffer, at, PAGE_BYTES, sectionAt + page * PAGE_BYTES);
      if (read !== PAGE_BYTES || crc32(buffer.subarray(at, at + PAGE_BYTES)) !== sums[firstSum + page]) {
        onDamage();
        throw new ShardDamagedError(shard, `page ${firstSum + page} differs from its checksum`);
      }
      views[slot] ??= viewOf(buffer.buffer, at);
      held[slot] = page;
    }
    return views[slot]!;
  };
}
