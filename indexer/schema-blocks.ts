/**
 * Time travel: `block` of every root field names the block whose state it answers. Resolvers know nothing of it: each gets
 * the reader of its own root field, whatever else the request asks.
 */
import {
  defaultFieldResolver,
  type GraphQLArgument,
  type GraphQLFieldResolver,
  type GraphQLInputObjectType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  isObjectType,
} from "graphql/index.js";
import { bytesToHex } from "../core/bytes.ts";
import type { Reader } from "./loaders.ts";
import { badInput } from "./scalars.ts";
import { builder, type GraphqlContext } from "./schema-builder.ts";

const BlockTag = builder.enumType("BlockTag", {
  description: "Of the index: the last of its blocks, and the last of them that is safe or finalized on L1.",
  values: ["LATEST", "SAFE", "FINALIZED"] as const,
});

interface BlockSelector {
  number?: bigint | null;
  hash?: Uint8Array | null;
  number_gte?: bigint | null;
  tag?: "LATEST" | "SAFE" | "FINALIZED" | null;
}

const SELECTOR = "BlockSelector";

builder.inputType(SELECTOR, {
  description: "A block of the index.",
  isOneOf: true,
  fields: (t) => ({
    number: t.field({ type: "BigInt" }),
    hash: t.field({ type: "Bytes", description: "Refused when the block of this hash is not in the chain." }),
    number_gte: t.field({ type: "BigInt", description: "The last block, once it is this one or later." }),
    tag: t.field({ type: BlockTag }),
  }),
});

/** The last block of the index, and the last of its blocks that are safe and finalized as far as the index knows. */
export async function taggedBlocks(reader: Reader): Promise<Readonly<Record<"LATEST" | "SAFE" | "FINALIZED", number>>> {
  const { block } = await reader.checkpoint();
  const progress = await reader.progress();
  const tagged = (number: number | undefined): number => Math.min(number ?? 0, block);
  return { LATEST: block, SAFE: tagged(progress?.safe), FINALIZED: tagged(progress?.finalized) };
}

/** The reader of the block that `selector` names. Throws GraphQLError for one that the index does not have. */
async function readerOf(reader: Reader, selector: BlockSelector): Promise<Reader> {
  const tagged = await taggedBlocks(reader);
  const head = tagged.LATEST;
  const { number, hash, number_gte, tag } = selector;
  let at: number;
  if (number != null) {
    if (number > head) throw badInput(`block ${number} is not in the index, which ends at block ${head}`);
    at = Number(number);
  } else if (number_gte != null) {
    if (number_gte > head) throw badInput(`block ${number_gte} is not in the index yet, which ends at block ${head}`);
    at = head;
  } else if (hash != null) {
    const found = await reader.db.selectFrom("blocks").select("block").where("hash", "=", hash).executeTakeFirst();
    if (found === undefined) throw badInput(`no block of the index has hash ${bytesToHex(hash)}`);
    at = found.block;
  } else {
    at = tagged[tag ?? "LATEST"];
  }
  // The last block's states are found without looking at validity.
  return reader.atBlock(at === head ? undefined : at);
}

type Resolver = GraphQLFieldResolver<unknown, GraphqlContext>;

/** Contexts of a request's root fields that name a block, by the key that they have in the answer. */
const ownContexts = new WeakMap<GraphqlContext, Map<string | number, GraphqlContext>>();

/** Gives every query `block`, and every resolver below one that has it the reader of that block. */
export function withBlocks(schema: GraphQLSchema): GraphQLSchema {
  const selector = schema.getType(SELECTOR) as GraphQLInputObjectType;
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith("__")) continue;
    const isQuery = type === schema.getQueryType();
    for (const field of Object.values(type.getFields())) {
      const resolve = (field.resolve ?? defaultFieldResolver) as Resolver;
      if (isQuery) {
        field.args = [...field.args, blockArgument(selector)];
        field.resolve = atOwnBlock(resolve);
      } else {
        field.resolve = atBlockOfRoot(resolve);
      }
    }
  }
  return schema;
}

const blockArgument = (type: GraphQLInputObjectType): GraphQLArgument => ({
  name: "block",
  description: "The block whose state this answers; the last one when absent.",
  type,
  defaultValue: undefined,
  deprecationReason: undefined,
  extensions: {},
  astNode: undefined,
});

function atOwnBlock(resolve: Resolver): Resolver {
  return (source, { block, ...args }, context, info) => {
    if (block === null || block === undefined) return resolve(source, args, context, info);
    return readerOf(context.reader, block as BlockSelector).then((reader) => {
      const ofRequest = ownContexts.get(context) ?? new Map<string | number, GraphqlContext>();
      ownContexts.set(context, ofRequest);
      // Fields of one block share what they have loaded.
      const own = [context, ...ofRequest.values()].find((other) => other.reader.at === reader.at);
      ofRequest.set(info.path.key, own ?? { ...context, reader });
      return resolve(source, args, ofRequest.get(info.path.key) ?? context, info);
    });
  };
}

function atBlockOfRoot(resolve: Resolver): Resolver {
  return (source, args, context, info) => {
    const ofRequest = ownContexts.get(context);
    const own = ofRequest === undefined ? context : (ofRequest.get(rootKey(info)) ?? context);
    return resolve(source, args, own, info);
  };
}

function rootKey({ path }: GraphQLResolveInfo): string | number {
  let root = path;
  while (root.prev !== undefined) root = root.prev;
  return root.key;
}
