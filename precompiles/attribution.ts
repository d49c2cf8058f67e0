/** Proof of Attribution: the inference state machine, stakes and claims. */
import { ATTRIBUTION_ADDRESS } from "../core/addresses.ts";
import type { Precompile } from "../core/precompile.ts";
import { answerDigest } from "./attribution-answer.ts";
import {
  proveBoundary,
  proveContradiction,
  proveEarlierHolder,
  proveMismatch,
  proveOmission,
} from "./attribution-challenge.ts";
import { commitOutputs } from "./attribution-commit.ts";
import { demandChunk, proveUnavailable, returnDemand, setAuditor, showChunk } from "./attribution-demand.ts";
import { emit, error, precompile } from "./attribution-interface.ts";
import { expire, requestInference } from "./attribution-request.ts";
import { settle } from "./attribution-settle.ts";
import {
  loadAccrued,
  loadBatchRoot,
  loadCounters,
  loadDemand,
  loadHost,
  loadIsAuditor,
  loadRequestRoot,
  loadStake,
  loadTerms,
  requireInference,
  settleAfter,
  storeStake,
  takeAccrued,
} from "./attribution-state.ts";
import { LIMITS } from "./limits.ts";

const NO_DEMAND = { demander: new Uint8Array(20), deadline: 0n, closed: false, bond: 0n };

export const attributionPrecompile: Precompile = precompile("Attribution", ATTRIBUTION_ADDRESS, {
  requestInference,
  commitOutputs,
  settle,
  expire,
  setAuditor,
  proveMismatch,
  proveBoundary,
  proveOmission,
  proveEarlierHolder,
  proveContradiction,
  demandChunk,
  showChunk,
  proveUnavailable,
  returnDemand,

  claim(context, { account }) {
    const amount = takeAccrued(context, account);
    if (amount === 0n) throw error("NothingToClaim", { account });
    context.credit(account, amount);
    emit(context, "RewardClaimed", { account, caller: context.caller, amount });
    return amount;
  },

  depositStake(context) {
    const amount = context.value;
    if (amount === 0n) throw error("ZeroAmount", {});
    const host = context.caller;
    const stake = loadStake(context, host);
    const total = stake.total + amount;
    if (total > LIMITS.amountWei) throw error("StakeTooLarge", { stake: total });
    storeStake(context, host, { ...stake, total });
    emit(context, "StakeDeposited", { host, amount, total });
  },

  withdrawStake(context, { amount }) {
    if (amount === 0n) throw error("ZeroAmount", {});
    const host = context.caller;
    const stake = loadStake(context, host);
    const free = stake.total - stake.locked;
    if (amount > free) throw error("InsufficientStake", { free, required: amount });
    const total = stake.total - amount;
    storeStake(context, host, { ...stake, total });
    context.credit(host, amount);
    emit(context, "StakeWithdrawn", { host, amount, total });
  },

  inferenceCount: (context) => loadCounters(context).inferences,
  inference(context, { inferenceId }) {
    const found = requireInference(context, inferenceId);
    const { slot, head, escrow, state } = found;
    const served = loadHost(context, slot);
    const terms = loadTerms(context, served);
    const { requestPrice, outputPrice, platformFee } = terms;
    return {
      ...head,
      ...served,
      ...escrow,
      state,
      settleAfter: settleAfter(found, terms),
      requestPrice,
      outputPrice,
      platformFee,
      requestRoot: loadRequestRoot(context, slot),
    };
  },
  batchRoot: (context, { batchId }) => loadBatchRoot(context, batchId),
  accrued: (context, { account }) => loadAccrued(context, account),
  stakeOf: (context, { host }) => loadStake(context, host),
  isAuditor: (context, { inferenceId, account }) => loadIsAuditor(context, inferenceId, account),
  demand: (context, key) => loadDemand(context, key) ?? NO_DEMAND,
  answerDigest: (context, answer) => answerDigest(context, answer),
});
