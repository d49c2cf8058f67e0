/** `openledger verify-db`: what help and main need of it; the work is loaded only to be done. */
import type { Command } from "../help.ts";

export const verifyDbCommand: Command = {
  name: "verify-db",
  argumentsUsage: "",
  summary: "Check the chain database of a stopped node",
  description: `Reads the chain in --datadir and compares what is stored with what it must be, a line a check:

blocks              each stands on the one before, its transactions, receipts, bloom and gas are those that its header
                    names, and the stored senders signed
indexes             hashes lead to their blocks and places, and nothing else is listed
state of the head   the trie is whole, down to code, and the tables of accounts and slots say the same
earlier states      the tries of --samples blocks are whole
certificates        each finalizes its block, by the validators of its epoch, whose sets the chain names

An imported chain has no certificates. Exit code 3 when anything is damaged; nothing is changed.`,
  options: ["config", "datadir", "genesis", "samples", "json"],
  async run(args) {
    const { runVerifyDb } = await import("../db-cli/verify-cli.ts");
    return runVerifyDb(args);
  },
};
