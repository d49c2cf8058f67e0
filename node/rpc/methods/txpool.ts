/** What waits in the mempool, by sender and nonce, in geth's shapes: senders are written with checksum (EIP-55). */
import { checksummed } from "../../../core/addresses.ts";
import type { Transaction } from "../../../core/chain.ts";
import type { SenderContent } from "../../../execution/mempool.ts";
import { type Methods, method, type RpcContext } from "../context.ts";
import { RPC_ERROR, RpcError } from "../errors.ts";
import { formatTransaction, type Json, toQuantity } from "../format.ts";
import { address, required } from "../values.ts";

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

async function contentOf({ pool, limits }: RpcContext, sender?: Uint8Array): Promise<readonly SenderContent[]> {
  // A byte is two digits of the answer, and more in its fields.
  const content = await pool.content(sender, limits.responseBytes / 2);
  if (content !== undefined) return content;
  throw new RpcError(RPC_ERROR.tooLarge, "response too large: ask for one sender with txpool_contentFrom");
}

export const txpool: Methods = {
  txpool_status: method([], async ({ pool }) => {
    const { pending, queued } = await pool.counts();
    return { pending: toQuantity(pending), queued: toQuantity(queued) };
  }),
  txpool_content: method([], async (context) => bySender(await contentOf(context), (tx) => formatTransaction(tx))),
  txpool_contentFrom: method([required(address)], async (context, [sender]) => {
    const [content] = await contentOf(context, sender);
    return {
      pending: byNonce(content?.pending ?? [], (tx) => formatTransaction(tx)),
      queued: byNonce(content?.queued ?? [], (tx) => formatTransaction(tx)),
    };
  }),
  txpool_inspect: method([], async (context) => bySender(await contentOf(context), inOneLine)),
};
