/**
 * What runs on a state without keeping anything: calls, their access lists, simulated blocks. Plain data in and out.
 */
import { EMPTY_BYTES } from "../core/bytes.ts";
import type { Header } from "../core/chain.ts";
import { Gate } from "../core/gate.ts";
import type { Precompile } from "../core/precompile.ts";
import type { ParentBlock } from "../execution/block/execute.ts";
import type { BlockHashSource } from "../execution/evm/host.ts";
import type { ChainRules } from "../execution/rules.ts";
import { type SimulationParts, simulate } from "../execution/simulate/simulate.ts";
import { TransferLogs } from "../execution/simulate/transfer-logs.ts";
import type { Simulation, SimulationRequest } from "../execution/simulate/types.ts";
import type { SealedState, StateDatabase, StateLayer } from "../execution/state/types.ts";
import { createTracingMachine } from "../execution/trace/replay.ts";
import { type AccessListResult, createAccessList } from "../execution/tx/access-list.ts";
import { type CallRequest, type CallResult, callMessage } from "../execution/tx/call.ts";
import { type Machine, MachinePool } from "../execution/tx/machine.ts";
import { type CallOverrides, overrideHeader, overrideState } from "../execution/tx/overrides.ts";
import { pacer, TimeSpent } from "./pace.ts";

/** Calls that run by turns, and that wait for one to end. */
const CALLS_RUNNING = 4;
const CALLS_WAITING = 256;
/** A call that waited longer is refused: its caller has given up. */
const CALL_WAIT_MS = 20_000;
/** Time that a call may work, as geth's --rpc.evmtimeout. */
const CALL_WORK_MS = 5_000;

/** What could not run at all, in words for the caller. */
interface NotRun {
  readonly ok: false;
  readonly code: "timeout" | "busy";
  readonly message: string;
}

export class Calls {
  readonly #rules: ChainRules;
  readonly #precompiles: readonly Precompile[];
  readonly #machines: MachinePool;
  readonly #blockHash: BlockHashSource;
  readonly #gate = new Gate(CALLS_RUNNING, CALLS_WAITING);

  constructor(rules: ChainRules, precompiles: readonly Precompile[], blockHash: BlockHashSource) {
    this.#rules = rules;
    this.#precompiles = precompiles;
    this.#machines = new MachinePool(rules, precompiles, true);
    this.#blockHash = blockHash;
  }

  /** `layerOf` is asked when it begins, and gives a layer that is thrown away. */
  async run(
    request: CallRequest,
    header: Header,
    layerOf: () => StateLayer,
    overrides: CallOverrides,
  ): Promise<CallResult> {
    const environment = overrideHeader(header, overrides.block);
    const result = await this.#inTurn(async () => {
      const layer = layerOf();
      overrideState(layer, overrides.state);
      return this.#use(layer, (machine) => callMessage(machine, request, environment, this.#rules));
    });
    return "message" in result ? { ok: false, output: EMPTY_BYTES, gasUsed: 0n, reason: result.message } : result;
  }

  accessList(
    request: CallRequest,
    header: Header,
    layerOf: () => StateLayer,
    overrides: CallOverrides,
  ): Promise<AccessListResult> {
    const environment = overrideHeader(header, overrides.block);
    return this.#inTurn(async () => {
      const layer = layerOf();
      overrideState(layer, overrides.state);
      return this.#use(layer, (machine) => createAccessList(machine, request, environment, layer, this.#rules));
    });
  }

  async simulate(
    request: SimulationRequest,
    base: ParentBlock,
    stateOf: () => Pick<SealedState, "fork">,
    database: Pick<StateDatabase, "seal">,
  ): Promise<Simulation> {
    const parts = { rules: this.#rules, blockHash: this.#blockHash, database };
    const result = await this.#inTurn(async () => {
      const state = stateOf();
      if (request.logsTransfers) return simulate({ ...parts, ...this.#transferLogging() }, request, base, state);
      return this.#use(state.fork(), (machine) => simulate({ ...parts, machine }, request, base, state));
    });
    return "message" in result ? { ok: false, failure: result } : result;
  }

  #use<T>(layer: StateLayer, run: (machine: Machine) => Promise<T>): Promise<T> {
    return this.#machines.use(layer, this.#blockHash, run, pacer(CALL_WORK_MS));
  }

  #transferLogging(): Pick<SimulationParts, "machine" | "transfers"> {
    const machine = createTracingMachine({ rules: this.#rules, precompiles: this.#precompiles });
    const transfers = new TransferLogs();
    machine.evm.tracer = transfers;
    machine.evm.pause = pacer(CALL_WORK_MS);
    return { machine, transfers };
  }

  /** Work gives way to other work every 10 ms. What takes too long fails as in geth. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T | NotRun> {
    const askedAtMs = performance.now();
    const result = await this.#gate.run(async () => {
      if (performance.now() - askedAtMs > CALL_WAIT_MS) return undefined;
      try {
        return await work();
      } catch (error) {
        if (error instanceof TimeSpent)
          return notRun("timeout", `execution aborted (timeout = ${CALL_WORK_MS / 1_000}s)`);
        throw error;
      }
    });
    return result ?? notRun("busy", "too many calls are running: try again later");
  }
}

const notRun = (code: NotRun["code"], message: string): NotRun => ({ ok: false, code, message });
