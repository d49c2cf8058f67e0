/**
 * @ethereumjs/evm's interpreter, one of which runs the code of one frame. The package does not export the class, so an
 * opcode of a throw-away EVM hands it out.
 */
import {
  createEVM,
  type EVM,
  type EVMMockBlockchainInterface,
  type ExecResult,
  type getOpcodesForHF,
} from "@ethereumjs/evm";
import { createCommon } from "../rules.ts";
import { LayerStateManager } from "../state/ethereumjs-adapter.ts";
import { OverlayLayer } from "../state/layer.ts";

/** An entry of an EVM's opcode table. */
export type OpcodeEntry = ReturnType<typeof getOpcodesForHF>["opcodeMap"][number];
/** The state of one frame. */
export type RunState = Parameters<OpcodeEntry["opHandler"]>[0];
export type Interpreter = RunState["interpreter"];

type InterpreterClass = new (
  evm: EVM,
  stateManager: EVM["stateManager"],
  blockchain: EVMMockBlockchainInterface,
  env: RunState["env"],
  gasLeft: bigint,
  journal: EVM["journal"],
  performanceLogs: unknown,
) => Interpreter & { readonly _runState: RunState; readonly _result: FrameResult };

/** What a frame has given so far. */
export type FrameResult = Pick<ExecResult, "selfdestruct" | "createdAddresses"> & {
  logs: NonNullable<ExecResult["logs"]>;
  returnValue?: Uint8Array;
};

async function captureClass(): Promise<InterpreterClass> {
  let prototype: { readonly constructor: unknown } | undefined;
  const logicFunction = (runState: { readonly interpreter: object }) => {
    prototype = Object.getPrototypeOf(runState.interpreter);
  };
  const customOpcodes = [{ opcode: 0x0c, opcodeName: "CAPTURE", baseFee: 1, logicFunction }];
  const common = createCommon({ chainId: 1n, hardfork: "prague" });
  const evm = await createEVM({ common, stateManager: new LayerStateManager(new OverlayLayer()), customOpcodes });
  await evm.runCode({ code: Uint8Array.of(0x0c), gasLimit: 100n });
  if (prototype === undefined) throw new Error("@ethereumjs/evm's interpreter cannot be found");
  return prototype.constructor as InterpreterClass;
}

export const StockInterpreter: InterpreterClass = await captureClass();
