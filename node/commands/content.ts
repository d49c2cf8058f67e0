/** `openledger content`: put, get and list content by its root, through the store of the network that runs here. */
import { dataDirectory, readOptions } from "../config.ts";
import { OperationError, UsageError } from "../errors.ts";
import type { Command } from "../help.ts";
import { readNetworkFile } from "../network.ts";

const options = ["config", "datadir"] as const;

export const contentCommand: Command = {
  name: "content",
  argumentsUsage: "put FILE | get ROOT | list",
  summary: "Put, get and list content by its root",
  description: `put FILE   stores a file and prints its content root and size
get ROOT   writes the content to standard output, after checking it against the root
list       prints root and size of all that the store holds

The store is that of the data directory's network (network.json). openledger data does more, with any store.`,
  options,
  async run(args) {
    const [action, ...rest] = args;
    if (action !== "put" && action !== "get" && action !== "list") {
      throw new UsageError("content needs put FILE, get ROOT or list");
    }
    const takesValue = action !== "list";
    const subject = takesValue ? rest[0] : undefined;
    if (takesValue && (subject === undefined || subject.startsWith("-"))) {
      throw new UsageError(`content ${action} needs a ${action === "put" ? "FILE" : "ROOT"}`);
    }
    if (action === "get" && !/^0x[0-9a-fA-F]{64}$/.test(subject as string)) {
      throw new UsageError(`${JSON.stringify(subject)} is not a content root: 0x and 64 hex digits`);
    }
    const values = readOptions(takesValue ? rest.slice(1) : rest, process.env, options);
    const store = readNetworkFile(dataDirectory(values, "devnet")).openledger.content;
    if (store === undefined) throw new OperationError("this network runs no content store");
    await act(action, { url: store }, subject ?? "");
    return 0;
  },
};

async function act(action: "put" | "get" | "list", store: { readonly url: string }, subject: string): Promise<void> {
  const { contentRootOf, getToOutput, putFile, withScratch } = await import("../data-cli/cli.ts");
  if (action === "put") {
    const { root, size } = await putFile(store, subject);
    process.stdout.write(`${root} ${size}\n`);
  } else if (action === "get") {
    await withScratch((file) => getToOutput([store], contentRootOf(subject), file));
  } else {
    const { listContents } = await import("../data-cli/store-client.ts");
    for await (const { root, size } of listContents(store)) process.stdout.write(`${root} ${size}\n`);
  }
}
