/**
 * Whether bytes are the block of a hash, before anything is executed. The hash covers the header and the header covers
 * the transactions, so exactly one byte string passes: what passes and then does not execute is not the fault of the
 * peer that sent it.
 */
import { equalsBytes } from "../../core/bytes.ts";
import { RlpError, type RlpSpan, rlpChildren, rlpWhole } from "../../core/rlp.ts";
import { orderedRoot } from "../../execution/block/ordered-root.ts";
import { type HashedHeader, hashedHeader, MessageError, strictly } from "./messages.ts";

/** The header of a block whose body is the one that the header names. Throws MessageError. */
export function checkBlock(raw: Uint8Array): HashedHeader {
  return strictly(() => {
    const parts = rlpChildren(raw, rlpWhole(raw));
    const [header, transactions, uncles, withdrawals] = parts;
    if (parts.length !== 4) throw new RlpError(`block has ${parts.length} parts instead of 4`);
    if (!isEmptyList(uncles!)) throw new RlpError("block has uncles");
    if (!isEmptyList(withdrawals!)) throw new RlpError("block has withdrawals");
    const hashed = hashedHeader(raw, header!);
    const root = orderedRoot(rlpChildren(raw, transactions!).map((span) => envelope(raw, span)));
    if (!equalsBytes(root, hashed.header.transactionsRoot)) {
      throw new MessageError("the block's transactions are not those that its header names");
    }
    return hashed;
  });
}

const isEmptyList = (span: RlpSpan): boolean => span.isList && span.payload === span.end;

/** The bytes that the root is over: a legacy transaction is a list in the block, any other a byte string. */
function envelope(raw: Uint8Array, span: RlpSpan): Uint8Array {
  const bytes = raw.subarray(span.isList ? span.start : span.payload, span.end);
  if (bytes.length === 0) throw new RlpError("a transaction is empty");
  // A legacy transaction inside a byte string would have the same root: two encodings of one block.
  if (span.isList !== bytes[0]! >= 0xc0) throw new RlpError("a transaction is in the wrong form");
  return bytes;
}
