/** Receipts as the receipts root hashes them (EIP-2718, EIP-658). */
import { concatBytes } from "../../core/bytes.ts";
import type { Receipt } from "../../core/chain.ts";
import { rlpEncode } from "../../core/rlp.ts";

type EncodedFields = Pick<
  Receipt,
  "type" | "status" | "cumulativeGasUsed" | "logsBloom" | "logs" | "depositNonce" | "postState"
>;

/** OP Stack, Canyon: the last field of a deposit's receipt. */
const DEPOSIT_RECEIPT_VERSION = 1n;

/**
 * `rlp([status, cumulativeGasUsed, logsBloom, [[address, [topic..], data]..]])`, after the type byte unless it is 0.
 * A deposit's list ends with depositNonce and 1. Before Byzantium the state root stands in the place of the status.
 */
export function encodeReceipt(receipt: EncodedFields): Uint8Array {
  const { type, status, cumulativeGasUsed, logsBloom, logs, depositNonce, postState } = receipt;
  const entries = logs.map(({ address, topics, data }) => [address, topics, data]);
  const fields = [postState ?? BigInt(status), cumulativeGasUsed, logsBloom, entries];
  const payload = rlpEncode(depositNonce === undefined ? fields : [...fields, depositNonce, DEPOSIT_RECEIPT_VERSION]);
  return type === 0 ? payload : concatBytes(Uint8Array.of(type), payload);
}
