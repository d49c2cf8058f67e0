/**
 * Files of blocks: RLP items one after the other, as geth's `export` writes them, also compressed (.gz). An item that is
 * a list is a block. Files of our own chain have byte strings between them: a certificate that names the block before it.
 */
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { OperationError } from "../errors.ts";

/** No block of any chain is near this; a file that says so is no file of blocks. */
const MAX_ITEM_BYTES = 256 * 1024 * 1024;

export interface FileItem {
  /** As it is in the file, header included. */
  readonly bytes: Uint8Array;
  readonly isList: boolean;
  /** Where it ends in the uncompressed file. */
  readonly end: number;
}

/** In order. Throws OperationError when the file cannot be read, holds something else, or ends within an item. */
export async function* readItems(file: string): AsyncGenerator<FileItem> {
  const source = createReadStream(file);
  const stream: Readable = file.endsWith(".gz") ? source.pipe(createGunzip()) : source;
  source.on("error", (error) => stream.destroy(error));
  let buffered: Uint8Array = new Uint8Array(0);
  let end = 0;
  try {
    for await (const chunk of stream) {
      buffered = buffered.length === 0 ? (chunk as Buffer) : Buffer.concat([buffered, chunk as Buffer]);
      for (let size = itemSize(buffered, end, file); size !== undefined && size <= buffered.length; ) {
        end += size;
        // A copy: what follows it in the buffer need not stay in memory with it.
        yield { bytes: Uint8Array.from(buffered.subarray(0, size)), isList: buffered[0]! >= 0xc0, end };
        buffered = buffered.subarray(size);
        size = itemSize(buffered, end, file);
      }
    }
  } catch (error) {
    if (error instanceof OperationError) throw error;
    throw new OperationError(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  } finally {
    source.destroy();
  }
  if (buffered.length > 0) {
    throw new TruncatedFile(`${file} ends within a block, ${buffered.length} bytes after byte ${end}`, end);
  }
}

/** Whole up to `end`. */
export class TruncatedFile extends OperationError {
  readonly end: number;
  constructor(message: string, end: number) {
    super(message);
    this.end = end;
  }
}

/** Of the item that begins here, header included; undefined when more bytes must say. */
function itemSize(bytes: Uint8Array, at: number, file: string): number | undefined {
  const first = bytes[0];
  if (first === undefined) return undefined;
  const [short, long] = first >= 0xc0 ? [0xc0, 0xf7] : [0x80, 0xb7];
  // A byte below 0x80 would be an item of its own: nothing of ours and no block.
  if (first < 0x80) throw new OperationError(`${file} is no file of RLP blocks: byte ${at} begins no item`);
  if (first <= long) return 1 + first - short;
  const lengthBytes = first - long;
  if (bytes.length < 1 + lengthBytes) return undefined;
  let size = 0;
  for (let i = 1; i <= lengthBytes; i++) size = size * 256 + bytes[i]!;
  if (size > MAX_ITEM_BYTES) {
    throw new OperationError(`${file} is no file of RLP blocks: at byte ${at} it has an item of ${size} bytes`);
  }
  return 1 + lengthBytes + size;
}
