/** What every GraphQL type stands on: builder, scalars, enums, pages. */
import SchemaBuilder from "@pothos/core";
import { LICENCES } from "../core/licences.ts";
import {
  DEMAND_STATE,
  EDGE_KIND,
  FAULT,
  INFERENCE_STATE,
  MODEL_KIND,
  REWARD_KIND,
  ROLE,
  STAKE_KIND,
  STATUS,
} from "./codes.ts";
import type { Reader } from "./loaders.ts";
import {
  parseAddress,
  parseBigInt,
  parseBytes,
  parseTimestamp,
  serializeAddress,
  serializeBigInt,
  serializeBytes,
} from "./scalars.ts";
import type { Stored } from "./tables.ts";

export interface GraphqlContext {
  /** Reads the last block of the snapshot; a root field's own block: schema-blocks.ts. */
  readonly reader: Reader;
}

type StoredInteger = bigint | number;

interface SchemaTypes {
  Context: GraphqlContext;
  DefaultFieldNullability: false;
  Scalars: {
    BigInt: { Input: bigint; Output: StoredInteger };
    Bytes: { Input: Uint8Array; Output: Uint8Array };
    Address: { Input: Uint8Array; Output: Uint8Array };
    Timestamp: { Input: number; Output: number };
  };
}

export const builder = new SchemaBuilder<SchemaTypes>({ defaultFieldNullability: false });
/** SchemaTypes with what Pothos adds to it. */
export type Types = (typeof builder)["$inferSchemaTypes"];

builder.scalarType("BigInt", {
  description: "Non-negative integer as a decimal string: wei, bytes, block numbers, weights.",
  serialize: serializeBigInt,
  parseValue: parseBigInt,
});
builder.scalarType("Bytes", {
  description: "Lower-case hex with 0x before it.",
  serialize: serializeBytes,
  parseValue: parseBytes,
});
builder.scalarType("Address", {
  description: "20 bytes of hex with 0x before it, answered with EIP-55 checksum. A bad checksum is refused.",
  serialize: serializeAddress,
  parseValue: parseAddress,
});
builder.scalarType("Timestamp", {
  description: "Unix time in seconds.",
  serialize: (seconds) => seconds,
  parseValue: parseTimestamp,
});

const enumOf = (name: string, description: string, codes: Readonly<Record<string, number>>) =>
  builder.enumType(name, {
    description,
    values: Object.fromEntries(Object.entries(codes).map(([key, value]) => [key, { value }])) as Record<
      string,
      { value: number }
    >,
  });

export const ContributionStatus = enumOf(
  "ContributionStatus",
  "As on chain. DUPLICATE: accepted as a copy of an earlier one and never paid. WITHDRAWN: before any decision.",
  STATUS,
);
export const InferenceState = enumOf("InferenceState", "Life of an inference.", INFERENCE_STATE);
export const Fault = enumOf("Fault", "What a proven challenge has shown.", FAULT);
export const DemandState = enumOf("DemandState", "Of a chunk that a host must show.", DEMAND_STATE);
export const StakeKind = enumOf("StakeKind", "How a host's stake moves.", STAKE_KIND);
export const RewardKind = enumOf("RewardKind", "What a share of a fee is paid for.", REWARD_KIND);
export const ModelKind = enumOf("ModelKind", "How a model stands to its parent.", MODEL_KIND);
export const GrantRole = enumOf("GrantRole", "What an account may do in a Datanet.", ROLE);
export const LineageEdgeKind = enumOf(
  "LineageEdgeKind",
  "Edges point upstream, to what a thing was made of.",
  EDGE_KIND,
);
export const Modality = enumOf("Modality", "What the data is.", { TEXT: 0, IMAGE: 1, AUDIO: 2 });
export const Access = enumOf("Access", "Who may build on a Datanet.", { OPEN: 0, PERMISSIONED: 1 });
export const Audience = enumOf("Audience", "Whether the output's bytes are on chain.", { PUBLIC: 0, PRIVATE: 1 });
/** SPDX identifier of a licence code; of one that this program does not know, a LicenseRef that names the code. */
export const spdx = (code: number): string => LICENCES[code]?.spdx ?? `LicenseRef-${code}`;

export const Block = builder.objectRef<Stored<"blocks">>("Block");

/** What an event brought into being. */
export const OnChain = builder
  .interfaceRef<{ block: number; log_index: number; tx_hash: Uint8Array }>("OnChain")
  .implement({
    description: "Came with an event: its block, transaction and place among the block's logs.",
    fields: (t) => ({
      block: t.field({ type: Block, resolve: ({ block }, _, { reader }) => found(reader.block.load(block)) }),
      tx: t.expose("tx_hash", { type: "Bytes" }),
      logIndex: t.exposeInt("log_index"),
    }),
  });

/** For references that the projection guarantees: nullable types are for what may be absent. */
export async function found<V>(row: Promise<V | undefined>): Promise<V> {
  const value = await row;
  if (value === undefined) throw new Error("the index refers to a row that it does not have");
  return value;
}
