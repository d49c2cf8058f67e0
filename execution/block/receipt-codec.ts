/** Receipts as the receipts root hashes them (EIP-2718, EIP-658). */
import { concatBytes } from "../../core/bytes.ts";
import type { Receipt } from "../../core/chain.ts";
import { rlpEncode } from "../../core/rlp.ts";

type EncodedFields = Pick<Receipt, "type" | "status" | "cumulativeGasUsed" | "logsBloom" | "logs">;

/** `rlp([status, cumulativeGasUsed, logsBloom, [[address, [topic..], data]..]])`, after the type byte unless it is 0. */
export function encodeReceipt(receipt: EncodedFields): Uint8Array {
  const { type, status, cumulativeGasUsed, logsBloom, logs } = receipt;
  const entries = logs.map(({ address, topics, data }) => [address, topics, data]);
  const payload = rlpEncode([BigInt(status), cumulativeGasUsed, logsBloom, entries]);
  return type === 0 ? payload : concatBytes(Uint8Array.of(type), payload);
}
