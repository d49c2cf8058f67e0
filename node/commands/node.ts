/** `openledger node`: a validator or a full node of any network. */
import { readOptions } from "../config.ts";
import type { Command } from "../help.ts";
import { rpcOptions } from "../rpc-options.ts";
import { txpoolOptions } from "../txpool-options.ts";

export const nodeOptions = [
  "config",
  "datadir",
  "genesis",
  "sync",
  "gcmode",
  "history.state",
  "validator",
  "validator.fee",
  "validator.devnetkey",
  "validator.passwordfile",
  "p2p",
  "p2p.addr",
  "p2p.port",
  "p2p.announce",
  "p2p.bootnodes",
  "p2p.peers",
  "p2p.allow",
  "p2p.maxpeers",
  "http",
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
  "l1.urls",
  "l1.poll",
  "l1.keyfile",
  "l1.beacon",
  "l1.data",
  "block.interval",
  "block.heartbeat",
  "consensus.delta",
  "log.level",
  "log.blocks",
  "log.format",
] as const;

export const nodeCommand: Command = {
  name: "node",
  argumentsUsage: "",
  summary: "Run a validator or a full node",
  description: `Joins the network of --genesis: syncs what it has missed, then follows every block. With --validator it votes with
the key in the data directory (openledger validator keys create), unless the key's memory is missing or damaged: then
it observes and says why. Options usually come from --config FILE.`,
  options: nodeOptions,
  async run(args) {
    // A mistake in them is told at once, before the program is loaded.
    readOptions(args, process.env, nodeOptions);
    const { runNode } = await import("../run-node.ts");
    return runNode(args);
  },
};
