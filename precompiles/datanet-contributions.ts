/**
 * Life of a contribution: committed, revealed (pending), then accepted, rejected or accepted as a duplicate by a
 * curator; its contributor may withdraw. A bond is held only while pending.
 */

import { TREASURY_ADDRESS } from "../core/addresses.ts";
import { equalsBytes } from "../core/bytes.ts";
import { appendLeaf, MAX_LEAVES } from "../core/datanet-tree.ts";
import { LICENCES, licenceAllows } from "../core/licences.ts";
import type { PrecompileContext } from "../core/precompile.ts";
import { emit, error, requireLength } from "./datanet-interface.ts";
import {
  ACCESS_PERMISSIONED,
  type ContributionStanding,
  contributionSlot,
  type DatanetHead,
  frontierOf,
  hasRole,
  loadBond,
  loadByRoot,
  loadCommitment,
  loadContentRoot,
  loadCounters,
  loadDatanet,
  loadDatanetBond,
  loadOrigin,
  loadStanding,
  STATUS,
  storeAcceptedId,
  storeBond,
  storeByRoot,
  storeCommitment,
  storeContentRoot,
  storeCounters,
  storeDatanet,
  storeOrigin,
  storeStanding,
} from "./datanet-state.ts";
import type { Handlers } from "./interface.ts";
import type { datanetAbi } from "./interfaces/datanet.abi.ts";
import { LIMITS } from "./limits.ts";
import { wordOf, wordToInteger } from "./storage.ts";

type Context = PrecompileContext;
type Handler<Name extends keyof Handlers<typeof datanetAbi>> = Handlers<typeof datanetAbi>[Name];

export const commitContribution: Handler<"commitContribution"> = (context, { datanetId, commitment }) => {
  if (loadDatanet(context, datanetId) === undefined) throw error("UnknownDatanet", { datanetId });
  const contributor = context.caller;
  if (loadCommitment(context, contributor, commitment) !== undefined) throw error("CommitmentExists", { commitment });
  storeCommitment(context, contributor, commitment, { datanetId, committedAt: context.blockNumber });
  emit(context, "ContributionCommitted", { datanetId, contributor, commitment });
};

export const submitContribution: Handler<"submitContribution"> = (context, args) => {
  const { datanetId, contentRoot, size, uri, licence, parents, salt } = args;
  const head = loadDatanet(context, datanetId);
  if (head === undefined) throw error("UnknownDatanet", { datanetId });
  const contributor = context.caller;
  if (head.access === ACCESS_PERMISSIONED && !hasRole(context, datanetId, contributor, "contributor")) {
    throw error("ContributorNotAllowed", { datanetId, caller: contributor });
  }
  if (size === 0n) throw error("EmptyContent", {});
  requireLength(uri, LIMITS.uriBytes);
  if (licence >= LICENCES.length) throw error("UnknownLicence", { licence });
  const bond = loadDatanetBond(context, datanetId);
  if (context.value !== bond) throw error("WrongBond", { sent: context.value, required: bond });

  const counters = loadCounters(context);
  requireParents(parents, counters.contributions);
  spendCommitment(context, datanetId, contentRoot, salt);
  const holder = loadByRoot(context, datanetId, contentRoot);
  if (holder !== 0n) throw error("DuplicateContent", { datanetId, contentRoot, contributionId: holder });

  const contributionId = counters.contributions + 1n;
  storeCounters(context, { ...counters, contributions: contributionId });
  const slot = contributionSlot(context, contributionId);
  storeStanding(context, slot, { datanetId, status: STATUS.pending, size, withdrawnAt: 0n, leafIndex: 0 });
  storeOrigin(context, slot, { contributor, licence, score: 0, revealedAt: context.blockNumber });
  if (bond !== 0n) storeBond(context, slot, { duplicateOf: 0n, bond });
  storeContentRoot(context, slot, wordToInteger(contentRoot));
  storeByRoot(context, datanetId, contentRoot, contributionId);
  emit(context, "ContributionSubmitted", {
    datanetId,
    contributionId,
    contributor,
    contentRoot,
    size,
    licence,
    uri,
    parents,
    bond,
  });
  return contributionId;
};

/** Every parent exists, which makes its id lower than the new one's, and none is named twice. */
function requireParents(parents: readonly bigint[], contributions: bigint): void {
  if (parents.length > LIMITS.parents) {
    throw error("TooManyItems", { count: BigInt(parents.length), limit: BigInt(LIMITS.parents) });
  }
  const seen = new Set<bigint>();
  for (const parent of parents) {
    if (parent === 0n || parent > contributions || seen.has(parent)) throw error("InvalidParent", { parent });
    seen.add(parent);
  }
}

/** commitment = keccak256(abi.encode(datanetId, contributor, contentRoot, salt)), one block old or more. */
function spendCommitment(context: Context, datanetId: bigint, contentRoot: Uint8Array, salt: Uint8Array): void {
  const contributor = context.caller;
  const commitment = context.keccak(wordOf(datanetId), new Uint8Array(12), contributor, contentRoot, salt);
  const found = loadCommitment(context, contributor, commitment);
  if (found === undefined || found.datanetId !== datanetId) throw error("CommitmentMissing", { commitment });
  if (found.committedAt >= context.blockNumber) {
    throw error("CommitmentTooRecent", { commitment, committedAt: found.committedAt });
  }
  storeCommitment(context, contributor, commitment, undefined);
}

export const acceptContribution: Handler<"acceptContribution"> = (context, { contributionId, score }) => {
  const { slot, standing, head } = requirePending(context, contributionId);
  if (score > LIMITS.maxScore) throw error("InvalidScore", { score });
  const origin = loadOrigin(context, slot);
  if (!licenceAllows(origin.licence, head.licence)) {
    throw error("LicenceConflict", { contributionLicence: origin.licence, datanetLicence: head.licence });
  }
  const { datanetId } = standing;
  const leafIndex = head.accepted;
  if (leafIndex >= MAX_LEAVES) throw error("DatanetFull", { datanetId });

  appendLeaf(frontierOf(context, datanetId), leafIndex, {
    contributionId,
    contentRoot: wordOf(loadContentRoot(context, slot)),
    size: standing.size,
    contributor: origin.contributor,
    licence: origin.licence,
  });
  storeAcceptedId(context, datanetId, leafIndex, contributionId);
  storeDatanet(context, datanetId, { ...head, accepted: leafIndex + 1 });
  storeStanding(context, slot, { ...standing, status: STATUS.accepted, leafIndex });
  storeOrigin(context, slot, { ...origin, score });
  returnBond(context, slot, contributionId, origin.contributor);
  emit(context, "ContributionAccepted", { datanetId, contributionId, curator: context.caller, score, leafIndex });
};

export const rejectContribution: Handler<"rejectContribution"> = (context, { contributionId, reason }) => {
  const { slot, standing } = requirePending(context, contributionId);
  requireLength(reason, LIMITS.reasonBytes);
  const { datanetId } = standing;
  storeStanding(context, slot, { ...standing, status: STATUS.rejected });
  releaseRoot(context, slot, datanetId);
  const bondForfeited = forfeitBond(context, slot, 0n);
  emit(context, "ContributionRejected", {
    datanetId,
    contributionId,
    curator: context.caller,
    reason,
    bondForfeited,
  });
};

export const acceptDuplicate: Handler<"acceptDuplicate"> = (context, { contributionId, duplicateOf }) => {
  const { slot, standing } = requirePending(context, contributionId);
  const { datanetId } = standing;
  const original =
    duplicateOf < contributionId ? loadStanding(context, contributionSlot(context, duplicateOf)) : undefined;
  if (original?.status !== STATUS.accepted || original.datanetId !== datanetId) {
    throw error("InvalidDuplicateOf", { contributionId, duplicateOf });
  }
  storeStanding(context, slot, { ...standing, status: STATUS.duplicate });
  forfeitBond(context, slot, duplicateOf);
  emit(context, "ContributionDuplicate", { datanetId, contributionId, curator: context.caller, duplicateOf });
};

export const withdrawConsent: Handler<"withdrawConsent"> = (context, { contributionId }) => {
  const slot = contributionSlot(context, contributionId);
  const standing = loadStanding(context, slot);
  if (standing === undefined) throw error("UnknownContribution", { contributionId });
  const { datanetId, status } = standing;
  const { contributor } = loadOrigin(context, slot);
  if (!equalsBytes(contributor, context.caller)) throw error("NotContributor", { caller: context.caller });
  const withdrawable = status === STATUS.pending || status === STATUS.accepted;
  if (!withdrawable || standing.withdrawnAt !== 0n) throw error("NotWithdrawable", { contributionId, status });

  const isPending = status === STATUS.pending;
  const after = isPending ? STATUS.withdrawn : status;
  storeStanding(context, slot, { ...standing, status: after, withdrawnAt: context.blockNumber });
  if (isPending) {
    releaseRoot(context, slot, datanetId);
    returnBond(context, slot, contributionId, contributor);
  }
  emit(context, "ConsentWithdrawn", { datanetId, contributionId, contributor });
};

export const readContribution: Handler<"contribution"> = (context, { contributionId }) => {
  const slot = contributionSlot(context, contributionId);
  const standing = loadStanding(context, slot);
  if (standing === undefined) throw error("UnknownContribution", { contributionId });
  return {
    ...standing,
    ...loadOrigin(context, slot),
    ...loadBond(context, slot),
    contentRoot: wordOf(loadContentRoot(context, slot)),
  };
};

interface Pending {
  readonly slot: Uint8Array;
  readonly standing: ContributionStanding;
  readonly head: DatanetHead;
}

/** A pending contribution that the caller may decide about. */
function requirePending(context: Context, contributionId: bigint): Pending {
  const slot = contributionSlot(context, contributionId);
  const standing = loadStanding(context, slot);
  if (standing === undefined) throw error("UnknownContribution", { contributionId });
  if (!hasRole(context, standing.datanetId, context.caller, "curator")) {
    throw error("NotCurator", { caller: context.caller });
  }
  if (standing.status !== STATUS.pending) throw error("NotPending", { contributionId, status: standing.status });
  const head = loadDatanet(context, standing.datanetId);
  if (head === undefined) throw new Error(`contribution ${contributionId} of a Datanet that does not exist`);
  return { slot, standing, head };
}

/** Nothing rejected or withdrawn may keep others from offering the same content. */
function releaseRoot(context: Context, slot: Uint8Array, datanetId: bigint): void {
  storeByRoot(context, datanetId, wordOf(loadContentRoot(context, slot)), 0n);
}

function returnBond(context: Context, slot: Uint8Array, contributionId: bigint, contributor: Uint8Array): void {
  const { bond } = loadBond(context, slot);
  if (bond === 0n) return;
  storeBond(context, slot, { duplicateOf: 0n, bond: 0n });
  context.credit(contributor, bond);
  emit(context, "BondReturned", { contributionId, contributor, amount: bond });
}

/** The bond goes to the treasury. Returns its amount. */
function forfeitBond(context: Context, slot: Uint8Array, duplicateOf: bigint): bigint {
  const { bond } = loadBond(context, slot);
  if (bond !== 0n || duplicateOf !== 0n) storeBond(context, slot, { duplicateOf, bond: 0n });
  context.credit(TREASURY_ADDRESS, bond);
  return bond;
}
