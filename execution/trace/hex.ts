/** Values as traces show them. */
import { bigIntToFixed, bytesToHex, type Hex, padTo32 } from "../../core/bytes.ts";

export const quantity = (value: bigint): Hex => `0x${value.toString(16)}`;

export const wordBytes = (value: bigint): Uint8Array => bigIntToFixed(value, 32);

export const wordHex = (value: bigint): Hex => bytesToHex(wordBytes(value));

/** At most 32 bytes, as 32. */
export const paddedHex = (value: Uint8Array): Hex => bytesToHex(padTo32(value));
