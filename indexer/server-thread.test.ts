import { once } from "node:events";
import { createServer } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import type { GraphqlServer } from "./server-options.ts";
import { startGraphqlThread } from "./server-thread.ts";
import { createIndexer } from "./store.ts";
import { superviseThread } from "./supervised-thread.ts";
import { standardChain } from "./testing/histories.ts";
import { SQLITE } from "./testing/stores.ts";
import { overSse, overWebSocket } from "./testing/subscriber.ts";

const logged: { fields: Record<string, unknown>; message: string }[] = [];
const note = (fields: object, message: string) => void logged.push({ fields: { ...fields }, message });
const log = { info: note, warn: note, error: note };
const messages = () => logged.map(({ message }) => message);

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  logged.length = 0;
});
const closing = (server: GraphqlServer): GraphqlServer => {
  closers.push(() => server.close());
  return server;
};

describe("a thread that serves", () => {
  test("answers, follows, logs, and ends subscriptions when it is closed", async () => {
    const { chain } = standardChain();
    const indexer = createIndexer({ source: chain, location: await SQLITE.newLocation() });
    await indexer.start();
    closers.push(() => indexer.stop());
    await indexer.caughtUp();
    const { location } = indexer;
    const server = closing(
      await startGraphqlThread({ location, host: "127.0.0.1", port: 0, slowMs: 0, pollMs: 5, log }),
    );
    const response = await fetch(`${server.url}?query=query Named{_meta{hasIndexingErrors block{number}}}`);
    expect(await response.json()).toEqual({ data: { _meta: { hasIndexingErrors: false, block: { number: "12" } } } });
    while (logged.length === 0) await turn();
    expect(logged).toMatchObject([{ fields: { operation: "Named" }, message: "slow GraphQL query" }]);

    const stream = await overSse(server.url, "subscription { head { number } }");
    const socket = await overWebSocket(server.url, "{ _meta { block { number } } }");
    chain.append();
    await stream.until(1);
    await socket.until(1);
    expect(stream.events).toEqual([{ data: { head: { number: "13" } }, extensions: { block: 13 } }]);
    await server.close();
    await stream.ended;
    await socket.stop();
    await expect(fetch(server.url)).rejects.toThrow();
    expect(messages()).not.toContain("the GraphQL thread has ended: another one is started");
  });
});

test("what keeps it from starting is said as createGraphqlServer says it", async () => {
  const blocker = createServer().listen(0, "127.0.0.1");
  await once(blocker, "listening");
  const { port } = blocker.address() as { port: number };
  const options = { location: "/nowhere", host: "127.0.0.1" };
  await expect(startGraphqlThread({ ...options, port })).rejects.toMatchObject({ code: "EADDRINUSE" });
  blocker.close();
});

describe("a thread that fails", () => {
  const script = new URL("./testing/failing-worker.ts", import.meta.url);
  const supervised = async (silentMs = 60_000): Promise<GraphqlServer> =>
    closing(
      await superviseThread({
        name: "GraphQL",
        data: { port: 0 },
        log,
        supervision: { script, pingMs: 10, silentMs, restartMs: 1 },
      }),
    );
  const ask = async (server: GraphqlServer, path: string): Promise<string | undefined> => {
    try {
      return await (await fetch(new URL(path, server.url))).text();
    } catch {
      return undefined;
    }
  };

  test.each([
    ["/throw", "the GraphQL thread failed"],
    ["/exit", "the GraphQL thread has ended: another one is started"],
  ])("%s: another one serves on the same port", async (path, message) => {
    const server = await supervised();
    const first = await ask(server, "/");
    expect(first).toMatch(/^\d+$/);
    await ask(server, path);
    let second: string | undefined;
    while (second === undefined || second === first) second = await ask(server, "/");
    expect(second).toMatch(/^\d+$/);
    expect(messages()).toContain(message);
  });

  test("one that does not answer is ended, and this thread goes on meanwhile", async () => {
    const server = await supervised(300);
    const first = await ask(server, "/");
    expect(await ask(server, "/spin")).toBeUndefined();
    let second: string | undefined;
    while (second === undefined || second === first) second = await ask(server, "/");
    expect(messages()).toContain("the GraphQL thread does not answer: ending it");
  });

  test("closing ends one that is spinning", async () => {
    const server = await supervised(300);
    const spinning = ask(server, "/spin");
    await server.close();
    expect(await spinning).toBeUndefined();
  });
});
