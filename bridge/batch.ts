/**
 * Batches: what L1 keeps of L2's blocks, enough to make them again with L1's deposits.
 *
 *   payload  rlp([first number, parent hash, [block…], certificate])
 *   block    [timestamp, coinbase, origin number, origin hash, [raw transaction…]], without the deposits
 *   part     0 (version) ‖ index u8 ‖ count u8 ‖ slice of the Brotli-compressed payload
 *
 * A batch is posted in one part, or in several when one L1 transaction cannot hold it: the parts of one poster for one
 * last block, whichever order L1 has them in. The certificate (consensus/codec.ts, opaque here) finalizes the last block.
 * Compression is the caller's: this folder is pure.
 */
import {
  RlpError,
  type RlpInput,
  type RlpItem,
  rlpDecode,
  rlpEncode,
  rlpFixed,
  rlpList,
  rlpString,
  rlpUint,
} from "../core/rlp.ts";

/** Of an uncompressed payload: more is refused before it is unpacked. */
export const MAX_PAYLOAD_BYTES = 4 * 1024 * 1024;
/** Deriving keeps that many blocks above its head until the last one turns out to be right. */
export const MAX_BATCH_BLOCKS = 512;
export const MAX_PARTS = 64;
const MAX_CERTIFICATE_BYTES = 1_024;
const VERSION = 0;
const PART_HEADER_BYTES = 3;

/** An L2 block without what follows from L1, from its parent and from executing it. */
export interface BatchBlock {
  /** Unix seconds. */
  readonly timestamp: bigint;
  /** 20 bytes. */
  readonly coinbase: Uint8Array;
  readonly originNumber: bigint;
  /** 32 bytes. */
  readonly originHash: Uint8Array;
  /** Raw, of users only. */
  readonly transactions: readonly Uint8Array[];
}

export interface BatchPayload {
  /** Number of the first block. */
  readonly first: bigint;
  /** Of the first block. */
  readonly parentHash: Uint8Array;
  /** At least one; all of one epoch. */
  readonly blocks: readonly BatchBlock[];
  readonly certificate: Uint8Array;
}

/** The bytes are no batch. */
export class BatchError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(`batch: ${message}`, options);
    this.name = "BatchError";
  }
}

/** Throws BatchError when it would be larger than `decodePayload` takes. */
export function encodePayload({ first, parentHash, blocks, certificate }: BatchPayload): Uint8Array {
  const payload = rlpEncode([first, parentHash, blocks.map(blockFields), certificate]);
  if (payload.length > MAX_PAYLOAD_BYTES) throw new BatchError(`${payload.length} bytes uncompressed`);
  if (blocks.length === 0 || blocks.length > MAX_BATCH_BLOCKS) throw new BatchError(`${blocks.length} blocks`);
  return payload;
}

const blockFields = (block: BatchBlock): RlpInput => [
  block.timestamp,
  block.coinbase,
  block.originNumber,
  block.originHash,
  block.transactions,
];

/** About what a block adds to a payload. */
export const payloadBytes = ({ transactions }: Pick<BatchBlock, "transactions">): number =>
  transactions.reduce((sum, raw) => sum + raw.length + 5, 80);

/** Strict; shares memory with `bytes`. Throws BatchError. */
export function decodePayload(bytes: Uint8Array): BatchPayload {
  if (bytes.length > MAX_PAYLOAD_BYTES) throw new BatchError(`${bytes.length} bytes uncompressed`);
  try {
    const fields = rlpList(rlpDecode(bytes), "payload");
    if (fields.length !== 4) throw new BatchError(`${fields.length} fields instead of 4`);
    const blocks = rlpList(fields[2], "blocks");
    if (blocks.length === 0 || blocks.length > MAX_BATCH_BLOCKS) throw new BatchError(`${blocks.length} blocks`);
    return {
      first: rlpUint(fields[0], 8, "first number"),
      parentHash: rlpFixed(fields[1], 32, "parent hash"),
      blocks: blocks.map(blockOf),
      certificate: rlpString(fields[3], MAX_CERTIFICATE_BYTES, "certificate"),
    };
  } catch (error) {
    if (error instanceof RlpError) throw new BatchError(error.message, { cause: error });
    throw error;
  }
}

function blockOf(item: RlpItem): BatchBlock {
  const fields = rlpList(item, "block");
  if (fields.length !== 5) throw new BatchError(`block has ${fields.length} fields instead of 5`);
  return {
    timestamp: rlpUint(fields[0], 8, "timestamp"),
    coinbase: rlpFixed(fields[1], 20, "coinbase"),
    originNumber: rlpUint(fields[2], 8, "origin number"),
    originHash: rlpFixed(fields[3], 32, "origin hash"),
    transactions: rlpList(fields[4], "transactions").map((raw) => rlpString(raw, MAX_PAYLOAD_BYTES, "transaction")),
  };
}

export interface BatchPart {
  readonly index: number;
  readonly count: number;
  /** Of the compressed payload. */
  readonly slice: Uint8Array;
}

/** Cuts a compressed payload into parts of at most `maxBytes` each. Throws BatchError when they are too many. */
export function encodeParts(compressed: Uint8Array, maxBytes: number): Uint8Array[] {
  const sliceBytes = maxBytes - PART_HEADER_BYTES;
  const count = Math.max(1, Math.ceil(compressed.length / sliceBytes));
  if (count > MAX_PARTS) throw new BatchError(`${compressed.length} bytes make ${count} parts`);
  return Array.from({ length: count }, (_, index) => {
    const slice = compressed.subarray(index * sliceBytes, (index + 1) * sliceBytes);
    const part = new Uint8Array(PART_HEADER_BYTES + slice.length);
    part.set([VERSION, index, count]);
    part.set(slice, PART_HEADER_BYTES);
    return part;
  });
}

/** Shares memory with `bytes`. Throws BatchError. */
export function decodePart(bytes: Uint8Array): BatchPart {
  const [version, index, count] = bytes;
  if (bytes.length <= PART_HEADER_BYTES) throw new BatchError(`a part of ${bytes.length} bytes`);
  if (version !== VERSION) throw new BatchError(`version ${version} is not known`);
  if (count! === 0 || count! > MAX_PARTS || index! >= count!) throw new BatchError(`part ${index} of ${count}`);
  return { index: index!, count: count!, slice: bytes.subarray(PART_HEADER_BYTES) };
}
