/** The GraphQL schema: root queries over the types of schema-*.ts. indexer/schema.graphql is its committed print. */
import type { GraphQLSchema } from "graphql/index.js";
import { bytesToHex } from "../core/bytes.ts";
import { SCHEMA_HASH, SCHEMA_VERSION } from "./ddl.ts";
import { DEFAULT_DEPTH, DEFAULT_NODES, MAX_DEPTH, MAX_NODES, walkUpstream } from "./lineage.ts";
import { badInput, parseId } from "./scalars.ts";
import "./schema-accounts.ts";
import {
  Block,
  builder,
  ContributionStatus,
  found,
  type GraphqlContext,
  InferenceState,
  pageArgs,
  RewardKind,
} from "./schema-builder.ts";
import "./schema-data.ts";
import { LineageGraph } from "./schema-lineage.ts";
import "./schema-models.ts";
import {
  Account,
  Contribution,
  ContributionConnection,
  Datanet,
  DatanetConnection,
  Inference,
  InferenceConnection,
  Model,
  ModelConnection,
  RewardConnection,
} from "./schema-refs.ts";
import type { Checkpoint } from "./tables.ts";
import { readCheckpoint } from "./writer.ts";

const Meta = builder.objectRef<Checkpoint>("Meta").implement({
  fields: (t) => ({
    block: t.field({
      type: Block,
      description: "The block that this whole answer is of.",
      resolve: ({ block }, _, { reader }) => found(reader.block.load(block)),
    }),
    hasIndexingErrors: t.boolean({
      description: "The index has halted at this block; the node's log and status say why.",
      resolve: (_, __, { hasIndexingErrors }) => hasIndexingErrors,
    }),
    deployment: t.string({
      description: "Names the chain and the schema: the same for every index that holds the same rows.",
      resolve: ({ genesis_hash }) => `${bytesToHex(genesis_hash)}-${SCHEMA_HASH.slice(0, 16)}`,
    }),
    schemaVersion: t.int({ resolve: () => SCHEMA_VERSION }),
  }),
});

async function checkpointOf({ reader }: GraphqlContext): Promise<Checkpoint> {
  const checkpoint = await readCheckpoint(reader.db);
  if (checkpoint === undefined) throw badInput("the index is still empty: ask again when it has its first block");
  return checkpoint;
}

builder.queryType({
  fields: (t) => ({
    _meta: t.field({ type: Meta, resolve: (_, __, context) => checkpointOf(context) }),
    datanets: t.field({
      type: DatanetConnection,
      args: { ...pageArgs(), owner: t.arg({ type: "Address" }) },
      resolve: (_, { owner, ...page }, { reader }) => reader.page("datanets", { owner }, page),
    }),
    datanet: t.field({
      type: Datanet,
      nullable: true,
      args: { id: t.arg.id({ required: true }) },
      resolve: (_, { id }, { reader }) => reader.datanet.load(parseId(id, "id")),
    }),
    contributions: t.field({
      type: ContributionConnection,
      args: {
        ...pageArgs(),
        datanet: t.arg.id(),
        contributor: t.arg({ type: "Address" }),
        status: t.arg({ type: ContributionStatus }),
        contentRoot: t.arg({ type: "Bytes" }),
      },
      resolve: (_, { datanet, contributor, status, contentRoot, ...page }, { reader }) =>
        reader.page(
          "contributions",
          { datanet: optionalId(datanet, "datanet"), contributor, status, content_root: contentRoot },
          page,
        ),
    }),
    contribution: t.field({
      type: Contribution,
      nullable: true,
      args: { id: t.arg.id({ required: true }) },
      resolve: (_, { id }, { reader }) => reader.contribution.load(parseId(id, "id")),
    }),
    models: t.field({
      type: ModelConnection,
      args: { ...pageArgs(), owner: t.arg({ type: "Address" }) },
      resolve: (_, { owner, ...page }, { reader }) => reader.page("models", { owner }, page),
    }),
    model: t.field({
      type: Model,
      nullable: true,
      args: { id: t.arg.id({ required: true }) },
      resolve: (_, { id }, { reader }) => reader.model.load(parseId(id, "id")),
    }),
    inferences: t.field({
      type: InferenceConnection,
      args: {
        ...pageArgs(),
        model: t.arg.id(),
        payer: t.arg({ type: "Address" }),
        host: t.arg({ type: "Address" }),
        state: t.arg({ type: InferenceState }),
        outputRoot: t.arg({ type: "Bytes" }),
      },
      resolve: (_, { model, payer, host, state, outputRoot, ...page }, { reader }) =>
        reader.page(
          "inferences",
          { model: optionalId(model, "model"), payer, host, state, output_root: outputRoot },
          page,
        ),
    }),
    inference: t.field({
      type: Inference,
      nullable: true,
      args: { id: t.arg.id({ required: true }) },
      resolve: (_, { id }, { reader }) => reader.inference.load(parseId(id, "id")),
    }),
    outputByRoot: t.field({
      type: Inference,
      nullable: true,
      description: "The first inference with this output root; inferences(outputRoot:) lists all.",
      args: { root: t.arg({ type: "Bytes", required: true }) },
      resolve: async (_, { root }, { reader }) => {
        const { rows } = await reader.page("inferences", { output_root: root }, { first: 1, order: "OLDEST" });
        return rows[0];
      },
    }),
    lineage: t.field({
      type: LineageGraph,
      nullable: true,
      description: "Where an output comes from; null for an inference that does not exist.",
      args: {
        output: t.arg.id({ required: true, description: "Id of the inference." }),
        maxDepth: t.arg.int({ required: true, defaultValue: DEFAULT_DEPTH, description: `1 to ${MAX_DEPTH}.` }),
        maxNodes: t.arg.int({ required: true, defaultValue: DEFAULT_NODES, description: `1 to ${MAX_NODES}.` }),
      },
      resolve: async (_, { output, maxDepth, maxNodes }, context) => {
        bounded("maxDepth", maxDepth, MAX_DEPTH);
        bounded("maxNodes", maxNodes, MAX_NODES);
        const { reader } = context;
        const root = await reader.inference.load(parseId(output, "output"));
        if (root === undefined) return null;
        const graph = await walkUpstream(reader, root.id, { maxDepth, maxNodes });
        return { ...graph, root, asOf: (await checkpointOf(context)).block };
      },
    }),
    rewards: t.field({
      type: RewardConnection,
      args: {
        ...pageArgs(),
        account: t.arg({ type: "Address" }),
        inference: t.arg.id(),
        kind: t.arg({ type: RewardKind }),
      },
      resolve: (_, { account, inference, kind, ...page }, { reader }) =>
        reader.page("rewards", { account, inference: optionalId(inference, "inference"), kind }, page),
    }),
    account: t.field({
      type: Account,
      args: { address: t.arg({ type: "Address", required: true }) },
      resolve: (_, { address }) => ({ address }),
    }),
    contributor: t.field({
      type: Account,
      description: "The same as account.",
      args: { address: t.arg({ type: "Address", required: true }) },
      resolve: (_, { address }) => ({ address }),
    }),
  }),
});

function optionalId(id: string | number | null | undefined, what: string): number | undefined {
  return id === null || id === undefined ? undefined : parseId(id, what);
}

function bounded(what: string, value: number, max: number): void {
  if (value < 1 || value > max) throw badInput(`${what} must be 1 to ${max}, not ${value}`);
}

export const schema: GraphQLSchema = builder.toSchema();
