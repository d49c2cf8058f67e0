/** Revert data in words, as viem decodes them. */
import fc from "fast-check";
import { type Abi, type AbiParameter, decodeErrorResult, encodeErrorResult } from "viem";
import { describe, expect, test } from "vitest";
import { bigIntToFixed, bytesToHex, concatBytes, hexToBytes } from "../../core/bytes.ts";
import { revertReason as encodeReason } from "../../core/revert-reason.ts";
import { attributionAbi } from "../../precompiles/interfaces/attribution.abi.ts";
import { datanetAbi } from "../../precompiles/interfaces/datanet.abi.ts";
import { modelsAbi } from "../../precompiles/interfaces/models.abi.ts";
import { callError, solidityRevertReason } from "./revert.ts";

const ERRORS: Abi = [...datanetAbi, ...modelsAbi, ...attributionAbi].filter((item) => item.type === "error");

const messageOf = (output: Uint8Array): string =>
  callError({ ok: false, output, gasUsed: 1n, reason: "execution reverted" }).message;

/** Of custom errors and of Error(string). */
function viemsMessage(output: Uint8Array): string {
  try {
    const { errorName, args } = decodeErrorResult({ abi: ERRORS, data: bytesToHex(output) });
    const values: readonly unknown[] = args ?? [];
    return `execution reverted: ${errorName === "Error" ? values[0] : `${errorName}(${values.map(String).join(", ")})`}`;
  } catch {
    return "execution reverted";
  }
}

const anyOf = ({ type }: AbiParameter): fc.Arbitrary<unknown> => {
  if (type === "address") return fc.uint8Array({ minLength: 20, maxLength: 20 }).map((bytes) => bytesToHex(bytes));
  if (type === "bytes32") return fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => bytesToHex(bytes));
  const bits = Number(type.replace("uint", ""));
  return fc.bigInt(0n, 2n ** BigInt(bits) - 1n).map((value) => (bits <= 48 ? Number(value) : value));
};

const customError = fc.constantFrom(...ERRORS).chain((item) => {
  if (item.type !== "error") throw new Error("filtered above");
  const { name, inputs } = item;
  return fc
    .tuple(...inputs.map(anyOf))
    .map((args) => hexToBytes(encodeErrorResult({ abi: [item], errorName: name, args } as never)));
});

describe("the message of a revert", () => {
  test("custom errors of the precompiles are viem's", () => {
    fc.assert(
      fc.property(customError, (output) => {
        expect(messageOf(output)).toBe(viemsMessage(output));
      }),
    );
  });

  test("Error(string) is viem's, whatever stands after it and between its words", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 100 });
    fc.assert(
      fc.property(text, fc.uint8Array({ maxLength: 70 }), fc.nat(2), (text, after, gapWords) => {
        const made = encodeReason(text);
        const gap = new Uint8Array(32 * gapWords);
        const head = concatBytes(made.subarray(0, 4), bigIntToFixed(BigInt(32 * (1 + gapWords)), 32));
        const output = concatBytes(head, gap, made.subarray(36), after);
        expect(messageOf(output)).toBe(`execution reverted: ${text}`);
        expect(solidityRevertReason(output)).toBe(text);
      }),
    );
  });

  test("damaged data have no words, and never fail", () => {
    const damage = fc.record({ at: fc.nat(200), byte: fc.nat(255), length: fc.nat(200) });
    const whole = fc.oneof(customError, fc.string({ maxLength: 60 }).map(encodeReason), fc.uint8Array());
    fc.assert(
      fc.property(whole, damage, (output, { at, byte, length }) => {
        const damaged = output.slice(0, length);
        if (at < damaged.length) damaged[at] = byte;
        expect(messageOf(damaged)).toMatch(/^execution reverted/);
      }),
    );
    for (const bad of [
      "0x08c379a0",
      `0x08c379a0${"ff".repeat(64)}`,
      `0x08c379a0${"00".repeat(31)}20${"ff".repeat(32)}`,
    ]) {
      expect(messageOf(hexToBytes(bad as `0x${string}`))).toBe("execution reverted");
    }
  });

  test("long reasons are cut, by characters", () => {
    expect(messageOf(encodeReason("x".repeat(1_024)))).toBe(`execution reverted: ${"x".repeat(1_024)}`);
    expect(messageOf(encodeReason("x".repeat(100_000)))).toBe(`execution reverted: ${"x".repeat(1_024)}...`);
    expect(messageOf(encodeReason("€".repeat(1_024)))).toBe(`execution reverted: ${"€".repeat(1_024)}`);
    expect(messageOf(encodeReason("€".repeat(1_025)))).toBe(`execution reverted: ${"€".repeat(1_024)}...`);
  });

  test("panics in geth's words", () => {
    const panic = (code: bigint) => messageOf(concatBytes(hexToBytes("0x4e487b71"), bigIntToFixed(code, 32)));
    expect(panic(0x11n)).toBe("execution reverted: arithmetic underflow or overflow");
    expect(panic(0x99n)).toBe("execution reverted: unknown panic code: 0x99");
    expect(messageOf(hexToBytes("0x4e487b7100"))).toBe("execution reverted");
  });
});
