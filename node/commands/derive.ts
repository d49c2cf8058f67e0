/** `openledger derive`: what help and main need of it; the work is loaded only to be done. */
import type { Command } from "../help.ts";

export const deriveOptions = [
  "config",
  "datadir",
  "genesis",
  "l1.urls",
  "l1.beacon",
  "json",
  "log.level",
  "log.format",
] as const;

export const deriveCommand: Command = {
  name: "derive",
  argumentsUsage: "",
  summary: "Make the chain again from L1 alone",
  description: `Reads what L1 has of the network of --genesis: the batches in the inbox and the deposits in the portal's events, as far
as L1 is final. Executes it all in --datadir and prints the block that it arrives at. No node of the network is asked,
so this shows what every other node has to agree with. A second run goes on where the first one ended.`,
  options: deriveOptions,
  async run(args) {
    const { runDerive } = await import("../run-derive.ts");
    return runDerive(args);
  },
};
