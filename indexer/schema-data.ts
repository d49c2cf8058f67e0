/** GraphQL types of the data: Datanets, versions, grants, contributions. */
import { REWARD_KIND } from "./codes.ts";
import type { Reader } from "./loaders.ts";
import { Access, Block, ContributionStatus, found, GrantRole, Modality, OnChain, spdx } from "./schema-builder.ts";
import { Node } from "./schema-nodes.ts";
import {
  Account,
  attributedTo,
  attributions,
  BondMovement,
  Commitment,
  Contribution,
  ContributionEvent,
  contributions,
  Datanet,
  DatanetVersion,
  Grant,
  grants,
  rewards,
  versions,
} from "./schema-refs.ts";
import { seriesField } from "./schema-series.ts";
import type { Stored } from "./tables.ts";

const MAX_UPSTREAM_LEVELS = 16;
const MAX_UPSTREAM_NODES = 1_000;

Datanet.implement({
  interfaces: [OnChain, Node],
  fields: (t) => ({
    id: t.exposeID("id"),
    owner: t.field({ type: Account, resolve: ({ owner }) => ({ address: owner }) }),
    name: t.exposeString("name"),
    domain: t.exposeString("domain"),
    metadataUri: t.exposeString("metadata_uri"),
    modality: t.expose("modality", { type: Modality }),
    licence: t.string({ description: "SPDX identifier.", resolve: ({ licence }) => spdx(licence) }),
    licenceCode: t.exposeInt("licence"),
    access: t.expose("access", { type: Access }),
    bond: t.expose("bond", { type: "BigInt", description: "Wei that a contribution must carry." }),
    acceptedCount: t.int({ resolve: ({ id }, _, { reader }) => reader.acceptedCount.load(id) }),
    versionCount: t.int({ resolve: ({ id }, _, { reader }) => reader.versionCount.load(id) }),
    versions: t.field({
      type: versions.type,
      args: versions.args(),
      resolve: ({ id }, args, { reader }) => versions.read(reader, args, { datanet: id }),
    }),
    contributions: t.field({
      type: contributions.type,
      args: {
        ...contributions.args(),
        status: t.arg({ type: ContributionStatus }),
        contributor: t.arg({ type: "Address" }),
      },
      resolve: ({ id }, { status, contributor, ...page }, { reader }) =>
        contributions.read(reader, page, { datanet: id, status, contributor }),
    }),
    grants: t.field({
      type: grants.type,
      description: "Those that stand.",
      args: { ...grants.args(), role: t.arg({ type: GrantRole }) },
      resolve: ({ id }, { role, ...page }, { reader }) => grants.read(reader, page, { datanet: id, role, allowed: 1 }),
    }),
  }),
});

DatanetVersion.implement({
  description: "A frozen prefix of a Datanet's accepted contributions.",
  interfaces: [OnChain, Node],
  fields: (t) => ({
    datanet: t.field({ type: Datanet, resolve: ({ datanet }, _, { reader }) => found(reader.datanet.load(datanet)) }),
    version: t.exposeInt("version"),
    count: t.exposeInt("count", { description: "Contributions in it: leaf indices 0 to count - 1." }),
    root: t.expose("root", { type: "Bytes", description: "Root of the Datanet tree over them." }),
  }),
});

Grant.implement({
  interfaces: [OnChain, Node],
  fields: (t) => ({
    datanet: t.field({ type: Datanet, resolve: ({ datanet }, _, { reader }) => found(reader.datanet.load(datanet)) }),
    role: t.expose("role", { type: GrantRole }),
    account: t.field({ type: Account, resolve: ({ account }) => ({ address: account }) }),
    allowed: t.boolean({ description: "False once it was taken back.", resolve: ({ allowed }) => allowed === 1 }),
    changedBlock: t.field({
      type: Block,
      description: "Of the last change.",
      resolve: ({ changed_block }, _, { reader }) => found(reader.block.load(changed_block)),
    }),
    changedTx: t.expose("changed_tx", { type: "Bytes" }),
  }),
});

ContributionEvent.implement({
  description: "A step in the life of a contribution.",
  interfaces: [OnChain, Node],
  fields: (t) => ({
    contribution: t.field({
      type: Contribution,
      resolve: ({ contribution }, _, { reader }) => found(reader.contribution.load(contribution)),
    }),
    status: t.expose("status", {
      type: ContributionStatus,
      description: "What became of it; WITHDRAWN is also the end of consent to an accepted one.",
    }),
    actor: t.field({ type: Account, resolve: ({ actor }) => ({ address: actor }) }),
  }),
});

Commitment.implement({
  description: "The first step of a contribution: its root is hidden until it is submitted.",
  interfaces: [OnChain, Node],
  fields: (t) => ({
    datanet: t.field({ type: Datanet, resolve: ({ datanet }, _, { reader }) => found(reader.datanet.load(datanet)) }),
    contributor: t.field({ type: Account, resolve: ({ contributor }) => ({ address: contributor }) }),
    commitment: t.expose("commitment", { type: "Bytes" }),
  }),
});

BondMovement.implement({
  description: "A contribution's bond that was returned or forfeited.",
  interfaces: [OnChain, Node],
  fields: (t) => ({
    contribution: t.field({
      type: Contribution,
      resolve: ({ contribution }, _, { reader }) => found(reader.contribution.load(contribution)),
    }),
    contributor: t.field({
      type: Account,
      nullable: true,
      description: "Who got it back.",
      resolve: ({ contributor }) => (contributor === null ? null : { address: contributor }),
    }),
    amount: t.expose("amount", { type: "BigInt", description: "Wei." }),
    forfeited: t.boolean({ resolve: ({ forfeited }) => forfeited === 1 }),
  }),
});

/** Nearest first. Every level is one query, whatever else the request asks. */
async function withdrawnUpstream(id: number, reader: Reader): Promise<Stored<"contributions">[]> {
  const seen = new Set<number>([id]);
  const withdrawn: Stored<"contributions">[] = [];
  let level = [id];
  for (let depth = 0; depth < MAX_UPSTREAM_LEVELS && level.length > 0; depth++) {
    const edges = (await Promise.all(level.map((one) => reader.parents.load(one)))).flat();
    level = [...new Set(edges.map(({ to_id }) => to_id))].filter((one) => !seen.has(one));
    level = level.slice(0, Math.max(0, MAX_UPSTREAM_NODES - seen.size));
    for (const one of level) seen.add(one);
    const parents = await Promise.all(level.map((one) => found(reader.contribution.load(one))));
    withdrawn.push(...parents.filter(({ withdrawn_block }) => withdrawn_block !== null));
  }
  return withdrawn;
}

Contribution.implement({
  interfaces: [OnChain, Node],
  fields: (t) => ({
    id: t.exposeID("id", { description: "Global sequence: lower means revealed earlier." }),
    datanet: t.field({ type: Datanet, resolve: ({ datanet }, _, { reader }) => found(reader.datanet.load(datanet)) }),
    contributor: t.field({ type: Account, resolve: ({ contributor }) => ({ address: contributor }) }),
    contentRoot: t.expose("content_root", { type: "Bytes" }),
    size: t.expose("size", { type: "BigInt", description: "Bytes." }),
    licence: t.string({ description: "SPDX identifier.", resolve: ({ licence }) => spdx(licence) }),
    licenceCode: t.exposeInt("licence"),
    uri: t.exposeString("uri"),
    bond: t.expose("bond", { type: "BigInt", description: "Wei that came with it." }),
    status: t.expose("status", { type: ContributionStatus }),
    consent: t.boolean({
      description: "Whether its contributor's consent stands: without it, later requests do not pay it.",
      resolve: ({ withdrawn_block }) => withdrawn_block === null,
    }),
    curator: t.field({
      type: Account,
      nullable: true,
      resolve: ({ curator }) => (curator === null ? null : { address: curator }),
    }),
    score: t.exposeInt("score", { nullable: true, description: "0 to 10,000, set on acceptance." }),
    leafIndex: t.exposeInt("leaf_index", { nullable: true }),
    duplicateOf: t.field({
      type: Contribution,
      nullable: true,
      resolve: ({ duplicate_of }, _, { reader }) =>
        duplicate_of === null ? null : found(reader.contribution.load(duplicate_of)),
    }),
    reason: t.exposeString("reason", { nullable: true, description: "Of its rejection." }),
    decidedBlock: t.field({
      type: Block,
      nullable: true,
      resolve: ({ decided_block }, _, { reader }) =>
        decided_block === null ? null : found(reader.block.load(decided_block)),
    }),
    decidedTx: t.expose("decided_tx", { type: "Bytes", nullable: true }),
    withdrawnBlock: t.field({
      type: Block,
      nullable: true,
      resolve: ({ withdrawn_block }, _, { reader }) =>
        withdrawn_block === null ? null : found(reader.block.load(withdrawn_block)),
    }),
    withdrawnTx: t.expose("withdrawn_tx", { type: "Bytes", nullable: true }),
    withdrawnUpstream: t.field({
      type: [Contribution],
      description:
        "What it was made of, directly or not, and has no consent any more; at most 16 levels and 1,000 contributions are looked at.",
      extensions: { listLength: MAX_UPSTREAM_NODES },
      resolve: ({ id }, _, { reader }) => withdrawnUpstream(id, reader),
    }),
    parents: t.field({
      type: [Contribution],
      resolve: async ({ id }, _, { reader }) => {
        const edges = await reader.parents.load(id);
        return await Promise.all(edges.map((edge) => found(reader.contribution.load(edge.to_id))));
      },
    }),
    history: t.field({ type: [ContributionEvent], resolve: ({ id }, _, { reader }) => reader.history.load(id) }),
    earned: t.field({
      type: "BigInt",
      description: "Wei that it has accrued over all outputs.",
      resolve: async ({ id }, _, { reader }) => (await reader.contributionTotals.load(id))?.accrued ?? 0,
    }),
    rewardCount: t.int({
      resolve: async ({ id }, _, { reader }) => (await reader.contributionTotals.load(id))?.rewards ?? 0,
    }),
    rewards: t.field({
      type: rewards.type,
      description: "What it has earned, when and from which outputs.",
      args: rewards.args(),
      resolve: ({ id }, page, { reader }) => rewards.read(reader, page, { kind: REWARD_KIND.CONTRIBUTOR, source: id }),
    }),
    rewardSeries: seriesField(t, ({ id }) => ({ kind: REWARD_KIND.CONTRIBUTOR, source: id })),
    attributions: t.field({
      type: attributions.type,
      description: "The outputs that it has shaped, settled or not.",
      args: attributions.args(),
      resolve: ({ id }, page, { reader }) => attributions.read(reader, page, attributedTo(id)),
    }),
    bondMovements: t.field({
      type: [BondMovement],
      description: "Where its bond went: back, or to the treasury.",
      resolve: ({ id }, _, { reader }) => reader.bondMovements.load(id),
    }),
  }),
});
