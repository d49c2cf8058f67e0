/**
 * What the code of one frame works on: its stack, memory, gas and place. Gas is a number here, since no frame of this
 * host has as much as `MAX_GAS`; @ethereumjs/evm's own opcodes borrow the frame as the `RunState` that they know.
 */
import { EVMError } from "@ethereumjs/evm";
import { EMPTY_BYTES } from "../../core/bytes.ts";
import type { StateLayer } from "../state/types.ts";
import type { AnalysedCode } from "./jump-analysis.ts";
import type { FrameResult, OpcodeEntry, RunState } from "./stock-interpreter.ts";

/** Above, sums of gas could be inexact: such frames run on the stock loop. */
export const MAX_GAS = 1n << 40n;
/** Memory beyond costs more than `MAX_GAS`, and below all sums are exact. */
const MAX_WORDS = 2 ** 26;
const MAX_OFFSET = BigInt(32 * MAX_WORDS);
/** More than any frame can pay. */
const BEYOND = Number.POSITIVE_INFINITY;
const STACK_LIMIT = 1_024;
const MEMORY_GAS = 3;
const QUADRATIC_DIVISOR = 512;
const FIRST_MEMORY_BYTES = 1_024;

const { OUT_OF_GAS, STACK_OVERFLOW, STACK_UNDERFLOW, STOP } = EVMError.errorMessages;

/** How the frame looks from inside of @ethereumjs/evm. */
type Borrowed = Omit<RunState, "stack"> & { readonly stack: { _len: number; readonly _store: bigint[] } };

export class CodeFrame {
  readonly code: AnalysedCode;
  /** Length of the code. Whoever ends the frame puts `pc` there. */
  readonly end: number;
  readonly runState: RunState;
  readonly result: FrameResult;
  readonly layer: StateLayer;
  /** Of the account whose storage this is. */
  readonly self: Uint8Array;
  /** What comes after the opcode that runs. */
  pc = 0;
  gas: number;
  /** The topmost is at `height - 1`; what is above is left over. */
  readonly stack: bigint[];
  height = 0;
  /** At least `words` words; zeros where nothing was written. */
  memory: Uint8Array = EMPTY_BYTES;
  view: DataView = EMPTY_VIEW;
  /** Of memory, paid for. */
  words = 0;
  #memoryCost = 0;

  constructor(code: AnalysedCode, runState: RunState, result: FrameResult, layer: StateLayer) {
    this.code = code;
    this.end = code.bytes.length;
    this.runState = runState;
    this.result = result;
    this.layer = layer;
    this.self = runState.env.address.bytes;
    this.gas = Number(runState.gasLeft);
    this.stack = (runState as unknown as Borrowed).stack._store;
  }

  use(gas: number): void {
    this.gas -= gas;
    if (this.gas < 0) {
      this.gas = 0;
      throw new EVMError(OUT_OF_GAS);
    }
  }

  /** Asserts that the stack has this many words. */
  need(words: number): void {
    if (this.height < words) throw new EVMError(STACK_UNDERFLOW);
  }

  pop(): bigint {
    if (this.height < 1) throw new EVMError(STACK_UNDERFLOW);
    return this.stack[--this.height]!;
  }

  push(word: bigint): void {
    if (this.height >= STACK_LIMIT) throw new EVMError(STACK_OVERFLOW);
    this.stack[this.height++] = word;
  }

  /** Pays `gas` and for the memory up to the end of the range, and makes memory reach there. */
  reach(offset: bigint, length: bigint, gas: number): void {
    const words = length === 0n ? 0 : offset > MAX_OFFSET ? BEYOND : Math.ceil(Number(offset + length) / 32);
    if (words <= this.words) {
      this.use(gas);
      return;
    }
    const cost = words > MAX_WORDS ? BEYOND : words * MEMORY_GAS + Math.floor((words * words) / QUADRATIC_DIVISOR);
    this.use(gas + cost - this.#memoryCost);
    this.#memoryCost = cost;
    this.words = words;
    this.#growMemory();
  }

  /** A copy of memory that `reach` has reached. */
  read(offset: bigint, length: bigint): Uint8Array {
    return length === 0n ? EMPTY_BYTES : this.memory.slice(Number(offset), Number(offset) + Number(length));
  }

  /** Ends the frame as code that is over does. */
  halt(output: Uint8Array | undefined): void {
    if (output !== undefined) this.result.returnValue = output;
    this.pc = this.end;
  }

  /** Runs a synchronous opcode of @ethereumjs/evm that works on the stack only and has been paid for. */
  runOnStack({ opHandler }: OpcodeEntry): void {
    const { stack } = this.runState as unknown as Borrowed;
    stack._len = this.height;
    void opHandler(this.runState, this.runState.interpreter._evm.common);
    this.height = stack._len;
  }

  /** Runs any opcode of @ethereumjs/evm, which pays itself. */
  async runStock(entry: OpcodeEntry, opcode: number): Promise<void> {
    const runState = this.runState as unknown as Borrowed;
    this.lend();
    runState.programCounter = this.pc - 1;
    runState.opCode = opcode;
    try {
      await runState.interpreter.runStep(entry);
    } catch (error) {
      if (!(error instanceof EVMError) || error.error !== STOP) throw error;
      runState.programCounter = this.end;
    }
    this.pc = runState.programCounter;
    this.gas = Number(runState.gasLeft);
    this.height = runState.stack._len;
    this.words = Number(runState.memoryWordCount);
    this.#memoryCost = Number(runState.highestMemCost);
    if (runState.memory._store !== this.memory) this.#setMemory(runState.memory._store);
    this.#growMemory(); // the stock opcodes pay for memory before they have it
  }

  /** Brings the stock state up to date. */
  lend(): void {
    const runState = this.runState as unknown as Borrowed;
    runState.gasLeft = BigInt(this.gas);
    runState.stack._len = this.height;
    runState.memory._store = this.memory;
    runState.memoryWordCount = BigInt(this.words);
    runState.highestMemCost = BigInt(this.#memoryCost);
  }

  #growMemory(): void {
    const bytes = this.words * 32;
    if (bytes <= this.memory.length) return;
    const memory = new Uint8Array(Math.max(bytes, 2 * this.memory.length, FIRST_MEMORY_BYTES));
    memory.set(this.memory);
    this.#setMemory(memory);
  }

  #setMemory(memory: Uint8Array): void {
    this.memory = memory;
    this.view = new DataView(memory.buffer, memory.byteOffset, memory.length);
  }
}

const EMPTY_VIEW = new DataView(EMPTY_BYTES.buffer);
