import { afterEach, describe, expect, test } from "vitest";
import { closeServer, listen } from "./http.ts";
import { createMetricsServer } from "./metrics.ts";
import type { NodeStatus } from "./status.ts";

const GOOD: NodeStatus = {
  headNumber: 12n,
  headTimestamp: 1_700_000_012n,
  indexedNumber: 11n,
  indexError: undefined,
  poolTransactions: 3,
  consensus: {
    mode: "validate",
    signingProblem: undefined,
    epoch: 2,
    viewInEpoch: 7,
    validatorIndex: 0,
    validators: 4,
    peers: 3,
    blocksCommitted: 5,
    transactionsCommitted: 40,
    sinceBlockMs: 1_000,
    notarizations: 9,
    nullifications: 1,
    finalizations: 8,
    votesCast: 17,
    evidence: 0,
    commitLatency: { p50Ms: 20, p99Ms: 45, count: 5 },
    roundsKept: 10,
    votesKept: 60,
  },
  quietMs: 15_000,
  sync: undefined,
  network: undefined,
  l1: undefined,
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
  const body = {
    healthy: true,
    ready: true,
    head: 12,
    indexed: 11,
    mode: "validate",
    epoch: 2,
    view: 7,
    peers: 3,
    syncing: null,
    problems: [],
  };
  test.each<[why: string, change: Partial<NodeStatus>, health: number, ready: number, body: object]>([
    ["all is well", {}, 200, 200, body],
    ["no indexer", { indexedNumber: undefined }, 200, 200, { ...body, indexed: null }],
    ["two blocks behind", { indexedNumber: 10n }, 200, 200, { ...body, indexed: 10 }],
    [
      "three blocks behind",
      { indexedNumber: 9n },
      200,
      503,
      { ...body, ready: false, indexed: 9, problems: ["the index is 3 blocks behind"] },
    ],
    [
      "L1 is out of reach",
      {
        l1: {
          head: 9n,
          final: 5n,
          lagBlocks: 2n,
          safe: 4n,
          finalized: 2n,
          unpostedBytes: undefined,
          problem: "L1 cannot be reached",
        },
      },
      200,
      503,
      { ...body, ready: false, problems: ["L1: L1 cannot be reached"] },
    ],
    [
      "the chain stands still",
      { consensus: { ...GOOD.consensus, sinceBlockMs: 17_000 } },
      200,
      503,
      { ...body, ready: false, problems: ["no block for 17 s"] },
    ],
    [
      "a validator that does not sign, alone",
      { consensus: { ...GOOD.consensus, mode: "observe", signingProblem: "its log is missing", peers: 0 } },
      200,
      503,
      { ...body, ready: false, mode: "observe", peers: 0, problems: ["not signing: its log is missing", "no peers"] },
    ],
    [
      "syncing",
      { sync: { isSyncing: true, head: 12n, target: 90n, blocksPerSecond: 4, etaSeconds: 20 } },
      200,
      503,
      {
        ...body,
        ready: false,
        syncing: { target: 90, etaSeconds: 20 },
        problems: ["syncing: block 12 of 90"],
      },
    ],
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
    let [name, type] = ["", ""];
    for (const line of text.trimEnd().split("\n")) {
      const help = line.match(/^# HELP (\w+) \S.*$/);
      const kind = line.match(/^# TYPE (\w+) (gauge|counter|summary)$/);
      if (help !== null) name = help[1]!;
      else if (kind !== null) {
        expect(kind[1]).toBe(name);
        type = kind[2]!;
        expect(name.endsWith("_total")).toBe(type === "counter");
      } else {
        const sample = line.match(/^(\w+(?:\{[^}]*\})?) (-?[\d.]+)$/)!;
        expect(sample[1]!.startsWith(name)).toBe(true);
        values.set(sample[1]!, Number(sample[2]));
      }
    }
    return values;
  };
  const first = await series();
  expect(first.get("process_resident_memory_bytes")).toBeGreaterThan(1_000_000);
  expect(Object.fromEntries(first)).toMatchObject({
    openledger_head_block: 12,
    openledger_head_timestamp_seconds: 1_700_000_012,
    openledger_indexed_block: 11,
    openledger_txpool_transactions: 3,
    openledger_blocks_committed_total: 5,
    openledger_transactions_total: 40,
    openledger_halted: 0,
    openledger_consensus_epoch: 2,
    openledger_consensus_signing: 1,
    'openledger_consensus_commit_latency_seconds{quantile="0.99"}': 0.045,
  });
  // A node that is alone has no peers to count.
  expect(first.has("openledger_p2p_peers")).toBe(false);
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
