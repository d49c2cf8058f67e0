import { mkdtemp, readdir, rm, truncate, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { KECCAK_EMPTY } from "../../core/crypto.ts";
import { openStateDatabase } from "./database.ts";
import { Batch, type LevelStore, openLevelStore } from "./level-store.ts";
import { EMPTY_TRIE_ROOT } from "./trie-node.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "level-store-"));
});
afterEach(() => rm(directory, { recursive: true }));

const bytes = (...values: number[]) => Uint8Array.of(...values);

async function written(batch: Batch): Promise<void> {
  const store = await openLevelStore(directory);
  await store.write(batch, { sync: true });
  await store.close();
}

async function collect(store: LevelStore, range: Parameters<LevelStore["iterate"]>[0]) {
  const out: number[] = [];
  for await (const [key] of store.iterate(range)) out.push(key[1]!);
  return out;
}

describe("the level store", () => {
  test("what a batch wrote is there after reopening; the last write of a key wins", async () => {
    const batch = new Batch();
    batch.put(bytes(1, 1), bytes(10));
    batch.put(bytes(1, 2), bytes());
    batch.put(bytes(1, 3), bytes(30));
    batch.del(bytes(1, 3));
    batch.del(bytes(1, 4));
    batch.put(bytes(1, 4), bytes(40));
    await written(batch);
    const store = await openLevelStore(directory);
    expect(store.reader.get(bytes(1, 1))).toEqual(bytes(10));
    expect(store.reader.get(bytes(1, 2))).toEqual(bytes());
    expect(store.reader.get(bytes(1, 3))).toBeUndefined();
    expect(store.reader.get(bytes(1, 4))).toEqual(bytes(40));
    await store.close();
  });

  test("ranges: start included, end not, backwards, limited", async () => {
    const batch = new Batch();
    for (let i = 0; i < 6; i++) batch.put(bytes(0x10, i), bytes(i));
    batch.put(bytes(0x11, 0), bytes(0));
    const store = await openLevelStore(directory);
    await store.write(batch);
    const range = { start: bytes(0x10, 1), end: bytes(0x10, 4) };
    expect(await collect(store, range)).toEqual([1, 2, 3]);
    expect(await collect(store, { ...range, reverse: true, limit: 2 })).toEqual([3, 2]);
    await store.close();
  });

  test("a state committed to it is there after reopening", async () => {
    const store = await openLevelStore(directory);
    const database = openStateDatabase({ reader: store.reader, headRoot: EMPTY_TRIE_ROOT });
    const layer = database.head.fork();
    const address = new Uint8Array(20).fill(1);
    layer.setAccount(address, { nonce: 1n, balance: 5n, codeHash: KECCAK_EMPTY, storageRoot: EMPTY_TRIE_ROOT });
    layer.setStorage(address, new Uint8Array(32), bytes(7));
    const state = database.seal(layer);
    const batch = new Batch();
    database.stage(state, batch);
    await store.write(batch, { sync: true });
    database.committed(state);
    await store.close();
    const again = await openLevelStore(directory);
    const reopened = openStateDatabase({ reader: again.reader, headRoot: state.stateRoot });
    expect(reopened.head.reader.account(address)).toMatchObject({ nonce: 1n, balance: 5n });
    expect(reopened.head.reader.storage(address, new Uint8Array(32))).toEqual(bytes(7));
    expect(reopened.at(state.stateRoot)?.reader.account(address)?.balance).toBe(5n);
    await again.close();
  });

  test("a second opener is told that the directory is locked", async () => {
    const store = await openLevelStore(directory);
    await expect(openLevelStore(directory)).rejects.toMatchObject({
      name: "StoreError",
      code: "LOCKED",
      message: expect.stringContaining(directory),
    });
    await store.close();
  });

  test.each(["garbage in the manifest", "an empty manifest", "a missing manifest"])("%s is damage", async (damage) => {
    const batch = new Batch();
    batch.put(bytes(1), bytes(1));
    await written(batch);
    const manifest = join(directory, (await readdir(directory)).find((name) => name.startsWith("MANIFEST"))!);
    if (damage.startsWith("garbage")) await writeFile(manifest, "garbage ".repeat(100));
    else if (damage.startsWith("an empty")) await truncate(manifest);
    else await unlink(manifest);
    await expect(openLevelStore(directory)).rejects.toMatchObject({
      code: "DAMAGED",
      message: expect.stringMatching(/damaged .*; restore the directory/s),
    });
  });

  test("a path that cannot be a directory fails with the system's reason", async () => {
    const file = join(directory, "file");
    await writeFile(file, "");
    await expect(openLevelStore(file)).rejects.toMatchObject({ code: "FAILED" });
  });

  test("use after closing fails, it does not lose the write silently", async () => {
    const store = await openLevelStore(directory);
    await store.close();
    expect(() => store.reader.get(bytes(1))).toThrow(expect.objectContaining({ code: "FAILED" }));
    const batch = new Batch();
    batch.put(bytes(1), bytes(1));
    await expect(store.write(batch)).rejects.toMatchObject({ code: "FAILED" });
  });
});
