import { mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytesToHex, type Hex, hexToBytes } from "../core/bytes.ts";
import { CHUNK_BYTES, ContentTree, contentRoot, verifyContentRange } from "../core/content.ts";
import { GROUP_BYTES } from "./content-groups.ts";
import { ContentStore } from "./content-store.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const rootOf = (bytes: Uint8Array) => bytesToHex(contentRoot(bytes));
const pathOf = (directory: string, root: Hex) => join(directory, root.slice(2, 4), root.slice(2));
const groupsOf = (directory: string, root: Hex) => pathOf(join(directory, "groups"), root);
const noise = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 2_654_435_761) >>> 13);

async function readAll(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return new Uint8Array(Buffer.concat(all));
}

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "content-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe("ContentStore", () => {
  it("gives back what was put, after a reopen too, readable by the owner alone", async () => {
    const store = await ContentStore.open(directory);
    const bytes = utf8("a contribution");
    expect(await store.put(bytes)).toEqual({ root: rootOf(bytes), size: 14, created: true });
    expect(await store.put(bytes)).toEqual({ root: rootOf(bytes), size: 14, created: false });
    const again = await ContentStore.open(directory);
    expect(await again.get(rootOf(bytes))).toEqual(bytes);
    expect(again.totalBytes).toBe(14);
    expect((await stat(pathOf(directory, rootOf(bytes)))).mode & 0o777).toBe(0o600);
    expect(await again.get(rootOf(utf8("other")))).toBeUndefined();
    expect(await readdir(join(directory, "tmp"))).toEqual([]);
  });

  it("refuses empty, too large and too much content", async () => {
    const store = await ContentStore.open(directory, { maxItemBytes: 10, maxTotalBytes: 15 });
    await expect(store.put(new Uint8Array(0))).rejects.toMatchObject({ code: "empty" });
    await expect(store.put(new Uint8Array(11))).rejects.toMatchObject({ code: "too-large" });
    const [first, second] = await Promise.allSettled([store.put(utf8("ten bytes.")), store.put(utf8("ten more b"))]);
    expect(first.status).toBe("fulfilled");
    expect(second).toMatchObject({ reason: { code: "full" } });
    expect(store.totalBytes).toBe(10);
  });

  it("detects damage on read and repairs it by a new put", async () => {
    const store = await ContentStore.open(directory);
    const bytes = utf8("precious");
    const { root } = await store.put(bytes);
    for (const damage of ["", "precioux", "precious and more"]) {
      await writeFile(pathOf(directory, root), damage);
      await expect(store.get(root)).rejects.toMatchObject({ code: "damaged" });
      await store.put(bytes);
      expect(await store.get(root)).toEqual(bytes);
    }
  });

  it("lists in the order of roots, page by page, without gaps", async () => {
    const store = await ContentStore.open(directory);
    const roots: Hex[] = [];
    for (let i = 0; i < 25; i++) roots.push((await store.put(utf8(`item ${i}`))).root);
    const listed: Hex[] = [];
    let after: Hex | undefined;
    do {
      const page = await store.list(after, 4);
      listed.push(...page.items.map(({ root }) => root));
      after = page.next;
    } while (after !== undefined);
    expect(listed).toEqual(roots.sort());
  });

  it("removes interrupted writes and refuses a newer format", async () => {
    await ContentStore.open(directory);
    await writeFile(join(directory, "tmp", "half"), "hal");
    await ContentStore.open(directory);
    expect(await readdir(join(directory, "tmp"))).toEqual([]);
    await writeFile(join(directory, "FORMAT"), "2\n");
    await expect(ContentStore.open(directory)).rejects.toMatchObject({ code: "format" });
  });

  it("takes no path for a root", async () => {
    const store = await ContentStore.open(directory);
    await expect(store.get("0x../../etc/passwd")).rejects.toThrow(TypeError);
  });
});

describe("streams into a store", () => {
  it("hashes on the way and holds the size and root that were announced", async () => {
    const store = await ContentStore.open(directory, { maxItemBytes: 200_000, maxTotalBytes: 300_000 });
    const bytes = noise(150_000);
    const pieces = function* () {
      for (let at = 0; at < bytes.length; at += 7_001) yield bytes.subarray(at, at + 7_001);
    };
    const root = rootOf(bytes);
    const other = rootOf(utf8("other"));
    await expect(store.putStream(pieces(), { root: other })).rejects.toMatchObject({ code: "mismatch" });
    expect(await store.putStream(pieces(), { root, size: 150_000 })).toEqual({ root, size: 150_000, created: true });
    expect(await store.putStream(pieces())).toEqual({ root, size: 150_000, created: false });
    expect(await store.get(root)).toEqual(bytes);
    await expect(store.putStream([noise(150_001)])).rejects.toMatchObject({ code: "full" });
    await expect(store.putStream([noise(100_000), noise(100_001)])).rejects.toMatchObject({ code: "too-large" });
    expect(await readdir(join(directory, "tmp"))).toEqual([]);
    expect(store.totalBytes).toBe(150_000);
  });

  it("keeps nothing of a source that breaks off, nor its place", async () => {
    const store = await ContentStore.open(directory, { maxTotalBytes: 100 });
    async function* broken() {
      yield new Uint8Array(60);
      throw new Error("gone");
    }
    await expect(store.putStream(broken(), { size: 100 })).rejects.toThrow("gone");
    expect(await readdir(join(directory, "tmp"))).toEqual([]);
    expect((await store.put(new Uint8Array(100))).created).toBe(true);
  });
});

describe("reads of parts", () => {
  const sizes = [1, 255, 256, 257, GROUP_BYTES, GROUP_BYTES + 1, 5 * GROUP_BYTES - 1, 21 * GROUP_BYTES + 300];

  it("give what subarray gives, and range proofs as the whole tree has them", async () => {
    const store = await ContentStore.open(directory);
    for (const size of sizes) {
      const bytes = noise(size);
      const { root } = await store.put(bytes);
      const tree = new ContentTree(bytes);
      const file = (await store.file(root))!;
      const position = fc.nat(size);
      await fc.assert(
        fc.asyncProperty(position, position, async (a, b) => {
          const [start, end] = a < b ? [a, b] : [b, a];
          // Not toEqual: it looks at each byte by itself.
          expect(Buffer.compare(await readAll(file.bytes(start, end)), bytes.subarray(start, end))).toBe(0);
          const [first, last] = [Math.floor(start / CHUNK_BYTES), Math.floor(Math.min(end, size - 1) / CHUNK_BYTES)];
          if (first >= file.chunks) return;
          const range = await file.range(first, last);
          expect(range.siblings.map(bytesToHex)).toEqual(tree.rangeProof(first, last).map(bytesToHex));
          expect(verifyContentRange(hexToBytes(root), size, range)).toBe(true);
        }),
        { numRuns: 15 },
      );
      await file.close();
    }
    expect(await store.file(rootOf(utf8("absent")))).toBeUndefined();
  });

  it("use the group hashes on disk, and make those that are cut, wrong or missing anew", async () => {
    const bytes = noise(6 * GROUP_BYTES);
    const { root } = await (await ContentStore.open(directory)).put(bytes);
    const path = groupsOf(directory, root);
    const good = await readFile(path);
    expect(good.length).toBe(16 + 6 * 32);
    const wrong = Buffer.from(good);
    wrong[100]! ^= 1;
    const damages = [
      () => truncate(path, 100),
      () => truncate(path, 0),
      () => writeFile(path, wrong),
      () => writeFile(path, Buffer.concat([good, Buffer.alloc(32)])),
      () => rm(path),
    ];
    for (const damage of damages) {
      await damage();
      const file = (await (await ContentStore.open(directory)).file(root))!;
      expect(await readAll(file.bytes(70_000, 70_010))).toEqual(bytes.slice(70_000, 70_010));
      await file.close();
      expect(await readFile(path)).toEqual(good);
    }
  });

  it("give no damaged bytes, but those beside them", async () => {
    const bytes = noise(6 * GROUP_BYTES);
    const { root } = await (await ContentStore.open(directory)).put(bytes);
    const disk = await open(pathOf(directory, root), "r+");
    await disk.write(Uint8Array.of(bytes[70_000]! ^ 1), 0, 1, 70_000);
    await disk.close();
    const store = await ContentStore.open(directory);
    const file = (await store.file(root))!;
    expect(await readAll(file.bytes(0, 65_536))).toEqual(bytes.slice(0, 65_536));
    await expect(readAll(file.bytes(69_000, 69_001))).rejects.toMatchObject({ code: "damaged" });
    await expect(file.range(280, 280)).rejects.toMatchObject({ code: "damaged" });
    await file.close();
    // Without the group hashes the whole is looked at.
    await rm(groupsOf(directory, root));
    await expect((await ContentStore.open(directory)).file(root)).rejects.toMatchObject({ code: "damaged" });
    await truncate(pathOf(directory, root), 50_000);
    await expect(store.file(root)).rejects.toMatchObject({ code: "damaged" });
    expect((await store.put(bytes)).created).toBe(true);
    expect(await store.get(root)).toEqual(bytes);
  });
});
