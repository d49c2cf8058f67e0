/** A committed answer, brought again by a settlement or a challenge, and checked against the one hash of its batch. */
import { answerLeaf, batchRootFrom } from "../core/answer-batch.ts";
import { equalsBytes } from "../core/bytes.ts";
import type { PrecompileContext } from "../core/precompile.ts";
import { encodeSpans } from "../core/span-rule.ts";
import { AUDIENCE, error, type Inputs, STATE } from "./attribution-interface.ts";
import {
  type Found,
  feeOf,
  type InferenceHost,
  type InferenceTerms,
  loadBatchRoot,
  loadHost,
  loadIsAuditor,
  loadTerms,
  settleAfter,
  wrongState,
} from "./attribution-state.ts";
import { hashOf } from "./storage.ts";

type Context = PrecompileContext;
export type Claim = Inputs<"settle">["claims"][number];

/** A committed inference with the claim that it stands for. */
export interface Committed extends Found {
  readonly claim: Claim;
  readonly spansHash: Uint8Array;
  readonly served: InferenceHost;
  readonly terms: InferenceTerms;
  readonly fee: bigint;
  readonly stakeLocked: bigint;
  /** Block time, seconds. */
  readonly settleAfter: bigint;
}

/** Precondition: found.state is committed. Reverts with ClaimMismatch. */
export function requireClaim(context: Context, found: Found, claim: Claim): Committed {
  const { inferenceId, outputRoot, outputBytes, spans, proof } = claim;
  const spansHash = context.keccak(encodeSpans(spans));
  const leaf = answerLeaf({ inferenceId, outputRoot, outputBytes, spansHash }, hashOf(context));
  const computed = batchRootFrom(leaf, proof, hashOf(context));
  const committed = loadBatchRoot(context, found.escrow.batchId);
  if (!equalsBytes(computed, committed)) throw error("ClaimMismatch", { computed, batchRoot: committed });

  const served = loadHost(context, found.slot);
  const terms = loadTerms(context, served);
  const fee = feeOf(terms, served.requestBytes, outputBytes);
  return {
    ...found,
    claim,
    spansHash,
    served,
    terms,
    fee,
    stakeLocked: fee * BigInt(terms.stakeMultiple),
    settleAfter: settleAfter(found, terms),
  };
}

/** The inference can be challenged by the caller now. Reverts with WrongState, NotAuditor or WindowClosed. */
export function requireChallengeable(context: Context, found: Found): void {
  if (found.state !== STATE.committed) throw wrongState(found);
  requireAudience(context, found);
  const { inferenceId, slot } = found;
  const end = settleAfter(found, loadTerms(context, loadHost(context, slot)));
  if (context.timestamp >= end) throw error("WindowClosed", { inferenceId, settleAfter: end });
}

/** Of a private output only the payer and its auditors know the bytes; nobody else may act on it. */
export function requireAudience(context: Context, { inferenceId, head }: Found): void {
  const caller = context.caller;
  if (head.audience === AUDIENCE.public || equalsBytes(caller, head.payer)) return;
  if (!loadIsAuditor(context, inferenceId, caller)) throw error("NotAuditor", { inferenceId, caller });
}
