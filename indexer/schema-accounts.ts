/** GraphQL types of the money: accounts, rewards, claims. */
import { REWARD_KIND } from "./codes.ts";
import { builder, ContributionStatus, found, InferenceState, OnChain, pageArgs, RewardKind } from "./schema-builder.ts";
import {
  Account,
  ClaimConnection,
  Contribution,
  ContributionConnection,
  DatanetConnection,
  Inference,
  InferenceConnection,
  Model,
  ModelConnection,
  Reward,
  RewardClaim,
  RewardConnection,
} from "./schema-refs.ts";
import type { Stored } from "./tables.ts";

Reward.implement({
  description: "One share of one settlement.",
  interfaces: [OnChain],
  fields: (t) => ({
    id: t.id({ resolve: ({ block, log_index }) => `${block}-${log_index}` }),
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
  }),
});

function isOfContribution(kind: number): boolean {
  return kind === REWARD_KIND.CONTRIBUTOR || kind === REWARD_KIND.LEFT_OUT;
}

RewardClaim.implement({
  interfaces: [OnChain],
  fields: (t) => ({
    id: t.id({ resolve: ({ block, log_index }) => `${block}-${log_index}` }),
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
      type: RewardConnection,
      args: { ...pageArgs(), kind: t.arg({ type: RewardKind }) },
      resolve: ({ address }, { kind, ...page }, { reader }) => reader.page("rewards", { account: address, kind }, page),
    }),
    claims: t.field({
      type: ClaimConnection,
      args: pageArgs(),
      resolve: ({ address }, page, { reader }) => reader.page("claims", { account: address }, page),
    }),
    datanets: t.field({
      type: DatanetConnection,
      args: pageArgs(),
      resolve: ({ address }, page, { reader }) => reader.page("datanets", { owner: address }, page),
    }),
    contributions: t.field({
      type: ContributionConnection,
      args: { ...pageArgs(), status: t.arg({ type: ContributionStatus }) },
      resolve: ({ address }, { status, ...page }, { reader }) =>
        reader.page("contributions", { contributor: address, status }, page),
    }),
    models: t.field({
      type: ModelConnection,
      args: pageArgs(),
      resolve: ({ address }, page, { reader }) => reader.page("models", { owner: address }, page),
    }),
    inferences: t.field({
      type: InferenceConnection,
      description: "Those that it paid for.",
      args: { ...pageArgs(), state: t.arg({ type: InferenceState }) },
      resolve: ({ address }, { state, ...page }, { reader }) =>
        reader.page("inferences", { payer: address, state }, page),
    }),
  }),
});
