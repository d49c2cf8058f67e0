import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytesToHex } from "../core/bytes.ts";
import { contentRoot } from "../core/content.ts";
import { decodeHeader, layoutOf, PAGE_BYTES, ShardDamagedError } from "./shard-layout.ts";
import { planMerge, planView, shardName } from "./shard-plan.ts";
import { type IndexedDocument, ShardStore, type ShardStoreLimits } from "./shard-store.ts";
import { buildSpanIndex, type SpanIndex } from "./span-index.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "shards-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const SENTENCES = ["the licence is granted ", "free of charge, ", "to any person ", "obtaining a copy ", "é東 "];
/** Some 2 KB of text that differs from document to document and repeats much. */
const contentOf = (id: number) =>
  Buffer.from(Array.from({ length: 120 }, (_, i) => SENTENCES[(i * i + id * 7 + ((i * id) >> 2)) % 5]).join("") + id);
const documentOf = (id: number): IndexedDocument => {
  const bytes = contentOf(id);
  return { id: BigInt(id), contentRoot: bytesToHex(contentRoot(bytes)), size: bytes.length };
};
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => documentOf(from + i));

/** Contents, and which of them were asked for. */
function reader() {
  const reads: number[] = [];
  const read = async ({ id }: IndexedDocument) => {
    reads.push(Number(id));
    return new Uint8Array(contentOf(Number(id)));
  };
  return { reads, read };
}

/** The view says of pieces of the documents, and of what is not there, what one index in memory says. */
function expectExact(view: SpanIndex, documents: readonly IndexedDocument[]) {
  const expected = buildSpanIndex(documents.map(({ id }) => ({ id, bytes: contentOf(Number(id)) })));
  expect(view.contributions).toBe(documents.length);
  expect(view.bytes).toBe(expected.bytes);
  for (let id = 0; id < 12; id++) {
    const query = Buffer.concat([contentOf(id).subarray(id * 31, id * 31 + 90), contentOf(id + 1).subarray(-40)]);
    for (const from of [0, 17, 64, 100]) {
      const longest = expected.longestMatch(query, from, query.length);
      expect(view.longestMatch(query, from, query.length)).toBe(longest);
      for (const least of [1, 24]) {
        const before = expected.longestMatchBefore(query, 0, from + 30, least);
        expect(view.longestMatchBefore(query, 0, from + 30, least)).toBe(before);
      }
      expect(view.count(query, from, from + longest)).toBe(expected.count(query, from, from + longest));
      expect(view.earliest(query, from, from + longest)).toEqual(expected.earliest(query, from, from + longest));
    }
  }
}

const files = () => readdirSync(directory).sort();
const ON_DISK = { memoryBytes: 0, cachePages: 2 };

describe("shard store", () => {
  it.each([["in memory", {}] as const, ["read from disk", ON_DISK] as const])(
    "views are exact, grow, share shards, and lose what leaves: %s",
    async (_, limits: Partial<ShardStoreLimits>) => {
      const store = await ShardStore.open(directory, { maxShardBytes: 8_000, ...limits });
      const { reads, read } = reader();
      const ten = await store.view(range(0, 10), read);
      expectExact(ten, range(0, 10));
      const shards = store.shards.length;
      expect(shards).toBeGreaterThan(2);

      // A model with more of the same Datanet, while the other's view is open.
      reads.length = 0;
      const twelve = await store.view(range(0, 12), read);
      expectExact(twelve, range(0, 12));
      expect(reads).toEqual([10, 11]);
      expect(store.shards).toHaveLength(shards + 1);
      twelve.close();

      // Consent for 4 is withdrawn: the rest of its shard is taken from the shard, not from the store of contents.
      reads.length = 0;
      const left = range(0, 12).filter(({ id }) => id !== 4n);
      const without = await store.view(left, read);
      expectExact(without, left);
      expect(without.earliest(contentOf(4), 0, contentOf(4).length)).toBeUndefined();
      expect(reads).toEqual([]);
      without.close();
      expectExact(ten, range(0, 10));
      ten.close();
      await store.close();

      // What was built is there after a restart.
      const again = await ShardStore.open(directory, limits);
      const view = await again.view(left, () => Promise.reject(new Error("nothing is to be read")));
      expectExact(view, left);
      view.close();
      await again.close();
    },
  );

  it("merges small shards in the background; the next view takes the merged one", async () => {
    const store = await ShardStore.open(directory);
    const { read } = reader();
    for (const count of [1, 2, 3, 4]) (await store.view(range(0, count), read)).close();
    await store.settled();
    expect(store.shards.map(({ documents }) => documents).sort()).toEqual([1, 1, 1, 1, 4]);
    const view = await store.view(range(0, 4), () => Promise.reject(new Error("nothing is to be read")));
    expectExact(view, range(0, 4));
    view.close();
    await store.close();
  });

  it("removes the least recently used shards above the budget, never those of an open view", async () => {
    const store = await ShardStore.open(directory, { diskBytes: 1 });
    const { read } = reader();
    const first = await store.view(range(0, 2), read);
    const second = await store.view(range(5, 7), read);
    expect(files()).toHaveLength(2);
    second.close();
    expect(files()).toHaveLength(1);
    expectExact(first, range(0, 2));
    first.close();
    expect(files()).toHaveLength(0);
    await store.close();
  });

  it("shares a build, and leaves nothing behind when contents cannot be had", async () => {
    const store = await ShardStore.open(directory);
    const failing = store.view(range(0, 3), () => Promise.reject(new Error("no content")));
    await expect(failing).rejects.toThrow("no content");
    const short = store.view(range(0, 3), async () => new Uint8Array(3));
    await expect(short).rejects.toThrow("contribution 0 has 3 bytes");
    expect(files()).toEqual([]);
    const { reads, read } = reader();
    const views = await Promise.all([store.view(range(0, 3), read), store.view(range(0, 3), read)]);
    expect(reads).toEqual([0, 1, 2]);
    for (const view of views) view.close();
    await store.close();
  });
});

describe("damage", () => {
  const build = async () => {
    const store = await ShardStore.open(directory);
    (await store.view(range(0, 6), reader().read)).close();
    await store.close();
    return join(directory, files()[0]!);
  };

  it("of any part of a file is found, and the shard built again", async () => {
    const path = await build();
    const whole = readFileSync(path);
    const layout = layoutOf(decodeHeader("test", whole.subarray(0, PAGE_BYTES), whole.length));
    const { text, leaves, directory: table, filter, sums, documents, end } = layout;
    const flip = (at: number) => () => {
      const bytes = Buffer.from(whole);
      bytes[at]! ^= 0x10;
      writeFileSync(path, bytes);
    };
    const damages: readonly (() => void)[] = [
      flip(0), // magic
      flip(4), // version
      flip(9), // count
      flip(documents + 3),
      flip(text + 1_000),
      flip(leaves + 200),
      flip(table + 40),
      flip(filter + 9),
      flip(sums + 2),
      () => truncateSync(path, end - 1),
      () => truncateSync(path, 100),
      () => truncateSync(path, 0),
      () => writeFileSync(path, Buffer.alloc(end)),
    ];
    for (const [i, damage] of damages.entries()) {
      damage();
      const store = await ShardStore.open(directory);
      const { reads, read } = reader();
      const view = await store.view(range(0, 6), read);
      if (i % 4 === 0) expectExact(view, range(0, 6));
      expect(reads).toHaveLength(6);
      view.close();
      await store.close();
      expect(readFileSync(path).equals(whole)).toBe(true);
    }
  });

  it("that a search from disk meets ends the search, and the next view is whole", async () => {
    const path = await build();
    const whole = readFileSync(path);
    const { text, textPages } = layoutOf(decodeHeader("test", whole.subarray(0, PAGE_BYTES), whole.length));
    const store = await ShardStore.open(directory, ON_DISK);
    const { reads, read } = reader();
    const view = await store.view(range(0, 6), read);
    for (let page = 0; page < textPages; page++) whole[text + page * PAGE_BYTES + 5]! ^= 1;
    writeFileSync(path, whole);
    const query = contentOf(3);
    expect(() => view.longestMatch(query, 0, query.length)).toThrow(ShardDamagedError);
    const next = await store.view(range(0, 6), read);
    expect(reads).toHaveLength(6);
    expectExact(next, range(0, 6));
    next.close();
    view.close();
    await store.close();
  });

  it("what an ended process left half-written is removed, what a running one writes is not", async () => {
    writeFileSync(join(directory, "tmp-999999999-a"), "half");
    writeFileSync(join(directory, `tmp-${process.pid}-b`), "half");
    await (await ShardStore.open(directory)).close();
    expect(files()).toEqual([`tmp-${process.pid}-b`]);
  });
});

describe("plans", () => {
  const shardOf = (documents: readonly IndexedDocument[], bytes = 1) => ({
    ids: BigUint64Array.from(documents, ({ id }) => id),
    roots: Buffer.concat(documents.map(({ contentRoot }) => Buffer.from(contentRoot.slice(2), "hex"))),
    bytes,
  });

  it("take disjoint shards whose documents are all wanted as they are, the largest first", () => {
    const small = shardOf(range(0, 2));
    const large = shardOf(range(0, 4), 4);
    const beyond = shardOf(range(3, 9), 9);
    const other = { ...shardOf(range(4, 6), 3), roots: new Uint8Array(64) };
    const { use, build } = planView(range(0, 6), [small, large, beyond, other], 1e9);
    expect(use).toEqual([large]);
    expect(build.map((list) => list.map(({ id }) => Number(id)))).toEqual([[4, 5]]);
  });

  it("split what is to be built, a document above the limit by itself", () => {
    const sizes = [40, 59, 1, 500, 30, 30];
    const documents = range(0, 6).map((document, i) => ({ ...document, size: sizes[i]! }));
    const lengths = (limit: number) => planView(documents, [], limit).build.map((list) => list.length);
    // One separator each.
    expect(lengths(101)).toEqual([2, 1, 1, 2]);
    expect(lengths(100)).toEqual([1, 2, 1, 2]);
    expect(lengths(1)).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it("merge four of a tier, never above the limit", () => {
    const sized = (...megabytes: number[]) => megabytes.map((size) => shardOf([documentOf(0)], size * 1e6));
    expect(planMerge(sized(0.1, 0.2, 0.9), 1e9)).toBeUndefined();
    expect(planMerge(sized(0.1, 3, 0.2, 0.9, 0.5, 60), 1e9)?.map(({ bytes }) => bytes / 1e6)).toEqual([
      0.1, 0.2, 0.5, 0.9,
    ]);
    expect(planMerge(sized(60, 61, 62, 63, 0.1), 256e6)).toHaveLength(4);
    expect(planMerge(sized(60, 61, 62, 63, 0.1), 200e6)).toBeUndefined();
  });

  it("name a shard by ids and roots", () => {
    const names = [range(0, 2), range(1, 3), range(0, 3), [{ ...documentOf(0), id: 9n }, documentOf(1)]].map((list) =>
      bytesToHex(shardName(list)),
    );
    expect(new Set(names).size).toBe(4);
  });
});
