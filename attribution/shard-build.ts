/** Makes a shard (attribution/shard-layout.ts) of contributions: the text, its suffix array and what finds things in it. */
import { crc32 } from "node:zlib";
import {
  BLOCK_ENTRIES,
  encodeHeader,
  FAN,
  KEY_SYMBOLS,
  type Layout,
  LEAVES_A_PAGE,
  layoutOf,
  markBits,
  mostShared,
  PAGE_BYTES,
  type ShardShape,
  type Symbols,
  symbolsOfBytes,
  symbolView,
} from "./shard-layout.ts";
import { growMinimumTree } from "./shard-minimum.ts";
import { LEAF_PAGES, type SortArea, sortArea } from "./suffix-sort.ts";

export interface ShardSource {
  /** Hash of the document list, 32 bytes. */
  readonly name: Uint8Array;
  /** At least one; ids rise, no size is 0. */
  readonly documents: readonly { readonly id: bigint; readonly root: Uint8Array; readonly size: number }[];
  /** Fills `target` with the contents of the i-th document. Called once for each, in order. */
  read(i: number, target: Uint8Array): void;
}

export interface Sink {
  /** Called first, once. What is never written is zero. */
  resize(bytes: number): void;
  write(at: number, bytes: Uint8Array): void;
}

/**
 * Writes a whole shard, the header last. Memory: 5 bytes a byte of data (6 when all byte values occur) and a sixth of a
 * byte for what is kept back until the end. Throws RangeError when there is nothing or too much.
 */
export function buildShard(source: ShardSource, sink: Sink): void {
  const { documents } = source;
  const starts = new Uint32Array(documents.length + 1);
  for (const [i, { id, size }] of documents.entries()) {
    if (size === 0) throw new RangeError(`contribution ${id} is empty`);
    if (i > 0 && id <= documents[i - 1]!.id) throw new RangeError(`contribution ${id} is out of order`);
    starts[i + 1] = starts[i]! + size + 1;
  }
  const symbols = starts[documents.length]!;
  if (symbols === 0) throw new RangeError("a shard of no contributions");

  const { area, foreign, width } = fillText(source, starts);
  const shape: ShardShape = { documents: documents.length, symbols, width, foreign };
  const layout = layoutOf(shape);
  sink.resize(layout.end);
  const suffixes = area.sort(width === 1 ? 256 : 257).subarray(documents.length);
  const text = area.text;

  const sums = new Uint32Array(layout.textPages + layout.leafPages);
  const textBytes = new Uint8Array(text.buffer, text.byteOffset, text.byteLength);
  writePages(textBytes, layout.text, sums, 0, sink);
  const directory = new Uint8Array(layout.directoryBytes);
  writeLeaves(area, documents.length, layout, sums, sink);
  fillDirectory(text, suffixes, shape, layout, directory);
  const list = encodeDocuments(source, starts);
  sink.write(layout.documents, list);
  sink.write(layout.directory, directory);
  const filter = area.filter(layout.filterBytes);
  sink.write(layout.filter, filter);
  const sumBytes = new Uint8Array(sums.buffer);
  sink.write(layout.sums, sumBytes);
  sink.write(
    0,
    encodeHeader({
      ...shape,
      name: source.name,
      documentsSum: crc32(list),
      directorySum: crc32(directory),
      filterSum: crc32(filter),
      sumsSum: crc32(sumBytes),
    }),
  );
}

/** The text in symbols, in memory where it can be sorted. */
function fillText(source: ShardSource, starts: Uint32Array): { area: SortArea; foreign: number; width: 1 | 2 } {
  const symbols = starts[starts.length - 1]!;
  const area = sortArea(symbols, 1);
  const bytes = area.text as Uint8Array;
  const seen = new Uint8Array(256);
  for (let i = 0; i + 1 < starts.length; i++) {
    const content = bytes.subarray(starts[i]!, starts[i + 1]! - 1);
    source.read(i, content);
    for (let k = 0; k < content.length; k++) seen[content[k]!] = 1;
  }
  // Of those that do not occur the highest: outputs are text, in which it hardly occurs either.
  const foreign = seen.lastIndexOf(0);
  const width = foreign < 0 ? 2 : 1;
  const shape = { width, foreign: foreign < 0 ? 256 : foreign } as const;
  const map = symbolsOfBytes(shape);
  const target = width === 1 ? area : sortArea(symbols, 2);
  const text = target.text;
  for (let i = 0; i + 1 < starts.length; i++) {
    const end = starts[i + 1]! - 1;
    for (let k = starts[i]!; k < end; k++) text[k] = map[bytes[k]!]!;
    text[end] = 0;
  }
  return { area: target, ...shape };
}

const CHUNK_PAGES = 256;

/** Writes a section page by page, the last page filled up with zeros, and notes the checksums. */
function writePages(bytes: Uint8Array, at: number, sums: Uint32Array, firstSum: number, sink: Sink): void {
  const chunkBytes = CHUNK_PAGES * PAGE_BYTES;
  for (let from = 0; from < bytes.length; from += chunkBytes) {
    let chunk = bytes.subarray(from, from + chunkBytes);
    if (chunk.length % PAGE_BYTES !== 0) {
      const padded = new Uint8Array(Math.ceil(chunk.length / PAGE_BYTES) * PAGE_BYTES);
      padded.set(chunk);
      chunk = padded;
    }
    sumPages(chunk, sums, firstSum + from / PAGE_BYTES);
    sink.write(at + from, chunk);
  }
}

function sumPages(chunk: Uint8Array, sums: Uint32Array, first: number): void {
  for (let page = 0; page * PAGE_BYTES < chunk.length; page++) {
    sums[first + page] = crc32(chunk.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES));
  }
}

function writeLeaves(area: SortArea, documents: number, layout: Layout, sums: Uint32Array, sink: Sink): void {
  for (let page = 0; page < layout.leafPages; page += LEAF_PAGES) {
    const chunk = area.leafPages(documents, page * LEAVES_A_PAGE, Math.min(LEAF_PAGES, layout.leafPages - page));
    sumPages(chunk, sums, layout.textPages + page);
    sink.write(layout.leaves + page * PAGE_BYTES, chunk);
  }
}

/** Symbols that two suffixes share, at most `limit`. */
function sharedSymbols(text: Symbols, a: number, b: number, limit: number): number {
  const most = Math.min(limit, text.length - Math.max(a, b));
  let shared = 0;
  while (shared < most && text[a + shared] === text[b + shared]) shared++;
  return shared;
}

function fillDirectory(
  text: Symbols,
  suffixes: Int32Array,
  { width }: ShardShape,
  { levels, blockCount, minima }: Layout,
  directory: Uint8Array,
): void {
  const { buffer } = directory;
  const most = mostShared(width);
  let step = 1;
  for (const level of levels) {
    step *= FAN;
    const positions = new Int32Array(buffer, level.positions, level.entries);
    const marks = new Uint16Array(buffer, level.marks, level.entries);
    for (let i = 0; i < level.entries; i++) positions[i] = suffixes[i * step]!;
    for (let i = 1; i < level.entries; i++) {
      const position = positions[i]!;
      const shared = sharedSymbols(text, positions[i - 1]!, position, most);
      marks[i] = (shared << markBits(width)) | (position + shared < text.length ? text[position + shared]! : 0);
    }
    if (level.keys === undefined) continue;
    const keys = symbolView(width, buffer, level.keys, level.entries * KEY_SYMBOLS);
    for (let i = 0; i < level.entries; i++) {
      keys.set(text.subarray(positions[i]!, positions[i]! + KEY_SYMBOLS), i * KEY_SYMBOLS);
    }
  }
  const tree = new Int32Array(buffer, minima, 2 * blockCount);
  tree.fill(0x7fffffff, blockCount);
  for (let i = 0; i < suffixes.length; i++) {
    const block = blockCount + Math.floor(i / BLOCK_ENTRIES);
    if (suffixes[i]! < tree[block]!) tree[block] = suffixes[i]!;
  }
  growMinimumTree(tree);
}

function encodeDocuments({ documents }: ShardSource, starts: Uint32Array): Uint8Array {
  const count = documents.length;
  const bytes = new Uint8Array(8 * count + 4 * (count + 1) + 32 * count);
  const ids = new BigUint64Array(bytes.buffer, 0, count);
  new Uint32Array(bytes.buffer, 8 * count, count + 1).set(starts);
  for (const [i, { id, root }] of documents.entries()) {
    ids[i] = id;
    bytes.set(root, 12 * count + 4 + 32 * i);
  }
  return bytes;
}
