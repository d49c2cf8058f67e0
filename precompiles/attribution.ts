/** Proof of Attribution: the inference state machine, stakes and claims. */
import { ATTRIBUTION_ADDRESS } from "../core/addresses.ts";
import type { Precompile } from "../core/precompile.ts";
import { answerDigest } from "./attribution-answer.ts";
import { commitOutput } from "./attribution-commit.ts";
import { emit, error, precompile } from "./attribution-interface.ts";
import { expire, requestInference } from "./attribution-request.ts";
import { settle } from "./attribution-settle.ts";
import {
  loadAccrued,
  loadEscrow,
  loadHost,
  loadInferenceCount,
  loadOutputRoot,
  loadRequestRoot,
  loadResult,
  loadSpansHash,
  loadStake,
  requireInference,
  storeStake,
  takeAccrued,
} from "./attribution-state.ts";
import { LIMITS } from "./limits.ts";

export const attributionPrecompile: Precompile = precompile("Attribution", ATTRIBUTION_ADDRESS, {
  requestInference,
  commitOutput,
  settle,
  expire,

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

  inferenceCount: loadInferenceCount,
  inference(context, { inferenceId }) {
    const { slot, head } = requireInference(context, inferenceId);
    return {
      ...head,
      ...loadHost(context, slot),
      ...loadEscrow(context, slot),
      ...loadResult(context, slot),
      requestRoot: loadRequestRoot(context, slot),
      outputRoot: loadOutputRoot(context, slot),
      spansHash: loadSpansHash(context, slot),
    };
  },
  accrued: (context, { account }) => loadAccrued(context, account),
  stakeOf: (context, { host }) => loadStake(context, host),
  answerDigest: (context, answer) => answerDigest(context, answer),
});
