/** `openledger import`: what help and main need of it; the work is loaded only to be done. */
import type { Command } from "../help.ts";

export const importCommand: Command = {
  name: "import",
  argumentsUsage: "FILE",
  summary: "Add blocks from a file to a chain, each executed and checked",
  description: `Takes RLP blocks, as export blocks writes them, and adds those that are not there yet to the chain in --datadir. Each is
executed; a block that does not come to what its header says ends the import. Interrupted, it goes on when it is run again.

A chain of an OpenLedger network (--genesis, or that of the node in --datadir) takes only what the certificates in the
file finalize.

With a --genesis of geth's, blocks of any Ethereum chain, Frontier to Osaka, as geth's export writes them (also .gz), make
a chain that openledger node --datadir DIR then serves by JSON-RPC. Who was allowed to make them is not checked: neither
proof of work nor signatures of blocks.`,
  options: ["config", "datadir", "genesis", "blocks"],
  async run(args) {
    const { runImport } = await import("../db-cli/import-cli.ts");
    return runImport(args);
  },
};
