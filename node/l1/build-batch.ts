/** Which blocks the next batch holds: enough to be worth a transaction, little enough to fit one. */
import {
  type BatchBlock,
  type BatchPayload,
  encodePayload,
  MAX_BATCH_BLOCKS,
  payloadBytes,
} from "../../bridge/batch.ts";
import type { Chain } from "../chain.ts";
import { batchBlockOf } from "./batch-rules.ts";

/** Of a payload: what the certificate and the fields around the blocks take. */
const OVERHEAD_BYTES = 1_024;
/** Those who derive keep the states of all blocks of a batch in memory: about that many full blocks. */
const MAX_FULL_BLOCKS = 32n;

export interface BuiltBatch {
  readonly first: bigint;
  readonly last: bigint;
  /** 32 bytes. */
  readonly lastHash: Uint8Array;
  readonly payload: Uint8Array;
}

export interface BuildLimits {
  readonly epochBlocks: bigint;
  /** Of an uncompressed payload; passed only when no shorter batch ends with a certificate. */
  readonly targetBytes: number;
  /** Never passed. */
  readonly maxBytes: number;
}

/**
 * The blocks from `first` on: of one epoch, ending with one that has a certificate of its own, as many as fit the target.
 * Undefined while no such block is there. Throws RangeError when the blocks up to the first certificate are more than a
 * batch may have, DataError on a damaged store.
 */
export function buildBatch(chain: Chain, first: bigint, limits: BuildLimits): BuiltBatch | undefined {
  const { epochBlocks, targetBytes, maxBytes } = limits;
  const blocks: BatchBlock[] = [];
  let bytes = OVERHEAD_BYTES;
  let gas = 0n;
  let end: { readonly count: number; readonly certificate: Uint8Array } | undefined;
  for (let number = first; number <= chain.head.number && number / epochBlocks === first / epochBlocks; number++) {
    const block = chain.block(number)!;
    const entry = batchBlockOf(block);
    bytes += payloadBytes(entry);
    gas += block.header.gasUsed;
    const isMore = bytes > targetBytes || gas > MAX_FULL_BLOCKS * block.header.gasLimit;
    if (isMore && end !== undefined) break;
    if (bytes > maxBytes || blocks.length === MAX_BATCH_BLOCKS) {
      if (end !== undefined) break;
      throw new RangeError(`blocks ${first} to ${number} have no certificate, and more do not fit a batch`);
    }
    blocks.push(entry);
    const certificate = chain.certificate(number);
    if (certificate !== undefined) end = { count: blocks.length, certificate };
  }
  if (end === undefined) return undefined;
  const last = first + BigInt(end.count) - 1n;
  const { count, certificate } = end;
  const parentHash = chain.hashAt(first - 1n)!;
  const payload: BatchPayload = { first, parentHash, blocks: blocks.slice(0, count), certificate };
  return { first, last, lastHash: chain.hashAt(last)!, payload: encodePayload(payload) };
}
