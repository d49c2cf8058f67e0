/** Many WebSocket clients that want every block: from the commit of a block in the index until the last of them has it. */
import { once } from "node:events";
import { type Client, createClient } from "graphql-ws";
import WebSocket from "ws";
import { startGraphqlThread } from "../indexer/server-thread.ts";
import { createIndexer } from "../indexer/store.ts";
import { type BenchChain, GrowingChain } from "./index-chain.ts";
import { print } from "./index-print.ts";
import { quantile } from "./quantile.ts";

const POLL_MS = 50;

/** Precondition: the index holds the chain up to block `from`. */
export async function measureSubscriptions(
  store: string,
  location: string,
  whole: BenchChain,
  from: number,
  clients: number,
): Promise<void> {
  const source = new GrowingChain(whole, from);
  const indexer = createIndexer({ source, location });
  await indexer.start();
  await indexer.caughtUp();
  const noLimit = { perSecond: Number.POSITIVE_INFINITY, burst: Number.POSITIVE_INFINITY };
  const options = { location, host: "127.0.0.1", port: 0, rate: noLimit, maxSubscribers: clients, pollMs: POLL_MS };
  const server = await startGraphqlThread(options);
  const opened: Client[] = [];
  try {
    const seen = new Map<number, number>();
    let complete = (): void => {};
    for (let i = 0; i < clients; i++) {
      const client = await connected(server.url.replace("http", "ws"));
      opened.push(client);
      client.subscribe<{ head: { number: string } }>(
        { query: "subscription { head { number } }" },
        {
          next({ data }) {
            const number = Number(data?.head.number);
            const count = (seen.get(number) ?? 0) + 1;
            seen.set(number, count);
            if (count === clients) complete();
          },
          error(error) {
            throw error instanceof Error ? error : new Error(JSON.stringify(error));
          },
          complete() {},
        },
      );
    }
    const times: number[] = [];
    while (source.head.number < whole.head.number) {
      const all = new Promise<void>((resolve) => {
        complete = resolve;
      });
      source.grow();
      await indexer.caughtUp();
      const startMs = performance.now();
      await all;
      times.push(performance.now() - startMs);
      source.prepare();
    }
    print(`${store}.subscribers`, clients, "clients");
    print(`${store}.subscribers.last-has-block.p50`, quantile(times, 0.5), "ms");
    print(`${store}.subscribers.last-has-block.p99`, quantile(times, 0.99), "ms");
  } finally {
    for (const client of opened) await client.dispose();
    await server.close();
    await indexer.stop();
  }
}

async function connected(url: string): Promise<Client> {
  let socket: WebSocket | undefined;
  class Socket extends WebSocket {
    constructor(address: string, protocols: string[]) {
      super(address, protocols);
      socket = this;
    }
  }
  const client = createClient({ url, webSocketImpl: Socket, lazy: false, retryAttempts: 0 });
  while (socket === undefined) await new Promise((resolve) => setImmediate(resolve));
  if ((socket as WebSocket).readyState !== WebSocket.OPEN) await once(socket, "open");
  return client;
}
