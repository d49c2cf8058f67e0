/** What waits in the mempool, by sender and nonce, in geth's shapes: senders are written with checksum (EIP-55). */
import { getAddress } from "viem";
import { bytesToHex } from "../../../core/bytes.ts";
import type { Transaction } from "../../../core/chain.ts";
import type { SenderContent } from "../../../execution/mempool.ts";
import { type Methods, method } from "../context.ts";
import { formatTransaction, type Json, toQuantity } from "../format.ts";
import { address, required } from "../values.ts";

const checksummed = (address: Uint8Array): string => getAddress(bytesToHex(address));

function byNonce(transactions: readonly Transaction[], format: (tx: Transaction) => Json): Json {
  return Object.fromEntries(transactions.map((tx) => [tx.nonce.toString(), format(tx)]));
}

function bySender(content: readonly SenderContent[], format: (tx: Transaction) => Json) {
  const part = (place: "pending" | "queued") =>
    Object.fromEntries(
      content
        .filter((sender) => sender[place].length > 0)
        .map((sender) => [checksummed(sender.address), byNonce(sender[place], format)]),
    );
  return { pending: part("pending"), queued: part("queued") };
}

function inOneLine(tx: Transaction): string {
  const target = tx.to === undefined ? "contract creation" : checksummed(tx.to);
  return `${target}: ${tx.value} wei + ${tx.gasLimit} gas × ${tx.maxFeePerGas} wei`;
}

export const txpool: Methods = {
  txpool_status: method([], ({ mempool }) => ({
    pending: toQuantity(mempool.counts.pending),
    queued: toQuantity(mempool.counts.queued),
  })),
  txpool_content: method([], ({ mempool }) => bySender(mempool.content(), (tx) => formatTransaction(tx))),
  txpool_contentFrom: method([required(address)], ({ mempool }, [sender]) => {
    const [content] = mempool.content(sender);
    return {
      pending: byNonce(content?.pending ?? [], (tx) => formatTransaction(tx)),
      queued: byNonce(content?.queued ?? [], (tx) => formatTransaction(tx)),
    };
  }),
  txpool_inspect: method([], ({ mempool }) => bySender(mempool.content(), inOneLine)),
};
