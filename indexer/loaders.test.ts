import { performance } from "node:perf_hooks";
import type { Kysely } from "kysely";
import { expect, test } from "vitest";
import { Reader } from "./loaders.ts";
import type { Database } from "./tables.ts";

/** Of turns only: nothing is read. */
const readerOf = (timeoutMs: number): Reader => new Reader(undefined as unknown as Kysely<Database>, timeoutMs);

/** As a statement of SQLite does. */
function hold(ms: number): void {
  for (const endMs = performance.now() + ms; performance.now() < endMs; );
}

test("many fields that read at once let the event loop go on between any two of them", async () => {
  const reader = readerOf(60_000);
  let sinceRound = 0;
  let most = 0;
  let isOver = false;
  const watch = (): void => {
    sinceRound = 0;
    if (!isOver) setImmediate(watch);
  };
  setImmediate(watch);
  const field = async (): Promise<void> => {
    await reader.turn();
    hold(6);
    sinceRound += 1;
    most = Math.max(most, sinceRound);
  };
  await Promise.all(Array.from({ length: 100 }, field));
  // Those of the first turn, which all ask before any has read.
  expect(most).toBe(32);
  most = 0;
  await Promise.all(Array.from({ length: 50 }, field));
  isOver = true;
  expect(most).toBe(1);
});

test("those that still wait when the time is over are refused", async () => {
  const reader = readerOf(60);
  let done = 0;
  const field = async (): Promise<void> => {
    await reader.turn();
    hold(6);
    done += 1;
  };
  const results = await Promise.allSettled(Array.from({ length: 100 }, field));
  expect(done).toBeLessThan(50);
  for (const result of results.slice(done)) {
    expect(result).toMatchObject({ status: "rejected", reason: { extensions: { code: "TIMEOUT" } } });
  }
});
