/** Rows of what comes from L1 and what leaves for it. */
import { DEPOSITOR_ADDRESS } from "../core/addresses.ts";
import { equalsBytes, hexToBytes } from "../core/bytes.ts";
import { type Change, insert } from "./changes.ts";
import type { Args, Position } from "./project-rows.ts";
import type { SourceBlock } from "./source.ts";

export function deposits({ header, transactions, receipts }: SourceBlock): Change[] {
  return transactions.flatMap(({ deposit, from, to, value, hash }, i) => {
    if (deposit === undefined || equalsBytes(from, DEPOSITOR_ADDRESS)) return [];
    const row = {
      block: Number(header.number),
      tx_index: i,
      tx_hash: hash,
      source_hash: deposit.sourceHash,
      sender: from,
      recipient: to ?? null,
      mint: deposit.mintWei,
      value,
      succeeded: receipts[i]?.status ?? 0,
    };
    return [insert("deposits", row)];
  });
}

export function messagePassed(args: Args<"MessagePassed">, at: Position): Change {
  const { nonce, value, gasLimit } = args;
  return insert("withdrawals", {
    ...at,
    nonce,
    sender: hexToBytes(args.sender),
    target: hexToBytes(args.target),
    value,
    gas_limit: gasLimit,
    withdrawal_hash: hexToBytes(args.withdrawalHash),
  });
}
