/**
 * CREATE and CREATE2. @ethereumjs/evm's own push 0 for init code that begins with 0xef00, as EOF had it. Ethereum has no
 * EOF: that init code runs, and ends at its first byte with all the gas that it was given.
 */
import { EVMError } from "@ethereumjs/evm";
import { EMPTY_BYTES } from "../../core/bytes.ts";
import type { OpcodeEntry } from "./stock-interpreter.ts";
import { wordBytes } from "./words.ts";

const CREATE = 0xf0;
const CREATE2 = 0xf5;

/** The table with both in place of @ethereumjs/evm's. */
export function withCreations(entries: readonly OpcodeEntry[]): OpcodeEntry[] {
  const table = [...entries];
  for (const [opcode, words] of [
    [CREATE, 3],
    [CREATE2, 4],
  ] as const) {
    const entry = entries[opcode]!;
    table[opcode] = { ...entry, opHandler: create(words, entry.opHandler) };
  }
  return table;
}

/** `words`: what it takes from the stack, value, offset and length of the init code and, with 4, the salt. */
const create =
  (words: 3 | 4, stock: OpcodeEntry["opHandler"]): OpcodeEntry["opHandler"] =>
  async (runState, common) => {
    // EOF, and a fork to come that adds to what the opcodes do.
    if (common.isActivatedEIP(3540) || common.isActivatedEIP(7928)) return stock(runState, common);
    const { interpreter, stack, memory } = runState;
    const [value, offset, length, salt] = stack.popN(words);
    if (common.isActivatedEIP(3860) && length! > common.param("maxInitCodeSize")) {
      throw new EVMError(EVMError.errorMessages.INITCODE_SIZE_VIOLATION);
    }
    const gasLimit = runState.messageGasLimit!;
    // biome-ignore lint/suspicious/noExplicitAny: exactOptionalPropertyTypes; @ethereumjs/evm writes the same
    (runState as any).messageGasLimit = undefined;
    const initCode = length === 0n ? EMPTY_BYTES : memory.read(Number(offset), Number(length), true);
    stack.push(
      salt === undefined
        ? await interpreter.create(gasLimit, value!, initCode)
        : await interpreter.create2(gasLimit, value!, initCode, wordBytes(salt)),
    );
  };
