/** Brotli for batches: bounded when it unpacks, off the main thread. */
import { promisify } from "node:util";
import { brotliCompress, brotliDecompress, constants } from "node:zlib";
import { BatchError, MAX_PAYLOAD_BYTES } from "../../bridge/batch.ts";

const compressBytes = promisify(brotliCompress);
const decompressBytes = promisify(brotliDecompress);

/** Of 11. Higher ones take ten times as long for a few per cent. */
const QUALITY = 6;

export async function compress(payload: Uint8Array): Promise<Uint8Array> {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: QUALITY,
    [constants.BROTLI_PARAM_SIZE_HINT]: payload.length,
  };
  return new Uint8Array(await compressBytes(payload, { params }));
}

/** Rejects with BatchError on what is no Brotli stream, and where more comes out than a payload may have. */
export async function decompress(compressed: Uint8Array): Promise<Uint8Array> {
  try {
    return new Uint8Array(await decompressBytes(compressed, { maxOutputLength: MAX_PAYLOAD_BYTES }));
  } catch (cause) {
    throw new BatchError(`it cannot be decompressed: ${(cause as Error).message}`, { cause });
  }
}
