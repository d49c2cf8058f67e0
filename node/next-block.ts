import { EMPTY_BYTES, ZERO_32 } from "../core/bytes.ts";
import type { ExecutedBlock } from "../core/chain.ts";

/** What the block after the head would be without transactions, as ChainApi's `next`. */
export function blockAfter(head: ExecutedBlock, baseFeePerGas: bigint, timestamp: bigint): ExecutedBlock {
  const { header, hash } = head;
  const next = {
    ...header,
    parentHash: hash,
    number: header.number + 1n,
    timestamp: timestamp > header.timestamp ? timestamp : header.timestamp,
    baseFeePerGas,
    gasUsed: 0n,
    extraData: EMPTY_BYTES,
  };
  return { hash: ZERO_32, header: next, transactions: [], receipts: [] };
}
