/** Messages that run on a state without keeping anything: eth_call and the attempts of eth_estimateGas. */
import { EMPTY_BYTES } from "../core/bytes.ts";
import type { Header } from "../core/chain.ts";
import { Gate } from "../core/gate.ts";
import type { Precompile } from "../core/precompile.ts";
import type { BlockHashSource } from "../execution/evm/host.ts";
import type { ChainRules } from "../execution/rules.ts";
import type { StateLayer } from "../execution/state/types.ts";
import { type CallRequest, type CallResult, callMessage } from "../execution/tx/call.ts";
import { type Machine, MachinePool } from "../execution/tx/machine.ts";
import { pacer, TimeSpent } from "./pace.ts";

/** Calls that run by turns, and that wait for one to end. */
const CALLS_RUNNING = 4;
const CALLS_WAITING = 256;
/** A call that waited longer is refused: its caller has given up. */
const CALL_WAIT_MS = 20_000;
/** Time that a call may work, as geth's --rpc.evmtimeout. */
const CALL_WORK_MS = 5_000;

export class Calls {
  readonly #rules: ChainRules;
  readonly #machines: MachinePool;
  readonly #blockHash: BlockHashSource;
  readonly #gate = new Gate(CALLS_RUNNING, CALLS_WAITING);

  constructor(rules: ChainRules, precompiles: readonly Precompile[], blockHash: BlockHashSource) {
    this.#rules = rules;
    this.#machines = new MachinePool(rules, precompiles, true);
    this.#blockHash = blockHash;
  }

  /** Gives way to other work every 10 ms. What takes too long fails as in geth. `layerOf` is asked when it begins. */
  async run(request: CallRequest, header: Header, layerOf: () => StateLayer): Promise<CallResult> {
    const askedAtMs = performance.now();
    const result = await this.#gate.run(async () => {
      if (performance.now() - askedAtMs > CALL_WAIT_MS) return undefined;
      return this.#run(request, header, layerOf());
    });
    return result ?? failed("too many calls are running: try again later");
  }

  async #run(request: CallRequest, header: Header, layer: StateLayer): Promise<CallResult> {
    const run = (machine: Machine) => callMessage(machine, request, header, this.#rules);
    try {
      return await this.#machines.use(layer, this.#blockHash, run, pacer(CALL_WORK_MS));
    } catch (error) {
      if (error instanceof TimeSpent) return failed(`execution aborted (timeout = ${CALL_WORK_MS / 1_000}s)`);
      throw error;
    }
  }
}

const failed = (reason: string): CallResult => ({ ok: false, output: EMPTY_BYTES, gasUsed: 0n, reason });
