/** `openledger prune`: what help and main need of it; the work is loaded only to be done. */
import type { Command } from "../help.ts";

export const pruneCommand: Command = {
  name: "prune",
  argumentsUsage: "",
  summary: "Delete states that are not to be kept from a stopped node's chain",
  description: `Keeps the states of --history.state blocks below the head, those since the last block that is final on L1, and that of
the last epoch's end; deletes the others. Blocks, receipts and logs stay, and so does what proves withdrawals at every block.
A node that runs with --gcmode full does the same as it starts; here it can be done beforehand. Interrupted, it goes on when
it is run again. From then on the directory counts its states; a node with --gcmode archive keeps all that come.`,
  options: ["config", "datadir", "genesis", "history.state"],
  async run(args) {
    const { runPrune } = await import("../db-cli/prune.ts");
    return runPrune(args);
  },
};
