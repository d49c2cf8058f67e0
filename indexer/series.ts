/** Exact sums of rewards over time. */
import { type SqlBool, sql } from "kysely";
import { asOf, firstBlockAt } from "./as-of.ts";
import { REWARD_KIND } from "./codes.ts";
import type { Reader } from "./loaders.ts";
import { totalOf } from "./paging.ts";
import { badInput } from "./scalars.ts";
import type { Stored } from "./tables.ts";

const HOUR = 3_600;
/** Seconds of a bucket, and a moment at which one begins: the first Monday after 1970-01-01, a Thursday. */
const INTERVALS = {
  HOUR: { seconds: HOUR, origin: 0 },
  DAY: { seconds: 24 * HOUR, origin: 0 },
  WEEK: { seconds: 7 * 24 * HOUR, origin: 4 * 24 * HOUR },
} as const;

export type Interval = keyof typeof INTERVALS;

export const MAX_BUCKETS = 1_000;

export interface Bucket {
  /** Unix seconds at which it begins. */
  readonly start: number;
  readonly seconds: number;
  /** Wei. */
  readonly amount: bigint;
  readonly count: number;
}

export type RewardFilter = Partial<Pick<Stored<"rewards">, "account" | "kind" | "source">>;

/** Unix seconds, `from` included, `to` not. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

/**
 * Sums by bucket, oldest first, without the empty ones. Buckets begin at full hours, days and Mondays of UTC; the first
 * and the last have only what lies in the window. Throws GraphQLError for a window that is no window or of too many.
 */
export async function rewardSeries(
  reader: Reader,
  filter: RewardFilter,
  interval: Interval,
  { from, to }: Window,
): Promise<Bucket[]> {
  const { seconds, origin } = INTERVALS[interval];
  checkWindow({ from, to });
  const count = Math.floor((to - 1 - origin) / seconds) - Math.floor((from - origin) / seconds) + 1;
  if (count > MAX_BUCKETS) {
    throw badInput(`from ${from} to ${to} are ${count} of ${interval}, the limit is ${MAX_BUCKETS}: ask for less`);
  }
  await reader.turn();
  let rewards = asOf(reader.db.selectFrom("rewards"), "rewards", reader.at);
  for (const [column, value] of Object.entries(filter)) rewards = rewards.where(sql.ref(column), "=", value);
  // A week is added so that no remainder is negative, which the stores would take differently.
  const offset = sql.lit(seconds - (origin % seconds));
  const begin = sql<number>`${sql.ref("time")} - (${sql.ref("time")} + ${offset}) % ${sql.lit(seconds)}`;
  rewards = rewards.where("block", ">=", firstBlockAt(from)).where("block", "<", firstBlockAt(to));
  const placed = rewards.select([begin.as("start"), "amount"]);
  const buckets = await reader.db
    .selectFrom(placed.as("placed"))
    .select(["start", sql<bigint>`uint_sum("amount")`.as("amount"), sql<number>`count(*)`.as("count")])
    .groupBy("start")
    .orderBy("start")
    .execute();
  return buckets.map(({ start, amount, count }) => ({ start: Number(start), seconds, amount, count: Number(count) }));
}

export interface Contributor {
  readonly account: Uint8Array;
  /** Wei. */
  readonly amount: bigint;
  readonly count: number;
}

/**
 * Who earned most by contributions, within a window and of one Datanet where they are given; of equals the lower address
 * first.
 */
export async function topContributors(
  reader: Reader,
  datanet: number | undefined,
  window: Partial<Window>,
  first: number,
): Promise<Contributor[]> {
  const { from = 0, to = Number.MAX_SAFE_INTEGER } = window;
  checkWindow({ from, to });
  await reader.turn();
  const all = window.from === undefined && window.to === undefined;
  const sums = all ? totalsOf(reader, datanet) : sumsOfWindow(reader, datanet, { from, to });
  const best = await reader.db
    .selectFrom(sums.as("sums"))
    .selectAll()
    .where("amount", ">", 0n)
    .orderBy("amount", "desc")
    .orderBy("account")
    .limit(first)
    .execute();
  return best.map(({ account, amount, count }) => ({ account, amount, count: Number(count) }));
}

/** Reward by reward. */
function sumsOfWindow(reader: Reader, datanet: number | undefined, { from, to }: Window) {
  const all = asOf(reader.db.selectFrom("rewards"), "rewards", reader.at);
  const inWindow = all.where("block", ">=", firstBlockAt(from)).where("block", "<", firstBlockAt(to));
  // The sign keeps SQLite from reading all rewards of the kind by its index, rather than the window's.
  let rewards = inWindow.where(sql<SqlBool>`+${sql.ref("kind")} = ${REWARD_KIND.CONTRIBUTOR}`);
  if (datanet !== undefined) {
    const own = asOf(reader.db.selectFrom("contributions").select("id"), "contributions", reader.at);
    rewards = rewards.where(sql<SqlBool>`${sql.ref("source")} in ${own.where("datanet", "=", datanet)}`);
  }
  return rewards
    .select(["account", sql<bigint>`uint_sum("amount")`.as("amount"), sql<number>`count(*)`.as("count")])
    .groupBy("account");
}

/** All of the past is in the rollups. */
function totalsOf(reader: Reader, datanet: number | undefined) {
  if (datanet === undefined) {
    return asOf(reader.db.selectFrom("reward_totals"), "reward_totals", reader.at)
      .where("kind", "=", REWARD_KIND.CONTRIBUTOR)
      .select(["account", "accrued as amount", sql<number>`${sql.ref("rewards")}`.as("count")]);
  }
  return asOf(reader.db.selectFrom("contributions"), "contributions", reader.at)
    .where("datanet", "=", datanet)
    .select([
      "contributor as account",
      sql<bigint>`uint_sum(${totalOf("accrued", reader.at)})`.as("amount"),
      sql<number>`sum(${totalOf("rewards", reader.at)})`.as("count"),
    ])
    .groupBy("contributor");
}

function checkWindow({ from, to }: Window): void {
  if (from >= to) throw badInput(`from must be before to, and ${from} is not before ${to}`);
}
