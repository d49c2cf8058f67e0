/** The request and what became of it: proven storage of the attribution precompile, and the events of each step. */
import { bytesToHex } from "../../core/bytes.ts";
import { FAULT, INFERENCE_STATE } from "../../indexer/codes.ts";
import { STATE } from "../../precompiles/attribution-interface.ts";
import {
  type Found,
  type InferenceHost,
  type InferenceTerms,
  loadBatchRoot,
  loadHost,
  loadRequestRoot,
  loadTerms,
  requireInference,
  settleAfter,
} from "../../precompiles/attribution-state.ts";
import { type Comparison, NotProven, nameIn, requireSame } from "./checks.ts";
import { eventAt, placeOf } from "./events.ts";
import type { Audit } from "./verify.ts";

/** What the state holds of an inference. */
export interface ProvenInference extends Found {
  readonly served: InferenceHost;
  readonly terms: InferenceTerms;
  /** Zero bytes before the commitment. */
  readonly batchRoot: Uint8Array;
  /** 0 before the commitment. */
  readonly batchId: bigint;
}

const AUDIENCES = ["PUBLIC", "PRIVATE"];

export async function checkInference({ lineage, state, chain }: Audit): Promise<[string, ProvenInference]> {
  const { root } = lineage;
  const inferenceId = BigInt(root.id);
  const { inference, requestRoot } = await state.read((context) => {
    const found = requireInference(context, inferenceId);
    const served = loadHost(context, found.slot);
    const { batchId } = found.escrow;
    return {
      inference: {
        ...found,
        served,
        terms: loadTerms(context, served),
        batchId,
        batchRoot: batchId === 0n ? new Uint8Array(32) : loadBatchRoot(context, batchId),
      },
      requestRoot: loadRequestRoot(context, found.slot),
    };
  });
  const { head, escrow, served, terms } = inference;
  requireSame([
    ["state", root.state, nameIn(INFERENCE_STATE, inference.state)],
    ["audience", root.audience, AUDIENCES[head.audience]],
    ["model", root.model.id, head.modelId],
    ["payer", root.payer.address, bytesToHex(head.payer)],
    ["host", root.host.address, bytesToHex(served.host)],
    ["block of the request", root.block.number, served.requestedAt],
    ["request root", root.requestRoot, bytesToHex(requestRoot)],
    ["request bytes", root.requestBytes, served.requestBytes],
    ["shortest span", root.minSpan, head.minSpan],
    ["escrow", root.escrow, escrow.escrow],
    ["request price", root.requestPrice, terms.requestPrice],
    ["output price", root.outputPrice, terms.outputPrice],
    ["platform fee", root.platformFee, terms.platformFee],
    ["commit deadline", root.commitDeadline, escrow.commitDeadline],
    ["settlement time", root.settleAfter, escrow.batchId === 0n ? null : settleAfter(inference, terms)],
  ]);
  await eventAt(chain, root, "attribution", "InferenceRequested", (args) => args.inferenceId === inferenceId);
  const closed = await checkClosing({ lineage, chain }, inference);
  return [`${inferenceId} ${root.state.toLowerCase()}, requested in ${placeOf(root)}${closed}`, inference];
}

type Steps = Pick<ProvenInference, "state" | "inferenceId" | "batchId">;

const CLOSINGS = {
  [STATE.settled]: "InferenceSettled",
  [STATE.expired]: "InferenceExpired",
  [STATE.void]: "InferenceVoided",
} as const;

/** What a record has only once its answer is committed. */
const OF_ANSWERS = ["committed", "batch", "batchIndex", "outputRoot", "outputBytes", "coveredBytes", "fee"] as const;

/** How it ended, and that the record says nothing of what did not happen. */
async function checkClosing(
  { lineage, chain }: Pick<Audit, "lineage" | "chain">,
  { state, inferenceId, batchId }: Steps,
) {
  const { root, attributions } = lineage;
  const { closed } = root;
  if (batchId === 0n) {
    requireSame([
      ...OF_ANSWERS.map((field): Comparison => [field, root[field] === null, true]),
      ["number of spans", root.spans.length, 0],
      ["number of attributed contributions", attributions.length, 0],
    ]);
  }
  const eventName = CLOSINGS[state as keyof typeof CLOSINGS];
  if (eventName !== "InferenceVoided")
    requireSame([
      ["fault", root.fault, null],
      ["slashed", root.slashed, null],
    ]);
  if (eventName === undefined) {
    requireSame([
      ["the end", closed === null, true],
      ["refund", root.refund, null],
    ]);
    return "";
  }
  if (closed === null) throw new NotProven("GraphQL does not say when it ended");
  const isThis = (args: { readonly inferenceId: bigint }) => args.inferenceId === inferenceId;
  const { args } = await eventAt(chain, closed, "attribution", eventName, isThis);
  requireSame([["refund", root.refund, args.refund]]);
  if ("fault" in args)
    requireSame([
      ["fault", root.fault, nameIn(FAULT, args.fault)],
      ["slashed", root.slashed, args.slashed],
    ]);
  return `, ended in ${placeOf(closed)}`;
}
