/** The SQL that creates the index, and the fingerprint of it that a checkpoint carries. */
import { createHash } from "node:crypto";
import { TABLE_NAMES, TABLES, tableShape } from "./tables.ts";

/**
 * Raised with every change of tables.ts or of what project.ts writes. A newer index is refused; an older one is
 * rebuilt from the chain, which is where all of it comes from.
 */
export const SCHEMA_VERSION = 3;

export type StoreKind = "sqlite" | "postgres";

const TYPES: Readonly<Record<StoreKind, Readonly<Record<string, string>>>> = {
  sqlite: { int: "INTEGER", text: "TEXT", bytes: "BLOB", uint: "BLOB" },
  // numeric(78) holds 2^256 - 1; "C" compares bytewise, as SQLite does.
  postgres: { int: "bigint", text: 'text COLLATE "C"', bytes: "bytea", uint: "numeric(78)" },
};

export interface SchemaSql {
  readonly tables: readonly string[];
  /** By name. What reads need and writes do not: a backfill does without them. Precondition of each: it is not there. */
  readonly indexes: ReadonlyMap<string, string>;
}

const list = (columns: readonly string[]): string => columns.map((column) => `"${column}"`).join(", ");

/** The statements that create an empty index. */
export function schemaSql(store: StoreKind): SchemaSql {
  const indexes = new Map<string, string>();
  const tables: string[] = [];
  const add = (
    table: string,
    columns: readonly (readonly [string, string])[],
    constraints: readonly string[],
  ): void => {
    const lines = columns.map(([name, column]) => columnSql(store, name, column));
    const strict = store === "sqlite" ? " STRICT" : "";
    tables.push(`CREATE TABLE "${table}" (${[...lines, ...constraints].join(", ")})${strict}`);
  };
  for (const table of TABLE_NAMES) {
    const shape = tableShape(table);
    const isEntity = shape.kind === "entity";
    const columns = Object.entries(shape.columns);
    const key = isEntity ? [...shape.key, "valid_from"] : shape.key;
    const validity = isEntity
      ? ([
          ["valid_from", "int"],
          ["valid_to", "int?"],
        ] as const)
      : [];
    add(table, [...columns, ...validity], [`PRIMARY KEY (${list(key)})`]);
    const index = (name: string, on: readonly string[], where = ""): void => {
      indexes.set(`${table}_${name}`, `CREATE INDEX "${table}_${name}" ON "${table}" (${list(on)})${where}`);
    };
    if (isEntity) {
      // The writer looks up what is current.
      const current = `CREATE UNIQUE INDEX "${table}_current" ON "${table}" (${list(shape.key)})`;
      tables.push(`${current} WHERE "valid_to" IS NULL`);
      // A rewind finds what it must delete and reopen.
      index("from", ["valid_from"]);
      index("to", ["valid_to"], ' WHERE "valid_to" IS NOT NULL');
    }
    // Earlier states too: lists can be asked of any block.
    for (const columns of shape.indexes) index(columns.join("_"), columns);
  }
  const single = ['PRIMARY KEY ("id")', 'CHECK ("id" = 1)'];
  for (const [table, columns] of Object.entries(SINGLE_ROWS)) add(table, Object.entries(columns), single);
  return { tables, indexes };
}

const SINGLE_ROWS = {
  checkpoint: { id: "int", block: "int", hash: "bytes", genesis_hash: "bytes", schema_hash: "text" },
  progress: { id: "int", head: "int", safe: "int", finalized: "int", error: "text?" },
} as const;

function columnSql(store: StoreKind, name: string, column: string): string {
  const nullable = column.endsWith("?");
  return `"${name}" ${TYPES[store][nullable ? column.slice(0, -1) : column]}${nullable ? "" : " NOT NULL"}`;
}

/** Hex, 64 digits; the same for both stores. */
export const SCHEMA_HASH = createHash("sha256")
  .update(JSON.stringify([SCHEMA_VERSION, TABLES, SINGLE_ROWS]))
  .digest("hex");
