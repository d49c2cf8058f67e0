/** What the definitions share: noble's Keccak, fixed-width integers, and the shape of RFC 6962's trees. */
import { keccak_256 } from "@noble/hashes/sha3.js";

export type Hash = Uint8Array;

export const keccak = (...parts: readonly Uint8Array[]): Hash => keccak_256(Buffer.concat(parts));
export const tagged = (tag: number, ...parts: readonly Uint8Array[]): Hash => keccak(Buffer.of(tag), ...parts);
/** Big-endian, `size` bytes. */
export const uint = (value: number, size: number): Uint8Array =>
  Buffer.from(value.toString(16).padStart(2 * size, "0"), "hex");
export const hex = (bytes: Uint8Array): `0x${string}` => `0x${Buffer.from(bytes).toString("hex")}`;
export const bytesOf = (value: string): Uint8Array => Buffer.from(value.slice(2), "hex");

/** Leaves of the left subtree of `count` > 1: the largest power of two below it. */
export const leftCount = (count: number): number => 2 ** (Math.ceil(Math.log2(count)) - 1);
