/**
 * What a thing was made of, and what was made of it: a breadth-first walk over the edges. A node is visited once and paths
 * are never enumerated, so a crafted graph costs no more than its nodes and edges, and both are bounded.
 */
import { asOf } from "./as-of.ts";
import { EDGE_KIND, NODE_KIND, type NodeKind } from "./codes.ts";
import type { Reader } from "./loaders.ts";
import type { Stored } from "./tables.ts";

export type Direction = "UPSTREAM" | "DOWNSTREAM";

export interface NodeName {
  readonly kind: NodeKind;
  readonly id: number;
}

export interface GraphNode extends NodeName {
  /** Steps from the root. */
  readonly depth: number;
  /** Bytes of outputs that lie between this and the root: see mergeWeights. Undefined where there can be none. */
  readonly weight: number | undefined;
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  /** They point upstream, whichever way the walk went. */
  readonly edges: readonly Stored<"edges">[];
  /** Whether a bound cut the walk short. */
  readonly truncated: boolean;
}

export interface GraphBounds {
  readonly maxDepth: number;
  readonly maxNodes: number;
}

export interface WalkOptions extends GraphBounds {
  readonly direction: Direction;
  /** Codes of EDGE_KIND to follow; all when absent. */
  readonly kinds?: readonly number[] | undefined;
  /** Ends the walk when it is reached. */
  readonly until?: NodeName;
}

const PPM = 1_000_000;

export const DEFAULT_DEPTH = 16;
export const MAX_DEPTH = 64;
export const DEFAULT_NODES = 500;
export const MAX_NODES = 5_000;
/** Edges of a graph for each node that it may have. An output of many pieces has 64, most things have two or three. */
export const EDGES_PER_NODE = 8;

/**
 * Kinds of edges that can lead downstream to a node, structure before outputs, which may be a million: what does not fit
 * into the bounds is outputs first.
 */
const DOWNSTREAM: Readonly<Record<NodeKind, readonly number[]>> = {
  [NODE_KIND.OUTPUT]: [],
  [NODE_KIND.CONTRIBUTION]: [EDGE_KIND.DERIVED_FROM, EDGE_KIND.ATTRIBUTED_TO],
  [NODE_KIND.MODEL]: [EDGE_KIND.DERIVED_FROM, EDGE_KIND.GENERATED_BY],
  [NODE_KIND.DATANET]: [EDGE_KIND.PART_OF, EDGE_KIND.TRAINED_ON],
};

/**
 * `roots` are distinct and at least one; those beyond maxNodes are left out. A walk that comes to a bound ends with that
 * level.
 */
export async function walk(reader: Reader, roots: readonly NodeName[], options: WalkOptions): Promise<Graph> {
  const { direction, maxDepth, maxNodes, until } = options;
  const maxEdges = maxNodes * EDGES_PER_NODE;
  const nodes = new Map<string, Omit<GraphNode, "weight">>();
  const edges: Stored<"edges">[] = [];
  const isReached = () => until !== undefined && nodes.has(nodeName(until));
  let level = roots.slice(0, maxNodes);
  let truncated = roots.length > level.length;
  for (const root of level) nodes.set(nodeName(root), { ...root, depth: 0 });
  for (let depth = 1; level.length > 0 && !truncated && !isReached(); depth++) {
    // The level beyond the last only says whether there is more.
    const limit = depth > maxDepth ? 1 : maxEdges - edges.length + 1;
    const found = await edgesOf(reader, level, options, limit);
    truncated = found.length === limit;
    if (depth > maxDepth) break;
    level = [];
    for (const edge of found.slice(0, limit - 1)) {
      const end = farEnd(edge, direction);
      const isNew = !nodes.has(nodeName(end));
      if (isNew && nodes.size >= maxNodes) {
        truncated = true;
        continue;
      }
      edges.push(edge);
      if (!isNew) continue;
      nodes.set(nodeName(end), { ...end, depth });
      level.push(end);
    }
  }
  return { nodes: mergeWeights([...nodes.values()], edges, direction), edges, truncated };
}

export function nodeName({ kind, id }: NodeName): string {
  return `${NODE_NAMES[kind]}:${id}`;
}

export const fromNode = ({ from_kind, from_id }: Stored<"edges">): NodeName => ({
  kind: from_kind as NodeKind,
  id: from_id,
});
export const toNode = ({ to_kind, to_id }: Stored<"edges">): NodeName => ({ kind: to_kind as NodeKind, id: to_id });

const farEnd = (edge: Stored<"edges">, direction: Direction): NodeName =>
  direction === "UPSTREAM" ? toNode(edge) : fromNode(edge);

const NODE_NAMES: Readonly<Record<NodeKind, string>> = {
  [NODE_KIND.OUTPUT]: "output",
  [NODE_KIND.CONTRIBUTION]: "contribution",
  [NODE_KIND.MODEL]: "model",
  [NODE_KIND.DATANET]: "datanet",
};

/** Undefined for what is no node of the graph. */
export function parseNodeName(name: string): NodeName | undefined {
  const [, prefix, id] = /^([a-z]+):([1-9]\d{0,14})$/.exec(name) ?? [];
  const kind = Object.entries(NODE_NAMES).find(([, known]) => known === prefix)?.[0];
  return kind === undefined ? undefined : { kind: Number(kind) as NodeKind, id: Number(id) };
}

/**
 * Bytes of outputs, added up over the edges of the graph. Upstream a contribution has what outputs draw from it, and a
 * Datanet what they draw from its contributions; downstream an output has what it draws from the contributions.
 */
function mergeWeights(
  nodes: readonly Omit<GraphNode, "weight">[],
  edges: readonly Stored<"edges">[],
  direction: Direction,
): GraphNode[] {
  const weights = new Map<string, number>();
  const add = (name: string, weight: number | null | undefined): void => {
    if (weight != null) weights.set(name, (weights.get(name) ?? 0) + weight);
  };
  for (const edge of edges) {
    if (edge.kind === EDGE_KIND.ATTRIBUTED_TO) add(nodeName(farEnd(edge, direction)), edge.weight);
  }
  for (const edge of direction === "UPSTREAM" ? edges : []) {
    if (edge.kind === EDGE_KIND.PART_OF) add(nodeName(toNode(edge)), weights.get(nodeName(fromNode(edge))));
  }
  return nodes.map((node) => ({ ...node, weight: weights.get(nodeName(node)) }));
}

/**
 * A shortest path between two nodes, whichever of them is upstream. Its nodes go from `from` to `to`; there are none when
 * there is no path, or none was found within the bounds (`truncated`).
 */
export async function shortestPath(reader: Reader, from: NodeName, to: NodeName, bounds: GraphBounds): Promise<Graph> {
  // Upstream, because things are made of few things, and may be made into very many.
  const up = await walk(reader, [from], { ...bounds, direction: "UPSTREAM", until: to });
  const path = backFrom(up, to);
  if (path !== undefined) return path;
  const down = await walk(reader, [to], { ...bounds, direction: "UPSTREAM", until: from });
  const reversed = backFrom(down, from);
  const truncated = up.truncated || down.truncated;
  if (reversed === undefined) return { nodes: [], edges: [], truncated };
  const nodes = reversed.nodes.toReversed().map((node, depth) => ({ ...node, depth }));
  return { nodes, edges: reversed.edges.toReversed(), truncated: false };
}

/** The way from the root of an upstream walk to one of its nodes. */
function backFrom({ nodes, edges }: Graph, end: NodeName): Graph | undefined {
  const byName = new Map(nodes.map((node) => [nodeName(node), node]));
  let node = byName.get(nodeName(end));
  if (node === undefined) return undefined;
  // The first edge to a node is the one that discovered it.
  const discovered = new Map(edges.toReversed().map((edge) => [nodeName(toNode(edge)), edge]));
  const path = { nodes: [node] as GraphNode[], edges: [] as Stored<"edges">[], truncated: false };
  while (node.depth > 0) {
    const edge = discovered.get(nodeName(node)) as Stored<"edges">;
    node = byName.get(nodeName(fromNode(edge))) as GraphNode;
    path.nodes.unshift(node);
    path.edges.unshift(edge);
  }
  // What else lies between the ends is not in it.
  return { ...path, nodes: path.nodes.map((one) => ({ ...one, weight: undefined })) };
}

/** Nodes in one statement. */
const MAX_IDS = 500;

/** At most `limit` edges that lead on from the nodes of a level, always the same ones. */
async function edgesOf(
  reader: Reader,
  level: readonly NodeName[],
  { direction, kinds }: Pick<WalkOptions, "direction" | "kinds">,
  limit: number,
): Promise<Stored<"edges">[]> {
  const edges: Stored<"edges">[] = [];
  if (kinds?.length === 0) return edges;
  const all = () => asOf(reader.db.selectFrom("edges").selectAll(), "edges", reader.at);
  if (direction === "DOWNSTREAM") {
    // A node of many is one range of the index, read no further than the limit.
    for (const { kind, id } of level) {
      for (const edgeKind of DOWNSTREAM[kind].filter((one) => kinds?.includes(one) ?? true)) {
        if (edges.length >= limit) return edges;
        await reader.turn();
        const range = all().where("to_kind", "=", kind).where("to_id", "=", id).where("kind", "=", edgeKind);
        const ordered = range.orderBy("block").orderBy("log_index").orderBy("ordinal");
        edges.push(...(await ordered.limit(limit - edges.length).execute()));
      }
    }
    return edges;
  }
  for (const kind of Object.values(NODE_KIND)) {
    const ids = level.filter((node) => node.kind === kind).map(({ id }) => id);
    for (let i = 0; i < ids.length && edges.length < limit; i += MAX_IDS) {
      await reader.turn();
      let query = all()
        .where("from_kind", "=", kind)
        .where("from_id", "in", ids.slice(i, i + MAX_IDS));
      if (kinds !== undefined) query = query.where("kind", "in", kinds);
      const ordered = query.orderBy("block").orderBy("log_index").orderBy("ordinal");
      edges.push(...(await ordered.limit(limit - edges.length).execute()));
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
