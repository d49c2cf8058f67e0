/** GraphQL of rewards over time: series, and who earned most. */

import { badInput, parseId } from "./scalars.ts";
import type { Types } from "./schema-builder.ts";
import { builder } from "./schema-builder.ts";
import { Account } from "./schema-refs.ts";
import {
  type Bucket,
  type Contributor,
  type Interval,
  MAX_BUCKETS,
  type RewardFilter,
  rewardSeries,
  topContributors,
} from "./series.ts";

const MAX_TOP = 1_000;

const IntervalType = builder.enumType("Interval", {
  description: "Of UTC; weeks begin on Monday.",
  values: ["HOUR", "DAY", "WEEK"] as const,
});

const RewardBucket = builder.objectRef<Bucket>("RewardBucket").implement({
  description: "What accrued in [start, start + seconds).",
  fields: (t) => ({
    start: t.expose("start", { type: "Timestamp" }),
    seconds: t.exposeInt("seconds"),
    amount: t.expose("amount", { type: "BigInt", description: "Wei." }),
    count: t.exposeInt("count", { description: "Rewards in it." }),
  }),
});

const TopContributor = builder.objectRef<Contributor>("TopContributor").implement({
  fields: (t) => ({
    account: t.field({ type: Account, resolve: ({ account }) => ({ address: account }) }),
    amount: t.expose("amount", { type: "BigInt", description: "Wei." }),
    count: t.exposeInt("count", { description: "Rewards." }),
  }),
});

type Fields<P extends object> = PothosSchemaTypes.ObjectFieldBuilder<Types, P>;

/** `rewardSeries` of a type whose rewards are those of `filter`. */
export function seriesField<P extends object>(t: Fields<P>, filter: (parent: P) => RewardFilter) {
  return t.field({
    type: [RewardBucket],
    description: `Sums of what it earned, oldest first, without the empty ones; from and to span at most ${MAX_BUCKETS} intervals.`,
    extensions: { listLength: MAX_BUCKETS },
    args: {
      interval: t.arg({ type: IntervalType, required: true, defaultValue: "DAY" }),
      from: t.arg({ type: "Timestamp", required: true, description: "Included." }),
      to: t.arg({ type: "Timestamp", required: true, description: "Not included." }),
    },
    resolve: (parent, { interval, from, to }, { reader }) =>
      rewardSeries(reader, filter(parent as P), interval as Interval, { from, to }),
  });
}

builder.queryFields((t) => ({
  topContributors: t.field({
    type: [TopContributor],
    description: "Who earned most by contributions; of equals the lower address first.",
    args: {
      datanet: t.arg.id(),
      from: t.arg({ type: "Timestamp", description: "Included." }),
      to: t.arg({ type: "Timestamp", description: "Not included." }),
      first: t.arg.int({ required: true, defaultValue: 10, description: `1 to ${MAX_TOP}.` }),
    },
    resolve: (_, { datanet, from, to, first }, { reader }) => {
      if (first < 1 || first > MAX_TOP) throw badInput(`first must be 1 to ${MAX_TOP}, not ${first}`);
      const window = { ...(from == null ? {} : { from }), ...(to == null ? {} : { to }) };
      return topContributors(reader, datanet == null ? undefined : parseId(datanet, "datanet"), window, first);
    },
  }),
}));
