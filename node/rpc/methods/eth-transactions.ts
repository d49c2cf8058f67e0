/** Sending transactions, and finding them and their receipts. */
import { bytesToHex } from "../../../core/bytes.ts";
import type { Transaction } from "../../../core/chain.ts";
import type { BlockSelector } from "../../chain-api.ts";
import { type Methods, method, type RpcContext } from "../context.ts";
import { RPC_ERROR, RpcError, serverError } from "../errors.ts";
import { formatReceipt, formatTransaction, type JsonObject, logsBefore } from "../format.ts";
import { isPending, numberOrTag } from "../selectors.ts";
import { type Decoder, data, hash, optional, quantity, required, uint64 } from "../values.ts";

const byHash: Decoder<BlockSelector> = (value) => ({ hash: hash(value) });

/** Decodes, checks what only RPC checks (geth's SubmitTransaction), and hands on. */
async function send(context: RpcContext, raw: Uint8Array): Promise<Transaction> {
  const decoded = context.decode(raw, context.chain.chainId);
  if (!decoded.ok) throw serverError(decoded.message);
  const { tx } = decoded;
  const { txFeeCapWei } = context;
  const feeWei = tx.gasLimit * tx.maxFeePerGas;
  if (txFeeCapWei > 0n && feeWei > txFeeCapWei) {
    throw serverError(`tx fee (${inOpen(feeWei)} ether) exceeds the configured cap (${inOpen(txFeeCapWei)} ether)`);
  }
  if (!context.allowUnprotected && tx.chainId === undefined) {
    throw serverError("only replay-protected (EIP-155) transactions allowed over RPC");
  }
  const result = await context.submit(tx);
  if (!result.ok) throw serverError(result.message);
  return tx;
}

/** Two decimals, as geth prints a fee. */
function inOpen(wei: bigint): string {
  const hundredths = (wei * 100n + 5n * 10n ** 17n) / 10n ** 18n;
  return `${hundredths / 100n}.${(hundredths % 100n).toString().padStart(2, "0")}`;
}

function receiptOf({ chain }: RpcContext, txHash: Uint8Array): JsonObject | null {
  const found = chain.transaction(txHash);
  if (found === undefined) return null;
  return formatReceipt(found.block, found.index, logsBefore(found.block.receipts, found.index));
}

/** How many callers wait for a receipt. */
const receiptWaits = new WeakMap<RpcContext, number>();

/** EIP-7966: the receipt, or error 4 with the hash when the time is over. */
async function receiptInTime(context: RpcContext, tx: Transaction, waitMs: number): Promise<JsonObject> {
  const others = receiptWaits.get(context) ?? 0;
  if (others >= context.limits.syncWaits) {
    throw serverError("too many waits for receipts; use eth_sendRawTransaction");
  }
  receiptWaits.set(context, others + 1);
  const { promise, resolve } = Promise.withResolvers<JsonObject | null>();
  const look = () => {
    const receipt = receiptOf(context, tx.hash);
    if (receipt !== null) resolve(receipt);
  };
  const unsubscribe = context.chain.onCommit(look);
  const timer = setTimeout(resolve, waitMs, null);
  try {
    look();
    const receipt = await promise;
    if (receipt !== null) return receipt;
    throw new RpcError(
      RPC_ERROR.syncTimeout,
      `the transaction was added to the pool but not processed in ${waitMs} ms`,
      bytesToHex(tx.hash),
    );
  } finally {
    receiptWaits.set(context, (receiptWaits.get(context) ?? 1) - 1);
    unsubscribe();
    clearTimeout(timer);
  }
}

function atIndex({ chain }: RpcContext, selector: BlockSelector, index: bigint): JsonObject | null {
  const block = isPending(selector) ? undefined : chain.find(selector);
  const tx = block?.transactions[Number(index)];
  return block === undefined || tx === undefined ? null : formatTransaction(tx, { block, index: Number(index) });
}

export const ethTransactions: Methods = {
  eth_sendRawTransaction: method([required(data)], async (context, [raw]) =>
    bytesToHex((await send(context, raw)).hash),
  ),
  eth_sendRawTransactionSync: method([required(data), optional(uint64, 0n)], async (context, [raw, timeoutMs]) => {
    const most = context.limits.syncWaitMs;
    const waitMs = timeoutMs === 0n || timeoutMs > BigInt(most) ? most : Number(timeoutMs);
    return receiptInTime(context, await send(context, raw), waitMs);
  }),
  eth_getTransactionByHash: method([required(hash)], ({ chain, mempool }, [txHash]) => {
    const found = chain.transaction(txHash);
    if (found !== undefined) return formatTransaction(found.transaction, found);
    const pending = mempool.get(txHash);
    return pending === undefined ? null : formatTransaction(pending);
  }),
  eth_getTransactionByBlockNumberAndIndex: method(
    [required(numberOrTag), required(quantity(32))],
    (context, [selector, index]) => atIndex(context, selector, index),
  ),
  eth_getTransactionByBlockHashAndIndex: method(
    [required(byHash), required(quantity(32))],
    (context, [selector, index]) => atIndex(context, selector, index),
  ),
  eth_getTransactionReceipt: method([required(hash)], (context, [txHash]) => receiptOf(context, txHash)),
};
