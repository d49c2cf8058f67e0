/** L1's JSON as bytes and integers. Whatever is malformed is an EndpointError: its endpoint does not speak Ethereum. */

import { hashL1Header, type L1Header } from "../../bridge/l1-header.ts";
import { concatBytes, EMPTY_BYTES, equalsBytes, hexToBytes } from "../../core/bytes.ts";
import type { Log } from "../../core/chain.ts";
import { rlpEncode } from "../../core/rlp.ts";
import { EndpointError } from "./endpoint.ts";

type Fields = Readonly<Record<string, unknown>>;

const HEX = /^0x([0-9a-f]{2})*$/i;
const QUANTITY = /^0x[0-9a-f]{1,64}$/i;

export function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed(`${what} is no object`);
  return value as Fields;
}

export function listOf(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed(`${what} is no list`);
  return value;
}

/** `length`: exactly this many bytes; absent: any. */
export function bytesOf(value: unknown, what: string, length?: number): Uint8Array {
  if (typeof value !== "string" || !HEX.test(value)) throw malformed(`${what} is no hex string`);
  if (length !== undefined && value.length !== 2 + 2 * length) throw malformed(`${what} has not ${length} bytes`);
  return value.length === 2 ? EMPTY_BYTES : hexToBytes(value as `0x${string}`);
}

export function quantityOf(value: unknown, what: string): bigint {
  if (typeof value !== "string" || !QUANTITY.test(value)) throw malformed(`${what} is no quantity`);
  return BigInt(value);
}

const malformed = (why: string): EndpointError => new EndpointError(why, { isLie: true });

/** A header whose hash follows from its fields. */
export interface VerifiedHeader {
  readonly header: L1Header;
  /** 32 bytes. */
  readonly hash: Uint8Array;
  /** As the endpoint says; not verified by the hash. */
  readonly transactionHashes: readonly unknown[];
}

/** From a block with or without its transactions. Throws EndpointError when the hash is another. */
export function headerOf(value: unknown): VerifiedHeader {
  const block = fieldsOf(value, "block");
  const bytes = (name: string, length?: number) => bytesOf(block[name], name, length);
  const uint = (name: string) => quantityOf(block[name], name);
  const isThere = (name: string) => block[name] !== undefined && block[name] !== null;
  const header: L1Header = {
    parentHash: bytes("parentHash", 32),
    uncleHash: bytes("sha3Uncles", 32),
    coinbase: bytes("miner", 20),
    stateRoot: bytes("stateRoot", 32),
    transactionsRoot: bytes("transactionsRoot", 32),
    receiptsRoot: bytes("receiptsRoot", 32),
    logsBloom: bytes("logsBloom", 256),
    difficulty: uint("difficulty"),
    number: uint("number"),
    gasLimit: uint("gasLimit"),
    gasUsed: uint("gasUsed"),
    timestamp: uint("timestamp"),
    extraData: bytes("extraData"),
    mixHash: bytes("mixHash", 32),
    nonce: bytes("nonce", 8),
    baseFeePerGas: isThere("baseFeePerGas") ? uint("baseFeePerGas") : undefined,
    withdrawalsRoot: isThere("withdrawalsRoot") ? bytes("withdrawalsRoot", 32) : undefined,
    blobGasUsed: isThere("blobGasUsed") ? uint("blobGasUsed") : undefined,
    excessBlobGas: isThere("excessBlobGas") ? uint("excessBlobGas") : undefined,
    parentBeaconBlockRoot: isThere("parentBeaconBlockRoot") ? bytes("parentBeaconBlockRoot", 32) : undefined,
    requestsHash: isThere("requestsHash") ? bytes("requestsHash", 32) : undefined,
  };
  const hash = bytes("hash", 32);
  const computed = hashL1Header(header);
  if (computed === undefined || !equalsBytes(computed, hash)) {
    throw malformed(`block ${header.number} does not hash to what it is called`);
  }
  return { header, hash, transactionHashes: listOf(block.transactions, "transactions") };
}

export interface L1Receipt {
  /** As the receipts' trie holds it (EIP-2718). */
  readonly encoded: Uint8Array;
  readonly logs: readonly Log[];
}

/** The type byte of legacy receipts is not written; before Byzantium a receipt has a root in place of the status. */
export function receiptOf(value: unknown): L1Receipt {
  const receipt = fieldsOf(value, "receipt");
  const type = receipt.type === undefined || receipt.type === null ? 0n : quantityOf(receipt.type, "type");
  if (type > 0x7fn) throw malformed(`receipt of type ${type}`);
  const status =
    typeof receipt.status === "string" ? quantityOf(receipt.status, "status") : bytesOf(receipt.root, "root", 32);
  const logs = listOf(receipt.logs, "logs").map((item): Log => {
    const log = fieldsOf(item, "log");
    return {
      address: bytesOf(log.address, "address", 20),
      topics: listOf(log.topics, "topics").map((topic) => bytesOf(topic, "topic", 32)),
      data: bytesOf(log.data, "data"),
    };
  });
  const body = rlpEncode([
    status,
    quantityOf(receipt.cumulativeGasUsed, "cumulativeGasUsed"),
    bytesOf(receipt.logsBloom, "logsBloom", 256),
    logs.map(({ address, topics, data }) => [address, topics, data]),
  ]);
  return { encoded: type === 0n ? body : concatBytes(Uint8Array.of(Number(type)), body), logs };
}
