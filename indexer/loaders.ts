/** Reads of one request. Loads of one level are collected into one query, so that nesting costs queries per level, not per row. */
import { setImmediate as yieldToEventLoop } from "node:timers/promises";
import { GraphQLError } from "graphql/index.js";
import { type Kysely, sql } from "kysely";
import { bytesToHex } from "../core/bytes.ts";
import { EDGE_KIND, NODE_KIND } from "./codes.ts";
import { countRows, type Filter, type Page, type PageArguments, type PagedTable, readPage } from "./paging.ts";
import { type Database, type Stored, type TableName, tableShape } from "./tables.ts";

type Key = number | Uint8Array;

export interface Loader<K extends Key, V> {
  load(key: K): Promise<V>;
}

/** Keys in one statement; more are loaded in turns. */
const MAX_KEYS = 500;
/** A request that has held the event loop for so long lets the chain go first. */
const TURN_MS = 5;

/** The snapshot that one request reads: one transaction, so that every answer in it is of one block. */
export class Reader {
  readonly db: Kysely<Database>;
  readonly #deadlineMs: number;
  readonly #timeoutMs: number;
  #turnEndsMs = Date.now() + TURN_MS;

  readonly block = this.#one("blocks", "block");
  readonly datanet = this.#one("datanets", "id");
  readonly contribution = this.#one("contributions", "id");
  readonly model = this.#one("models", "id");
  readonly inference = this.#one("inferences", "id");
  readonly account = this.#one("accounts", "address");
  readonly contributionTotals = this.#one("contribution_totals", "contribution");
  readonly demands = this.#many("demands", "inference", "block");
  readonly batch = this.#one("batches", "id");
  readonly spans = this.#many("spans", "inference", "span");
  readonly rewards = this.#many("rewards", "inference", "log_index");
  readonly rewardTotals = this.#many("reward_totals", "account", "kind");
  readonly history = this.#many("contribution_events", "contribution", "block");
  readonly modelData = this.#many("model_data", "model", "position");
  readonly modelCounts = this.#many("model_counts", "model", "datanet");
  readonly parents = this.#loader<number, Stored<"edges">[]>(
    async (keys) => {
      const edges = await this.db
        .selectFrom("edges")
        .selectAll()
        .where("from_kind", "=", NODE_KIND.CONTRIBUTION)
        .where("from_id", "in", keys as number[])
        .where("kind", "=", EDGE_KIND.DERIVED_FROM)
        .orderBy("ordinal")
        .execute();
      return groupBy(edges, (edge) => edge.from_id);
    },
    () => [],
  );
  /** The last published version and the number of accepted contributions, by Datanet. */
  readonly versionCount = this.#loader<number, number>(
    (keys) => this.#aggregate("versions", "datanet", sql<number>`max("version")`, keys),
    () => 0,
  );
  readonly acceptedCount = this.#loader<number, number>(
    (keys) => this.#aggregate("contributions", "datanet", sql<number>`max("leaf_index") + 1`, keys),
    () => 0,
  );

  constructor(db: Kysely<Database>, timeoutMs: number) {
    this.db = db;
    this.#timeoutMs = timeoutMs;
    this.#deadlineMs = Date.now() + timeoutMs;
  }

  async page<T extends PagedTable>(table: T, filter: Filter<T>, args: PageArguments): Promise<Page<T>> {
    await this.turn();
    return await readPage(this.db, table, filter, args);
  }

  async count<T extends PagedTable>(page: Page<T>): Promise<number> {
    await this.turn();
    return await countRows(this.db, page);
  }

  /** Call before each statement: keeps to the deadline, and lets others run. */
  async turn(): Promise<void> {
    const nowMs = Date.now();
    if (nowMs > this.#deadlineMs) {
      throw new GraphQLError(`the query took longer than ${this.#timeoutMs} ms: ask for less`, {
        extensions: { code: "TIMEOUT" },
      });
    }
    if (nowMs < this.#turnEndsMs) return;
    await yieldToEventLoop();
    this.#turnEndsMs = Date.now() + TURN_MS;
  }

  #one<T extends TableName, C extends keyof Stored<T> & string>(table: T, column: C) {
    return this.#loader<Stored<T>[C] & Key, Stored<T> | undefined>(
      async (keys) => {
        const rows = await this.#rows(table, column, keys);
        return new Map(rows.map((row) => [keyName(row[column] as Key), row]));
      },
      () => undefined,
    );
  }

  #many<T extends TableName, C extends keyof Stored<T> & string>(table: T, column: C, order: keyof Stored<T> & string) {
    return this.#loader<Stored<T>[C] & Key, Stored<T>[]>(
      async (keys) => groupBy(await this.#rows(table, column, keys, order), (row) => row[column] as Key),
      () => [],
    );
  }

  async #rows<T extends TableName>(
    table: T,
    column: string,
    keys: readonly Key[],
    order = column,
  ): Promise<Stored<T>[]> {
    // The tables differ only in names here, so one of them stands for all in kysely's types.
    let query = this.db
      .selectFrom(table as "rewards")
      .selectAll()
      .where(sql.ref(column), "in", keys);
    if (tableShape(table).kind === "entity") query = query.where(sql.ref("valid_to"), "is", null);
    return (await query.orderBy(sql.ref(order)).execute()) as unknown as Stored<T>[];
  }

  async #aggregate(
    table: "versions" | "contributions",
    column: "datanet",
    value: ReturnType<typeof sql<number>>,
    keys: readonly number[],
  ) {
    let query = this.db
      .selectFrom(table as "versions")
      .select([column, value.as("value")])
      .where(column, "in", keys);
    if (tableShape(table).kind === "entity") query = query.where(sql.ref("valid_to"), "is", null);
    const rows = await query.groupBy(column).execute();
    return new Map(rows.map((row) => [keyName(row[column]), row.value ?? 0]));
  }

  /** `fetch` answers a map by keyName; `absent` is the answer for a key that is not in it. */
  #loader<K extends Key, V>(
    fetch: (keys: readonly K[]) => Promise<ReadonlyMap<string, V>>,
    absent: () => V,
  ): Loader<K, V> {
    const cache = new Map<string, Promise<V>>();
    let batch: { readonly keys: K[]; readonly found: Promise<ReadonlyMap<string, V>> } | undefined;
    const begin = (): NonNullable<typeof batch> => {
      const keys: K[] = [];
      const found = endOfLevel().then(async () => {
        batch = undefined;
        const all = new Map<string, V>();
        for (let i = 0; i < keys.length; i += MAX_KEYS) {
          await this.turn();
          for (const entry of await fetch(padded(keys.slice(i, i + MAX_KEYS)))) all.set(...entry);
        }
        return all;
      });
      return { keys, found };
    };
    return {
      load(key) {
        const name = keyName(key);
        const cached = cache.get(name);
        if (cached !== undefined) return cached;
        batch ??= begin();
        batch.keys.push(key);
        const value = batch.found.then((found) => found.get(name) ?? absent());
        cache.set(name, value);
        return value;
      },
    };
  }
}

const keyName = (key: Key): string => (typeof key === "number" ? String(key) : bytesToHex(key));

/** Resolves when the promises that are ready now have all run, that is when the level's resolvers have asked. */
const endOfLevel = (): Promise<void> =>
  Promise.resolve().then(() => new Promise((resolve) => process.nextTick(resolve)));

/** Repeats the last key up to a power of two: few different statements, which stay prepared. */
function padded<K>(keys: readonly K[]): readonly K[] {
  const length = 2 ** Math.ceil(Math.log2(keys.length));
  return [...keys, ...Array<K>(length - keys.length).fill(keys.at(-1) as K)];
}

function groupBy<V>(rows: readonly V[], keyOf: (row: V) => Key): Map<string, V[]> {
  const groups = new Map<string, V[]>();
  for (const row of rows) {
    const name = keyName(keyOf(row));
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [row]);
    else group.push(row);
  }
  return groups;
}
