/** Revert data in words: Error(string), Panic(uint256) and the custom errors of the stateful precompiles. */
import { checksummed } from "../../core/addresses.ts";
import { bytesToBigInt, bytesToHex } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { readRevertReason } from "../../core/revert-reason.ts";
import type { CallResult } from "../../execution/tx/call.ts";
import { type Codec, compileList, decode, NonCanonical, type Param } from "../../precompiles/codec.ts";
import { attributionAbi } from "../../precompiles/interfaces/attribution.abi.ts";
import { datanetAbi } from "../../precompiles/interfaces/datanet.abi.ts";
import { modelsAbi } from "../../precompiles/interfaces/models.abi.ts";
import { RPC_ERROR, RpcError, serverError } from "./errors.ts";

export const REVERTED = "execution reverted";
/** Panic(uint256) */
const PANIC_SELECTOR = "0x4e487b71";
/** Longer reasons are cut in the message; `data` has the whole. */
const MAX_REASON = 1_024;
/** No character has more bytes, so what is longer is cut in any case. */
const MAX_BYTES_READ = 4 * (MAX_REASON + 1);

interface CustomError {
  readonly name: string;
  readonly inputs: readonly Param[];
  readonly codec: Codec;
}

/** By selector. */
const ERRORS: ReadonlyMap<string, CustomError> = new Map(
  [...datanetAbi, ...modelsAbi, ...attributionAbi]
    .filter((item) => item.type === "error")
    .map(({ name, inputs }: { readonly name: string; readonly inputs: readonly Param[] }) => {
      // An enum is the number that it is.
      const plain = inputs.map(({ name, type }) => ({ name: name!, type }));
      const signature = `${name}(${inputs.map((input) => input.type).join()})`;
      const selector = keccak256(new TextEncoder().encode(signature)).subarray(0, 4);
      return [bytesToHex(selector), { name, inputs, codec: compileList(plain, {}) }];
    }),
);

/** geth's words for Solidity's panic codes. */
const PANICS: Readonly<Record<string, string>> = {
  "0": "generic panic",
  "1": "assert(false)",
  "17": "arithmetic underflow or overflow",
  "18": "division or modulo by zero",
  "33": "enum overflow",
  "34": "invalid encoded storage byte array accessed",
  "49": "out-of-bounds array access; popping on an empty array",
  "50": "out-of-bounds access of an array or bytesN",
  "65": "out of memory",
  "81": "uninitialized function",
};

/** The answer to a call that failed: code 3 with the revert data, or the EVM's reason. */
export function callError(result: Extract<CallResult, { ok: false }>): RpcError {
  if (result.reason !== REVERTED) return serverError(result.reason);
  const reason = revertReason(result.output);
  const message = reason === undefined ? REVERTED : `${REVERTED}: ${reason}`;
  return new RpcError(RPC_ERROR.reverted, message, bytesToHex(result.output));
}

/** Of Solidity's own errors only. Undefined when it is none of them. */
export function solidityRevertReason(output: Uint8Array): string | undefined {
  const reason = readRevertReason(output, MAX_BYTES_READ);
  if (reason !== undefined) return cut(reason);
  if (output.length < 36 || bytesToHex(output.subarray(0, 4)) !== PANIC_SELECTOR) return undefined;
  const code = bytesToBigInt(output.subarray(4, 36));
  return PANICS[String(code)] ?? `unknown panic code: 0x${code.toString(16)}`;
}

/** Undefined when the data are empty or of an unknown error. */
function revertReason(output: Uint8Array): string | undefined {
  return solidityRevertReason(output) ?? precompileReason(output);
}

function precompileReason(output: Uint8Array): string | undefined {
  const error = ERRORS.get(bytesToHex(output.subarray(0, 4)));
  if (error === undefined) return undefined;
  try {
    const values = decode(error.codec, output, 4) as Readonly<Record<string, unknown>>;
    return cut(`${error.name}(${error.inputs.map(({ name, type }) => worded(type, values[name!])).join(", ")})`);
  } catch (err) {
    // Another contract's error of the same name, or one that is not encoded as ours: the caller has the bytes.
    if (err instanceof NonCanonical) return undefined;
    throw err;
  }
}

function worded(type: string, value: unknown): string {
  if (!(value instanceof Uint8Array)) return String(value);
  if (type === "string") return new TextDecoder().decode(value);
  return type === "address" ? checksummed(value) : bytesToHex(value);
}

function cut(text: string): string {
  return text.length > MAX_REASON ? `${text.slice(0, MAX_REASON)}...` : text;
}
