/** Relay connections by keyset: a cursor holds the position of its row, so that rows added meanwhile shift nothing. */
import { type Expression, type Kysely, type RawBuilder, type SelectQueryBuilder, type SqlBool, sql } from "kysely";
import { asOf } from "./as-of.ts";
import { badInput } from "./scalars.ts";
import { type Database, type Stored, type TableName, tableShape } from "./tables.ts";

export const DEFAULT_PAGE = 50;
export const MAX_PAGE = 1_000;

export type ListOrder = "OLDEST" | "NEWEST";

/** `first` or `last`, not both; neither is the first DEFAULT_PAGE. */
export interface PageArguments {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
  readonly last?: number | null | undefined;
  readonly before?: string | null | undefined;
  /** By place in the chain; `orderDirection` goes before it. */
  readonly order?: ListOrder | null | undefined;
  /** A name in ORDERS; POSITION when absent. */
  readonly orderBy?: string | null | undefined;
  readonly orderDirection?: "ASC" | "DESC" | null | undefined;
}

/** What makes a row's place in a list: unique together, rising in the order of the chain. */
const POSITIONS = {
  blocks: ["block"],
  datanets: ["id"],
  contributions: ["id"],
  models: ["id"],
  inferences: ["id"],
  batches: ["id"],
  versions: ["datanet", "version"],
  grants: ["block", "log_index"],
  commitments: ["block", "log_index"],
  contribution_events: ["block", "log_index"],
  bond_movements: ["block", "log_index"],
  hosts: ["block", "log_index"],
  demands: ["block", "log_index"],
  auditors: ["block", "log_index"],
  edges: ["block", "log_index", "ordinal"],
  rewards: ["block", "log_index"],
  claims: ["block", "log_index"],
  stakes: ["block", "log_index"],
  deposits: ["block", "tx_index"],
  withdrawals: ["block", "log_index"],
  validator_sets: ["block", "log_index"],
} as const satisfies Partial<Record<TableName, readonly string[]>>;

export type PagedTable = keyof typeof POSITIONS;

/** An order by an amount. It sorts all that the list holds, so one of the `within` columns must be given. */
interface Order {
  /** The columns, and what a client calls them. */
  readonly within: Readonly<Record<string, string>>;
  readonly amount: (at: number | undefined) => RawBuilder<bigint>;
  /** Under which name the amount stands in the rows. */
  readonly column: string;
}

const byColumn = (column: string, within: Order["within"]): Order => ({
  within,
  column,
  amount: () => sql<bigint>`coalesce(${sql.ref(column)}, ${0n})`,
});

const DATA_OF = { datanet: "datanet", contributor: "contributor" };

export const ORDERS: { readonly [T in PagedTable]?: Readonly<Record<string, Order>> } = {
  rewards: { AMOUNT: byColumn("amount", { account: "account", inference: "inference", source: "contribution" }) },
  claims: { AMOUNT: byColumn("amount", { account: "account" }) },
  inferences: { FEE: byColumn("fee", { model: "model", payer: "payer", host: "host" }) },
  contributions: {
    SIZE: byColumn("size", DATA_OF),
    EARNED: { within: DATA_OF, column: "accrued", amount: earnedBy },
  },
};

/** Wei that the contribution of the row has accrued. One seek: a rollup has a state for each block that changed it. */
function earnedBy(at: number | undefined): RawBuilder<bigint> {
  return sql<bigint>`coalesce(${totalOf("accrued", at)}, ${0n})`;
}

/** Null for a contribution that has earned nothing yet. The query it stands in reads `contributions`. */
export function totalOf(
  column: "accrued" | "weight" | "rewards",
  at: number | undefined,
): RawBuilder<bigint | number | null> {
  const own = sql`"totals"."contribution" = "contributions"."id"`;
  const state =
    at === undefined
      ? sql`"totals"."valid_to" is null`
      : sql`"totals"."valid_from" <= ${at} order by "totals"."valid_from" desc limit 1`;
  return sql`(select ${sql.ref(`totals.${column}`)} from "contribution_totals" as "totals" where ${own} and ${state})`;
}

/** Columns that must equal a value; undefined and null do not filter. */
export type Filter<T extends PagedTable> = { readonly [C in keyof Stored<T>]?: Stored<T>[C] | null | undefined };

export type Value = number | bigint | string | Uint8Array;

/** One more restriction of a list; `column` is one of its table. */
export type Condition =
  | {
      readonly column: string;
      readonly operator: "=" | "<>" | "<" | "<=" | ">" | ">=";
      readonly value: Value | Expression<number>;
    }
  | { readonly column: string; readonly operator: "in"; readonly value: readonly Value[] }
  | { readonly column: string; readonly operator: "is not null" };

/** Which rows of a table, of which block. */
interface Selection<T extends PagedTable> {
  readonly table: T;
  readonly at: number | undefined;
  readonly filter: Filter<T>;
  readonly conditions: readonly Condition[];
}

export interface Page<T extends PagedTable> extends Selection<T> {
  readonly orderBy: string | undefined;
  readonly rows: readonly Stored<T>[];
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
}

/** Throws GraphQLError for a bad `first`, `last`, order or cursor. */
export async function readPage<T extends PagedTable>(
  db: Kysely<Database>,
  selection: Selection<T>,
  args: PageArguments,
): Promise<Page<T>> {
  const { table, at } = selection;
  const size = pageSize(args);
  const backwards = typeof args.last === "number";
  const orderBy = args.orderBy === "POSITION" ? undefined : (args.orderBy ?? undefined);
  const order = orderOf(selection, orderBy);
  const falling = args.orderDirection ? args.orderDirection === "DESC" : args.order === "NEWEST";
  const keys: Expression<unknown>[] = POSITIONS[table].map((column) => sql.ref(`${table}.${column}`));
  if (order !== undefined) keys.unshift(order.amount(at));

  let query = selected(db, selection).selectAll(table as "rewards");
  // An amount that is no column of the table comes along for the cursors.
  if (order !== undefined) query = query.select(order.amount(at).as(order.column)) as typeof query;
  const beyond = (cursor: string, comparison: "<" | ">"): void => {
    const place = sql.join(parseCursor(cursor, table, orderBy));
    query = query.where(sql<SqlBool>`(${sql.join(keys)}) ${sql.raw(comparison)} (${place})`);
  };
  if (args.after) beyond(args.after, falling ? "<" : ">");
  if (args.before) beyond(args.before, falling ? ">" : "<");
  for (const key of keys) query = query.orderBy(key, falling === backwards ? "asc" : "desc");
  // One row more than asked says whether there is another page.
  const found = (await query.limit(size + 1).execute()) as unknown as Stored<T>[];
  const rows = found.slice(0, size);
  if (backwards) rows.reverse();
  const more = found.length > size;
  return {
    ...selection,
    orderBy,
    rows,
    // Where it came from there is at least the row of the cursor.
    hasNextPage: backwards ? Boolean(args.before) : more,
    hasPreviousPage: backwards ? more : Boolean(args.after),
  };
}

function pageSize({ first, last }: PageArguments): number {
  if (typeof first === "number" && typeof last === "number") {
    throw badInput("first and last are two ways through a list: ask for one of them");
  }
  const size = first ?? last ?? DEFAULT_PAGE;
  if (Number.isInteger(size) && size >= 1 && size <= MAX_PAGE) return size;
  const name = typeof last === "number" ? "last" : "first";
  const cursor = name === "last" ? "before" : "after";
  throw badInput(`${name} must be 1 to ${MAX_PAGE}, not ${size}: page through longer lists with ${cursor}`);
}

function orderOf<T extends PagedTable>(
  { table, filter, conditions }: Selection<T>,
  orderBy: string | undefined,
): Order | undefined {
  if (orderBy === undefined) return undefined;
  const order = ORDERS[table]?.[orderBy];
  if (order === undefined) throw badInput(`${table} cannot be ordered by ${orderBy}`);
  const given = Object.keys(order.within).some(
    (name) =>
      (filter as Record<string, unknown>)[name] != null ||
      conditions.some(({ column, operator }) => column === name && operator === "="),
  );
  if (given) return order;
  throw badInput(`${table} are ordered by ${orderBy} only within one of: ${Object.values(order.within).join(", ")}`);
}

export async function countRows<T extends PagedTable>(db: Kysely<Database>, selection: Selection<T>): Promise<number> {
  const row = await selected(db, selection).select(sql<number>`count(*)`.as("count")).executeTakeFirstOrThrow();
  return Number(row.count);
}

/** The tables differ only in names here, so one of them stands for all in kysely's types. */
function selected<T extends PagedTable>(db: Kysely<Database>, { table, at, filter, conditions }: Selection<T>) {
  const all = db.selectFrom(table as "rewards") as SelectQueryBuilder<Database, "rewards", object>;
  let query = asOf(all, table, at);
  for (const [column, value] of Object.entries(filter)) {
    if (value !== undefined && value !== null) query = query.where(sql.ref(column), "=", value);
  }
  for (const condition of conditions) query = query.where(conditionSql(table, condition));
  return query;
}

function conditionSql(table: PagedTable, condition: Condition): Expression<SqlBool> {
  const column = sql.ref(condition.column);
  switch (condition.operator) {
    case "is not null":
      return sql`${column} is not null`;
    case "in":
      return condition.value.length === 0 ? sql`1 = 0` : sql`${column} in (${sql.join(condition.value)})`;
    case "<>": {
      // What has no value does not have this one.
      const nullable = tableShape(table).columns[condition.column]?.endsWith("?");
      const differs = sql<SqlBool>`${column} <> ${condition.value}`;
      return nullable ? sql`(${column} is null or ${differs})` : differs;
    }
    default:
      return sql`${column} ${sql.raw(condition.operator)} ${condition.value}`;
  }
}

const listName = (table: PagedTable, orderBy: string | undefined): string =>
  orderBy === undefined ? table : `${table}.${orderBy}`;

export function cursorOf<T extends PagedTable>(table: T, row: Stored<T>, orderBy?: string): string {
  const values = row as Record<string, unknown>;
  const place = POSITIONS[table].map((column) => values[column]);
  const order = orderBy === undefined ? undefined : ORDERS[table]?.[orderBy];
  if (order !== undefined) place.unshift(values[order.column] ?? 0n);
  return Buffer.from([listName(table, orderBy), ...place].join(":")).toString("base64url");
}

function parseCursor(cursor: string, table: PagedTable, orderBy: string | undefined): (number | bigint)[] {
  const [name, ...parts] = Buffer.from(cursor.slice(0, 256), "base64url").toString("latin1").split(":");
  const place: (number | bigint)[] = [];
  if (orderBy !== undefined) {
    const amount = parts.shift() ?? "";
    const isAmount = /^\d{1,78}$/.test(amount) && BigInt(amount) < 2n ** 256n;
    place.push(isAmount ? BigInt(amount) : Number.NaN);
  }
  place.push(...parts.map((part) => (/^\d{1,16}$/.test(part) ? Number(part) : Number.NaN)));
  const length = POSITIONS[table].length + (orderBy === undefined ? 0 : 1);
  const isPlace = place.every((value) => typeof value === "bigint" || Number.isSafeInteger(value));
  if (name !== listName(table, orderBy) || place.length !== length || !isPlace) {
    throw badInput(`"${cursor.slice(0, 64)}" is not a cursor of this list: pass endCursor of the page before`);
  }
  return place;
}
