/** Where the tests of this folder keep their indexes: every suite runs on every store. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sharedPostgres } from "./postgres.ts";

export interface TestStore {
  readonly name: string;
  /** How many histories a property is tried on: a new schema takes PostgreSQL a while. */
  readonly runs: number;
  /** Location of an index that does not exist yet; what was written there is gone when the tests have ended. */
  newLocation(): Promise<string>;
}

let folder: string | undefined;
let count = 0;

export const SQLITE: TestStore = {
  name: "SQLite",
  runs: 6,
  async newLocation() {
    folder ??= mkdtempSync(join(tmpdir(), "index-"));
    count += 1;
    return join(folder, `${count}.sqlite`);
  },
};

export const POSTGRES: TestStore = {
  name: "PostgreSQL",
  runs: 2,
  async newLocation() {
    const { url } = await sharedPostgres();
    count += 1;
    return `${url}&schema=index_${count}`;
  },
};

export const STORES: readonly TestStore[] = [SQLITE, POSTGRES];
