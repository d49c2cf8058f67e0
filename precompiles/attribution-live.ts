/** Which contributions are live for an inference (docs/spec.md "span-v1"). */
import type { PrecompileContext } from "../core/precompile.ts";
import { contributionSlot, loadContentRoot, loadStanding, STATUS } from "./datanet-state.ts";
import { loadData, loadModelHead, modelSlot } from "./models-state.ts";
import { wordOf } from "./storage.ts";

type Context = PrecompileContext;

/** Accepted contributions that belong to the model, by Datanet: those at leaf indices below the count. */
export type ModelData = ReadonlyMap<bigint, number>;

export function loadModelData(context: Context, modelId: bigint): ModelData {
  const model = modelSlot(context, modelId);
  const head = loadModelHead(context, model);
  if (head === undefined) throw new Error(`inference on model ${modelId}, which does not exist`);
  return new Map(loadData(context, model, head.dataCount).map(({ datanetId, count }) => [datanetId, count] as const));
}

export interface ContentOf {
  readonly slot: Uint8Array;
  /** Bytes. */
  readonly size: bigint;
}

/**
 * The content of a contribution that a commitment names. Not asked whether it is live: the commitment was, and a
 * withdrawal later in the request's block does not change what it claims.
 */
export function loadClaimedContent(context: Context, contributionId: bigint): ContentOf {
  const slot = contributionSlot(context, contributionId);
  const standing = loadStanding(context, slot);
  if (standing === undefined) throw new Error(`claim of contribution ${contributionId}, which does not exist`);
  return { slot, size: standing.size };
}

/** Undefined when the contribution was not live for a request in block `requestedAt`. */
export function loadLive(
  context: Context,
  contributionId: bigint,
  data: ModelData,
  requestedAt: bigint,
): ContentOf | undefined {
  const slot = contributionSlot(context, contributionId);
  const standing = loadStanding(context, slot);
  if (standing?.status !== STATUS.accepted) return undefined;
  const { datanetId, leafIndex, withdrawnAt, size } = standing;
  const count = data.get(datanetId);
  if (count === undefined) return undefined;
  const consented = withdrawnAt === 0n || withdrawnAt > requestedAt;
  return leafIndex < count && consented ? { slot, size } : undefined;
}

export const loadRootOf = (context: Context, { slot }: ContentOf): Uint8Array => wordOf(loadContentRoot(context, slot));
