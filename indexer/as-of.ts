/** Rows as they stood at a block: what every read of a table goes through. */
import { type Expression, type RawBuilder, type SqlBool, sql } from "kysely";
import { type TableName, tableShape } from "./tables.ts";

/**
 * Number of the first block that is not before `time`, Unix seconds; beyond all blocks when there is none. Blocks do not go
 * back in time, so a window of time is a range of blocks, which the order of the chain's events has as an index.
 */
export function firstBlockAt(time: number): RawBuilder<number> {
  const first = sql`select "block" from "blocks" where "timestamp" >= ${time} order by "timestamp", "block" limit 1`;
  return sql<number>`coalesce((${first}), ${Number.MAX_SAFE_INTEGER})`;
}

interface Filterable<Q> {
  where(condition: Expression<SqlBool>): Q;
}

/**
 * Restricts `query` to the facts and states of `table` that block `at` has; without it, to those of the last block in
 * the index. `alias` is the table's name in the query.
 */
export function asOf<Q extends Filterable<Q>>(
  query: Q,
  table: TableName,
  at: number | undefined,
  alias: string = table,
): Q {
  const column = (name: string) => sql.ref(`${alias}.${name}`);
  if (tableShape(table).kind === "fact") {
    return at === undefined ? query : query.where(sql<SqlBool>`${column("block")} <= ${at}`);
  }
  const current = sql<SqlBool>`${column("valid_to")} is null`;
  if (at === undefined) return query.where(current);
  return query
    .where(sql<SqlBool>`${column("valid_from")} <= ${at}`)
    .where(sql<SqlBool>`(${current} or ${column("valid_to")} > ${at})`);
}
