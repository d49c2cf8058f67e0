/** The types that refer to each other, named before they are described, and their lists. Each holds a row of its table. */
import { EDGE_KIND, NODE_KIND, REWARD_KIND } from "./codes.ts";
import type { MergedAttribution } from "./lineage.ts";
import type { Condition } from "./paging.ts";
import {
  Access,
  Audience,
  Block,
  builder,
  ContributionStatus,
  DemandState,
  Fault,
  GrantRole,
  InferenceState,
  Modality,
  ModelKind,
  RewardKind,
  StakeKind,
} from "./schema-builder.ts";
import { listOf } from "./schema-lists.ts";
import {
  addresses,
  blockTimes,
  codes,
  flags,
  hashes,
  ids,
  implying,
  integers,
  licences,
  numbers,
  texts,
  times,
  wei,
} from "./schema-where.ts";
import type { Stored } from "./tables.ts";

/** An account exists for every address; its row only once it has been paid. */
export interface AccountShape {
  readonly address: Uint8Array;
}

/** What one contribution has in one output. */
export type AttributionShape = Pick<MergedAttribution, "inference" | "contribution" | "weight">;

export const Account = builder.objectRef<AccountShape>("Account");
export const Datanet = builder.objectRef<Stored<"datanets">>("Datanet");
export const DatanetVersion = builder.objectRef<Stored<"versions">>("DatanetVersion");
export const Grant = builder.objectRef<Stored<"grants">>("Grant");
export const Commitment = builder.objectRef<Stored<"commitments">>("Commitment");
export const Contribution = builder.objectRef<Stored<"contributions">>("Contribution");
export const ContributionEvent = builder.objectRef<Stored<"contribution_events">>("ContributionEvent");
export const BondMovement = builder.objectRef<Stored<"bond_movements">>("BondMovement");
export const Model = builder.objectRef<Stored<"models">>("Model");
export const Host = builder.objectRef<Stored<"hosts">>("Host");
export const Inference = builder.objectRef<Stored<"inferences">>("Inference");
export const Attribution = builder.objectRef<AttributionShape>("Attribution");
export const Batch = builder.objectRef<Stored<"batches">>("Batch");
export const Demand = builder.objectRef<Stored<"demands">>("Demand");
export const Auditor = builder.objectRef<Stored<"auditors">>("Auditor");
export const Reward = builder.objectRef<Stored<"rewards">>("Reward");
export const RewardClaim = builder.objectRef<Stored<"claims">>("RewardClaim");
export const StakeMovement = builder.objectRef<Stored<"stakes">>("StakeMovement");
export const Deposit = builder.objectRef<Stored<"deposits">>("Deposit");
export const Withdrawal = builder.objectRef<Stored<"withdrawals">>("Withdrawal");
export const ValidatorSet = builder.objectRef<Stored<"validator_sets">>("ValidatorSet");

export const blocks = listOf("Block", "blocks", Block, {
  timestamp: times("timestamp"),
  eventCount: integers("events"),
});

export const datanets = listOf("Datanet", "datanets", Datanet, {
  id: ids("id"),
  owner: addresses("owner"),
  name: texts("name"),
  domain: texts("domain"),
  modality: codes("modality", Modality),
  licence: licences("licence"),
  access: codes("access", Access),
});

export const versions = listOf("DatanetVersion", "versions", DatanetVersion, {
  datanet: ids("datanet"),
  version: integers("version"),
  root: hashes("root"),
});

export const grants = listOf("Grant", "grants", Grant, {
  datanet: ids("datanet"),
  role: codes("role", GrantRole),
  account: addresses("account"),
  allowed: flags("allowed"),
});

export const commitments = listOf("Commitment", "commitments", Commitment, {
  datanet: ids("datanet"),
  contributor: addresses("contributor"),
  commitment: hashes("commitment"),
});

export const contributions = listOf("Contribution", "contributions", Contribution, {
  id: ids("id"),
  datanet: ids("datanet"),
  contributor: addresses("contributor"),
  contentRoot: hashes("content_root"),
  size: wei("size"),
  licence: licences("licence"),
  uri: texts("uri"),
  status: codes("status", ContributionStatus),
  curator: addresses("curator"),
  score: integers("score"),
  leafIndex: integers("leaf_index"),
  duplicateOf: ids("duplicate_of"),
  withdrawnBlock: numbers("withdrawn_block"),
});

export const contributionEvents = listOf("ContributionEvent", "contribution_events", ContributionEvent, {
  contribution: ids("contribution"),
  status: codes("status", ContributionStatus),
  actor: addresses("actor"),
});

export const bondMovements = listOf("BondMovement", "bond_movements", BondMovement, {
  contribution: ids("contribution"),
  contributor: addresses("contributor"),
  amount: wei("amount"),
  forfeited: flags("forfeited"),
});

export const models = listOf("Model", "models", Model, {
  id: ids("id"),
  owner: addresses("owner"),
  kind: codes("kind", ModelKind),
  parent: ids("parent"),
  name: texts("name"),
  artifactHash: hashes("artifact_hash"),
  licence: licences("licence"),
});

export const hosts = listOf("Host", "hosts", Host, {
  model: ids("model"),
  account: addresses("host"),
  active: flags("active"),
});

export const inferences = listOf("Inference", "inferences", Inference, {
  id: ids("id"),
  model: ids("model"),
  payer: addresses("payer"),
  host: addresses("host"),
  audience: codes("audience", Audience),
  state: codes("state", InferenceState),
  requestRoot: hashes("request_root"),
  outputRoot: hashes("output_root"),
  outputBytes: numbers("output_bytes"),
  coveredBytes: numbers("covered_bytes"),
  fee: wei("fee"),
  committedBlock: numbers("committed_block"),
  closedBlock: numbers("closed_block"),
  settleAfter: times("settle_after"),
  batch: ids("batch"),
  fault: codes("fault", Fault),
  challenger: addresses("challenger"),
  faultContribution: ids("fault_contribution"),
});

export const batches = listOf("Batch", "batches", Batch, {
  id: ids("id"),
  root: hashes("root"),
  count: integers("count"),
});

export const demands = listOf("Demand", "demands", Demand, {
  inference: ids("inference"),
  contribution: ids("contribution"),
  demander: addresses("demander"),
  deadline: times("deadline"),
  state: codes("state", DemandState),
});

export const auditors = listOf("Auditor", "auditors", Auditor, {
  inference: ids("inference"),
  auditor: addresses("auditor"),
  allowed: flags("allowed"),
});

/** Of the edges those from outputs to contributions. */
export const attributions = listOf(
  "Attribution",
  "edges",
  Attribution,
  { weight: numbers("weight") },
  ({ from_id, to_id, weight }) => ({ inference: from_id, contribution: to_id, weight: weight ?? 0 }),
);

export const attributedTo = (contribution: number) =>
  ({ to_kind: NODE_KIND.CONTRIBUTION, to_id: contribution, kind: EDGE_KIND.ATTRIBUTED_TO }) as const;

const kindIn = (...value: number[]): Condition => ({ column: "kind", operator: "in", value });

export const rewards = listOf("Reward", "rewards", Reward, {
  account: addresses("account"),
  inference: ids("inference"),
  kind: codes("kind", RewardKind),
  contribution: implying(ids("source"), kindIn(REWARD_KIND.CONTRIBUTOR, REWARD_KIND.LEFT_OUT)),
  model: implying(ids("source"), kindIn(REWARD_KIND.MODEL_OWNER, REWARD_KIND.ROYALTY, REWARD_KIND.HOST)),
  weight: wei("weight"),
  amount: wei("amount"),
  time: blockTimes("time"),
});

export const claims = listOf("RewardClaim", "claims", RewardClaim, {
  account: addresses("account"),
  caller: addresses("caller"),
  amount: wei("amount"),
});

export const stakes = listOf("StakeMovement", "stakes", StakeMovement, {
  host: addresses("host"),
  kind: codes("kind", StakeKind),
  amount: wei("amount"),
});

export const deposits = listOf("Deposit", "deposits", Deposit, {
  sender: addresses("sender"),
  recipient: addresses("recipient"),
  sourceHash: hashes("source_hash"),
  mint: wei("mint"),
  value: wei("value"),
  succeeded: flags("succeeded"),
});

export const withdrawals = listOf("Withdrawal", "withdrawals", Withdrawal, {
  sender: addresses("sender"),
  target: addresses("target"),
  value: wei("value"),
  withdrawalHash: hashes("withdrawal_hash"),
});

export const validatorSets = listOf("ValidatorSet", "validator_sets", ValidatorSet, {
  number: numbers("number"),
  setHash: hashes("set_hash"),
});
