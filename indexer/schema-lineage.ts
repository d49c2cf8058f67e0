/** GraphQL types of lineage: graphs upstream and downstream, paths, and what was made of somebody's data. */
import { EDGE_KIND, NODE_KIND, type NodeKind, REWARD_KIND } from "./codes.ts";
import { findImpact, type Impact, type Source } from "./impact.ts";
import {
  DEFAULT_DEPTH,
  DEFAULT_NODES,
  EDGES_PER_NODE,
  fromNode,
  type Graph,
  type GraphNode,
  MAX_DEPTH,
  MAX_NODES,
  mergeSpans,
  type NodeName,
  nodeName,
  parseNodeName,
  shortestPath,
  toNode,
  walk,
} from "./lineage.ts";
import type { Reader } from "./loaders.ts";
import { badInput, parseAddress, parseId } from "./scalars.ts";
import { Block, builder, found, LineageEdgeKind } from "./schema-builder.ts";
import { asType, typeNameOf } from "./schema-nodes.ts";
import { Attribution, Contribution, Datanet, Inference, Model } from "./schema-refs.ts";
import type { Stored } from "./tables.ts";

const Direction = builder.enumType("LineageDirection", {
  description: "UPSTREAM: to what a thing was made of. DOWNSTREAM: to what was made of it.",
  values: ["UPSTREAM", "DOWNSTREAM"] as const,
});

type Entity = Stored<"inferences"> | Stored<"contributions"> | Stored<"models"> | Stored<"datanets">;

/** A node of the graph as the row that it stands for; undefined when there is none. */
export async function loadEntity(reader: Reader, { kind, id }: NodeName): Promise<Entity | undefined> {
  const [type, row] = await ENTITIES[kind](reader, id);
  return row === undefined ? undefined : asType(type, row);
}

type Loaded = readonly [type: string, row: Entity | undefined];

const ENTITIES: Readonly<Record<NodeKind, (reader: Reader, id: number) => Promise<Loaded>>> = {
  [NODE_KIND.OUTPUT]: async (reader, id) => ["Inference", await reader.inference.load(id)],
  [NODE_KIND.CONTRIBUTION]: async (reader, id) => ["Contribution", await reader.contribution.load(id)],
  [NODE_KIND.MODEL]: async (reader, id) => ["Model", await reader.model.load(id)],
  [NODE_KIND.DATANET]: async (reader, id) => ["Datanet", await reader.datanet.load(id)],
};

export const LineageEntity = builder.unionType("LineageEntity", {
  types: [Inference, Contribution, Model, Datanet],
  resolveType: typeNameOf,
});

const LineageNode = builder.objectRef<GraphNode>("LineageNode").implement({
  fields: (t) => ({
    id: t.id({ description: "Kind and id, as in model:3.", resolve: nodeName }),
    depth: t.exposeInt("depth", { description: "Steps from the root." }),
    weight: t.field({
      type: "BigInt",
      nullable: true,
      description:
        "Bytes of outputs, merged over the graph. Upstream: what they draw from this contribution, or from this Datanet's contributions in the graph. Downstream: what this output draws from the contributions in the graph.",
      resolve: ({ weight }) => weight,
    }),
    entity: t.field({ type: LineageEntity, resolve: (node, _, { reader }) => found(loadEntity(reader, node)) }),
  }),
});

const LineageEdge = builder.objectRef<Stored<"edges">>("LineageEdge").implement({
  description: "Points upstream, from what was made to what it was made of.",
  fields: (t) => ({
    from: t.id({ resolve: (edge) => nodeName(fromNode(edge)) }),
    to: t.id({ resolve: (edge) => nodeName(toNode(edge)) }),
    kind: t.expose("kind", { type: LineageEdgeKind }),
    weight: t.field({
      type: "BigInt",
      nullable: true,
      description: "Bytes that the output draws from the contribution, where the edge is ATTRIBUTED_TO.",
      resolve: ({ weight }) => weight,
    }),
    weightPpm: t.int({
      nullable: true,
      description: "Its share of all that the output draws on.",
      resolve: async ({ kind, from_id, to_id }, _, { reader }) => {
        if (kind !== EDGE_KIND.ATTRIBUTED_TO) return null;
        const merged = mergeSpans(await reader.spans.load(from_id));
        return merged.find(({ contribution }) => contribution === to_id)?.weightPpm;
      },
    }),
    version: t.int({
      nullable: true,
      description: "The Datanet version, where the edge is TRAINED_ON.",
      resolve: ({ detail }) => detail,
    }),
    block: t.field({ type: Block, resolve: ({ block }, _, { reader }) => found(reader.block.load(block)) }),
    tx: t.expose("tx_hash", { type: "Bytes" }),
  }),
});

interface LineageShape extends Graph {
  readonly root: NodeName;
}

const LineageGraph = builder.objectRef<LineageShape>("LineageGraph").implement({
  description: "What something was made of, or what was made of it, as a flat list of nodes and edges.",
  fields: (t) => ({
    root: t.field({
      type: Inference,
      nullable: true,
      description: "The output whose lineage this is; null where it is the lineage of something else.",
      resolve: ({ root }, _, { reader }) =>
        root.kind === NODE_KIND.OUTPUT ? found(reader.inference.load(root.id)) : null,
    }),
    of: t.id({ description: "The node that the walk began at.", resolve: ({ root }) => nodeName(root) }),
    attributions: t.field({
      type: [Attribution],
      description: "All contributions to the root, when that is an output.",
      resolve: async ({ root }, _, { reader }) =>
        root.kind === NODE_KIND.OUTPUT ? mergeSpans(await reader.spans.load(root.id)) : [],
    }),
    nodes: t.field({ type: [LineageNode], resolve: ({ nodes }) => [...nodes] }),
    edges: t.field({
      type: [LineageEdge],
      description: `At most ${EDGES_PER_NODE} times maxNodes.`,
      extensions: { perNode: EDGES_PER_NODE },
      resolve: ({ edges }) => [...edges],
    }),
    truncated: t.exposeBoolean("truncated", { description: "Whether maxDepth, maxNodes or the edges cut it short." }),
    asOf: t.field({
      type: Block,
      description: "The block whose state this is.",
      resolve: async (_, __, { reader }) => found(reader.block.load(await reader.blockNumber())),
    }),
  }),
});

const ImpactOutput = builder.objectRef<Impact["outputs"][number]>("ImpactOutput").implement({
  fields: (t) => ({
    output: t.field({ type: Inference, resolve: ({ id }, _, { reader }) => found(reader.inference.load(id)) }),
    depth: t.exposeInt("depth", { description: "1: directly." }),
    weight: t.field({
      type: "BigInt",
      description: "Bytes that it draws from the data itself; 0 where only from what was derived from it.",
      resolve: ({ weight }) => weight,
    }),
    paid: t.field({
      type: "BigInt",
      description: "Wei that its settlement accrued for the data itself.",
      resolve: async ({ id, own }, _, { reader }) =>
        (await reader.rewards.load(id))
          .filter(({ kind, source }) => kind === REWARD_KIND.CONTRIBUTOR && source !== null && own.has(source))
          .reduce((sum, { amount }) => sum + amount, 0n),
    }),
  }),
});

const ImpactType = builder.objectRef<Impact>("Impact").implement({
  description: "What was made of a contribution, of a Datanet's or of a contributor's data.",
  fields: (t) => ({
    of: t.exposeID("of"),
    paid: t.expose("paid", {
      type: "BigInt",
      description: "Wei accrued for the data itself over all settled outputs.",
    }),
    weight: t.expose("weight", {
      type: "BigInt",
      description: "Bytes that all settled outputs have drawn from the data itself.",
    }),
    outputs: t.field({
      type: [ImpactOutput],
      description: "By distance, then in the order of the chain.",
      resolve: ({ outputs }) => [...outputs],
    }),
    models: t.field({
      type: [Model],
      description: "Trained on the Datanet, or derived from a model that was.",
      resolve: ({ models }, _, { reader }) => Promise.all(models.map((id) => found(reader.model.load(id)))),
    }),
    contributions: t.field({
      type: [Contribution],
      description: "The data itself and what was derived from it.",
      resolve: ({ contributions }, _, { reader }) =>
        Promise.all(contributions.map((id) => found(reader.contribution.load(id)))),
    }),
    truncated: t.exposeBoolean("truncated", {
      description: "Whether maxDepth or maxNodes cut the lists short; paid and weight are whole.",
    }),
    asOf: t.field({
      type: Block,
      resolve: async (_, __, { reader }) => found(reader.block.load(await reader.blockNumber())),
    }),
  }),
});

const boundArgs = () =>
  builder.args((t) => ({
    maxDepth: t.int({ required: true, defaultValue: DEFAULT_DEPTH, description: `1 to ${MAX_DEPTH}.` }),
    maxNodes: t.int({ required: true, defaultValue: DEFAULT_NODES, description: `1 to ${MAX_NODES}.` }),
  }));

function checkBounds({ maxDepth, maxNodes }: { maxDepth: number; maxNodes: number }): void {
  const check = (what: string, value: number, max: number): void => {
    if (value < 1 || value > max) throw badInput(`${what} must be 1 to ${max}, not ${value}`);
  };
  check("maxDepth", maxDepth, MAX_DEPTH);
  check("maxNodes", maxNodes, MAX_NODES);
}

function graphNode(id: string | number, what: string): NodeName {
  const node = parseNodeName(String(id));
  if (node !== undefined) return node;
  throw badInput(
    `${what} must name an output, contribution, model or datanet, as in model:3, not ${JSON.stringify(String(id).slice(0, 80))}`,
  );
}

function source(of: string | number): Source {
  const [, address] = /^account:(.*)$/.exec(String(of)) ?? [];
  if (address !== undefined) return { contributor: parseAddress(address) };
  const { kind, id } = parseNodeName(String(of)) ?? {};
  if (id !== undefined && kind === NODE_KIND.CONTRIBUTION) return { contribution: id };
  if (id !== undefined && kind === NODE_KIND.DATANET) return { datanet: id };
  throw badInput(
    `of must name a contribution, datanet or account, as in datanet:1, not ${JSON.stringify(String(of).slice(0, 80))}`,
  );
}

builder.queryFields((t) => ({
  lineage: t.field({
    type: LineageGraph,
    nullable: true,
    description: "What something was made of, or what was made of it; null for what does not exist.",
    args: {
      output: t.arg.id({ description: "Id of the inference. Either this or of." }),
      of: t.arg.id({ description: "An output, contribution, model or datanet, as in model:3." }),
      direction: t.arg({ type: Direction, required: true, defaultValue: "UPSTREAM" }),
      ...boundArgs(),
      kinds: t.arg({ type: [LineageEdgeKind], description: "Edges to follow; all when absent." }),
    },
    resolve: async (_, { output, of, direction, kinds, ...bounds }, { reader }) => {
      checkBounds(bounds);
      if ((output == null) === (of == null)) throw badInput("lineage is that of one thing: give output or of");
      const root =
        output == null ? graphNode(of ?? "", "of") : { kind: NODE_KIND.OUTPUT, id: parseId(output, "output") };
      if ((await loadEntity(reader, root)) === undefined) return null;
      return { ...(await walk(reader, [root], { ...bounds, direction, kinds: kinds ?? undefined })), root };
    },
  }),
  lineagePath: t.field({
    type: LineageGraph,
    nullable: true,
    description:
      "A shortest path between two things, whichever of them was made of the other: its nodes from one to the other, none when there is no path. Null when one of them does not exist.",
    args: { from: t.arg.id({ required: true }), to: t.arg.id({ required: true }), ...boundArgs() },
    resolve: async (_, { from, to, ...bounds }, { reader }) => {
      checkBounds(bounds);
      const ends = [graphNode(from, "from"), graphNode(to, "to")] as const;
      const entities = await Promise.all(ends.map((end) => loadEntity(reader, end)));
      if (entities.includes(undefined)) return null;
      return { ...(await shortestPath(reader, ...ends, bounds)), root: ends[0] };
    },
  }),
  impact: t.field({
    type: ImpactType,
    nullable: true,
    description: "What was made of data; null for a contribution or Datanet that does not exist.",
    args: {
      of: t.arg.id({ required: true, description: "A contribution, datanet or account, as in account:0x…" }),
      ...boundArgs(),
    },
    resolve: async (_, { of, ...bounds }, { reader }) => {
      checkBounds(bounds);
      return (await findImpact(reader, source(of), String(of), bounds)) ?? null;
    },
  }),
}));
