/** Log queries: which logs match, and the walk over a bounded range of blocks. */
import { bytesToHex } from "../../core/bytes.ts";
import { type BlockLogs, logsOf } from "../block-logs.ts";
import type { BlockSelector, ChainApi } from "../chain-api.ts";
import { pacer } from "../pace.ts";
import { type BloomBits, bloomBits, mayContain } from "./bloom.ts";
import { invalidParams, serverError } from "./errors.ts";
import { formatLog, type JsonObject, toQuantity } from "./format.ts";
import type { RpcLimits } from "./limits.ts";
import { isPending, numberOrTag } from "./selectors.ts";
import { address, type Decoder, field, hash, InvalidValue, list, object } from "./values.ts";

/** Empty alternatives match everything. */
interface Alternatives {
  /** In hex; where they are few, as bytes beside it, which is how they are compared then. */
  readonly values: ReadonlySet<string>;
  readonly few: readonly Uint8Array[];
  readonly bits: readonly BloomBits[];
}

export interface LogCriteria {
  readonly addresses: Alternatives;
  /** By topic position. */
  readonly topics: readonly Alternatives[];
}

export interface LogQuery extends LogCriteria {
  readonly fromBlock: BlockSelector | undefined;
  readonly toBlock: BlockSelector | undefined;
  readonly blockHash: Uint8Array | undefined;
}

const MAX_TOPICS = 4;

/** `{fromBlock, toBlock, blockHash, address, topics}`; an address or topic may be one value, a list, or null. */
export function logQuery(limits: RpcLimits): Decoder<LogQuery> {
  const addresses = oneOrMany(address, limits.logAddresses, "addresses");
  const topics = list(
    (value) => (value === null ? NOTHING : oneOrMany(hash, limits.logTopicAlternatives, "topics")(value)),
    MAX_TOPICS,
    "topics",
  );
  return (value) => {
    const filter = object(value);
    const query: LogQuery = {
      fromBlock: field(filter, "fromBlock", numberOrTag),
      toBlock: field(filter, "toBlock", numberOrTag),
      blockHash: field(filter, "blockHash", hash),
      addresses: field(filter, "address", addresses) ?? NOTHING,
      topics: field(filter, "topics", topics) ?? [],
    };
    if (query.blockHash !== undefined && (query.fromBlock !== undefined || query.toBlock !== undefined)) {
      throw new InvalidValue("cannot specify both blockHash and fromBlock/toBlock, choose one or the other");
    }
    return query;
  };
}

const NOTHING: Alternatives = { values: new Set(), few: [], bits: [] };
/** So many are compared one by one faster than one is looked up. */
const FEW = 8;

function oneOrMany(item: Decoder<Uint8Array>, limit: number, name: string): Decoder<Alternatives> {
  const many = list(item, limit, name);
  return (value) => {
    const values = Array.isArray(value) ? many(value) : [item(value)];
    return {
      values: new Set(values.map((one) => bytesToHex(one))),
      few: values.length <= FEW ? values : [],
      bits: values.map(bloomBits),
    };
  };
}

function matches(block: BlockLogs, index: number, { addresses, topics }: LogCriteria): boolean {
  if (topics.length > block.topicCount(index)) return false;
  const isFrom = (address: Uint8Array) => block.isFrom(index, address);
  if (!isAmong(addresses, isFrom, () => block.log(index).address)) return false;
  return topics.every((wanted, position) => {
    const isThere = (topic: Uint8Array) => block.hasTopic(index, position, topic);
    return isAmong(wanted, isThere, () => block.log(index).topics[position]!);
  });
}

function isAmong({ values, few }: Alternatives, is: (one: Uint8Array) => boolean, own: () => Uint8Array): boolean {
  if (values.size === 0) return true;
  return few.length > 0 ? few.some(is) : values.has(bytesToHex(own()));
}

/** False only when no log of the block can match. */
export function mayMatch(bloom: Uint8Array, criteria: LogCriteria): boolean {
  const passes = ({ bits }: Alternatives) => bits.length === 0 || bits.some((one) => mayContain(bloom, one));
  return passes(criteria.addresses) && criteria.topics.every(passes);
}

export function logsOfBlock(block: BlockLogs, criteria: LogCriteria): JsonObject[] {
  if (!mayMatch(block.header.logsBloom, criteria)) return [];
  const found: JsonObject[] = [];
  for (let index = 0; index < block.logCount; index++) {
    if (!matches(block, index, criteria)) continue;
    const transaction = block.transactionOf(index);
    const place = { hash: block.transactionHash(transaction), index: transaction };
    found.push(formatLog(block.log(index), block, place, index));
  }
  return found;
}

/** Logs of a query. Throws RpcError when the range or the result is too large, or the range not yet there. */
export async function findLogs(chain: ChainApi, query: LogQuery, limits: RpcLimits): Promise<JsonObject[]> {
  if (query.blockHash !== undefined) {
    const block = chain.find({ hash: query.blockHash });
    if (block === undefined) throw serverError("unknown block");
    return checked(logsOfBlock(logsOf(block), query), limits, block.header.number, block.header.number);
  }
  const from = boundary(chain, query.fromBlock);
  const to = boundary(chain, query.toBlock);
  if (from > to) throw invalidParams("invalid block range params");
  if (to - from >= BigInt(limits.logBlocks)) {
    throw invalidParams(`query exceeds max block range ${limits.logBlocks}: have ${to - from + 1n} blocks`);
  }
  // Not a part of what was asked for: nobody would see that the rest is missing.
  if (to > chain.head.number) throw invalidParams("block range extends beyond current head block");
  const { logs } = await logsInRange(chain, query, from, to, (found, reached) => {
    checked(found, limits, from, reached);
    return false;
  });
  return logs;
}

/**
 * Logs of blocks `from` to `to` or the head, until `isEnough(found, reached)` after a block; `next` is the first block
 * not looked at. Gives way to other work now and then.
 */
export async function logsInRange(
  chain: ChainApi,
  criteria: LogCriteria,
  from: bigint,
  to: bigint,
  isEnough: (found: readonly JsonObject[], reached: bigint) => boolean,
): Promise<{ logs: JsonObject[]; next: bigint }> {
  const logs: JsonObject[] = [];
  const last = to < chain.head.number ? to : chain.head.number;
  const pause = pacer();
  let next = from;
  while (next <= last) {
    const block = chain.logs(next);
    // Where the chain began with a checkpoint. No logs would be a wrong answer.
    if (block === undefined) throw serverError(`block ${next} is not available on this node`);
    for (const log of logsOfBlock(block, criteria)) logs.push(log);
    if (isEnough(logs, next++)) break;
    await pause();
  }
  return { logs, next };
}

function checked<T extends readonly JsonObject[]>(logs: T, limits: RpcLimits, from: bigint, reached: bigint): T {
  if (logs.length <= limits.logResults) return logs;
  const before = reached > from ? `, retry with the range ${toQuantity(from)}-${toQuantity(reached - 1n)}` : "";
  throw invalidParams(`query exceeds max results ${limits.logResults}${before}`);
}

/** The block number of an end of a range; numbers above the head are taken as they are. */
export function boundary(chain: ChainApi, selector: BlockSelector = { tag: "latest" }): bigint {
  if (isPending(selector)) throw serverError("pending logs are not supported");
  if ("number" in selector) return selector.number;
  const block = chain.find(selector);
  if (block === undefined) throw serverError("unknown block");
  return block.header.number;
}
