/**
 * The file of a shard: a searchable text over some contributions (docs in attribution/README.md "Shards").
 *
 * Little-endian. Page 0 is the header, each section begins at a page of 4,096 bytes:
 *   documents   id uint64 each, then start uint32 each and the text's length, then content root 32 bytes each
 *   text        symbols of `width` bytes; each contribution in id order, each followed by the symbol 0
 *   leaves      the suffix array without the suffixes that begin with 0, 64 entries a leaf, 10 leaves a page:
 *               64 marks uint16, 64 positions int32
 *   directory   level by level from 1 on, the last with at most 64 entries: of each 64th entry of the level below the
 *               position int32, then the mark uint16 (padded to 4), then, above level 1, the first 32 symbols;
 *               then the tree of smallest positions of blocks of 512 suffix array entries
 *   filter      a Bloom filter, a bit a byte of data (attribution/shard-filter.ts)
 *   sums        crc32 of each page of text and leaves
 *
 * Symbols: where some byte value occurs in no contribution, one such value is given up (`foreign`), and symbols are of
 * one byte: b + 1 below it, b above it. Where all 256 occur, symbols are of two bytes, b + 1. Symbol 0 separates, so no
 * match crosses two contributions.
 *
 * An entry's mark says how many symbols it shares with the entry before it on its level, at most MOST_SHARED, and which
 * symbol it has there: shared << 8 | symbol where symbols are of one byte, shared << 9 | symbol where they are of two.
 * The mark of the first entry of 64 says nothing in a leaf.
 */
import { crc32 } from "node:zlib";

/** A text: byte by byte, or two bytes a symbol. */
export type Symbols = Uint8Array | Uint16Array;

export const PAGE_BYTES = 4096;
const MAGIC = 0x5348_4c4f; // "OLHS"
const VERSION = 1;
const CHECKSUM_AT = PAGE_BYTES - 4;

export const LEAF_ENTRIES = 64;
export const LEAVES_A_PAGE = 10;
export const LEAF_BYTES = 384;
/** Within a leaf. */
export const POSITIONS_AT = 128;
/** Entries of a level to one of the next. */
export const FAN = 64;
/** Symbols kept of each entry above level 1. */
export const KEY_SYMBOLS = 32;
/** Of each of the smallest positions that are kept: 8 leaves. */
export const BLOCK_ENTRIES = 512;

/** The filter is made of lines, in one of which a run's bits are. */
export const FILTER_LINE_BITS = 512;

/** Bits of a mark's symbol, by the width of symbols. */
export const markBits = (width: 1 | 2): number => (width === 1 ? 8 : 9);
/** What a mark says when it is this or more. */
export const mostShared = (width: 1 | 2): number => (width === 1 ? 255 : 127);

/** Byte offsets within the directory. */
export interface Level {
  readonly entries: number;
  readonly positions: number;
  readonly marks: number;
  /** Above level 1. */
  readonly keys: number | undefined;
}

/** Where things are, in bytes from the start of the file. */
export interface Layout {
  readonly documents: number;
  readonly text: number;
  readonly leaves: number;
  readonly directory: number;
  readonly filter: number;
  readonly sums: number;
  readonly end: number;
  readonly textPages: number;
  readonly leafPages: number;
  readonly leafCount: number;
  readonly blockCount: number;
  /** From level 1 on. */
  readonly levels: readonly Level[];
  /** Byte offset within the directory. */
  readonly minima: number;
  readonly directoryBytes: number;
  readonly filterBytes: number;
  readonly documentBytes: number;
}

export interface ShardShape {
  readonly documents: number;
  /** Of the text, separators included. */
  readonly symbols: number;
  readonly width: 1 | 2;
  /** The byte value that does not occur, 256 when all do. */
  readonly foreign: number;
}

const pages = (bytes: number) => Math.ceil(bytes / PAGE_BYTES);
const four = (bytes: number) => Math.ceil(bytes / 4) * 4;

export function layoutOf({ documents, symbols, width }: ShardShape): Layout {
  const leafCount = Math.ceil((symbols - documents) / LEAF_ENTRIES);
  const blockCount = Math.ceil((symbols - documents) / BLOCK_ENTRIES);
  const documentBytes = 8 * documents + 4 * (documents + 1) + 32 * documents;
  const textPages = pages(symbols * width);
  const leafPages = Math.ceil(leafCount / LEAVES_A_PAGE);
  const levels: Level[] = [];
  let minima = 0;
  for (let entries = leafCount; ; entries = Math.ceil(entries / FAN)) {
    const positions = minima;
    const marks = positions + 4 * entries;
    const keys = levels.length === 0 ? undefined : marks + four(2 * entries);
    minima = keys === undefined ? marks + four(2 * entries) : keys + KEY_SYMBOLS * width * entries;
    levels.push({ entries, positions, marks, keys });
    if (entries <= FAN) break;
  }
  const directoryBytes = minima + 8 * blockCount;
  const text = PAGE_BYTES * (1 + pages(documentBytes));
  const leaves = text + PAGE_BYTES * textPages;
  const directory = leaves + PAGE_BYTES * leafPages;
  const filterBytes = (FILTER_LINE_BITS / 8) * Math.ceil((symbols - documents) / FILTER_LINE_BITS);
  const filter = directory + PAGE_BYTES * pages(directoryBytes);
  const sums = filter + PAGE_BYTES * pages(filterBytes);
  const end = sums + PAGE_BYTES * pages(4 * (textPages + leafPages));
  return {
    documents: PAGE_BYTES,
    text,
    leaves,
    directory,
    filter,
    sums,
    end,
    textPages,
    leafPages,
    leafCount,
    blockCount,
    levels,
    minima,
    directoryBytes,
    filterBytes,
    documentBytes,
  };
}

export interface Header extends ShardShape {
  /** crc32 of what is read as a whole. */
  readonly documentsSum: number;
  readonly directorySum: number;
  readonly filterSum: number;
  readonly sumsSum: number;
  /** Hash of the document list. */
  readonly name: Uint8Array;
}

export function encodeHeader(header: Header): Uint8Array {
  const page = new Uint8Array(PAGE_BYTES);
  const view = new DataView(page.buffer);
  const { documents, symbols, width, foreign, documentsSum, directorySum, filterSum, sumsSum } = header;
  const words = [MAGIC, VERSION, documents, symbols, width, foreign, documentsSum, directorySum, filterSum, sumsSum];
  for (const [i, word] of words.entries()) view.setUint32(4 * i, word, true);
  page.set(header.name, 4 * words.length);
  view.setUint32(CHECKSUM_AT, crc32(page.subarray(0, CHECKSUM_AT)), true);
  return page;
}

/** A shard's file is not what was written. Whoever meets it has the shard built again. */
export class ShardDamagedError extends Error {
  readonly shard: string;
  constructor(shard: string, what: string) {
    super(`shard ${shard} is damaged: ${what}`);
    this.name = "ShardDamagedError";
    this.shard = shard;
  }
}

/** Throws ShardDamagedError unless `page` is a header of this version for a file of `fileBytes`. */
export function decodeHeader(shard: string, page: Uint8Array, fileBytes: number): Header {
  if (page.length !== PAGE_BYTES) throw new ShardDamagedError(shard, "it has no header");
  const view = new DataView(page.buffer, page.byteOffset, PAGE_BYTES);
  const word = (i: number) => view.getUint32(4 * i, true);
  if (word(0) !== MAGIC) throw new ShardDamagedError(shard, "it does not begin as a shard");
  if (word(1) !== VERSION) throw new ShardDamagedError(shard, `it has version ${word(1)}, not ${VERSION}`);
  if (view.getUint32(CHECKSUM_AT, true) !== crc32(page.subarray(0, CHECKSUM_AT))) {
    throw new ShardDamagedError(shard, "the header's checksum differs");
  }
  const header: Header = {
    documents: word(2),
    symbols: word(3),
    width: word(4) === 1 ? 1 : 2,
    foreign: word(5),
    documentsSum: word(6),
    directorySum: word(7),
    filterSum: word(8),
    sumsSum: word(9),
    name: page.slice(40, 72),
  };
  const { end } = layoutOf(header);
  if (fileBytes !== end) throw new ShardDamagedError(shard, `it has ${fileBytes} bytes, not ${end}`);
  return header;
}

/** Symbol of each byte value; the value that does not occur has one above all others. */
export function symbolsOfBytes({ width, foreign }: Pick<ShardShape, "width" | "foreign">): Uint16Array {
  return Uint16Array.from({ length: 256 }, (_, byte) => {
    if (width === 2 || byte < foreign) return byte + 1;
    return byte === foreign ? 256 : byte;
  });
}

/** Byte of each symbol. Symbol 0 is none. */
export function bytesOfSymbols({ width, foreign }: Pick<ShardShape, "width" | "foreign">): Uint8Array {
  return Uint8Array.from({ length: 257 }, (_, symbol) => (width === 2 || symbol <= foreign ? symbol - 1 : symbol));
}

export const symbolView = (width: 1 | 2, buffer: ArrayBufferLike, byteOffset: number, symbols: number): Symbols =>
  width === 1 ? new Uint8Array(buffer, byteOffset, symbols) : new Uint16Array(buffer, byteOffset, symbols);
