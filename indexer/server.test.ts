import { mkdtempSync, rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { parse, validate } from "graphql/index.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { schema } from "./schema.ts";
import { createGraphqlServer } from "./server.ts";
import type { GraphqlServer } from "./server-options.ts";
import { createIndexer, type Indexer } from "./store.ts";
import { type FakeChain, testAddress } from "./testing/fake-chain.ts";
import { standardChain } from "./testing/histories.ts";

let folder: string;
let chain: FakeChain;
let indexer: Indexer;
let server: GraphqlServer;
const logged: unknown[] = [];
const log = { info: () => {}, warn: () => {}, error: (fields: object) => void logged.push(fields) };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "graphql-"));
  ({ chain } = standardChain());
  indexer = createIndexer({ source: chain, location: join(folder, "index.sqlite") });
  await indexer.start();
  await indexer.caughtUp();
  server = await createGraphqlServer({ location: indexer.location, host: "127.0.0.1", port: 0, log });
});
afterAll(async () => {
  await server.close();
  await indexer.stop();
  rmSync(folder, { recursive: true, force: true });
});

// biome-ignore lint/suspicious/noExplicitAny: answers have the shape of the query, which the assertions check.
type Answer = { data?: any; errors?: { message: string; extensions?: { code?: string } }[] };

async function ask(query: string, variables: object = {}): Promise<Answer> {
  const response = await fetch(server.url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  return (await response.json()) as Answer;
}

/** The data of a query that must succeed. */
async function data(query: string, variables: object = {}): Promise<Answer["data"]> {
  const answer = await ask(query, variables);
  expect(answer.errors).toBeUndefined();
  return answer.data;
}

async function failure(query: string, variables: object = {}): Promise<string> {
  const { errors } = await ask(query, variables);
  expect(JSON.stringify(errors ?? [])).not.toMatch(/node_modules|\.ts:|\n +at /);
  return errors?.[0]?.message ?? "no error";
}

describe("requests", () => {
  test("GET answers, and browsers get GraphiQL with the example, which works", async () => {
    const get = await fetch(`${server.url}?query=${encodeURIComponent("{ datanets { totalCount } }")}`);
    expect(await get.json()).toEqual({ data: { datanets: { totalCount: 2 } } });
    const page = await fetch(server.url, { headers: { accept: "text/html" } });
    const html = await page.text();
    const example = /"defaultQuery":("(?:[^"\\]|\\.)*")/.exec(html)?.[1];
    const query = JSON.parse(example ?? '""') as string;
    expect(validate(schema, parse(query))).toEqual([]);
    const answers: Record<string, Answer> = {};
    for (const { operationName } of [...query.matchAll(/^query (?<operationName>\w+)/gm)].map(
      ({ groups }) => groups!,
    )) {
      const response = await fetch(server.url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ query, operationName }),
      });
      answers[operationName!] = (await response.json()) as Answer;
    }
    for (const { errors } of Object.values(answers)) expect(errors).toBeUndefined();
    expect(answers.Lineage?.data.lineage.attributions).toHaveLength(3);
  });
  test("errors of bad input carry a code", async () => {
    const { errors } = await ask("{ datanets(first: 0) { totalCount } }");
    expect(errors?.[0]?.extensions?.code).toBe("BAD_USER_INPUT");
  });
});

describe("limits", () => {
  const nested = (levels: number): string => (levels === 0 ? "id" : `parent { ${nested(levels - 1)} }`);

  test("depth", async () => {
    expect(await failure(`{ model(id: 2) { ${nested(12)} } }`)).toBe("no error");
    expect(await failure(`{ model(id: 2) { ${nested(13)} } }`)).toBe("the query is 15 fields deep, the limit is 14");
    const fragments = `{ model(id: 2) { ...A } } fragment A on Model { ${nested(7).replace("id", "...B")} } fragment B on Model { ${nested(7)} }`;
    expect(await failure(fragments)).toBe("the query is 16 fields deep, the limit is 14");
  });

  test("aliases", async () => {
    const many = (count: number): string =>
      `{ ${Array.from({ length: count }, (_, i) => `a${i}: datanets { totalCount }`).join(" ")} }`;
    expect(await failure(many(50))).toBe("no error");
    expect(await failure(many(51))).toBe("the query has more than 50 aliases");
  });

  test("tokens", async () => {
    expect(await failure(`{ _meta { ${"schemaVersion ".repeat(3_000)} } }`)).toContain("2000 tokens");
  });

  test("cost counts pages within pages, by variable too", async () => {
    const query = `query ($n: Int! = 1000) { datanets(first: $n) { nodes { contributions(first: $n) { nodes { id } } } } }`;
    expect(await failure(query)).toMatch(
      /^the query may resolve \d+ fields, the limit is 100000: ask for smaller pages$/,
    );
    expect(await failure(query, { n: 1_000 })).toMatch(/the limit is 100000/);
    expect(await failure(query, { n: -5 })).toMatch(/the limit is 100000/);
    expect(await failure(query, { n: 100 })).toBe("no error");
    const graph = `{ lineage(output: 1, maxNodes: 5000) { nodes { entity { ... on Contribution { rewards { nodes { id } } } } } } }`;
    expect(await failure(graph)).toMatch(/the limit is 100000/);
  });

  test("introspection is not limited, and fragment cycles are an error", async () => {
    const { getIntrospectionQuery } = await import("graphql/index.js");
    expect((await data(getIntrospectionQuery())).__schema.types.length).toBeGreaterThan(20);
    expect(await failure("{ model(id: 1) { ...A } } fragment A on Model { parent { ...A } }")).toContain(
      "Cannot spread fragment",
    );
  });

  test("a body above the limit and a foreign Host are refused", async () => {
    const big = await fetch(server.url, {
      method: "POST",
      body: "x".repeat(100_001),
      headers: { "content-type": "application/json" },
    });
    expect(big.status).toBe(413);
    expect(await raw({ host: "evil.example" })).toEqual([403, "host evil.example is not allowed; see --http.vhosts"]);
    expect((await raw({ host: "localhost:4000" }))[0]).toBe(200);
    expect((await raw({ host: "[::1]:4000" }))[0]).toBe(200);
    expect((await raw({ host: "192.168.1.7:4000" }))[0]).toBe(200);
    expect((await raw({ host: "127.0.0.1@evil.example" }))[0]).toBe(403);
  });

  test("any bytes get an answer: never a 5xx, never a stack", async () => {
    const words = fc.constantFrom(
      ...[
        "{",
        "}",
        "(",
        ")",
        "datanets",
        "nodes",
        "id",
        "first:",
        "after:",
        "-1",
        "1e9",
        '"x"',
        "lineage",
        "output:",
        "...",
      ],
      ...[
        "on Model",
        "$v",
        "query",
        "fragment A on Query",
        "...A",
        "mutation",
        "@skip(if: true)",
        "__schema",
        "_meta",
        ":",
        "!",
      ],
    );
    const query = fc.oneof(
      fc.array(words, { maxLength: 30 }).map((parts) => parts.join(" ")),
      fc.string({ maxLength: 60 }),
    );
    const body = fc.oneof(
      query.map((text) => JSON.stringify({ query: text })),
      fc
        .record({ query, variables: fc.jsonValue(), operationName: fc.jsonValue() })
        .map((value) => JSON.stringify(value)),
      fc.json(),
      fc.string(),
    );
    await fc.assert(
      fc.asyncProperty(body, async (text) => {
        const headers = { "content-type": "application/json" };
        const response = await fetch(server.url, { method: "POST", headers, body: text });
        expect(response.status).toBeLessThan(500);
        expect(await response.text()).not.toMatch(/node_modules|\.ts:\d/);
      }),
      { numRuns: 300 },
    );
  });

  test("no page of another origin may read answers unless it is named", async () => {
    const headers = { origin: "https://dapp.example", "content-type": "application/json" };
    const body = JSON.stringify({ query: "{ __typename }" });
    const closed = await fetch(server.url, { method: "POST", headers, body });
    expect(closed.headers.get("access-control-allow-origin")).toBeNull();
    const open = await createGraphqlServer({
      location: indexer.location,
      host: "127.0.0.1",
      port: 0,
      corsOrigins: ["https://dapp.example"],
    });
    const allowed = await fetch(open.url, { method: "POST", headers, body });
    expect(allowed.headers.get("access-control-allow-origin")).toBe("https://dapp.example");
    await open.close();
  });

  test("a query that runs out of time says so", async () => {
    const hurried = await createGraphqlServer({
      location: indexer.location,
      host: "127.0.0.1",
      port: 0,
      timeoutMs: -1,
    });
    const response = await fetch(hurried.url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: "{ datanets { totalCount } }" }),
    });
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: "TIMEOUT" } }] });
    await hurried.close();
  });
});

describe("life", () => {
  test("many requests at once each read a whole block while blocks arrive", async () => {
    const { chain: live, ledger: writer } = standardChain("live");
    const follower = createIndexer({ source: live, location: join(folder, "live.sqlite") });
    await follower.start();
    await follower.caughtUp();
    const reading = await createGraphqlServer({ location: follower.location, host: "127.0.0.1", port: 0 });
    const query =
      "{ _meta { block { number eventCount } } datanets { totalCount } contributions { totalCount nodes { datanet { acceptedCount } } } }";
    const asked = Array.from({ length: 20 }, async () => {
      live.append([writer.submit(1, testAddress(1))]);
      const response = await fetch(reading.url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ query }),
      });
      const answer = (await response.json()) as Answer;
      // Each block after the 12th has one more contribution.
      expect(answer.data.contributions.totalCount).toBe(Number(answer.data._meta.block.number) - 12 + 7);
    });
    await Promise.all(asked);
    await reading.close();
    await follower.stop();
  });

  test("a halted index goes on answering and says so", async () => {
    const { chain: broken } = standardChain("broken");
    const halting = createIndexer({ source: broken, location: join(folder, "broken.sqlite") });
    await halting.start();
    await halting.caughtUp();
    broken.append([[{ eventName: "PricesSet", args: { modelId: 50n, requestPrice: 1n, outputPrice: 1n } }]]);
    await expect(halting.caughtUp()).rejects.toThrow("models 50 is unknown");
    const reading = await createGraphqlServer({ location: halting.location, host: "127.0.0.1", port: 0 });
    const response = await fetch(`${reading.url}?query={_meta{hasIndexingErrors block{number}}}`);
    expect(await response.json()).toEqual({ data: { _meta: { hasIndexingErrors: true, block: { number: "12" } } } });
    await reading.close();
    await halting.stop();
  });

  test("a busy port rejects with its code", async () => {
    await expect(
      createGraphqlServer({ location: indexer.location, host: "127.0.0.1", port: server.port }),
    ).rejects.toMatchObject({
      code: "EADDRINUSE",
    });
  });

  test("nothing went wrong inside", () => {
    expect(logged).toEqual([]);
  });
});

/** A GET whose Host header is not the address: fetch would not send it. */
function raw(headers: { host: string }): Promise<[number | undefined, string | undefined]> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      { host: "127.0.0.1", port: server.port, path: "/graphql?query={__typename}", headers },
      (response) => {
        let text = "";
        response.on("data", (part) => {
          text += part;
        });
        response.on("end", () => resolve([response.statusCode, (JSON.parse(text) as Answer).errors?.[0]?.message]));
      },
    );
    sent.on("error", reject);
    sent.end();
  });
}
