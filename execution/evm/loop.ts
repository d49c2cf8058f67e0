/**
 * The host's own interpreter loop: it waits only for opcodes that are asynchronous, where @ethereumjs/evm's waits for
 * each. Opcodes of operations.ts run on the frame; all others are @ethereumjs/evm's, with its prices.
 */
import { EVMError } from "@ethereumjs/evm";
import type { CodeFrame } from "./code-frame.ts";
import { OPERATIONS, type Operation, PRICED_OPERATIONS } from "./operations.ts";
import type { OpcodeEntry } from "./stock-interpreter.ts";

/** By opcode: what the loop pays, and what it then does. */
export interface Instructions {
  readonly fees: readonly number[];
  readonly operations: readonly Operation[];
}

/** `entries`: the opcode table of the EVM. `own`: taken instead of either. */
export function instructionsOf(entries: readonly OpcodeEntry[], own: ReadonlyMap<number, Operation>): Instructions {
  const fees: number[] = [];
  const operations: Operation[] = [];
  for (let opcode = 0; opcode < 256; opcode++) {
    const entry = entries[opcode]!;
    const { fee, isAsync, dynamicGas, isInvalid } = entry.opcodeInfo;
    const operation = own.get(opcode) ?? OPERATIONS.get(opcode);
    const priced = PRICED_OPERATIONS.get(opcode);
    if (isInvalid) operations.push(invalid);
    else if (operation !== undefined) operations.push(operation);
    else if (priced !== undefined) operations.push(priced(fee));
    else if (isAsync || dynamicGas) operations.push((frame) => frame.runStock(entry, opcode));
    else operations.push((frame) => frame.runOnStack(entry));
    const paysItself = isInvalid || (operation === undefined && (priced !== undefined || isAsync || dynamicGas));
    fees.push(paysItself ? 0 : fee);
  }
  return { fees, operations };
}

function invalid(): never {
  throw new EVMError(EVMError.errorMessages.INVALID_OPCODE);
}

/** Why the frame ended, or undefined when its code came to an end. Rejects with what is not an error of the EVM. */
export async function runLoop(frame: CodeFrame, instructions: Instructions): Promise<EVMError | undefined> {
  try {
    for (;;) {
      const waiting = runUntilWaiting(frame, instructions);
      if (waiting === undefined) return undefined;
      await waiting;
    }
  } catch (error) {
    if (error instanceof EVMError) return error;
    throw error;
  }
}

/** Undefined when the frame has ended. */
function runUntilWaiting(frame: CodeFrame, { fees, operations }: Instructions): Promise<void> | undefined {
  const { bytes } = frame.code;
  while (frame.pc < frame.end) {
    const opcode = bytes[frame.pc++]!;
    frame.use(fees[opcode]!);
    const waiting = operations[opcode]!(frame);
    if (waiting) return waiting;
  }
  return undefined;
}
