/** Where the tests of this folder keep their indexes: every suite runs on every store. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TestStore {
  readonly name: string;
  /** Location of an index that does not exist yet; what was written there is gone when the process ends. */
  newLocation(): Promise<string>;
}

let folder: string | undefined;
let count = 0;

const sqlite: TestStore = {
  name: "SQLite",
  async newLocation() {
    if (folder === undefined) {
      const created = mkdtempSync(join(tmpdir(), "openledger-index-"));
      process.on("exit", () => rmSync(created, { recursive: true, force: true }));
      folder = created;
    }
    count += 1;
    return join(folder, `${count}.sqlite`);
  },
};

export const STORES: readonly TestStore[] = [sqlite];
