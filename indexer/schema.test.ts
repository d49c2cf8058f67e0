import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { graphql } from "graphql/index.js";
import type { Kysely } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { insert } from "./changes.ts";
import { EDGE_KIND, NODE_KIND } from "./codes.ts";
import { openIndex, openReader } from "./database.ts";
import { walk } from "./lineage.ts";
import { Reader } from "./loaders.ts";
import { cursorOf, type ListOrder } from "./paging.ts";
import { schema } from "./schema.ts";
import type { Database, Row, Stored } from "./tables.ts";
import { chainOf, STEP_KINDS, type Step, standardChain } from "./testing/histories.ts";
import { freshIndex } from "./testing/rows.ts";
import { applyBlocks } from "./writer.ts";

let folder: string;
let statements: string[] = [];
let files = 0;
const newPath = (): string => join(folder, `index-${files++}.sqlite`);
const open = (path: string): Kysely<Database> =>
  openReader(path, { connections: 1, beforeStatement: (sql) => void statements.push(sql) });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "schema-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function statementsOf(db: Kysely<Database>, source: string): Promise<number> {
  statements = [];
  const contextValue = { reader: new Reader(db, 10_000) };
  const { errors } = await graphql({ schema, source, contextValue });
  expect(errors).toBeUndefined();
  return statements.length;
}

test("a query costs statements by its levels, not by its rows", async () => {
  const { chain } = standardChain();
  const path = newPath();
  await freshIndex(chain, path);
  const db = open(path);
  const query = (first: number): string => `{
    rewards(first: ${first}) { nodes {
      account { accrued rewardTotals { amount } } block { number } model { parent { name } }
      contribution { earned datanet { acceptedCount versionCount } parents { id } history { block { hash } } }
      inference { attributions { weight paid licence contributor { claimable } } model { flattenedData { datanet { name } } } }
    } }
  }`;
  const few = await statementsOf(db, query(3));
  const all = await statementsOf(db, query(50));
  // The last rows are of other kinds, which bring the model's parent; more rows bring no more.
  expect(all).toBeLessThanOrEqual(few + 2);
  expect(all).toBeLessThan(25);
  await db.destroy();
});

test("pages cover every row exactly once while rows are added", async () => {
  const steps: fc.Arbitrary<Step[]> = fc.array(
    fc.record({ kind: fc.nat(STEP_KINDS - 1), a: fc.nat(40), b: fc.nat(40), seal: fc.boolean() }),
    { minLength: 40, maxLength: 80 },
  );
  const table = fc.constantFrom("contributions", "rewards", "inferences", "grants", "versions", "hosts" as const);
  const order = fc.constantFrom<ListOrder>("OLDEST", "NEWEST");
  await fc.assert(
    fc.asyncProperty(steps, table, order, fc.integer({ min: 1, max: 7 }), async (history, table, order, first) => {
      const chain = chainOf(history);
      const path = newPath();
      await freshIndex(chain.fork(Math.ceil(chain.blocks.length / 2)), path);
      const db = open(path);
      const reader = new Reader(db, 10_000);
      const names = (page: { rows: readonly Stored<typeof table>[] }): string[] =>
        page.rows.map((row) => cursorOf(table, row));
      const everything = { first: 1_000, order };
      const before = names(await reader.page(table, {}, everything));
      const seen: string[] = [];
      for (let more = true; more; ) {
        const page = await reader.page(table, {}, { first, order, after: seen.at(-1) });
        // The other half of the chain arrives after the first page.
        if (seen.length === 0) await freshIndex(chain, path);
        seen.push(...names(page));
        more = page.hasNextPage;
      }
      const whole = await reader.page(table, {}, everything);
      // Newer rows come at one end: the oldest-first list goes on to them, the newest-first list has passed them.
      const expected = order === "NEWEST" || before.length <= first ? before : names(whole);
      expect(seen).toEqual(expected);
      expect(await reader.count(whole)).toBe(whole.rows.length);
      await db.destroy();
    }),
    { numRuns: 20 },
  );
});

/** A graph of `levels` levels of `width` models, each derived from every model of the next level. */
function denseEdges(levels: number, width: number): Row<"edges">[] {
  const edge = (from_kind: number, from_id: number, to_id: number, ordinal: number): Row<"edges"> => ({
    block: 0,
    log_index: from_id,
    tx_hash: new Uint8Array(32),
    ordinal,
    kind: EDGE_KIND.DERIVED_FROM,
    from_kind,
    from_id,
    to_kind: NODE_KIND.MODEL,
    to_id,
    weight: null,
    detail: null,
  });
  const id = (level: number, i: number): number => 1_000 + level * width + i;
  const all = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
  return [
    ...all(width).map((i) => edge(NODE_KIND.OUTPUT, 1, id(0, i), i)),
    ...all(levels - 1).flatMap((level) =>
      all(width).flatMap((i) => all(width).map((j) => edge(NODE_KIND.MODEL, id(level, i), id(level + 1, j), j))),
    ),
  ];
}

const output = { kind: NODE_KIND.OUTPUT, id: 1 };

test("a dense graph, whose paths are beyond counting, costs its nodes and edges", async () => {
  const path = newPath();
  const { db, bulk, missingIndexes, createIndexes } = await openIndex(path);
  await createIndexes([...(await missingIndexes()).values()]);
  const edges = denseEdges(16, 8);
  const changes = edges.map((row) => insert("edges", row));
  await db.transaction().execute((transaction) => applyBlocks(transaction, bulk, [{ number: 0, changes }]));
  await db.destroy();
  const reader = new Reader(open(path), 10_000);
  const whole = await walk(reader, [output], { direction: "UPSTREAM", maxDepth: 20, maxNodes: 1_000 });
  expect(whole).toMatchObject({ truncated: false });
  expect([whole.nodes.length, whole.edges.length]).toEqual([1 + 16 * 8, edges.length]);
  for (const [maxDepth, maxNodes, count] of [
    [3, 1_000, 1 + 3 * 8],
    [20, 100, 100],
  ] as const) {
    const cut = await walk(reader, [output], { direction: "UPSTREAM", maxDepth, maxNodes });
    expect(cut.truncated).toBe(true);
    expect(cut.nodes.length).toBe(count);
    const names = new Set(cut.nodes.map(({ kind, id }) => `${kind}:${id}`));
    for (const row of cut.edges) {
      expect(names.has(`${row.from_kind}:${row.from_id}`) && names.has(`${row.to_kind}:${row.to_id}`)).toBe(true);
    }
  }
  await reader.db.destroy();
});
