/** Reads of one request at one block. Loads of one level are collected into one query, so that nesting costs queries per level, not per row. */
import { GraphQLError } from "graphql/index.js";
import { type Kysely, sql } from "kysely";
import { bytesToHex } from "../core/bytes.ts";
import { asOf } from "./as-of.ts";
import { EDGE_KIND, NODE_KIND, REWARD_KIND } from "./codes.ts";
import {
  type Condition,
  countRows,
  type Filter,
  type Page,
  type PageArguments,
  type PagedTable,
  readPage,
} from "./paging.ts";
import { badInput } from "./scalars.ts";
import type { Checkpoint, Database, Progress, Stored, TableName } from "./tables.ts";

type Key = number | Uint8Array;

export interface Loader<K extends Key, V> {
  load(key: K): Promise<V>;
}

/** Keys in one statement; more are loaded in turns. */
const MAX_KEYS = 500;
/** A request that has held the event loop for so long lets the chain go first. */
const TURN_MS = 5;
const TURN_STATEMENTS = 32;

/** Keys in one statement that looks for each one's state by itself. */
const MAX_STATES = 32;
/** Rollups have a state for each block that changed them, so their state at a block is sought, not filtered. */
type Rollup = "accounts" | "reward_totals" | "contribution_totals";

/**
 * What the fields of one request read: the state at one block, out of one transaction. Several blocks of one request
 * have a reader each over the same transaction.
 */
export class Reader {
  readonly db: Kysely<Database>;
  /** The block that it reads; undefined for the last one in the index. */
  readonly at: number | undefined;
  readonly #timeoutMs: number;
  #clock: Clock;

  readonly block = this.#one("blocks", "block");
  readonly datanet = this.#one("datanets", "id");
  readonly contribution = this.#one("contributions", "id");
  readonly model = this.#one("models", "id");
  readonly inference = this.#one("inferences", "id");
  readonly account = this.#loader<Uint8Array, Stored<"accounts"> | undefined>(
    async (keys) => {
      const rows = await this.#rollups("accounts", "address", keys, [{}]);
      return new Map(rows.map((row) => [keyName(row.address), row]));
    },
    () => undefined,
  );
  readonly contributionTotals = this.#loader<number, Stored<"contribution_totals"> | undefined>(
    async (keys) => {
      const rows = await this.#rollups("contribution_totals", "contribution", keys, [{}]);
      return new Map(rows.map((row) => [keyName(row.contribution), row]));
    },
    () => undefined,
  );
  readonly rewardTotals = this.#loader<Uint8Array, Stored<"reward_totals">[]>(
    async (keys) => {
      const kinds = Object.values(REWARD_KIND).map((kind) => ({ kind }));
      const rows = await this.#rollups("reward_totals", "account", keys, kinds);
      return groupBy(
        rows.toSorted((a, b) => a.kind - b.kind),
        (row) => row.account,
      );
    },
    () => [],
  );
  readonly demands = this.#many("demands", "inference", "block", "log_index");
  readonly auditors = this.#many("auditors", "inference", "block", "log_index");
  readonly bondMovements = this.#many("bond_movements", "contribution", "block", "log_index");
  readonly batch = this.#one("batches", "id");
  readonly spans = this.#many("spans", "inference", "span");
  readonly rewards = this.#many("rewards", "inference", "log_index");
  readonly history = this.#many("contribution_events", "contribution", "block", "log_index");
  readonly modelData = this.#many("model_data", "model", "position");
  readonly modelCounts = this.#many("model_counts", "model", "datanet");
  readonly parents = this.#loader<number, Stored<"edges">[]>(
    async (keys) => {
      const query = asOf(this.db.selectFrom("edges").selectAll(), "edges", this.at)
        .where("from_kind", "=", NODE_KIND.CONTRIBUTION)
        .where("from_id", "in", keys as number[])
        .where("kind", "=", EDGE_KIND.DERIVED_FROM);
      const edges = await query.orderBy("ordinal").execute();
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

  /** `startedMs`: when the request's time began. */
  constructor(db: Kysely<Database>, timeoutMs: number, at?: number, startedMs = Date.now()) {
    this.db = db;
    this.at = at;
    this.#timeoutMs = timeoutMs;
    this.#clock = new Clock(timeoutMs, startedMs);
  }

  /** Reads another block of the same snapshot, within the same time. Precondition: the index has that block. */
  atBlock(at: number | undefined): Reader {
    const reader = new Reader(this.db, this.#timeoutMs, at);
    reader.#clock = this.#clock;
    return reader;
  }

  /** Where the index ends, whichever block this reads. Throws GraphQLError while it is empty. */
  async checkpoint(): Promise<Checkpoint> {
    await this.turn();
    const checkpoint = await this.db.selectFrom("checkpoint").selectAll().executeTakeFirst();
    if (checkpoint === undefined) throw badInput("the index is still empty: ask again when it has its first block");
    return checkpoint;
  }

  /** What the writer last knew of the chain. */
  async progress(): Promise<Progress | undefined> {
    await this.turn();
    return await this.db.selectFrom("progress").selectAll().executeTakeFirst();
  }

  /** Number of the block that answers are of. */
  async blockNumber(): Promise<number> {
    return this.at ?? (await this.checkpoint()).block;
  }

  async page<T extends PagedTable>(
    table: T,
    filter: Filter<T>,
    args: PageArguments,
    conditions: readonly Condition[] = [],
  ): Promise<Page<T>> {
    await this.turn();
    return await readPage(this.db, { table, at: this.at, filter, conditions }, args);
  }

  async count<T extends PagedTable>(page: Page<T>): Promise<number> {
    await this.turn();
    return await countRows(this.db, page);
  }

  /** Call before each statement: keeps to the deadline, and lets others run. */
  turn(): Promise<void> {
    return this.#clock.turn();
  }

  #one<T extends TableName, C extends keyof Stored<T> & string>(table: T, column: C) {
    return this.#loader<Stored<T>[C] & Key, Stored<T> | undefined>(
      async (keys) => {
        const rows = await this.#rows(table, column, keys, []);
        return new Map(rows.map((row) => [keyName(row[column] as Key), row]));
      },
      () => undefined,
    );
  }

  #many<T extends TableName, C extends keyof Stored<T> & string>(
    table: T,
    column: C,
    ...order: (keyof Stored<T> & string)[]
  ) {
    return this.#loader<Stored<T>[C] & Key, Stored<T>[]>(
      async (keys) => groupBy(await this.#rows(table, column, keys, order), (row) => row[column] as Key),
      () => [],
    );
  }

  async #rows<T extends TableName>(
    table: T,
    column: string,
    keys: readonly Key[],
    order: readonly string[],
  ): Promise<Stored<T>[]> {
    // The tables differ only in names here, so one of them stands for all in kysely's types.
    let query = asOf(this.db.selectFrom(table as "rewards").selectAll(), table, this.at);
    query = query.where(sql.ref(column), "in", keys);
    for (const name of order) query = query.orderBy(sql.ref(name));
    return (await query.execute()) as unknown as Stored<T>[];
  }

  /** States of the rollups whose key is one of `keys` together with one of `rests`, the rest of the key. */
  async #rollups<T extends Rollup>(
    table: T,
    column: string,
    keys: readonly Key[],
    rests: readonly Readonly<Record<string, number>>[],
  ): Promise<Stored<T>[]> {
    const { at } = this;
    if (at === undefined) return await this.#rows(table, column, keys, []);
    const wanted = keys.flatMap((key) => rests.map((rest) => Object.entries({ [column]: key, ...rest })));
    const stateOf = (key: readonly [string, Key][]) => {
      let query = this.db.selectFrom(table as "accounts").selectAll();
      for (const [name, value] of key) query = query.where(sql.ref(name), "=", value);
      const last = query.where("valid_from", "<=", at).orderBy("valid_from", "desc").limit(1);
      return this.db.selectFrom(last.as("state")).selectAll();
    };
    const rows: unknown[] = [];
    for (let i = 0; i < wanted.length; i += MAX_STATES) {
      const [first, ...others] = padded(wanted.slice(i, i + MAX_STATES));
      if (first === undefined) break;
      await this.turn();
      // Not union all: keys may repeat.
      const each = others.reduce((query, key) => query.union(stateOf(key)), stateOf(first));
      rows.push(...(await each.execute()));
    }
    return rows as Stored<T>[];
  }

  async #aggregate(
    table: "versions" | "contributions",
    column: "datanet",
    value: ReturnType<typeof sql<number>>,
    keys: readonly number[],
  ) {
    const all = this.db.selectFrom(table as "versions").select([column, value.as("value")]);
    const rows = await asOf(all, table, this.at).where(column, "in", keys).groupBy(column).execute();
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

/** The time of one request. */
class Clock {
  readonly #timeoutMs: number;
  readonly #deadlineMs: number;
  /** Those whose turn comes, one in each round of the event loop: a field of many rows asks for all of them at once. */
  readonly #waiting: (() => void)[] = [];
  #turnEndsMs = Date.now() + TURN_MS;
  /** Let through in this turn: those that ask at once have not yet taken any time. */
  #statements = 0;

  constructor(timeoutMs: number, startedMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#deadlineMs = startedMs + timeoutMs;
  }

  async turn(): Promise<void> {
    this.#statements += 1;
    if (this.#waiting.length > 0 || this.#statements > TURN_STATEMENTS || Date.now() >= this.#turnEndsMs) {
      await new Promise<void>((resolve) => {
        if (this.#waiting.push(resolve) === 1) setImmediate(() => this.#next());
      });
    }
    if (Date.now() <= this.#deadlineMs) return;
    throw new GraphQLError(`the query took longer than ${this.#timeoutMs} ms: ask for less`, {
      extensions: { code: "TIMEOUT" },
    });
  }

  #next(): void {
    this.#turnEndsMs = Date.now() + TURN_MS;
    this.#statements = 0;
    this.#waiting.shift()?.();
    if (this.#waiting.length > 0) setImmediate(() => this.#next());
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
