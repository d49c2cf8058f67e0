import type { Abi } from "viem";
import { expect, test } from "vitest";
import oracle from "../../contracts/artifacts/OutputOracle.json" with { type: "json" };
import registry from "../../contracts/artifacts/ValidatorRegistry.json" with { type: "json" };
import validatorSet from "../../contracts/artifacts/ValidatorSet.json" with { type: "json" };
import { ORACLE_ABI, REGISTRY_ABI, VALIDATOR_SET_ABI } from "./abi.ts";

interface Parameter {
  readonly name?: string | undefined;
  readonly type: string;
  readonly indexed?: boolean | undefined;
  readonly components?: readonly Parameter[] | undefined;
}

/** Types all the way down; names where they are a struct's fields. */
const shapeOf = (parameters: readonly Parameter[] = [], named = false): unknown =>
  parameters.map(({ name, type, indexed, components }) => ({
    name: named ? name : undefined,
    type,
    indexed: indexed === true,
    components: components && shapeOf(components, true),
  }));

const shapes = (abi: Abi): readonly unknown[] =>
  abi
    .filter((item) => item.type === "function" || item.type === "event" || item.type === "error")
    .map((item) => ({
      kind: item.type,
      name: item.name,
      inputs: shapeOf(item.inputs as readonly Parameter[]),
      outputs: item.type === "function" ? shapeOf(item.outputs as readonly Parameter[]) : undefined,
      mutability: item.type === "function" ? item.stateMutability : undefined,
    }));

test.each([
  ["registry", REGISTRY_ABI, registry.abi],
  ["oracle", ORACLE_ABI, oracle.abi],
  ["validator set", VALIDATOR_SET_ABI, validatorSet.abi],
] as const)("what is called of the %s is what the contract has", (_, own, compiled) => {
  const known = shapes(compiled as Abi);
  for (const shape of shapes(own)) expect(known).toContainEqual(shape);
});
