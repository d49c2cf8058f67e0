/** `openledger bridge`: what help and main need of it; the work is loaded only to be done. */
import type { Command } from "../help.ts";

export const bridgeOptions = ["config", "datadir", "amount", "to", "account", "keyfile", "json"] as const;

export const bridgeCommand: Command = {
  name: "bridge",
  argumentsUsage: "deposit | withdraw | prove TX | finalize TX | status TX",
  summary: "Move OPEN between L1 and L2",
  description: `deposit       locks --amount of OPEN on L1 and waits until it is on L2
withdraw      burns --amount of OPEN on L2 and prints the transaction that the next steps take
prove TX      shows the withdrawal to L1, as soon as an output of its block is there; waits for that
finalize TX   pays the proven withdrawal out on L1, after its challenge period; waits for that
status TX     says what has become of a deposit (L1 transaction) or a withdrawal (L2 transaction)

The network is that of the data directory (network.json). Prove and finalize may be called by anybody.`,
  options: bridgeOptions,
  async run(args) {
    const { runBridge } = await import("../bridge-cli/cli.ts");
    return runBridge(args);
  },
};
