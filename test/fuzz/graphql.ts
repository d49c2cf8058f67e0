/**
 * `npm run fuzz:graphql -- [--count 100000] [--seed 1]`: queries of every shape against a real server over a real index,
 * while blocks are being indexed.
 *
 * Out of the schema come valid queries, deep, wide and aliased ones, ones with values that are to be refused, and broken
 * documents; further requests that are no proper HTTP for GraphQL, and lineage through a graph that is wide, deep and
 * dense. All the while blocks are committed at a steady pace, and each is to be in the index at once.
 *
 * Prints `name value unit goal` a line; a goal that is missed ends in exit code 1.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { Agent, request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { schema } from "../../indexer/schema.ts";
import type { GraphqlServer } from "../../indexer/server-options.ts";
import { startGraphqlThread } from "../../indexer/server-thread.ts";
import { createIndexer, type Indexer } from "../../indexer/store.ts";
import type { FakeChain } from "../../indexer/testing/fake-chain.ts";
import { areMet, atLeast, atMost, type Figure, figure, printFigure } from "../helpers/figures.ts";
import { Random } from "../sim/random.ts";
import { fuzzChain, vocabularyOf, type World } from "./graphql-chain.ts";
import { type Query, QueryMaker } from "./graphql-queries.ts";

export interface FuzzOptions {
  readonly count: number;
  readonly seed: number;
}

export interface FuzzReport {
  readonly lines: readonly Figure[];
  /** With the request that shows it. */
  readonly surprises: readonly string[];
}

const CLIENTS = 8;
const BLOCK_MS = 50;
const TIMEOUT_MS = 10_000;
/** A query's own time and what it waits for others. */
const MOST_MS = 12_000;
const MOST_GAP_MS = 2_000;
const MOST_MEMORY_MIB = 1_536;
const MOST_SURPRISES = 20;
const WORLD: World = { levels: 40, steps: 2_000 };
/** For a slice, of which most would be the making of that. */
const SMALL_WORLD: World = { levels: 10, steps: 200 };
const SLICE = 1_000;

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

export async function fuzz({ count, seed }: FuzzOptions): Promise<FuzzReport> {
  const folder = mkdtempSync(join(tmpdir(), "fuzz-graphql-"));
  const closers: (() => Promise<unknown>)[] = [() => Promise.resolve(rmSync(folder, { recursive: true, force: true }))];
  try {
    return await run(folder, closers, count, new Random(seed));
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function run(
  folder: string,
  closers: (() => Promise<unknown>)[],
  count: number,
  random: Random,
): Promise<FuzzReport> {
  const surprises: string[] = [];
  const kinds = new Set<string>();
  /** One of each kind: what it says before it says where. */
  const surprise = (text: string): void => {
    const kind = text.slice(0, 100);
    if (!kinds.has(kind) && surprises.length < MOST_SURPRISES) surprises.push(text);
    kinds.add(kind);
  };

  const { whole, begun } = fuzzChain(random, count > SLICE ? WORLD : SMALL_WORLD);
  const chain = whole.fork(begun);
  const indexer = createIndexer({ source: chain, location: join(folder, "index.sqlite") });
  await indexer.start();
  closers.push(() => indexer.stop());
  await indexer.caughtUp();
  const server = await startGraphqlThread({
    location: indexer.location,
    host: "127.0.0.1",
    port: 0,
    timeoutMs: TIMEOUT_MS,
    rate: { perSecond: Number.POSITIVE_INFINITY, burst: Number.POSITIVE_INFINITY },
    log: { info: () => {}, warn: () => {}, error: (fields, message) => surprise(`${message}: ${describe(fields)}`) },
  });
  closers.push(() => server.close());
  const queries = new QueryMaker(schema, random, vocabularyOf(chain, 40));
  const pace = new Pace(indexer, chain, whole);
  const tally = new Tally();
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  closers.push(async () => agent.destroy());

  const client = async (): Promise<void> => {
    while (tally.sent < count) {
      const sent = next();
      const problem = await tally.ask(server, sent, agent);
      if (problem !== undefined) surprise(`${problem}\n  ${describe(sent)}`);
    }
  };
  const next = (): Sent => {
    const kind = random.real();
    if (kind < 0.1) return posted(queries.lineage());
    if (kind < 0.55) return posted(queries.valid());
    if (kind < 0.65) return posted(queries.valid(0.5));
    if (kind < 0.68) return posted(queries.large());
    if (kind < 0.9) return posted(queries.broken());
    if (kind < 0.99) return oddly(queries.valid(), random);
    return { ...posted(queries.subscription()), headers: SSE };
  };
  const pacing = pace.run();
  await Promise.all(Array.from({ length: CLIENTS }, client));
  pace.stop();
  await pacing;

  const last = await atTheEnd(server, tally, agent);
  if (last !== undefined) surprise(last);
  return {
    surprises,
    lines: [
      figure("queries", tally.sent, "queries", atLeast(count)),
      figure("answers_with_data", tally.withData, "answers", atLeast(count / 5)),
      figure("answers_refused", tally.refused, "answers", atLeast(count / 10)),
      figure("answers_out_of_time", tally.outOfTime, "answers"),
      figure("streams", tally.streams, "streams"),
      figure("answers_5xx", tally.failures, "answers", atMost(0)),
      figure("surprises", surprises.length, "errors", atMost(0)),
      figure("time_mean", Math.round(tally.totalMs / tally.sent), "ms"),
      figure("time_slowest", Math.round(tally.slowestMs), "ms", atMost(MOST_MS)),
      figure("memory_most", Math.round(tally.memoryMib), "MiB", atMost(MOST_MEMORY_MIB)),
      figure("blocks_indexed", pace.blocks, "blocks", atLeast(1)),
      figure("block_gap_longest", Math.round(pace.longestMs), "ms", atMost(MOST_GAP_MS)),
    ],
  };
}

/** That the server still answers at the end is part of it. */
async function atTheEnd(server: GraphqlServer, tally: Tally, agent: Agent): Promise<string | undefined> {
  return await tally.ask(server, posted({ query: "{ _meta { block { number } } }", variables: {} }), agent);
}

/** Commits blocks at a steady pace and measures how long each takes to be in the index. */
class Pace {
  blocks = 0;
  longestMs = 0;
  readonly #indexer: Indexer;
  readonly #chain: FakeChain;
  readonly #whole: FakeChain;
  #isOver = false;

  constructor(indexer: Indexer, chain: FakeChain, whole: FakeChain) {
    this.#indexer = indexer;
    this.#chain = chain;
    this.#whole = whole;
  }

  stop(): void {
    this.#isOver = true;
  }

  async run(): Promise<void> {
    while (!this.#isOver) {
      const startedMs = performance.now();
      const next = this.#whole.blocks[this.#chain.blocks.length];
      // When the history is used up, blocks go on without events.
      if (next === undefined) this.#chain.append();
      else this.#chain.commit(next);
      await this.#indexer.caughtUp();
      this.blocks++;
      const tookMs = performance.now() - startedMs;
      this.longestMs = Math.max(this.longestMs, tookMs);
      await sleep(Math.max(1, BLOCK_MS - tookMs));
    }
  }
}

const JSON_TYPE = { "content-type": "application/json" };
const SSE = { ...JSON_TYPE, accept: "text/event-stream" };

const posted = (query: Query): Sent => ({
  method: "POST",
  path: "/graphql",
  headers: JSON_TYPE,
  body: JSON.stringify(query),
});

/** Requests that are not as a GraphQL client sends them. */
function oddly(query: Query, random: Random): Sent {
  const whole = posted(query);
  const inUrl = encodeURIComponent(query.query).slice(0, 8_000);
  return random.pick<() => Sent>([
    () => ({ method: "GET", path: `/graphql?query=${inUrl}`, headers: {}, body: undefined }),
    () => ({
      method: "GET",
      path: `/graphql?query=${inUrl}&variables=${random.pick(["{", "[]", "1", "%ff"])}`,
      headers: {},
      body: undefined,
    }),
    () => ({ ...whole, method: random.pick(["PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]) }),
    () => ({
      ...whole,
      path: random.pick(["/", "/health", "/ready", "/graphql/", "/../graphql", "//", "/graphql?extensions={}"]),
    }),
    () => ({
      ...whole,
      headers: {
        "content-type": random.pick([
          "text/plain",
          "application/graphql",
          "multipart/form-data; boundary=x",
          "application/x-www-form-urlencoded",
          "a/b",
          "",
        ]),
      },
    }),
    () => ({
      ...whole,
      headers: {
        ...JSON_TYPE,
        accept: random.pick([
          "text/html",
          "application/graphql-response+json",
          "multipart/mixed",
          "image/png",
          "*/*;q=0",
          "",
        ]),
      },
    }),
    () => ({ ...whole, headers: { ...JSON_TYPE, "content-encoding": random.pick(["gzip", "br", "x"]) } }),
    () => ({ ...whole, body: whole.body?.slice(0, random.below(whole.body.length)) }),
    () => ({
      ...whole,
      body: random.pick([
        "",
        "null",
        "[]",
        "5",
        '"x"',
        "{}",
        '{"query":5}',
        '{"query":null}',
        `[${whole.body},${whole.body}]`,
        `{"a":${"[".repeat(20_000)}`,
      ]),
    }),
    () => ({ ...whole, body: JSON.stringify({ ...query, variables: random.pick([[], 5, "x", { v0: { $gt: 1 } }]) }) }),
    () => ({ ...whole, body: JSON.stringify({ ...query, operationName: random.pick([5, "Nobody", "", null, {}]) }) }),
    () => ({
      ...whole,
      body: JSON.stringify({
        ...query,
        extensions: random.pick<unknown>([
          5,
          { persistedQuery: 1 },
          { persistedQuery: { version: 1, sha256Hash: "0".repeat(64) } },
        ]),
      }),
    }),
    () => ({ ...whole, body: "x".repeat(random.pick([99_999, 100_001, 300_000])) }),
    () => ({
      ...whole,
      headers: { ...JSON_TYPE, host: random.pick(["evil.example", "localhost", "[::1]", "@", "a b"]) },
    }),
  ])();
}

/** What was asked and how it was answered. */
class Tally {
  sent = 0;
  withData = 0;
  refused = 0;
  outOfTime = 0;
  failures = 0;
  streams = 0;
  totalMs = 0;
  slowestMs = 0;
  memoryMib = 0;

  /** What is wrong with the answer, if something is. */
  async ask(server: GraphqlServer, sent: Sent, agent: Agent): Promise<string | undefined> {
    this.sent++;
    const startedMs = performance.now();
    const { status, text, isStream } = await exchange(server.port, sent, agent);
    const tookMs = performance.now() - startedMs;
    this.totalMs += tookMs;
    this.slowestMs = Math.max(this.slowestMs, tookMs);
    if (this.sent % 100 === 0) this.memoryMib = Math.max(this.memoryMib, process.memoryUsage.rss() / 2 ** 20);
    if (isStream) this.streams++;
    if (text.includes('"code":"TIMEOUT"')) this.outOfTime++;
    if (text.startsWith('{"data":{')) this.withData++;
    else if (status >= 400 || text.includes('"errors":')) this.refused++;
    if (status >= 500) {
      this.failures++;
      return `status ${status}: ${text.slice(0, 500)}`;
    }
    if (/Unexpected error|INTERNAL_SERVER_ERROR|node_modules|\.ts:\d/.test(text))
      return `masked or leaked: ${text.slice(0, 500)}`;
    return tookMs > MOST_MS ? `took ${Math.round(tookMs)} ms` : undefined;
  }
}

interface Answer {
  /** 0 when the server closed the connection without one, 599 when it took none. */
  readonly status: number;
  readonly text: string;
  readonly isStream: boolean;
}

function exchange(port: number, { method, path, headers, body }: Sent, agent: Agent): Promise<Answer> {
  return new Promise((resolve) => {
    const request = httpRequest({ host: "127.0.0.1", port, method, path, headers, agent }, (response) => {
      const { statusCode: status = 0 } = response;
      const isStream = response.headers["content-type"]?.startsWith("text/event-stream") === true;
      const parts: Buffer[] = [];
      const answer = () => ({ status, text: Buffer.concat(parts).toString("utf8"), isStream });
      response.on("data", (part: Buffer) => {
        parts.push(part);
        // A stream has no end: its beginning will do.
        if (isStream) {
          response.destroy();
          resolve(answer());
        }
      });
      response.on("end", () => resolve(answer()));
      response.on("error", () => resolve(answer()));
    });
    // A refused body is not read, so that sending it may fail; a server that is gone is another matter.
    request.on("error", (error: NodeJS.ErrnoException) => {
      const isGone = error.code === "ECONNREFUSED";
      setTimeout(resolve, isGone ? 100 : 0, {
        status: isGone ? 599 : 0,
        text: isGone ? error.message : "",
        isStream: false,
      });
    });
    request.end(body);
  });
}

const describe = (what: unknown): string => {
  const text =
    what instanceof Error
      ? `${what.stack}`
      : JSON.stringify(what, (_, value) => (value instanceof Error ? value.stack : value));
  return text.slice(0, 3_000);
};

export const isGood = ({ lines }: FuzzReport): boolean => areMet(lines);

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { count: { type: "string", default: "100000" }, seed: { type: "string", default: "1" } },
  });
  const report = await fuzz({ count: Number(values.count), seed: Number(values.seed) });
  report.lines.forEach(printFigure);
  for (const surprise of report.surprises) console.error(surprise);
  process.exitCode = isGood(report) ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
