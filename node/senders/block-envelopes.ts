/** The signed transactions in the bytes of a block, before anything of it is decoded. */
import { DEPOSIT_TYPE } from "../../bridge/deposit.ts";
import { RlpError, rlpChildren, rlpWhole } from "../../core/rlp.ts";

/** Views of the block's bytes, without deposits, which nobody signs. Of bytes that are no block: none. */
export function envelopesOfBlock(raw: Uint8Array): Uint8Array[] {
  try {
    const transactions = rlpChildren(raw, rlpWhole(raw))[1];
    if (transactions === undefined) return [];
    return rlpChildren(raw, transactions)
      .map((span) => raw.subarray(span.isList ? span.start : span.payload, span.end))
      .filter((envelope) => envelope[0] !== DEPOSIT_TYPE);
  } catch (error) {
    if (error instanceof RlpError) return [];
    throw error;
  }
}
