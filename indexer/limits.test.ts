import { parse } from "graphql/index.js";
import { expect, test } from "vitest";
import { measureOperation } from "./limits.ts";
import { EDGES_PER_NODE } from "./lineage.ts";
import { schema } from "./schema.ts";

const cost = (document: string, variableValues: Record<string, unknown> = {}): number =>
  measureOperation({ schema, document: parse(document), variableValues }).cost;

test.each([
  // 1 for the list and 10 for its statement, 1 for nodes, a row's fields each.
  ["{ datanets { totalCount nodes { id name } } }", 11 + 1 + (1 + 50 * 2)],
  ["{ datanets(first: 7) { nodes { id } } }", 11 + (1 + 7)],
  ["{ datanets(last: 300) { nodes { id } } }", 11 + (1 + 300)],
  ["{ datanets(first: 10, last: 300) { nodes { id } } }", 11 + (1 + 300)],
  ["{ datanets(last: -1) { nodes { id } } }", 11 + (1 + 1_000)],
  ["{ datanets(first: null) { nodes { id } } }", 11 + (1 + 50)],
  ["{ topContributors { amount } }", 1 + 10],
  ["{ topContributors(first: 1000) { amount } }", 1 + 1_000],
  ['{ search(text: "x") { truncated nodes { __typename ... on Model { id } } } }', 11 + 1 + (1 + 20)],
  ["{ contribution(id: 1) { rewardSeries(from: 0, to: 1) { amount count } } }", 1 + (1 + 1_000 * 2)],
  // A graph is walked whatever is asked of it.
  ["{ lineage(output: 1) { truncated } }", 1 + 1 + 500],
  ["{ lineage(output: 1, maxNodes: 20) { nodes { id } } }", 1 + (1 + 20) + 20],
  ["{ lineage(output: 1, maxNodes: 20) { edges { from to } } }", 1 + (1 + 20 * EDGES_PER_NODE * 2) + 20],
  ['{ impact(of: "datanet:1", maxNodes: 9) { models { id } } }', 1 + (1 + 9) + 9],
  ['{ nodes(ids: ["model:1"]) { id } }', 1 + 100],
])("%s costs %i", (document, expected) => {
  expect(cost(document)).toBe(expected);
});

test("variables count as their values, absent ones as their defaults", () => {
  const query =
    "query ($n: Int = 3, $m: Int) { a: datanets(first: $n) { nodes { id } } b: datanets(last: $m) { nodes { id } } }";
  expect(cost(query)).toBe(12 + 3 + (12 + 50));
  expect(cost(query, { n: 5, m: 7 })).toBe(12 + 5 + (12 + 7));
  expect(cost(query, { n: 5_000, m: 0 })).toBe(12 + 1_000 + (12 + 50));
});
