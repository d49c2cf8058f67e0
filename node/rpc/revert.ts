/** Revert data in words: Error(string), Panic(uint256) and the custom errors of the stateful precompiles. */
import { type Abi, decodeErrorResult } from "viem";
import { bytesToHex } from "../../core/bytes.ts";
import type { CallResult } from "../../execution/tx/call.ts";
import { attributionAbi } from "../../precompiles/interfaces/attribution.abi.ts";
import { datanetAbi } from "../../precompiles/interfaces/datanet.abi.ts";
import { modelsAbi } from "../../precompiles/interfaces/models.abi.ts";
import { RPC_ERROR, RpcError, serverError } from "./errors.ts";

export const REVERTED = "execution reverted";
/** Error(string) and Panic(uint256). */
const ERROR_SELECTOR = "0x08c379a0";
const PANIC_SELECTOR = "0x4e487b71";
/** Longer reasons are cut in the message; `data` has the whole. */
const MAX_REASON = 1_024;

const ERRORS: Abi = distinctErrors([...datanetAbi, ...modelsAbi, ...attributionAbi]);

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

/** As `revertReason`, of Solidity's own errors only. */
export function solidityRevertReason(output: Uint8Array): string | undefined {
  const selector = bytesToHex(output.subarray(0, 4));
  return selector === ERROR_SELECTOR || selector === PANIC_SELECTOR ? revertReason(output) : undefined;
}

/** Undefined when the data are empty or of an unknown error. */
export function revertReason(output: Uint8Array): string | undefined {
  if (output.length < 4) return undefined;
  try {
    const { errorName, args } = decodeErrorResult({ abi: ERRORS, data: bytesToHex(output) });
    const values: readonly unknown[] = args ?? [];
    if (errorName === "Error") return cut(String(values[0]));
    if (errorName === "Panic")
      return PANICS[String(values[0])] ?? `unknown panic code: 0x${Number(values[0]).toString(16)}`;
    return cut(`${errorName}(${values.map(String).join(", ")})`);
  } catch {
    // Data of a contract's own error, or not ABI at all: the caller has the bytes.
    return undefined;
  }
}

function cut(text: string): string {
  return text.length > MAX_REASON ? `${text.slice(0, MAX_REASON)}...` : text;
}

/** The same error is declared by several interfaces. */
function distinctErrors(abi: Abi): Abi {
  const seen = new Set<string>();
  return abi.filter((item) => {
    if (item.type !== "error") return false;
    const signature = `${item.name}(${item.inputs.map((input) => input.type).join()})`;
    return seen.size < seen.add(signature).size;
  });
}
