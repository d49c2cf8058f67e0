/** `openledger lineage`: what help and main need of it; the work is loaded only to be done. */
import { readOptions } from "../config.ts";
import type { Command } from "../help.ts";

export const lineageOptions = [
  "config",
  "file",
  "root",
  "output",
  "block",
  "graphql.url",
  "verify",
  "datadir",
  "genesis",
  "checkpoint",
  "content.url",
  "json",
] as const;

export const lineageCommand: Command = {
  name: "lineage",
  argumentsUsage: "",
  summary: "Where an answer comes from and who was paid, checked",
  description: `Takes the bytes of an answer (--file, or standard input), its root (--root) or the inference's id (--output), and prints
what GraphQL has of it: the record, model and ancestors, contributions with weights and licences, Datanets, payments, each with
date and transaction, as of the last block or of --block. An answer is its exact bytes: a newline more is another answer.

--verify RPC believes neither GraphQL nor JSON-RPC. It follows the validators from the genesis (--genesis, or that of the node
in --datadir) or from a trusted last block of an epoch (--checkpoint), and holds everything against state, receipts and
transactions under a certified header; contents too where --content.url is given. One line a check; exit code 1 when one fails.
See docs/lineage.md.`,
  options: lineageOptions,
  defaults: { "content.url": "" },
  async run(args) {
    // A mistake in them is told at once, before the program is loaded.
    readOptions(args, process.env, lineageOptions, lineageCommand.defaults);
    const { runLineage } = await import("../lineage-cli/cli.ts");
    return runLineage(args);
  },
};
