/** `openledger devnet`: what help and main need of it; the node itself is loaded only to run. */
import { readOptions } from "../config.ts";
import type { Command } from "../help.ts";
import { rpcOptions } from "../rpc-options.ts";
import { txpoolOptions } from "../txpool-options.ts";

export const devnetOptions = [
  "config",
  "datadir",
  "fresh",
  "gcmode",
  "history.state",
  "validators",
  "l1",
  "l1.port",
  "l1.interval",
  "l1.poll",
  "l1.data",
  "p2p.port",
  "http.addr",
  "http.port",
  "http.api",
  "http.vhosts",
  "http.corsdomain",
  "rpc.txfeecap",
  ...rpcOptions,
  ...txpoolOptions,
  "graphql",
  "graphql.addr",
  "graphql.port",
  "graphql.corsdomain",
  "graphql.rate",
  "graphql.subscribers",
  "graphql.operations",
  "graphql.operationsonly",
  "graphql.proxy",
  "index.url",
  "content",
  "content.addr",
  "content.port",
  "content.replicate",
  "content.uploads",
  "content.quality",
  "content.maxitem",
  "content.maxtotal",
  "host",
  "host.addr",
  "host.port",
  "metrics",
  "metrics.addr",
  "metrics.port",
  "block.interval",
  "block.heartbeat",
  "consensus.delta",
  "log.level",
  "log.format",
] as const;

/** A devnet is asked about any of its blocks, and is thrown away before it has grown large. */
export const devnetDefaults = { gcmode: "archive" } as const;

export const devnetCommand: Command = {
  name: "devnet",
  argumentsUsage: "",
  summary: "Start a network of validators on this machine",
  description: `Starts validators as processes of their own (--validators N), of which the first serves JSON-RPC, the indexer with
GraphQL, a content store, a model host and metrics, and prefunds ten well-known accounts. A validator that dies is
started again and catches up. With --validators 1 everything runs in this process. Resumes what the data directory
holds. Ctrl-C stops it; a second Ctrl-C stops it at once.`,
  options: devnetOptions,
  defaults: devnetDefaults,
  async run(args) {
    // A mistake in them is told at once, before the program is loaded.
    readOptions(args, process.env, devnetOptions, devnetDefaults);
    const { runDevnet } = await import("../devnet.ts");
    return runDevnet(args);
  },
};
