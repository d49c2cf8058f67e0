/** kysely over node:sqlite: a fixed pool of connections, prepared statements kept per connection. */
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import { bigIntToFixed, bytesToBigInt } from "../core/bytes.ts";
import { RecentMap } from "../core/recent-map.ts";
import { UINT_COLUMNS } from "./tables.ts";

export interface SqliteDialectOptions {
  /** Opens one connection. Called `connections` times at first use; the dialect closes what it opened. */
  readonly open: () => DatabaseSync;
  /** One for the writer; several let reads of different blocks stand side by side. */
  readonly connections: number;
  /** Called before each statement; what it throws fails the statement. */
  readonly beforeStatement?: (sql: string) => Promise<void> | void;
}

/** Prepared statements kept per connection. The queries of this program are fewer; a page's filters vary them. */
const MAX_STATEMENTS = 256;

export function sqliteDialect(options: SqliteDialectOptions): Dialect {
  return {
    createAdapter: () => new NodeSqliteAdapter(),
    createDriver: () => new NodeSqliteDriver(options),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

/** Without this kysely hands out one connection at a time, and a slow query holds up every other one. */
class NodeSqliteAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

class NodeSqliteDriver implements Driver {
  readonly #options: SqliteDialectOptions;
  readonly #all: NodeSqliteConnection[] = [];
  readonly #free: NodeSqliteConnection[] = [];
  /** Bounded by the server's limit on concurrent requests. */
  readonly #waiting: ((connection: NodeSqliteConnection) => void)[] = [];

  constructor(options: SqliteDialectOptions) {
    this.#options = options;
  }

  async init(): Promise<void> {
    for (let i = 0; i < this.#options.connections; i++) {
      const connection = new NodeSqliteConnection(this.#options.open(), this.#options.beforeStatement);
      this.#all.push(connection);
      this.#free.push(connection);
    }
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#free.pop() ?? (await new Promise((resolve) => this.#waiting.push(resolve)));
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    const next = this.#waiting.shift();
    if (next !== undefined) next(connection as NodeSqliteConnection);
    else this.#free.push(connection as NodeSqliteConnection);
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("begin"));
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("commit"));
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // SQLite has already rolled back after some errors (a full disk), and then there is nothing to do.
    const { database } = connection as NodeSqliteConnection;
    if (database.isTransaction) database.exec("rollback");
  }

  async destroy(): Promise<void> {
    for (const { database } of this.#all) database.close();
  }
}

interface Prepared {
  readonly statement: StatementSync;
  readonly columns: number;
  /** Names of those that may hold uint256. */
  readonly uints: readonly string[];
}

/** uint256 as 32 bytes big-endian; everything else as it is. */
const encode = (value: unknown): SQLInputValue =>
  typeof value === "bigint" ? bigIntToFixed(value, 32) : (value as SQLInputValue);

class NodeSqliteConnection implements DatabaseConnection {
  readonly database: DatabaseSync;
  readonly #beforeStatement: SqliteDialectOptions["beforeStatement"];
  readonly #statements = new RecentMap<string, Prepared>(MAX_STATEMENTS);

  constructor(database: DatabaseSync, beforeStatement: SqliteDialectOptions["beforeStatement"]) {
    this.database = database;
    this.#beforeStatement = beforeStatement;
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    await this.#beforeStatement?.(sql);
    const { statement, columns, uints } = this.#statements.getOrMake(sql, () => this.#prepare(sql));
    const values = parameters.map(encode);
    if (columns > 0) {
      const rows = statement.all(...values);
      for (const row of rows) {
        for (const column of uints) {
          const value = row[column];
          if (value instanceof Uint8Array) (row as Record<string, unknown>)[column] = bytesToBigInt(value);
        }
      }
      return { rows: rows as R[] };
    }
    const { changes } = statement.run(...values);
    return { rows: [], numAffectedRows: BigInt(changes) };
  }

  // biome-ignore lint/correctness/useYield: kysely's interface has it, nothing here streams.
  async *streamQuery<R>(): AsyncGenerator<QueryResult<R>> {
    throw new Error("streaming is not supported: read pages instead");
  }

  #prepare(sql: string): Prepared {
    const statement = this.database.prepare(sql);
    const names = statement.columns().map(({ name }) => name);
    return { statement, columns: names.length, uints: names.filter((name) => UINT_COLUMNS.has(name)) };
  }
}
