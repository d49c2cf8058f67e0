/** The root fields that read one thing or one list. Lineage, series and search stand beside their own types. */
import { INFERENCE_STATE } from "./codes.ts";
import { badInput, parseId } from "./scalars.ts";
import { builder, ContributionStatus, InferenceState, RewardKind } from "./schema-builder.ts";
import { loadNode, Node } from "./schema-nodes.ts";
import {
  Account,
  auditors,
  batches,
  blocks,
  bondMovements,
  Contribution,
  claims,
  commitments,
  contributionEvents,
  contributions,
  Datanet,
  datanets,
  demands,
  deposits,
  grants,
  hosts,
  Inference,
  inferences,
  Model,
  models,
  rewards,
  stakes,
  validatorSets,
  versions,
  withdrawals,
} from "./schema-refs.ts";

const MAX_IDS = 100;

const optionalId = (id: string | number | null | undefined, what: string): number | undefined =>
  id === null || id === undefined ? undefined : parseId(id, what);

builder.queryFields((t) => ({
  node: t.field({
    type: Node,
    nullable: true,
    description: "What a nodeId names, as in model:3.",
    args: { id: t.arg.id({ required: true }) },
    resolve: (_, { id }, { reader }) => loadNode(reader, String(id)),
  }),
  nodes: t.field({
    type: [Node],
    nullable: { list: false, items: true },
    description: `What nodeIds name, in their order; at most ${MAX_IDS}.`,
    extensions: { listLength: MAX_IDS },
    args: { ids: t.arg.idList({ required: true }) },
    resolve: (_, { ids }, { reader }) => {
      if (ids.length > MAX_IDS) throw badInput(`ids has ${ids.length} of them, the limit is ${MAX_IDS}`);
      return ids.map((id) => loadNode(reader, String(id)));
    },
  }),
  datanets: t.field({
    type: datanets.type,
    args: { ...datanets.args(), owner: t.arg({ type: "Address" }) },
    resolve: (_, { owner, ...page }, { reader }) => datanets.read(reader, page, { owner }),
  }),
  datanet: t.field({
    type: Datanet,
    nullable: true,
    args: { id: t.arg.id({ required: true }) },
    resolve: (_, { id }, { reader }) => reader.datanet.load(parseId(id, "id")),
  }),
  versions: t.field({
    type: versions.type,
    args: versions.args(),
    resolve: (_, page, { reader }) => versions.read(reader, page),
  }),
  contributions: t.field({
    type: contributions.type,
    args: {
      ...contributions.args(),
      datanet: t.arg.id(),
      contributor: t.arg({ type: "Address" }),
      status: t.arg({ type: ContributionStatus }),
      contentRoot: t.arg({ type: "Bytes" }),
    },
    resolve: (_, { datanet, contributor, status, contentRoot, ...page }, { reader }) =>
      contributions.read(reader, page, {
        datanet: optionalId(datanet, "datanet"),
        contributor,
        status,
        content_root: contentRoot,
      }),
  }),
  contribution: t.field({
    type: Contribution,
    nullable: true,
    args: { id: t.arg.id({ required: true }) },
    resolve: (_, { id }, { reader }) => reader.contribution.load(parseId(id, "id")),
  }),
  contributionEvents: t.field({
    type: contributionEvents.type,
    args: contributionEvents.args(),
    resolve: (_, page, { reader }) => contributionEvents.read(reader, page),
  }),
  commitments: t.field({
    type: commitments.type,
    args: commitments.args(),
    resolve: (_, page, { reader }) => commitments.read(reader, page),
  }),
  bondMovements: t.field({
    type: bondMovements.type,
    args: bondMovements.args(),
    resolve: (_, page, { reader }) => bondMovements.read(reader, page),
  }),
  grants: t.field({
    type: grants.type,
    description: "Those that were taken back too.",
    args: grants.args(),
    resolve: (_, page, { reader }) => grants.read(reader, page),
  }),
  models: t.field({
    type: models.type,
    args: { ...models.args(), owner: t.arg({ type: "Address" }) },
    resolve: (_, { owner, ...page }, { reader }) => models.read(reader, page, { owner }),
  }),
  model: t.field({
    type: Model,
    nullable: true,
    args: { id: t.arg.id({ required: true }) },
    resolve: (_, { id }, { reader }) => reader.model.load(parseId(id, "id")),
  }),
  hosts: t.field({
    type: hosts.type,
    args: hosts.args(),
    resolve: (_, page, { reader }) => hosts.read(reader, page),
  }),
  inferences: t.field({
    type: inferences.type,
    args: {
      ...inferences.args(),
      model: t.arg.id(),
      payer: t.arg({ type: "Address" }),
      host: t.arg({ type: "Address" }),
      state: t.arg({ type: InferenceState }),
      outputRoot: t.arg({ type: "Bytes" }),
    },
    resolve: (_, { model, payer, host, state, outputRoot, ...page }, { reader }) =>
      inferences.read(reader, page, {
        model: optionalId(model, "model"),
        payer,
        host,
        state,
        output_root: outputRoot,
      }),
  }),
  inference: t.field({
    type: Inference,
    nullable: true,
    args: { id: t.arg.id({ required: true }) },
    resolve: (_, { id }, { reader }) => reader.inference.load(parseId(id, "id")),
  }),
  outputs: t.field({
    type: inferences.type,
    description: "The inferences whose output has been committed: an output is its inference and has its id.",
    args: inferences.args(),
    resolve: (_, page, { reader }) =>
      inferences.read(reader, page, {}, [{ column: "output_root", operator: "is not null" }]),
  }),
  output: t.field({
    type: Inference,
    nullable: true,
    description: "The inference of this id once its output has been committed, null before.",
    args: { id: t.arg.id({ required: true }) },
    resolve: async (_, { id }, { reader }) => {
      const inference = await reader.inference.load(parseId(id, "id"));
      return inference?.output_root == null ? null : inference;
    },
  }),
  outputByRoot: t.field({
    type: Inference,
    nullable: true,
    description: "The first inference with this output root; inferences(outputRoot:) lists all.",
    args: { root: t.arg({ type: "Bytes", required: true }) },
    resolve: async (_, { root }, { reader }) => {
      const { rows } = await inferences.read(reader, { first: 1 }, { output_root: root });
      return rows[0];
    },
  }),
  batches: t.field({
    type: batches.type,
    args: batches.args(),
    resolve: (_, page, { reader }) => batches.read(reader, page),
  }),
  demands: t.field({
    type: demands.type,
    args: demands.args(),
    resolve: (_, page, { reader }) => demands.read(reader, page),
  }),
  auditors: t.field({
    type: auditors.type,
    args: auditors.args(),
    resolve: (_, page, { reader }) => auditors.read(reader, page),
  }),
  faults: t.field({
    type: inferences.type,
    description: "The inferences that a proven challenge has voided.",
    args: inferences.args(),
    resolve: (_, page, { reader }) => inferences.read(reader, page, { state: INFERENCE_STATE.VOID }),
  }),
  rewards: t.field({
    type: rewards.type,
    args: {
      ...rewards.args(),
      account: t.arg({ type: "Address" }),
      inference: t.arg.id(),
      kind: t.arg({ type: RewardKind }),
    },
    resolve: (_, { account, inference, kind, ...page }, { reader }) =>
      rewards.read(reader, page, { account, inference: optionalId(inference, "inference"), kind }),
  }),
  claims: t.field({
    type: claims.type,
    args: claims.args(),
    resolve: (_, page, { reader }) => claims.read(reader, page),
  }),
  stakes: t.field({
    type: stakes.type,
    description: "Movements of hosts' stakes; where: {kind: SLASHED} are the slashings.",
    args: stakes.args(),
    resolve: (_, page, { reader }) => stakes.read(reader, page),
  }),
  deposits: t.field({
    type: deposits.type,
    args: deposits.args(),
    resolve: (_, page, { reader }) => deposits.read(reader, page),
  }),
  withdrawals: t.field({
    type: withdrawals.type,
    args: withdrawals.args(),
    resolve: (_, page, { reader }) => withdrawals.read(reader, page),
  }),
  validatorSets: t.field({
    type: validatorSets.type,
    args: validatorSets.args(),
    resolve: (_, page, { reader }) => validatorSets.read(reader, page),
  }),
  blocks: t.field({
    type: blocks.type,
    args: blocks.args(),
    resolve: (_, page, { reader }) => blocks.read(reader, page),
  }),
  account: t.field({
    type: Account,
    args: { address: t.arg({ type: "Address", required: true }) },
    resolve: (_, { address }) => ({ address }),
  }),
  contributor: t.field({
    type: Account,
    description: "The same as account.",
    args: { address: t.arg({ type: "Address", required: true }) },
    resolve: (_, { address }) => ({ address }),
  }),
}));
