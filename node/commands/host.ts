/** `openledger host`: what help and main need of it; the work is loaded only to be done. */
import { readOptions } from "../config.ts";
import type { Command } from "../help.ts";

export const hostOptions = [
  "config",
  "datadir",
  "rpc",
  "content.url",
  "content.dir",
  "keyfile",
  "account",
  "models",
  "join",
  "stake",
  "host.addr",
  "host.port",
  "host.url",
  "http.vhosts",
  "free",
  "engine",
  "engine.url",
  "engine.model",
  "engine.keyfile",
  "engine.keyenv",
  "engine.timeout",
  "engine.parallel",
  "retrieval",
  "batch.size",
  "batch.seconds",
  "rpc.poll",
  "max.unsettled",
  "max.corpus",
  "keep.answers",
  "log.level",
  "log.format",
] as const;

/** A devnet's own host has 8080. */
export const hostDefaults = { "host.port": "8081" } as const;

export const hostCommand: Command = {
  name: "host",
  argumentsUsage: "",
  summary: "Serve models, sign and commit answers, settle",
  description: `Serves the models that an account has joined as a host, over OpenAI's HTTP interface. It answers requests that were
paid for on chain, signs each answer with the spans of the data that it repeats, commits answers in batches, shows
chunks that are demanded of it, and settles. The account is --keyfile or, on a devnet, --account; it pays for gas, and
its key signs: no other host may use it. The data directory (default ~/.openledger/host) holds what was signed: to
lose it can cost the stake. Ctrl-C stops it; whatever happens, the next start goes on where this one ended.
See docs/hosting.md.`,
  options: hostOptions,
  defaults: hostDefaults,
  async run(args) {
    // A mistake in them is told at once, before the program is loaded.
    readOptions(args, process.env, hostOptions, hostDefaults);
    const { runHost } = await import("../host/run-host.ts");
    return runHost(args);
  },
};
