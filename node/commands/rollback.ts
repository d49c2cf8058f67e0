/** `openledger rollback`: what help and main need of it; the work is loaded only to be done. */
import type { Command } from "../help.ts";

export const rollbackCommand: Command = {
  name: "rollback",
  argumentsUsage: "",
  summary: "Make an earlier block the head of a stopped node's chain",
  description: `Takes the blocks above --to out of the chain in --datadir, with their state, in one write. A node fetches them again from
its peers, or takes them from a file (openledger import): they were final and stay so. An imported chain can go on with
others. The index follows by itself when the node runs.

Refused below the lowest state that is kept (--gcmode), below what is final on L1, and on a validator, whose key must not sign others in their place, unless --force says
that other nodes have the blocks.`,
  options: ["config", "datadir", "genesis", "to", "force"],
  specs: { to: { type: "integer", value: "NUMBER", group: "Node", help: "Block that is to be the head" } },
  async run(args) {
    const { runRollback } = await import("../db-cli/rollback.ts");
    return runRollback(args);
  },
};
