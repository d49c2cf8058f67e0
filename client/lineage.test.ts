import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { buildSchema } from "graphql/index.js";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { testAddress, testHash } from "../indexer/testing/fake-chain.ts";
import { answerTypes, generatedFiles } from "../scripts/write-client-types.ts";
import { LinkProxy } from "../test/helpers/proxy.ts";
import { BIGINT_FIELDS } from "./integers.js";
import {
  createLineageClient,
  type LineageClient,
  LineageError,
  LineageQueryError,
  LineageTransportError,
} from "./lineage.js";
import { type LiveIndex, liveIndex } from "./testing/live-index.ts";
import { scriptedServer } from "./testing/scripted-server.ts";

const BIOME = fileURLToPath(new URL("../node_modules/.bin/biome", import.meta.url));

let index: LiveIndex;
let client: LineageClient;

beforeAll(async () => {
  index = await liveIndex();
  client = createLineageClient({ url: index.url });
});
afterAll(() => index.close());

const [alice, bob, carol] = [1, 2, 3].map(testAddress) as [`0x${string}`, `0x${string}`, `0x${string}`];

const placeOf = (id: string): number => id.split("-").reduce((place, part) => place * 1_000 + Number(part), 0);
/** Each id once, by place in the chain: it is block-log. */
function inOrder(ids: readonly string[], order: "OLDEST" | "NEWEST"): string[] {
  const sorted = [...new Set(ids)].sort((a, b) => placeOf(a) - placeOf(b));
  return order === "OLDEST" ? sorted : sorted.reverse();
}

async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const read: T[] = [];
  for await (const row of rows) read.push(row);
  return read;
}

describe("documents", () => {
  const root = new URL("../", import.meta.url);
  const sdl = readFileSync(new URL("indexer/schema.graphql", root), "utf8");

  test("are valid, and the committed types are theirs (node scripts/write-client-types.ts writes them)", () => {
    for (const [path, text] of Object.entries(generatedFiles(sdl))) {
      const formatted = execFileSync(BIOME, ["format", `--stdin-file-path=${path}`], { input: text });
      expect(readFileSync(new URL(path, root), "utf8")).toBe(formatted.toString());
    }
    expect(BIGINT_FIELDS).toContain("amount");
  });

  test("an invalid one, and a name for two kinds of number, are found", () => {
    const typesOf = (document: string) => answerTypes(buildSchema(sdl), { document }, "bigint");
    expect(() => typesOf("query Bad { nothing }")).toThrow('document document: Cannot query field "nothing"');
    const twice = "query Twice { _meta { schemaVersion block { schemaVersion: number } } }";
    expect(() => typesOf(twice)).toThrow("field schemaVersion is a Int in one place and a BigInt in another");
  });
});

describe("questions", () => {
  test("an output by its root, with exact amounts", async () => {
    const output = await client.outputByRoot(testHash("output 1"));
    expect(output).toMatchObject({ id: "1", state: "SETTLED", outputRoot: testHash("output 1"), model: { id: "2" } });
    expect(output?.block).toEqual({ number: 8n, hash: expect.stringMatching(/^0x/), timestamp: 1_700_000_008 });
    expect(output!.escrow).toBe(10n ** 18n);
    expect(output!.escrow).toBe(output!.fee! + output!.refund!);
    expect(await client.output(1n)).toEqual(output);
    expect(await client.outputByRoot(testHash("nobody's"))).toBeNull();
    expect(await client.output("404")).toBeNull();
  });

  test("lineage: weights, nodes of each kind, and the bounds", async () => {
    const lineage = await client.lineage(1n);
    expect(lineage?.root?.attributions.map(({ contribution }) => contribution.id)).toEqual(["1", "2", "3"]);
    expect(lineage?.root?.attributions.reduce((sum, { weightPpm }) => sum + weightPpm, 0)).toBe(1_000_000);
    expect(new Set(lineage?.nodes.map(({ entity }) => entity.__typename))).toEqual(
      new Set(["Inference", "Model", "Datanet", "Contribution"]),
    );
    expect(lineage?.truncated).toBe(false);
    expect((await client.lineage(1n, { maxDepth: 1 }))?.truncated).toBe(true);
    expect(await client.lineage(404n)).toBeNull();
  });

  test("the largest graph and the largest pages are within the server's limits", async () => {
    expect((await client.lineage(1n, { maxDepth: 64, maxNodes: 1_200 }))?.truncated).toBe(false);
    for (const list of [client.rewards(alice, { pageSize: 1_000 }), client.earnings(alice, { pageSize: 1_000 })]) {
      expect((await all<unknown>(list)).length).toBeGreaterThan(0);
    }
  });

  test.each(["OLDEST", "NEWEST"] as const)(
    "rewards, %s first: every one once, whatever the page size",
    async (order) => {
      const { rewardCount, accrued, rewardTotals } = await client.account(alice);
      for (const pageSize of [1, 2, 1_000]) {
        const rewards = await all(client.rewards(alice, { pageSize, order }));
        const ids = rewards.map(({ id }) => id);
        expect(ids).toHaveLength(rewardCount);
        expect(ids).toEqual(inOrder(ids, order));
        expect(rewards.reduce((sum, { amount }) => sum + amount, 0n)).toBe(accrued);
      }
      expect(rewardTotals.reduce((sum, { amount }) => sum + amount, 0n)).toBe(accrued);
      expect((await all(client.rewards(alice, { kind: "ROYALTY" }))).map(({ kind }) => kind)).toEqual([]);
    },
  );

  test("what each contribution earned, and from which outputs", async () => {
    for (const contributor of [alice, bob, carol]) {
      for await (const { id, earned, rewardCount } of client.earnings(contributor, { pageSize: 1 })) {
        const rewards = await all(client.contributionRewards(id));
        expect(rewards).toHaveLength(rewardCount);
        expect(rewards.reduce((sum, { amount }) => sum + amount, 0n)).toBe(earned);
        for (const { inference } of rewards) expect(inference).toEqual({ id: "1", outputRoot: testHash("output 1") });
      }
    }
    expect(await all(client.contributionRewards(404n))).toEqual([]);
  });

  test("a page is asked for only when it is read", async () => {
    let requests = 0;
    const counting = createLineageClient({
      url: index.url,
      fetch: (input, init) => {
        requests += 1;
        return fetch(input, init);
      },
    });
    for await (const { amount } of counting.rewards(bob, { pageSize: 1 })) {
      expect(amount).toBeGreaterThan(0n);
      break;
    }
    expect(requests).toBe(1);
  });

  test("any query: variables may be bigints, the answer is as it came", async () => {
    const document = "query ($id: ID!) { contribution(id: $id) { size } }";
    expect(await client.query(document, { id: 1n })).toEqual({ contribution: { size: "1001" } });
    const { block } = await client.meta();
    expect(block.number).toBe(12n);
  });
});

describe("any block", () => {
  test("an output's life, block by block", async () => {
    const states: (string | undefined)[] = [];
    for (const number of [7n, 8n, 9n, 10n]) states.push((await client.output(1n, { block: { number } }))?.state);
    expect(states).toEqual([undefined, "REQUESTED", "COMMITTED", "SETTLED"]);
    expect(await all(client.rewards(alice, { block: { number: 9n } }))).toEqual([]);
    const { block } = await client.meta({ block: { number: 9n } });
    expect((await client.output(1n, { block: { hash: block.hash } }))?.state).toBe("COMMITTED");
    await expect(client.account(alice, { block: { number: 999n } })).rejects.toThrow(LineageQueryError);
  });

  test("downstream of a contribution is what it made possible", async () => {
    const graph = await client.lineage("contribution:1", { direction: "DOWNSTREAM", kinds: ["ATTRIBUTED_TO"] });
    expect(graph?.nodes.map(({ id }) => id)).toEqual(["contribution:1", "output:1"]);
    expect(graph?.root).toBeNull();
  });

  test("rewards by time sum up to what was earned", async () => {
    const { accrued } = await client.account(alice);
    for (const interval of ["HOUR", "DAY", "WEEK"] as const) {
      const series = await client.rewardSeries(alice, { from: 1_699_900_000, to: 1_700_100_000, interval });
      expect(series.reduce((sum, { amount }) => sum + amount, 0n)).toBe(accrued);
    }
  });
});

describe("what is to come", () => {
  /** As many events as asked for. */
  async function take<T>(events: AsyncIterable<T>, count: number, each?: (seen: number) => void): Promise<T[]> {
    const seen: T[] = [];
    for await (const event of events) {
      seen.push(event);
      each?.(seen.length);
      if (seen.length === count) break;
    }
    return seen;
  }

  test("a subscription tells of every block", async () => {
    const live = await liveIndex();
    onTestFinished(() => live.close());
    const asking = createLineageClient({ url: live.url });
    const timer = setInterval(() => live.chain.append(), 10);
    onTestFinished(() => clearInterval(timer));
    const heads = await take(asking.subscribe<{ head: { number: string } }>("subscription { head { number } }"), 3);
    const [first] = heads.map(({ head }) => Number(head.number));
    expect(heads.map(({ head }) => Number(head.number))).toEqual([first, first! + 1, first! + 2]);
  });

  test("each reward exactly once, in order: over a link that breaks, a server that restarts, and a restart of its own", async () => {
    const live = await liveIndex();
    onTestFinished(() => live.close());
    const link = new LinkProxy(() => live.port);
    await link.listen();
    onTestFinished(() => link.close());
    const asking = createLineageClient({ url: `http://127.0.0.1:${link.port}/graphql` });
    const { chain, ledger } = live;
    const earn = (): void => {
      chain.append([ledger.request(2, testAddress(4), testAddress(5))]);
      chain.append([ledger.commit([1, 2, 3], [40, 25, 13]), ledger.settle()]);
    };
    const retries: unknown[] = [];
    const options = { retryMs: 1, pageSize: 1, onRetry: (reason: unknown) => void retries.push(reason) };
    const seen: string[] = [];
    let cursor: string | undefined;
    const next = async (followed: ReturnType<LineageClient["followRewards"]>): Promise<void> => {
      const { value } = await followed.next();
      cursor = value!.cursor;
      seen.push(value!.reward.id);
    };
    const followed = asking.followRewards(alice, options);
    await next(followed);
    // What comes while nobody is connected has no later block to tell of it.
    for (const disturb of [() => {}, () => link.set("cut"), live.restart]) {
      earn();
      await next(followed);
      await disturb();
      earn();
      link.set("open");
      await next(followed);
    }
    expect(retries.length).toBeGreaterThan(1);
    await followed.return();
    earn();
    const again = asking.followRewards(alice, { ...options, after: cursor });
    await next(again);
    await again.return();
    const whole = await all(asking.rewards(alice));
    expect(seen).toEqual(whole.map(({ id }) => id));
  });
});

describe("errors", () => {
  const failure = (asked: Promise<unknown>): Promise<unknown> =>
    asked.then(
      () => undefined,
      (error: unknown) => error,
    );

  test("what the server refuses carries its code and all it said", async () => {
    const error = await failure(client.lineage(1n, { maxDepth: 65 }));
    expect(error).toBeInstanceOf(LineageQueryError);
    expect(error).toBeInstanceOf(LineageError);
    expect(error).toMatchObject({
      code: "BAD_USER_INPUT",
      message: expect.stringContaining("maxDepth must be 1 to 64"),
    });
    expect(await failure(client.query("{ nothing }"))).toMatchObject({
      name: "LineageQueryError",
      message: 'Cannot query field "nothing" on type "Query".',
      errors: [{ message: expect.any(String) }],
    });
    expect(await failure(client.lineage(1n, { maxNodes: 5_000, maxDepth: 64 }))).toMatchObject({ code: "QUERY_LIMIT" });
  });

  test("nobody there", async () => {
    const free = await scriptedServer(() => {});
    const nobody = createLineageClient({ url: free.replace(/:\d+/, ":1") });
    const error = await failure(nobody.meta());
    expect(error).toBeInstanceOf(LineageTransportError);
    expect(error).toMatchObject({
      code: "UNREACHABLE",
      message: "http://127.0.0.1:1/graphql cannot be reached: is the node running?",
    });
  });

  test("silence ends at the limit, and the caller's signal before it", async () => {
    const url = await scriptedServer(() => {});
    const silent = createLineageClient({ url, timeoutMs: 20 });
    expect(await failure(silent.meta())).toMatchObject({
      code: "TIMEOUT",
      message: `${url} has not answered within 20 ms`,
    });
    const reason = new Error("enough");
    const patient = createLineageClient({ url });
    expect(await failure(patient.meta({ signal: AbortSignal.abort(reason) }))).toBe(reason);
  });

  test.each([
    [503, '{"errors":[{"message":"too many requests at once"}]}', "HTTP", "answered 503: too many requests at once"],
    [404, "<html>", "HTTP", "answered 404: Not Found"],
    [200, "<html>", "BAD_ANSWER", 'answered "<html>", which is not GraphQL: is this its endpoint?'],
    [200, "{}", "BAD_ANSWER", "is this its endpoint?"],
  ])("HTTP %i %s", async (status, body, code, message) => {
    const url = await scriptedServer((_, response) => response.writeHead(status).end(body));
    const error = await failure(createLineageClient({ url }).meta());
    expect(error).toMatchObject({ code, status, message: expect.stringContaining(message) });
  });

  test("headers are sent", async () => {
    const url = await scriptedServer((request, response) =>
      response.end(`{"data":{"got":"${request.headers.authorization}"}}`),
    );
    const named = createLineageClient({ url, headers: { authorization: "Bearer x" } });
    expect(await named.query("{ got }")).toEqual({ got: "Bearer x" });
  });
});
