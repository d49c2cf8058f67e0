/** GraphQL subscriptions: what a client may listen to. Events come after their block is in the index, each once. */
import { parseId } from "./scalars.ts";
import { Block, builder, ContributionStatus, InferenceState, RewardKind } from "./schema-builder.ts";
import { Attribution, Contribution, DatanetVersion, Inference, Model, Reward, RewardClaim } from "./schema-refs.ts";
import {
  attributions,
  claims,
  contributions,
  heads,
  inferences,
  MAX_REPLAY_BLOCKS,
  models,
  rewards,
  Selection,
  versions,
} from "./subscription-topics.ts";

const optionalId = (id: string | number | null | undefined, what: string): number | undefined =>
  id == null ? undefined : parseId(id, what);

const FROM_BLOCK = `The first block whose events are wanted. At most ${MAX_REPLAY_BLOCKS} blocks of the past are delivered: what is older is asked for by queries.`;

builder.subscriptionType({
  description:
    "Each event is of one block and answered as of that block, in the order of the chain, exactly once, beginning with the block after the subscription or with `fromBlock`. The answer's `extensions.block` is that block's number: who was cut off subscribes again from there, and passes over what is known of that block. Without arguments: all.",
  fields: (t) => {
    const fromBlock = t.arg.int({ description: FROM_BLOCK });
    return {
      head: t.field({
        type: Block,
        description: "Every block.",
        args: { fromBlock },
        subscribe: (_, { fromBlock }) => new Selection(heads, {}, fromBlock),
        resolve: (block) => block,
      }),
      rewardEarned: t.field({
        type: Reward,
        description: "Shares of settlements and of slashings, as they accrue.",
        args: {
          contributor: t.arg({ type: "Address", description: "Whoever earns it, in any role." }),
          contribution: t.arg.id({ description: "What that contribution earns." }),
          inference: t.arg.id(),
          kind: t.arg({ type: RewardKind }),
          fromBlock,
        },
        subscribe: (_, { contributor, contribution, inference, kind, fromBlock }) =>
          new Selection(
            rewards,
            {
              account: contributor,
              contribution: optionalId(contribution, "contribution"),
              inference: optionalId(inference, "inference"),
              kind,
            },
            fromBlock,
          ),
        resolve: (reward) => reward,
      }),
      rewardClaimed: t.field({
        type: RewardClaim,
        args: { account: t.arg({ type: "Address" }), fromBlock },
        subscribe: (_, { account, fromBlock }) => new Selection(claims, { account }, fromBlock),
        resolve: (claim) => claim,
      }),
      attributionCreated: t.field({
        type: Attribution,
        description: "What a contribution has in an output, when the output is committed.",
        args: {
          model: t.arg.id(),
          contributor: t.arg({ type: "Address" }),
          contribution: t.arg.id(),
          datanet: t.arg.id(),
          fromBlock,
        },
        subscribe: (_, { model, contributor, contribution, datanet, fromBlock }) =>
          new Selection(
            attributions,
            {
              model: optionalId(model, "model"),
              contributor,
              contribution: optionalId(contribution, "contribution"),
              datanet: optionalId(datanet, "datanet"),
            },
            fromBlock,
          ),
        resolve: (attribution) => attribution,
      }),
      inferenceUpdated: t.field({
        type: Inference,
        description:
          "Requested, committed, settled, expired, or void by a proven challenge: its state after the block.",
        args: {
          id: t.arg.id(),
          model: t.arg.id(),
          payer: t.arg({ type: "Address" }),
          host: t.arg({ type: "Address" }),
          state: t.arg({ type: InferenceState, description: "The one that it has come to." }),
          fromBlock,
        },
        subscribe: (_, { id, model, payer, host, state, fromBlock }) =>
          new Selection(
            inferences,
            { id: optionalId(id, "id"), model: optionalId(model, "model"), payer, host, state },
            fromBlock,
          ),
        resolve: (inference) => inference,
      }),
      contributionUpdated: t.field({
        type: Contribution,
        description: "Submitted, decided, or its consent withdrawn: its state after the block.",
        args: {
          id: t.arg.id(),
          datanet: t.arg.id(),
          contributor: t.arg({ type: "Address" }),
          status: t.arg({ type: ContributionStatus }),
          fromBlock,
        },
        subscribe: (_, { id, datanet, contributor, status, fromBlock }) =>
          new Selection(
            contributions,
            {
              id: optionalId(id, "id"),
              datanet: optionalId(datanet, "datanet"),
              contributor,
              status,
            },
            fromBlock,
          ),
        resolve: (contribution) => contribution,
      }),
      versionPublished: t.field({
        type: DatanetVersion,
        args: { datanet: t.arg.id(), fromBlock },
        subscribe: (_, { datanet, fromBlock }) =>
          new Selection(versions, { datanet: optionalId(datanet, "datanet") }, fromBlock),
        resolve: (version) => version,
      }),
      modelUpdated: t.field({
        type: Model,
        description: "Registered, or its prices set: its state after the block.",
        args: { id: t.arg.id(), owner: t.arg({ type: "Address" }), fromBlock },
        subscribe: (_, { id, owner, fromBlock }) =>
          new Selection(models, { id: optionalId(id, "id"), owner }, fromBlock),
        resolve: (model) => model,
      }),
    };
  },
});
