/** An EVM together with the state it runs on. One machine runs one message at a time: its journal is not shareable. */
import { hexToBytes } from "../../core/bytes.ts";
import type { Precompile } from "../../core/precompile.ts";
import { createCommon } from "../common.ts";
import { type BlockHashSource, createHost, type Host, type HostOptions, type Pause } from "../evm/host.ts";
import type { LayerJournal } from "../evm/journal.ts";
import type { ChainRules } from "../rules.ts";
import { LayerStateManager } from "../state/ethereumjs-adapter.ts";
import { bytesKey } from "../state/keys.ts";
import { emptyReader, OverlayLayer } from "../state/layer.ts";
import type { StateLayer } from "../state/types.ts";

export interface Machine {
  readonly evm: Host;
  readonly stateManager: LayerStateManager;
  readonly journal: LayerJournal;
  /** Ethereum's precompiles, warm in every transaction (EIP-2929), by `bytesKey`. */
  readonly alwaysWarm: ReadonlySet<string>;
  /** By `bytesKey` of their addresses. */
  readonly statefulPrecompiles: ReadonlyMap<string, Precompile>;
  /** `bytesKey` of every address that runs native code. */
  readonly nativeAddresses: Pick<ReadonlySet<string>, "has">;
}

/** Idle machines that are kept; more run at the same time only under concurrent calls. */
const MAX_IDLE = 4;

/**
 * Lends machines. What runs at the same time (a block and an `eth_call`) runs on different ones. A machine that threw
 * must not be given back: its journal may be half-way through a frame.
 */
export class MachinePool {
  readonly #rules: ChainRules;
  readonly #precompiles: readonly Precompile[];
  readonly #pauses: boolean;
  readonly #idle: Machine[] = [];

  /** `pauses`: for messages that must let other work have its turn, see `use`. */
  constructor(rules: ChainRules, precompiles: readonly Precompile[], pauses = false) {
    this.#rules = rules;
    this.#precompiles = precompiles;
    this.#pauses = pauses;
  }

  borrow(layer: StateLayer, blockHash: BlockHashSource): Machine {
    const machine = this.#idle.pop() ?? createMachine(this.#rules, this.#precompiles, this.#pauses, createHost);
    machine.evm.blockHash = blockHash;
    machine.stateManager.setLayer(layer);
    return machine;
  }

  giveBack(machine: Machine): void {
    machine.stateManager.setLayer(NOTHING);
    machine.evm.relocations = undefined;
    if (this.#idle.length < MAX_IDLE) this.#idle.push(machine);
  }

  /** Borrows for the length of `run`. `pause` is asked while code runs, in a pool that pauses. */
  async use<T>(
    layer: StateLayer,
    blockHash: BlockHashSource,
    run: (machine: Machine) => T | Promise<T>,
    pause: Pause = () => undefined,
  ): Promise<T> {
    const machine = this.borrow(layer, blockHash);
    machine.evm.pause = pause;
    const result = await run(machine);
    this.giveBack(machine);
    return result;
  }
}

/** `makeHost`: for a host of another kind. */
export function createMachine<H extends Host = Host>(
  rules: ChainRules,
  precompiles: readonly Precompile[],
  pauses: boolean,
  makeHost: (options: HostOptions) => H,
): Machine & { readonly evm: H } {
  const stateManager = new LayerStateManager(NOTHING);
  const evm = makeHost({ common: createCommon(rules), stateManager, precompiles, pauses });
  const alwaysWarm = new Set([...evm.precompiles.keys()].map((hex) => bytesKey(hexToBytes(`0x${hex}`))));
  const statefulPrecompiles = new Map(precompiles.map((precompile) => [bytesKey(precompile.address), precompile]));
  const nativeAddresses = new Set([...alwaysWarm, ...statefulPrecompiles.keys()]);
  return { evm, stateManager, journal: evm.layerJournal!, alwaysWarm, statefulPrecompiles, nativeAddresses };
}

/** What an idle machine points at, so that it keeps no block's state alive. */
const NOTHING: StateLayer = new OverlayLayer(emptyReader);
