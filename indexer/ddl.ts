/** The SQL that creates the index, and the fingerprint of it that a checkpoint carries. */
import { createHash } from "node:crypto";
import { TABLE_NAMES, type TableName, tableShape } from "./tables.ts";

/**
 * Raised with every change of tables.ts or of what project.ts writes. A newer index is refused; an older one is
 * rebuilt from the chain, which is where all of it comes from.
 */
export const SCHEMA_VERSION = 3;

const SQLITE_TYPES: Readonly<Record<string, string>> = { int: "INTEGER", text: "TEXT", bytes: "BLOB", uint: "BLOB" };

function columnSql(name: string, column: string): string {
  const nullable = column.endsWith("?");
  return `"${name}" ${SQLITE_TYPES[nullable ? column.slice(0, -1) : column]}${nullable ? "" : " NOT NULL"}`;
}

const list = (columns: readonly string[]): string => columns.map((column) => `"${column}"`).join(", ");

function tableSql(table: TableName): string[] {
  const { kind, columns, key, indexes } = tableShape(table);
  const lines = Object.entries(columns).map(([name, column]) => columnSql(name, column));
  if (kind === "entity") lines.push(columnSql("valid_from", "int"), columnSql("valid_to", "int?"));
  lines.push(`PRIMARY KEY (${list(kind === "entity" ? [...key, "valid_from"] : key)})`);
  const statements = [`CREATE TABLE "${table}" (${lines.join(", ")}) STRICT`];
  const index = (name: string, on: readonly string[], options = "", unique = ""): void => {
    statements.push(`CREATE ${unique}INDEX "${table}_${name}" ON "${table}" (${list(on)})${options}`);
  };
  if (kind === "entity") {
    index("current", key, ' WHERE "valid_to" IS NULL', "UNIQUE ");
    // A rewind finds what it must delete and reopen.
    index("from", ["valid_from"]);
    index("to", ["valid_to"], ' WHERE "valid_to" IS NOT NULL');
  }
  // Earlier states too: lists can be asked of any block.
  for (const columns of indexes) index(columns.join("_"), columns);
  return statements;
}

export const SCHEMA_SQL: readonly string[] = [
  ...TABLE_NAMES.flatMap(tableSql),
  `CREATE TABLE "checkpoint" ("id" INTEGER PRIMARY KEY CHECK ("id" = 1), "block" INTEGER NOT NULL, "hash" BLOB NOT NULL, "genesis_hash" BLOB NOT NULL, "schema_hash" TEXT NOT NULL) STRICT`,
  `CREATE TABLE "progress" ("id" INTEGER PRIMARY KEY CHECK ("id" = 1), "head" INTEGER NOT NULL, "safe" INTEGER NOT NULL, "finalized" INTEGER NOT NULL, "error" TEXT) STRICT`,
];

/** Hex, 64 digits. */
export const SCHEMA_HASH = createHash("sha256")
  .update([SCHEMA_VERSION, ...SCHEMA_SQL].join("\n"))
  .digest("hex");
