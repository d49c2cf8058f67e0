/**
 * What a tracer is told of a message that runs, in geth's order: start, then for each frame enter, its steps, logs and
 * frames, exit, and end. Values are only lent for the length of a call: what a tracer keeps, it copies.
 */
import type { Authorization, Log } from "../../core/chain.ts";
import type { StateReader } from "../state/types.ts";

export type FrameType = "CALL" | "CALLCODE" | "DELEGATECALL" | "STATICCALL" | "CREATE" | "CREATE2" | "SELFDESTRUCT";

/** A transaction, or a call that is run like one. */
export interface TracedMessage {
  readonly from: Uint8Array;
  /** Of a creation: where the contract will be. */
  readonly to: Uint8Array;
  readonly isCreation: boolean;
  readonly gasLimit: bigint;
  readonly value: bigint;
  readonly input: Uint8Array;
  readonly authorizationList: readonly Authorization[];
  /** In the same block. */
  readonly logsBefore: number;
  /** Who may get fees of it: the coinbase first. */
  readonly feeRecipients: readonly Uint8Array[];
}

export interface FrameEntry {
  readonly type: FrameType;
  readonly from: Uint8Array;
  /** Whose code runs; the new account of a creation, the beneficiary of a SELFDESTRUCT. */
  readonly to: Uint8Array;
  readonly input: Uint8Array;
  /** What the frame may use. */
  readonly gas: bigint;
  /** Wei. DELEGATECALL keeps its caller's; undefined for STATICCALL. */
  readonly value: bigint | undefined;
  /** 0 for the outermost. */
  readonly depth: number;
  /** One of Ethereum's precompiles runs. */
  readonly isPrecompile: boolean;
}

export interface FrameExit {
  readonly output: Uint8Array;
  readonly gasUsed: bigint;
  /** geth's words; undefined when the frame succeeded. */
  readonly error: string | undefined;
}

/** An opcode that is about to run. */
export interface Step {
  readonly pc: number;
  readonly op: number;
  readonly gas: bigint;
  /** With the gas that a CALL hands on, without a CREATE's, as geth counts. */
  readonly cost: bigint;
  /** 1 for the outermost frame. */
  readonly depth: number;
  /** Whose storage the code works on. */
  readonly address: Uint8Array;
  readonly refund: bigint;
  /** Why it will not run; undefined also for what fails while it runs. */
  readonly error: string | undefined;
  readonly stackSize: number;
  /** From the top: 0 is the last pushed. Precondition: index < stackSize. */
  peek(index: number): bigint;
  /** The bottom first. */
  stack(): readonly bigint[];
  /** Before the opcode expands it; whole words. */
  memory(): Uint8Array;
  /** Of the frame's last call. */
  readonly returnData: Uint8Array;
}

export interface TracedOutcome {
  /** As in the receipt. */
  readonly gasUsed: bigint;
  readonly output: Uint8Array;
  /** geth's words; undefined when it succeeded. */
  readonly error: string | undefined;
}

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };

/** One tracer serves one message. */
export interface Tracer {
  /** `state` is live: before the message now, after it in `end`. */
  start?(message: TracedMessage, state: StateReader): void;
  enter?(frame: FrameEntry): void;
  step?(step: Step): void;
  /** Native code of a stateful precompile reads or writes the account, or a slot of it. Before it does. */
  touch?(address: Uint8Array, slot: Uint8Array | undefined): void;
  log?(log: Log): void;
  exit?(exit: FrameExit): void;
  end?(outcome: TracedOutcome): void;
  /** After `end`. */
  result(): Json;
}
