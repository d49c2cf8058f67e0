/** What a block does to the index, as data. */
import type { CountedColumn, EntityTable, FactTable, KeyColumn, Row, TableName } from "./tables.ts";

/** Appends a fact, or the first state of an entity. */
interface InsertChange<T extends TableName> {
  readonly op: "insert";
  readonly table: T;
  readonly row: Row<T>;
}

/**
 * Changes an entity: `set` replaces columns, `add` adds to them. Where the entity does not exist yet, `create` is the
 * state to start from; without it the event refers to something unknown, which halts the index. With `when`, nothing
 * changes unless those columns hold these values: for events whose effect depends on what came before.
 */
interface ReviseChange<T extends EntityTable> {
  readonly op: "revise";
  readonly table: T;
  readonly key: Pick<Row<T>, KeyColumn<T>>;
  readonly set: Partial<Row<T>>;
  readonly add: Partial<Pick<Row<T>, CountedColumn<T>>>;
  readonly when: Partial<Row<T>>;
  readonly create: Row<T> | undefined;
}

export type Change =
  | { [T in FactTable | EntityTable]: InsertChange<T> }[TableName]
  | { [T in EntityTable]: ReviseChange<T> }[EntityTable];

export function insert<T extends TableName>(table: T, row: Row<T>): Change {
  return { op: "insert", table, row } as Change;
}

export function revise<T extends EntityTable>(
  table: T,
  key: Pick<Row<T>, KeyColumn<T>>,
  changes: {
    set?: Partial<Row<T>>;
    add?: Partial<Pick<Row<T>, CountedColumn<T>>>;
    when?: Partial<Row<T>>;
    create?: Row<T>;
  },
): Change {
  const { set = {}, add = {}, when = {}, create } = changes;
  return { op: "revise", table, key, set, add, when, create } as unknown as Change;
}
