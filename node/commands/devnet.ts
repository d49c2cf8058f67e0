/** `openledger devnet`: what help and main need of it; the node itself is loaded only to run. */
import type { Command } from "../help.ts";

export const devnetOptions = [
  "config",
  "datadir",
  "fresh",
  "http.addr",
  "http.port",
  "http.vhosts",
  "http.corsdomain",
  "rpc.txfeecap",
  "graphql",
  "graphql.addr",
  "graphql.port",
  "content",
  "content.addr",
  "content.port",
  "host",
  "host.addr",
  "host.port",
  "metrics",
  "metrics.addr",
  "metrics.port",
  "block.interval",
  "block.heartbeat",
  "log.level",
  "log.format",
] as const;

export const devnetCommand: Command = {
  name: "devnet",
  argumentsUsage: "",
  summary: "Start a chain with one validator on this machine",
  description: `Starts block production, JSON-RPC, the indexer with GraphQL, a content store and a model host, and prefunds ten
well-known accounts. Resumes what the data directory holds. Ctrl-C stops it; a second Ctrl-C stops it at once.`,
  options: devnetOptions,
  async run(args) {
    const { runDevnet } = await import("../devnet.ts");
    return runDevnet(args);
  },
};
