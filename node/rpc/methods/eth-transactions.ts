/** Sending transactions, and finding them and their receipts, also as bytes. */
import { bytesToHex } from "../../../core/bytes.ts";
import type { ExecutedBlock, Transaction } from "../../../core/chain.ts";
import type { BlockSelector } from "../../chain-api.ts";
import { type Methods, method, type RpcContext } from "../context.ts";
import { RPC_ERROR, RpcError, serverError } from "../errors.ts";
import { formatReceipt, formatTransaction, type JsonObject, logsBefore } from "../format.ts";
import { findBlock, isPending, numberOrTag } from "../selectors.ts";
import { type Decoder, data, hash, optional, quantity, required, uint64 } from "../values.ts";
import { pendingTransactions } from "./eth-chain.ts";

const blockHash: Decoder<BlockSelector> = (value) => ({ hash: hash(value) });

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
  const result = await context.pool.submit(tx);
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

interface Placed {
  readonly tx: Transaction;
  /** Absent while it waits. */
  readonly place?: { readonly block: ExecutedBlock; readonly index: number };
}

async function atIndex(context: RpcContext, selector: BlockSelector, index: bigint): Promise<Placed | undefined> {
  if (isPending(selector)) {
    const waiting = (await pendingTransactions(context))[Number(index)];
    return waiting && { tx: waiting };
  }
  const block = findBlock(context.chain, selector);
  const tx = block?.transactions[Number(index)];
  return block && tx && { tx, place: { block, index: Number(index) } };
}

async function byHash({ chain, pool }: RpcContext, txHash: Uint8Array): Promise<Placed | undefined> {
  const found = chain.transaction(txHash);
  if (found !== undefined) return { tx: found.transaction, place: found };
  const waiting = await pool.get(txHash);
  if (waiting !== undefined) return { tx: waiting };
  // It may have left the pool for a block in between.
  const mined = chain.transaction(txHash);
  return mined && { tx: mined.transaction, place: mined };
}

const whole = (found: Placed | undefined): JsonObject | null =>
  found ? formatTransaction(found.tx, found.place) : null;

/** The envelope (EIP-2718). */
const raw = (found: Placed | undefined): string | null => (found ? bytesToHex(found.tx.raw) : null);

const atNumber = [required(numberOrTag), required(quantity(32))] as const;
const atHash = [required(blockHash), required(quantity(32))] as const;

export const ethTransactions: Methods = {
  eth_sendRawTransaction: method([required(data)], async (context, [raw]) =>
    bytesToHex((await send(context, raw)).hash),
  ),
  eth_sendRawTransactionSync: method([required(data), optional(uint64, 0n)], async (context, [raw, timeoutMs]) => {
    const most = context.limits.syncWaitMs;
    const waitMs = timeoutMs === 0n || timeoutMs > BigInt(most) ? most : Number(timeoutMs);
    return receiptInTime(context, await send(context, raw), waitMs);
  }),
  eth_getTransactionByHash: method([required(hash)], async (context, [txHash]) => whole(await byHash(context, txHash))),
  eth_getTransactionByBlockNumberAndIndex: method(atNumber, async (context, [at, index]) =>
    whole(await atIndex(context, at, index)),
  ),
  eth_getTransactionByBlockHashAndIndex: method(atHash, async (context, [at, index]) =>
    whole(await atIndex(context, at, index)),
  ),
  eth_getRawTransactionByHash: method([required(hash)], async (context, [txHash]) =>
    raw(await byHash(context, txHash)),
  ),
  eth_getRawTransactionByBlockNumberAndIndex: method(atNumber, async (context, [at, index]) =>
    raw(await atIndex(context, at, index)),
  ),
  eth_getRawTransactionByBlockHashAndIndex: method(atHash, async (context, [at, index]) =>
    raw(await atIndex(context, at, index)),
  ),
  debug_getRawTransaction: method([required(hash)], async (context, [txHash]) => raw(await byHash(context, txHash))),
  eth_getTransactionReceipt: method([required(hash)], (context, [txHash]) => receiptOf(context, txHash)),
};
