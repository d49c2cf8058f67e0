/** GraphQL of the index itself: what block an answer is of, and how far the index has come. */
import { bytesToHex } from "../core/bytes.ts";
import { SCHEMA_HASH, SCHEMA_VERSION } from "./ddl.ts";
import { taggedBlocks } from "./schema-blocks.ts";
import { Block, builder, found } from "./schema-builder.ts";
import type { Checkpoint } from "./tables.ts";

const Meta = builder.objectRef<Checkpoint>("Meta").implement({
  fields: (t) => ({
    block: t.field({
      type: Block,
      description: "The block that was asked for: the last one of the index, without block.",
      resolve: async (_, __, { reader }) => found(reader.block.load(await reader.blockNumber())),
    }),
    safe: t.field({
      type: Block,
      description: "The last block of the index that is safe, its batch being on L1.",
      resolve: async (_, __, { reader }) =>
        found(reader.atBlock(undefined).block.load((await taggedBlocks(reader)).SAFE)),
    }),
    finalized: t.field({
      type: Block,
      description: "The last block of the index whose batch is final on L1.",
      resolve: async (_, __, { reader }) =>
        found(reader.atBlock(undefined).block.load((await taggedBlocks(reader)).FINALIZED)),
    }),
    chainHead: t.field({
      type: "BigInt",
      description: "The chain's last block, which the index may still be behind.",
      resolve: async ({ block }, _, { reader }) => Math.max((await reader.progress())?.head ?? 0, block),
    }),
    hasIndexingErrors: t.boolean({
      description: "The index has halted at its last block; the node's log and status say why.",
      resolve: async (_, __, { reader }) => (await reader.progress())?.error != null,
    }),
    deployment: t.string({
      description: "Names the chain and the schema: the same for every index that holds the same rows.",
      resolve: ({ genesis_hash }) => `${bytesToHex(genesis_hash)}-${SCHEMA_HASH.slice(0, 16)}`,
    }),
    schemaVersion: t.int({ resolve: () => SCHEMA_VERSION }),
  }),
});

builder.queryFields((t) => ({
  _meta: t.field({ type: Meta, resolve: (_, __, { reader }) => reader.checkpoint() }),
}));
