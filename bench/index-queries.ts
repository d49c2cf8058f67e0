/** What is asked of a large index, over HTTP from the server that users get, on a thread of its own; one query at a time. */
import { bytesToHex } from "../core/bytes.ts";
import { openReader } from "../indexer/database.ts";
import { Reader } from "../indexer/loaders.ts";
import { startGraphqlThread } from "../indexer/server-thread.ts";
import { contributorOf, timeOf } from "./index-chain.ts";
import { print } from "./index-print.ts";
import { quantile } from "./quantile.ts";

interface Scope {
  readonly inferences: number;
  /** Number of the last block. */
  readonly head: number;
}

interface Query {
  readonly name: string;
  readonly times: number;
  readonly text: string;
  /** Of the i-th time. */
  readonly variables: (i: number) => object;
  readonly goals?: { readonly p50?: string; readonly p99?: string };
  /** Of its answer: how much it was, so that nobody measures empty answers. */
  readonly count: (data: never) => number;
}

const contributor = (i: number): string => bytesToHex(contributorOf(i * 7));
/** About this many rewards are in a window. */
const WINDOW_REWARDS = 50_000;
const REWARDS_A_BLOCK = 160;

function queries({ inferences, head }: Scope): readonly Query[] {
  const output = (i: number): string => `${1 + ((i * 7_919) % inferences)}`;
  const to = timeOf(head - 100);
  const from = timeOf(Math.max(0, head - 100 - Math.ceil(WINDOW_REWARDS / REWARDS_A_BLOCK)));
  const lineage = `lineage(output: $output, maxDepth: 6, maxNodes: 1000, block: $block) {
    nodes { id depth } edges { from to kind weight weightPpm } truncated }`;
  const nodes = (data: { lineage: { nodes: unknown[] } }) => data.lineage.nodes.length;
  return [
    {
      name: "page-50-by-contributor",
      times: 300,
      text: `query ($address: Address!) { contributor(address: $address) { rewards(first: 50, order: NEWEST) {
        nodes { amount kind block { number timestamp } inference { id } } pageInfo { endCursor hasNextPage } } } }`,
      variables: (i) => ({ address: contributor(i) }),
      goals: { p50: "<2" },
      count: (data: { contributor: { rewards: { nodes: unknown[] } } }) => data.contributor.rewards.nodes.length,
    },
    {
      name: "lineage-depth-6",
      times: 300,
      text: `query ($output: ID!, $block: BlockSelector) { ${lineage} }`,
      variables: (i) => ({ output: output(i) }),
      goals: { p99: "<50" },
      count: nodes,
    },
    {
      name: "time-travel-lineage",
      times: 100,
      text: `query ($output: ID!, $block: BlockSelector) { ${lineage} }`,
      variables: (i) => ({ output: `${1 + (i % Math.ceil(inferences / 4))}`, block: { number: `${head - 500}` } }),
      count: nodes,
    },
    {
      name: "top-100-of-a-window",
      times: 20,
      text: `query ($from: Timestamp!, $to: Timestamp!) { topContributors(first: 100, from: $from, to: $to) {
        account { address } amount count } }`,
      variables: () => ({ from, to }),
      count: (data: { topContributors: unknown[] }) => data.topContributors.length,
    },
    {
      name: "series-by-day",
      times: 50,
      text: `query ($address: Address!, $from: Timestamp!, $to: Timestamp!) { contributor(address: $address) {
        rewardSeries(interval: DAY, from: $from, to: $to) { start amount count } } }`,
      variables: (i) => ({ address: contributor(i), from: timeOf(0), to: timeOf(head) }),
      count: (data: { contributor: { rewardSeries: unknown[] } }) => data.contributor.rewardSeries.length,
    },
  ];
}

export async function measureQueries(store: string, location: string, scope: Scope): Promise<void> {
  await measureRead(store, location);
  const noLimit = { perSecond: Number.POSITIVE_INFINITY, burst: Number.POSITIVE_INFINITY };
  const server = await startGraphqlThread({ location, host: "127.0.0.1", port: 0, rate: noLimit });
  try {
    for (const query of queries(scope)) await measureQuery(store, server.url, query);
  } finally {
    await server.close();
  }
}

/** The page's rows alone, without GraphQL. */
async function measureRead(store: string, location: string): Promise<void> {
  const db = openReader(location, { connections: 1 });
  const times: number[] = [];
  for (let i = 0; i < 300; i++) {
    const startMs = performance.now();
    await new Reader(db, 10_000).page("rewards", { account: contributorOf(i * 7) }, { first: 50, order: "NEWEST" });
    times.push(performance.now() - startMs);
  }
  await db.destroy();
  print(`${store}.page-50-by-contributor.rows.p50`, quantile(times, 0.5), "ms", "<2");
  print(`${store}.page-50-by-contributor.rows.p99`, quantile(times, 0.99), "ms");
}

async function measureQuery(store: string, url: string, query: Query): Promise<void> {
  const times: number[] = [];
  const counts: number[] = [];
  for (let i = 0; i < query.times; i++) {
    const body = JSON.stringify({ query: query.text, variables: query.variables(i) });
    const startMs = performance.now();
    const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
    const { data, errors } = (await response.json()) as { data: never; errors?: readonly { message: string }[] };
    times.push(performance.now() - startMs);
    if (errors !== undefined) throw new Error(`${query.name}: ${errors[0]?.message}`);
    counts.push(query.count(data));
  }
  const { goals = {} } = query;
  print(`${store}.${query.name}.answers`, counts.reduce((sum, count) => sum + count, 0) / counts.length, "a query");
  print(`${store}.${query.name}.p50`, quantile(times, 0.5), "ms", goals.p50);
  print(`${store}.${query.name}.p99`, quantile(times, 0.99), "ms", goals.p99);
}
