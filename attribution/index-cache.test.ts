import { expect, it } from "vitest";
import { Gate } from "../core/gate.ts";
import { buildCorpusIndex, indexBytes } from "./corpus-index.ts";
import { IndexCache } from "./index-cache.ts";
import { type BuildIndex, buildIndexInWorker } from "./index-worker.ts";

const corpus = (text: string) => [{ id: 1n, bytes: new TextEncoder().encode(text) }];
const oneSize = indexBytes(buildCorpusIndex(corpus("a")));

function counting(): { build: BuildIndex; built: () => number } {
  let builds = 0;
  return {
    build: async (documents) => {
      builds++;
      return buildCorpusIndex(documents);
    },
    built: () => builds,
  };
}

it("drops the least recently used index when the bytes exceed the bound", async () => {
  const { build, built } = counting();
  const cache = new IndexCache(build, 2 * oneSize);
  const get = (key: string) => cache.get(key, async () => corpus(key));
  await get("a");
  await get("b");
  await get("a");
  await get("c"); // b leaves
  expect(cache.bytes).toBe(2 * oneSize);
  await get("a");
  expect(built()).toBe(3);
  await get("b");
  expect(built()).toBe(4);
});

it("shares one build, and a failed one is tried again", async () => {
  const { build, built } = counting();
  const cache = new IndexCache(build, 1_000_000);
  await Promise.all([1, 2, 3].map(() => cache.get("a", async () => corpus("a"))));
  expect(built()).toBe(1);
  const failing = cache.get("b", async () => Promise.reject(new Error("no content")));
  await expect(failing).rejects.toThrow("no content");
  await cache.get("b", async () => corpus("b"));
  expect(built()).toBe(2);
});

it("builds on another thread what it builds on this one", async () => {
  const documents = [...corpus("to be or not to be"), { id: 9n, bytes: Uint8Array.of(0, 255, 0) }];
  expect(await buildIndexInWorker(documents)).toEqual(buildCorpusIndex(documents));
  await expect(buildIndexInWorker([{ id: 1n, bytes: new Uint8Array(0) }])).rejects.toThrow("contribution 1 is empty");
});

it("a gate runs so many, lets so many wait, turns the rest away, and goes on after a failure", async () => {
  const gate = new Gate(2, 1);
  const finish: (() => void)[] = [];
  const task = () => new Promise<string>((resolve) => finish.push(() => resolve("done")));
  const running = [gate.run(task), gate.run(task)];
  const waiting = gate.run(() => Promise.reject(new Error("failed")));
  expect(await gate.run(task)).toBeUndefined();
  expect(finish).toHaveLength(2);
  for (const end of finish) end();
  expect(await Promise.all(running)).toEqual(["done", "done"]);
  await expect(waiting).rejects.toThrow("failed");
  expect(await gate.run(async () => "free")).toBe("free");
});
