import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readKeyFile, readSecretKeyFile } from "./key-file.ts";

const KEY = `0x${"5a".repeat(32)}`;
let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "openledger-key-"));
  file = join(folder, "key");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("a key that a node keeps is read when nobody else can read it", () => {
  writeFileSync(file, `${KEY}\n`, { mode: 0o600 });
  expect(readSecretKeyFile(file)).toBe(KEY);
  chmodSync(file, 0o640);
  expect(() => readSecretKeyFile(file)).toThrow(`${file} can be read by others: chmod 600 ${file}`);
  expect(readKeyFile(file)).toBe(KEY);
});

test.each(["", KEY.slice(2), `${KEY}00`, `${KEY} ${KEY}`, "secret-words"])("%j is no key, and is not shown", (text) => {
  writeFileSync(file, text, { mode: 0o600 });
  let message = "";
  try {
    readSecretKeyFile(file);
  } catch (error) {
    message = (error as Error).message;
  }
  expect(message).toBe(`${file} holds no private key: 0x and 64 hex digits`);
});

test("a file that is not there is named", () => {
  expect(() => readKeyFile(file)).toThrow(`${file} cannot be read: `);
});
