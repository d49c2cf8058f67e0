/**
 * Turns a Solidity interface (its ABI) and a handler for each function into a precompile, and gives typed events and
 * custom errors. Everything derived from the ABI is computed once, when the module loads.
 */
import { EMPTY_BYTES } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";
import { type Precompile, type PrecompileContext, PrecompileRevert } from "../core/precompile.ts";
import { revertReason } from "../core/revert-reason.ts";
import {
  type Codec,
  compileList,
  decode,
  type EnumSizes,
  encode,
  type Fields,
  NonCanonical,
  type Param,
  type Value,
} from "./codec.ts";

export interface AbiItem {
  readonly type: string;
  readonly name?: string;
  readonly stateMutability?: string;
  readonly inputs?: readonly Param[];
  readonly outputs?: readonly Param[];
}
export type Abi = readonly AbiItem[];

type Item<A extends Abi, Type extends string> = Extract<A[number], { type: Type; name: string }>;
type Inputs<I> = I extends { readonly inputs: infer P extends readonly Param[] } ? Fields<P> : never;
type Output<I> = I extends { readonly outputs: infer P extends readonly Param[] }
  ? P extends readonly []
    ? undefined
    : P extends readonly [infer Only extends Param]
      ? Value<Only>
      : Fields<P>
  : never;

/** One handler for each function of the interface. */
export type Handlers<A extends Abi> = {
  readonly [F in Item<A, "function"> as F["name"]]: (context: PrecompileContext, args: Inputs<F>) => Output<F>;
};

export interface Interface<A extends Abi> {
  /** Logs the event. */
  emit<Name extends Item<A, "event">["name"]>(
    context: PrecompileContext,
    name: Name,
    args: Inputs<Extract<A[number], { type: "event"; name: Name }>>,
  ): void;
  /** The custom error, to be thrown. */
  error<Name extends Item<A, "error">["name"]>(
    name: Name,
    args: Inputs<Extract<A[number], { type: "error"; name: Name }>>,
  ): PrecompileRevert;
  precompile(name: string, address: Uint8Array, handlers: Handlers<A>): Precompile;
}

/** Charged before anything is looked at: docs/precompiles.md "Gas". */
const CALL_GAS = 200n;
const INPUT_WORD_GAS = 6n;

const REASON = {
  selector: revertReason("unknown function selector"),
  payable: revertReason("function is not payable"),
  static: revertReason("state change in a static call"),
  calldata: revertReason("calldata is not canonical ABI encoding"),
} as const;

export function defineInterface<const A extends Abi>(abi: A, enums: EnumSizes): Interface<A> {
  const events = new Map<string, EventCodec>();
  const errors = new Map<string, { selector: Uint8Array; inputs: Codec }>();
  for (const item of abi) {
    if (item.type === "event") events.set(item.name!, eventCodec(item, enums));
    if (item.type === "error") {
      errors.set(item.name!, { selector: selectorOf(item), inputs: compileList(item.inputs ?? [], enums) });
    }
  }
  return {
    emit(context, name, args) {
      const { topic, indexed, data } = events.get(name)!;
      const topics = [topic];
      const fields = args as Record<string, unknown>;
      for (const [field, codec] of indexed) topics.push(encode(codec, { [field]: fields[field] }, EMPTY_BYTES));
      context.log(topics, encode(data, fields, EMPTY_BYTES));
    },
    error(name, args) {
      const { selector, inputs } = errors.get(name)!;
      return new PrecompileRevert(encode(inputs, args, selector), name);
    },
    precompile: (name, address, handlers) => createPrecompile(name, address, abi, enums, handlers),
  };
}

interface EventCodec {
  readonly topic: Uint8Array;
  /** Each indexed field as a list of one; all are value types. */
  readonly indexed: readonly (readonly [string, Codec])[];
  readonly data: Codec;
}

function eventCodec(item: AbiItem, enums: EnumSizes): EventCodec {
  const inputs = item.inputs ?? [];
  return {
    topic: keccak256(signatureBytes(item)),
    indexed: inputs.filter((input) => input.indexed).map((input) => [input.name!, compileList([input], enums)]),
    data: compileList(
      inputs.filter((input) => !input.indexed),
      enums,
    ),
  };
}

interface FunctionEntry {
  readonly payable: boolean;
  readonly view: boolean;
  readonly inputs: Codec;
  readonly encodeOutput: (value: unknown) => Uint8Array;
  readonly handle: (context: PrecompileContext, args: never) => unknown;
}

function createPrecompile<A extends Abi>(
  name: string,
  address: Uint8Array,
  abi: A,
  enums: EnumSizes,
  handlers: Handlers<A>,
): Precompile {
  const functions = new Map<number, FunctionEntry>();
  for (const item of abi) {
    if (item.type !== "function") continue;
    const outputs = item.outputs ?? [];
    const codec = compileList(outputs, enums);
    const only = outputs.length === 1 ? outputs[0]!.name || "0" : undefined;
    functions.set(selectorNumber(selectorOf(item), 0), {
      payable: item.stateMutability === "payable",
      view: item.stateMutability === "view" || item.stateMutability === "pure",
      inputs: compileList(item.inputs ?? [], enums),
      encodeOutput: (value) => {
        if (outputs.length === 0) return EMPTY_BYTES;
        return encode(codec, only === undefined ? value : { [only]: value }, EMPTY_BYTES);
      },
      handle: (handlers as Record<string, FunctionEntry["handle"]>)[item.name!]!,
    });
  }

  return {
    name,
    address,
    run(context, input) {
      context.useGas(CALL_GAS + INPUT_WORD_GAS * BigInt(Math.ceil(input.length / 32)));
      const entry = input.length < 4 ? undefined : functions.get(selectorNumber(input, 0));
      if (entry === undefined) throw new PrecompileRevert(REASON.selector, "unknown function");
      if (context.value !== 0n && !entry.payable) throw new PrecompileRevert(REASON.payable, "not payable");
      if (context.isStatic && !entry.view) throw new PrecompileRevert(REASON.static, "static call");
      return entry.encodeOutput(entry.handle(context, decodeInput(entry.inputs, input) as never));
    },
  };
}

function decodeInput(inputs: Codec, input: Uint8Array): unknown {
  try {
    return decode(inputs, input, 4);
  } catch (error) {
    if (error instanceof NonCanonical) throw new PrecompileRevert(REASON.calldata, error.message);
    throw error;
  }
}

const canonicalType = (param: Param): string =>
  param.type.startsWith("tuple")
    ? `(${(param.components ?? []).map(canonicalType).join(",")})${param.type.slice(5)}`
    : param.type;

const signatureBytes = (item: AbiItem): Uint8Array =>
  new TextEncoder().encode(`${item.name}(${(item.inputs ?? []).map(canonicalType).join(",")})`);

const selectorOf = (item: AbiItem): Uint8Array => keccak256(signatureBytes(item)).subarray(0, 4);

const selectorNumber = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
