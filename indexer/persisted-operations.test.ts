import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { PersistedOperations, sha256Of } from "./persisted-operations.ts";

const folder = mkdtempSync(join(tmpdir(), "openledger-operations-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const HEAD = "query Head { _meta { block { number } } }";
const NETS = "query Nets { datanets { totalCount } }";
const byHash = (text: string) => ({ persistedQuery: { version: 1, sha256Hash: sha256Of(text) } });

function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

describe("automatic persisted queries", () => {
  test("a hash is unknown until its text has come with it", () => {
    const operations = new PersistedOperations(undefined);
    expect(() => operations.textOf({ extensions: byHash(HEAD) })).toThrow("PersistedQueryNotFound");
    expect(operations.textOf({ query: HEAD, extensions: byHash(HEAD) })).toBe(HEAD);
    expect(operations.textOf({ extensions: byHash(HEAD) })).toBe(HEAD);
    // Over WebSocket the query must be a text.
    expect(operations.textOf({ query: "", extensions: byHash(HEAD) })).toBe(HEAD);
    expect(operations.textOf({ query: NETS })).toBe(NETS);
  });

  test("a text under another's hash is refused and not kept", () => {
    const operations = new PersistedOperations(undefined);
    const { persistedQuery } = byHash(HEAD);
    expect(() => operations.textOf({ query: NETS, extensions: { persistedQuery } })).toThrow(
      `sha256Hash is ${sha256Of(HEAD)}, the query's is ${sha256Of(NETS)}`,
    );
    expect(() => operations.textOf({ extensions: { persistedQuery } })).toThrow("PersistedQueryNotFound");
    for (const bad of [{ version: 2, sha256Hash: sha256Of(HEAD) }, { version: 1, sha256Hash: "x" }, null, 5]) {
      expect(() => operations.textOf({ query: HEAD, extensions: { persistedQuery: bad } })).toThrow(
        "must be {version: 1",
      );
    }
  });

  test("the number of texts that clients leave is bounded", () => {
    const operations = new PersistedOperations(undefined);
    const texts = Array.from({ length: 300 }, (_, i) => `{ datanet(id: ${i}) { id } }`);
    for (const query of texts) operations.textOf({ query, extensions: byHash(query) });
    const kept = texts.filter((text) => {
      try {
        return operations.textOf({ extensions: byHash(text) }) === text;
      } catch {
        return false;
      }
    });
    expect(kept).toEqual(texts.slice(-200));
  });
});

describe("operations of the operator", () => {
  file("head.graphql", HEAD);
  file("notes.txt", "no operation");
  const map = file("map.json", { [sha256Of(HEAD)]: HEAD });
  const manifest = file("manifest.json", {
    format: "apollo-persisted-query-manifest",
    version: 1,
    operations: [{ id: sha256Of(HEAD), name: "Head", type: "query", body: HEAD }],
  });

  test.each([
    ["a folder", folder],
    ["a map", map],
    ["Apollo's manifest", manifest],
  ])("%s", (_, path) => {
    const open = new PersistedOperations({ path });
    expect(open.textOf({ extensions: byHash(HEAD) })).toBe(HEAD);
    expect(open.textOf({ query: NETS })).toBe(NETS);
    const only = new PersistedOperations({ path, only: true });
    expect(only.textOf({ extensions: byHash(HEAD) })).toBe(HEAD);
    expect(only.textOf({ query: HEAD })).toBe(HEAD);
    expect(only.textOf({ query: HEAD, extensions: byHash(HEAD) })).toBe(HEAD);
    for (const params of [
      { query: NETS },
      { query: NETS, extensions: byHash(NETS) },
      { query: NETS, extensions: byHash(HEAD) },
      { extensions: byHash(NETS) },
      { query: 5 },
      {},
    ]) {
      expect(() => only.textOf(params)).toThrow("only the operations that its operator has listed");
    }
  });

  test("what is no list, or names a text by another's hash, is refused when the server starts", () => {
    expect(() => new PersistedOperations({ path: join(folder, "absent.json") })).toThrow("ENOENT");
    const wrong = file("wrong.json", { [sha256Of(NETS)]: HEAD });
    expect(() => new PersistedOperations({ path: wrong })).toThrow(
      `${wrong} names an operation ${sha256Of(NETS)}, its SHA-256 is ${sha256Of(HEAD)}`,
    );
    for (const content of [[1], { a: 1 }, { operations: [{ id: 1 }] }, "5"]) {
      expect(() => new PersistedOperations({ path: file("no.json", content) })).toThrow("is no list of operations");
    }
  });
});
