/** `/health`, `/ready` and Prometheus `/metrics` on a port of their own. */
import { createServer, type Server } from "node:http";
import { isHostAllowed } from "../core/host-header.ts";

/** Read at each request, so that nothing has to be kept in step. */
export interface NodeStatus {
  readonly headNumber: bigint;
  readonly headTimestamp: bigint;
  /** Undefined where the indexer does not run. */
  readonly indexedNumber: bigint | undefined;
  readonly indexError: string | undefined;
  readonly poolTransactions: number;
  readonly blocksProduced: number;
  readonly transactionsIncluded: number;
  /** Set when block production stopped for good. */
  readonly halted: string | undefined;
}

const SERIES: readonly (readonly [
  name: string,
  type: "gauge" | "counter",
  help: string,
  read: (s: NodeStatus) => bigint | number,
])[] = [
  ["openledger_head_block", "gauge", "Number of the last committed block", (s) => s.headNumber],
  ["openledger_head_timestamp_seconds", "gauge", "Time of the last committed block", (s) => s.headTimestamp],
  [
    "openledger_indexed_block",
    "gauge",
    "Number of the last indexed block, -1 without an indexer",
    (s) => s.indexedNumber ?? -1,
  ],
  ["openledger_txpool_transactions", "gauge", "Transactions in the pool", (s) => s.poolTransactions],
  ["openledger_blocks_produced_total", "counter", "Blocks committed since the start", (s) => s.blocksProduced],
  [
    "openledger_transactions_included_total",
    "counter",
    "Transactions committed since the start",
    (s) => s.transactionsIncluded,
  ],
  ["openledger_halted", "gauge", "1 when block production stopped for good", (s) => (s.halted === undefined ? 0 : 1)],
];

function prometheus(status: NodeStatus): string {
  const own = SERIES.map(
    ([name, type, help, read]) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${read(status)}\n`,
  );
  const memory = `# HELP process_resident_memory_bytes Resident memory\n# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes ${process.memoryUsage.rss()}\n`;
  return own.join("") + memory;
}

/** Healthy: blocks are made. Ready: healthy, and the index is at most two blocks behind. */
function report(status: NodeStatus): { healthy: boolean; ready: boolean; body: object } {
  const healthy = status.halted === undefined;
  const isIndexed = status.indexedNumber === undefined || status.indexedNumber + 2n >= status.headNumber;
  const ready = healthy && isIndexed && status.indexError === undefined;
  const body = {
    healthy,
    ready,
    head: Number(status.headNumber),
    indexed: status.indexedNumber === undefined ? null : Number(status.indexedNumber),
    problems: [status.halted, status.indexError].filter((problem) => problem !== undefined),
  };
  return { healthy, ready, body };
}

/** `names`: Host names to accept, see core/host-header.ts. */
export function createMetricsServer(status: () => NodeStatus, names: readonly string[] = []): Server {
  const server = createServer({ connectionsCheckingInterval: 5_000 }, (request, response) => {
    const send = (code: number, type: string, body: string): void => {
      response.writeHead(code, { "content-type": type, "cache-control": "no-store" }).end(body);
    };
    if (!isHostAllowed(request.headers.host, names)) {
      return send(403, "text/plain", `host ${request.headers.host} is not allowed; see --http.vhosts\n`);
    }
    let now: NodeStatus;
    try {
      now = status();
    } catch (error) {
      // Thrown from here it would end the process.
      return send(500, "text/plain", `the status cannot be read: ${(error as Error).message}\n`);
    }
    switch (request.url?.split("?")[0]) {
      case "/health":
      case "/ready": {
        const { healthy, ready, body } = report(now);
        const isGood = request.url.startsWith("/health") ? healthy : ready;
        return send(isGood ? 200 : 503, "application/json", `${JSON.stringify(body)}\n`);
      }
      case "/metrics":
        return send(200, "text/plain; version=0.0.4", prometheus(now));
      default:
        return send(404, "text/plain", "paths: /health /ready /metrics\n");
    }
  });
  server.requestTimeout = 10_000;
  server.maxConnections = 64;
  return server;
}
