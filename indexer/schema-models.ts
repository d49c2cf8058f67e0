/** GraphQL types of the models: models, hosts, inferences, spans and merged attributions. */
import { REWARD_KIND } from "./codes.ts";
import { type MergedAttribution, mergeSpans } from "./lineage.ts";
import type { Reader } from "./loaders.ts";
import {
  Audience,
  Block,
  builder,
  DemandState,
  Fault,
  found,
  InferenceState,
  ModelKind,
  OnChain,
  spdx,
} from "./schema-builder.ts";
import { Node } from "./schema-nodes.ts";
import {
  Account,
  Attribution,
  type AttributionShape,
  Auditor,
  Batch,
  Contribution,
  Datanet,
  Demand,
  Host,
  hosts,
  Inference,
  inferences,
  Model,
  Reward,
} from "./schema-refs.ts";
import type { Stored } from "./tables.ts";

const ModelData = builder.objectRef<Stored<"model_data">>("ModelData").implement({
  description: "A Datanet version that a model names as its own training data.",
  fields: (t) => ({
    datanet: t.field({ type: Datanet, resolve: ({ datanet }, _, { reader }) => found(reader.datanet.load(datanet)) }),
    version: t.exposeInt("version"),
  }),
});

const ModelDataCount = builder.objectRef<Stored<"model_counts">>("ModelDataCount").implement({
  description: "All data of a model and its ancestors: the first `count` accepted contributions of a Datanet.",
  fields: (t) => ({
    datanet: t.field({ type: Datanet, resolve: ({ datanet }, _, { reader }) => found(reader.datanet.load(datanet)) }),
    count: t.exposeInt("count"),
  }),
});

Model.implement({
  interfaces: [OnChain, Node],
  fields: (t) => ({
    id: t.exposeID("id"),
    owner: t.field({ type: Account, resolve: ({ owner }) => ({ address: owner }) }),
    kind: t.expose("kind", { type: ModelKind }),
    parent: t.field({
      type: Model,
      nullable: true,
      resolve: ({ parent }, _, { reader }) => (parent === null ? null : found(reader.model.load(parent))),
    }),
    name: t.exposeString("name"),
    metadataUri: t.exposeString("metadata_uri"),
    artifactHash: t.expose("artifact_hash", { type: "Bytes" }),
    configHash: t.expose("config_hash", { type: "Bytes" }),
    licence: t.string({ description: "SPDX identifier.", resolve: ({ licence }) => spdx(licence) }),
    licenceCode: t.exposeInt("licence"),
    requestPrice: t.expose("request_price", { type: "BigInt", description: "Wei per 1,000 bytes of request." }),
    outputPrice: t.expose("output_price", { type: "BigInt", description: "Wei per 1,000 bytes of output." }),
    royaltyPpm: t.exposeInt("royalty_ppm", { description: "What a direct child pays upstream of what it earns." }),
    hostPpm: t.exposeInt("host_ppm", { description: "The host's share of the model's part after royalties." }),
    data: t.field({ type: [ModelData], resolve: ({ id }, _, { reader }) => reader.modelData.load(id) }),
    flattenedData: t.field({ type: [ModelDataCount], resolve: ({ id }, _, { reader }) => reader.modelCounts.load(id) }),
    hosts: t.field({
      type: hosts.type,
      args: { ...hosts.args(), active: t.arg.boolean() },
      resolve: ({ id }, { active, ...page }, { reader }) =>
        hosts.read(reader, page, { model: id, active: active == null ? null : Number(active) }),
    }),
    inferences: t.field({
      type: inferences.type,
      args: { ...inferences.args(), state: t.arg({ type: InferenceState }) },
      resolve: ({ id }, { state, ...page }, { reader }) => inferences.read(reader, page, { model: id, state }),
    }),
  }),
});

Host.implement({
  description: "An account that serves a model. Its position in the chain is that of its first joining.",
  interfaces: [OnChain, Node],
  fields: (t) => ({
    model: t.field({ type: Model, resolve: ({ model }, _, { reader }) => found(reader.model.load(model)) }),
    account: t.field({ type: Account, resolve: ({ host }) => ({ address: host }) }),
    url: t.exposeString("url"),
    active: t.boolean({ resolve: ({ active }) => active === 1 }),
    changedBlock: t.field({
      type: Block,
      description: "Of the last change.",
      resolve: ({ changed_block }, _, { reader }) => found(reader.block.load(changed_block)),
    }),
    changedTx: t.expose("changed_tx", { type: "Bytes" }),
  }),
});

const Span = builder.objectRef<Stored<"spans">>("Span").implement({
  description: "output[outputStart .. outputStart + length) equals the contribution's content at contentOffset.",
  interfaces: [OnChain],
  fields: (t) => ({
    contribution: t.field({
      type: Contribution,
      resolve: ({ contribution }, _, { reader }) => found(reader.contribution.load(contribution)),
    }),
    outputStart: t.field({ type: "BigInt", resolve: ({ output_start }) => output_start }),
    length: t.exposeInt("length"),
    contentOffset: t.expose("content_offset", { type: "BigInt" }),
    weight: t.field({
      type: "BigInt",
      description: "Bytes that it owns: of overlapping spans the one of the lowest contribution owns a byte.",
      resolve: ({ weight }) => weight,
    }),
  }),
});

/** What the output paid to this contribution; undefined until it is settled, or where the share was nothing. */
async function rewardOf(
  { inference, contribution }: AttributionShape,
  reader: Reader,
): Promise<Stored<"rewards"> | undefined> {
  const rewards = await reader.rewards.load(inference);
  return rewards.find(({ kind, source }) => kind === REWARD_KIND.CONTRIBUTOR && source === contribution);
}

/** With its spans and its share of the output. */
async function merged({ inference, contribution }: AttributionShape, reader: Reader): Promise<MergedAttribution> {
  const all = mergeSpans(await reader.spans.load(inference));
  return await found(Promise.resolve(all.find((one) => one.contribution === contribution)));
}

Attribution.implement({
  description: "What one contribution has in one output, merged over its spans.",
  fields: (t) => ({
    inference: t.field({
      type: Inference,
      resolve: ({ inference }, _, { reader }) => found(reader.inference.load(inference)),
    }),
    contribution: t.field({
      type: Contribution,
      resolve: ({ contribution }, _, { reader }) => found(reader.contribution.load(contribution)),
    }),
    datanet: t.field({
      type: Datanet,
      resolve: async ({ contribution }, _, { reader }) => {
        const { datanet } = await found(reader.contribution.load(contribution));
        return await found(reader.datanet.load(datanet));
      },
    }),
    contributor: t.field({
      type: Account,
      resolve: async ({ contribution }, _, { reader }) => ({
        address: (await found(reader.contribution.load(contribution))).contributor,
      }),
    }),
    licence: t.string({
      description: "SPDX identifier of the contribution's licence.",
      resolve: async ({ contribution }, _, { reader }) =>
        spdx((await found(reader.contribution.load(contribution))).licence),
    }),
    weight: t.field({
      type: "BigInt",
      description: "Sum of the weights of its spans.",
      resolve: ({ weight }) => weight,
    }),
    weightPpm: t.int({
      description: "Share of the output's weights in parts per million, by largest remainder; they sum to 1,000,000.",
      resolve: async (attribution, _, { reader }) => (await merged(attribution, reader)).weightPpm,
    }),
    spans: t.field({
      type: [Span],
      resolve: async (attribution, _, { reader }) => [...(await merged(attribution, reader)).spans],
    }),
    paid: t.field({
      type: "BigInt",
      description: "Wei accrued for it by this output's settlement.",
      resolve: async (attribution, _, { reader }) => (await rewardOf(attribution, reader))?.amount ?? 0,
    }),
    reward: t.field({
      type: Reward,
      nullable: true,
      resolve: async (attribution, _, { reader }) => (await rewardOf(attribution, reader)) ?? null,
    }),
  }),
});

Batch.implement({
  description: "Answers that were committed together: the chain keeps the root over them.",
  interfaces: [OnChain, Node],
  fields: (t) => ({
    id: t.exposeID("id"),
    root: t.expose("root", { type: "Bytes" }),
    count: t.exposeInt("count"),
  }),
});

Demand.implement({
  description: "A chunk of a contribution that the host must show until the deadline.",
  interfaces: [OnChain, Node],
  fields: (t) => ({
    inference: t.field({
      type: Inference,
      resolve: ({ inference }, _, { reader }) => found(reader.inference.load(inference)),
    }),
    contribution: t.field({
      type: Contribution,
      resolve: ({ contribution }, _, { reader }) => found(reader.contribution.load(contribution)),
    }),
    chunk: t.expose("chunk", { type: "BigInt" }),
    demander: t.field({ type: Account, resolve: ({ demander }) => ({ address: demander }) }),
    deadline: t.expose("deadline", { type: "Timestamp" }),
    bond: t.expose("bond", { type: "BigInt" }),
    state: t.expose("state", { type: DemandState }),
  }),
});

Auditor.implement({
  description: "Who may challenge a private answer, besides its payer.",
  interfaces: [OnChain, Node],
  fields: (t) => ({
    inference: t.field({
      type: Inference,
      resolve: ({ inference }, _, { reader }) => found(reader.inference.load(inference)),
    }),
    auditor: t.field({ type: Account, resolve: ({ auditor }) => ({ address: auditor }) }),
    allowed: t.boolean({ resolve: ({ allowed }) => allowed === 1 }),
  }),
});

const ChainPosition = builder.objectRef<{ block: number; tx: Uint8Array }>("ChainPosition").implement({
  fields: (t) => ({
    block: t.field({ type: Block, resolve: ({ block }, _, { reader }) => found(reader.block.load(block)) }),
    tx: t.expose("tx", { type: "Bytes" }),
  }),
});

const chainPosition = (block: number | null, tx: Uint8Array | null) =>
  block === null || tx === null ? null : { block, tx };

Inference.implement({
  description:
    "A request and, once committed, its output: both have this id. Its position in the chain is the request's.",
  interfaces: [OnChain, Node],
  fields: (t) => ({
    id: t.exposeID("id"),
    model: t.field({ type: Model, resolve: ({ model }, _, { reader }) => found(reader.model.load(model)) }),
    payer: t.field({ type: Account, resolve: ({ payer }) => ({ address: payer }) }),
    host: t.field({ type: Account, resolve: ({ host }) => ({ address: host }) }),
    audience: t.expose("audience", { type: Audience }),
    state: t.expose("state", { type: InferenceState }),
    requestRoot: t.expose("request_root", { type: "Bytes" }),
    requestBytes: t.field({ type: "BigInt", resolve: ({ request_bytes }) => request_bytes }),
    escrow: t.expose("escrow", { type: "BigInt" }),
    commitDeadline: t.expose("commit_deadline", { type: "Timestamp" }),
    minSpan: t.exposeInt("min_span", { description: "m of rule span-v1, bytes." }),
    requestPrice: t.expose("request_price", { type: "BigInt" }),
    outputPrice: t.expose("output_price", { type: "BigInt" }),
    platformFee: t.expose("platform_fee", { type: "BigInt" }),
    outputRoot: t.expose("output_root", { type: "Bytes", nullable: true }),
    outputBytes: t.field({ type: "BigInt", nullable: true, resolve: ({ output_bytes }) => output_bytes }),
    coveredBytes: t.field({
      type: "BigInt",
      nullable: true,
      description: "Bytes of the output that its spans cover.",
      resolve: ({ covered_bytes }) => covered_bytes,
    }),
    fee: t.expose("fee", { type: "BigInt", nullable: true }),
    stakeLocked: t.expose("stake_locked", { type: "BigInt", nullable: true }),
    settleAfter: t.expose("settle_after", { type: "Timestamp", nullable: true }),
    committed: t.field({
      type: ChainPosition,
      nullable: true,
      resolve: ({ committed_block, committed_tx }) => chainPosition(committed_block, committed_tx),
    }),
    refund: t.expose("refund", { type: "BigInt", nullable: true }),
    contributorsPaid: t.expose("contributors_paid", { type: "BigInt", nullable: true }),
    modelPaid: t.expose("model_paid", { type: "BigInt", nullable: true }),
    stakersPaid: t.expose("stakers_paid", { type: "BigInt", nullable: true }),
    treasuryPaid: t.expose("treasury_paid", { type: "BigInt", nullable: true }),
    closed: t.field({
      type: ChainPosition,
      nullable: true,
      description: "The settlement, the expiry or the proven challenge.",
      resolve: ({ closed_block, closed_tx }) => chainPosition(closed_block, closed_tx),
    }),
    spans: t.field({ type: [Span], resolve: ({ id }, _, { reader }) => reader.spans.load(id) }),
    attributions: t.field({
      type: [Attribution],
      resolve: async ({ id }, _, { reader }) => mergeSpans(await reader.spans.load(id)),
    }),
    batch: t.field({
      type: Batch,
      nullable: true,
      description: "The commitment that its answer was part of.",
      resolve: ({ batch }, _, { reader }) => (batch === null ? null : found(reader.batch.load(batch))),
    }),
    batchIndex: t.exposeInt("batch_index", { nullable: true }),
    fault: t.expose("fault", { type: Fault, nullable: true, description: "Why it is void." }),
    challenger: t.field({
      type: Account,
      nullable: true,
      resolve: ({ challenger }) => (challenger === null ? null : { address: challenger }),
    }),
    faultContribution: t.field({
      type: Contribution,
      nullable: true,
      description: "The one that was left out, or not shown.",
      resolve: ({ fault_contribution }, _, { reader }) =>
        fault_contribution === null ? null : found(reader.contribution.load(fault_contribution)),
    }),
    slashed: t.expose("slashed", { type: "BigInt", nullable: true, description: "Wei of the host's stake." }),
    auditors: t.field({ type: [Auditor], resolve: ({ id }, _, { reader }) => reader.auditors.load(id) }),
    demands: t.field({ type: [Demand], resolve: ({ id }, _, { reader }) => reader.demands.load(id) }),
    rewards: t.field({
      type: [Reward],
      description: "Every share of the fee, or of what was slashed; they sum to it.",
      resolve: ({ id }, _, { reader }) => reader.rewards.load(id),
    }),
  }),
});
