import * as fc from "fast-check";
import {
  type Abi,
  type AbiFunction,
  type AbiParameter,
  decodeAbiParameters,
  decodeErrorResult,
  decodeEventLog,
  encodeAbiParameters,
  encodeErrorResult,
  type Hex,
  toEventSelector,
  toFunctionSelector,
} from "viem";
import { describe, expect, test } from "vitest";
import { bytesToHex, EMPTY_BYTES, hexToBytes } from "../core/bytes.ts";
import type { PrecompileContext } from "../core/precompile.ts";
import { abiArbitrary, ENUMS } from "../test/helpers/abi-arbitrary.ts";
import { compileList, decode, encode, NonCanonical, type Param } from "./codec.ts";
import { defineInterface } from "./interface.ts";
import { attributionAbi } from "./interfaces/attribution.abi.ts";
import { datanetAbi } from "./interfaces/datanet.abi.ts";
import { modelsAbi } from "./interfaces/models.abi.ts";

const ABIS: readonly Abi[] = [datanetAbi, modelsAbi, attributionAbi];
const functions = ABIS.flatMap((abi) => abi.filter((item): item is AbiFunction => item.type === "function"));

/** Parameters of a function, or what it returns, with values for them. */
const call = (...sides: ("inputs" | "outputs")[]) =>
  fc
    .tuple(fc.constantFrom(...functions), fc.constantFrom(...sides))
    .map(([item, side]) => item[side])
    .chain((params) => fc.tuple(fc.constant(params), fc.tuple(...params.map((param) => abiArbitrary(param)))));

const listOf = (params: readonly AbiParameter[]) => compileList(params as readonly Param[], ENUMS);

/** Refused, or the same bytes again. */
function refusedOrCanonical(params: readonly AbiParameter[], data: Uint8Array): boolean {
  const codec = listOf(params);
  let value: unknown;
  try {
    value = decode(codec, data, 0);
  } catch (error) {
    if (error instanceof NonCanonical) return false;
    throw error;
  }
  expect(bytesToHex(encode(codec, value, EMPTY_BYTES))).toBe(bytesToHex(data));
  return true;
}

describe("against viem", () => {
  test("what viem encodes decodes, and encodes back to the same bytes", () => {
    fc.assert(
      fc.property(call("inputs", "outputs"), ([params, args]) => {
        expect(refusedOrCanonical(params, hexToBytes(encodeAbiParameters(params, args)))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("values arrive in their fields", () => {
    const params = attributionAbi.find((item) => item.type === "function" && item.name === "commitOutputs")!.inputs;
    const spans = [{ outputStart: 1, length: 2 ** 32 - 1, contribution: 2n ** 64n - 1n, contentOffset: 5n }];
    const root = `0x${"ab".repeat(32)}` as const;
    const answer = { inferenceId: 2n ** 256n - 1n, outputRoot: root, outputBytes: 7, output: "0x0102", spans };
    const data = encodeAbiParameters(params as readonly AbiParameter[], [[{ ...answer, signature: "0x" }]]);
    const decoded = {
      ...answer,
      outputRoot: hexToBytes(root),
      output: Uint8Array.of(1, 2),
      signature: new Uint8Array(0),
    };
    expect(decode(listOf(params as readonly AbiParameter[]), hexToBytes(data), 0)).toEqual({ answers: [decoded] });
  });

  test("selectors, topics and custom errors", () => {
    const { emit, error, precompile } = defineInterface(datanetAbi, ENUMS);
    const thrown = error("LicenceConflict", { contributionLicence: 3, datanetLicence: 255 });
    expect(bytesToHex(thrown.data)).toBe(
      encodeErrorResult({ abi: datanetAbi, errorName: "LicenceConflict", args: [3, 255] }),
    );
    expect(decodeErrorResult({ abi: datanetAbi, data: bytesToHex(thrown.data) })).toMatchObject({ args: [3, 255] });

    const logs: { topics: readonly Uint8Array[]; data: Uint8Array }[] = [];
    const context = { log: (topics: readonly Uint8Array[], data: Uint8Array) => logs.push({ topics, data }) };
    const root = new Uint8Array(32).fill(9);
    emit(context as unknown as PrecompileContext, "VersionPublished", { datanetId: 3n, version: 2, count: 7, root });
    const [signature, ...indexed] = logs[0]!.topics.map(bytesToHex) as [Hex, ...Hex[]];
    expect(signature).toBe(toEventSelector("VersionPublished(uint256,uint32,uint32,bytes32)"));
    const decoded = decodeEventLog({
      abi: datanetAbi,
      topics: [signature, ...indexed],
      data: bytesToHex(logs[0]!.data),
    });
    expect(decoded.args).toEqual({ datanetId: 3n, version: 2, count: 7, root: bytesToHex(root) });

    const handlers = new Proxy({}, { get: (_, name) => () => (name === "datanetCount" ? 5n : undefined) });
    const built = precompile("x", new Uint8Array(20), handlers as Parameters<typeof precompile>[2]);
    const frame = { useGas: () => {}, value: 0n, isStatic: true } as unknown as PrecompileContext;
    const selector = toFunctionSelector("datanetCount()");
    const answer = bytesToHex(built.run(frame, hexToBytes(selector)));
    expect(decodeAbiParameters([{ type: "uint256" }], answer)).toEqual([5n]);
  });
});

describe("strictness", () => {
  test("mutated calldata is refused or means exactly its bytes", () => {
    const mutation = fc.record({
      at: fc.nat(4_000),
      byte: fc.nat(255),
      cut: fc.option(fc.nat(200)),
      extra: fc.uint8Array({ maxLength: 40 }),
    });
    let refused = 0;
    fc.assert(
      fc.property(call("inputs"), mutation, ([params, args], { at, byte, cut, extra }) => {
        const data = hexToBytes(encodeAbiParameters(params, args));
        if (data.length > 0) data[at % data.length] = byte;
        const kept = cut === null ? data : data.subarray(0, Math.max(0, data.length - cut));
        const mutated = new Uint8Array([...kept, ...extra]);
        if (!refusedOrCanonical(params, mutated)) refused++;
      }),
      { numRuns: 1_000 },
    );
    expect(refused).toBeGreaterThan(300);
  });

  test("random bytes never do anything else", () => {
    fc.assert(
      fc.property(fc.constantFrom(...functions), fc.uint8Array({ maxLength: 400 }), (item, data) => {
        refusedOrCanonical(item.inputs, data);
      }),
      { numRuns: 500 },
    );
  });

  const word = (hex: string): string => hex.padStart(64, "0");
  const cases: readonly (readonly [string, readonly Param[], string])[] = [
    ["bool 2", [{ name: "a", type: "bool" }], word("2")],
    ["dirty address", [{ name: "a", type: "address" }], `01${"00".repeat(31)}`],
    ["uint8 256", [{ name: "a", type: "uint8" }], word("100")],
    ["uint64 2^64", [{ name: "a", type: "uint64" }], word("10000000000000000")],
    ["uint128 2^128", [{ name: "a", type: "uint128" }], word(`1${"0".repeat(32)}`)],
    ["enum out of range", [{ name: "a", type: "uint8", internalType: "enum IModels.Kind" }], word("3")],
    ["trailing byte", [{ name: "a", type: "uint8" }], `${word("1")}00`],
    ["short head", [{ name: "a", type: "uint8" }], "00".repeat(31)],
    ["offset behind a gap", [{ name: "a", type: "bytes" }], word("40") + word("0") + word("0")],
    ["offset into the head", [{ name: "a", type: "bytes" }], word("0")],
    ["huge offset", [{ name: "a", type: "bytes" }], "ff".repeat(32)],
    ["huge length", [{ name: "a", type: "bytes" }], word("20") + word("ffffffff")],
    ["huge count", [{ name: "a", type: "uint256[]" }], word("20") + word("ffffffff")],
    ["length above 2^32", [{ name: "a", type: "bytes" }], word("20") + word("100000001") + word("0")],
    ["dirty padding of bytes", [{ name: "a", type: "bytes" }], `${word("20") + word("1")}01${"00".repeat(30)}01`],
    ["string not UTF-8", [{ name: "a", type: "string" }], `${word("20") + word("1")}ff${"00".repeat(31)}`],
    [
      "shared tail",
      [
        { name: "a", type: "bytes" },
        { name: "b", type: "bytes" },
      ],
      word("40") + word("40") + word("0"),
    ],
  ];
  test.each(cases)("%s is refused", (_name, params, hex) => {
    expect(() => decode(compileList(params, ENUMS), hexToBytes(`0x${hex}`), 0)).toThrow(NonCanonical);
  });

  test("arrays of dynamic items follow the same rules", () => {
    const params = [{ name: "a", type: "string[]" }];
    const data = hexToBytes(encodeAbiParameters(params, [["one", "", "three"]]));
    expect(refusedOrCanonical(params, data)).toBe(true);
  });

  test("an enum without a declared size, or an unknown type, does not compile", () => {
    expect(() => compileList([{ name: "a", type: "uint8", internalType: "enum X" }], {})).toThrow(/enum X/);
    expect(() => compileList([{ name: "a", type: "int256" }], {})).toThrow(/int256/);
  });

  test("encoding refuses numbers that do not fit", () => {
    const codec = compileList([{ name: "a", type: "uint64" }], {});
    expect(() => encode(codec, { a: 2n ** 64n }, EMPTY_BYTES)).toThrow(RangeError);
    expect(() => encode(compileList([{ name: "a", type: "uint8" }], {}), { a: 256 }, EMPTY_BYTES)).toThrow(RangeError);
    expect(() =>
      encode(compileList([{ name: "a", type: "address" }], {}), { a: new Uint8Array(32) }, EMPTY_BYTES),
    ).toThrow(RangeError);
  });
});
