/**
 * What runs on states of the chain and keeps nothing: calls, estimates, proofs, traces. Plain data in and out, so that it
 * may run in other threads.
 */
import type { ExecutedBlock, Header } from "../../core/chain.ts";
import type { BlockDecoding, DecodedBlock } from "../../execution/block/block-codec.ts";
import type { ParentBlock } from "../../execution/block/execute.ts";
import type { ChainRules } from "../../execution/rules.ts";
import type { BlockForms } from "../../execution/simulate/forms.ts";
import type { Simulation, SimulationRequest } from "../../execution/simulate/types.ts";
import type { AccountProof, SealedState, StateDatabase } from "../../execution/state/types.ts";
import type { OpenReplay } from "../../execution/trace/replay.ts";
import type { TracerChoice } from "../../execution/trace/tracers.ts";
import type { Json } from "../../execution/trace/types.ts";
import type { AccessListResult } from "../../execution/tx/access-list.ts";
import type { CallRequest, CallResult } from "../../execution/tx/call.ts";
import type { GasEstimate } from "../../execution/tx/estimate.ts";
import type { CallOverrides } from "../../execution/tx/overrides.ts";
import type { BlockSelector } from "../chain-api.ts";

/** The block that a message pretends to be in; it runs on the state with `stateRoot`. */
export interface Environment extends Header {
  /** Wei a unit of blob gas; of a foreign chain's block. */
  readonly blobBaseFee?: bigint;
}

export interface EstimateBounds {
  /** Of each attempt. */
  readonly gas: bigint;
  /** From the request to the answer, all attempts together. */
  readonly withinMs: number;
}

/** It could not be run: not for a reason of its own, as far as anybody knows. The message is for the caller. */
export class NotRunError extends Error {}

/** A state that is gone, and whatever else keeps it from running, is a result in words for the caller. */
export interface Runner {
  call(request: CallRequest, environment: Environment, overrides?: CallOverrides): Promise<CallResult>;
  /** As `call`; what it finds cold. */
  accessList(request: CallRequest, environment: Environment, overrides?: CallOverrides): Promise<AccessListResult>;
  /** The least gas with which it succeeds. */
  estimateGas(
    request: CallRequest,
    environment: Environment,
    overrides: CallOverrides,
    bounds: EstimateBounds,
  ): Promise<GasEstimate>;
  /** Blocks of calls above `base`, which nobody keeps. */
  simulate(request: SimulationRequest, base: ParentBlock): Promise<Simulation>;
  /** EIP-1186. Undefined when there is no such state any more. */
  prove(stateRoot: Uint8Array, address: Uint8Array, slots: readonly Uint8Array[]): Promise<AccountProof | undefined>;
}

export interface TraceOptions {
  readonly tracer: TracerChoice;
  /** Work that each traced transaction may take. */
  readonly timeoutMs: number;
  /** From the request to the answer, all together. */
  readonly withinMs: number;
  /** Of all traces of the answer as JSON. */
  readonly maxBytes: number;
}

export type Traced<T> = { readonly ok: true; readonly result: T } | { readonly ok: false; readonly message: string };

export interface TransactionTrace {
  readonly txHash: string;
  readonly result: Json;
}

/** Blocks are named by their hashes, and are the chain's unless they come as bytes. */
export interface TraceRunner {
  traceTransaction(blockHash: Uint8Array, index: number, options: TraceOptions): Promise<Traced<Json>>;
  /** Every transaction. */
  traceBlock(blockHash: Uint8Array, options: TraceOptions): Promise<Traced<readonly TransactionTrace[]>>;
  /** Of a block as it travels, which stands on one of the chain's. */
  traceEncodedBlock(raw: Uint8Array, options: TraceOptions): Promise<Traced<readonly TransactionTrace[]>>;
  /** On the state after the block, or before its transaction with the index `before`. */
  traceCall(
    request: CallRequest,
    blockHash: Uint8Array,
    overrides: CallOverrides,
    before: number | undefined,
    options: TraceOptions,
  ): Promise<Traced<Json>>;
}

/** A state that stays readable until it is released. */
export interface HeldState {
  readonly state: Pick<SealedState, "reader" | "fork">;
  readonly database: Pick<StateDatabase, "seal">;
  release(): void;
}

/** How blocks of a chain that is not one of ours come about. */
export interface ForeignRules {
  readonly forms: BlockForms;
  /** Runs a block again. */
  readonly openReplay: OpenReplay;
  decode(raw: Uint8Array): BlockDecoding;
  /** Words after "block n", where it cannot be run again. It may not be one of the chain's. */
  refusalOf(block: DecodedBlock): string | undefined;
}

/** What it runs on. */
export interface RunnableChain {
  readonly head: { readonly number: bigint };
  /** The same object for the same rules. */
  rulesOf(header: Header): ChainRules;
  /** Of a chain that is not one of ours. */
  readonly foreign?: ForeignRules;
  find(selector: BlockSelector): ExecutedBlock | undefined;
  hashAt(number: bigint): Uint8Array | undefined;
  /** Undefined when there is no such state here, or no longer. */
  hold(stateRoot: Uint8Array): HeldState | undefined;
  /** Undefined as above. Some accounts are proven longer than their states are here. */
  proofAt(stateRoot: Uint8Array, address: Uint8Array, slots: readonly Uint8Array[]): AccountProof | undefined;
}
