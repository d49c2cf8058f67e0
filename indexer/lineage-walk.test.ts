import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { insert } from "./changes.ts";
import { EDGE_KIND, NODE_KIND, type NodeKind } from "./codes.ts";
import { openReader } from "./database.ts";
import {
  type Direction,
  EDGES_PER_NODE,
  fromNode,
  type NodeName,
  nodeName,
  shortestPath,
  toNode,
  walk,
} from "./lineage.ts";
import { Reader } from "./loaders.ts";
import type { Row } from "./tables.ts";
import { type Asker, openAsker } from "./testing/ask.ts";
import { testAddress } from "./testing/fake-chain.ts";
import { bridgedChain } from "./testing/histories.ts";
import { freshIndex, writeRows } from "./testing/rows.ts";
import { STORES } from "./testing/stores.ts";

const { OUTPUT, CONTRIBUTION, MODEL, DATANET } = NODE_KIND;

function edge(from: NodeName, to: NodeName, kind: number, ordinal: number, weight: number | null = null): Row<"edges"> {
  return {
    block: 0,
    log_index: 0,
    tx_hash: new Uint8Array(32),
    ordinal,
    kind,
    from_kind: from.kind,
    from_id: from.id,
    to_kind: to.kind,
    to_id: to.id,
    weight,
    detail: null,
  };
}

/** What a thing of one kind can be made of, and the edge that says so. */
const MADE_OF: readonly (readonly [from: NodeKind, to: NodeKind, kind: number])[] = [
  [OUTPUT, CONTRIBUTION, EDGE_KIND.ATTRIBUTED_TO],
  [OUTPUT, MODEL, EDGE_KIND.GENERATED_BY],
  [CONTRIBUTION, CONTRIBUTION, EDGE_KIND.DERIVED_FROM],
  [CONTRIBUTION, DATANET, EDGE_KIND.PART_OF],
  [MODEL, MODEL, EDGE_KIND.DERIVED_FROM],
  [MODEL, DATANET, EDGE_KIND.TRAINED_ON],
];

/** A DAG: of one kind the higher id is made of the lower. */
const graphs: fc.Arbitrary<Row<"edges">[]> = fc
  .uniqueArray(
    fc.tuple(fc.nat(MADE_OF.length - 1), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }), fc.nat(99)),
    { maxLength: 40, selector: ([rule, a, b]) => `${rule} ${a} ${b}` },
  )
  .map((list) =>
    list.flatMap(([rule, a, b, weight], i) => {
      const [from, to, kind] = MADE_OF[rule] as (typeof MADE_OF)[number];
      if (from === to && a <= b) return [];
      const ends = [
        { kind: from, id: a },
        { kind: to, id: b },
      ] as const;
      return [edge(...ends, kind, i, kind === EDGE_KIND.ATTRIBUTED_TO ? weight : null)];
    }),
  );

/** Distances from `root` along all edges, by name. */
function distances(edges: readonly Row<"edges">[], root: NodeName, direction: Direction): Map<string, number> {
  const found = new Map([[nodeName(root), 0]]);
  for (let grew = true; grew; ) {
    grew = false;
    for (const one of edges) {
      const [near, far] = (direction === "UPSTREAM" ? [fromNode(one), toNode(one)] : [toNode(one), fromNode(one)]).map(
        nodeName,
      ) as [string, string];
      const distance = (found.get(near) ?? Number.POSITIVE_INFINITY) + 1;
      if (distance < (found.get(far) ?? Number.POSITIVE_INFINITY)) {
        found.set(far, distance);
        grew = true;
      }
    }
  }
  return found;
}

const nodes = fc.record({
  kind: fc.constantFrom(OUTPUT, CONTRIBUTION, MODEL, DATANET),
  id: fc.integer({ min: 1, max: 5 }),
});

async function readerOf(location: string, edges: readonly Row<"edges">[]): Promise<Reader> {
  await writeRows(
    location,
    edges.map((row) => insert("edges", row)),
  );
  return new Reader(openReader(location, { connections: 1 }), 10_000);
}

describe.each(STORES)("$name", ({ newLocation, runs }) => {
  test("a walk finds what can be reached, by distance, and every edge between", async () => {
    await fc.assert(
      fc.asyncProperty(graphs, nodes, nodes, async (edges, root, other) => {
        const reader = await readerOf(await newLocation(), edges);
        for (const direction of ["UPSTREAM", "DOWNSTREAM"] as const) {
          const reached = distances(edges, root, direction);
          const whole = await walk(reader, [root], { direction, maxDepth: 64, maxNodes: 100 });
          expect(whole.truncated).toBe(false);
          expect(new Map(whole.nodes.map((node) => [nodeName(node), node.depth]))).toEqual(reached);
          const between = edges.filter((one) =>
            reached.has(nodeName(direction === "UPSTREAM" ? fromNode(one) : toNode(one))),
          );
          expect(whole.edges.map(({ ordinal }) => ordinal).toSorted()).toEqual(
            between.map(({ ordinal }) => ordinal).toSorted(),
          );
          for (const { weight, ...node } of whole.nodes) {
            const end = direction === "UPSTREAM" ? toNode : fromNode;
            const own = between.filter((one) => one.weight !== null && nodeName(end(one)) === nodeName(node));
            // A Datanet's is merged once more; its own test is below.
            if (node.kind === DATANET) continue;
            expect(weight ?? 0).toBe(own.reduce((sum, one) => sum + (one.weight ?? 0), 0));
          }
          const cut = await walk(reader, [root], { direction, maxDepth: 1, maxNodes: 100 });
          const isNear = ([, distance]: [string, number]) => distance <= 1;
          expect(cut.nodes.map(nodeName).toSorted()).toEqual(
            [...reached]
              .filter(isNear)
              .map(([name]) => name)
              .toSorted(),
          );
        }
        const up = distances(edges, root, "UPSTREAM").get(nodeName(other));
        const down = distances(edges, root, "DOWNSTREAM").get(nodeName(other));
        const path = await shortestPath(reader, root, other, { maxDepth: 64, maxNodes: 100 });
        expect(path.truncated).toBe(false);
        expect(path.edges.length).toBe(up ?? down ?? 0);
        expect(path.nodes.length).toBe(up === undefined && down === undefined ? 0 : path.edges.length + 1);
        for (const [i, one] of path.edges.entries()) {
          const ends = [fromNode(one), toNode(one)].map(nodeName);
          const here = [path.nodes[i], path.nodes[i + 1]].map((node) => nodeName(node as NodeName));
          expect(up === undefined ? here.toReversed() : here).toEqual(ends);
        }
        await reader.db.destroy();
      }),
      { numRuns: runs },
    );
  });

  describe("crafted graphs cost no more than their bounds", () => {
    const LEVELS = 12;
    const WIDTH = 20;
    const OUTPUTS = 3_000;
    let reader: Reader;

    beforeAll(async () => {
      const model = (level: number, i: number): NodeName => ({ kind: MODEL, id: 1 + level * WIDTH + i });
      const all = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
      let ordinal = 0;
      reader = await readerOf(await newLocation(), [
        // Every model of a level is made of every model of the next: the paths are beyond counting.
        ...all(LEVELS - 1).flatMap((level) =>
          all(WIDTH).flatMap((i) =>
            all(WIDTH).map((j) => edge(model(level, i), model(level + 1, j), EDGE_KIND.DERIVED_FROM, ordinal++)),
          ),
        ),
        ...all(OUTPUTS).map((i) =>
          edge({ kind: OUTPUT, id: i + 1 }, { kind: CONTRIBUTION, id: 1 }, EDGE_KIND.ATTRIBUTED_TO, ordinal++, 1),
        ),
      ]);
    });
    afterAll(() => reader.db.destroy());

    test.each([
      ["dense, upstream", { kind: MODEL, id: 1 }, "UPSTREAM", 200],
      ["dense, downstream", { kind: MODEL, id: LEVELS * WIDTH }, "DOWNSTREAM", 200],
      ["dense, few nodes", { kind: MODEL, id: 1 }, "UPSTREAM", 50],
      ["wide, downstream", { kind: CONTRIBUTION, id: 1 }, "DOWNSTREAM", 100],
      ["one node", { kind: CONTRIBUTION, id: 1 }, "DOWNSTREAM", 1],
    ] as const)("%s", async (_, root, direction, maxNodes) => {
      const cut = await walk(reader, [root], { direction, maxDepth: 64, maxNodes });
      expect(cut.truncated).toBe(true);
      expect(cut.nodes.length).toBeLessThanOrEqual(maxNodes);
      expect(cut.edges.length).toBeLessThanOrEqual(maxNodes * EDGES_PER_NODE);
      const names = new Set(cut.nodes.map(nodeName));
      for (const one of cut.edges) {
        expect(names.has(nodeName(fromNode(one))) && names.has(nodeName(toNode(one)))).toBe(true);
      }
      expect(await walk(reader, [root], { direction, maxDepth: 64, maxNodes })).toEqual(cut);
    });

    test("a graph of exactly the bounds is whole", async () => {
      const wide = { direction: "DOWNSTREAM", maxDepth: 1 } as const;
      const whole = await walk(reader, [{ kind: CONTRIBUTION, id: 1 }], { ...wide, maxNodes: OUTPUTS + 1 });
      expect([whole.truncated, whole.nodes.length]).toEqual([false, OUTPUTS + 1]);
      const last = { kind: MODEL, id: LEVELS * WIDTH } as const;
      expect(await walk(reader, [last], { ...wide, maxNodes: 1 + WIDTH })).toMatchObject({ truncated: true });
      expect(await walk(reader, [last], { ...wide, direction: "UPSTREAM", maxNodes: 1 })).toMatchObject({
        truncated: false,
      });
    });

    test("a path through the dense graph is found, and one that needs more nodes says so", async () => {
      const ends = [
        { kind: MODEL, id: 1 },
        { kind: MODEL, id: LEVELS * WIDTH },
      ] as const;
      const path = await shortestPath(reader, ...ends, { maxDepth: 64, maxNodes: 1_000 });
      expect(path.edges).toHaveLength(LEVELS - 1);
      const none = await shortestPath(reader, ...ends, { maxDepth: 64, maxNodes: 50 });
      expect(none).toEqual({ nodes: [], edges: [], truncated: true });
    });
  });

  describe("in GraphQL", () => {
    let asker: Asker;
    beforeAll(async () => {
      const location = await newLocation();
      await freshIndex(bridgedChain().chain, location);
      asker = openAsker(location);
    });
    afterAll(() => asker.close());

    test("downstream of a contribution: what was derived from it, what it shaped", async () => {
      const { all, derived, model, none } = await asker.data(`{
        all: lineage(of: "contribution:1", direction: DOWNSTREAM) {
          root { id } of attributions { weight } truncated nodes { id depth weight } edges { from to kind weight weightPpm }
        }
        derived: lineage(of: "contribution:1", direction: DOWNSTREAM, kinds: [DERIVED_FROM]) { nodes { id } }
        model: lineage(of: "model:2") { root { id } nodes { id entity { __typename } } }
        none: lineage(of: "contribution:99", direction: DOWNSTREAM) { of }
      }`);
      expect(all).toMatchObject({ root: null, of: "contribution:1", attributions: [], truncated: false });
      expect(
        all.nodes.map(
          ({ id, depth, weight }: { id: string; depth: number; weight: string | null }) => `${id}@${depth} ${weight}`,
        ),
      ).toEqual([
        "contribution:1@0 null",
        "contribution:3@1 null",
        // 79 of its own and 23 of what was derived from it.
        "output:1@1 102",
        "output:3@1 46",
        "contribution:8@2 null",
      ]);
      expect(all.edges).toContainEqual({
        from: "output:1",
        to: "contribution:3",
        kind: "ATTRIBUTED_TO",
        weight: "23",
        weightPpm: 164_286,
      });
      expect(derived.nodes).toEqual([{ id: "contribution:1" }, { id: "contribution:3" }, { id: "contribution:8" }]);
      expect(model.root).toBeNull();
      expect(model.nodes).toContainEqual({ id: "model:1", entity: { __typename: "Model" } });
      expect(none).toBeNull();
    });

    test("upstream, a Datanet has what its contributions have", async () => {
      const { lineage } = await asker.data("{ lineage(output: 1) { nodes { id weight } } }");
      expect(lineage.nodes).toContainEqual({ id: "datanet:1", weight: "140" });
      expect(lineage.nodes).toContainEqual({ id: "datanet:2", weight: null });
    });

    test("paths go either way; where there is none, there are no nodes", async () => {
      const ids = (path: { nodes: { id: string }[] }) => path.nodes.map(({ id }) => id).join(" ");
      const { up, down, self, none, unknown } = await asker.data(`{
        up: lineagePath(from: "output:1", to: "datanet:1") { nodes { id depth } edges { from to } root { id } truncated }
        down: lineagePath(from: "datanet:2", to: "output:1") { nodes { id depth } edges { from to } }
        self: lineagePath(from: "model:1", to: "model:1") { nodes { id } edges { from } }
        none: lineagePath(from: "datanet:1", to: "datanet:2") { nodes { id } truncated }
        unknown: lineagePath(from: "datanet:1", to: "datanet:3") { truncated }
      }`);
      expect(ids(up)).toBe("output:1 contribution:1 datanet:1");
      expect(up.edges).toEqual([
        { from: "output:1", to: "contribution:1" },
        { from: "contribution:1", to: "datanet:1" },
      ]);
      expect(ids(down)).toBe("datanet:2 model:2 output:1");
      expect(down.nodes.map(({ depth }: { depth: number }) => depth)).toEqual([0, 1, 2]);
      expect(ids(self)).toBe("model:1");
      expect(none).toEqual({ nodes: [], truncated: false });
      expect(unknown).toBeNull();
    });

    test("impact of a contribution, a Datanet, a contributor: what was made of it and what it was paid", async () => {
      const fields =
        "paid weight truncated outputs { output { id } depth weight paid } models { id } contributions { id }";
      const { one, data, person, cut, nobody, none, earned } = await asker.data(`{
        one: impact(of: "contribution:1") { ${fields} of asOf { number } }
        data: impact(of: "datanet:1") { ${fields} }
        person: impact(of: "account:${testAddress(1)}") { ${fields} }
        cut: impact(of: "datanet:1", maxNodes: 4) { ${fields} }
        nobody: impact(of: "account:${testAddress(77)}") { ${fields} }
        none: impact(of: "datanet:9") { paid }
        earned: inference(id: 1) { contributorsPaid attributions { paid contribution { id } } }
      }`);
      const paidFor = (id: string) =>
        earned.attributions.find((entry: { contribution: { id: string } }) => entry.contribution.id === id).paid;
      expect(one).toMatchObject({
        of: "contribution:1",
        paid: paidFor("1"),
        weight: "79",
        outputs: [
          { output: { id: "1" }, depth: 1, weight: "79", paid: paidFor("1") },
          { output: { id: "3" }, depth: 1, weight: "46", paid: "0" },
        ],
        models: [],
        contributions: [{ id: "1" }, { id: "3" }, { id: "8" }],
        asOf: { number: "19" },
      });
      expect(data).toMatchObject({
        paid: earned.contributorsPaid,
        weight: "140",
        truncated: false,
        models: [{ id: "1" }, { id: "2" }],
      });
      expect(data.outputs).toMatchObject([
        { weight: "140", paid: earned.contributorsPaid },
        { weight: "79", paid: "0" },
      ]);
      expect(person).toMatchObject({
        paid: paidFor("1"),
        weight: "79",
        contributions: [{ id: "1" }, { id: "4" }, { id: "3" }, { id: "8" }],
      });
      expect(cut).toMatchObject({ paid: data.paid, weight: data.weight, truncated: true });
      expect(nobody).toMatchObject({ paid: "0", outputs: [], contributions: [] });
      expect(none).toBeNull();
    });

    test.each([
      ["{ lineage { of } }", "lineage is that of one thing: give output or of"],
      ['{ lineage(output: 1, of: "output:1") { of } }', "lineage is that of one thing: give output or of"],
      [
        '{ lineage(of: "account:1") { of } }',
        'of must name an output, contribution, model or datanet, as in model:3, not "account:1"',
      ],
      ['{ lineagePath(from: "output:0", to: "x") { of } }', "from must name an output"],
      [
        '{ impact(of: "model:1") { paid } }',
        'of must name a contribution, datanet or account, as in datanet:1, not "model:1"',
      ],
      ['{ impact(of: "account:0x1") { paid } }', "Address must be 20 bytes"],
      ['{ impact(of: "datanet:1", maxNodes: 5001) { paid } }', "maxNodes must be 1 to 5000, not 5001"],
    ])("%s is refused", async (query, message) => {
      expect(await asker.failure(query)).toContain(message);
    });
  });
});
