/** GraphQL types of the money: accounts, rewards, claims. */
import { REWARD_KIND } from "./codes.ts";
import { builder, ContributionStatus, found, InferenceState, OnChain, RewardKind } from "./schema-builder.ts";
import { Node } from "./schema-nodes.ts";
import {
  Account,
  Contribution,
  claims,
  contributions,
  datanets,
  deposits,
  hosts,
  Inference,
  inferences,
  Model,
  models,
  Reward,
  RewardClaim,
  rewards,
  stakes,
  withdrawals,
} from "./schema-refs.ts";
import { seriesField } from "./schema-series.ts";
import type { Stored } from "./tables.ts";

Reward.implement({
  description: "One share of one settlement, or of what a proven challenge has slashed.",
  interfaces: [OnChain, Node],
  fields: (t) => ({
    inference: t.field({
      type: Inference,
      resolve: ({ inference }, _, { reader }) => found(reader.inference.load(inference)),
    }),
    account: t.field({ type: Account, resolve: ({ account }) => ({ address: account }) }),
    kind: t.expose("kind", { type: RewardKind }),
    contribution: t.field({
      type: Contribution,
      nullable: true,
      description: "What a CONTRIBUTOR share is paid for, or the one that a LEFT_OUT share is for.",
      resolve: ({ kind, source }, _, { reader }) =>
        isOfContribution(kind) && source !== null ? found(reader.contribution.load(source)) : null,
    }),
    model: t.field({
      type: Model,
      nullable: true,
      description: "What a MODEL_OWNER, ROYALTY or HOST share is paid for.",
      resolve: ({ kind, source }, _, { reader }) =>
        !isOfContribution(kind) && source !== null ? found(reader.model.load(source)) : null,
    }),
    weight: t.expose("weight", { type: "BigInt", description: "Span weight of a CONTRIBUTOR share, otherwise 0." }),
    amount: t.expose("amount", { type: "BigInt", description: "Wei." }),
    time: t.expose("time", { type: "Timestamp", description: "Of its block." }),
  }),
});

function isOfContribution(kind: number): boolean {
  return kind === REWARD_KIND.CONTRIBUTOR || kind === REWARD_KIND.LEFT_OUT;
}

RewardClaim.implement({
  interfaces: [OnChain, Node],
  fields: (t) => ({
    account: t.field({ type: Account, resolve: ({ account }) => ({ address: account }) }),
    caller: t.field({
      type: Account,
      description: "Who paid the gas.",
      resolve: ({ caller }) => ({ address: caller }),
    }),
    amount: t.expose("amount", { type: "BigInt", description: "Wei." }),
  }),
});

const RewardTotal = builder.objectRef<Stored<"reward_totals">>("RewardTotal").implement({
  fields: (t) => ({
    kind: t.expose("kind", { type: RewardKind }),
    amount: t.expose("accrued", { type: "BigInt", description: "Wei." }),
    count: t.exposeInt("rewards"),
  }),
});

Account.implement({
  description: "An address and what it has done and earned. Every address has one.",
  interfaces: [Node],
  fields: (t) => ({
    address: t.expose("address", { type: "Address" }),
    accrued: t.field({
      type: "BigInt",
      description: "Wei of all rewards so far.",
      resolve: async ({ address }, _, { reader }) => (await reader.account.load(address))?.accrued ?? 0,
    }),
    claimed: t.field({
      type: "BigInt",
      resolve: async ({ address }, _, { reader }) => (await reader.account.load(address))?.claimed ?? 0,
    }),
    claimable: t.field({
      type: "BigInt",
      description: "accrued - claimed",
      resolve: async ({ address }, _, { reader }) => {
        const row = await reader.account.load(address);
        return row === undefined ? 0 : row.accrued - row.claimed;
      },
    }),
    stake: t.field({
      type: "BigInt",
      description: "Wei that it has at stake as a host.",
      resolve: async ({ address }, _, { reader }) => (await reader.account.load(address))?.stake ?? 0,
    }),
    rewardCount: t.int({
      resolve: async ({ address }, _, { reader }) => (await reader.account.load(address))?.rewards ?? 0,
    }),
    rewardTotals: t.field({
      type: [RewardTotal],
      resolve: ({ address }, _, { reader }) => reader.rewardTotals.load(address),
    }),
    rewards: t.field({
      type: rewards.type,
      args: { ...rewards.args(), kind: t.arg({ type: RewardKind }) },
      resolve: ({ address }, { kind, ...page }, { reader }) => rewards.read(reader, page, { account: address, kind }),
    }),
    rewardSeries: seriesField(t, ({ address }) => ({ account: address })),
    claims: t.field({
      type: claims.type,
      args: claims.args(),
      resolve: ({ address }, page, { reader }) => claims.read(reader, page, { account: address }),
    }),
    datanets: t.field({
      type: datanets.type,
      args: datanets.args(),
      resolve: ({ address }, page, { reader }) => datanets.read(reader, page, { owner: address }),
    }),
    contributions: t.field({
      type: contributions.type,
      description: "orderBy: EARNED says which of them earned most.",
      args: { ...contributions.args(), status: t.arg({ type: ContributionStatus }) },
      resolve: ({ address }, { status, ...page }, { reader }) =>
        contributions.read(reader, page, { contributor: address, status }),
    }),
    models: t.field({
      type: models.type,
      args: models.args(),
      resolve: ({ address }, page, { reader }) => models.read(reader, page, { owner: address }),
    }),
    inferences: t.field({
      type: inferences.type,
      description: "Those that it paid for.",
      args: { ...inferences.args(), state: t.arg({ type: InferenceState }) },
      resolve: ({ address }, { state, ...page }, { reader }) =>
        inferences.read(reader, page, { payer: address, state }),
    }),
    hostings: t.field({
      type: hosts.type,
      description: "The models that it serves or has served.",
      args: hosts.args(),
      resolve: ({ address }, page, { reader }) => hosts.read(reader, page, { host: address }),
    }),
    stakes: t.field({
      type: stakes.type,
      description: "How its stake as a host has moved.",
      args: stakes.args(),
      resolve: ({ address }, page, { reader }) => stakes.read(reader, page, { host: address }),
    }),
    deposits: t.field({
      type: deposits.type,
      description: "What came to it from L1.",
      args: deposits.args(),
      resolve: ({ address }, page, { reader }) => deposits.read(reader, page, { recipient: address }),
    }),
    withdrawals: t.field({
      type: withdrawals.type,
      description: "What it has sent to L1.",
      args: withdrawals.args(),
      resolve: ({ address }, page, { reader }) => withdrawals.read(reader, page, { sender: address }),
    }),
  }),
});
