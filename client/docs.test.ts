/** The examples in docs/graphql.md, each run against a real index. */
import { execFile } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testAddress, testHash } from "../indexer/testing/fake-chain.ts";
import { createLineageClient } from "./lineage.js";
import { type LiveIndex, liveIndex } from "./testing/live-index.ts";

const text = readFileSync(new URL("../docs/graphql.md", import.meta.url), "utf8");
const [alice, root] = [testAddress(1), testHash("output 1")];

let index: LiveIndex;
beforeAll(async () => {
  index = await liveIndex();
});
afterAll(() => index.close());

/** The document's examples in a language, about this index. */
const examples = (language: string): string[] =>
  [...text.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, "g"))].map(([, example = ""]) =>
    example
      .replaceAll("http://127.0.0.1:4000/graphql", index.url)
      .replaceAll("0x70997970C51812dc3A010C7d01b50e0d17dc79C8", alice)
      .replaceAll(`0x${"1".repeat(64)}`, root),
  );

/** Whether there is something to see wherever something may be missing. */
function isFull(value: unknown): boolean {
  if (value === null) return false;
  if (Array.isArray(value)) return value.length > 0;
  return typeof value !== "object" || Object.values(value).every(isFull);
}

test("queries have answers, and something in them", async () => {
  const client = createLineageClient({ url: index.url });
  const queries = examples("graphql");
  expect(queries.length).toBeGreaterThan(3);
  for (const query of queries) expect(isFull(await client.query(query)), query).toBe(true);
});

test("curl", async () => {
  const [query, subscription, ...others] = examples("sh").map((line) => JSON.parse(/-d '([\s\S]*)'/.exec(line)![1]!));
  expect(others).toEqual([]);
  const client = createLineageClient({ url: index.url });
  expect(isFull(await client.query(query.query, query.variables))).toBe(true);
  const events = client.subscribe<{ rewardEarned: { amount: string } }>(subscription.query);
  const first = events.next();
  const { chain, ledger } = index;
  const timer = setInterval(() => {
    chain.append([ledger.request(2, testAddress(4), testAddress(5))]);
    chain.append([ledger.commit([1], [40]), ledger.settle()]);
  }, 20);
  expect((await first).value?.rewardEarned.amount).toMatch(/^\d+$/);
  clearInterval(timer);
  await events.return();
});

test("TypeScript, imported as the package's own entry", async () => {
  const [program = ""] = examples("ts");
  // A package may import itself by its name, from within its folder.
  const file = fileURLToPath(new URL(`./testing/.example-${process.pid}.ts`, import.meta.url));
  writeFileSync(file, program);
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [file]);
    expect(stdout).toMatch(/^0x\w{40} [\d.]+ % under \S+: \d+ wei\n/);
    expect(stdout).toMatch(/\n\d+ wei, all of it final\ncontribution 1: \d+ wei\n/);
    expect(stdout).toMatch(/\n\d+ wei for output 1 \(\S+\)\nBAD_USER_INPUT\n$/);
  } finally {
    rmSync(file);
  }
});

test("Python's query", async () => {
  const [program = ""] = examples("python");
  const query = /"""([\s\S]*?)"""/.exec(program)?.[1] ?? "";
  const answer = await createLineageClient({ url: index.url }).query<{ rewards: { nodes: { amount: string }[] } }>(
    query,
    {
      account: alice,
      after: null,
    },
  );
  expect(answer.rewards.nodes.length).toBeGreaterThan(0);
});
