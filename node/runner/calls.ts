/** Calls, their access lists, estimates, simulated blocks and proofs: a few by turns, within bounds of time. */
import { bytesToHex, EMPTY_BYTES, ZERO_32 } from "../../core/bytes.ts";
import { Gate } from "../../core/gate.ts";
import type { Precompile } from "../../core/precompile.ts";
import type { ParentBlock } from "../../execution/block/execute.ts";
import type { ChainRules } from "../../execution/rules.ts";
import { OwnForms } from "../../execution/simulate/forms.ts";
import { simulate } from "../../execution/simulate/simulate.ts";
import { TransferLogs } from "../../execution/simulate/transfer-logs.ts";
import type { Simulation, SimulationRequest } from "../../execution/simulate/types.ts";
import { OverlayLayer } from "../../execution/state/layer.ts";
import type { AccountProof, StateLayer } from "../../execution/state/types.ts";
import { createTracingMachine } from "../../execution/trace/replay.ts";
import { type AccessListResult, createAccessList } from "../../execution/tx/access-list.ts";
import { type CallRequest, type CallResult, callMessage } from "../../execution/tx/call.ts";
import { estimateGas, type GasEstimate } from "../../execution/tx/estimate.ts";
import { type Machine, MachinePool } from "../../execution/tx/machine.ts";
import {
  type CallOverrides,
  NO_OVERRIDES,
  overrideHeader,
  overrideState,
  relocate,
} from "../../execution/tx/overrides.ts";
import { pacer, TimeSpent } from "../pace.ts";
import type { Environment, EstimateBounds, HeldState, RunnableChain, Runner } from "./types.ts";

/** Those that run by turns, and that wait for one to end. */
const CALLS_RUNNING = 4;
const CALLS_WAITING = 256;
/** A call that waited longer is refused: its caller has given up. */
const CALL_WAIT_MS = 20_000;
/** Time that a call may work, as geth's --rpc.evmtimeout. */
export const CALL_WORK_MS = 5_000;

/** What could not run at all, in words for the caller. */
class NotRun {
  readonly message: string;
  readonly isLate: boolean;

  constructor(message: string, isLate = false) {
    this.message = message;
    this.isLate = isLate;
  }
}

export class Calls implements Runner {
  readonly #chain: RunnableChain;
  readonly #precompiles: readonly Precompile[];
  readonly #workMs: number;
  readonly #machines = new Map<ChainRules, MachinePool>();
  readonly #gate = new Gate(CALLS_RUNNING, CALLS_WAITING);

  constructor(chain: RunnableChain, precompiles: readonly Precompile[], workMs = CALL_WORK_MS) {
    this.#chain = chain;
    this.#precompiles = precompiles;
    this.#workMs = workMs;
  }

  async call(request: CallRequest, environment: Environment, overrides = NO_OVERRIDES): Promise<CallResult> {
    const result = await this.#inTurn(environment.stateRoot, ({ state }) => {
      const layer = state.fork();
      overrideState(layer, overrides.state);
      return this.#call(request, environment, overrides, layer);
    });
    return result instanceof NotRun ? failed(result.message) : result;
  }

  async accessList(
    request: CallRequest,
    environment: Environment,
    overrides = NO_OVERRIDES,
  ): Promise<AccessListResult> {
    const result = await this.#inTurn(environment.stateRoot, ({ state }) => {
      const layer = state.fork();
      overrideState(layer, overrides.state);
      const header = overrideHeader(environment, overrides.block);
      const rules = this.#chain.rulesOf(environment);
      return this.#use(rules, layer, async (machine): Promise<AccessListResult> => {
        const refusal = relocate(machine.evm, overrides.state);
        if (refusal !== undefined) return { ok: false, message: refusal };
        return createAccessList(machine, request, header, layer, rules);
      });
    });
    return result instanceof NotRun ? { ok: false, message: result.message } : result;
  }

  async estimateGas(
    request: CallRequest,
    environment: Environment,
    overrides: CallOverrides,
    { gas, withinMs }: EstimateBounds,
  ): Promise<GasEstimate> {
    const deadline = performance.now() + withinMs;
    const result = await this.#inTurn(environment.stateRoot, ({ state }) => {
      const pretended = new OverlayLayer(state.reader);
      overrideState(pretended, overrides.state);
      const { gasLimit } = overrideHeader(environment, overrides.block);
      const rules = this.#chain.rulesOf(environment);
      const call = (attempt: CallRequest): Promise<CallResult> => {
        if (performance.now() > deadline) throw new TimeSpent(`${withinMs} ms for the whole estimate`);
        return this.#call(attempt, environment, overrides, new OverlayLayer(pretended));
      };
      return estimateGas({ state: pretended, call }, request, rules, gasLimit, gas);
    });
    return result instanceof NotRun ? { ok: false, message: result.message } : result;
  }

  async simulate(request: SimulationRequest, base: ParentBlock): Promise<Simulation> {
    const rules = this.#chain.rulesOf(base.header);
    const { foreign } = this.#chain;
    const forms = foreign?.forms ?? new OwnForms(rules);
    const result = await this.#inTurn(base.header.stateRoot, ({ state, database }) => {
      const parts = { forms, blockHash: this.#blockHash, database };
      if (!request.logsTransfers && foreign === undefined) {
        const run = (machine: Machine) => simulate({ ...parts, machineOf: () => machine }, request, base, state);
        return this.#use(rules, state.fork(), run);
      }
      const pause = pacer(this.#workMs);
      const transfers = request.logsTransfers ? new TransferLogs() : undefined;
      const machineOf = keptBy((rules: ChainRules) => {
        const machine = createTracingMachine({ rules, precompiles: this.#precompiles });
        machine.evm.tracer = transfers;
        machine.evm.pause = pause;
        return machine;
      });
      return simulate({ ...parts, machineOf, ...(transfers && { transfers }) }, request, base, state);
    });
    if (!(result instanceof NotRun)) return result;
    return { ok: false, failure: { code: result.isLate ? "timeout" : "busy", message: result.message } };
  }

  async prove(
    stateRoot: Uint8Array,
    address: Uint8Array,
    slots: readonly Uint8Array[],
  ): Promise<AccountProof | undefined> {
    return this.#chain.proofAt(stateRoot, address, slots);
  }

  /** Precondition: the layer has the overrides of state. */
  #call(
    request: CallRequest,
    environment: Environment,
    overrides: CallOverrides,
    layer: StateLayer,
  ): Promise<CallResult> {
    const header = overrideHeader(environment, overrides.block);
    const rules = this.#chain.rulesOf(environment);
    return this.#use(rules, layer, async (machine) => {
      const refusal = relocate(machine.evm, overrides.state);
      return refusal === undefined ? callMessage(machine, request, header, rules) : failed(refusal);
    });
  }

  #use<T>(rules: ChainRules, layer: StateLayer, run: (machine: Machine) => Promise<T>): Promise<T> {
    let machines = this.#machines.get(rules);
    if (machines === undefined) {
      machines = new MachinePool(rules, this.#precompiles, true);
      this.#machines.set(rules, machines);
    }
    return machines.use(layer, this.#blockHash, run, pacer(this.#workMs));
  }

  /** A call may pretend to be in a block that is far ahead; to code, what is not there yet has the hash 0. */
  readonly #blockHash = (number: bigint): Uint8Array => {
    if (number > this.#chain.head.number) return ZERO_32;
    const hash = this.#chain.hashAt(number);
    if (hash === undefined) throw new Error(`the hash of block ${number} was asked for, which is not here`);
    return hash;
  };

  /** Work gives way to other work every 10 ms. What takes too long fails as in geth. */
  async #inTurn<T>(stateRoot: Uint8Array, work: (held: HeldState) => Promise<T>): Promise<T | NotRun> {
    const askedAtMs = performance.now();
    const result = await this.#gate.run(async () => {
      if (performance.now() - askedAtMs > CALL_WAIT_MS) return undefined;
      const held = this.#chain.hold(stateRoot);
      if (held === undefined) return new NotRun(`state ${bytesToHex(stateRoot)} is not available: it was pruned`);
      try {
        return await work(held);
      } catch (error) {
        if (!(error instanceof TimeSpent)) throw error;
        return new NotRun(`execution aborted (timeout = ${this.#workMs / 1_000}s)`, true);
      } finally {
        held.release();
      }
    });
    return result ?? new NotRun("too many calls are running: try again later");
  }
}

/** Makes one for each key, when it is asked for. */
function keptBy<K, V>(make: (key: K) => V): (key: K) => V {
  const made = new Map<K, V>();
  return (key) => {
    const known = made.get(key);
    if (known !== undefined) return known;
    const value = make(key);
    made.set(key, value);
    return value;
  };
}

const failed = (reason: string): CallResult => ({ ok: false, output: EMPTY_BYTES, gasUsed: 0n, reason });
