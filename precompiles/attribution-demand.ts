/** Availability (docs/spec.md "Challenges"): a host shows a chunk that is demanded of it, or its claim is void. */
import { equalsBytes } from "../core/bytes.ts";
import { CHUNK_BYTES } from "../core/content.ts";
import type { PrecompileContext } from "../core/precompile.ts";
import { provenBytes } from "./attribution-challenge.ts";
import { requireAudience, requireClaim } from "./attribution-claim.ts";
import { emit, error, FAULT, type Handler, STATE } from "./attribution-interface.ts";
import { type ContentOf, loadLive, loadModelData, loadRootOf } from "./attribution-live.ts";
import {
  type Demand,
  type DemandKey,
  type Found,
  loadDemand,
  loadHost,
  loadTerms,
  requireInference,
  requireState,
  settleAfter,
  storeDemand,
  storeHead,
  storeIsAuditor,
  windowOf,
} from "./attribution-state.ts";
import { voidClaim } from "./attribution-void.ts";
import { LIMITS } from "./limits.ts";
import { loadAvailabilityBond } from "./parameters.ts";

type Context = PrecompileContext;

export const setAuditor: Handler<"setAuditor"> = (context, { inferenceId, auditor, allowed }) => {
  const { head } = requireInference(context, inferenceId);
  if (!equalsBytes(head.payer, context.caller)) throw error("NotPayer", { caller: context.caller });
  storeIsAuditor(context, inferenceId, auditor, allowed);
  emit(context, "AuditorSet", { inferenceId, auditor, allowed });
};

export const demandChunk: Handler<"demandChunk"> = (context, key) => {
  const { inferenceId, contributionId, chunk } = key;
  const found = requireState(context, inferenceId, STATE.committed);
  const { slot, head, escrow } = found;
  requireAudience(context, found);
  const bond = loadAvailabilityBond(context);
  if (context.value !== bond) throw error("WrongBond", { sent: context.value, required: bond });
  const { half } = windowOf(loadTerms(context, loadHost(context, slot)));
  const until = escrow.committedAt + half;
  if (context.timestamp >= until) throw error("DemandTooLate", { inferenceId, until });
  if (head.openDemands >= LIMITS.openDemands) throw error("TooManyDemands", { limit: BigInt(LIMITS.openDemands) });

  const { size } = requireLive(context, found, contributionId);
  const chunks = (size + BigInt(CHUNK_BYTES) - 1n) / BigInt(CHUNK_BYTES);
  if (chunk >= chunks) throw error("IndexOutOfRange", { index: chunk, length: chunks });
  if (loadDemand(context, key) !== undefined) throw error("DemandExists", { contributionId, chunk });

  const demander = context.caller;
  const deadline = context.timestamp + half;
  storeDemand(context, key, { demander, deadline, closed: false, bond });
  storeHead(context, slot, { ...head, openDemands: head.openDemands + 1 });
  emit(context, "ChunkDemanded", { inferenceId, contributionId, demander, chunk, deadline, bond });
};

export const showChunk: Handler<"showChunk"> = (context, { inferenceId, contributionId, content }) => {
  const found = requireState(context, inferenceId, STATE.committed);
  const { slot, head } = found;
  const chunk = content.first;
  const key = { inferenceId, contributionId, chunk };
  const demand = requireOpenDemand(context, key);
  if (context.timestamp > demand.deadline) {
    throw error("DeadlinePassed", { inferenceId, deadline: demand.deadline });
  }
  const contribution = requireLive(context, found, contributionId);
  const start = Number(chunk) * CHUNK_BYTES;
  const length = Math.min(CHUNK_BYTES, Number(contribution.size) - start);
  provenBytes(context, loadRootOf(context, contribution), Number(contribution.size), content, start, length);

  const shown: Found = {
    ...found,
    head: {
      ...head,
      openDemands: head.openDemands - 1,
      extensions: Math.min(head.extensions + 1, LIMITS.extensions),
    },
  };
  storeHead(context, slot, shown.head);
  storeDemand(context, key, { ...demand, closed: true });
  context.credit(context.caller, demand.bond);
  emit(context, "ChunkShown", {
    inferenceId,
    contributionId,
    by: context.caller,
    chunk,
    settleAfter: settleAfter(shown, loadTerms(context, loadHost(context, slot))),
  });
};

/** At any time after the deadline: a claim with an open demand does not settle. */
export const proveUnavailable: Handler<"proveUnavailable"> = (context, { claim, contributionId, chunk }) => {
  const { inferenceId } = claim;
  const committed = requireClaim(context, requireState(context, inferenceId, STATE.committed), claim);
  const key = { inferenceId, contributionId, chunk };
  const demand = requireOpenDemand(context, key);
  const { deadline, demander } = demand;
  if (context.timestamp <= deadline) throw error("DemandOpen", { contributionId, chunk, deadline });
  returnBond(context, key, demand);
  voidClaim(context, committed, {
    fault: FAULT.unavailable,
    challenger: demander,
    contributionId,
    leftOut: undefined,
  });
};

export const returnDemand: Handler<"returnDemand"> = (context, key) => {
  requireState(context, key.inferenceId, STATE.void);
  returnBond(context, key, requireOpenDemand(context, key));
};

function returnBond(context: Context, key: DemandKey, demand: Demand): void {
  const { demander, bond } = demand;
  storeDemand(context, key, { ...demand, closed: true });
  context.credit(demander, bond);
  emit(context, "DemandReturned", { ...key, demander, bond });
}

function requireOpenDemand(context: Context, key: DemandKey): Demand {
  const demand = loadDemand(context, key);
  if (demand === undefined || demand.closed) {
    throw error("UnknownDemand", { contributionId: key.contributionId, chunk: key.chunk });
  }
  return demand;
}

function requireLive(context: Context, { slot, head }: Found, contributionId: bigint): ContentOf {
  const { requestedAt } = loadHost(context, slot);
  const live = loadLive(context, contributionId, loadModelData(context, head.modelId), requestedAt);
  if (live === undefined) throw error("ContributionNotInModel", { index: 0n, contributionId });
  return live;
}
