/**
 * Runs what has run before, or a call, under the eyes of a tracer. A block's transactions run as the executor ran them,
 * deposits and the protocol's own writes included, but never past the EVM: no shortcut of the executor is taken, so
 * that a tracer sees every message.
 */

import { L1_FEE_VAULT_ADDRESS } from "../../core/addresses.ts";
import { EMPTY_BYTES } from "../../core/bytes.ts";
import type { Header, Transaction } from "../../core/chain.ts";
import type { Precompile } from "../../core/precompile.ts";
import { type ExecutionParts, OpenBlock, type ParentBlock } from "../block/execute.ts";
import { l1AttributesOf } from "../block/receipts.ts";
import type { BlockHashSource, Pause } from "../evm/host.ts";
import type { ChainRules } from "../rules.ts";
import type { SealedState, StateReader } from "../state/types.ts";
import { type CallRequest, type CallResult, callMessage } from "../tx/call.ts";
import { createdAddress } from "../tx/derive.ts";
import { createMachine } from "../tx/machine.ts";
import { overrideState, relocate, type StateOverrides } from "../tx/overrides.ts";
import type { AppliedTransaction, TransactionOutcome } from "../tx/run.ts";
import { TraceTooLarge } from "./budget.ts";
import { TracedLayer } from "./traced-layer.ts";
import { TracingHost } from "./tracing-host.ts";
import type { Tracer } from "./types.ts";

/** What stood in the way of running it at all, in geth's words. */
export class TraceRefused extends Error {}

export interface ReplayParts {
  readonly rules: ChainRules;
  readonly precompiles: readonly Precompile[];
  readonly blockHash: BlockHashSource;
  /** Asked while code runs; what it throws ends the replay. */
  readonly pause: Pause;
}

export interface ReplayedBlock {
  readonly parent: ParentBlock;
  /** After the parent. */
  readonly state: StateReader;
  readonly header: Header;
  readonly transactions: readonly Transaction[];
}

/** A block that is open to be run again. */
export interface ReplayingBlock {
  /** What the protocol does before the transactions. */
  begin(): Promise<unknown> | undefined;
  /** See OpenBlock. */
  apply(tx: Transaction): TransactionOutcome | Promise<TransactionOutcome>;
}

/** Opens a block as its chain does. */
export type OpenReplay = (
  parts: ExecutionParts,
  block: ReplayedBlock,
  state: Pick<SealedState, "fork">,
) => ReplayingBlock;

const openOwn: OpenReplay = (parts, { parent, header, transactions }, state) =>
  new OpenBlock(parts, parent, state, header, l1AttributesOf(transactions));

/** Everything runs through the EVM: see createTracingMachine. */
const EVERYTHING = { has: () => true };

/** Without the ways that the executor has around the EVM, which come to the same. */
export function createTracingMachine({ rules, precompiles }: Pick<ReplayParts, "rules" | "precompiles">) {
  const machine = createMachine(rules, precompiles, true, (options) => new TracingHost(options));
  return { ...machine, statefulPrecompiles: new Map(), nativeAddresses: EVERYTHING };
}

type TracingMachine = ReturnType<typeof createTracingMachine>;

/** A block that is run again, transaction by transaction. Of no more use when something was thrown. */
export class Replay {
  readonly #block: ReplayedBlock;
  readonly #open: ReplayingBlock;
  readonly #machine: TracingMachine;
  readonly #feeRecipients: readonly Uint8Array[];
  #next = 0;
  #logs = 0;
  /** What ended the replay: the executor may have taken it for a deposit's own failure. */
  #interruption: unknown;

  private constructor(parts: ReplayParts, block: ReplayedBlock, open: OpenReplay) {
    this.#block = block;
    const machine = createTracingMachine(parts);
    this.#machine = machine;
    machine.evm.blockHash = parts.blockHash;
    machine.evm.pause = () => {
      try {
        return parts.pause();
      } catch (error) {
        this.#interruption = error;
        throw error;
      }
    };
    const execution: ExecutionParts = {
      rules: parts.rules,
      blockHash: parts.blockHash,
      machines: {
        borrow: (layer) => {
          machine.stateManager.setLayer(layer);
          return machine;
        },
        giveBack: () => {},
      },
      database: {
        seal: () => {
          throw new Error("a block that is run again is never sealed");
        },
      },
      onFault: (_deposit, error) => {
        if (error instanceof TraceTooLarge) this.#interruption = error;
      },
    };
    const fork = () => new TracedLayer(block.state);
    this.#open = open(execution, block, { fork });
    this.#feeRecipients = feeRecipients(block.header, parts.rules);
  }

  /** Does what a block begins with. `open`: on another chain than our own. */
  static async begin(parts: ReplayParts, block: ReplayedBlock, open: OpenReplay = openOwn): Promise<Replay> {
    const replay = new Replay(parts, block, open);
    await replay.#open.begin();
    return replay;
  }

  /** State after the transactions that have run. */
  get state(): StateReader {
    return this.#machine.stateManager.layer;
  }

  /**
   * Runs the next transaction of the block. Throws TraceRefused when it is not valid there, and what the pause or the
   * tracer throws. Precondition: there is one.
   */
  async next(tracer?: Tracer): Promise<AppliedTransaction> {
    const tx = this.#block.transactions[this.#next++]!;
    if (tracer !== undefined) {
      const place = { logsBefore: this.#logs, feeRecipients: this.#feeRecipients };
      tracer.start?.({ ...messageOf(tx, this.state), ...place }, this.state);
      this.#machine.evm.tracer = tracer;
    }
    const outcome = await this.#open.apply(tx);
    this.#machine.evm.tracer = undefined;
    if (this.#interruption !== undefined) throw this.#interruption;
    if (!outcome.ok) throw new TraceRefused(outcome.message);
    this.#logs += outcome.logs.length;
    tracer?.end?.({ gasUsed: outcome.gasUsed, output: outcome.output, error: outcome.failure });
    return outcome;
  }
}

/**
 * Runs a call on a state, with accounts that are other than there, in the environment of a block. Throws TraceRefused when it could not run at all,
 * and what the pause or the tracer throws.
 */
export async function traceCall(
  parts: ReplayParts,
  request: CallRequest,
  header: Header,
  state: StateReader,
  overrides: StateOverrides | undefined,
  tracer: Tracer,
): Promise<CallResult> {
  const machine = createTracingMachine(parts);
  const layer = new TracedLayer(state);
  overrideState(layer, overrides);
  const refusal = relocate(machine.evm, overrides);
  if (refusal !== undefined) throw new TraceRefused(refusal);
  machine.stateManager.setLayer(layer);
  machine.evm.blockHash = parts.blockHash;
  machine.evm.pause = parts.pause;
  const { from = new Uint8Array(20), to, value = 0n, data = EMPTY_BYTES, authorizationList = [] } = request;
  const gasLimit = request.gas !== undefined && request.gas < header.gasLimit ? request.gas : header.gasLimit;
  const message = {
    from,
    to: to ?? createdAddress(from, layer.account(from)?.nonce ?? 0n),
    isCreation: to === undefined,
    gasLimit,
    value,
    input: data,
    authorizationList,
    logsBefore: 0,
    feeRecipients: feeRecipients(header, parts.rules),
  };
  tracer.start?.(message, layer);
  machine.evm.tracer = tracer;
  const result = await callMessage(machine, request, header, parts.rules);
  if (!result.ok && result.gasUsed === 0n) throw new TraceRefused(result.reason);
  const error = result.ok ? undefined : result.reason;
  tracer.end?.({ gasUsed: result.gasUsed, output: result.output, error });
  return result;
}

function messageOf(tx: Transaction, state: StateReader) {
  const { from, to, gasLimit, value, data, authorizationList } = tx;
  const nonce = tx.deposit === undefined ? tx.nonce : (state.account(from)?.nonce ?? 0n);
  return {
    from,
    to: to ?? createdAddress(from, nonce),
    isCreation: to === undefined,
    gasLimit,
    value,
    input: data,
    authorizationList,
  };
}

function feeRecipients({ coinbase }: Header, { baseFeeRecipient, l1 }: ChainRules): Uint8Array[] {
  return [coinbase, ...(baseFeeRecipient ? [baseFeeRecipient] : []), ...(l1 ? [L1_FEE_VAULT_ADDRESS] : [])];
}
