/** `openledger serve`: what help and main need of it; the work is loaded only to be done. */
import { readOptions } from "../config.ts";
import type { Command } from "../help.ts";

export const serveOptions = [
  "config",
  "datadir",
  "index.url",
  "graphql.addr",
  "graphql.port",
  "graphql.corsdomain",
  "graphql.rate",
  "graphql.subscribers",
  "graphql.operations",
  "graphql.operationsonly",
  "graphql.proxy",
  "http.vhosts",
  "log.level",
  "log.format",
] as const;

export const serveCommand: Command = {
  name: "serve",
  argumentsUsage: "",
  summary: "Serve GraphQL over an index that a node writes",
  description: `Answers GraphQL from the index at --index.url, which may be a replica that follows the one a node writes, or from the
file in --datadir. It keeps nothing itself: start as many as are needed. Options as for a node's own GraphQL; Ctrl-C ends it.`,
  options: serveOptions,
  async run(args) {
    // A mistake in them is told at once, before the program is loaded.
    readOptions(args, process.env, serveOptions);
    const { runServe } = await import("../index-cli/serve.ts");
    return runServe(args);
  },
};
