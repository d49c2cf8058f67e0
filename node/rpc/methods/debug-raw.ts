/** Blocks as bytes: headers, whole blocks and receipts in RLP. */
import { bytesToHex } from "../../../core/bytes.ts";
import type { ExecutedBlock } from "../../../core/chain.ts";
import { encodeBlock } from "../../../execution/block/block-codec.ts";
import { encodeHeader } from "../../../execution/block/header.ts";
import { encodeReceipt } from "../../../execution/block/receipt-codec.ts";
import { type Method, type Methods, method } from "../context.ts";
import { serverError } from "../errors.ts";
import { blockAt, blockSelector, isPending } from "../selectors.ts";
import { required } from "../values.ts";

const ofBlock = (encode: (block: ExecutedBlock) => unknown): Method =>
  method([required(blockSelector)], ({ chain }, [selector]) => {
    if (isPending(selector)) throw serverError("the pending block has no bytes yet: ask for latest");
    return encode(blockAt(chain, selector));
  });

export const debugRaw: Methods = {
  debug_getRawHeader: ofBlock(({ header }) => bytesToHex(encodeHeader(header))),
  debug_getRawBlock: ofBlock((block) => bytesToHex(encodeBlock(block))),
  /** Each as it is hashed into the receipts root. */
  debug_getRawReceipts: ofBlock(({ receipts }) => receipts.map((receipt) => bytesToHex(encodeReceipt(receipt)))),
  /** A block that breaks a rule is refused before it is stored. */
  debug_getBadBlocks: method([], () => []),
};
