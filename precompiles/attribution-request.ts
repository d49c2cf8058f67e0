/** An inference begins: a user escrows its largest fee, and the block fixes prices, parameters, data and consent. */
import { feeWei } from "../core/settlement.ts";
import { emit, error, type Handler, STATE } from "./attribution-interface.ts";
import { requireState, storeHead, storeRequest } from "./attribution-state.ts";
import { LIMITS } from "./limits.ts";
import { loadIsHost, loadModelHead, loadModelPrices, modelSlot } from "./models-state.ts";
import { loadParameters } from "./parameters.ts";

export const requestInference: Handler<"requestInference"> = (context, args) => {
  const { modelId, host, requestRoot, requestBytes, audience } = args;
  const escrow = context.value;
  const payer = context.caller;
  if (requestBytes === 0) throw error("EmptyRequest", {});
  if (requestBytes > LIMITS.requestBytes) {
    throw error("RequestTooLong", { length: BigInt(requestBytes), limit: BigInt(LIMITS.requestBytes) });
  }
  if (escrow > LIMITS.amountWei) throw error("EscrowTooLarge", { escrow });
  const model = modelSlot(context, modelId);
  if (loadModelHead(context, model) === undefined) throw error("UnknownModel", { modelId });
  if (!loadIsHost(context, modelId, host)) throw error("NotHost", { modelId, host });

  const parameters = loadParameters(context);
  const { requestPrice, outputPrice } = loadModelPrices(context, model);
  const platformFee = parameters.platformFeeWei;
  const required = feeWei({ platformFeeWei: platformFee, requestPrice, outputPrice }, requestBytes, 0);
  if (escrow < required) throw error("EscrowTooSmall", { escrow, required });

  const commitDeadline = context.timestamp + parameters.commitWindowSeconds;
  const minSpan = Number(parameters.minSpanBytes);
  const inferenceId = storeRequest(context, {
    head: { state: STATE.requested, audience, minSpan, modelId, openDemands: 0, extensions: 0, payer },
    host: { host, requestBytes, requestedAt: context.blockNumber },
    escrow: { escrow, commitDeadline, committedAt: 0n, batchId: 0n },
    requestRoot,
    terms: {
      requestPrice,
      outputPrice,
      platformFee,
      modelPpm: Number(parameters.modelPpm),
      stakersPpm: Number(parameters.stakersPpm),
      contributorsPpm: Number(parameters.contributorsPpm),
      settleWindowSeconds: Number(parameters.settleWindowSeconds),
      stakeMultiple: Number(parameters.stakeMultiple),
    },
  });
  emit(context, "InferenceRequested", {
    inferenceId,
    modelId,
    payer,
    host,
    requestRoot,
    requestBytes,
    audience,
    escrow,
    commitDeadline,
    minSpan,
    requestPrice,
    outputPrice,
    platformFee,
  });
  return inferenceId;
};

export const expire: Handler<"expire"> = (context, { inferenceId }) => {
  const { slot, head, escrow } = requireState(context, inferenceId, STATE.requested);
  const { commitDeadline, escrow: refund } = escrow;
  if (context.timestamp <= commitDeadline) {
    throw error("DeadlineNotPassed", { inferenceId, deadline: commitDeadline });
  }
  storeHead(context, slot, { ...head, state: STATE.expired });
  context.credit(head.payer, refund);
  emit(context, "InferenceExpired", { inferenceId, payer: head.payer, refund });
};
