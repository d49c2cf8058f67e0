/** An opcode of @ethereumjs/evm's interpreter as a step for tracers. */
import type { getOpcodesForHF } from "@ethereumjs/evm";
import type { Step } from "./types.ts";

/** The interpreter's state of one frame. */
export type RunState = Parameters<ReturnType<typeof getOpcodesForHF>["opcodeMap"][number]["opHandler"]>[0];

export class OpcodeStep implements Step {
  readonly op: number;
  readonly gas: bigint;
  readonly cost: bigint;
  readonly error: string | undefined;
  readonly #runState: RunState;
  readonly #memoryWords: bigint;

  /** `memoryWords`: of memory before the opcode's price was asked for, which counts them up. */
  constructor(
    runState: RunState,
    op: number,
    gas: bigint,
    cost: bigint,
    memoryWords: bigint,
    error: string | undefined,
  ) {
    this.op = op;
    this.gas = gas;
    this.cost = cost;
    this.error = error;
    this.#runState = runState;
    this.#memoryWords = memoryWords;
  }

  get pc(): number {
    return this.#runState.programCounter;
  }

  get depth(): number {
    return this.#runState.env.depth + 1;
  }

  get address(): Uint8Array {
    return this.#runState.env.address.bytes;
  }

  get refund(): bigint {
    return this.#runState.gasRefund;
  }

  get stackSize(): number {
    return this.#runState.stack.length;
  }

  get returnData(): Uint8Array {
    return this.#runState.returnBytes;
  }

  peek(index: number): bigint {
    return this.#runState.stack.peek(index + 1)[index]!;
  }

  stack(): readonly bigint[] {
    return this.#runState.stack.getStack();
  }

  memory(): Uint8Array {
    const bytes = new Uint8Array(Number(this.#memoryWords) * 32);
    bytes.set(this.#runState.memory._store.subarray(0, bytes.length));
    return bytes;
  }
}
