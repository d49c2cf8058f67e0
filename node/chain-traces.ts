/**
 * Traces of the chain's transactions and of calls: blocks are run again on the state after their parents, a few at a
 * time, giving way to other work, within bounds of time and bytes. Plain data in and out.
 */
import { bytesToHex, ZERO_32 } from "../core/bytes.ts";
import type { ExecutedBlock } from "../core/chain.ts";
import { Gate } from "../core/gate.ts";
import type { Precompile } from "../core/precompile.ts";
import { type DecodedBlock, decodeBlock } from "../execution/block/block-codec.ts";
import { checkDeposits } from "../execution/block/deposits.ts";
import type { ParentBlock } from "../execution/block/execute.ts";
import { checkBeforeExecution } from "../execution/block/import.ts";
import type { ChainRules } from "../execution/rules.ts";
import type { StateReader } from "../execution/state/types.ts";
import { TraceBudget, TraceTooLarge } from "../execution/trace/budget.ts";
import { Replay, type ReplayParts, TraceRefused, traceCall } from "../execution/trace/replay.ts";
import { createTracer, type TracerChoice } from "../execution/trace/tracers.ts";
import type { Json, Tracer } from "../execution/trace/types.ts";
import type { CallRequest } from "../execution/tx/call.ts";
import { type CallOverrides, overrideHeader } from "../execution/tx/overrides.ts";
import type { BlockSelector } from "./chain-api.ts";
import { pacer, TimeSpent } from "./pace.ts";
import { solidityRevertReason } from "./rpc/revert.ts";

/** Traces that run by turns, and that wait for one to end. */
const TRACES_RUNNING = 2;
const TRACES_WAITING = 64;

export interface TraceOptions {
  readonly tracer: TracerChoice;
  /** Work that each traced transaction may take. */
  readonly timeoutMs: number;
  /** From the request to the answer, all together. */
  readonly withinMs: number;
  /** Of all traces of the answer as JSON. */
  readonly maxBytes: number;
}

/** What a trace needs of the chain. */
interface TraceableChain {
  readonly rules: ChainRules;
  find(selector: BlockSelector): ExecutedBlock | undefined;
  state(block: ExecutedBlock): StateReader | undefined;
  hashAt(number: bigint): Uint8Array | undefined;
}

/** There is no trace; the message is for whoever asked. */
export class TraceError extends Error {}

export interface TransactionTrace {
  readonly txHash: string;
  readonly result: Json;
}

/** How far a block is run again: one transaction is traced, all are, or none before `end`. */
type Plan = { readonly traced: number } | "all" | { readonly end: number };

export class ChainTraces {
  readonly #chain: TraceableChain;
  readonly #precompiles: readonly Precompile[];
  readonly #gate = new Gate(TRACES_RUNNING, TRACES_WAITING);

  constructor(chain: TraceableChain, precompiles: readonly Precompile[]) {
    this.#chain = chain;
    this.#precompiles = precompiles;
  }

  /** Rejects with TraceError, as all of these do. Precondition: the block has that transaction. */
  transaction(block: DecodedBlock, index: number, options: TraceOptions): Promise<Json> {
    return this.#inTurn(options, async (work) => {
      const { traces } = await this.#replay(block, { traced: index }, options, work);
      return traces[0]!.result;
    });
  }

  /** Every transaction of a block, which need not be one of the chain's, but stands on one of them. */
  block(block: DecodedBlock, options: TraceOptions): Promise<readonly TransactionTrace[]> {
    return this.#inTurn(options, async (work) => (await this.#replay(block, "all", options, work)).traces);
  }

  /** As `block`, of a block as it travels. */
  encodedBlock(raw: Uint8Array, options: TraceOptions): Promise<readonly TransactionTrace[]> {
    return this.#inTurn(options, async (work) => (await this.#replay(this.#decode(raw), "all", options, work)).traces);
  }

  /** On the state after the block, or before its transaction with the index `before`. */
  call(
    request: CallRequest,
    block: ExecutedBlock,
    overrides: CallOverrides,
    before: number | undefined,
    options: TraceOptions,
  ): Promise<Json> {
    return this.#inTurn(options, async (work) => {
      const state =
        before === undefined
          ? this.#stateAfter(block)
          : (await this.#replay(block, { end: before }, options, work)).state;
      const header = overrideHeader(block.header, overrides.block);
      const tracer = this.#tracer(options, new TraceBudget(options.maxBytes));
      const parts = this.#parts(work.traced(options.timeoutMs));
      // In a block that is pretended, blocks before it may never have been.
      const blockHash = (number: bigint) => this.#chain.hashAt(number) ?? ZERO_32;
      await traceCall({ ...parts, blockHash }, request, header, state, overrides.state, tracer);
      return tracer.result();
    });
  }

  async #replay(block: DecodedBlock, plan: Plan, options: TraceOptions, work: Work) {
    const { header, transactions } = block;
    if (header.number === 0n) throw new TraceError("genesis is not traceable");
    const parent = this.#chain.find({ hash: header.parentHash });
    if (parent === undefined) {
      throw new TraceError(`parent ${bytesToHex(header.parentHash)} of block ${header.number} is not here`);
    }
    const state = this.#stateAfter(parent);
    const refusal = this.#refusalOf(block, parent, state);
    if (refusal !== undefined) throw new TraceError(`block ${header.number} is not valid: ${refusal}`);
    let pause = work.untraced();
    const parts = this.#parts(() => pause());
    const replay = await Replay.begin(parts, { parent, state, header, transactions });
    const budget = new TraceBudget(options.maxBytes);
    const traces: TransactionTrace[] = [];
    const last = plan === "all" ? transactions.length - 1 : "end" in plan ? plan.end - 1 : plan.traced;
    for (let index = 0; index <= last; index++) {
      const isTraced = plan === "all" || ("traced" in plan && plan.traced === index);
      if (!isTraced) {
        await replay.next();
        continue;
      }
      const tracer = this.#tracer(options, budget);
      pause = work.traced(options.timeoutMs);
      await replay.next(tracer);
      traces.push({ txHash: bytesToHex(transactions[index]!.hash), result: tracer.result() });
    }
    return { traces, state: replay.state };
  }

  #decode(raw: Uint8Array): DecodedBlock {
    const { blockBytes, chainId } = this.#chain.rules;
    if (raw.length > blockBytes)
      throw new TraceError(`block has ${raw.length} bytes, at most ${blockBytes} are allowed`);
    const decoded = decodeBlock(raw, chainId);
    if (!decoded.ok) throw new TraceError(`could not decode block: ${decoded.reason}`);
    return decoded.block;
  }

  /** Why no node would run the block; then what it did is not to be told. */
  #refusalOf({ header, transactions }: DecodedBlock, parent: ParentBlock, state: StateReader): string | undefined {
    const { rules } = this.#chain;
    const early = checkBeforeExecution(header, parent, rules);
    if (early !== undefined) return early;
    const deposits = checkDeposits({ transactions, timestamp: header.timestamp }, state, rules);
    return deposits.ok ? undefined : deposits.reason;
  }

  #parts(pause: ReplayParts["pause"]): ReplayParts {
    const blockHash = (number: bigint): Uint8Array => {
      const hash = this.#chain.hashAt(number);
      if (hash === undefined) throw new Error(`the hash of block ${number} was asked for, which is not here`);
      return hash;
    };
    return { rules: this.#chain.rules, precompiles: this.#precompiles, blockHash, pause };
  }

  #tracer({ tracer }: TraceOptions, budget: TraceBudget): Tracer {
    return createTracer(tracer, budget, solidityRevertReason);
  }

  #stateAfter(block: ExecutedBlock): StateReader {
    const state = this.#chain.state(block);
    if (state !== undefined) return state;
    throw new TraceError(
      `historical state ${bytesToHex(block.header.stateRoot)} of block ${block.header.number} is not available: it was pruned`,
    );
  }

  async #inTurn<T>({ withinMs, maxBytes }: TraceOptions, trace: (work: Work) => Promise<T>): Promise<T> {
    const work = new Work(performance.now() + withinMs);
    try {
      const done = await this.#gate.run(async () => ({ result: await trace(work) }));
      if (done !== undefined) return done.result;
    } catch (error) {
      if (error instanceof TimeSpent) throw new TraceError("execution timeout");
      if (error instanceof TraceRefused) throw new TraceError(`tracing failed: ${error.message}`);
      if (error instanceof TraceTooLarge) {
        throw new TraceError(
          `the trace is larger than ${maxBytes} bytes: ask for less, with "limit" or another tracer`,
        );
      }
      throw error;
    }
    throw new TraceError("too many traces are running: try again later");
  }
}

/** Time for the work of one request. */
class Work {
  readonly #deadline: number;

  constructor(deadline: number) {
    this.#deadline = deadline;
  }

  /** To be asked while something runs that is not traced itself. */
  untraced(): ReplayParts["pause"] {
    return pacer(this.#leftMs());
  }

  traced(timeoutMs: number): ReplayParts["pause"] {
    return pacer(Math.min(timeoutMs, this.#leftMs()));
  }

  #leftMs(): number {
    const left = this.#deadline - performance.now();
    if (left <= 0) throw new TimeSpent("the request's time");
    return left;
  }
}
