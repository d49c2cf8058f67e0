/**
 * Deposits: transactions of type 0x7e, which L1 demands of L2 (OP Stack, specs/protocol/deposits.md).
 *
 *   raw        0x7e ‖ rlp([sourceHash, from, to | empty, mint, value, gas, isSystemTx, data]); hash = keccak256(raw)
 *   sourceHash keccak256(bytes32(domain) ‖ keccak256(l1BlockHash ‖ bytes32(x)))
 *                domain 0: a user's deposit, x = index of the log in its L1 block
 *                domain 1: the L1 attributes of an L2 block, x = its sequence number (l1-attributes.ts)
 */
import {
  bigIntToFixed,
  bytesToBigInt,
  bytesToHex,
  concatBytes,
  EMPTY_BYTES,
  equalsBytes,
  hexToBytes,
} from "../core/bytes.ts";
import type { Log } from "../core/chain.ts";
import { keccak256 } from "../core/crypto.ts";
import { RlpError, rlpDecode, rlpEncode, rlpFixed, rlpList, rlpString, rlpUint } from "../core/rlp.ts";

export const DEPOSIT_TYPE = 0x7e;

export interface Deposit {
  /** 32 bytes. */
  readonly sourceHash: Uint8Array;
  /** 20 bytes; aliased when a contract asked for the deposit. */
  readonly from: Uint8Array;
  /** Undefined for a creation. */
  readonly to: Uint8Array | undefined;
  readonly mintWei: bigint;
  readonly valueWei: bigint;
  readonly gasLimit: bigint;
  readonly isSystem: boolean;
  readonly data: Uint8Array;
}

/** Sizes in bytes. */
const UINT64 = 8;
const UINT256 = 32;

/** The envelope as it is hashed. Integers without leading zeros; false is the empty string, true the byte 1. */
export function encodeDeposit(deposit: Deposit): Uint8Array {
  const { sourceHash, from, to, mintWei, valueWei, gasLimit, isSystem, data } = deposit;
  const fields = [sourceHash, from, to ?? EMPTY_BYTES, mintWei, valueWei, gasLimit, isSystem ? 1n : 0n, data];
  return concatBytes(Uint8Array.of(DEPOSIT_TYPE), rlpEncode(fields));
}

/** Strict: what it accepts encodes to the same bytes again. Shares memory with `raw`. Throws RlpError. */
export function decodeDeposit(raw: Uint8Array): Deposit {
  if (raw[0] !== DEPOSIT_TYPE) throw new RlpError("deposit does not begin with 0x7e");
  const fields = rlpList(rlpDecode(raw, 1), "deposit");
  if (fields.length !== 8) throw new RlpError(`deposit has ${fields.length} fields instead of 8`);
  const to = rlpString(fields[2], 20, "to");
  const isSystem = rlpUint(fields[6], 1, "isSystemTx");
  if (isSystem > 1n) throw new RlpError(`isSystemTx is ${isSystem} instead of 0 or 1`);
  return {
    sourceHash: rlpFixed(fields[0], 32, "sourceHash"),
    from: rlpFixed(fields[1], 20, "from"),
    to: to.length === 0 ? undefined : rlpFixed(to, 20, "to"),
    mintWei: rlpUint(fields[3], UINT256, "mint"),
    valueWei: rlpUint(fields[4], UINT256, "value"),
    gasLimit: rlpUint(fields[5], UINT64, "gas"),
    isSystem: isSystem === 1n,
    data: rlpString(fields[7], raw.length, "data"),
  };
}

export type SourceDomain = "user" | "l1-attributes";
const DOMAIN_NUMBERS: Readonly<Record<SourceDomain, bigint>> = { user: 0n, "l1-attributes": 1n };

/** `index`: the log's index in the L1 block for a user's deposit, the sequence number for L1 attributes. */
export function sourceHash(domain: SourceDomain, l1BlockHash: Uint8Array, index: bigint): Uint8Array {
  const id = keccak256(l1BlockHash, bigIntToFixed(index, 32));
  return keccak256(bigIntToFixed(DOMAIN_NUMBERS[domain], 32), id);
}

/** keccak256("TransactionDeposited(address,address,uint256,bytes)"): the first topic of the portal's event. */
export const DEPOSITED_TOPIC = hexToBytes("0xb3813568d9991fc951961fcb4c784893574240a28925604d09fc577c55bb7c32");

/** A log with the event's topic that is not as the portal emits it: it is not the portal's, or a defect. */
export class DepositLogError extends Error {
  constructor(message: string) {
    super(`TransactionDeposited: ${message}`);
    this.name = "DepositLogError";
  }
}

/** mint, value, gas, isCreation. */
const FIXED_BYTES = 32 + 32 + 8 + 1;

/**
 * The deposit that a log of the portal demands. `TransactionDeposited(address indexed from, address indexed to, uint256
 * indexed version, bytes opaqueData)`, version 0: opaqueData = mint(32) ‖ value(32) ‖ gas(8) ‖ isCreation(1) ‖ data.
 * `logIndex`: in its L1 block. The caller has checked that the portal emitted it. Throws DepositLogError.
 */
export function depositFromLog(log: Log, l1BlockHash: Uint8Array, logIndex: number): Deposit {
  const [topic, from, to, version] = log.topics;
  if (log.topics.length !== 4 || !equalsBytes(topic!, DEPOSITED_TOPIC)) {
    throw new DepositLogError(`${log.topics.length} topics, the first is ${topic && bytesToHex(topic)}`);
  }
  if (bytesToBigInt(version!) !== 0n) throw new DepositLogError(`version ${bytesToHex(version!)} is not known`);
  const opaque = abiBytes(log.data);
  if (opaque.length < FIXED_BYTES) throw new DepositLogError(`opaqueData has ${opaque.length} bytes`);
  const isCreation = opaque[72]!;
  if (isCreation > 1) throw new DepositLogError(`isCreation is ${isCreation} instead of 0 or 1`);
  return {
    sourceHash: sourceHash("user", l1BlockHash, BigInt(logIndex)),
    from: addressOf(from!, "from"),
    to: isCreation === 1 ? undefined : addressOf(to!, "to"),
    mintWei: bytesToBigInt(opaque.subarray(0, 32)),
    valueWei: bytesToBigInt(opaque.subarray(32, 64)),
    gasLimit: bytesToBigInt(opaque.subarray(64, 72)),
    isSystem: false,
    data: opaque.slice(FIXED_BYTES),
  };
}

/** The one argument of `abi.encode(bytes)`: offset 32, length, content padded with zeros to whole words. */
function abiBytes(data: Uint8Array): Uint8Array {
  const offset = data.length < 64 ? undefined : bytesToBigInt(data.subarray(0, 32));
  const length = offset === 32n ? bytesToBigInt(data.subarray(32, 64)) : undefined;
  if (
    length === undefined ||
    length > BigInt(data.length) ||
    data.length !== 64 + 32 * Math.ceil(Number(length) / 32)
  ) {
    throw new DepositLogError("its data is not the ABI encoding of one bytes value");
  }
  const end = 64 + Number(length);
  if (data.subarray(end).some((byte) => byte !== 0)) throw new DepositLogError("its padding is not zero");
  return data.subarray(64, end);
}

function addressOf(topic: Uint8Array, name: string): Uint8Array {
  if (topic.subarray(0, 12).some((byte) => byte !== 0)) throw new DepositLogError(`${name} is no address`);
  return topic.slice(12);
}
