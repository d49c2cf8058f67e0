/**
 * What the state says of L1. Storage of the L1Block predeploy (OP Stack, Isthmus), integers big-endian in 32-byte slots:
 *
 *   0  timestamp (uint64) ‖ number (uint64), the low 16 bytes
 *   1  basefee
 *   2  hash
 *   3  baseFeeScalar (uint32) ‖ blobBaseFeeScalar (uint32) ‖ sequenceNumber (uint64), the low 16 bytes
 *   4  batcherHash: zero
 *   7  blobBaseFee
 *   8  operator fee: zero
 */
import { L1_BLOCK_ADDRESS, type L1Attributes } from "../../bridge/l1-attributes.ts";
import { PARAMETERS_ADDRESS } from "../../core/addresses.ts";
import { bigIntToFixed, bytesToBigInt, padTo32 } from "../../core/bytes.ts";
import { MAX_L1_FEE_SCALAR, PARAMETER_SLOTS, type Parameters } from "../../core/parameters.ts";
import type { StateReader } from "../state/types.ts";

const UINT64 = 64;
const UINT32 = 32;

/** Of the block that the state is after. All zero where there is no L1. */
export function readL1Origin(state: StateReader): L1Attributes {
  const read = (slot: bigint): Uint8Array => padTo32(state.storage(L1_BLOCK_ADDRESS, bigIntToFixed(slot, 32)));
  const uint = (slot: bigint): bigint => bytesToBigInt(read(slot));
  const place = uint(0n);
  const scalars = uint(3n);
  return {
    number: BigInt.asUintN(UINT64, place),
    timestamp: BigInt.asUintN(UINT64, place >> 64n),
    baseFeeWei: uint(1n),
    hash: read(2n),
    sequenceNumber: BigInt.asUintN(UINT64, scalars),
    blobBaseFeeScalar: BigInt.asUintN(UINT32, scalars >> 64n),
    baseFeeScalar: BigInt.asUintN(UINT32, scalars >> 96n),
    blobBaseFeeWei: uint(7n),
  };
}

export type L1FeeScalars = Pick<L1Attributes, "baseFeeScalar" | "blobBaseFeeScalar">;

/** The governed scalars that the L1 attributes of the next block carry. `state`: after the parent. */
export function readL1FeeScalars(state: StateReader): L1FeeScalars {
  const scalar = (name: keyof Parameters): bigint => {
    const slot = bigIntToFixed(BigInt(PARAMETER_SLOTS.indexOf(name)), 32);
    const value = bytesToBigInt(padTo32(state.storage(PARAMETERS_ADDRESS, slot)));
    return value > MAX_L1_FEE_SCALAR ? MAX_L1_FEE_SCALAR : value;
  };
  return { baseFeeScalar: scalar("l1BaseFeeScalar"), blobBaseFeeScalar: scalar("l1BlobBaseFeeScalar") };
}
