import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Kysely } from "kysely";
import pg from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { openReader } from "./database.ts";
import { sha256Of } from "./persisted-operations.ts";
import { createGraphqlServer } from "./server.ts";
import { ClientRates, clientOf } from "./server-clients.ts";
import type { GraphqlServer, GraphqlServerOptions } from "./server-options.ts";
import { createIndexer, type Indexer } from "./store.ts";
import type { Database } from "./tables.ts";
import type { FakeChain } from "./testing/fake-chain.ts";
import { standardChain } from "./testing/histories.ts";
import { POSTGRES, SQLITE, STORES } from "./testing/stores.ts";
import { type Event, overSse, overWebSocket } from "./testing/subscriber.ts";

let chain: FakeChain;
let indexer: Indexer;
let location: string;
const servers: GraphqlServer[] = [];
const logged: { level: string; fields: object; message: string }[] = [];
const note = (level: string) => (fields: object, message: string) => void logged.push({ level, fields, message });
const log = { info: note("info"), warn: note("warn"), error: note("error") };

beforeAll(async () => {
  ({ chain } = standardChain());
  location = await SQLITE.newLocation();
  indexer = createIndexer({ source: chain, location });
  await indexer.start();
  await indexer.caughtUp();
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
  logged.length = 0;
});
afterAll(() => indexer.stop());

async function serve(options: Partial<GraphqlServerOptions> = {}): Promise<GraphqlServer> {
  const server = await createGraphqlServer({ location, host: "127.0.0.1", port: 0, log, pollMs: 5, ...options });
  servers.push(server);
  return server;
}

const post = (url: string, body: object, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
const QUERY = { query: "query Named { datanets { totalCount } }" };

describe("rates", () => {
  test("a client that asks too often is told when to come back; another is not held up", async () => {
    const { url } = await serve({ rate: { perSecond: 0.001, burst: 2 }, trustsProxy: true });
    const from = (address: string) => post(url, QUERY, { "x-forwarded-for": `203.0.113.9, ${address}` });
    expect([(await from("198.51.100.1")).status, (await from("198.51.100.1")).status]).toEqual([200, 200]);
    const refused = await from("198.51.100.1");
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(900);
    expect(await refused.json()).toMatchObject({ errors: [{ extensions: { code: "RATE_LIMITED" } }] });
    expect((await from("198.51.100.2")).status).toBe(200);
  });

  test("an operation over WebSocket counts, and so does the socket", async () => {
    const { url } = await serve({ rate: { perSecond: 0.001, burst: 2 } });
    const first = await overWebSocket(url, "{ datanets { totalCount } }");
    await first.until(1);
    const refused = new WebSocket(url.replace("http", "ws"), "graphql-transport-ws");
    const error = await new Promise<Error>((resolve) => refused.once("error", resolve));
    expect(error.message).toContain("429");
    await first.stop();
  });

  test("clients are IPv4 addresses and IPv6 networks; what a client claims is believed behind a proxy only", () => {
    const from = (remoteAddress: string, forwarded?: string) =>
      ({ socket: { remoteAddress }, headers: { "x-forwarded-for": forwarded } }) as unknown as IncomingMessage;
    expect(clientOf(from("192.0.2.1"), false)).toBe("192.0.2.1");
    expect(clientOf(from("::ffff:192.0.2.1"), false)).toBe("192.0.2.1");
    expect(clientOf(from("2001:db8::1"), false)).toBe(clientOf(from("2001:db8:0:0:ffff::2"), false));
    expect(clientOf(from("2001:db8::1"), false)).toBe("2001:db8:0:0::/64");
    expect(clientOf(from("2001:db8:0:1::1"), false)).toBe("2001:db8:0:1::/64");
    expect(clientOf(from("::1"), false)).toBe("0:0:0:0::/64");
    expect(clientOf(from("fe80::1%eth0"), false)).toBe("fe80:0:0:0::/64");
    expect(clientOf(from("192.0.2.1", "1.1.1.1, 2.2.2.2"), false)).toBe("192.0.2.1");
    expect(clientOf(from("192.0.2.1", "1.1.1.1, 2.2.2.2"), true)).toBe("2.2.2.2");
    expect(clientOf(from("192.0.2.1"), true)).toBe("192.0.2.1");
  });

  test("a bucket fills again", () => {
    const rates = new ClientRates({ perSecond: 2, burst: 1 });
    expect([rates.take("a", 0), rates.take("a", 0), rates.take("a", 500)]).toEqual([undefined, 500, undefined]);
    expect(new ClientRates(undefined).take("a", 0)).toBeUndefined();
  });
});

describe("slow queries", () => {
  test("the log names operation, hash, cost and time, and no value", async () => {
    const { url } = await serve({ slowMs: 0 });
    const query = "query Mine($owner: Address) { datanets(first: 20, owner: $owner) { nodes { id } } }";
    await post(url, { query, variables: { owner: "0xac00000000000000000000000000000000000001" } });
    expect(logged).toHaveLength(1);
    const [{ level, fields, message }] = logged as [(typeof logged)[number]];
    expect([level, message]).toEqual(["warn", "slow GraphQL query"]);
    expect(Object.keys(fields).sort()).toEqual(["cost", "durationMs", "operation", "sha256"]);
    expect(fields).toMatchObject({ operation: "Mine", sha256: sha256Of(query) });
    expect((fields as { cost: number }).cost).toBeGreaterThan(20);
    expect(JSON.stringify(logged)).not.toContain("ac0000");
  });

  test("what is quick is not logged", async () => {
    const { url } = await serve({ slowMs: 60_000 });
    expect((await post(url, QUERY)).status).toBe(200);
    expect(logged).toEqual([]);
  });
});

describe("persisted operations", () => {
  const hash = { persistedQuery: { version: 1, sha256Hash: sha256Of(QUERY.query) } };

  test("Apollo's protocol over POST, GET and WebSocket", async () => {
    const { url } = await serve();
    const missed = await post(url, { extensions: hash });
    expect(missed.status).toBe(200);
    expect(await missed.json()).toMatchObject({
      errors: [{ message: "PersistedQueryNotFound", extensions: { code: "PERSISTED_QUERY_NOT_FOUND" } }],
    });
    expect(await (await post(url, { ...QUERY, extensions: hash })).json()).toEqual({
      data: { datanets: { totalCount: 2 } },
    });
    const got = await fetch(`${url}?extensions=${encodeURIComponent(JSON.stringify(hash))}`);
    expect(await got.json()).toEqual({ data: { datanets: { totalCount: 2 } } });
    const socket = await overWebSocket(url, "", hash);
    await socket.until(1);
    expect(socket.events).toEqual([{ data: { datanets: { totalCount: 2 } } }]);
    await socket.stop();
  });

  test("a server may run nothing else", async () => {
    const folder = mkdtempSync(join(tmpdir(), "openledger-only-"));
    writeFileSync(join(folder, "named.graphql"), QUERY.query);
    const { url } = await serve({ operations: { path: folder, only: true } });
    rmSync(folder, { recursive: true });
    expect((await post(url, { extensions: hash })).status).toBe(200);
    const refused = await post(url, { query: "{ __typename }" });
    expect(refused.status).toBe(403);
    expect(await refused.json()).toMatchObject({ errors: [{ extensions: { code: "PERSISTED_QUERY_ONLY" } }] });
    const socket = await overWebSocket(url, "{ __typename }");
    await socket.until(1);
    expect(socket.events[0]?.errors?.[0]?.extensions?.code).toBe("PERSISTED_QUERY_ONLY");
    await socket.stop();
  });
});

test.each(STORES)("requests read $name side by side: a slow one holds up no other", async ({ newLocation }) => {
  const read = createIndexer({ source: chain, location: await newLocation() });
  await read.start();
  await read.caughtUp();
  const readers = openReader(read.location, { connections: 2 });
  const blocks = async (snapshot: Kysely<Database>): Promise<number> =>
    (await snapshot.selectFrom("blocks").select("block").execute()).length;
  const slow = await readers.startTransaction().execute();
  expect(await blocks(slow)).toBe(chain.blocks.length);
  const other = await readers.startTransaction().execute();
  expect(await blocks(other)).toBe(chain.blocks.length);
  await other.rollback().execute();
  await slow.rollback().execute();
  await readers.destroy();
  await read.stop();
});

describe("a database in trouble", () => {
  const ask = async (server: GraphqlServer): Promise<[number, string | undefined]> => {
    const response = await post(server.url, QUERY);
    return [response.status, ((await response.json()) as Event).errors?.[0]?.extensions?.code];
  };

  /** Whoever reads the table waits until the client is ended. */
  async function lockDatanets(place: string): Promise<pg.Client> {
    const url = new URL(place);
    const schema = url.searchParams.get("schema");
    url.searchParams.delete("schema");
    const holder = new pg.Client({ connectionString: url.href });
    await holder.connect();
    await holder.query(`BEGIN; LOCK TABLE "${schema}"."datanets" IN ACCESS EXCLUSIVE MODE`);
    return holder;
  }

  test("heavy queries leave room for the others", async () => {
    const held = createIndexer({ source: chain, location: await POSTGRES.newLocation() });
    await held.start();
    await held.caughtUp();
    const server = await serve({ location: held.location, timeoutMs: 60_000 });
    const holder = await lockDatanets(held.location);
    const query = "{ datanets(first: 1000) { nodes { id name domain licence access bond } } }";
    const heavy = Array.from({ length: 6 }, () => post(server.url, { query }));
    const waiting =
      "SELECT count(*)::int AS count FROM pg_locks WHERE relation IN (SELECT oid FROM pg_class WHERE relname = 'datanets') AND NOT granted";
    for (let count = 0; count < 2; ) ({ count } = (await holder.query<{ count: number }>(waiting)).rows[0]!);
    const light = await post(server.url, { query: "{ _meta { block { number } } }" });
    expect(await light.json()).toMatchObject({ data: { _meta: { block: {} } } });
    await holder.end();
    for (const response of await Promise.all(heavy)) expect(response.status).toBe(200);
    await held.stop();
  });

  test("a statement of PostgreSQL that does not end in time is given up with a clear error", async () => {
    const held = createIndexer({ source: chain, location: await POSTGRES.newLocation() });
    await held.start();
    await held.caughtUp();
    const server = await serve({ location: held.location, timeoutMs: 200 });
    expect(await ask(server)).toEqual([200, undefined]);
    const holder = await lockDatanets(held.location);
    expect(await ask(server)).toEqual([200, "TIMEOUT"]);
    await holder.end();
    expect(await ask(server)).toEqual([200, undefined]);
    await held.stop();
  });

  test("one that cannot be reached is said to be, and why is logged only", async () => {
    for (const nowhere of ["/nowhere/index.sqlite", "postgres://nobody@127.0.0.1:1/nothing"]) {
      expect(await ask(await serve({ location: nowhere }))).toEqual([503, "UNAVAILABLE"]);
    }
    expect(logged.map(({ message }) => message)).toEqual(["the index cannot be read", "the index cannot be read"]);
  });
});

describe("health", () => {
  const get = async (server: GraphqlServer, path: string): Promise<[number, Record<string, unknown>]> => {
    const response = await fetch(new URL(path, server.url));
    return [response.status, (await response.json()) as Record<string, unknown>];
  };

  test("an index that follows its chain is ready", async () => {
    const server = await serve();
    expect(await get(server, "/health")).toEqual([200, { status: "ok" }]);
    expect(await get(server, "/ready")).toMatchObject([200, { status: "ready", block: 12, head: 12 }]);
  });

  test("one that has halted is not, and answers all the same", async () => {
    const { chain: broken } = standardChain("broken");
    const halting = createIndexer({ source: broken, location: await SQLITE.newLocation() });
    await halting.start();
    await halting.caughtUp();
    broken.append([[{ eventName: "PricesSet", args: { modelId: 50n, requestPrice: 1n, outputPrice: 1n } }]]);
    await expect(halting.caughtUp()).rejects.toThrow("models 50 is unknown");
    const server = await serve({ location: halting.location });
    expect(await get(server, "/health")).toEqual([200, { status: "ok" }]);
    const [status, { reason }] = await get(server, "/ready");
    expect([status, reason]).toEqual([503, expect.stringContaining("models 50 is unknown")]);
    await halting.stop();
  });

  test("one that cannot be read is neither", async () => {
    const server = await serve({ location: "/nowhere/index.sqlite" });
    expect((await get(server, "/health"))[0]).toBe(503);
    expect((await get(server, "/ready"))[0]).toBe(503);
  });
});

describe("sockets and streams", () => {
  const upgrade = (server: GraphqlServer, headers: Record<string, string>, path = "/graphql"): Promise<number> =>
    new Promise((resolve, reject) => {
      const sent = httpRequest({
        host: "127.0.0.1",
        port: server.port,
        path,
        headers: {
          connection: "Upgrade",
          upgrade: "websocket",
          "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
          "sec-websocket-version": "13",
          "sec-websocket-protocol": "graphql-transport-ws",
          ...headers,
        },
      });
      sent.on("upgrade", (response, socket) => {
        socket.destroy();
        resolve(response.statusCode as number);
      });
      sent.on("response", (response) => {
        response.resume();
        resolve(response.statusCode as number);
      });
      sent.on("error", reject);
      sent.end();
    });

  test("a page of another origin, a foreign host and another path open no WebSocket", async () => {
    const server = await serve({ corsOrigins: ["https://dapp.example"] });
    expect(await upgrade(server, {})).toBe(101);
    expect(await upgrade(server, { origin: "https://dapp.example" })).toBe(101);
    expect(await upgrade(server, { host: "localhost:4000", origin: "http://localhost:4000" })).toBe(101);
    expect(await upgrade(server, { origin: "https://evil.example" })).toBe(403);
    expect(await upgrade(server, { host: "evil.example" })).toBe(403);
    expect(await upgrade(server, {}, "/other")).toBe(404);
  });

  test("a socket that sends rubbish is closed, a message too long is, and the server goes on", async () => {
    const { url } = await serve();
    for (const message of [
      "{",
      "[]",
      '{"type":"subscribe"}',
      `{"type":"ping","payload":{"a":"${"x".repeat(200_000)}"}}`,
    ]) {
      const socket = new WebSocket(url.replace("http", "ws"), "graphql-transport-ws");
      const code = await new Promise<number>((resolve) => {
        socket.once("open", () => socket.send(message));
        socket.once("close", resolve);
      });
      expect([1009, 4400, 4401]).toContain(code);
    }
    expect((await post(url, QUERY)).status).toBe(200);
    expect(logged).toEqual([]);
  });

  test("a socket that does not answer pings is cut off", async () => {
    const { url } = await serve({ heartbeatMs: 20 });
    const silent = new WebSocket(url.replace("http", "ws"), "graphql-transport-ws", { autoPong: false });
    expect(await new Promise<number>((resolve) => silent.once("close", resolve))).toBe(1006);
  });

  test("a stream whose client has gone gives its place back", async () => {
    const { url } = await serve({ maxSubscribers: 1 });
    const first = await overSse(url, "subscription { head { number } }");
    const refused = await overSse(url, "subscription { head { number } }");
    await refused.until(1);
    expect(refused.events[0]?.errors?.[0]?.extensions?.code).toBe("TOO_MANY_SUBSCRIBERS");
    await first.stop();
    for (;;) {
      const next = await overSse(url, "subscription { head { number } }");
      chain.append();
      await next.until(1);
      await next.stop();
      if (next.events[0]?.errors === undefined) break;
    }
  });

  test("a client that goes away in the middle of its request leaves nothing behind", async () => {
    const { port, url } = await serve();
    for (const text of ["POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-length: 50\r\n\r\n{", "GET /gr"]) {
      const socket = connect(port, "127.0.0.1");
      await new Promise<void>((resolve) => socket.write(text, () => resolve()));
      socket.destroy();
    }
    expect((await post(url, QUERY)).status).toBe(200);
    expect(logged).toEqual([]);
  });
});
