/**
 * Files of blocks: RLP items one after the other, as geth's `export` writes them, also compressed (.gz). An item that is
 * a list is a block. Files of our own chain have byte strings between them: a certificate that names the block before it.
 */
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { OperationError } from "../errors.ts";

/** No block of any chain is near this; a file that says so is no file of blocks. */
const MAX_ITEM_BYTES = 32 * 1024 * 1024;

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
  /** Not of a whole item yet. */
  let chunks: Uint8Array[] = [];
  let length = 0;
  /** Bytes that the item in hand needs, as far as its first ones say. */
  let needed = 1;
  let end = 0;
  try {
    for await (const chunk of stream) {
      chunks.push(chunk as Buffer);
      length += (chunk as Buffer).length;
      if (length < needed) continue; // put together once, not for each chunk
      let buffered: Uint8Array = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
      for (needed = neededBytes(buffered, end, file); needed <= buffered.length; ) {
        end += needed;
        // A copy: what follows it in the buffer need not stay in memory with it.
        yield { bytes: Uint8Array.from(buffered.subarray(0, needed)), isList: buffered[0]! >= 0xc0, end };
        buffered = buffered.subarray(needed);
        needed = neededBytes(buffered, end, file);
      }
      chunks = [buffered];
      length = buffered.length;
    }
  } catch (error) {
    if (error instanceof OperationError) throw error;
    throw new OperationError(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  } finally {
    source.destroy();
  }
  if (length > 0) throw new TruncatedFile(`${file} ends within a block, ${length} bytes after byte ${end}`, end);
}

/** Whole up to `end`. */
export class TruncatedFile extends OperationError {
  readonly end: number;
  constructor(message: string, end: number) {
    super(message);
    this.end = end;
  }
}

/** The size of the item that begins here, header included; where these bytes do not say it yet, how many will. */
function neededBytes(bytes: Uint8Array, at: number, file: string): number {
  const first = bytes[0];
  if (first === undefined) return 1;
  const [short, long] = first >= 0xc0 ? [0xc0, 0xf7] : [0x80, 0xb7];
  // A byte below 0x80 would be an item of its own: nothing of ours and no block.
  if (first < 0x80) throw new OperationError(`${file} is no file of RLP blocks: byte ${at} begins no item`);
  if (first <= long) return 1 + first - short;
  const lengthBytes = first - long;
  if (bytes.length < 1 + lengthBytes) return 1 + lengthBytes;
  let size = 0;
  for (let i = 1; i <= lengthBytes; i++) size = size * 256 + bytes[i]!;
  if (size > MAX_ITEM_BYTES) {
    throw new OperationError(`${file} is no file of RLP blocks: at byte ${at} it has an item of ${size} bytes`);
  }
  return 1 + lengthBytes + size;
}
