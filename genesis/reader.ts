/** Reads JSON against expectations and collects every problem, so that a file is mended in one go. */
import { type Hex, hexToBytes } from "../core/bytes.ts";

export type Json = unknown;
export type JsonObject = { readonly [key: string]: Json };

export class Reader {
  readonly problems: string[] = [];

  object(value: Json, path: string, known?: readonly string[]): JsonObject {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      this.problems.push(`${path} must be an object`);
      return {};
    }
    for (const key of Object.keys(value)) {
      if (known !== undefined && !known.includes(key)) this.problems.push(`${path}.${key} is unknown`);
    }
    return value as JsonObject;
  }

  list(value: Json, path: string): readonly Json[] {
    if (Array.isArray(value)) return value;
    this.problems.push(`${path} must be a list`);
    return [];
  }

  text(value: Json, path: string): string {
    if (typeof value === "string" && value.length > 0) return value;
    this.problems.push(`${path} must be a non-empty string`);
    return "";
  }

  /** A decimal or 0x string, or a safe integer; 0 ≤ value < 2^256. */
  integer(value: Json, path: string): bigint {
    const isText = typeof value === "string" && /^(0x[0-9a-fA-F]{1,64}|[0-9]{1,78})$/.test(value);
    if (isText || (typeof value === "number" && Number.isSafeInteger(value) && value >= 0)) {
      const parsed = BigInt(value as string | number);
      if (parsed < 1n << 256n) return parsed;
    }
    this.problems.push(`${path} must be an unsigned integer of at most 256 bits`);
    return 0n;
  }

  bytes(value: Json, path: string, length?: number): Uint8Array {
    if (typeof value === "string" && /^0x([0-9a-fA-F]{2})*$/.test(value)) {
      const parsed = hexToBytes(value as Hex);
      if (length === undefined || parsed.length === length) return parsed;
    }
    this.problems.push(`${path} must be 0x-prefixed hex${length === undefined ? "" : ` of ${length} bytes`}`);
    return new Uint8Array(length ?? 0);
  }
}
