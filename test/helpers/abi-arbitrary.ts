/** Random values for ABI parameters, as viem writes them: hex for bytes. */
import * as fc from "fast-check";
import type { AbiParameter } from "viem";
import { bytesToHex } from "../../core/bytes.ts";

/** Members of the enums of all interfaces. */
export const ENUMS: Readonly<Record<string, number>> = {
  "IDatanet.Modality": 3,
  "IDatanet.Access": 2,
  "IDatanet.Status": 6,
  "IModels.Kind": 3,
  "IAttribution.Audience": 2,
  "IAttribution.State": 5,
  "IAttribution.RewardKind": 6,
};

/** `instead` may offer another generator for a type, or undefined for the usual one. */
export function abiArbitrary(
  param: AbiParameter,
  instead: (type: string) => fc.Arbitrary<unknown> | undefined = () => undefined,
): fc.Arbitrary<unknown> {
  const { type } = param;
  if (type.endsWith("[]")) {
    return fc.array(abiArbitrary({ ...param, type: type.slice(0, -2) }, instead), { maxLength: 5 });
  }
  if (type === "tuple") {
    const { components } = param as { components: readonly AbiParameter[] };
    return fc.record(Object.fromEntries(components.map((one) => [one.name!, abiArbitrary(one, instead)])));
  }
  if (param.internalType?.startsWith("enum ")) return fc.nat(ENUMS[param.internalType.slice(5)]! - 1);
  return instead(type) ?? elementary(type);
}

function elementary(type: string): fc.Arbitrary<unknown> {
  if (type === "bool") return fc.boolean();
  if (type === "string") return fc.string({ unit: "grapheme", maxLength: 70 });
  if (type === "bytes") return fc.uint8Array({ maxLength: 70 }).map(bytesToHex);
  if (type === "bytes32") return fc.uint8Array({ minLength: 32, maxLength: 32 }).map(bytesToHex);
  if (type === "address") return fc.uint8Array({ minLength: 20, maxLength: 20 }).map(bytesToHex);
  const bits = Number(type.slice(4));
  return bits <= 32 ? fc.nat(2 ** bits - 1) : fc.bigInt(0n, 2n ** BigInt(bits) - 1n);
}
