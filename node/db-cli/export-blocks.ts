/**
 * `openledger export blocks FILE`: the chain of a stopped node as RLP blocks, which import takes. It is written to
 * FILE.partial first, where an export that was interrupted goes on, and takes its name when it is whole.
 */
import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { equalsBytes } from "../../core/bytes.ts";
import { rlpEncode } from "../../core/rlp.ts";
import type { KeyValueReader } from "../../execution/state/types.ts";
import { damagedBlock, readHead, readRaw } from "../chain-store.ts";
import { readFirstBlock } from "../checkpoint-store.ts";
import { blocksOptions, blocksSpecs } from "../commands/export.ts";
import { readOptions } from "../config.ts";
import { DataError, EXIT, OperationError, UsageError } from "../errors.ts";
import { readCertificate } from "../finality-store.ts";
import { readItems, TruncatedFile } from "./blocks-file.ts";
import { openDatabase } from "./open.ts";

const WRITTEN_AT_ONCE = 1024 * 1024;

/** Resolves to the exit code. Throws UsageError, DataError, OperationError. */
export async function runExportBlocks(args: readonly string[]): Promise<number> {
  const [file, ...flags] = args;
  if (file === undefined || file.startsWith("-")) throw new UsageError("export blocks needs a FILE to write");
  if (file.endsWith(".gz")) throw new UsageError("export blocks writes no .gz: compress the file afterwards");
  const values = readOptions(flags, process.env, blocksOptions, {}, blocksSpecs);
  const { directory } = await openDatabase(values);
  try {
    const range = rangeOf(directory.store.reader, values.from as number | undefined, values.to as number | undefined);
    const { resumed } = await exportBlocks(directory.store.reader, file, range);
    const went = resumed > 0n ? `, ${resumed} of them from an earlier run` : "";
    process.stdout.write(`blocks ${range.from} to ${range.to} are in ${file}${went}\n`);
    return EXIT.ok;
  } finally {
    await directory.close();
  }
}

export interface BlockRange {
  readonly from: bigint;
  /** Included. */
  readonly to: bigint;
}

/** By default all blocks but genesis, which whoever imports them makes anew. Throws UsageError, DataError. */
export function rangeOf(reader: KeyValueReader, from: number | undefined, to: number | undefined): BlockRange {
  const head = readHead(reader);
  if (head === undefined) throw new DataError("the data directory has no chain yet");
  const first = readFirstBlock(reader);
  const range = {
    from: from === undefined ? (first > 1n ? first : 1n) : BigInt(from),
    to: to === undefined ? head.number : BigInt(to),
  };
  if (range.from > range.to || range.from < first || range.to > head.number) {
    throw new UsageError(`--from ${range.from} --to ${range.to}: the chain has blocks ${first} to ${head.number}`);
  }
  return range;
}

/** Rejects with DataError, OperationError. `resumed`: blocks that an earlier run had written. */
export async function exportBlocks(
  reader: KeyValueReader,
  file: string,
  { from, to }: BlockRange,
): Promise<{ readonly resumed: bigint }> {
  if (existsSync(file)) throw new OperationError(`${file} exists; remove it, or choose another name`);
  const partial = `${file}.partial`;
  const { next, size } = await resumeAt(reader, partial, from, to);
  try {
    const handle = openSync(partial, size === 0 ? "w" : "r+");
    try {
      ftruncateSync(handle, size);
      writeBlocks(reader, handle, size, next, to);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(partial, file);
    syncDirectory(dirname(file));
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new OperationError(`${file} cannot be written: ${(error as Error).message}`, { cause: error });
  }
  return { resumed: next - from };
}

function writeBlocks(reader: KeyValueReader, handle: number, at: number, from: bigint, to: bigint): void {
  let position = at;
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  const flush = () => {
    const chunk = Buffer.concat(waiting);
    for (let done = 0; done < chunk.length; )
      done += writeSync(handle, chunk, done, chunk.length - done, position + done);
    position += chunk.length;
    [waiting, bytes] = [[], 0];
  };
  for (let number = from; number <= to; number++) {
    const raw = readRaw(reader, number);
    if (raw === undefined) throw damagedBlock(number, "is missing");
    const certificate = certificateItem(reader, number);
    for (const item of certificate === undefined ? [raw] : [raw, certificate]) {
      waiting.push(item);
      bytes += item.length;
    }
    if (bytes >= WRITTEN_AT_ONCE) flush();
  }
  flush();
}

/**
 * Where the blocks of an earlier run end. Its last block is written again: its certificate may be missing. What is not
 * of this chain and range counts for nothing.
 */
async function resumeAt(
  reader: KeyValueReader,
  partial: string,
  from: bigint,
  to: bigint,
): Promise<{ readonly next: bigint; readonly size: number }> {
  if (!existsSync(partial)) return { next: from, size: 0 };
  const nothing = { next: from, size: 0 };
  let next = from;
  let last = nothing;
  let end = 0;
  try {
    for await (const { bytes, isList, end: after } of readItems(partial)) {
      const expected =
        next > to + (isList ? 0n : 1n)
          ? undefined
          : isList
            ? readRaw(reader, next)
            : certificateItem(reader, next - 1n);
      if (expected === undefined || !equalsBytes(bytes, expected)) return nothing;
      if (isList) last = { next: next++, size: end };
      end = after;
    }
  } catch (error) {
    if (error instanceof TruncatedFile) return last;
    if (error instanceof OperationError) return nothing;
    throw error;
  }
  return last;
}

function certificateItem(reader: KeyValueReader, number: bigint): Uint8Array | undefined {
  const certificate = readCertificate(reader, number);
  return certificate && rlpEncode(certificate);
}

function syncDirectory(path: string): void {
  const handle = openSync(path, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
