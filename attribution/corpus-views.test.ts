import { expect, it } from "vitest";
import { CorpusViews } from "./corpus-views.ts";

function opener() {
  const log: string[] = [];
  const open = (name: string) => async () => {
    log.push(`open ${name}`);
    return { name, close: () => void log.push(`close ${name}`) };
  };
  return { log, open };
}

it("opens once, shares, and closes the least recently used that nobody uses", async () => {
  const { log, open } = opener();
  const views = new CorpusViews<{ name: string; close(): void }>(2);
  const names = await Promise.all([1, 2].map(() => views.use("a", open("a"), async ({ name }) => name)));
  expect([names, log]).toEqual([["a", "a"], ["open a"]]);
  await views.use("b", open("b"), async () => {});
  await views.use("a", open("a"), async () => {});
  await views.use("c", open("c"), async () => {});
  await Promise.resolve();
  expect(log).toEqual(["open a", "open b", "open c", "close b"]);
});

it("keeps what is in use open, beyond its bound and its own end", async () => {
  const { log, open } = opener();
  const views = new CorpusViews<{ name: string; close(): void }>(1);
  const end = Promise.withResolvers<void>();
  const using = views.use("a", open("a"), () => end.promise);
  await views.use("b", open("b"), async () => {});
  views.close();
  await Promise.resolve();
  expect(log).toEqual(["open a", "open b", "close b"]);
  end.resolve();
  await using;
  await Promise.resolve();
  expect(log.at(-1)).toBe("close a");
  await expect(views.use("a", open("a"), async () => {})).rejects.toThrow("closed");
});

it("opens anew what it was told to forget, and closes the old one after its users", async () => {
  const { log, open } = opener();
  const views = new CorpusViews<{ name: string; close(): void }>(2);
  const end = Promise.withResolvers<void>();
  const using = views.use("a", open("a"), () => end.promise);
  views.forget("a");
  await views.use("a", open("a again"), async () => {});
  expect(log).toEqual(["open a", "open a again"]);
  end.resolve();
  await using;
  await Promise.resolve();
  expect(log.at(-1)).toBe("close a");
  views.forget("a");
  views.forget("a");
  await Promise.resolve();
  expect(log.slice(3)).toEqual(["close a again"]);
});

it("opens again after a failure", async () => {
  const views = new CorpusViews<{ name: string; close(): void }>(1);
  const fail = () => Promise.reject(new Error("no disk"));
  await expect(views.use("a", fail, async () => {})).rejects.toThrow("no disk");
  expect(await views.use("a", opener().open("a"), async ({ name }) => name)).toBe("a");
});
