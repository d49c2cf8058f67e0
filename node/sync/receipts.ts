/** Receipts as they travel: those that the receipts root hashes, for one block. */
import { equalsBytes } from "../../core/bytes.ts";
import type { Header, Log, Receipt, Transaction } from "../../core/chain.ts";
import { rlpDecode, rlpEncode, rlpFixed, rlpList, rlpString, rlpUint } from "../../core/rlp.ts";
import { orderedRoot } from "../../execution/block/ordered-root.ts";
import { encodeReceipt } from "../../execution/block/receipt-codec.ts";
import { completeReceipts, type ExecutedReceipt } from "../../execution/block/receipts.ts";
import { MessageError, strictly } from "./messages.ts";

export const encodeReceipts = (receipts: readonly Receipt[]): Uint8Array => rlpEncode(receipts.map(encodeReceipt));

export interface CheckedBlock {
  readonly header: Header;
  readonly transactions: readonly Transaction[];
}

/** Precondition: the block is that of its hash. Throws MessageError when these are not its receipts. */
export function decodeReceipts(bytes: Uint8Array, { header, transactions }: CheckedBlock): Receipt[] {
  return strictly(() => {
    const items = rlpList(rlpDecode(bytes), "receipts").map((item) => rlpString(item, bytes.length, "receipt"));
    if (items.length !== transactions.length) {
      throw new MessageError(`${items.length} receipts of ${transactions.length} transactions`);
    }
    if (items.some(({ length }) => length === 0)) throw new MessageError("a receipt is empty");
    if (!equalsBytes(orderedRoot(items), header.receiptsRoot)) {
      throw new MessageError("the receipts are not those that the header names");
    }
    const executed = items.map((item, index) => decodeReceipt(item, transactions[index]!));
    return completeReceipts(header, transactions, executed);
  });
}

/** Inverse of `encodeReceipt`; what it leaves out follows from the transaction. */
function decodeReceipt(bytes: Uint8Array, tx: Transaction): ExecutedReceipt {
  const [status, cumulative, bloom, logs, depositNonce] = rlpList(rlpDecode(bytes, tx.type === 0 ? 0 : 1), "receipt");
  return {
    status: rlpUint(status, 1, "status") === 1n ? 1 : 0,
    cumulativeGasUsed: rlpUint(cumulative, 8, "cumulativeGasUsed"),
    logsBloom: rlpFixed(bloom, 256, "logsBloom"),
    logs: rlpList(logs, "logs").map((item): Log => {
      const [address, topics, data] = rlpList(item, "log");
      return {
        address: rlpFixed(address, 20, "address"),
        topics: rlpList(topics, "topics").map((topic) => rlpFixed(topic, 32, "topic")),
        data: rlpString(data, bytes.length, "data"),
      };
    }),
    ...(tx.deposit !== undefined && { depositNonce: rlpUint(depositNonce, 8, "depositNonce") }),
  };
}
