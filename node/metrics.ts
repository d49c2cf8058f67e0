/** `/health`, `/ready` and Prometheus `/metrics` on a port of their own. */
import { createServer, type Server } from "node:http";
import { isHostAllowed } from "../core/host-header.ts";
import type { NodeStatus } from "./status.ts";

interface Series {
  readonly name: string;
  readonly type: "gauge" | "counter";
  readonly help: string;
  /** Undefined where it does not apply. */
  readonly read: (status: NodeStatus) => bigint | number | undefined;
}

const gauge = (name: string, help: string, read: Series["read"]): Series => ({ name, type: "gauge", help, read });
const counter = (name: string, help: string, read: Series["read"]): Series => ({ name, type: "counter", help, read });

const SERIES: readonly Series[] = [
  gauge("head_block", "Number of the last final block", (s) => s.headNumber),
  gauge("head_timestamp_seconds", "Time of the last final block", (s) => s.headTimestamp),
  gauge("indexed_block", "Number of the last indexed block, -1 without an indexer", (s) => s.indexedNumber ?? -1),
  gauge("txpool_transactions", "Transactions in the pool", (s) => s.poolTransactions),
  counter("blocks_committed_total", "Blocks committed since the start", (s) => s.consensus.blocksCommitted),
  counter("transactions_total", "Transactions committed since the start", (s) => s.consensus.transactionsCommitted),
  gauge("halted", "1 when the node stopped for good", (s) => (s.halted === undefined ? 0 : 1)),
  gauge("since_block_seconds", "Since the last block was committed", (s) => s.consensus.sinceBlockMs / 1_000),
  gauge("consensus_epoch", "Epoch of consensus", (s) => s.consensus.epoch),
  gauge("consensus_view", "View, counted from the epoch's base", (s) => s.consensus.viewInEpoch),
  gauge("consensus_validators", "Validators of the epoch", (s) => s.consensus.validators),
  gauge("consensus_signing", "1 while this validator signs", (s) => (s.consensus.mode === "validate" ? 1 : 0)),
  gauge("consensus_in_set", "1 while the own key is in the set", (s) =>
    s.consensus.validatorIndex === undefined ? 0 : 1,
  ),
  counter("consensus_votes_cast_total", "Votes signed since the start", (s) => s.consensus.votesCast),
  counter("consensus_notarizations_total", "Views seen notarized", (s) => s.consensus.notarizations),
  counter("consensus_nullifications_total", "Views seen skipped", (s) => s.consensus.nullifications),
  counter("consensus_finalizations_total", "Finalize certificates seen", (s) => s.consensus.finalizations),
  counter("consensus_evidence_total", "Validators seen contradicting themselves", (s) => s.consensus.evidence),
  gauge("consensus_rounds_kept", "Views in memory", (s) => s.consensus.roundsKept),
  gauge("consensus_votes_kept", "Votes in memory", (s) => s.consensus.votesKept),
  gauge("sync_active", "1 while blocks are fetched from peers", (s) => s.sync && (s.sync.isSyncing ? 1 : 0)),
  gauge("sync_target_block", "Highest certified block that a peer reports", (s) => s.sync?.target),
  gauge("sync_blocks_per_second", "Speed of sync", (s) => s.sync?.blocksPerSecond),
  gauge("p2p_peers", "Connected peers", (s) => s.network?.peers),
  gauge("p2p_banned", "Peers that are banned for a time", (s) => s.network?.banned),
  gauge("l1_head_block", "L1's newest block", (s) => s.l1?.head),
  gauge("l1_final_block", "Newest L1 block that is final and was read", (s) => s.l1?.final),
  gauge("l1_lag_blocks", "Blocks that L1 is ahead of what was read", (s) => s.l1?.lagBlocks),
  gauge("safe_block", "Number of the last block whose batch is on L1", (s) => s.l1?.safe),
  gauge("finalized_block", "Number of the last block whose batch is on a final block of L1", (s) => s.l1?.finalized),
  gauge("l1_unposted_bytes", "Bytes of blocks that are not on L1 yet", (s) => s.l1?.unpostedBytes),
];

const number = (value: bigint | number): string =>
  typeof value === "bigint" ? String(value) : String(+value.toFixed(3));

function prometheus(status: NodeStatus): string {
  const own = SERIES.flatMap(({ name, type, help, read }) => {
    const value = read(status);
    return value === undefined ? [] : [block(name, type, help, [`openledger_${name} ${number(value)}`])];
  });
  const memory = block("process_resident_memory_bytes", "gauge", "Resident memory", [
    `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
  ]);
  return [...own, commitLatency(status), ...byTopic(status), memory].join("");
}

function commitLatency({ consensus: { commitLatency: latency } }: NodeStatus): string {
  const name = "consensus_commit_latency_seconds";
  return block(name, "summary", "From the beginning of a proposal to its commit, of the last 512 blocks", [
    `openledger_${name}{quantile="0.5"} ${latency.p50Ms / 1_000}`,
    `openledger_${name}{quantile="0.99"} ${latency.p99Ms / 1_000}`,
    `openledger_${name}_count ${latency.count}`,
  ]);
}

/** Messages and bytes of gossip, labelled by topic and direction. */
function byTopic({ network }: NodeStatus): string[] {
  if (network === undefined) return [];
  const lines = (unit: "messages" | "bytes") =>
    Object.entries(network.topics).flatMap(([topic, counts]) =>
      (["in", "out"] as const).map(
        (direction) =>
          `openledger_p2p_gossip_${unit}_total{topic="${topic}",direction="${direction}"} ${counts[direction][unit]}`,
      ),
    );
  return [
    block("p2p_gossip_messages_total", "counter", "Gossip messages", lines("messages")),
    block("p2p_gossip_bytes_total", "counter", "Bytes of gossip messages", lines("bytes")),
  ];
}

function block(name: string, type: string, help: string, lines: readonly string[]): string {
  const full = name.startsWith("process_") ? name : `openledger_${name}`;
  return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${lines.join("\n")}\n`;
}

/**
 * Healthy: nothing is broken that a restart would not mend. Ready: it may be relied on, that is in step with the network
 * and its index; a validator signs.
 */
function report(status: NodeStatus): { healthy: boolean; ready: boolean; body: object } {
  const { consensus, sync, halted, indexError, headNumber, indexedNumber } = status;
  const problems: string[] = [];
  if (halted !== undefined) problems.push(halted);
  if (indexError !== undefined) problems.push(indexError);
  if (indexedNumber !== undefined && indexedNumber + 2n < headNumber) {
    problems.push(`the index is ${headNumber - indexedNumber} blocks behind`);
  }
  if (consensus.signingProblem !== undefined) problems.push(`not signing: ${consensus.signingProblem}`);
  if (sync?.isSyncing === true) problems.push(`syncing: block ${headNumber} of ${sync.target}`);
  else if (consensus.sinceBlockMs > status.quietMs) {
    problems.push(`no block for ${Math.round(consensus.sinceBlockMs / 1_000)} s`);
  }
  if (consensus.peers === 0 && consensus.validators > 1) problems.push("no peers");
  if (status.l1?.problem !== undefined) problems.push(`L1: ${status.l1.problem}`);
  const healthy = halted === undefined;
  const body = {
    healthy,
    ready: problems.length === 0,
    head: Number(headNumber),
    indexed: indexedNumber === undefined ? null : Number(indexedNumber),
    mode: consensus.mode,
    epoch: consensus.epoch,
    view: consensus.viewInEpoch,
    peers: consensus.peers ?? null,
    syncing: sync?.isSyncing ? { target: Number(sync.target), etaSeconds: sync.etaSeconds ?? null } : null,
    problems,
  };
  return { healthy, ready: body.ready, body };
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
