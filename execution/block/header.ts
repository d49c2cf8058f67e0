/** Block headers: Ethereum's 21 fields since Prague, their RLP and hash. */
import { hexToBytes } from "../../core/bytes.ts";
import type { Header } from "../../core/chain.ts";
import { keccak256 } from "../../core/crypto.ts";
import {
  RlpError,
  type RlpInput,
  type RlpItem,
  rlpEncode,
  rlpFixed,
  rlpList,
  rlpString,
  rlpUint,
} from "../../core/rlp.ts";

/** Larger ones are invalid, as on Ethereum. */
export const MAX_EXTRA_DATA_BYTES = 32;

/** Fields that are the same in every block: there is no mining, there are no blobs and no execution-layer requests. */
export const protocolFields = {
  /** keccak(rlp([])). */
  uncleHash: keccak256(rlpEncode([])),
  difficulty: 0n,
  nonce: new Uint8Array(8),
  blobGasUsed: 0n,
  excessBlobGas: 0n,
  /** EIP-7685: sha256 of nothing. */
  requestsHash: hexToBytes("0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
} as const satisfies Partial<Header>;

export function encodeHeader(header: Header): Uint8Array {
  return rlpEncode(headerFields(header).slice(0, header.fieldCount));
}

export function hashHeader(header: Header): Uint8Array {
  return keccak256(encodeHeader(header));
}

/** Throws RlpError naming the field that is malformed. */
export function headerFromRlp(item: RlpItem): Header {
  const fields = rlpList(item, "header");
  if (fields.length !== 21) throw new RlpError(`header has ${fields.length} fields instead of 21`);
  let next = 0;
  const fixed = (length: number, field: string) => rlpFixed(fields[next++], length, field);
  const uint = (maxLength: number, field: string) => rlpUint(fields[next++], maxLength, field);
  return {
    parentHash: fixed(32, "parentHash"),
    uncleHash: fixed(32, "uncleHash"),
    coinbase: fixed(20, "coinbase"),
    stateRoot: fixed(32, "stateRoot"),
    transactionsRoot: fixed(32, "transactionsRoot"),
    receiptsRoot: fixed(32, "receiptsRoot"),
    logsBloom: fixed(256, "logsBloom"),
    difficulty: uint(32, "difficulty"),
    number: uint(8, "number"),
    gasLimit: uint(8, "gasLimit"),
    gasUsed: uint(8, "gasUsed"),
    timestamp: uint(8, "timestamp"),
    extraData: rlpString(fields[next++], MAX_EXTRA_DATA_BYTES, "extraData"),
    prevRandao: fixed(32, "prevRandao"),
    nonce: fixed(8, "nonce"),
    baseFeePerGas: uint(32, "baseFeePerGas"),
    withdrawalsRoot: fixed(32, "withdrawalsRoot"),
    blobGasUsed: uint(8, "blobGasUsed"),
    excessBlobGas: uint(8, "excessBlobGas"),
    parentBeaconBlockRoot: fixed(32, "parentBeaconBlockRoot"),
    requestsHash: fixed(32, "requestsHash"),
  };
}

/** What a search among blocks looks at, of a header of any fork. Throws RlpError. */
export function headerSummaryFromRlp(item: RlpItem): Pick<Header, "number" | "timestamp" | "logsBloom"> {
  const fields = rlpList(item, "header");
  return {
    logsBloom: rlpFixed(fields[6], 256, "logsBloom"),
    number: rlpUint(fields[8], 8, "number"),
    timestamp: rlpUint(fields[11], 8, "timestamp"),
  };
}

function headerFields(header: Header): RlpInput[] {
  return [
    header.parentHash,
    header.uncleHash,
    header.coinbase,
    header.stateRoot,
    header.transactionsRoot,
    header.receiptsRoot,
    header.logsBloom,
    header.difficulty,
    header.number,
    header.gasLimit,
    header.gasUsed,
    header.timestamp,
    header.extraData,
    header.prevRandao,
    header.nonce,
    header.baseFeePerGas,
    header.withdrawalsRoot,
    header.blobGasUsed,
    header.excessBlobGas,
    header.parentBeaconBlockRoot,
    header.requestsHash,
    ...(header.blockAccessListHash === undefined ? [] : [header.blockAccessListHash, header.slotNumber ?? 0n]),
  ];
}
