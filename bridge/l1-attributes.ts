/**
 * What an L2 block says of its L1 origin: its first transaction, a deposit to the L1Block predeploy (OP Stack,
 * specs/protocol/isthmus/l1-attributes.md). Calldata, 176 packed bytes, big-endian:
 *
 *     0 selector 0x098999be            36 basefee (uint256)
 *     4 baseFeeScalar (uint32)         68 blobBaseFee (uint256)
 *     8 blobBaseFeeScalar (uint32)    100 hash (bytes32)
 *    12 sequenceNumber (uint64)       132 batcherHash (bytes32): zero, anybody may post batches
 *    20 timestamp (uint64)            164 operatorFeeScalar (uint32): zero
 *    28 number (uint64)               168 operatorFeeConstant (uint64): zero
 */
import { DEPOSITOR_ADDRESS } from "../core/addresses.ts";
import { bigIntToFixed, bytesToBigInt, concatBytes, equalsBytes, hexToBytes } from "../core/bytes.ts";
import { type Deposit, sourceHash } from "./deposit.ts";

export interface L1Attributes {
  /** Of the L1 block. */
  readonly number: bigint;
  /** 32 bytes. */
  readonly hash: Uint8Array;
  /** Unix seconds. */
  readonly timestamp: bigint;
  readonly baseFeeWei: bigint;
  readonly blobBaseFeeWei: bigint;
  /** How many L2 blocks before this one have the same origin. */
  readonly sequenceNumber: bigint;
  /** Of the L1 data fee, parts per million. */
  readonly baseFeeScalar: bigint;
  readonly blobBaseFeeScalar: bigint;
}

/** The predeploy that keeps them. */
export const L1_BLOCK_ADDRESS = hexToBytes("0x4200000000000000000000000000000000000015");

const SELECTOR = hexToBytes("0x098999be");
const CALLDATA_BYTES = 176;
const GAS_LIMIT = 1_000_000n;
/** batcherHash, operatorFeeScalar, operatorFeeConstant. */
const UNUSED = new Uint8Array(44);

/** Throws RangeError when a value does not fit its field. */
export function attributesDeposit(attributes: L1Attributes): Deposit {
  const { hash, sequenceNumber } = attributes;
  return {
    sourceHash: sourceHash("l1-attributes", hash, sequenceNumber),
    from: DEPOSITOR_ADDRESS,
    to: L1_BLOCK_ADDRESS,
    mintWei: 0n,
    valueWei: 0n,
    gasLimit: GAS_LIMIT,
    isSystem: false,
    data: concatBytes(
      SELECTOR,
      bigIntToFixed(attributes.baseFeeScalar, 4),
      bigIntToFixed(attributes.blobBaseFeeScalar, 4),
      bigIntToFixed(sequenceNumber, 8),
      bigIntToFixed(attributes.timestamp, 8),
      bigIntToFixed(attributes.number, 8),
      bigIntToFixed(attributes.baseFeeWei, 32),
      bigIntToFixed(attributes.blobBaseFeeWei, 32),
      hash,
      UNUSED,
    ),
  };
}

export type AttributesDecoding =
  | { readonly ok: true; readonly attributes: L1Attributes }
  | { readonly ok: false; readonly reason: string };

type Carrier = Pick<Deposit, "from" | "to" | "mintWei" | "valueWei" | "gasLimit" | "isSystem" | "data" | "sourceHash">;

/** Strict: what it accepts is what `attributesDeposit` makes of the result. */
export function decodeAttributes(deposit: Carrier): AttributesDecoding {
  const { from, to, data } = deposit;
  if (!equalsBytes(from, DEPOSITOR_ADDRESS) || to === undefined || !equalsBytes(to, L1_BLOCK_ADDRESS)) {
    return refuse("they are not from the depositor account to the L1Block predeploy");
  }
  if (deposit.mintWei !== 0n || deposit.valueWei !== 0n || deposit.isSystem || deposit.gasLimit !== GAS_LIMIT) {
    return refuse(`they mint, send value, are a system transaction or have another gas limit than ${GAS_LIMIT}`);
  }
  if (data.length !== CALLDATA_BYTES || !equalsBytes(data.subarray(0, 4), SELECTOR)) {
    return refuse(`their calldata is not ${CALLDATA_BYTES} bytes of the Isthmus layout`);
  }
  if (!equalsBytes(data.subarray(132), UNUSED)) return refuse("batcher hash or operator fee is not zero");
  const uint = (start: number, end: number): bigint => bytesToBigInt(data.subarray(start, end));
  const attributes: L1Attributes = {
    baseFeeScalar: uint(4, 8),
    blobBaseFeeScalar: uint(8, 12),
    sequenceNumber: uint(12, 20),
    timestamp: uint(20, 28),
    number: uint(28, 36),
    baseFeeWei: uint(36, 68),
    blobBaseFeeWei: uint(68, 100),
    hash: data.slice(100, 132),
  };
  if (!equalsBytes(deposit.sourceHash, sourceHash("l1-attributes", attributes.hash, attributes.sequenceNumber))) {
    return refuse("their source hash does not follow from origin and sequence number");
  }
  return { ok: true, attributes };
}

const refuse = (reason: string): AttributesDecoding => ({ ok: false, reason: `L1 attributes: ${reason}` });
