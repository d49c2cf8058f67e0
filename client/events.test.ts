/** Subscriptions on connections that break: what a server over a bad network sends. */
import type { ServerResponse } from "node:http";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createLineageClient, type LineageError, type SubscribeOptions } from "./lineage.js";
import { scriptedServer } from "./testing/scripted-server.ts";

const SUBSCRIPTION = "subscription { head { number } }";
const next = (n: number): string => `event: next\ndata: {"data":{"n":${n}}}\n\n`;
const refused = (code: string): string =>
  `event: next\ndata: {"errors":[{"message":"so it is","extensions":{"code":"${code}"}}]}\n\n`;
const COMPLETE = "event: complete\ndata:\n\n";

/** A server whose n-th connection does what the n-th script says, the last one for all after it. */
function serverOf(...scripts: ((response: ServerResponse) => void)[]): Promise<string> {
  let connections = 0;
  return scriptedServer((_, response) => {
    const script = scripts[Math.min(connections, scripts.length - 1)];
    connections += 1;
    response.setHeader("content-type", "text/event-stream");
    script?.(response);
  });
}

const sends =
  (...parts: (string | Uint8Array)[]) =>
  (response: ServerResponse): void => {
    for (const part of parts) response.write(part);
    response.end();
  };
/** Sends and then breaks. */
const breaks =
  (part: string) =>
  (response: ServerResponse): void => {
    response.write(part, () => response.destroy());
  };

/** The first `count` events. */
async function eventsOf(url: string, count: number, options: SubscribeOptions = {}): Promise<number[]> {
  const seen: number[] = [];
  const events = createLineageClient({ url }).subscribe<{ n: number }>(SUBSCRIPTION, {}, options);
  for await (const { n } of events) if (seen.push(n) === count) break;
  return seen;
}

test("events are the same however the bytes come", async () => {
  const text = `: hello\r\n\r\n${next(1)}:\n\n${next(2).replaceAll("\n", "\r\n")}event: next\ndata: {"data":\ndata: {"n":3,"é":"€"}}\n\n${COMPLETE}`;
  const bytes = new TextEncoder().encode(text);
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.nat(bytes.length), { maxLength: 8 }), async (cuts) => {
      const ends = [...cuts.sort((a, b) => a - b), bytes.length];
      const parts = ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          for (const part of parts) if (part.length > 0) controller.enqueue(part);
          controller.close();
        },
      });
      const headers = { "content-type": "text/event-stream" };
      const client = createLineageClient({ url: "", fetch: async () => new Response(body, { headers }) });
      const seen: number[] = [];
      for await (const { n } of client.subscribe<{ n: number }>(SUBSCRIPTION)) if (seen.push(n) === 3) break;
      expect(seen).toEqual([1, 2, 3]);
    }),
    { numRuns: 100 },
  );
});

test("a broken connection is made anew, and the caller hears of it", async () => {
  const retries: LineageError[] = [];
  const url = await serverOf(
    breaks(next(1)),
    breaks(next(2).slice(0, 30)),
    (response) => response.writeHead(503).end("busy"),
    sends(next(3)),
    sends(next(4), COMPLETE),
    sends(next(5), refused("SLOW_CONSUMER")),
    sends(next(6)),
  );
  const seen = await eventsOf(url, 5, { retryMs: 1, onRetry: (reason) => retries.push(reason) });
  expect(seen).toEqual([1, 3, 4, 5, 6]);
  expect(retries.map(({ code }) => code)).toEqual([
    "UNREACHABLE",
    "UNREACHABLE",
    "HTTP",
    "UNREACHABLE",
    "UNREACHABLE",
    "SLOW_CONSUMER",
  ]);
});

test("a silent connection counts as broken", async () => {
  const url = await serverOf((response) => response.write(next(1)), sends(next(2), COMPLETE));
  expect(await eventsOf(url, 2, { idleTimeoutMs: 50, retryMs: 1 })).toEqual([1, 2]);
});

test("the silence that counts is the server's: who takes an event may take his time", async () => {
  let connections = 0;
  const url = await scriptedServer((_, response) => {
    connections += 1;
    response.setHeader("content-type", "text/event-stream");
    response.end(next(1) + next(2) + COMPLETE);
  });
  const events = createLineageClient({ url }).subscribe(SUBSCRIPTION, {}, { idleTimeoutMs: 20 });
  let seen = 0;
  for await (const _ of events) {
    await new Promise((resolve) => setTimeout(resolve, 40));
    seen += 1;
    if (seen === 2) break;
  }
  expect(connections).toBe(1);
});

test("attempts end", async () => {
  const url = await serverOf((response) => response.writeHead(502).end("gone"));
  await expect(eventsOf(url, 1, { retryMs: 1, maxRetries: 3 })).rejects.toMatchObject({ code: "HTTP", status: 502 });
});

test.each([
  [400, "application/json", '{"errors":[{"message":"no such field"}]}', { code: "HTTP", status: 400 }],
  [200, "text/html", "<html>", { code: "BAD_ANSWER", status: 200 }],
  [200, "text/event-stream", refused("REWOUND"), { code: "REWOUND", message: "so it is" }],
])("what another attempt would not change ends it: %i %s", async (status, type, body, error) => {
  let connections = 0;
  const url = await scriptedServer((_, response) => {
    connections += 1;
    response.writeHead(status, { "content-type": type }).end(body);
  });
  await expect(eventsOf(url, 1)).rejects.toMatchObject(error);
  expect(connections).toBe(1);
});

test("leaving the loop and the signal both close the connection", async () => {
  const closed: Promise<void>[] = [];
  const url = await serverOf((response) => {
    closed.push(new Promise((resolve) => response.once("close", resolve)));
    response.write(next(1));
  });
  const client = createLineageClient({ url });
  for await (const _ of client.subscribe(SUBSCRIPTION)) break;
  const controller = new AbortController();
  const reason = new Error("enough");
  const read = (async () => {
    for await (const _ of client.subscribe(SUBSCRIPTION, {}, { signal: controller.signal })) controller.abort(reason);
  })();
  await expect(read).rejects.toBe(reason);
  expect(closed).toHaveLength(2);
  await Promise.all(closed);
});
