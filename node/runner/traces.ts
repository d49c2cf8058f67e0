/**
 * Traces of the chain's transactions and of calls: blocks are run again on the state after their parents, a few at a
 * time, giving way to other work, within bounds of time and bytes. Plain data in and out.
 */
import { bytesToHex, ZERO_32 } from "../../core/bytes.ts";
import type { ExecutedBlock, Header } from "../../core/chain.ts";
import { Gate } from "../../core/gate.ts";
import type { Precompile } from "../../core/precompile.ts";
import { type DecodedBlock, decodeBlock } from "../../execution/block/block-codec.ts";
import { checkDeposits } from "../../execution/block/deposits.ts";
import type { ParentBlock } from "../../execution/block/execute.ts";
import { checkBeforeExecution } from "../../execution/block/import.ts";
import type { StateReader } from "../../execution/state/types.ts";
import { TraceBudget, TraceTooLarge } from "../../execution/trace/budget.ts";
import { Replay, type ReplayParts, TraceRefused, traceCall } from "../../execution/trace/replay.ts";
import { createTracer } from "../../execution/trace/tracers.ts";
import type { Json, Tracer } from "../../execution/trace/types.ts";
import type { CallRequest } from "../../execution/tx/call.ts";
import { type CallOverrides, overrideHeader } from "../../execution/tx/overrides.ts";
import { pacer, TimeSpent } from "../pace.ts";
import { solidityRevertReason } from "../rpc/revert.ts";
import type { RunnableChain, Traced, TraceOptions, TraceRunner, TransactionTrace } from "./types.ts";

/** Traces that run by turns, and that wait for one to end. */
const TRACES_RUNNING = 2;
const TRACES_WAITING = 64;

/** There is no trace; the message is for whoever asked. */
class TraceError extends Error {}

interface Replayed {
  readonly traces: readonly TransactionTrace[];
  readonly state: StateReader;
}

/** How far a block is run again: one transaction is traced, all are, or none before `end`. */
type Plan = { readonly traced: number } | "all" | { readonly end: number };

export class Traces implements TraceRunner {
  readonly #chain: RunnableChain;
  readonly #precompiles: readonly Precompile[];
  readonly #gate = new Gate(TRACES_RUNNING, TRACES_WAITING);

  constructor(chain: RunnableChain, precompiles: readonly Precompile[]) {
    this.#chain = chain;
    this.#precompiles = precompiles;
  }

  /** Precondition: the block has that transaction. */
  traceTransaction(blockHash: Uint8Array, index: number, options: TraceOptions): Promise<Traced<Json>> {
    return this.#inTurn(options, (work) => {
      const block = this.#block(blockHash);
      return this.#replay(block, { traced: index }, options, work, ({ traces }) => traces[0]!.result);
    });
  }

  traceBlock(blockHash: Uint8Array, options: TraceOptions): Promise<Traced<readonly TransactionTrace[]>> {
    return this.#inTurn(options, (work) =>
      this.#replay(this.#block(blockHash), "all", options, work, ({ traces }) => traces),
    );
  }

  traceEncodedBlock(raw: Uint8Array, options: TraceOptions): Promise<Traced<readonly TransactionTrace[]>> {
    return this.#inTurn(options, (work) =>
      this.#replay(this.#decode(raw), "all", options, work, ({ traces }) => traces),
    );
  }

  traceCall(
    request: CallRequest,
    blockHash: Uint8Array,
    overrides: CallOverrides,
    before: number | undefined,
    options: TraceOptions,
  ): Promise<Traced<Json>> {
    return this.#inTurn(options, (work) => {
      const block = this.#block(blockHash);
      const trace = async (state: StateReader): Promise<Json> => {
        const header = overrideHeader(block.header, overrides.block);
        const tracer = this.#tracer(options, new TraceBudget(options.maxBytes));
        const parts = this.#parts(block.header, work.traced(options.timeoutMs));
        // In a block that is pretended, blocks before it may never have been.
        const blockHash = (number: bigint) => this.#chain.hashAt(number) ?? ZERO_32;
        await traceCall({ ...parts, blockHash }, request, header, state, overrides.state, tracer);
        return tracer.result();
      };
      if (before === undefined) return this.#onStateAfter(block, trace);
      return this.#replay(block, { end: before }, options, work, ({ state }) => trace(state));
    });
  }

  /** Runs the block again as far as the plan says; `use` gets what came of it while the state is held. */
  #replay<T>(
    block: DecodedBlock,
    plan: Plan,
    options: TraceOptions,
    work: Work,
    use: (replayed: Replayed) => T | Promise<T>,
  ): Promise<T> {
    const { header, transactions } = block;
    if (header.number === 0n) throw new TraceError("genesis is not traceable");
    const parent = this.#chain.find({ hash: header.parentHash });
    if (parent === undefined) {
      throw new TraceError(`parent ${bytesToHex(header.parentHash)} of block ${header.number} is not here`);
    }
    return this.#onStateAfter(parent, async (state) => {
      const refusal = this.#refusalOf(block, parent, state);
      if (refusal !== undefined) throw new TraceError(`block ${header.number} ${refusal}`);
      let pause = work.untraced();
      const parts = this.#parts(header, () => pause());
      const open = this.#chain.foreign?.openReplay;
      const replay = await Replay.begin(parts, { parent, state, header, transactions }, open);
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
      return use({ traces, state: replay.state });
    });
  }

  #block(hash: Uint8Array): ExecutedBlock {
    const block = this.#chain.find({ hash });
    if (block === undefined) throw new TraceError(`block ${bytesToHex(hash)} not found`);
    return block;
  }

  #decode(raw: Uint8Array): DecodedBlock {
    const { blockBytes, chainId } = this.#chain.rulesOf(this.#chain.find({ tag: "latest" })!.header);
    if (raw.length > blockBytes)
      throw new TraceError(`block has ${raw.length} bytes, at most ${blockBytes} are allowed`);
    const { foreign } = this.#chain;
    const decoded = foreign === undefined ? decodeBlock(raw, chainId) : foreign.decode(raw);
    if (!decoded.ok) throw new TraceError(`could not decode block: ${decoded.reason}`);
    return decoded.block;
  }

  /** What is wrong with a block that no node would run; then what it did is not to be told. */
  #refusalOf(block: DecodedBlock, parent: ParentBlock, state: StateReader): string | undefined {
    const { header, transactions } = block;
    const { foreign } = this.#chain;
    if (foreign !== undefined) return foreign.refusalOf(block);
    const rules = this.#chain.rulesOf(header);
    const early = checkBeforeExecution(header, parent, rules);
    if (early !== undefined) return `is not valid: ${early}`;
    const deposits = checkDeposits({ transactions, timestamp: header.timestamp }, state, rules);
    return deposits.ok ? undefined : `is not valid: ${deposits.reason}`;
  }

  #parts(header: Header, pause: ReplayParts["pause"]): ReplayParts {
    const blockHash = (number: bigint): Uint8Array => {
      const hash = this.#chain.hashAt(number);
      if (hash === undefined) throw new Error(`the hash of block ${number} was asked for, which is not here`);
      return hash;
    };
    return { rules: this.#chain.rulesOf(header), precompiles: this.#precompiles, blockHash, pause };
  }

  #tracer({ tracer }: TraceOptions, budget: TraceBudget): Tracer {
    return createTracer(tracer, budget, solidityRevertReason);
  }

  async #onStateAfter<T>(block: ExecutedBlock, use: (state: StateReader) => Promise<T>): Promise<T> {
    const { stateRoot, number } = block.header;
    const held = this.#chain.hold(stateRoot);
    if (held === undefined) {
      throw new TraceError(
        `historical state ${bytesToHex(stateRoot)} of block ${number} is not available: it was pruned`,
      );
    }
    try {
      return await use(held.state.reader);
    } finally {
      held.release();
    }
  }

  async #inTurn<T>({ withinMs, maxBytes }: TraceOptions, trace: (work: Work) => Promise<T>): Promise<Traced<T>> {
    const work = new Work(performance.now() + withinMs);
    try {
      const done = await this.#gate.run(async () => ({ result: await trace(work) }));
      if (done !== undefined) return { ok: true, result: done.result };
    } catch (error) {
      if (error instanceof TraceError) return refused(error.message);
      if (error instanceof TimeSpent) return refused("execution timeout");
      if (error instanceof TraceRefused) return refused(`tracing failed: ${error.message}`);
      if (!(error instanceof TraceTooLarge)) throw error;
      return refused(`the trace is larger than ${maxBytes} bytes: ask for less, with "limit" or another tracer`);
    }
    return refused("too many traces are running: try again later");
  }
}

const refused = (message: string) => ({ ok: false, message }) as const;

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
