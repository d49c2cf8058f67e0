/** Another node's blocks by JSON-RPC, for an index that is built or checked beside it. */
import { createPublicClient, type Hex, http, numberToHex, type PublicClient, type Transport } from "viem";
import { hexToBytes } from "../../core/bytes.ts";
import type { BlockSource, SourceBlock } from "../../indexer/source.ts";
import { OperationError } from "../errors.ts";

interface JsonBlock {
  readonly hash: Hex;
  readonly number: Hex;
  readonly parentHash: Hex;
  readonly timestamp: Hex;
  readonly gasUsed: Hex;
  readonly transactions: readonly {
    readonly hash: Hex;
    readonly from: Hex;
    readonly to: Hex | null;
    readonly value: Hex;
    readonly sourceHash?: Hex;
    readonly mint?: Hex;
  }[];
}
interface JsonReceipt {
  readonly status: Hex;
  readonly logs: readonly { readonly address: Hex; readonly topics: readonly Hex[]; readonly data: Hex }[];
}

/** Blocks that are asked for ahead. */
const AHEAD = 32;
const RETRIES = 5;

/** The chain up to the head that the node has now. Throws OperationError when it does not answer. */
export async function rpcSource(url: string): Promise<BlockSource> {
  const client = createPublicClient({ transport: http(url, { batch: { batchSize: 2 * AHEAD }, retryCount: RETRIES }) });
  const readBlock = async (tagOrNumber: Hex | "latest"): Promise<SourceBlock> => {
    const [block, receipts] = await Promise.all([
      ask<JsonBlock | null>(client, url, "eth_getBlockByNumber", [tagOrNumber, true]),
      tagOrNumber === "latest" ? [] : ask<JsonReceipt[] | null>(client, url, "eth_getBlockReceipts", [tagOrNumber]),
    ]);
    if (block === null || receipts === null) throw new OperationError(`${url} has no block ${tagOrNumber}`);
    return toBlock(block, receipts);
  };
  const { header, hash } = await readBlock("latest");
  const asked = new Map<bigint, Promise<SourceBlock>>();
  return {
    head: { number: header.number, hash },
    onCommit: () => () => {},
    block(number) {
      if (number > header.number) return undefined;
      for (let n = number; n <= header.number && n < number + BigInt(AHEAD); n++) {
        if (asked.has(n)) continue;
        const answer = readBlock(numberToHex(n));
        answer.catch(() => {}); // whoever asks for the block is told
        asked.set(n, answer);
      }
      const block = asked.get(number);
      asked.delete(number);
      return block;
    },
  };
}

async function ask<T>(client: PublicClient<Transport>, url: string, method: string, params: unknown): Promise<T> {
  try {
    return (await client.request({ method, params } as never)) as T;
  } catch (error) {
    throw new OperationError(`${url} does not answer ${method}: ${(error as Error).message.split("\n")[0]}`, {
      cause: error,
    });
  }
}

function toBlock(block: JsonBlock, receipts: readonly JsonReceipt[]): SourceBlock {
  return {
    hash: hexToBytes(block.hash),
    header: {
      number: BigInt(block.number),
      parentHash: hexToBytes(block.parentHash),
      timestamp: BigInt(block.timestamp),
      gasUsed: BigInt(block.gasUsed),
    },
    transactions: block.transactions.map((tx) => ({
      hash: hexToBytes(tx.hash),
      from: hexToBytes(tx.from),
      to: tx.to === null ? undefined : hexToBytes(tx.to),
      value: BigInt(tx.value),
      ...(tx.sourceHash !== undefined && {
        deposit: { sourceHash: hexToBytes(tx.sourceHash), mintWei: BigInt(tx.mint ?? 0), isSystem: false },
      }),
    })),
    receipts: receipts.map(({ status, logs }) => ({
      status: status === "0x1" ? 1 : 0,
      logs: logs.map(({ address, topics, data }) => ({
        address: hexToBytes(address),
        topics: topics.map((topic) => hexToBytes(topic)),
        data: hexToBytes(data),
      })),
    })),
  };
}
