/** What eth_simulateV1 of the execution-apis specification asks for and answers, as domain values. */
import type { ExecutedBlock, Log, Withdrawal } from "../../core/chain.ts";
import type { CallRejectionCode, CallRequest } from "../tx/call.ts";
import type { CallOverrides } from "../tx/overrides.ts";

export interface SimulatedInput extends CallOverrides {
  readonly calls: readonly CallRequest[];
  /** EIP-4788. */
  readonly beaconRoot?: Uint8Array;
  /** EIP-4895, on a chain that has them. */
  readonly withdrawals?: readonly Withdrawal[];
}

export interface SimulationRequest {
  readonly blocks: readonly SimulatedInput[];
  /** Nonces and fees are checked as in a block; signatures and the sender's code never are. */
  readonly isValidating: boolean;
  /** Moved wei are logged among the calls' logs. */
  readonly logsTransfers: boolean;
  /** For all calls together. */
  readonly gasBudget: bigint;
  readonly maxBlocks: number;
}

export interface SimulatedCall {
  readonly output: Uint8Array;
  readonly gasUsed: bigint;
  /** Before refunds. */
  readonly gasSpent: bigint;
  /** With those of moved wei, where they were asked for: these are in no receipt and no bloom. */
  readonly logs: readonly Log[];
  /** geth's word for why the call failed. */
  readonly failure: string | undefined;
}

/** `calls[i]` ran as `block.transactions[i]`, which nobody has signed. */
export interface SimulatedBlock {
  readonly block: ExecutedBlock;
  readonly calls: readonly SimulatedCall[];
}

export interface SimulationFailure {
  readonly code:
    | CallRejectionCode
    /** What is pretended cannot be. */
    | "override"
    | "block-number"
    | "block-timestamp"
    | "too-many-blocks"
    | "gas-budget"
    /** Took too long; did not begin. */
    | "timeout"
    | "busy";
  /** In geth's words. */
  readonly message: string;
}

export type Simulation =
  | { readonly ok: true; readonly blocks: readonly SimulatedBlock[] }
  | { readonly ok: false; readonly failure: SimulationFailure };
