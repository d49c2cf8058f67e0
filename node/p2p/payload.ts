/**
 * How a gossip message travels:
 *
 *   encoding u8 ‖ decompressed length u32, big-endian ‖ bytes
 *
 * Encoding 0: the bytes as they are. 1: one zstd frame whose window is at most 4 MiB. Measured on a block of 1 MiB of
 * transfers (and on deflate at its fastest): compressed in 3 ms (16), decompressed in 1 ms (9), to 61 % (65 %).
 */
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";

export const PAYLOAD_HEADER_BYTES = 5;
/** Below this, compression costs more than it saves. */
const COMPRESS_FROM_BYTES = 512;
const ENCODING = { plain: 0, zstd: 1 } as const;

const COMPRESS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
/** A tiny frame may claim a window of 128 MiB, which the decoder would allocate. */
const MAX_WINDOW_LOG = 22;

export class PayloadError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "PayloadError";
  }
}

export function encodePayload(data: Uint8Array): Uint8Array {
  const packed =
    data.length < COMPRESS_FROM_BYTES
      ? undefined
      : zstdCompressSync(data, { ...COMPRESS, pledgedSrcSize: data.length });
  const isSmaller = packed !== undefined && packed.length < data.length;
  const body = isSmaller ? packed : data;
  const payload = new Uint8Array(PAYLOAD_HEADER_BYTES + body.length);
  payload[0] = isSmaller ? ENCODING.zstd : ENCODING.plain;
  new DataView(payload.buffer).setUint32(1, data.length);
  payload.set(body, PAYLOAD_HEADER_BYTES);
  return payload;
}

/** A Uint8Array of its own. The length that is claimed is checked before anything is decompressed, and then bounds it. Throws PayloadError. */
export function decodePayload(payload: Uint8Array, maxBytes: number): Uint8Array {
  if (payload.length < PAYLOAD_HEADER_BYTES) throw new PayloadError(`${payload.length} bytes are no payload`);
  const length = new DataView(payload.buffer, payload.byteOffset).getUint32(1);
  if (length > maxBytes) throw new PayloadError(`${length} bytes, at most ${maxBytes} are allowed`);
  const body = payload.subarray(PAYLOAD_HEADER_BYTES);
  const encoding = payload[0];
  if (encoding !== ENCODING.plain && encoding !== ENCODING.zstd) throw new PayloadError(`unknown encoding ${encoding}`);
  // A copy: a vote must not keep the whole read of the socket that it came with.
  const data = encoding === ENCODING.plain ? new Uint8Array(body) : decompress(body, length);
  if (data.length !== length) throw new PayloadError(`${data.length} bytes instead of ${length}`);
  return data;
}

function decompress(body: Uint8Array, length: number): Uint8Array {
  if (length === 0) throw new PayloadError("nothing is compressed");
  let result: { buffer: Buffer; engine: { bytesWritten: number } };
  try {
    result = zstdDecompressSync(body, {
      maxOutputLength: length,
      params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG },
      info: true,
    }) as unknown as typeof result;
  } catch (error) {
    throw new PayloadError("does not decompress to the length it claims", { cause: error });
  }
  const used = result.engine.bytesWritten;
  if (used !== body.length) throw new PayloadError(`${body.length - used} bytes after the compressed ones`);
  const { buffer } = result;
  // No Buffer: its `slice` shares memory, where everybody else's copies.
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}
