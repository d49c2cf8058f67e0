import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { SyncStatus } from "./context.ts";
import { SyncFeed } from "./sync-feed.ts";
import { setup } from "./testing/setup.ts";

const BEHIND: SyncStatus = { startingBlock: 1n, currentBlock: 2n, highestBlock: 30n };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("tells of each beginning and end once, and looks only while somebody listens", () => {
  let status: SyncStatus | undefined;
  let looks = 0;
  const feed = new SyncFeed(() => {
    looks++;
    return status;
  });
  const heard: (SyncStatus | undefined)[] = [];
  const end = feed.listen((now) => heard.push(now));
  vi.advanceTimersByTime(3_000);
  status = BEHIND;
  vi.advanceTimersByTime(3_000);
  status = undefined;
  vi.advanceTimersByTime(3_000);
  expect(heard).toEqual([BEHIND, undefined]);
  end();
  const before = looks;
  vi.advanceTimersByTime(60_000);
  expect(looks).toBe(before);
  status = BEHIND;
  feed.listen((now) => heard.push(now));
  vi.advanceTimersByTime(0);
  expect(heard).toEqual([BEHIND, undefined, BEHIND]);
  feed.close();
});

test("a subscription is told as geth tells it", async () => {
  let status: SyncStatus | undefined;
  const { rpc } = setup({ syncStatus: () => status });
  const told: unknown[] = [];
  const session = rpc.openSession((text) => told.push(JSON.parse(text).params.result));
  await rpc.handle({ jsonrpc: "2.0", id: 1, method: "eth_subscribe", params: ["syncing"] }, session);
  status = BEHIND;
  vi.advanceTimersByTime(1_000);
  status = undefined;
  vi.advanceTimersByTime(1_000);
  const numbers = { startingBlock: "0x1", currentBlock: "0x2", highestBlock: "0x1e" };
  expect(told).toEqual([{ syncing: true, status: numbers }, false]);
  rpc.closeSession(session);
  status = BEHIND;
  vi.advanceTimersByTime(5_000);
  expect(told).toHaveLength(2);
  rpc.close();
});
