/** `openledger network`: how tools reach the network of a data directory. */
import { dataDirectory, readOptions } from "../config.ts";
import type { Command } from "../help.ts";
import { readNetworkFile } from "../network.ts";

const options = ["config", "datadir", "json"] as const;

export const networkCommand: Command = {
  name: "network",
  argumentsUsage: "",
  summary: "Show chain id, endpoints and contract addresses",
  description: `Prints what the node wrote to network.json in its data directory. With --json the output is the file itself, in
the form of viem's chain definitions: defineChain(JSON.parse(output)).`,
  options,
  async run(args) {
    const values = readOptions(args, process.env, options);
    const network = readNetworkFile(dataDirectory(values, "devnet"));
    if (values.json === true) {
      process.stdout.write(`${JSON.stringify(network, null, 2)}\n`);
      return 0;
    }
    const { graphql, content, modelHost, metrics, genesisHash, l1 } = network.openledger;
    const rows: readonly (readonly [string, string | number | undefined])[] = [
      ["Network", network.name],
      ["Chain id", network.id],
      ["Genesis", genesisHash],
      ["JSON-RPC", network.rpcUrls.default.http[0]],
      ["GraphQL", graphql],
      ["Content store", content],
      ["Model host", modelHost],
      ["Metrics", metrics],
      ["L1", l1?.urls[0]],
      ["Portal on L1", l1?.portal],
      ["OPEN on L1", l1?.token],
      ...Object.entries(network.contracts).flatMap(([name, contract]) =>
        contract !== undefined && "address" in contract ? [[name, contract.address] as const] : [],
      ),
    ];
    for (const [name, value] of rows) if (value !== undefined) process.stdout.write(`${name.padEnd(16)}${value}\n`);
    return 0;
  },
};
