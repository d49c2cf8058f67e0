/**
 * Where an output comes from: a breadth-first walk upstream over the edges, level by level, each level one query.
 * A node is visited once and paths are never enumerated, so a crafted graph costs no more than its nodes and edges,
 * and both are bounded.
 */
import { EDGE_KIND, NODE_KIND, type NodeKind } from "./codes.ts";
import type { Reader } from "./loaders.ts";
import type { Stored } from "./tables.ts";

export interface GraphNode {
  readonly kind: NodeKind;
  readonly id: number;
  /** Steps from the root. */
  readonly depth: number;
}

export interface GraphEdge {
  readonly row: Stored<"edges">;
  /** Share of the root's attribution; undefined for edges that carry no weight. */
  readonly weightPpm: number | undefined;
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
  /** Whether a bound cut the walk short. */
  readonly truncated: boolean;
}

export interface GraphBounds {
  readonly maxDepth: number;
  readonly maxNodes: number;
}

const PPM = 1_000_000;
/** Edges of a level per node that the walk may still take; more than the protocol lets one node have. */
const EDGES_PER_NODE = 128;

export const DEFAULT_DEPTH = 16;
export const MAX_DEPTH = 64;
export const DEFAULT_NODES = 500;
export const MAX_NODES = 5_000;

export async function walkUpstream(
  reader: Reader,
  outputId: number,
  { maxDepth, maxNodes }: GraphBounds,
): Promise<Graph> {
  const nodes = new Map<string, GraphNode>();
  const add = (kind: NodeKind, id: number, depth: number): GraphNode | undefined => {
    const name = nodeName(kind, id);
    if (nodes.has(name)) return undefined;
    const node = { kind, id, depth };
    nodes.set(name, node);
    return node;
  };
  const edges: Stored<"edges">[] = [];
  let truncated = false;
  let level = [add(NODE_KIND.OUTPUT, outputId, 0) as GraphNode];
  for (let depth = 1; level.length > 0; depth++) {
    const limit = maxNodes * EDGES_PER_NODE;
    const found = await edgesFrom(reader, level, limit + 1);
    if (found.length > 0 && depth > maxDepth) truncated = true;
    if (depth > maxDepth) break;
    if (found.length > limit) truncated = true;
    const next: GraphNode[] = [];
    for (const edge of found.slice(0, limit)) {
      const known = nodes.has(nodeName(edge.to_kind, edge.to_id));
      if (!known && nodes.size >= maxNodes) {
        truncated = true;
        continue;
      }
      edges.push(edge);
      const node = add(edge.to_kind as NodeKind, edge.to_id, depth);
      if (node !== undefined) next.push(node);
    }
    level = next;
  }
  // Shares are of all that the output draws on, also when the walk was cut short.
  const merged = mergeSpans(await reader.spans.load(outputId));
  const shares = new Map(merged.map(({ contribution, weightPpm }) => [contribution, weightPpm]));
  const weighed = edges.map((row) => ({
    row,
    weightPpm: row.kind === EDGE_KIND.ATTRIBUTED_TO ? shares.get(row.to_id) : undefined,
  }));
  return { nodes: [...nodes.values()], edges: weighed, truncated };
}

export function nodeName(kind: number, id: number): string {
  return `${NODE_NAMES[kind as NodeKind]}:${id}`;
}

const NODE_NAMES: Readonly<Record<NodeKind, string>> = {
  [NODE_KIND.OUTPUT]: "output",
  [NODE_KIND.CONTRIBUTION]: "contribution",
  [NODE_KIND.MODEL]: "model",
  [NODE_KIND.DATANET]: "datanet",
};

/** Nodes in one statement. */
const MAX_IDS = 500;

async function edgesFrom(reader: Reader, level: readonly GraphNode[], limit: number): Promise<Stored<"edges">[]> {
  const edges: Stored<"edges">[] = [];
  for (const kind of Object.values(NODE_KIND)) {
    const ids = level.filter((node) => node.kind === kind).map(({ id }) => id);
    for (let i = 0; i < ids.length && edges.length < limit; i += MAX_IDS) {
      await reader.turn();
      const found = await reader.db
        .selectFrom("edges")
        .selectAll()
        .where("from_kind", "=", kind)
        .where("from_id", "in", ids.slice(i, i + MAX_IDS))
        .orderBy("block")
        .orderBy("log_index")
        .orderBy("ordinal")
        .limit(limit - edges.length)
        .execute();
      edges.push(...found);
    }
  }
  return edges;
}

/**
 * Shares of a total in parts per million by largest remainder, the earlier one first among equals: they sum to
 * 1,000,000 exactly unless all weights are zero. Weights are non-negative safe integers.
 */
export function partsPerMillion(weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + BigInt(weight), 0n);
  if (total === 0n) return weights.map(() => 0);
  const scaled = weights.map((weight) => BigInt(weight) * BigInt(PPM));
  const shares = scaled.map((value) => Number(value / total));
  const missing = PPM - shares.reduce((sum, share) => sum + share, 0);
  const byRemainder = scaled
    .map((value, i) => ({ i, remainder: value % total }))
    .sort((a, b) => (a.remainder === b.remainder ? a.i - b.i : a.remainder > b.remainder ? -1 : 1));
  for (const { i } of byRemainder.slice(0, missing)) shares[i] = (shares[i] ?? 0) + 1;
  return shares;
}

export interface MergedAttribution {
  readonly inference: number;
  readonly contribution: number;
  /** Bytes of the output that the contribution's spans own. */
  readonly weight: number;
  readonly weightPpm: number;
  readonly spans: readonly Stored<"spans">[];
}

/** One a contribution, in the order in which the spans first name them. `spans` are those of one output. */
export function mergeSpans(spans: readonly Stored<"spans">[]): MergedAttribution[] {
  const groups = Map.groupBy(spans, ({ contribution }) => contribution);
  const merged = [...groups].map(([contribution, own]) => ({
    inference: own[0]?.inference ?? 0,
    contribution,
    weight: own.reduce((sum, { weight }) => sum + weight, 0),
    spans: own,
  }));
  const ppm = partsPerMillion(merged.map(({ weight }) => weight));
  return merged.map((attribution, i) => ({ ...attribution, weightPpm: ppm[i] ?? 0 }));
}
