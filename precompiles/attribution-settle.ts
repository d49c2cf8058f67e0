/** The window has passed: every share is accrued, the rest refunded, the stake unlocked. */

import { STAKERS_ESCROW_ADDRESS, TREASURY_ADDRESS } from "../core/addresses.ts";
import type { PrecompileContext } from "../core/precompile.ts";
import { type Settlement, settlement } from "../core/settlement.ts";
import { type Committed, requireClaim } from "./attribution-claim.ts";
import { requireItems } from "./attribution-commit.ts";
import { emit, error, type Handler, REWARD, STATE } from "./attribution-interface.ts";
import {
  addAccrued,
  type Found,
  loadStake,
  requireInference,
  storeHead,
  storeStake,
  wrongState,
} from "./attribution-state.ts";
import { contributionSlot, loadOrigin } from "./datanet-state.ts";
import { type Ancestor, loadAncestors, loadModelHead, type ModelHead, modelSlot } from "./models-state.ts";

type Context = PrecompileContext;

/** Arithmetic of one span's share: docs/precompiles.md "Gas". */
const SPAN_GAS = 50n;

export const settle: Handler<"settle"> = (context, { claims }) => {
  requireItems(claims.length);
  let closed: Found | undefined;
  let settled = 0;
  for (const claim of claims) {
    const found = requireInference(context, claim.inferenceId);
    // Settled by somebody else, or void: the others are settled all the same.
    if (found.state !== STATE.committed) closed ??= found;
    else {
      settleClaim(context, requireClaim(context, found, claim));
      settled++;
    }
  }
  if (settled === 0) throw wrongState(closed!);
};

function settleClaim(context: Context, committed: Committed): void {
  const { inferenceId, slot, head, escrow, claim, served, terms, fee } = committed;
  if (context.timestamp < committed.settleAfter) {
    throw error("WindowOpen", { inferenceId, settleAfter: committed.settleAfter });
  }
  if (head.openDemands > 0) throw error("DemandsOpen", { inferenceId, count: BigInt(head.openDemands) });

  context.useGas(SPAN_GAS * BigInt(claim.spans.length));
  const { modelId } = head;
  const model = modelSlot(context, modelId);
  const modelHead = loadModelHead(context, model);
  if (modelHead === undefined) throw new Error(`inference on model ${modelId}, which does not exist`);
  const ancestors = loadAncestors(context, model, modelHead.depth);
  const shares = settlement({
    feeWei: fee,
    platformFeeWei: terms.platformFee,
    modelPpm: BigInt(terms.modelPpm),
    stakersPpm: BigInt(terms.stakersPpm),
    contributorsPpm: BigInt(terms.contributorsPpm),
    outputBytes: claim.outputBytes,
    spans: claim.spans,
    hostPpm: BigInt(modelHead.hostPpm),
    royaltyPpm: ancestors.map((ancestor) => BigInt(ancestor.head.royaltyPpm)),
  });

  storeHead(context, slot, { ...head, state: STATE.settled });
  const { host } = served;
  unlockStake(context, host, committed.stakeLocked);
  accrueShares(context, inferenceId, shares, { modelId, model: modelHead, host, ancestors });

  const refund = escrow.escrow - fee;
  context.credit(head.payer, refund);
  emit(context, "InferenceSettled", {
    inferenceId,
    modelId,
    fee,
    refund,
    platformFee: terms.platformFee,
    contributorsPaid: shares.contributorsWei,
    modelPaid: shares.modelWei,
    stakersPaid: shares.stakersWei,
    treasuryPaid: shares.treasuryWei,
  });
}

interface Parties {
  readonly modelId: bigint;
  readonly model: ModelHead;
  readonly host: Uint8Array;
  readonly ancestors: readonly Ancestor[];
}

/** One RewardAccrued for each share that is not zero. */
function accrueShares(context: Context, inferenceId: bigint, shares: Settlement, parties: Parties): void {
  const accrue = (kind: number, account: Uint8Array, source: bigint, weight: bigint, amount: bigint): void => {
    if (amount === 0n) return;
    addAccrued(context, account, amount);
    emit(context, "RewardAccrued", { inferenceId, account, kind, source, weight, amount });
  };
  for (const { contribution, weight, amountWei } of shares.contributors) {
    if (amountWei === 0n) continue;
    const { contributor } = loadOrigin(context, contributionSlot(context, contribution));
    accrue(REWARD.contributor, contributor, contribution, weight, amountWei);
  }
  const { modelId, model, host, ancestors } = parties;
  accrue(REWARD.modelOwner, model.owner, modelId, 0n, shares.modelOwnerWei);
  ancestors.forEach(({ modelId: ancestorId, head }, i) => {
    accrue(REWARD.royalty, head.owner, ancestorId, 0n, shares.royaltiesWei[i]!);
  });
  accrue(REWARD.host, host, modelId, 0n, shares.hostWei);
  accrue(REWARD.stakers, STAKERS_ESCROW_ADDRESS, 0n, 0n, shares.stakersWei);
  accrue(REWARD.treasury, TREASURY_ADDRESS, 0n, 0n, shares.treasuryWei);
}

function unlockStake(context: Context, host: Uint8Array, amountWei: bigint): void {
  if (amountWei === 0n) return;
  const stake = loadStake(context, host);
  storeStake(context, host, { ...stake, locked: stake.locked - amountWei });
}
