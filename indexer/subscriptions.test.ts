import fc from "fast-check";
import { type ExecutionResult, GraphQLError, parse } from "graphql/index.js";
import type { Kysely } from "kysely";
import { afterEach, describe, expect, test } from "vitest";
import { openReader } from "./database.ts";
import { schema } from "./schema.ts";
import { createGraphqlServer } from "./server.ts";
import type { GraphqlServerOptions } from "./server-options.ts";
import { createIndexer, type Indexer } from "./store.ts";
import { EventFeed } from "./subscriptions.ts";
import type { Database } from "./tables.ts";
import { type FakeChain, testAddress } from "./testing/fake-chain.ts";
import { chainOf, STEP_KINDS, standardChain } from "./testing/histories.ts";
import { dumpIndex } from "./testing/rows.ts";
import { STORES } from "./testing/stores.ts";
import { overSse, overWebSocket, type Subscribe } from "./testing/subscriber.ts";

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function indexOf(source: FakeChain, location: string): Promise<Indexer> {
  const indexer = createIndexer({ source, location });
  await indexer.start();
  await indexer.caughtUp();
  closers.push(() => indexer.stop());
  return indexer;
}

interface FeedSetup {
  readonly maxUnread?: number;
  readonly maxReplayBlocks?: number;
  readonly maxSubscribers?: number;
  readonly beforeStatement?: (sql: string) => void;
}

/** Polls only when it is woken, so that a test says when blocks are seen. */
function feedOf(location: string, { beforeStatement, ...options }: FeedSetup = {}): EventFeed {
  const readers: Kysely<Database> = openReader(location, {
    connections: 1,
    ...(beforeStatement && { beforeStatement }),
  });
  const limits = {
    timeoutMs: 10_000,
    pollMs: 3_600_000,
    maxSubscribers: 100,
    maxUnread: 10_000,
    maxReplayBlocks: 1_000,
  };
  const feed = new EventFeed({ readers, log: undefined, retryMs: 1, ...limits, ...options });
  closers.push(async () => {
    await feed.close();
    await readers.destroy();
  });
  return feed;
}

const subscribeTo = (feed: EventFeed, query: string) => feed.subscribe({ schema, document: parse(query) });

async function listen(feed: EventFeed, query: string): Promise<AsyncGenerator<ExecutionResult>> {
  const results = await subscribeTo(feed, query);
  if (!(Symbol.asyncIterator in results)) throw new Error(`refused: ${results.errors?.[0]?.message}`);
  return results;
}

// biome-ignore lint/suspicious/noExplicitAny: events have the shape of the selection, which the assertions check.
async function take(results: AsyncGenerator<ExecutionResult>, count: number): Promise<any[]> {
  const taken: unknown[] = [];
  while (taken.length < count) {
    const { value, done } = await results.next();
    if (done) throw new Error(`ended after ${taken.length} of ${count} events`);
    expect(value.errors).toBeUndefined();
    taken.push(JSON.parse(JSON.stringify(Object.values(value.data ?? {})[0])));
  }
  return taken;
}

const steps = fc.array(fc.record({ kind: fc.nat(STEP_KINDS - 1), a: fc.nat(50), b: fc.nat(50), seal: fc.boolean() }), {
  minLength: 20,
  maxLength: 60,
});

describe.each(STORES)("the feed on $name", ({ newLocation, runs }) => {
  test("every event of every later block, once, in order, however the blocks arrive, though statements fail", async () => {
    const splits = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(steps, splits, fc.nat(40), async (history, chunks, failAt) => {
        const whole = chainOf(history);
        const start = 2;
        const chain = whole.fork(start + 1);
        const location = await newLocation();
        const indexer = await indexOf(chain, location);
        let statements = 0;
        const beforeStatement = (): void => {
          statements += 1;
          const error = Object.assign(new Error("gone"), { code: "ECONNRESET", syscall: "read" });
          // Not the first ones: those admit the subscribers, and a refusal is an answer too.
          if (statements > 20 && statements % 37 === failAt) throw error;
        };
        const feed = feedOf(location, { beforeStatement });
        const [heads, rewards, mine, spans, states, contributions] = await Promise.all([
          listen(feed, "subscription { head { number hash } }"),
          listen(feed, "subscription { rewardEarned { id amount kind account { address } } }"),
          listen(feed, `subscription { rewardEarned(contributor: "${testAddress(1)}") { id } }`),
          listen(feed, "subscription { attributionCreated { inference { id } contribution { id } weight } }"),
          listen(feed, "subscription { inferenceUpdated { id } }"),
          // Fields that cost statements of their own, which fail too.
          listen(feed, "subscription { contributionUpdated { id datanet { acceptedCount } contributor { accrued } } }"),
        ]);
        for (let next = start + 1, i = 0; next < whole.blocks.length; i++) {
          const count = chunks[i % chunks.length] as number;
          for (const block of whole.blocks.slice(next, next + count)) chain.commit(block);
          next += count;
          await indexer.caughtUp();
          feed.wake();
        }
        const last = whole.blocks.length - 1;
        const blocks = await take(heads, last - start);
        expect(blocks.map(({ number }) => Number(number))).toEqual(
          Array.from({ length: last - start }, (_, i) => start + 1 + i),
        );

        const rows = await dumpIndex(location);
        const rowsAfter = (table: string, column = "block") =>
          // biome-ignore lint/suspicious/noExplicitAny: rows of any table.
          (rows[table] as any[])
            .filter((row) => row[column] > start)
            .sort((a, b) => a[column] - b[column] || a.block - b.block || a.log_index - b.log_index);
        const earned = rowsAfter("rewards");
        const gotRewards = await take(rewards, earned.length);
        expect(gotRewards.map(({ id, amount }) => [id, amount])).toEqual(
          earned.map((row) => [`${row.block}-${row.log_index}`, `${row.amount}`]),
        );
        const own = earned.filter(({ account }) => account === testAddress(1).toLowerCase());
        expect((await take(mine, own.length)).map(({ id }) => id)).toEqual(
          own.map((row) => `${row.block}-${row.log_index}`),
        );
        const weights = new Map<string, number>();
        for (const { inference, contribution, weight } of rowsAfter("spans")) {
          const name = `${inference} ${contribution}`;
          weights.set(name, (weights.get(name) ?? 0) + weight);
        }
        const attributed = await take(spans, weights.size);
        expect(new Map(attributed.map((a) => [`${a.inference.id} ${a.contribution.id}`, Number(a.weight)]))).toEqual(
          weights,
        );
        const changed = rowsAfter("inferences", "valid_from").map(({ id }) => `${id}`);
        expect((await take(states, changed.length)).map(({ id }) => id)).toEqual(changed);
        const decided = rowsAfter("contributions", "valid_from").map(({ id }) => `${id}`);
        expect((await take(contributions, decided.length)).map(({ id }) => id)).toEqual(decided);

        // Nothing more: ended, each is at its end.
        await feed.close();
        for (const results of [heads, rewards, mine, spans, states, contributions]) {
          expect((await results.next()).done).toBe(true);
        }
      }),
      { numRuns: runs },
    );
  });

  test("who was cut off anywhere and subscribes again from the last block it saw has missed nothing", async () => {
    const cuts = fc.array(fc.tuple(fc.nat(12), fc.integer({ min: 1, max: 6 })), { minLength: 2, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(steps, cuts, fc.integer({ min: 1, max: 8 }), async (history, turns, maxUnread) => {
        const whole = chainOf(history);
        const chain = whole.fork(2);
        const location = await newLocation();
        const indexer = await indexOf(chain, location);
        const feed = feedOf(location, { maxUnread });
        // One that stays, which nobody who comes again may disturb.
        const heads = await listen(feed, "subscription { head { number } }");
        const seen = new Map<string, number>();
        let fromBlock = 1;
        const readFrom = async (results: AsyncGenerator<ExecutionResult>, count: number) => {
          for (let i = 0; i < count; i++) {
            // biome-ignore lint/suspicious/noExplicitAny: the selection's shape.
            const { data, errors, extensions } = (await results.next()).value as any;
            // It did not read while blocks came.
            if (errors?.[0].extensions.code === "SLOW_CONSUMER") return;
            expect(errors).toBeUndefined();
            const { id, block } = data.rewardEarned;
            expect(extensions).toEqual({ block: Number(block.number) });
            expect(extensions.block).toBeGreaterThanOrEqual(fromBlock);
            seen.set(id, extensions.block);
            fromBlock = extensions.block;
          }
        };
        const rewardsFrom = async (block: number) => {
          const { rewards } = (await dumpIndex(location)) as { rewards: { block: number }[] };
          return rewards.filter((row) => row.block >= block).length;
        };
        const subscribe = () =>
          listen(feed, `subscription { rewardEarned(fromBlock: ${fromBlock}) { id block { number } } }`);
        for (const [count, blocks] of turns) {
          const results = await subscribe();
          for (let i = 0; i < blocks && chain.blocks.length < whole.blocks.length; i++) {
            chain.commit(whole.blocks[chain.blocks.length]!);
            await indexer.caughtUp();
            feed.wake();
            await take(heads, 1);
          }
          await readFrom(results, Math.min(count, await rewardsFrom(fromBlock)));
          await results.return(undefined);
        }
        await readFrom(await subscribe(), await rewardsFrom(fromBlock));
        expect(seen.size).toBe(await rewardsFrom(1));
      }),
      { numRuns: Math.ceil(runs / 2) },
    );
  });

  test("an event's fields are those of its block", async () => {
    const { chain, ledger } = standardChain();
    const location = await newLocation();
    const indexer = await indexOf(chain, location);
    const feed = feedOf(location);
    const events = await listen(
      feed,
      "subscription { contributionUpdated(datanet: 2) { id status datanet { acceptedCount } contributor { contributions { totalCount } } } }",
    );
    const address = testAddress(7);
    const first = ledger.contributions.length + 1;
    chain.append([ledger.submit(2, address)]);
    chain.append([ledger.submit(2, address)]);
    chain.append([ledger.accept(first)]);
    chain.append([ledger.accept(first + 1)]);
    await indexer.caughtUp();
    feed.wake();
    expect(await take(events, 4)).toEqual([
      {
        id: `${first}`,
        status: "PENDING",
        datanet: { acceptedCount: 1 },
        contributor: { contributions: { totalCount: 1 } },
      },
      {
        id: `${first + 1}`,
        status: "PENDING",
        datanet: { acceptedCount: 1 },
        contributor: { contributions: { totalCount: 2 } },
      },
      {
        id: `${first}`,
        status: "ACCEPTED",
        datanet: { acceptedCount: 2 },
        contributor: { contributions: { totalCount: 2 } },
      },
      {
        id: `${first + 1}`,
        status: "ACCEPTED",
        datanet: { acceptedCount: 3 },
        contributor: { contributions: { totalCount: 2 } },
      },
    ]);
  });

  test("an index that was rewound and goes another way ends subscriptions with an error", async () => {
    const { chain } = standardChain();
    const location = await newLocation();
    const indexer = await indexOf(chain, location);
    const feed = feedOf(location);
    const heads = await listen(feed, "subscription { head { number } }");
    chain.append();
    await indexer.caughtUp();
    feed.wake();
    await take(heads, 1);
    await indexer.stop();
    const other = chain.fork(10);
    const rewound = await indexOf(other, location);
    // Below what was delivered it may be a replica that lags: nothing is said yet.
    feed.wake();
    const late = await listen(feed, "subscription { head { number } }");
    while (other.blocks.length < chain.blocks.length) other.append([], "other");
    await rewound.caughtUp();
    feed.wake();
    for (const ended of [heads, late]) {
      expect(await ended.next()).toMatchObject({ value: { errors: [{ extensions: { code: "REWOUND" } }] } });
      expect((await ended.next()).done).toBe(true);
    }
    expect(feed.subscribers).toBe(0);
    const again = await listen(feed, "subscription { head { number } }");
    other.append();
    await rewound.caughtUp();
    feed.wake();
    expect(await take(again, 1)).toEqual([{ number: `${chain.blocks.length}` }]);
  });
});

describe("bounds", () => {
  const [{ newLocation }] = STORES as [(typeof STORES)[number]];

  test("a client that does not read is dropped with an error, the others are not", async () => {
    const { chain } = standardChain();
    const location = await newLocation();
    const indexer = await indexOf(chain, location);
    const feed = feedOf(location, { maxUnread: 3 });
    const slow = await listen(feed, "subscription { head { number } }");
    const quick = await listen(feed, "subscription { head { number } }");
    for (let i = 0; i < 6; i++) {
      chain.append();
      await indexer.caughtUp();
      feed.wake();
      await take(quick, 1);
    }
    const { value } = await slow.next();
    expect(value.errors[0]).toBeInstanceOf(GraphQLError);
    expect(value.errors[0].extensions.code).toBe("SLOW_CONSUMER");
    expect(value.errors[0].message).toBe("the client left 4 events unread: read faster or select less");
    expect((await slow.next()).done).toBe(true);
    expect(feed.subscribers).toBe(1);
  });

  test("no more than a bounded part of the past is delivered again, and the future can be waited for", async () => {
    const { chain } = standardChain();
    const location = await newLocation();
    const indexer = await indexOf(chain, location);
    const maxReplayBlocks = 6;
    const feed = feedOf(location, { maxReplayBlocks });
    const head = chain.blocks.length - 1;
    const from = (block: number) => subscribeTo(feed, `subscription { head(fromBlock: ${block}) { number } }`);
    const first = head - maxReplayBlocks + 1;
    expect(await from(first - 1)).toMatchObject({
      errors: [
        {
          message: `fromBlock ${first - 1} is more than ${maxReplayBlocks} blocks before ${head}, the last one: ask for what is older with a query`,
          extensions: { code: "BAD_USER_INPUT" },
        },
      ],
    });
    expect(await from(-1)).toMatchObject({ errors: [{ message: "fromBlock must not be negative, and -1 is" }] });
    expect(feed.subscribers).toBe(0);
    const oldest = await listen(feed, `subscription { head(fromBlock: ${first}) { number } }`);
    expect(await take(oldest, 3)).toEqual([first, first + 1, first + 2].map((number) => ({ number: `${number}` })));
    const later = await listen(feed, `subscription { head(fromBlock: ${head + 3}) { number } }`);
    for (let i = 0; i < 4; i++) chain.append();
    await indexer.caughtUp();
    feed.wake();
    expect(await take(later, 2)).toEqual([{ number: `${head + 3}` }, { number: `${head + 4}` }]);
  });

  test("places are limited, and who leaves makes room, also while waiting for an event", async () => {
    const { chain } = standardChain();
    const location = await newLocation();
    await indexOf(chain, location);
    const feed = feedOf(location, { maxSubscribers: 2 });
    const [first] = await Promise.all([1, 2].map(() => listen(feed, "subscription { head { number } }")));
    const refused = await subscribeTo(feed, "subscription { head { number } }");
    expect(refused).toMatchObject({
      errors: [{ extensions: { code: "TOO_MANY_SUBSCRIBERS", http: { status: 503 } } }],
    });
    const waiting = first!.next();
    await first!.return(undefined);
    expect((await waiting).done).toBe(true);
    expect(feed.subscribers).toBe(1);
    await listen(feed, "subscription { head { number } }");
  });

  test("an index that cannot be read refuses, and a bad argument does", async () => {
    const feed = feedOf("/nowhere/index.sqlite");
    const refused = await subscribeTo(feed, "subscription { head { number } }");
    expect(refused).toMatchObject({ errors: [{ extensions: { code: "UNAVAILABLE" } }] });
    const bad = await subscribeTo(feed, "subscription { inferenceUpdated(id: 0) { id } }");
    expect((bad as ExecutionResult).errors?.[0]?.message).toBe('id must be a positive integer, not "0"');
  });
});

describe.each([
  ["SSE", overSse],
  ["WebSocket", overWebSocket],
] as const)("over %s", (_, subscribe: Subscribe) => {
  const [{ newLocation }] = STORES as [(typeof STORES)[number]];

  async function serve(options: Partial<GraphqlServerOptions> = {}) {
    const { chain, ledger } = standardChain();
    const location = await newLocation();
    const indexer = await indexOf(chain, location);
    const server = await createGraphqlServer({ location, host: "127.0.0.1", port: 0, pollMs: 5, ...options });
    closers.push(() => server.close());
    return { chain, ledger, indexer, server };
  }

  test("ten clients get the same blocks without a gap, and an end when the server stops", async () => {
    const { chain, server } = await serve();
    const clients = await Promise.all(
      Array.from({ length: 10 }, () => subscribe(server.url, "subscription { head { number } }")),
    );
    // Until all are in, and then some more at once.
    const isIn = Promise.all(clients.map((client) => client.until(1)));
    for (let done = false; !done; ) {
      chain.append();
      done = await Promise.race([isIn.then(() => true), new Promise<false>((r) => setTimeout(() => r(false), 5))]);
    }
    for (let i = 0; i < 30; i++) chain.append();
    const last = chain.blocks.length - 1;
    for (const client of clients) {
      const numbers = () => client.events.map(({ data }) => Number(data.head.number));
      while (numbers().at(-1) !== last) await client.until(client.events.length + 1);
      const [first = 0] = numbers();
      expect(numbers()).toEqual(Array.from({ length: last - first + 1 }, (_, i) => first + i));
    }
    await server.close();
    await Promise.all(clients.map((client) => client.ended));
    await Promise.all(clients.map((client) => client.stop()));
  });

  test("an event says its block, from which the next subscription goes on", async () => {
    const { chain, server } = await serve();
    const client = await subscribe(server.url, "subscription { head(fromBlock: 3) { number } }");
    await client.until(chain.blocks.length - 3);
    const numbers = client.events.map(({ data }) => Number(data.head.number));
    expect(numbers).toEqual(chain.blocks.map((_, i) => i).slice(3));
    expect(client.events.map(({ extensions }) => extensions?.block)).toEqual(numbers);
    await client.stop();
  });

  test("what is refused says why", async () => {
    const { server } = await serve({ maxSubscribers: 1 });
    const deep = "contributions(first: 1000) { nodes { id uri size status bond licence } }";
    const refusals = [
      ["subscription { head { nothing } }", 'Cannot query field "nothing" on type "Block".'],
      [`subscription { rewardEarned { account { ${deep} } } }`, /may resolve \d+ fields, the limit is 5000/],
      ['subscription { modelUpdated(id: "x") { id } }', 'id must be a positive integer, not "x"'],
      ["subscription {", "Syntax Error: Expected Name, found <EOF>."],
    ] as const;
    for (const [query, message] of refusals) {
      const client = await subscribe(server.url, query);
      await client.until(1);
      expect(client.events[0]?.errors?.[0]?.message).toMatch(message);
      await client.stop();
    }
  });
});
