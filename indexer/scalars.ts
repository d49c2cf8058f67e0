/** How values travel in GraphQL. Parsing refuses with a message that names the value; a `parse` failure is the client's. */
import { GraphQLError } from "graphql/index.js";
import { checksummed } from "../core/addresses.ts";
import { bytesToHex, type Hex, hexToBytes } from "../core/bytes.ts";

export const badInput = (message: string): GraphQLError =>
  new GraphQLError(message, { extensions: { code: "BAD_USER_INPUT" } });

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
};

/** Decimal string, so that no client rounds wei to a float. */
export const serializeBigInt = (value: bigint | number): string => value.toString();

export function parseBigInt(value: unknown): bigint {
  if (typeof value === "string" && /^(0|[1-9]\d{0,77})$/.test(value) && BigInt(value) < 2n ** 256n)
    return BigInt(value);
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  throw badInput(`BigInt must be a decimal string of a non-negative integer, not ${shown(value)}`);
}

export const serializeBytes = (value: Uint8Array): Hex => bytesToHex(value);

const MAX_BYTES = 1_024;

export function parseBytes(value: unknown): Uint8Array {
  if (
    typeof value === "string" &&
    value.length % 2 === 0 &&
    value.length <= 2 + 2 * MAX_BYTES &&
    /^0x[0-9a-fA-F]*$/.test(value)
  ) {
    return hexToBytes(value);
  }
  throw badInput(`Bytes must be hex of whole bytes with 0x before it, not ${shown(value)}`);
}

export const serializeAddress = checksummed;

/** EIP-55: all lower or all upper case says nothing, mixed case must be the checksum. */
export function parseAddress(value: unknown): Uint8Array {
  if (typeof value !== "string" || !/^0x[0-9a-fA-F]{40}$/.test(value)) {
    throw badInput(`Address must be 20 bytes of hex with 0x before it, not ${shown(value)}`);
  }
  const digits = value.slice(2);
  const plain = digits === digits.toLowerCase() || digits === digits.toUpperCase();
  const address = hexToBytes(value);
  const expected = checksummed(address);
  if (!plain && value !== expected) {
    throw badInput(`Address ${value} has a bad checksum: one of its characters is wrong (EIP-55 expects ${expected})`);
  }
  return address;
}

/** Unix seconds. */
export function parseTimestamp(value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw badInput(`Timestamp must be a whole number of seconds since 1970, not ${shown(value)}`);
}

/** Ids on chain are sequences from 1. */
export function parseId(value: string | number, what: string): number {
  const number = /^[1-9]\d{0,15}$/.test(String(value)) ? Number(value) : Number.NaN;
  if (Number.isSafeInteger(number)) return number;
  throw badInput(`${what} must be a positive integer, not ${shown(value)}`);
}
