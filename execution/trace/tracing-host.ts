/**
 * A host whose messages tell a tracer what they do: each entry of its own opcode table is wrapped, so that other hosts
 * pay nothing. Steps, their costs, and what frames are called follow geth's interpreter (core/vm), which is what
 * tools know; where the two count alike nothing is converted.
 */
import { EVMError, type EVMResult, type EVMRunCallOpts, type ExecResult, type getOpcodesForHF } from "@ethereumjs/evm";
import { bigIntToFixed, EMPTY_BYTES } from "../../core/bytes.ts";
import { Host, type HostOptions } from "../evm/host.ts";
import { jumpAnalyses, useJumpAnalyses } from "../evm/jump-analysis.ts";
import { create2Address, createdAddress } from "../tx/derive.ts";
import { failureWord } from "../tx/message.ts";
import { opcodeName, stackFault } from "./opcodes.ts";
import { OpcodeStep, type RunState } from "./step.ts";
import { TracedLayer } from "./traced-layer.ts";
import type { FrameEntry, FrameType, Tracer } from "./types.ts";

type OpcodeEntry = ReturnType<typeof getOpcodesForHF>["opcodeMap"][number];
type PrecompileCode = Parameters<Host["runPrecompile"]>[0];

interface Frame {
  /** Why its code ended, in geth's words: known before the EVM says so, in less detail. */
  fault: string | undefined;
}

const OP = {
  returnDataCopy: 0x3e,
  sstore: 0x55,
  log0: 0xa0,
  log4: 0xa4,
  create: 0xf0,
  call: 0xf1,
  callCode: 0xf2,
  delegateCall: 0xf4,
  create2: 0xf5,
  staticCall: 0xfa,
  selfDestruct: 0xff,
  stop: 0x00,
} as const;

/** By the opcode that makes the frame. */
const FRAME_TYPES: ReadonlyMap<number, FrameType> = new Map([
  [OP.create, "CREATE"],
  [OP.call, "CALL"],
  [OP.callCode, "CALLCODE"],
  [OP.delegateCall, "DELEGATECALL"],
  [OP.create2, "CREATE2"],
  [OP.staticCall, "STATICCALL"],
]);

const DEPTH_LIMIT = 1_024;
const CALL_STIPEND = 2_300n;
/** EIP-2200: SSTORE with no more left fails. */
const STORE_SENTRY = 2_300n;
/** Prices beyond are overflows in geth, whose gas has 64 bits. */
const MAX_COST = 2n ** 63n;

const { OUT_OF_GAS, STATIC_STATE_CHANGE, STACK_OVERFLOW, STACK_UNDERFLOW, STOP } = EVMError.errorMessages;

export class TracingHost extends Host {
  /** Who is told; undefined: nobody. */
  tracer: Tracer | undefined;
  readonly #frames: Frame[] = [];
  /** How many frames there have been. */
  #entered = 0;
  /** The opcode that runs: inside of a frame, the one that made it. */
  #op = 0;

  constructor(options: HostOptions) {
    super({ ...options, stockLoop: true }); // which runs the table that is wrapped here
    this._opcodeMap = this._opcodeMap.map((entry, op) => this.#traced(entry, op));
    useJumpAnalyses(this, jumpAnalyses(this._opcodeMap));
  }

  override async runCall(options: EVMRunCallOpts): Promise<EVMResult> {
    const { tracer } = this;
    if (tracer === undefined) return super.runCall(options);
    const entry = await this.#entryOf(options);
    const frame: Frame = { fault: undefined };
    this.#frames.push(frame);
    this.#entered++;
    tracer.enter?.(entry);
    const result = await super.runCall(options);
    this.#frames.pop();
    const { returnValue, executionGasUsed, exceptionError } = result.execResult;
    const error = exceptionError && (frame.fault ?? faultOfFrame(entry.type, exceptionError));
    tracer.exit?.({ output: returnValue, gasUsed: executionGasUsed, error });
    return result;
  }

  protected override async runPrecompile(
    code: PrecompileCode,
    data: Uint8Array,
    gasLimit: bigint,
  ): Promise<ExecResult> {
    const { tracer } = this;
    const layer = "layer" in this.stateManager ? this.stateManager.layer : undefined;
    if (tracer?.touch !== undefined && layer instanceof TracedLayer) {
      const touch = (address: Uint8Array, slot: Uint8Array | undefined): void => {
        layer.onTouch = undefined;
        tracer.touch?.(address, slot);
        layer.onTouch = touch;
      };
      layer.onTouch = touch;
    }
    const result = await super.runPrecompile(code, data, gasLimit);
    if (layer instanceof TracedLayer) layer.onTouch = undefined;
    if (tracer?.log !== undefined && result.exceptionError === undefined) {
      for (const [address, topics, data] of result.logs ?? []) tracer.log({ address, topics, data });
    }
    return result;
  }

  async #entryOf(options: EVMRunCallOpts): Promise<FrameEntry> {
    const { message } = options;
    const { caller, to, gasLimit = 0n, value = 0n, data = EMPTY_BYTES } = message ?? options;
    const depth = message?.depth ?? 0;
    const type = message === undefined ? (to === undefined ? "CREATE" : "CALL") : FRAME_TYPES.get(this.#op)!;
    const codeAddress = message?.to === undefined ? to : message.codeAddress;
    return {
      type,
      // Code that another account lends works for the account that called it, and keeps that one's caller.
      from: type === "DELEGATECALL" ? to!.bytes : caller!.bytes,
      to: codeAddress?.bytes ?? (await this.#createdBy(caller!.bytes, data, message?.salt)),
      input: data,
      gas: gasLimit,
      value: type === "STATICCALL" ? undefined : value,
      depth,
      isPrecompile: codeAddress !== undefined && this.precompiles.has(codeAddress.toString().slice(2)),
    };
  }

  /** Where the creation puts its contract; the creator's nonce has been counted up. */
  async #createdBy(creator: Uint8Array, initCode: Uint8Array, salt: Uint8Array | undefined): Promise<Uint8Array> {
    if (salt !== undefined) return create2Address(creator, salt, initCode);
    const nonce = this.#accountOf(creator)?.nonce ?? 0n;
    return createdAddress(creator, nonce - 1n);
  }

  #accountOf(address: Uint8Array) {
    return (this.stateManager as unknown as { readonly layer: TracedLayer }).layer.account(address);
  }

  #traced({ opcodeInfo, gasHandler, opHandler }: OpcodeEntry, op: number): OpcodeEntry {
    // The interpreter asks for the price of what has a dynamic one: the one place before an opcode that sees its state.
    const info = { ...opcodeInfo, dynamicGas: true };
    const price = async (...[runState, baseGas, common]: Parameters<OpcodeEntry["gasHandler"]>): Promise<bigint> => {
      if (this.tracer !== undefined) return this.#step(op, opcodeInfo, gasHandler, runState, baseGas, common);
      return opcodeInfo.dynamicGas ? gasHandler(runState, baseGas, common) : baseGas;
    };
    const run: OpcodeEntry["opHandler"] = opcodeInfo.isAsync
      ? async (runState, common) => {
          if (this.tracer === undefined) return opHandler(runState, common);
          const ended = this.#begin(op, runState);
          try {
            await opHandler(runState, common);
          } catch (error) {
            this.#noteFault(error);
            throw error;
          }
          ended();
        }
      : (runState, common) => {
          if (this.tracer === undefined) return opHandler(runState, common);
          try {
            opHandler(runState, common);
          } catch (error) {
            this.#noteFault(error);
            throw error;
          }
          this.#end(op, runState);
        };
    return { opcodeInfo: info, gasHandler: price, opHandler: run };
  }

  /** What the opcode costs without what it hands on. Tells the tracer of the step. */
  async #step(
    op: number,
    info: OpcodeEntry["opcodeInfo"],
    gasHandler: OpcodeEntry["gasHandler"],
    runState: RunState,
    baseGas: bigint,
    common: Parameters<OpcodeEntry["gasHandler"]>[2],
  ): Promise<bigint> {
    const tracer = this.tracer!;
    const frame = this.#frames.at(-1)!;
    const gasLeft = runState.interpreter.getGasLeft();
    const memoryWords = runState.memoryWordCount;
    const tell = (cost: bigint, error: string | undefined): void =>
      tracer.step?.(new OpcodeStep(runState, op, gasLeft, cost, memoryWords, error));
    this.#op = op;

    if (info.isInvalid) {
      frame.fault = `invalid opcode: ${opcodeName(op)}`;
      tell(0n, undefined);
      return baseGas;
    }
    const fault = stackFault(op, runState.stack.length);
    if (fault !== undefined) {
      frame.fault = fault;
      tell(baseGas, fault);
      throw new EVMError(fault.startsWith("stack underflow") ? STACK_UNDERFLOW : STACK_OVERFLOW);
    }
    let gas = baseGas;
    if (info.dynamicGas) {
      try {
        gas = await gasHandler(runState, baseGas, common);
      } catch (error) {
        if (!(error instanceof EVMError)) throw error;
        frame.fault = faultOfPrice(op, runState, gasLeft, error);
        tell(baseGas, isFoundWhileRunning(op, runState, error) ? undefined : frame.fault);
        throw error;
      }
    }
    if (gas > gasLeft) {
      frame.fault = gas > MAX_COST ? "gas uint64 overflow" : "out of gas";
      tell(baseGas > gasLeft || gas > MAX_COST ? baseGas : gas, frame.fault);
    } else {
      const handedOn = op === OP.create || op === OP.create2 ? 0n : (runState.messageGasLimit ?? 0n);
      tell(gas + handedOn, undefined);
    }
    return gas;
  }

  /** Before an opcode that may make frames; call the result when it has run. */
  #begin(op: number, runState: RunState): () => void {
    if (op === OP.selfDestruct) this.#selfDestruct(runState);
    const type = FRAME_TYPES.get(op);
    if (type === undefined) return () => this.#end(op, runState);
    const entered = this.#entered;
    const failed = this.#failedFrame(type, runState);
    return () => {
      if (this.#entered === entered) failed();
      this.#end(op, runState);
    };
  }

  #end(op: number, runState: RunState): void {
    const tracer = this.tracer!;
    if (op >= OP.log0 && op <= OP.log4 && tracer.log !== undefined) {
      const [address, topics, data] = runState.interpreter._result.logs.at(-1)!;
      tracer.log({ address, topics, data });
    }
    // Code that ends without saying so ends with a STOP of its own (yellow paper, 9.4.3).
    if (runState.programCounter >= runState.code.length) {
      const gasLeft = runState.interpreter.getGasLeft();
      tracer.step?.(new OpcodeStep(runState, OP.stop, gasLeft, 0n, runState.memoryWordCount, undefined));
    }
  }

  #noteFault(error: unknown): void {
    if (!(error instanceof EVMError) || error.error === STOP) return;
    this.#frames.at(-1)!.fault ??= failureWord(error);
  }

  /** The account's whole balance goes to the beneficiary: to geth a frame of its own. */
  #selfDestruct(runState: RunState): void {
    const from = runState.env.address.bytes;
    this.tracer!.enter?.({
      type: "SELFDESTRUCT",
      from,
      to: addressOf(runState.stack.peek(1)[0]!),
      input: EMPTY_BYTES,
      gas: 0n,
      value: this.#accountOf(from)?.balance ?? 0n,
      depth: runState.env.depth + 1,
      isPrecompile: false,
    });
    this.tracer!.exit?.({ output: EMPTY_BYTES, gasUsed: 0n, error: undefined });
  }

  /** Tells of the frame that the opcode could not make: for @ethereumjs/evm it never was one. */
  #failedFrame(type: FrameType, runState: RunState): () => void {
    const { env, stack } = runState;
    const isCreation = type === "CREATE" || type === "CREATE2";
    const words = stack.peek(
      isCreation ? (type === "CREATE2" ? 4 : 3) : type === "CALL" || type === "CALLCODE" ? 7 : 6,
    );
    const hasValue = isCreation || words.length === 7;
    const value = isCreation ? words[0]! : hasValue ? words[2]! : env.callValue;
    const gas = (runState.messageGasLimit ?? 0n) + (!isCreation && hasValue && value > 0n ? CALL_STIPEND : 0n);
    return () => {
      const isTooDeep = env.depth >= DEPTH_LIMIT;
      const balance = this.#accountOf(env.address.bytes)?.balance ?? 0n;
      if (!isTooDeep && !(hasValue && balance < value)) return;
      const [offset, size] = isCreation
        ? [words[1]!, words[2]!]
        : hasValue
          ? [words[3]!, words[4]!]
          : [words[2]!, words[3]!];
      const input = memoryCopy(runState, Number(offset), Number(size));
      const self = env.address.bytes;
      this.tracer!.enter?.({
        type,
        from: self,
        to: !isCreation
          ? addressOf(words[1]!)
          : type === "CREATE2"
            ? create2Address(self, bigIntToFixed(words[3]!, 32), input)
            : createdAddress(self, this.#accountOf(self)?.nonce ?? 0n),
        input,
        gas,
        value: type === "STATICCALL" ? undefined : value,
        depth: env.depth + 1,
        isPrecompile: false,
      });
      const error = isTooDeep ? "max call depth exceeded" : "insufficient balance for transfer";
      this.tracer!.exit?.({ output: EMPTY_BYTES, gasUsed: 0n, error });
    };
  }
}

function faultOfFrame(type: FrameType, error: EVMError): string {
  // No opcode ran out of it, so what a creation could not pay is its code.
  const isForCode = error.error === OUT_OF_GAS && (type === "CREATE" || type === "CREATE2");
  return isForCode ? "contract creation code storage out of gas" : failureWord(error);
}

/** The opcode's price could not be told. */
function faultOfPrice(op: number, runState: RunState, gasLeft: bigint, error: EVMError): string {
  if (isBeyondReturnData(op, runState)) return "return data out of bounds";
  if (op === OP.sstore && error.error === OUT_OF_GAS && gasLeft <= STORE_SENTRY) {
    return "out of gas: not enough gas for reentrancy sentry";
  }
  return failureWord(error);
}

/** geth looks for these only when the opcode has been paid for. */
const isFoundWhileRunning = (op: number, runState: RunState, error: EVMError): boolean =>
  error.error === STATIC_STATE_CHANGE || isBeyondReturnData(op, runState);

function isBeyondReturnData(op: number, { stack, returnBytes }: RunState): boolean {
  if (op !== OP.returnDataCopy) return false;
  const [, offset, size] = stack.peek(3);
  return offset! + size! > BigInt(returnBytes.length);
}

const addressOf = (word: bigint): Uint8Array => bigIntToFixed(BigInt.asUintN(160, word), 20);

/** Bytes that memory does not reach yet are zero. */
function memoryCopy({ memory }: RunState, offset: number, size: number): Uint8Array {
  const copy = new Uint8Array(size);
  copy.set(memory._store.subarray(offset, offset + size));
  return copy;
}
