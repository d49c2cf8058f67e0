import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Batch } from "../execution/state/level-store.ts";
import { PRECOMPILES } from "../precompiles/table.ts";
import { Chain } from "./chain.ts";
import { openDataDirectory } from "./data-directory.ts";
import { JOURNAL_FILE } from "./engine/transaction-journal.ts";
import { DataError, OperationError } from "./errors.ts";
import { extend, rich, signed, testGenesis } from "./testing/world.ts";

let path: string;
beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), "openledger-data-")), "devnet");
});
afterEach(() => rmSync(join(path, ".."), { recursive: true }));

const GENESIS = testGenesis([rich(0)]);
const touch = (...names: string[]) => writeFileSync(join(path, ...names), "{}");

/** Opens, runs, closes. */
async function within<T>(isFresh: boolean, use: (chain: Chain) => Promise<T>): Promise<T> {
  const directory = await openDataDirectory(path, isFresh);
  try {
    return await use(await Chain.open(directory.store, GENESIS, PRECOMPILES));
  } finally {
    await directory.close();
  }
}
const headNumber = async (chain: Chain) => chain.head.number;
const failure = async (isFresh = false): Promise<Error> => {
  const error = await openDataDirectory(path, isFresh).then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(Error);
  return error as Error;
};

test("is made, resumed, and made anew", async () => {
  await within(false, async (chain) => {
    await extend(chain, [signed(0, 0n)]);
    touch("network.json");
    touch("content", "kept");
    touch(JOURNAL_FILE);
  });
  expect(readdirSync(path).sort()).toEqual(["answers", "chain", "content", "index", "network.json", JOURNAL_FILE]);
  expect(await within(false, headNumber)).toBe(1n);
  expect(existsSync(join(path, "content", "kept"))).toBe(true);
  expect(await within(true, headNumber)).toBe(0n);
  expect(readdirSync(path).sort()).toEqual(["answers", "chain", "content", "index"]);
  expect(readdirSync(join(path, "content"))).toEqual([]);
});

test("admits one process, also with --fresh, and keeps what is there", async () => {
  await within(false, async (chain) => {
    await extend(chain, []);
    touch("network.json");
    for (const isFresh of [false, true]) {
      const error = await failure(isFresh);
      expect(error).toBeInstanceOf(DataError);
      expect(error.message).toContain("in use by another process");
    }
  });
  expect(existsSync(join(path, "network.json"))).toBe(true);
  expect(await within(false, headNumber)).toBe(1n);
});

test("a crash before the genesis was written starts over", async () => {
  await (await openDataDirectory(path, false)).close();
  expect(await within(false, headNumber)).toBe(0n);
});

test("a chain that is gone is not replaced silently", async () => {
  await within(false, async (chain) => {
    await extend(chain, []);
    touch("network.json");
  });
  rmSync(join(path, "chain"), { recursive: true });
  for (let attempt = 0; attempt < 2; attempt++) {
    const error = await failure();
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(/its chain is gone; restore a backup, or start anew \(a devnet: --fresh/);
  }
  expect(await within(true, headNumber)).toBe(0n);
  touch("network.json");
  expect(await within(false, headNumber)).toBe(0n);
});

test("--fresh that was cut short can simply be followed by a start", async () => {
  await within(false, async (chain) => {
    await extend(chain, []);
    touch("network.json");
  });
  // Up to the moment before the chain is cleared, and the one after.
  rmSync(join(path, "network.json"));
  rmSync(join(path, "index"), { recursive: true });
  expect(await within(false, headNumber)).toBe(1n);
  const { store, close } = await openDataDirectory(path, false);
  await store.clear();
  await close();
  expect(await within(false, headNumber)).toBe(0n);
});

test("damage: one line, exit code 3, and the lock is free again for --fresh", async () => {
  await within(false, headNumber);
  const directory = await openDataDirectory(path, false);
  const batch = new Batch();
  batch.put(Uint8Array.of(0x15), Uint8Array.of(1, 2, 3));
  await directory.store.write(batch);
  await directory.close();
  const malformed = await failure();
  expect(malformed).toMatchObject({ exitCode: 3, name: "DataError" });
  expect(malformed.message).toContain("schema record is malformed");
  expect(await within(true, headNumber)).toBe(0n);

  const manifest = readdirSync(join(path, "chain")).find((name) => name.startsWith("MANIFEST"))!;
  writeFileSync(join(path, "chain", manifest), "damaged");
  const damaged = await failure();
  expect(damaged).toMatchObject({ exitCode: 3, name: "DataError" });
  expect(damaged.message).toContain("is damaged");
  expect(await within(true, headNumber)).toBe(0n);
});

test("a path that cannot be a directory is the operator's mistake", async () => {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, "a file");
  const error = await failure();
  expect(error).toBeInstanceOf(OperationError);
  expect(error.message).toMatch(/devnet cannot be created: .*choose another --datadir/);
  rmSync(path);
  mkdirSync(path);
  writeFileSync(join(path, "content"), "a file");
  expect(await failure()).toBeInstanceOf(OperationError);
  rmSync(join(path, "content"));
  expect(await within(false, headNumber)).toBe(0n);
});

test.each([true, false])("somebody's own folders are left alone (fresh: %s)", async (isFresh) => {
  const file = join(path, "content", "page.md");
  mkdirSync(join(path, "content"), { recursive: true });
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
