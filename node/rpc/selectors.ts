/** Block selectors: number, tag, hash, and EIP-1898 objects. */
import { bytesToHex } from "../../core/bytes.ts";
import type { ExecutedBlock } from "../../core/chain.ts";
import type { StateReader } from "../../execution/state/types.ts";
import type { BlockSelector, BlockTag, ChainApi } from "../chain-api.ts";
import { RPC_ERROR, RpcError, serverError } from "./errors.ts";
import { boolean, type Decoder, field, hash, InvalidValue, isObject, quantity, show } from "./values.ts";

export const LATEST: BlockSelector = { tag: "latest" };
export const PENDING: BlockSelector = { tag: "pending" };

const TAGS: ReadonlySet<string> = new Set<BlockTag>(["latest", "safe", "finalized", "earliest", "pending"]);
const blockNumber = quantity(64);

/** `"0x1b4"` or a tag. */
export const numberOrTag: Decoder<BlockSelector> = (value) => {
  if (typeof value === "string" && TAGS.has(value)) return { tag: value as BlockTag };
  if (typeof value !== "string" || !value.startsWith("0x")) {
    throw new InvalidValue(`want a block number or one of ${[...TAGS].join(", ")}, have ${show(value)}`);
  }
  return { number: blockNumber(value) };
};

/** Also a 32-byte hash, `{blockNumber}` and `{blockHash, requireCanonical}` (EIP-1898). */
export const blockSelector: Decoder<BlockSelector> = (value) => {
  if (typeof value === "string" && value.length === 66) return { hash: hash(value) };
  if (!isObject(value)) return numberOrTag(value);
  const blockHash = field(value, "blockHash", hash);
  const number = field(value, "blockNumber", numberOrTag);
  // Only canonical blocks are known here, so requireCanonical is always met.
  field(value, "requireCanonical", boolean);
  if (blockHash !== undefined && number !== undefined) {
    throw new InvalidValue("cannot specify both blockHash and blockNumber, choose one or the other");
  }
  if (blockHash !== undefined) return { hash: blockHash };
  if (number === undefined) throw new InvalidValue("want blockNumber or blockHash");
  return number;
};

export function isPending(selector: BlockSelector): boolean {
  return "tag" in selector && selector.tag === "pending";
}

/** Undefined for a block that is not there yet. Throws what the specification has for one that is no longer here. */
export function findBlock(chain: ChainApi, selector: BlockSelector): ExecutedBlock | undefined {
  const block = chain.find(selector);
  if (block === undefined && "number" in selector && selector.number < chain.head.number) {
    throw new RpcError(RPC_ERROR.pruned, "pruned history unavailable");
  }
  return block;
}

/** Throws geth's "header not found". */
export function blockAt(chain: ChainApi, selector: BlockSelector): ExecutedBlock {
  const block = findBlock(chain, selector);
  if (block === undefined) throw serverError("header not found");
  return block;
}

export function stateAt(chain: ChainApi, selector: BlockSelector): { block: ExecutedBlock; state: StateReader } {
  const block = blockAt(chain, selector);
  const state = chain.state(block);
  if (state === undefined) throw prunedState(block);
  return { block, state };
}

export function prunedState({ header }: ExecutedBlock): RpcError {
  const root = bytesToHex(header.stateRoot);
  return serverError(`historical state ${root} of block ${header.number} is not available: it was pruned`);
}
