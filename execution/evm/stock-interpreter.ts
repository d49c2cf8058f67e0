/**
 * @ethereumjs/evm's interpreter, one of which runs the code of one frame. The package does not export the class, so an
 * opcode of a throw-away EVM hands it out.
 */
import { createEVM, type EVM, type ExecResult, type getOpcodesForHF } from "@ethereumjs/evm";
import { EMPTY_BYTES } from "../../core/bytes.ts";
import { createCommon } from "../common.ts";
import { LayerStateManager } from "../state/ethereumjs-adapter.ts";
import { OverlayLayer } from "../state/layer.ts";

/** An entry of an EVM's opcode table. */
export type OpcodeEntry = ReturnType<typeof getOpcodesForHF>["opcodeMap"][number];
/** The state of one frame. */
export type RunState = Parameters<OpcodeEntry["opHandler"]>[0];
export type Interpreter = RunState["interpreter"];

/** What a frame has given so far. */
export type FrameResult = Pick<ExecResult, "selfdestruct" | "createdAddresses"> & {
  logs: NonNullable<ExecResult["logs"]>;
  returnValue?: Uint8Array | undefined;
};

/** Of the classes that the package does not export. */
interface Prototypes {
  readonly interpreter: object;
  readonly stack: object;
  readonly memory: object;
}

async function capture(): Promise<Prototypes> {
  let prototypes: Prototypes | undefined;
  const logicFunction = (runState: {
    readonly interpreter: object;
    readonly stack: object;
    readonly memory: object;
  }) => {
    const [interpreter, stack, memory] = [runState.interpreter, runState.stack, runState.memory].map(
      (object) => Object.getPrototypeOf(object) as object,
    );
    prototypes = { interpreter: interpreter!, stack: stack!, memory: memory! };
  };
  const customOpcodes = [{ opcode: 0x0c, opcodeName: "CAPTURE", baseFee: 1, logicFunction }];
  const common = createCommon({ chainId: 1n, hardfork: "prague" });
  const evm = await createEVM({ common, stateManager: new LayerStateManager(new OverlayLayer()), customOpcodes });
  await evm.runCode({ code: Uint8Array.of(0x0c), gasLimit: 100n });
  if (prototypes === undefined) throw new Error("@ethereumjs/evm's interpreter cannot be found");
  return prototypes;
}

const prototypes = await capture();

export const interpreterPrototype: object = prototypes.interpreter;

const make = <T>(prototype: object, fields: object): T => Object.assign(Object.create(prototype), fields) as T;

/**
 * A frame about to run, as `new Interpreter` of @ethereumjs/evm 10.1.3 sets it up, less what only its own loop reads and
 * less 8 KB of memory.
 */
export function openFrame(
  evm: EVM,
  env: RunState["env"],
  gasLeft: bigint,
): { readonly runState: RunState; readonly result: FrameResult } {
  const { stateManager, blockchain, common, journal } = evm;
  const result: FrameResult = { logs: [], returnValue: undefined, selfdestruct: new Map() };
  const runState = {
    programCounter: 0,
    opCode: 0xfe,
    memory: make(prototypes.memory, { _store: EMPTY_BYTES }),
    memoryWordCount: 0n,
    highestMemCost: 0n,
    stack: make(prototypes.stack, { _len: 0, _store: [], _maxHeight: 1_024 }),
    code: env.code,
    validJumps: EMPTY_BYTES,
    cachedPushes: {},
    stateManager,
    blockchain,
    env,
    shouldDoJumpAnalysis: true,
    gasRefund: env.gasRefund,
    gasLeft,
    stateGasSpilled: 0n,
    returnBytes: EMPTY_BYTES,
  } as unknown as RunState;
  runState.interpreter = make<Interpreter>(prototypes.interpreter, {
    opDebuggers: {},
    _evm: evm,
    _stateManager: stateManager,
    common,
    _runState: runState,
    journal,
    _env: env,
    _result: result,
  });
  return { runState, result };
}
