/** What of a block subscribers hear: each topic's rows are read once a block, and each subscriber has a filter on them. */
import { sql } from "kysely";
import { equalsBytes } from "../core/bytes.ts";
import { REWARD_KIND } from "./codes.ts";
import { type MergedAttribution, mergeSpans } from "./lineage.ts";
import type { Reader } from "./loaders.ts";
import { badInput } from "./scalars.ts";
import { type Stored, type TableName, tableShape } from "./tables.ts";

/** Blocks of the past that a subscriber may ask for: more than an hour of blocks of a second. */
export const MAX_REPLAY_BLOCKS = 5_000;

type Key = number | Uint8Array | null;

export interface TopicEvent<T> {
  readonly value: T;
  /** What a filter may ask for. */
  readonly keys: Readonly<Record<string, Key>>;
}

export interface Topic<T> {
  readonly name: string;
  /** The block's events in their order in the chain. `reader` is of that block. */
  read(reader: Reader, block: number): Promise<readonly TopicEvent<T>[]>;
}

export type TopicFilter = Readonly<Record<string, Key | undefined>>;

/**
 * What the `subscribe` of a GraphQL field answers. It is an AsyncIterable by type alone, because GraphQL wants one: the
 * feed (subscriptions.ts) delivers what it selects.
 */
export class Selection<T> implements AsyncIterable<T> {
  readonly topic: Topic<T>;
  /** The first block whose events are wanted; undefined: the one after the subscription. */
  readonly fromBlock: number | undefined;
  readonly #filter: readonly (readonly [string, Key])[];

  /** What is null or undefined in the filter does not filter. */
  constructor(topic: Topic<T>, filter: TopicFilter, fromBlock: number | null | undefined) {
    this.topic = topic;
    if (fromBlock != null && fromBlock < 0) throw badInput(`fromBlock must not be negative, and ${fromBlock} is`);
    this.fromBlock = fromBlock ?? undefined;
    this.#filter = Object.entries(filter).flatMap(([name, key]) => (key == null ? [] : [[name, key] as const]));
  }

  matches({ keys }: TopicEvent<unknown>): boolean {
    return this.#filter.every(([name, wanted]) => isSame(keys[name], wanted));
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    throw new Error("a subscription is delivered by the server's feed");
  }
}

function isSame(actual: Key | undefined, wanted: Key): boolean {
  return actual instanceof Uint8Array && wanted instanceof Uint8Array ? equalsBytes(actual, wanted) : actual === wanted;
}

/** Of a fact the rows of the block; of an entity the states that begin with it. */
async function rowsOf<T extends TableName>(reader: Reader, table: T, block: number): Promise<Stored<T>[]> {
  const { kind, key } = tableShape(table);
  await reader.turn();
  // The tables differ only in names here, so one of them stands for all in kysely's types.
  let query = reader.db
    .selectFrom(table as "rewards")
    .selectAll()
    .where(sql.ref(kind === "entity" ? "valid_from" : "block"), "=", block);
  for (const column of ["block", "log_index", ...key]) query = query.orderBy(sql.ref(column));
  return (await query.execute()) as unknown as Stored<T>[];
}

/** Every row of `table` that a block brings, with the named columns as its keys. */
function tableTopic<T extends TableName>(
  table: T,
  ...columns: readonly (keyof Stored<T> & string)[]
): Topic<Stored<T>> {
  return {
    name: table,
    async read(reader, block) {
      return (await rowsOf(reader, table, block)).map((value) => ({
        value,
        keys: Object.fromEntries(columns.map((column) => [column, value[column] as Key])),
      }));
    },
  };
}

export const heads: Topic<Stored<"blocks">> = {
  name: "blocks",
  async read(reader, block) {
    const row = await reader.block.load(block);
    return row === undefined ? [] : [{ value: row, keys: {} }];
  },
};

export const claims = tableTopic("claims", "account");
export const versions = tableTopic("versions", "datanet");
export const contributions = tableTopic("contributions", "id", "datanet", "contributor", "status");
export const models = tableTopic("models", "id", "owner");
export const inferences = tableTopic("inferences", "id", "model", "payer", "host", "state");

export const rewards: Topic<Stored<"rewards">> = {
  name: "rewards",
  async read(reader, block) {
    return (await rowsOf(reader, "rewards", block)).map((value) => ({
      value,
      keys: {
        account: value.account,
        kind: value.kind,
        inference: value.inference,
        contribution: value.kind === REWARD_KIND.CONTRIBUTOR ? value.source : null,
      },
    }));
  },
};

/** What each contribution has in each output that the block commits. */
export const attributions: Topic<MergedAttribution> = {
  name: "attributions",
  async read(reader, block) {
    const spans = Map.groupBy(await rowsOf(reader, "spans", block), ({ inference }) => inference);
    const merged = [...spans.values()].flatMap((ofOutput) => mergeSpans(ofOutput));
    return await Promise.all(
      merged.map(async (value) => {
        const [inference, contribution] = await Promise.all([
          reader.inference.load(value.inference),
          reader.contribution.load(value.contribution),
        ]);
        return {
          value,
          keys: {
            inference: value.inference,
            model: inference?.model ?? null,
            contribution: value.contribution,
            contributor: contribution?.contributor ?? null,
            datanet: contribution?.datanet ?? null,
          },
        };
      }),
    );
  },
};
