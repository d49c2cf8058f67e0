/** Opens a shard: checks what is read as a whole, and leaves text and leaves in the file or takes them into memory. */
import type { FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";
import type { ShardParts } from "./shard.ts";
import { decodeHeader, type Header, layoutOf, PAGE_BYTES, ShardDamagedError, symbolView } from "./shard-layout.ts";
import { filePages, memoryPages } from "./shard-pages.ts";

/** What is known of a shard without its text. */
export interface ShardList {
  readonly header: Header;
  readonly ids: BigUint64Array;
  readonly starts: Uint32Array;
  /** 32 bytes a document. */
  readonly roots: Uint8Array;
}

/** Throws ShardDamagedError when header or document list are not what was written. */
export async function readShardList(shard: string, file: FileHandle): Promise<ShardList> {
  const { size } = await file.stat();
  const header = decodeHeader(shard, await readSection(shard, file, 0, Math.min(size, PAGE_BYTES)), size);
  const layout = layoutOf(header);
  const bytes = await readSection(shard, file, layout.documents, layout.documentBytes);
  return decodeDocuments(shard, header, bytes);
}

export interface OpenOptions {
  readonly inMemory: boolean;
  /** Pages that are kept of a shard on disk, of text and of leaves each. */
  readonly cachePages: number;
  /** Told when a page that is read later differs from its checksum. */
  readonly onDamage?: () => void;
}

/**
 * With `inMemory` every page is read and checked; otherwise only what stays in memory is, and pages are checked as they
 * are read. The file must stay open in that case. Throws ShardDamagedError.
 */
export async function openShard(
  shard: string,
  file: FileHandle,
  { inMemory, cachePages, onDamage = () => {} }: OpenOptions,
): Promise<ShardParts> {
  const { header, ids, starts } = await readShardList(shard, file);
  const layout = layoutOf(header);
  const directory = await readSection(shard, file, layout.directory, layout.directoryBytes);
  const filter = await readSection(shard, file, layout.filter, layout.filterBytes);
  const sumBytes = await readSection(shard, file, layout.sums, 4 * (layout.textPages + layout.leafPages));
  checkSum(shard, "directory", directory, header.directorySum);
  checkSum(shard, "filter", filter, header.filterSum);
  checkSum(shard, "list of checksums", sumBytes, header.sumsSum);
  const sums = new Uint32Array(sumBytes.buffer);
  const { width, symbols } = header;
  const common = { header, ids, starts, directory: directory.buffer, filter };
  if (!inMemory) {
    const sections = { shard, file: file.fd, width, symbols, textAt: layout.text, leavesAt: layout.leaves, onDamage };
    return { ...common, pages: filePages({ ...sections, textPages: layout.textPages, sums }, cachePages) };
  }
  const text = await readPages(shard, file, layout.text, layout.textPages, sums);
  const leaves = await readPages(shard, file, layout.leaves, layout.leafPages, sums.subarray(layout.textPages));
  return { ...common, pages: memoryPages(symbolView(width, text.buffer, 0, symbols), leaves.buffer, 0) };
}

/** A shard whose file is in memory. Throws ShardDamagedError. */
export function shardInMemory(shard: string, file: Uint8Array<ArrayBuffer>): ShardParts {
  const header = decodeHeader(shard, file.subarray(0, PAGE_BYTES), file.length);
  const layout = layoutOf(header);
  const section = (at: number, bytes: number) => file.slice(at, at + bytes);
  const { ids, starts } = decodeDocuments(shard, header, section(layout.documents, layout.documentBytes));
  const directory = section(layout.directory, layout.directoryBytes);
  checkSum(shard, "directory", directory, header.directorySum);
  const filter = section(layout.filter, layout.filterBytes);
  const text = symbolView(header.width, file.buffer, file.byteOffset + layout.text, header.symbols);
  return {
    header,
    ids,
    starts,
    directory: directory.buffer,
    filter,
    pages: memoryPages(text, file.buffer, layout.leaves),
  };
}

function decodeDocuments(shard: string, header: Header, bytes: Uint8Array<ArrayBuffer>): ShardList {
  checkSum(shard, "document list", bytes, header.documentsSum);
  const count = header.documents;
  return {
    header,
    ids: new BigUint64Array(bytes.buffer, 0, count),
    starts: new Uint32Array(bytes.buffer, 8 * count, count + 1),
    roots: bytes.subarray(12 * count + 4),
  };
}

function checkSum(shard: string, what: string, bytes: Uint8Array, expected: number): void {
  if (crc32(bytes) !== expected) throw new ShardDamagedError(shard, `the ${what} differs from its checksum`);
}

async function readSection(
  shard: string,
  file: FileHandle,
  at: number,
  bytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const section = new Uint8Array(bytes);
  await fill(shard, file, section, at);
  return section;
}

async function fill(shard: string, file: FileHandle, target: Uint8Array, at: number): Promise<void> {
  for (let filled = 0; filled < target.length; ) {
    const { bytesRead } = await file.read(target, filled, target.length - filled, at + filled);
    if (bytesRead === 0) throw new ShardDamagedError(shard, "it ends too early");
    filled += bytesRead;
  }
}

/** Pages between two turns of the event loop. */
const CHUNK_PAGES = 1024;

async function readPages(
  shard: string,
  file: FileHandle,
  at: number,
  pages: number,
  sums: Uint32Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(pages * PAGE_BYTES);
  for (let first = 0; first < pages; first += CHUNK_PAGES) {
    const last = Math.min(first + CHUNK_PAGES, pages);
    await fill(shard, file, bytes.subarray(first * PAGE_BYTES, last * PAGE_BYTES), at + first * PAGE_BYTES);
    for (let page = first; page < last; page++) {
      if (crc32(bytes.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES)) !== sums[page]) {
        throw new ShardDamagedError(shard, `page ${page} differs from its checksum`);
      }
    }
  }
  return bytes;
}
