import { expect, test } from "vitest";
import { CommitQueue } from "./commit-queue.ts";

const all = (items: readonly unknown[]) => items.length;

test("an item that comes just as the queue runs empty is not forgotten", async () => {
  const queue = new CommitQueue<number>(async () => {}, all);
  for (let steps = 0; steps < 12; steps++) {
    await queue.push(1);
    const last = Promise.withResolvers<void>();
    // Some microtasks after the queue has settled its last item.
    queue.push(2).then(async () => {
      for (let i = 0; i < steps; i++) await undefined;
      queue.push(3).then(last.resolve, last.reject);
    });
    await last.promise;
  }
});

test("items go in order, one write at a time, as many together as the caller says", async () => {
  const writes: (readonly number[])[] = [];
  let running = 0;
  const queue = new CommitQueue<number>(
    async (items) => {
      expect(++running).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
      writes.push(items);
      running--;
    },
    (items) => Math.min(3, items.length),
  );
  const done: number[] = [];
  const pushes = Array.from({ length: 8 }, (_, i) => queue.push(i).then(() => done.push(i)));
  expect(queue.length).toBe(7);
  await Promise.all(pushes);
  expect(writes).toEqual([[0], [1, 2, 3], [4, 5, 6], [7]]);
  expect(done).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

test("lazy items wait for others, or for a flush", async () => {
  const writes: (readonly number[])[] = [];
  const queue = new CommitQueue<number>(async (items) => void writes.push(items), all);
  queue.pushLazy(1);
  await new Promise((resolve) => setImmediate(resolve));
  expect(writes).toEqual([]);
  await queue.push(2);
  queue.pushLazy(3);
  await queue.flush();
  await queue.flush();
  expect(writes).toEqual([[1, 2], [3]]);
});

test("the first failure is everybody's, for good", async () => {
  let writes = 0;
  const queue = new CommitQueue<number>(
    async () => {
      writes++;
      throw new Error("no space left");
    },
    () => 1,
  );
  const pushes = await Promise.allSettled([queue.push(1), queue.push(2)]);
  expect(pushes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  await expect(queue.push(3)).rejects.toThrow("no space left");
  queue.pushLazy(4);
  await expect(queue.flush()).rejects.toThrow("no space left");
  expect({ writes, length: queue.length, failure: queue.failure?.message }).toEqual({
    writes: 1,
    length: 0,
    failure: "no space left",
  });
});
