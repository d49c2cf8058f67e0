import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openDataDirectory } from "./data-directory.ts";

let path: string;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "openledger-data-"));
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

test.each([true, false])("somebody's own folders are left alone (fresh: %s)", async (isFresh) => {
  const file = join(path, "content", "page.md");
  mkdirSync(join(path, "content"));
  writeFileSync(file, "precious");
  await expect(openDataDirectory(path, isFresh)).rejects.toThrow(/content was not made by a node.*--datadir/);
  expect(readFileSync(file, "utf8")).toBe("precious");
  expect(existsSync(join(path, "chain"))).toBe(false);
});

test("a start anew deletes what a node made, and nothing else", async () => {
  await (await openDataDirectory(path, false)).close();
  writeFileSync(join(path, "content", "one"), "made by a node");
  writeFileSync(join(path, "notes.txt"), "mine");
  await (await openDataDirectory(path, true)).close();
  expect(existsSync(join(path, "content", "one"))).toBe(false);
  expect(readFileSync(join(path, "notes.txt"), "utf8")).toBe("mine");
});
