/** `openledger quality`: what help and main need of it; the work is loaded only to be done. */
import type { Command } from "../help.ts";

export const qualityOptions = [
  "config",
  "datadir",
  "licence",
  "datanet.licence",
  "datanet",
  "rpc",
  "content.url",
  "json",
] as const;

export const qualityCommand: Command = {
  name: "quality",
  argumentsUsage: "check FILE... | review",
  summary: "What a curator should know of contributions: duplicates, licences, personal data, spam",
  description: `check FILE...  reports on files, each against those before it; with --licence whether the bytes contradict it, with
               --datanet.licence whether it may go under that of a Datanet
review         reports on every pending contribution of --datanet, against all with lower ids that are accepted or
               pending. With --datadir the index of the accepted ones is kept there for the next time

A report suggests accept, reject or duplicate, with reasons; nothing is decided, and the exit code does not depend on it.
It is 1 when a content could not be read. What the words in a report mean: docs/quality.md.`,
  options: qualityOptions,
  async run(args) {
    const { runQuality } = await import("../quality-cli/cli.ts");
    return runQuality(args);
  },
};
