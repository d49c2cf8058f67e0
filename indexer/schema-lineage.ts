/** GraphQL types of the lineage of an output. */
import { NODE_KIND, type NodeKind } from "./codes.ts";
import { type Graph, type GraphEdge, type GraphNode, mergeSpans, nodeName } from "./lineage.ts";
import type { Reader } from "./loaders.ts";
import { Block, builder, found, LineageEdgeKind } from "./schema-builder.ts";
import { Attribution } from "./schema-models.ts";
import { Contribution, Datanet, Inference, Model } from "./schema-refs.ts";
import type { Stored } from "./tables.ts";

const TYPE_NAMES: Readonly<Record<NodeKind, string>> = {
  [NODE_KIND.OUTPUT]: "Inference",
  [NODE_KIND.CONTRIBUTION]: "Contribution",
  [NODE_KIND.MODEL]: "Model",
  [NODE_KIND.DATANET]: "Datanet",
};

type Entity = Stored<"inferences"> | Stored<"contributions"> | Stored<"models"> | Stored<"datanets">;
/** A row says nothing of its table, so the walk's node kind travels with it. */
const entityKinds = new WeakMap<object, NodeKind>();

function loadEntity(reader: Reader, { kind, id }: GraphNode): Promise<Entity | undefined> {
  switch (kind) {
    case NODE_KIND.OUTPUT:
      return reader.inference.load(id);
    case NODE_KIND.CONTRIBUTION:
      return reader.contribution.load(id);
    case NODE_KIND.MODEL:
      return reader.model.load(id);
    default:
      return reader.datanet.load(id);
  }
}

const LineageEntity = builder.unionType("LineageEntity", {
  types: [Inference, Contribution, Model, Datanet],
  resolveType: (row) => TYPE_NAMES[entityKinds.get(row) ?? NODE_KIND.OUTPUT],
});

const LineageNode = builder.objectRef<GraphNode>("LineageNode").implement({
  fields: (t) => ({
    id: t.id({ description: "Kind and id, as in model:3.", resolve: ({ kind, id }) => nodeName(kind, id) }),
    depth: t.exposeInt("depth", { description: "Steps from the output." }),
    entity: t.field({
      type: LineageEntity,
      resolve: async (node, _, { reader }) => {
        const row = await found(loadEntity(reader, node));
        entityKinds.set(row, node.kind);
        return row;
      },
    }),
  }),
});

const LineageEdge = builder.objectRef<GraphEdge>("LineageEdge").implement({
  description: "Points upstream, from what was made to what it was made of.",
  fields: (t) => ({
    from: t.id({ resolve: ({ row }) => nodeName(row.from_kind, row.from_id) }),
    to: t.id({ resolve: ({ row }) => nodeName(row.to_kind, row.to_id) }),
    kind: t.field({ type: LineageEdgeKind, resolve: ({ row }) => row.kind }),
    weight: t.field({ type: "BigInt", nullable: true, resolve: ({ row }) => row.weight }),
    weightPpm: t.int({ nullable: true, resolve: ({ weightPpm }) => weightPpm }),
    version: t.int({
      nullable: true,
      description: "The Datanet version, where the edge is TRAINED_ON.",
      resolve: ({ row }) => row.detail,
    }),
    block: t.field({ type: Block, resolve: ({ row }, _, { reader }) => found(reader.block.load(row.block)) }),
    tx: t.field({ type: "Bytes", resolve: ({ row }) => row.tx_hash }),
  }),
});

export interface LineageShape extends Graph {
  readonly root: Stored<"inferences">;
  readonly asOf: number;
}

export const LineageGraph = builder.objectRef<LineageShape>("LineageGraph").implement({
  description: "Everything that an output was made of, as a flat list of nodes and edges.",
  fields: (t) => ({
    root: t.field({ type: Inference, resolve: ({ root }) => root }),
    attributions: t.field({
      type: [Attribution],
      resolve: async ({ root }, _, { reader }) => mergeSpans(await reader.spans.load(root.id)),
    }),
    nodes: t.field({ type: [LineageNode], resolve: ({ nodes }) => [...nodes] }),
    edges: t.field({ type: [LineageEdge], resolve: ({ edges }) => [...edges] }),
    truncated: t.exposeBoolean("truncated", { description: "Whether maxDepth or maxNodes cut it short." }),
    asOf: t.field({
      type: Block,
      description: "The block whose state this is.",
      resolve: ({ asOf }, _, { reader }) => found(reader.block.load(asOf)),
    }),
  }),
});
