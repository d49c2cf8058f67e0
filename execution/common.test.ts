import { ecrecover as reference } from "@ethereumjs/util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bigIntToFixed } from "../core/bytes.ts";
import { ecdsaSign } from "../core/crypto.ts";
import { ecrecover } from "./common.ts";

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const word = fc.uint8Array({ minLength: 32, maxLength: 32 });
const edge = fc.constantFrom(0n, 1n, ORDER - 1n, ORDER, 2n ** 256n - 1n).map((value) => bigIntToFixed(value, 32));

function outcome(recover: typeof reference, ...args: Parameters<typeof reference>): string {
  try {
    return Buffer.from(recover(...args)).toString("hex");
  } catch {
    return "refused";
  }
}

describe("ecrecover", () => {
  test("recovers what ethereumjs recovers, and refuses what it refuses", () => {
    fc.assert(
      fc.property(word, fc.constantFrom(27n, 28n), fc.oneof(word, edge), fc.oneof(word, edge), (digest, v, r, s) => {
        expect(outcome(ecrecover, digest, v, r, s)).toBe(outcome(reference, digest, v, r, s));
      }),
    );
  });

  test("takes every form of v that ethereumjs takes", () => {
    const digest = new Uint8Array(32).fill(7);
    const { r, s, yParity } = ecdsaSign(digest, new Uint8Array(32).fill(1));
    const key = outcome(reference, digest, BigInt(27 + yParity), r, s);
    expect(key).toHaveLength(128);
    expect(outcome(ecrecover, digest, BigInt(27 + yParity), r, s)).toBe(key);
    expect(outcome(ecrecover, digest, BigInt(yParity), r, s)).toBe(key);
    expect(outcome(ecrecover, digest, 161_299n * 2n + 35n + BigInt(yParity), r, s, 161_299n)).toBe(key);
  });
});
