/** Relay connections by keyset: a cursor holds the position of its row, so that rows added meanwhile shift nothing. */
import { type Kysely, type SelectQueryBuilder, type SqlBool, sql } from "kysely";
import { badInput } from "./scalars.ts";
import { type Database, type Stored, type TableName, tableShape } from "./tables.ts";

export const DEFAULT_PAGE = 50;
export const MAX_PAGE = 1_000;

export type ListOrder = "OLDEST" | "NEWEST";

export interface PageArguments {
  readonly first: number;
  readonly after?: string | null | undefined;
  readonly order: ListOrder;
}

/** What makes a row's place in a list: unique together, rising in the order of the chain. */
const POSITIONS = {
  datanets: ["id"],
  contributions: ["id"],
  models: ["id"],
  inferences: ["id"],
  versions: ["datanet", "version"],
  grants: ["block", "log_index"],
  hosts: ["block", "log_index"],
  rewards: ["block", "log_index"],
  claims: ["block", "log_index"],
} as const satisfies Partial<Record<TableName, readonly string[]>>;

export type PagedTable = keyof typeof POSITIONS;

/** Columns that must equal a value; undefined and null do not filter. */
export type Filter<T extends PagedTable> = { readonly [C in keyof Stored<T>]?: Stored<T>[C] | null | undefined };

export interface Page<T extends PagedTable> {
  readonly table: T;
  readonly filter: Filter<T>;
  readonly order: ListOrder;
  readonly rows: readonly Stored<T>[];
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
}

/** Throws GraphQLError for a bad `first` or cursor. */
export async function readPage<T extends PagedTable>(
  db: Kysely<Database>,
  table: T,
  filter: Filter<T>,
  { first, after, order }: PageArguments,
): Promise<Page<T>> {
  if (!Number.isInteger(first) || first < 1 || first > MAX_PAGE) {
    throw badInput(`first must be 1 to ${MAX_PAGE}, not ${first}: page through longer lists with after`);
  }
  const columns = POSITIONS[table];
  const direction = order === "NEWEST" ? "desc" : "asc";
  let query = filtered(db, table, filter).selectAll();
  if (after !== null && after !== undefined) {
    const position = parseCursor(after, table, columns.length);
    const comparison = sql.raw(order === "NEWEST" ? "<" : ">");
    query = query.where(
      sql<SqlBool>`(${sql.join(columns.map((c) => sql.ref(c)))}) ${comparison} (${sql.join(position)})`,
    );
  }
  for (const column of columns) query = query.orderBy(sql.ref(column), direction);
  // One row more than asked says whether there is a next page.
  const rows = (await query.limit(first + 1).execute()) as unknown as Stored<T>[];
  return {
    table,
    filter,
    order,
    rows: rows.slice(0, first),
    hasNextPage: rows.length > first,
    hasPreviousPage: after !== null && after !== undefined,
  };
}

export async function countRows<T extends PagedTable>(
  db: Kysely<Database>,
  { table, filter }: Pick<Page<T>, "table" | "filter">,
): Promise<number> {
  const row = await filtered(db, table, filter).select(sql<number>`count(*)`.as("count")).executeTakeFirstOrThrow();
  return row.count;
}

/** The tables differ only in names here, so one of them stands for all in kysely's types. */
function filtered<T extends PagedTable>(db: Kysely<Database>, table: T, filter: Filter<T>) {
  let query = db.selectFrom(table as "rewards") as SelectQueryBuilder<Database, "rewards", object>;
  if (tableShape(table).kind === "entity") query = query.where(sql.ref("valid_to"), "is", null);
  for (const [column, value] of Object.entries(filter)) {
    if (value !== undefined && value !== null) query = query.where(sql.ref(column), "=", value);
  }
  return query;
}

export function cursorOf<T extends PagedTable>(table: T, row: Stored<T>): string {
  const position = POSITIONS[table].map((column) => (row as Record<string, unknown>)[column]);
  return Buffer.from(`${table}:${position.join(":")}`).toString("base64url");
}

function parseCursor(cursor: string, table: PagedTable, length: number): number[] {
  const [name, ...parts] = Buffer.from(cursor.slice(0, 128), "base64url").toString("latin1").split(":");
  const position = parts.map((part) => (/^\d{1,16}$/.test(part) ? Number(part) : Number.NaN));
  if (name !== table || position.length !== length || !position.every(Number.isSafeInteger)) {
    throw badInput(`"${cursor.slice(0, 64)}" is not a cursor of this list: pass endCursor of the page before`);
  }
  return position;
}
