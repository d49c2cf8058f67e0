/** `openledger data`: what help and main need of it; the work is loaded only to be done. */
import type { Command } from "../help.ts";

export const dataOptions = [
  "config",
  "content.url",
  "rpc",
  "datanet",
  "version",
  "out",
  "range",
  "withdrawn",
  "account",
  "keyfile",
  "recipient",
  "grants",
  "json",
] as const;

export const dataCommand: Command = {
  name: "data",
  argumentsUsage: "put FILE... | get ROOT | list | fetch | encrypt FILE | decrypt FILE | grant FILE | key",
  summary: "Contents and whole Datanets, from any content store, checked",
  description: `put FILE...   stores files and prints content root, size and name of each
get ROOT      writes a content, or --range of it, to --out or standard output, after checking it against the root
list          prints root and size of all that the store holds
fetch         brings a whole version of --datanet into the directory --out: checks the list of its contributions against
              the root on chain and each content against its own. What is there already stays, and what was interrupted
              goes on. manifest.json says what it is and what is missing

encrypt FILE  seals a file into --out, for each --recipient and the own --keyfile; the grants go beside it
decrypt FILE  opens a sealed file into --out with --keyfile, and checks what it holds against its root
grant FILE    adds each --recipient to a grants file, by --keyfile that is in it
key           prints address and public key of --keyfile

Contents of permissioned Datanets are asked for as --keyfile or, on a devnet, --account: its owner, curators, builders and
the content's contributor get them. Nothing that a content store or JSON-RPC says is believed but the version's root. Exit code 1 when something is missing.`,
  options: dataOptions,
  async run(args) {
    const { runData } = await import("../data-cli/cli.ts");
    return runData(args);
  },
};
