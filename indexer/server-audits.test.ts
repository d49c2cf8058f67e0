import { type AuditFail, serverAudits } from "graphql-http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createGraphqlServer } from "./server.ts";
import type { GraphqlServer } from "./server-options.ts";
import { createIndexer, type Indexer } from "./store.ts";
import { standardChain } from "./testing/histories.ts";
import { SQLITE } from "./testing/stores.ts";

let indexer: Indexer;
let server: GraphqlServer;

beforeAll(async () => {
  const location = await SQLITE.newLocation();
  indexer = createIndexer({ source: standardChain().chain, location });
  await indexer.start();
  await indexer.caughtUp();
  server = await createGraphqlServer({ location, host: "127.0.0.1", port: 0 });
});
afterAll(async () => {
  await server.close();
  await indexer.stop();
});

const audits = serverAudits({ url: () => server.url, fetchFn: fetch });

test("the suite is there", () => expect(audits.length).toBeGreaterThan(50));

test.each(audits.map((audit) => [audit.name, audit] as const))("%s", async (_, audit) => {
  const result = await audit.fn();
  expect((result as AuditFail).reason).toBeUndefined();
  expect(result.status).toBe("ok");
});
