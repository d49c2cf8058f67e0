/** The tree of calls and creations: geth's callTracer. */
import { bytesToHex } from "../../core/bytes.ts";
import type { Log } from "../../core/chain.ts";
import type { TraceBudget } from "./budget.ts";
import { quantity } from "./hex.ts";
import type { FrameEntry, FrameExit, Json, TracedMessage, TracedOutcome, Tracer } from "./types.ts";

export interface CallTracerConfig {
  readonly onlyTopCall: boolean;
  readonly withLog: boolean;
}

/** Revert data in words; undefined when they are none of Solidity's own errors. */
export type DescribeRevert = (output: Uint8Array) => string | undefined;

interface Frame {
  type: string;
  from: string;
  to?: string;
  value?: string;
  gas: string;
  gasUsed: string;
  input: string;
  output?: string;
  error?: string;
  revertReason?: string;
  calls?: Frame[];
  logs?: { readonly [key: string]: Json }[];
}

const REVERTED = "execution reverted";
/** Of a frame in JSON without its data. */
const FRAME_BYTES = 260;
const LOG_BYTES = 125;
const TOPIC_BYTES = 69;

export class CallTracer implements Tracer {
  readonly #config: CallTracerConfig;
  readonly #budget: TraceBudget;
  readonly #describeRevert: DescribeRevert;
  #message: TracedMessage | undefined;
  /** The outermost first. */
  readonly #open: Frame[] = [];
  #depth = -1;
  /** Of the block, those that failed frames of this message made not among them. */
  #logs = 0;
  /** How many there were when each open frame began. */
  readonly #logsAtEntry: number[] = [];
  #top: Frame | undefined;

  constructor(config: CallTracerConfig, budget: TraceBudget, describeRevert: DescribeRevert) {
    this.#config = config;
    this.#budget = budget;
    this.#describeRevert = describeRevert;
  }

  start(message: TracedMessage): void {
    this.#message = message;
    this.#logs = message.logsBefore;
  }

  enter(entry: FrameEntry): void {
    this.#depth = entry.depth;
    this.#logsAtEntry.push(this.#logs);
    if (this.#isLeftOut(entry.depth)) return;
    this.#budget.spend(FRAME_BYTES);
    this.#budget.spendHex(entry.input);
    const frame: Frame = {
      from: bytesToHex(entry.from),
      gas: quantity(entry.depth === 0 ? this.#message!.gasLimit : entry.gas),
      gasUsed: "0x0",
      to: bytesToHex(entry.to),
      input: bytesToHex(entry.input),
      ...(entry.value !== undefined && { value: quantity(entry.value) }),
      type: entry.type,
    };
    this.#open.push(frame);
  }

  exit(exit: FrameExit): void {
    const depth = this.#depth--;
    const logsAtEntry = this.#logsAtEntry.pop()!;
    if (exit.error !== undefined) this.#logs = logsAtEntry;
    if (this.#isLeftOut(depth)) return;
    const frame = this.#open.pop()!;
    frame.gasUsed = quantity(exit.gasUsed);
    this.#finish(frame, exit);
    const parent = this.#open.at(-1);
    if (parent === undefined) this.#top = frame;
    else {
      parent.calls ??= [];
      parent.calls.push(frame);
    }
  }

  log({ address, topics, data }: Log): void {
    const index = this.#logs++;
    if (!this.#config.withLog || this.#isLeftOut(this.#depth)) return;
    this.#budget.spend(LOG_BYTES + topics.length * TOPIC_BYTES);
    this.#budget.spendHex(data);
    const frame = this.#open.at(-1)!;
    frame.logs ??= [];
    frame.logs.push({
      address: bytesToHex(address),
      topics: topics.map((topic) => bytesToHex(topic)),
      data: bytesToHex(data),
      // As the receipt's logIndex.
      index: quantity(BigInt(index)),
      // Where it lies between the frame's calls.
      position: quantity(BigInt(frame.calls?.length ?? 0)),
    });
  }

  end({ gasUsed, output, error }: TracedOutcome): void {
    // A deposit that cannot be paid for runs nothing, and is in the block all the same.
    const top = this.#top ?? this.#refused({ output, gasUsed, error });
    top.gasUsed = quantity(gasUsed);
    dropFailedLogs(top, false);
    this.#top = top;
  }

  #refused(exit: FrameExit): Frame {
    const { from, to, isCreation, gasLimit, value, input } = this.#message!;
    this.enter({
      type: isCreation ? "CREATE" : "CALL",
      from,
      to,
      input,
      gas: gasLimit,
      value,
      depth: 0,
      isPrecompile: false,
    });
    this.exit(exit);
    return this.#top!;
  }

  #finish(frame: Frame, { output, error }: FrameExit): void {
    if (error !== undefined) {
      frame.error = error;
      if (frame.type === "CREATE" || frame.type === "CREATE2") delete frame.to;
    }
    if (output.length === 0 || (error !== undefined && error !== REVERTED)) return;
    this.#budget.spendHex(output);
    frame.output = bytesToHex(output);
    const reason = error === undefined ? undefined : this.#describeRevert(output);
    if (reason !== undefined) frame.revertReason = reason;
  }

  #isLeftOut(depth: number): boolean {
    return this.#config.onlyTopCall && depth > 0;
  }

  result(): Json {
    return this.#top as unknown as Json;
  }
}

/** What failed, and all that it called, logged nothing in the end. */
function dropFailedLogs(top: Frame, isUndone: boolean): void {
  // A list instead of a recursion: frames nest 1,024 deep.
  const open = [{ frame: top, isUndone }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { frame } = next;
    const isGone = next.isUndone || frame.error !== undefined;
    if (isGone) delete frame.logs;
    for (const call of frame.calls ?? []) open.push({ frame: call, isUndone: isGone });
  }
}
