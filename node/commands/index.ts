/** `openledger index`: what help and main need of it; the work is loaded only to be done. */
import type { Command } from "../help.ts";

export const indexOptions = [
  "config",
  "datadir",
  "index.url",
  "index.sample",
  "rpc",
  "json",
  "log.level",
  "log.format",
] as const;

export const indexCommand: Command = {
  name: "index",
  argumentsUsage: "verify | rebuild",
  summary: "Compare a node's index with its chain, or build it anew",
  description: `verify   compares the index with the state of the chain at --rpc, at the block that the index ends with: blocks, counts,
         roots of Datanet versions, and --index.sample rows of each kind; and that rewards add up. Exit code 1 if anything
         differs. The node may go on meanwhile
rebuild  builds a new index from the blocks of --rpc beside the one in use. In PostgreSQL it takes its place when it has
         caught up; a file is taken by the node when it starts the next time

The index is the one at --index.url, or the file in --datadir.`,
  options: indexOptions,
  async run(args) {
    const { runIndex } = await import("../index-cli/cli.ts");
    return runIndex(args);
  },
};
