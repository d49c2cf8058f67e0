import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { createIndexer } from "./store.ts";
import { standardChain } from "./testing/histories.ts";
import { dumpIndex, freshIndex } from "./testing/rows.ts";
import { SQLITE } from "./testing/stores.ts";

test("a newer schema is refused with a clear line", async () => {
  const { chain } = standardChain();
  const path = await SQLITE.newLocation();
  await freshIndex(chain, path);
  exec(path, "PRAGMA user_version = 99");
  const indexer = createIndexer({ source: chain, location: path });
  await expect(indexer.start()).rejects.toThrow(/schema version 99, this program knows \d+: run the newer program/);
  await indexer.stop();
});

test.each([
  ["an older schema", "older-schema", (path: string) => exec(path, "UPDATE checkpoint SET schema_hash = 'old'")],
  ["bytes that are no database", "damaged", (path: string) => writeFileSync(path, "no database ".repeat(1_000))],
  ["a foreign database", "damaged", foreignDatabase],
  ["damaged pages", "damaged", damagePages],
])("%s is moved aside, reported and rebuilt", async (_, reason, harm) => {
  const { chain } = standardChain();
  const path = await SQLITE.newLocation();
  const expected = await freshIndex(chain, path);
  harm(path);
  const warnings: object[] = [];
  const log = { info: () => {}, warn: (fields: object) => warnings.push(fields), error: () => {} };
  await freshIndex(chain, path, log);
  expect(warnings).toMatchObject([{ location: path, reason, movedTo: `${path}.${reason}` }]);
  expect(existsSync(`${path}.${reason}`)).toBe(true);
  expect(await dumpIndex(path)).toEqual(expected);
});

function exec(path: string, statement: string): void {
  const database = new DatabaseSync(path);
  database.exec(statement);
  database.close();
}

function foreignDatabase(path: string): void {
  rmSync(path);
  exec(path, "CREATE TABLE notes (text TEXT)");
}

function damagePages(path: string): void {
  const bytes = readFileSync(path);
  bytes.fill(0xee, 4096);
  writeFileSync(path, bytes);
}
