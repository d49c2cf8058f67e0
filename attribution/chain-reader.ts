/** What a model host reads from the chain, and which contributions are live for a request (docs/spec.md "span-v1"). */
import type { Hex } from "../core/bytes.ts";

/** IAttribution.State */
export const INFERENCE_STATES = ["none", "requested", "committed", "settled", "expired", "void"] as const;
export type InferenceState = (typeof INFERENCE_STATES)[number];

/** IAttribution.Audience */
export const AUDIENCES = ["public", "private"] as const;
export type Audience = (typeof AUDIENCES)[number];

export interface InferenceRequest {
  readonly id: bigint;
  readonly state: InferenceState;
  readonly audience: Audience;
  readonly modelId: bigint;
  /** Lower case. */
  readonly host: Hex;
  /** Block number that fixes parameters, data set and consent. */
  readonly requestedAt: bigint;
  /** Block timestamp, seconds. */
  readonly commitDeadline: bigint;
  /** Block timestamp, seconds; 0 before the commitment. */
  readonly settleAfter: bigint;
  /** Demanded chunks that are not shown yet: while there are any it does not settle. */
  readonly openDemands: number;
  /** 0 before the commitment. */
  readonly batchId: bigint;
  readonly requestRoot: Hex;
  readonly requestBytes: number;
  /** m of span-v1. */
  readonly minSpanBytes: number;
  readonly escrowWei: bigint;
  /** As of the request's block. Prices are wei per 1,000 bytes. */
  readonly platformFeeWei: bigint;
  readonly requestPrice: bigint;
  readonly outputPrice: bigint;
}

export interface DataCount {
  readonly datanetId: bigint;
  /** The model's data are the leaf indices below this. */
  readonly count: number;
}

export interface AcceptedContribution {
  readonly id: bigint;
  readonly contentRoot: Hex;
  /** Bytes. */
  readonly size: number;
  /** Block of the withdrawal of consent; 0 while it stands. */
  readonly withdrawnAt: bigint;
}

export interface ModelTerms {
  /** Lower case. */
  readonly owner: Hex;
  /** Unix seconds. */
  readonly registeredAt: bigint;
  /** Of the head, wei per 1,000 bytes. */
  readonly requestPrice: bigint;
  readonly outputPrice: bigint;
}

/** Governed values that a host reckons with (core/parameters.ts). */
export interface HostParameters {
  readonly minSpanBytes: number;
  readonly platformFeeWei: bigint;
  readonly stakeMultiple: bigint;
}

export interface HostStake {
  readonly totalWei: bigint;
  readonly lockedWei: bigint;
}

/** Rejects when the chain cannot be read. */
export interface ChainReader {
  chainId(): Promise<bigint>;
  head(): Promise<{ readonly number: bigint; readonly timestamp: bigint }>;
  /** Undefined when there is no such inference. */
  inference(id: bigint): Promise<InferenceRequest | undefined>;
  /** Flattened data of a model. */
  modelData(modelId: bigint): Promise<readonly DataCount[]>;
  /** Undefined when there is no such model. */
  modelTerms(modelId: bigint): Promise<ModelTerms | undefined>;
  /** Accepted contributions at leaf indices 0..count-1, withdrawn ones included, as of the head. */
  accepted(datanetId: bigint, count: number): Promise<readonly AcceptedContribution[]>;
  /** Models that `host` has joined, newest first; at most 256. */
  modelsOf(host: Hex): Promise<readonly bigint[]>;
  /** As of `block`, or of the head. */
  parameters(block?: bigint): Promise<HostParameters>;
  stakeOf(host: Hex): Promise<HostStake>;
}

/** Live contributions of a model for a request of block `requestedAt`, in rising id order. */
export async function liveContributions(
  chain: ChainReader,
  modelId: bigint,
  requestedAt: bigint,
): Promise<AcceptedContribution[]> {
  const data = await chain.modelData(modelId);
  const accepted = await Promise.all(data.map(({ datanetId, count }) => chain.accepted(datanetId, count)));
  return accepted
    .flat()
    .filter(({ withdrawnAt }) => withdrawnAt === 0n || withdrawnAt > requestedAt)
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}
