/** Blocks, fees and what the chain is. */
import { bytesToHex } from "../../../core/bytes.ts";
import type { ExecutedBlock, Transaction } from "../../../core/chain.ts";
import type { BlockSelector } from "../../chain-api.ts";
import { pacer } from "../../pace.ts";
import { type Methods, method, type RpcContext } from "../context.ts";
import { invalidParams, serverError } from "../errors.ts";
import { rewardPercentiles, suggestTip } from "../fees.ts";
import {
  formatBlock,
  formatHeader,
  formatReceipt,
  formatSyncStatus,
  formatTransaction,
  formatUncle,
  type JsonObject,
  toQuantity,
} from "../format.ts";
import { blockAt, blockSelector, findBlock, isPending, numberOrTag } from "../selectors.ts";
import { boolean, type Decoder, hash, InvalidValue, optional, quantity, required, show } from "../values.ts";

/** EIP-4844: the least, as no block of our own carries blobs. */
const BLOB_BASE_FEE_WEI = 1n;

const blobBaseFee = ({ foreign }: ExecutedBlock): bigint => foreign?.blobBaseFee ?? BLOB_BASE_FEE_WEI;

const blobGasUsedRatio = ({ header, foreign }: ExecutedBlock): number =>
  foreign === undefined || foreign.maxBlobGas === 0n ? 0 : Number(header.blobGasUsed) / Number(foreign.maxBlobGas);

const byHash: Decoder<BlockSelector> = (value) => ({ hash: hash(value) });

/** A hex quantity, or a decimal number or string, as geth takes it. */
const blockCount: Decoder<bigint> = (value) => {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  if (typeof value === "string" && /^(0|[1-9]\d{0,18})$/.test(value)) return BigInt(value);
  return quantity(64)(value);
};

const percentileList: Decoder<number[]> = (value) => {
  if (!Array.isArray(value)) throw new InvalidValue(`want an array, have ${show(value)}`);
  return value.map((one: unknown) => {
    if (typeof one !== "number") throw new InvalidValue(`want numbers, have ${show(one)}`);
    return one;
  });
};

const block = [required(numberOrTag)] as const;
const blockByHash = [required(byHash)] as const;
const uncle = [required(numberOrTag), required(quantity(64))] as const;

async function countTransactions(context: RpcContext, selector: BlockSelector): Promise<string | null> {
  if (isPending(selector)) return toQuantity((await pendingTransactions(context)).length);
  const { chain } = context;
  // By number, a block need not be decoded for it.
  const found = "number" in selector ? chain.logs(selector.number) : undefined;
  if (found !== undefined) return toQuantity(found.transactionCount);
  const block = findBlock(chain, selector);
  return block === undefined ? null : toQuantity(block.transactions.length);
}

function countUncles({ chain }: RpcContext, selector: BlockSelector): string | null {
  const found = findBlock(chain, selector);
  return found === undefined ? null : toQuantity(found.foreign?.uncles.length ?? 0);
}

function getUncle({ chain }: RpcContext, selector: BlockSelector, index: bigint): JsonObject | null {
  const uncle = findBlock(chain, selector)?.foreign?.uncles[Number(index)];
  return uncle === undefined ? null : formatUncle(uncle);
}

/** What the mempool would give now: the head's fields with the next number, not executed. */
export function pendingTransactions({ chain, pool, limits }: RpcContext): Promise<readonly Transaction[]> {
  const { gasLimit } = blockAt(chain, { tag: "latest" }).header;
  return pool.best(chain.nextBaseFee(), gasLimit, limits.responseBytes);
}

async function pendingBlock(context: RpcContext, full: boolean): Promise<JsonObject> {
  const transactions = await pendingTransactions(context);
  const head = blockAt(context.chain, { tag: "latest" });
  const header = {
    ...head.header,
    number: head.header.number + 1n,
    parentHash: head.hash,
    baseFeePerGas: context.chain.nextBaseFee(),
    gasUsed: 0n,
    logsBloom: new Uint8Array(256),
  };
  const shape = formatBlock({ hash: head.hash, header, transactions, receipts: [] }, false);
  return {
    ...shape,
    hash: null,
    nonce: null,
    miner: null,
    transactions: transactions.map((tx) => (full ? formatTransaction(tx) : bytesToHex(tx.hash))),
  };
}

function getBlock(
  context: RpcContext,
  selector: BlockSelector,
  full: boolean,
): JsonObject | null | Promise<JsonObject> {
  if (isPending(selector)) return pendingBlock(context, full);
  const found = findBlock(context.chain, selector);
  return found === undefined ? null : formatBlock(found, full);
}

function getHeader({ chain }: RpcContext, selector: BlockSelector): JsonObject | null {
  const found = isPending(selector) ? undefined : findBlock(chain, selector);
  return found === undefined ? null : formatHeader(found.header, found.hash);
}

async function feeHistory(
  { chain, limits }: RpcContext,
  count: bigint,
  newest: BlockSelector,
  percentiles: readonly number[],
): Promise<JsonObject> {
  if (percentiles.length > limits.feeHistoryPercentiles) {
    throw invalidParams(`over the query limit ${limits.feeHistoryPercentiles} of reward percentiles`);
  }
  percentiles.forEach((percentile, i) => {
    const previous = percentiles[i - 1] ?? 0;
    if (!(percentile >= 0 && percentile <= 100)) throw invalidParams(`invalid reward percentile: ${percentile}`);
    if (percentile < previous) {
      throw invalidParams(`invalid reward percentile: #${i - 1}:${previous} >= #${i}:${percentile}`);
    }
  });
  if ("number" in newest && newest.number > chain.head.number) {
    throw serverError(`request beyond head block: requested ${newest.number}, head ${chain.head.number}`);
  }
  const last = blockAt(chain, newest).header.number;
  if (count === 0n) return { oldestBlock: "0x0", gasUsedRatio: [] };
  const most = BigInt(limits.feeHistoryBlocks);
  const wanted = count < most ? count : most;
  const first = wanted > last + 1n ? 0n : last + 1n - wanted;

  const pause = pacer();
  const baseFees: bigint[] = [];
  const gasUsedRatio: number[] = [];
  const blobBaseFees: bigint[] = [];
  const blobRatios: number[] = [];
  const reward: string[][] = [];
  for (let number = first; number <= last; number++) {
    const one = blockAt(chain, { number });
    baseFees.push(one.header.baseFeePerGas);
    gasUsedRatio.push(Number(one.header.gasUsed) / Number(one.header.gasLimit));
    blobBaseFees.push(blobBaseFee(one));
    blobRatios.push(blobGasUsedRatio(one));
    if (percentiles.length > 0) reward.push(rewardPercentiles(one, percentiles).map(toQuantity));
    await pause();
  }
  const following = last < chain.head.number ? chain.block(last + 1n) : undefined;
  baseFees.push(following?.header.baseFeePerGas ?? chain.nextBaseFee());
  blobBaseFees.push(blobBaseFee(following ?? chain.next(0n)));
  return {
    oldestBlock: toQuantity(first),
    ...(percentiles.length > 0 ? { reward } : {}),
    baseFeePerGas: baseFees.map(toQuantity),
    gasUsedRatio,
    baseFeePerBlobGas: blobBaseFees.map(toQuantity),
    blobGasUsedRatio: blobRatios,
  };
}

export const ethChain: Methods = {
  eth_chainId: method([], ({ chain }) => toQuantity(chain.chainId)),
  eth_blockNumber: method([], ({ chain }) => toQuantity(chain.head.number)),
  eth_syncing: method([], ({ syncStatus }) => {
    const status = syncStatus();
    return status === undefined ? false : formatSyncStatus(status);
  }),
  eth_accounts: method([], () => []),
  eth_getBlockByNumber: method([required(numberOrTag), optional(boolean, false)], (context, [selector, full]) =>
    getBlock(context, selector, full),
  ),
  eth_getBlockByHash: method([required(byHash), optional(boolean, false)], (context, [selector, full]) =>
    getBlock(context, selector, full),
  ),
  eth_getHeaderByNumber: method(block, (context, [selector]) => getHeader(context, selector)),
  eth_getHeaderByHash: method(blockByHash, (context, [selector]) => getHeader(context, selector)),
  eth_getBlockTransactionCountByNumber: method(block, (context, [selector]) => countTransactions(context, selector)),
  eth_getBlockTransactionCountByHash: method(blockByHash, (context, [selector]) =>
    countTransactions(context, selector),
  ),
  eth_getUncleCountByBlockNumber: method(block, (context, [selector]) => countUncles(context, selector)),
  eth_getUncleCountByBlockHash: method(blockByHash, (context, [selector]) => countUncles(context, selector)),
  eth_getUncleByBlockNumberAndIndex: method(uncle, (context, [selector, index]) => getUncle(context, selector, index)),
  eth_getUncleByBlockHashAndIndex: method([required(byHash), required(quantity(64))], (context, [selector, index]) =>
    getUncle(context, selector, index),
  ),
  eth_getBlockReceipts: method([required(blockSelector)], ({ chain }, [selector]) => {
    // What is pending has not run.
    const found = isPending(selector) ? undefined : findBlock(chain, selector);
    if (found === undefined) return null;
    let logs = 0;
    return found.receipts.map((receipt, index) => {
      const first = logs;
      logs += receipt.logs.length;
      return formatReceipt(found, index, first);
    });
  }),
  eth_gasPrice: method([], ({ chain, pool }) => toQuantity(chain.nextBaseFee() + suggestTip(chain, pool.minTipWei))),
  eth_maxPriorityFeePerGas: method([], ({ chain, pool }) => toQuantity(suggestTip(chain, pool.minTipWei))),
  eth_baseFee: method([], ({ chain }) => toQuantity(chain.nextBaseFee())),
  eth_blobBaseFee: method([], ({ chain }) => toQuantity(blobBaseFee(blockAt(chain, { tag: "latest" })))),
  eth_feeHistory: method(
    [required(blockCount), required(numberOrTag), optional(percentileList, [])],
    (context, [count, newest, percentiles]) => feeHistory(context, count, newest, percentiles),
  ),
};
