/** Rows of inferences and of the money that they move: requests, outputs with their spans, rewards, stakes. */
import { hexToBytes } from "../core/bytes.ts";
import { spanWeights } from "../core/span-rule.ts";
import { type Change, insert, revise } from "./changes.ts";
import { DEMAND_STATE, EDGE_KIND, INFERENCE_STATE, NODE_KIND, REWARD_KIND } from "./codes.ts";
import { type Args, edge, type Position, toId, toTime } from "./project-rows.ts";

export function inferenceRequested(args: Args<"InferenceRequested">, at: Position): Change[] {
  return [
    insert("inferences", {
      ...at,
      id: toId(args.inferenceId),
      model: toId(args.modelId),
      payer: hexToBytes(args.payer),
      host: hexToBytes(args.host),
      audience: args.audience,
      state: INFERENCE_STATE.REQUESTED,
      request_root: hexToBytes(args.requestRoot),
      request_bytes: args.requestBytes,
      escrow: args.escrow,
      commit_deadline: toTime(args.commitDeadline),
      min_span: args.minSpan,
      request_price: args.requestPrice,
      output_price: args.outputPrice,
      platform_fee: args.platformFee,
      output_root: null,
      output_bytes: null,
      covered_bytes: null,
      fee: null,
      stake_locked: null,
      settle_after: null,
      committed_block: null,
      committed_tx: null,
      batch: null,
      batch_index: null,
      refund: null,
      contributors_paid: null,
      model_paid: null,
      stakers_paid: null,
      treasury_paid: null,
      closed_block: null,
      closed_tx: null,
      fault: null,
      challenger: null,
      fault_contribution: null,
      slashed: null,
    }),
  ];
}

export function outputCommitted(args: Args<"OutputCommitted">, at: Position): Change[] {
  const id = toId(args.inferenceId);
  const set = {
    state: INFERENCE_STATE.COMMITTED,
    output_root: hexToBytes(args.outputRoot),
    output_bytes: args.outputBytes,
    covered_bytes: args.coveredBytes,
    fee: args.fee,
    stake_locked: args.stakeLocked,
    settle_after: toTime(args.settleAfter),
    committed_block: at.block,
    committed_tx: at.tx_hash,
    batch: toId(args.batchId),
    batch_index: args.index,
  };
  const merged = new Map<number, number>();
  const weights = spanWeights(args.spans);
  const spans = args.spans.map((span, i) => {
    const contribution = toId(span.contribution);
    const weight = weights[i]!;
    merged.set(contribution, (merged.get(contribution) ?? 0) + weight);
    return insert("spans", {
      ...at,
      inference: id,
      span: i,
      contribution,
      output_start: span.outputStart,
      length: span.length,
      content_offset: span.contentOffset,
      weight,
    });
  });
  const upstream = [...merged].map(([contribution, weight], i) =>
    edge(at, i + 1, EDGE_KIND.ATTRIBUTED_TO, NODE_KIND.OUTPUT, id, NODE_KIND.CONTRIBUTION, contribution, weight),
  );
  return [
    revise("inferences", { id }, { set }),
    ...spans,
    edge(at, 0, EDGE_KIND.GENERATED_BY, NODE_KIND.OUTPUT, id, NODE_KIND.MODEL, toId(args.modelId)),
    ...upstream,
  ];
}

export function rewardAccrued(args: Args<"RewardAccrued">, at: Position, time: number): Change[] {
  const account = hexToBytes(args.account);
  const { kind, amount, weight } = args;
  const source = args.source === 0n ? null : toId(args.source);
  const zero = { accrued: 0n, rewards: 0 };
  const add = { accrued: amount, rewards: 1 };
  const changes: Change[] = [
    insert("rewards", { ...at, inference: toId(args.inferenceId), account, kind, source, weight, amount, time }),
    revise("accounts", { address: account }, { add, create: { address: account, claimed: 0n, stake: 0n, ...zero } }),
    revise("reward_totals", { account, kind }, { add, create: { account, kind, ...zero } }),
  ];
  if (kind === REWARD_KIND.CONTRIBUTOR && source !== null) {
    const create = { contribution: source, weight: 0n, ...zero };
    changes.push(revise("contribution_totals", { contribution: source }, { add: { ...add, weight }, create }));
  }
  return changes;
}

export function inferenceVoided(args: Args<"InferenceVoided">, at: Position): Change[] {
  const set = {
    state: INFERENCE_STATE.VOID,
    refund: args.refund,
    fault: args.fault,
    challenger: hexToBytes(args.challenger),
    fault_contribution: args.contributionId === 0n ? null : toId(args.contributionId),
    slashed: args.slashed,
    closed_block: at.block,
    closed_tx: at.tx_hash,
  };
  return [revise("inferences", { id: toId(args.inferenceId) }, { set })];
}

export function chunkDemanded(args: Args<"ChunkDemanded">, at: Position): Change[] {
  const key = { inference: toId(args.inferenceId), contribution: toId(args.contributionId), chunk: args.chunk };
  const { bond } = args;
  const demander = hexToBytes(args.demander);
  const create = { ...at, ...key, demander, deadline: toTime(args.deadline), bond, state: DEMAND_STATE.OPEN };
  return [insert("demands", create)];
}

export function demandClosed(args: Args<"DemandReturned"> | Args<"ChunkShown">, state: number): Change {
  const key = { inference: toId(args.inferenceId), contribution: toId(args.contributionId), chunk: args.chunk };
  return revise("demands", key, { set: { state } });
}

export function auditorSet(args: Args<"AuditorSet">, at: Position): Change[] {
  const key = { inference: toId(args.inferenceId), auditor: hexToBytes(args.auditor) };
  const set = { allowed: args.allowed ? 1 : 0 };
  return [revise("auditors", key, { set, create: { ...at, ...key, ...set } })];
}

export function staked(args: Args<"StakeDeposited">, at: Position, kind: number): Change[] {
  const host = hexToBytes(args.host);
  const { amount, total } = args;
  const create = { address: host, accrued: 0n, claimed: 0n, stake: 0n, rewards: 0 };
  return [
    insert("stakes", { ...at, host, kind, amount, total }),
    revise("accounts", { address: host }, { set: { stake: total }, create }),
  ];
}
