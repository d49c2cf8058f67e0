/**
 * Which contents the chain knows: a small database beside the contents, which holds nothing that the chain does not. A
 * damaged one, or one of another schema, is made anew.
 */
import { mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { bytesToHex, type Hex, hexToBytes } from "../../core/bytes.ts";

const SCHEMA_VERSION = 2;
const SCHEMA = `
CREATE TABLE datanets (id INTEGER PRIMARY KEY, permissioned INTEGER NOT NULL) STRICT;
CREATE TABLE contributions (id INTEGER PRIMARY KEY, datanet INTEGER NOT NULL, root BLOB NOT NULL, size INTEGER NOT NULL,
  contributor BLOB NOT NULL, withdrawn INTEGER NOT NULL) STRICT;
CREATE INDEX contributions_root ON contributions (root, id);
CREATE TABLE accepted (place INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER NOT NULL UNIQUE) STRICT;
CREATE TABLE cursor (one INTEGER PRIMARY KEY CHECK (one = 1), block INTEGER NOT NULL, hash BLOB NOT NULL) STRICT;
PRAGMA user_version = ${SCHEMA_VERSION};`;

/** Blocks up to this one are in the catalog. */
export interface Cursor {
  readonly block: bigint;
  readonly hash: Uint8Array;
}

export type CatalogChange =
  | { readonly type: "datanet"; readonly id: bigint; readonly isPermissioned: boolean }
  | {
      readonly type: "contribution";
      readonly id: bigint;
      readonly datanetId: bigint;
      readonly root: Hex;
      readonly size: bigint;
      readonly contributor: Hex;
    }
  | { readonly type: "accepted"; readonly id: bigint }
  | { readonly type: "withdrawn"; readonly id: bigint };

export interface AcceptedContent {
  /** Rises in the order of acceptance as this catalog learned of it. */
  readonly place: number;
  readonly root: Hex;
  /** What the contributor says, bytes. */
  readonly size: number;
}

/** Who may read a content. */
export type Visibility =
  | { readonly type: "public" }
  /** Only whom these Datanets grant it, and its contributors. */
  | {
      readonly type: "granted";
      readonly contributions: readonly { readonly datanetId: bigint; readonly contributor: Hex }[];
    }
  /** The chain does not know it. */
  | { readonly type: "unlisted" };

/** A root in more places than this is in these. */
const MAX_PLACES = 64;

export class Catalog {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Throws when the file cannot be written. */
  static open(file: string): Catalog {
    mkdirSync(dirname(file), { recursive: true });
    try {
      const database = openChecked(file);
      if (database !== undefined) return new Catalog(database);
    } catch {
      // Damaged: as an old one.
    }
    for (const suffix of ["", "-wal", "-shm"]) rmSync(file + suffix, { force: true });
    const database = new DatabaseSync(file);
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; BEGIN; ${SCHEMA} COMMIT;`);
    return new Catalog(database);
  }

  get cursor(): Cursor | undefined {
    const row = this.#prepare("SELECT block, hash FROM cursor").get();
    return row && { block: BigInt(row.block as number), hash: row.hash as Uint8Array };
  }

  /** All or nothing. Changes that are known already change nothing: blocks may come again. */
  apply(changes: readonly CatalogChange[], cursor: Cursor): void {
    this.#atomic(() => {
      for (const change of changes) this.#apply(change);
      this.#prepare("INSERT OR REPLACE INTO cursor VALUES (1, ?, ?)").run(cursor.block, cursor.hash);
    });
  }

  clear(): void {
    this.#atomic(() => {
      for (const table of ["datanets", "contributions", "accepted", "cursor"])
        this.#prepare(`DELETE FROM ${table}`).run();
    });
  }

  /**
   * The earliest contribution of a root decides: it is the one whose contributor had the content. Otherwise anybody could
   * open a content of a permissioned Datanet, whose root everybody sees, by naming it in an open one.
   */
  visibility(root: Hex): Visibility {
    const rows = this.#prepare(
      `SELECT datanet, contributor, permissioned FROM contributions JOIN datanets ON datanets.id = datanet
       WHERE root = ? ORDER BY contributions.id LIMIT ${MAX_PLACES}`,
    ).all(hexToBytes(root));
    const places = rows.map(({ datanet, contributor, permissioned }) => ({
      place: { datanetId: BigInt(datanet as number), contributor: bytesToHex(contributor as Uint8Array) },
      isOpen: permissioned === 0,
    }));
    const first = places[0]?.place;
    if (first === undefined) return { type: "unlisted" };
    // Who was first may also give it to an open one.
    const own = places.filter(({ place }) => place.contributor === first.contributor);
    if (own.some(({ isOpen }) => isOpen)) return { type: "public" };
    return { type: "granted", contributions: own.map(({ place }) => place) };
  }

  isPublic(root: Hex): boolean {
    return this.visibility(root).type === "public";
  }

  /** Contents accepted into open Datanets after `place` whose consent stands; of one Datanet, or of all. At most `limit`. */
  accepted(place: number, limit: number, datanetId?: bigint): AcceptedContent[] {
    const ofOne = datanetId === undefined ? "" : "AND datanet = ?";
    const rows = this.#prepare(
      `SELECT place, root, size FROM accepted JOIN contributions ON contributions.id = accepted.id
       JOIN datanets ON datanets.id = datanet
       WHERE place > ? AND permissioned = 0 AND withdrawn = 0 ${ofOne} ORDER BY place LIMIT ?`,
    ).all(...(datanetId === undefined ? [place, limit] : [place, datanetId, limit]));
    return rows.map(({ place: at, root, size }) => ({
      place: at as number,
      root: bytesToHex(root as Uint8Array),
      size: size as number,
    }));
  }

  get counts(): { readonly datanets: number; readonly contributions: number } {
    const count = (table: string) => this.#prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n as number;
    return { datanets: count("datanets"), contributions: count("contributions") };
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }

  #apply(change: CatalogChange): void {
    switch (change.type) {
      case "datanet": {
        const insert = this.#prepare("INSERT OR IGNORE INTO datanets VALUES (?, ?)");
        insert.run(change.id, change.isPermissioned ? 1 : 0);
        return;
      }
      case "contribution": {
        const { id, datanetId, root, size, contributor } = change;
        const insert = this.#prepare("INSERT OR IGNORE INTO contributions VALUES (?, ?, ?, ?, ?, 0)");
        // Nobody stores what is larger, whatever a contributor says.
        const bounded = size > BigInt(Number.MAX_SAFE_INTEGER) ? BigInt(Number.MAX_SAFE_INTEGER) : size;
        insert.run(id, datanetId, hexToBytes(root), bounded, hexToBytes(contributor));
        return;
      }
      case "accepted":
        this.#prepare("INSERT OR IGNORE INTO accepted (id) VALUES (?)").run(change.id);
        return;
      case "withdrawn":
        this.#prepare("UPDATE contributions SET withdrawn = 1 WHERE id = ?").run(change.id);
    }
  }

  #atomic(work: () => void): void {
    this.#database.exec("BEGIN");
    try {
      work();
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

/** Undefined when it is none of this schema. Throws when it is damaged. */
function openChecked(file: string): DatabaseSync | undefined {
  const database = new DatabaseSync(file);
  try {
    const version = database.prepare("PRAGMA user_version").get()?.user_version;
    const check = database.prepare("PRAGMA quick_check(1)").get()?.quick_check;
    if (version === SCHEMA_VERSION && check === "ok") {
      database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
      return database;
    }
  } catch (error) {
    database.close();
    throw error;
  }
  database.close();
  return undefined;
}
