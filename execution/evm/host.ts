/**
 * The EVM with stateful precompiles: @ethereumjs/evm runs bytecode; a call that reaches a stateful precompile runs
 * native code with the frame's caller, value, static flag and gas.
 *
 * Refused before the precompile sees anything: DELEGATECALL and CALLCODE, which would act as the calling contract. An
 * EIP-7702 account delegated to a precompile runs empty code. Precompile accounts have nonce 1 and code 0xfe in state
 * (or EIP-161 would delete them); the dispatch comes before that code is ever read. Under EIP-2929 they are accounts
 * like any other, cold until touched.
 */
import { type Common, Hardfork, type StateManagerInterface } from "@ethereumjs/common";
import {
  EVM,
  EVMError,
  type EVMMockBlockchainInterface,
  type EVMOpts,
  type ExecResult,
  type Log,
  type Message,
  NobleBN254,
  type PrecompileInput,
} from "@ethereumjs/evm";
import { Account, Address } from "@ethereumjs/util";
import { bytesToHex, EMPTY_BYTES, equalsBytes, type Hex, hexToBytes } from "../../core/bytes.ts";
import { type Precompile, PrecompileRevert } from "../../core/precompile.ts";
import { revertReason } from "../../core/revert-reason.ts";
import { LayerStateManager } from "../state/ethereumjs-adapter.ts";
import { bytesKey } from "../state/keys.ts";
import type { StateLayer } from "../state/types.ts";
import { runOverAsyncState } from "./async-state.ts";
import { Bls } from "./bls.ts";
import { CodeFrame, MAX_GAS } from "./code-frame.ts";
import { withCreations } from "./create.ts";
import { FrameHalt, type FrameState, PrecompileFrame, type WarmSets } from "./frame.ts";
import { LayerJournal } from "./journal.ts";
import { analysedCodes, jumpAnalyses, useJumpAnalyses } from "./jump-analysis.ts";
import { type Instructions, instructionsOf, runLoop } from "./loop.ts";
import { openFrame, type RunState } from "./stock-interpreter.ts";

export interface HostOptions {
  readonly common: Common;
  /** With a `layer` (LayerStateManager) precompiles run on it directly; without, over the asynchronous interface. */
  readonly stateManager: StateManagerInterface;
  readonly precompiles: readonly Precompile[];
  /** For BLOCKHASH: hash of one of the 256 blocks before the executing one. May be set later on the host. */
  readonly blockHash?: BlockHashSource;
  /** Whether `pause` is asked. Costs a little at each jump, so hosts of blocks do without. */
  readonly pauses?: boolean;
  /** Code runs on @ethereumjs/evm's own loop: for a host that changes the opcode table which that reads. */
  readonly stockLoop?: boolean;
}

/**
 * Asked at each call and each JUMPDEST, without which code can neither loop nor recurse: a promise to wait for, so that
 * other work gets its turn. What it throws ends the message; the host must be thrown away then.
 */
export type Pause = () => Promise<void> | undefined;

/**
 * Native code that is not where the chain has it, as calls may pretend (eth_simulateV1's movePrecompileToAddress): by the
 * address that is called, the one whose native code runs there; undefined where there is none any more.
 */
export type Relocations = ReadonlyMap<Hex, Hex | undefined>;

export type BlockHashSource = (blockNumber: bigint) => Uint8Array;

/**
 * One host serves one state manager, one call after the other. Make one and point its state manager to new layers:
 * every EVM stays subscribed to its `common`.
 */
export const createHost = (options: HostOptions): Host => new Host(options);

const DELEGATION_PREFIX = Uint8Array.of(0xef, 0x01, 0x00);
/** Code of precompile accounts. */
const PRECOMPILE_CODE_BYTE = 0xfe;
const JUMPDEST = 0x5b;
/** No address. */
const NOWHERE: Hex = "0x";
/** Whose opcodes and prices the own loop knows. */
const OWN_FORKS: ReadonlySet<string> = new Set([Hardfork.Prague, Hardfork.Osaka]);

export class Host extends EVM {
  blockHash: BlockHashSource;
  /** Only asked with the option `pauses`. */
  pause: Pause = () => undefined;
  /** For the messages that follow. */
  relocations: Relocations | undefined;
  readonly #options: HostOptions;
  readonly #codes = analysedCodes();
  readonly #instructions: Instructions;
  readonly #precompiles: ReadonlyMap<Hex, Precompile>;

  /** The host's journal; undefined without a layer. */
  readonly layerJournal: LayerJournal | undefined;

  constructor(options: HostOptions) {
    const noSource: BlockHashSource = (number) => {
      throw new Error(`no source for the hash of block ${number}: set host.blockHash`);
    };
    const blockchain: EVMMockBlockchainInterface = {
      getBlock: async (number) => {
        const hash = this.blockHash(BigInt(number));
        return { hash: () => hash };
      },
      putBlock: async () => {},
      shallowCopy: () => blockchain,
    };
    const pausing: NonNullable<EVMOpts["customOpcodes"]>[number] = {
      opcode: JUMPDEST,
      opcodeName: "JUMPDEST",
      baseFee: 1,
      logicFunction: () => this.pause(),
    };
    super({
      common: options.common,
      stateManager: options.stateManager,
      blockchain,
      bls: new Bls(),
      bn254: new NobleBN254(),
      customOpcodes: options.pauses ? [pausing] : [],
    });
    if (options.stateManager instanceof LayerStateManager) {
      const precompiles = [...this.precompiles.keys()].map((hex) => bytesKey(hexToBytes(`0x${hex}`)));
      this.layerJournal = new LayerJournal(options.stateManager, options.common, new Set(precompiles));
      this.journal = this.layerJournal as unknown as EVM["journal"];
    }
    this._opcodeMap = withCreations(this._opcodeMap);
    useJumpAnalyses(this, jumpAnalyses(this._opcodeMap));
    this.#options = options;
    this.#instructions = instructionsOf(
      this._opcodeMap,
      options.pauses ? new Map([[JUMPDEST, () => this.pause()]]) : new Map(),
    );
    this.blockHash = options.blockHash ?? noSource;
    this.#precompiles = new Map(options.precompiles.map((precompile) => [bytesToHex(precompile.address), precompile]));
  }

  override shallowCopy(): Host {
    return new Host({
      ...this.#options,
      blockHash: this.blockHash,
      common: this.common.copy(),
      stateManager: this.stateManager.shallowCopy(),
    });
  }

  /**
   * Runs the code of a frame, on the host's own loop where it can: over layers, under the forks whose opcodes that loop
   * has, when nobody listens to `step` events, and not in a host that brings its own opcode table (`stockLoop`).
   */
  override async runInterpreter(
    message: Message,
    options: { initialLogs?: Log[]; pc?: number } = {},
  ): Promise<ExecResult> {
    const layer = layerOf(this.stateManager);
    const isOwn =
      layer !== undefined &&
      this.#options.stockLoop !== true &&
      OWN_FORKS.has(this.common.hardfork()) &&
      message.gasLimit < MAX_GAS &&
      options.pc === undefined &&
      options.initialLogs === undefined &&
      this.events.listenerCount("step") === 0;
    return isOwn ? this.#runCode(message, layer) : super.runInterpreter(message, options);
  }

  async #runCode(message: Message, layer: StateLayer): Promise<ExecResult> {
    const bytes = message.code as Uint8Array;
    const env = {
      address: message.to!,
      caller: message.caller,
      callData: message.data,
      callValue: message.value,
      code: bytes,
      isStatic: message.isStatic,
      isCreate: (message as { isCreate?: boolean }).isCreate ?? false,
      depth: message.depth,
      gasPrice: this._tx!.gasPrice,
      origin: this._tx!.origin ?? message.caller,
      block: this._block!,
      contract: (await this.stateManager.getAccount(message.to!)) ?? new Account(),
      codeAddress: message.codeAddress,
      gasRefund: message.gasRefund,
      blobVersionedHashes: message.blobVersionedHashes ?? [],
      createdAddresses: message.createdAddresses,
    };
    const { runState, result } = openFrame(this, env as RunState["env"], message.gasLimit);
    if (message.selfdestruct !== undefined) result.selfdestruct = message.selfdestruct;
    if (message.createdAddresses !== undefined) result.createdAddresses = message.createdAddresses;
    const frame = new CodeFrame(this.#codes.of(bytes), runState, result, layer);
    const exceptionError = await runLoop(frame, this.#instructions);
    const gasLeft = BigInt(frame.gas);
    const failed = exceptionError !== undefined;
    const keepsGas = exceptionError === undefined || exceptionError.error === EVMError.errorMessages.REVERT;
    return {
      returnValue: result.returnValue ?? EMPTY_BYTES,
      executionGasUsed: keepsGas ? message.gasLimit - gasLeft : message.gasLimit,
      gas: gasLeft,
      gasRefund: runState.gasRefund,
      logs: failed ? [] : result.logs,
      selfdestruct: failed ? new Map() : result.selfdestruct!,
      createdAddresses: failed ? new Set() : result.createdAddresses!,
      ...(failed && { exceptionError }),
    };
  }

  protected override async _loadCode(message: Message): Promise<void> {
    if (this.#options.pauses) await this.pause();
    if (message.code === undefined) {
      const precompile = this.#precompiles.get(this.#nativeAt(message.codeAddress.toString()) ?? NOWHERE);
      if (precompile !== undefined) {
        // The closure carries the message: ethereumjs hands a precompile only data and gas.
        message.code = (input: PrecompileInput) => this.#run(precompile, message, input.data, input.gasLimit);
        message.isCompiled = true;
        return;
      }
    }
    await super._loadCode(message);
    const code = message.code as Uint8Array | undefined;
    if (code?.length === 1 && code[0] === PRECOMPILE_CODE_BYTE && (await this.#isDelegated(message.codeAddress))) {
      message.code = EMPTY_BYTES; // EIP-7702: delegation to a precompile runs empty code
    }
  }

  /** The stateless precompile that runs there. */
  override getPrecompile(address: Address | Hex): ReturnType<EVM["getPrecompile"]> {
    if (this.relocations === undefined) return super.getPrecompile(address);
    const native = this.#nativeAt(address.toString() as Hex);
    return native === undefined ? undefined : super.getPrecompile(native);
  }

  #nativeAt(address: Hex): Hex | undefined {
    const { relocations } = this;
    return relocations?.has(address) ? relocations.get(address) : address;
  }

  /** Which kind of native code the chain has there, relocated or not. */
  nativeKind(address: Uint8Array): "stateless" | "stateful" | undefined {
    const hex = bytesToHex(address);
    if (this.#precompiles.has(hex)) return "stateful";
    return super.getPrecompile(hex) === undefined ? undefined : "stateless";
  }

  async #isDelegated(account: Address): Promise<boolean> {
    const own = await this.stateManager.getCode(account);
    if (own.length !== 23 || !equalsBytes(own.subarray(0, 3), DELEGATION_PREFIX)) return false;
    return this.#precompiles.has(new Address(own.slice(3)).toString());
  }

  #run(precompile: Precompile, message: Message, data: Uint8Array, gasLimit: bigint): ExecResult | Promise<ExecResult> {
    // Frontier and Moonbeam, May 2022: a delegated call into a precompile acted as the calling contract.
    if (message.delegatecall || !equalsBytes(message.to!.bytes, precompile.address)) {
      return reverted(revertReason("DELEGATECALL and CALLCODE to a precompile are refused"), 0n);
    }
    const header = this._block?.header;
    if (header === undefined) throw new Error("precompile call without a block");
    const environment = {
      self: precompile.address,
      caller: message.caller.bytes,
      value: message.value,
      isStatic: message.isStatic,
      isTopLevel: message.depth === 0,
      chainId: this.common.chainId(),
      blockNumber: header.number,
      timestamp: header.timestamp,
    };
    const call = (state: FrameState, warm: WarmSets): ExecResult =>
      runFrame(precompile, new PrecompileFrame(environment, gasLimit, state, warm), message, data, gasLimit);
    const layer = layerOf(this.stateManager);
    return layer === undefined ? runOverAsyncState(this.stateManager, this.journal, call) : call(layer, this.journal);
  }
}

/** Runs the precompile in its frame. A refund is added to `message`. Throws what is not the frame's end. */
export function runFrame(
  precompile: Precompile,
  frame: PrecompileFrame,
  message: Pick<Message, "gasRefund">,
  data: Uint8Array,
  gasLimit: bigint,
): ExecResult {
  try {
    const returnValue = precompile.run(frame, data);
    // ethereumjs answers a precompile's refund with the message's own counter, so the refund is added there.
    message.gasRefund += frame.refund;
    return {
      returnValue,
      executionGasUsed: gasLimit - frame.gasLeft,
      logs: frame.logs.map(({ address, topics, data }) => [address, [...topics], data]),
    };
  } catch (error) {
    if (error instanceof PrecompileRevert) return reverted(error.data, gasLimit - frame.gasLeft);
    if (error instanceof FrameHalt) {
      const { OUT_OF_GAS, STATIC_STATE_CHANGE } = EVMError.errorMessages;
      return {
        returnValue: EMPTY_BYTES,
        executionGasUsed: gasLimit,
        exceptionError: new EVMError(error.reason === "out of gas" ? OUT_OF_GAS : STATIC_STATE_CHANGE),
      };
    }
    throw error;
  }
}

const reverted = (data: Uint8Array, gasUsed: bigint): ExecResult => ({
  returnValue: data,
  executionGasUsed: gasUsed,
  exceptionError: new EVMError(EVMError.errorMessages.REVERT),
});

/** LayerStateManager's layer; it may change from block to block, so it is read at each call. */
function layerOf(stateManager: StateManagerInterface): StateLayer | undefined {
  return "layer" in stateManager ? (stateManager.layer as StateLayer) : undefined;
}
