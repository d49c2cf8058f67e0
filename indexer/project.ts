/**
 * The projection: block -> rows. Pure: the same block and the same `minSpans` give the same changes on every machine,
 * which is why the index can be thrown away and rebuilt.
 */
import { type Hex, hexToBytes } from "../core/bytes.ts";
import type { ExecutedBlock } from "../core/chain.ts";
import { spanWeight } from "../core/span-rule.ts";
import { type Change, insert, revise } from "./changes.ts";
import { EDGE_KIND, INFERENCE_STATE, NODE_KIND, type NodeKind, REWARD_KIND, ROLE, STATUS } from "./codes.ts";
import type { PlacedEvent } from "./decode.ts";
import { IndexError } from "./errors.ts";

/** Where the rows of one event stand. */
interface Position {
  readonly block: number;
  readonly log_index: number;
  readonly tx_hash: Uint8Array;
}

/** `minSpan` (m of span-v1) by inference id, of inferences requested in earlier blocks. */
export type MinSpans = ReadonlyMap<number, number>;

/** Inferences whose `minSpan` the projection of these events needs and cannot find among them. */
export function neededMinSpans(events: readonly PlacedEvent[]): number[] {
  const needed = new Set<number>();
  for (const event of events) {
    if (event.eventName === "OutputCommitted") needed.add(toId(event.args.inferenceId));
  }
  for (const event of events) {
    if (event.eventName === "InferenceRequested") needed.delete(toId(event.args.inferenceId));
  }
  return [...needed];
}

/** `events` are the block's, from decodeBlock. Throws IndexError when they contradict what came before. */
export function project(block: ExecutedBlock, events: readonly PlacedEvent[], minSpans: MinSpans): Change[] {
  const { header } = block;
  const number = Number(header.number);
  const changes: Change[] = [
    insert("blocks", {
      block: number,
      hash: block.hash,
      parent_hash: header.parentHash,
      timestamp: toTime(header.timestamp),
      gas_used: header.gasUsed,
      transactions: block.transactions.length,
      events: events.length,
    }),
  ];
  const known = new Map(minSpans);
  for (const event of events) {
    if (event.eventName === "InferenceRequested") known.set(toId(event.args.inferenceId), event.args.minSpan);
    changes.push(...projectEvent(event, { block: number, log_index: event.logIndex, tx_hash: event.txHash }, known));
  }
  return changes;
}

function projectEvent(event: PlacedEvent, at: Position, minSpans: MinSpans): Change[] {
  switch (event.eventName) {
    case "DatanetCreated":
      return datanetCreated(event.args, at);
    case "CuratorSet":
      return [grant(event.args, ROLE.CURATOR, event.args.curator, at)];
    case "ContributorSet":
      return [grant(event.args, ROLE.CONTRIBUTOR, event.args.contributor, at)];
    case "BuilderSet":
      return [grant(event.args, ROLE.BUILDER, event.args.builder, at)];
    case "ContributionCommitted": {
      const { datanetId, contributor, commitment } = event.args;
      const row = {
        datanet: toId(datanetId),
        contributor: hexToBytes(contributor),
        commitment: hexToBytes(commitment),
      };
      return [insert("commitments", { ...at, ...row })];
    }
    case "ContributionSubmitted":
      return contributionSubmitted(event.args, at);
    case "ContributionAccepted": {
      const { score, leafIndex } = event.args;
      return decided(event.args, at, { status: STATUS.ACCEPTED, score, leaf_index: leafIndex });
    }
    case "ContributionDuplicate":
      return decided(event.args, at, { status: STATUS.DUPLICATE, duplicate_of: toId(event.args.duplicateOf) });
    case "ContributionRejected": {
      const contribution = toId(event.args.contributionId);
      const amount = event.args.bondForfeited;
      return [
        ...decided(event.args, at, { status: STATUS.REJECTED, reason: text(event.args.reason) }),
        insert("bond_movements", { ...at, contribution, contributor: null, amount, forfeited: 1 }),
      ];
    }
    case "ConsentWithdrawn": {
      // IDatanet: a pending contribution is gone with it; an accepted one stays accepted, later requests do not pay it.
      const id = toId(event.args.contributionId);
      const ended = { withdrawn_block: at.block, withdrawn_tx: at.tx_hash };
      return [
        revise("contributions", { id }, { set: { status: STATUS.WITHDRAWN }, when: { status: STATUS.PENDING } }),
        revise("contributions", { id }, { set: ended }),
        statusEvent(id, STATUS.WITHDRAWN, event.args.contributor, at),
      ];
    }
    case "BondReturned": {
      const { contributionId, contributor, amount } = event.args;
      const row = { contribution: toId(contributionId), contributor: hexToBytes(contributor), amount, forfeited: 0 };
      return [insert("bond_movements", { ...at, ...row })];
    }
    case "VersionPublished": {
      const { datanetId, version, count, root } = event.args;
      return [insert("versions", { ...at, datanet: toId(datanetId), version, count, root: hexToBytes(root) })];
    }
    case "ModelRegistered":
      return modelRegistered(event.args, at);
    case "PricesSet": {
      const { modelId, requestPrice, outputPrice } = event.args;
      return [
        revise("models", { id: toId(modelId) }, { set: { request_price: requestPrice, output_price: outputPrice } }),
      ];
    }
    case "HostJoined": {
      const key = { model: toId(event.args.modelId), host: hexToBytes(event.args.host) };
      const set = { url: text(event.args.url), active: 1, ...changedAt(at) };
      return [revise("hosts", key, { set, create: { ...at, ...key, ...set } })];
    }
    case "HostLeft": {
      const key = { model: toId(event.args.modelId), host: hexToBytes(event.args.host) };
      return [revise("hosts", key, { set: { active: 0, ...changedAt(at) } })];
    }
    case "InferenceRequested":
      return inferenceRequested(event.args, at);
    case "OutputCommitted":
      return outputCommitted(event.args, at, minSpans);
    case "InferenceSettled": {
      const { inferenceId, refund, contributorsPaid, modelPaid, stakersPaid, treasuryPaid } = event.args;
      const set = {
        state: INFERENCE_STATE.SETTLED,
        refund,
        contributors_paid: contributorsPaid,
        model_paid: modelPaid,
        stakers_paid: stakersPaid,
        treasury_paid: treasuryPaid,
        closed_block: at.block,
        closed_tx: at.tx_hash,
      };
      return [revise("inferences", { id: toId(inferenceId) }, { set })];
    }
    case "InferenceExpired": {
      const { inferenceId, refund } = event.args;
      const set = { state: INFERENCE_STATE.EXPIRED, refund, closed_block: at.block, closed_tx: at.tx_hash };
      return [revise("inferences", { id: toId(inferenceId) }, { set })];
    }
    case "RewardAccrued":
      return rewardAccrued(event.args, at);
    case "RewardClaimed": {
      const account = hexToBytes(event.args.account);
      const { amount } = event.args;
      return [
        insert("claims", { ...at, account, caller: hexToBytes(event.args.caller), amount }),
        revise("accounts", { address: account }, { add: { claimed: amount } }),
      ];
    }
    case "StakeDeposited":
      return staked(event.args, at, 1);
    case "StakeWithdrawn":
      return staked(event.args, at, 0);
    default:
      return unreachable(event);
  }
}

type Args<Name extends PlacedEvent["eventName"]> = Extract<PlacedEvent, { eventName: Name }>["args"];

function datanetCreated(args: Args<"DatanetCreated">, at: Position): Change[] {
  const id = toId(args.datanetId);
  const owner = hexToBytes(args.owner);
  return [
    insert("datanets", {
      ...at,
      id,
      owner,
      name: text(args.name),
      domain: text(args.domain),
      metadata_uri: text(args.metadataURI),
      modality: args.modality,
      licence: args.licence,
      access: args.access,
      bond: args.bond,
    }),
    // IDatanet.createDatanet: the sender becomes owner and curator.
    grant({ datanetId: args.datanetId, allowed: true }, ROLE.CURATOR, args.owner, at),
  ];
}

function grant(args: { datanetId: bigint; allowed: boolean }, role: number, account: Hex, at: Position): Change {
  const key = { datanet: toId(args.datanetId), role, account: hexToBytes(account) };
  const set = { allowed: args.allowed ? 1 : 0, ...changedAt(at) };
  return revise("grants", key, { set, create: { ...at, ...key, ...set } });
}

const changedAt = (at: Position) => ({ changed_block: at.block, changed_tx: at.tx_hash });

function statusEvent(contribution: number, status: number, actor: Hex, at: Position): Change {
  return insert("contribution_events", { ...at, contribution, status, actor: hexToBytes(actor) });
}

function contributionSubmitted(args: Args<"ContributionSubmitted">, at: Position): Change[] {
  const id = toId(args.contributionId);
  const datanet = toId(args.datanetId);
  const upstream = (ordinal: number, kind: number, toKind: NodeKind, toId: number): Change =>
    edge(at, ordinal, kind, NODE_KIND.CONTRIBUTION, id, toKind, toId);
  return [
    insert("contributions", {
      ...at,
      id,
      datanet,
      contributor: hexToBytes(args.contributor),
      content_root: hexToBytes(args.contentRoot),
      size: args.size,
      licence: args.licence,
      uri: text(args.uri),
      bond: args.bond,
      status: STATUS.PENDING,
      curator: null,
      score: null,
      leaf_index: null,
      duplicate_of: null,
      reason: null,
      decided_block: null,
      decided_tx: null,
      withdrawn_block: null,
      withdrawn_tx: null,
    }),
    statusEvent(id, STATUS.PENDING, args.contributor, at),
    upstream(0, EDGE_KIND.PART_OF, NODE_KIND.DATANET, datanet),
    ...args.parents.map((parent, i) => upstream(i + 1, EDGE_KIND.DERIVED_FROM, NODE_KIND.CONTRIBUTION, toId(parent))),
  ];
}

interface Decision {
  readonly status: number;
  readonly score?: number;
  readonly leaf_index?: number;
  readonly duplicate_of?: number;
  readonly reason?: string;
}

function decided(args: { contributionId: bigint; curator: Hex }, at: Position, decision: Decision): Change[] {
  const id = toId(args.contributionId);
  const set = { ...decision, curator: hexToBytes(args.curator), decided_block: at.block, decided_tx: at.tx_hash };
  return [revise("contributions", { id }, { set }), statusEvent(id, decision.status, args.curator, at)];
}

function modelRegistered(args: Args<"ModelRegistered">, at: Position): Change[] {
  const id = toId(args.modelId);
  const parent = args.parent === 0n ? null : toId(args.parent);
  const { block } = at;
  const changes: Change[] = [
    insert("models", {
      ...at,
      id,
      owner: hexToBytes(args.owner),
      kind: args.kind,
      parent,
      name: text(args.name),
      metadata_uri: text(args.metadataURI),
      artifact_hash: hexToBytes(args.artifactHash),
      config_hash: hexToBytes(args.configHash),
      licence: args.licence,
      request_price: args.requestPrice,
      output_price: args.outputPrice,
      royalty_ppm: args.royaltyPpm,
      host_ppm: args.hostPpm,
    }),
  ];
  args.data.forEach((ref, i) => {
    const datanet = toId(ref.datanetId);
    changes.push(
      insert("model_data", { block, model: id, position: i, datanet, version: ref.version }),
      edge(at, i + 1, EDGE_KIND.TRAINED_ON, NODE_KIND.MODEL, id, NODE_KIND.DATANET, datanet, null, ref.version),
    );
  });
  for (const { datanetId, count } of args.flattened) {
    changes.push(insert("model_counts", { block, model: id, datanet: toId(datanetId), count }));
  }
  if (parent !== null) {
    changes.push(edge(at, 0, EDGE_KIND.DERIVED_FROM, NODE_KIND.MODEL, id, NODE_KIND.MODEL, parent));
  }
  return changes;
}

function inferenceRequested(args: Args<"InferenceRequested">, at: Position): Change[] {
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
      refund: null,
      contributors_paid: null,
      model_paid: null,
      stakers_paid: null,
      treasury_paid: null,
      closed_block: null,
      closed_tx: null,
    }),
  ];
}

function outputCommitted(args: Args<"OutputCommitted">, at: Position, minSpans: MinSpans): Change[] {
  const id = toId(args.inferenceId);
  const minSpan = minSpans.get(id);
  if (minSpan === undefined) {
    throw new IndexError(
      "INDEX_INCONSISTENT",
      `block ${at.block}: output of inference ${id}, which was never requested`,
    );
  }
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
  };
  const merged = new Map<number, number>();
  const spans = args.spans.map((span, i) => {
    const contribution = toId(span.contribution);
    const weight = spanWeight(span.length, minSpan);
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

function rewardAccrued(args: Args<"RewardAccrued">, at: Position): Change[] {
  const account = hexToBytes(args.account);
  const { kind, amount, weight } = args;
  const source = args.source === 0n ? null : toId(args.source);
  const zero = { accrued: 0n, rewards: 0 };
  const add = { accrued: amount, rewards: 1 };
  const changes: Change[] = [
    insert("rewards", { ...at, inference: toId(args.inferenceId), account, kind, source, weight, amount }),
    revise("accounts", { address: account }, { add, create: { address: account, claimed: 0n, stake: 0n, ...zero } }),
    revise("reward_totals", { account, kind }, { add, create: { account, kind, ...zero } }),
  ];
  if (kind === REWARD_KIND.CONTRIBUTOR && source !== null) {
    const create = { contribution: source, weight: 0n, ...zero };
    changes.push(revise("contribution_totals", { contribution: source }, { add: { ...add, weight }, create }));
  }
  return changes;
}

function staked(args: Args<"StakeDeposited">, at: Position, deposit: 0 | 1): Change[] {
  const host = hexToBytes(args.host);
  const { amount, total } = args;
  const create = { address: host, accrued: 0n, claimed: 0n, stake: 0n, rewards: 0 };
  return [
    insert("stakes", { ...at, host, deposit, amount, total }),
    revise("accounts", { address: host }, { set: { stake: total }, create }),
  ];
}

function edge(
  at: Position,
  ordinal: number,
  kind: number,
  from_kind: NodeKind,
  from_id: number,
  to_kind: NodeKind,
  to_id: number,
  weight: number | null = null,
  detail: number | null = null,
): Change {
  return insert("edges", { ...at, ordinal, kind, from_kind, from_id, to_kind, to_id, weight, detail });
}

/** Ids are sequences from 1; one that is no safe integer cannot come from the precompiles. */
function toId(id: bigint): number {
  const number = Number(id);
  if (!Number.isSafeInteger(number)) throw new IndexError("INDEX_INCONSISTENT", `id ${id} is not a sequence number`);
  return number;
}

/** Unix seconds. A deadline beyond 2^53 seconds never comes; it must not stop the index either. */
function toTime(seconds: bigint): number {
  return seconds > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(seconds);
}

/** Anyone may write strings; U+0000 ends a text in SQLite's functions and PostgreSQL refuses it. */
function text(value: string): string {
  return value.replaceAll("\u0000", "\ufffd");
}

function unreachable(event: never): never {
  throw new IndexError("UNKNOWN_EVENT", `no projection for ${JSON.stringify(event)}`);
}
