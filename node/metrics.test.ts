import { afterEach, describe, expect, test } from "vitest";
import { closeServer, listen } from "./http.ts";
import { createMetricsServer, type NodeStatus } from "./metrics.ts";

const GOOD: NodeStatus = {
  headNumber: 12n,
  headTimestamp: 1_700_000_012n,
  indexedNumber: 11n,
  indexError: undefined,
  poolTransactions: 3,
  blocksProduced: 5,
  transactionsIncluded: 40,
  halted: undefined,
};

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function serve(status: () => NodeStatus): Promise<(path: string, init?: RequestInit) => Promise<Response>> {
  const server = createMetricsServer(status);
  const port = await listen(server, { address: "127.0.0.1", port: 0 }, "metrics");
  closers.push(() => closeServer(server, 0));
  return (path, init) => fetch(`http://127.0.0.1:${port}${path}`, init);
}

describe("/health and /ready", () => {
  const body = { healthy: true, ready: true, head: 12, indexed: 11, problems: [] };
  test.each<[why: string, change: Partial<NodeStatus>, health: number, ready: number, body: object]>([
    ["all is well", {}, 200, 200, body],
    ["no indexer", { indexedNumber: undefined }, 200, 200, { ...body, indexed: null }],
    ["two blocks behind", { indexedNumber: 10n }, 200, 200, { ...body, indexed: 10 }],
    ["three blocks behind", { indexedNumber: 9n }, 200, 503, { ...body, ready: false, indexed: 9 }],
    [
      "the index stopped",
      { indexError: "index broken" },
      200,
      503,
      { ...body, ready: false, problems: ["index broken"] },
    ],
    [
      "halted",
      { halted: "disk full", indexError: "index broken" },
      503,
      503,
      { ...body, healthy: false, ready: false, problems: ["disk full", "index broken"] },
    ],
  ])("%s", async (_, change, health, ready, expected) => {
    const ask = await serve(() => ({ ...GOOD, ...change }));
    for (const [path, code] of [
      ["/health", health],
      ["/ready", ready],
      ["/ready?verbose=1", ready],
    ] as const) {
      const response = await ask(path);
      expect([path, response.status]).toEqual([path, code]);
      expect(response.headers.get("content-type")).toBe("application/json");
      expect(response.headers.get("cache-control")).toBe("no-store");
      expect(await response.json()).toEqual(expected);
    }
  });
});

test("/metrics: Prometheus text, each series with help and type, read at each request", async () => {
  let status = GOOD;
  const ask = await serve(() => status);
  const series = async () => {
    const response = await ask("/metrics");
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/plain; version=0.0.4"]);
    const text = await response.text();
    expect(text.endsWith("\n")).toBe(true);
    const values = new Map<string, number>();
    const lines = text.trimEnd().split("\n");
    for (let i = 0; i < lines.length; i += 3) {
      const name = lines[i]!.match(/^# HELP (\w+) \S.*$/)![1]!;
      expect(lines[i + 1]).toMatch(new RegExp(`^# TYPE ${name} (gauge|counter)$`));
      const value = lines[i + 2]!.match(new RegExp(`^${name} (-?\\d+)$`))![1]!;
      expect(name.endsWith("_total")).toBe(lines[i + 1]!.endsWith("counter"));
      values.set(name, Number(value));
    }
    return values;
  };
  const first = await series();
  expect(first.get("process_resident_memory_bytes")).toBeGreaterThan(1_000_000);
  first.delete("process_resident_memory_bytes");
  expect(Object.fromEntries(first)).toEqual({
    openledger_head_block: 12,
    openledger_head_timestamp_seconds: 1_700_000_012,
    openledger_indexed_block: 11,
    openledger_txpool_transactions: 3,
    openledger_blocks_produced_total: 5,
    openledger_transactions_included_total: 40,
    openledger_halted: 0,
  });
  status = { ...GOOD, halted: "disk full", indexedNumber: undefined };
  const second = await series();
  expect([second.get("openledger_halted"), second.get("openledger_indexed_block")]).toEqual([1, -1]);
});

test("other paths are not found", async () => {
  const ask = await serve(() => GOOD);
  for (const path of ["/", "/healthy", "/metrics/", "//health"]) {
    expect([path, (await ask(path)).status]).toEqual([path, 404]);
  }
});

test("a status that cannot be read is an answer, not the end of the process", async () => {
  const ask = await serve(() => {
    throw new Error("a defect");
  });
  for (const path of ["/health", "/ready", "/metrics"]) {
    const response = await ask(path);
    expect([response.status, await response.text()]).toEqual([500, "the status cannot be read: a defect\n"]);
  }
});
