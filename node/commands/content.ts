/** `openledger content`: put, get and list content by its root, through a running store. */
import { readFileSync, statSync } from "node:fs";
import { bytesToHex } from "../../core/bytes.ts";
import { contentRoot } from "../../core/content.ts";
import { dataDirectory, readOptions } from "../config.ts";
import { OperationError, UsageError } from "../errors.ts";
import type { Command } from "../help.ts";
import { readNetworkFile } from "../network.ts";

const options = ["config", "datadir"] as const;
const LIMIT_BYTES = 5 * 1024 * 1024;

async function request(url: string, init?: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    throw new OperationError(`no content store answers at ${url}; is the node running?`, { cause: error });
  }
  if (!response.ok)
    throw new OperationError(`${url}: ${response.status} ${(await response.text()).slice(0, 300).trim()}`);
  return response;
}

async function put(store: string, file: string): Promise<void> {
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (size === undefined) throw new OperationError(`${file} does not exist`);
  if (size === 0 || size > LIMIT_BYTES)
    throw new OperationError(`${file} has ${size} bytes; content has 1 to ${LIMIT_BYTES}`);
  const bytes = new Uint8Array(readFileSync(file));
  const root = bytesToHex(contentRoot(bytes));
  await request(`${store}/content`, { method: "PUT", body: bytes });
  process.stdout.write(`${root} ${size}\n`);
}

/** Never trusts the store: what it sends must hash to the root. */
async function get(store: string, root: string): Promise<void> {
  const response = await request(`${store}/content/${root}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytesToHex(contentRoot(bytes)) !== root.toLowerCase()) {
    throw new OperationError(`the store sent ${bytes.length} bytes that do not hash to ${root}`);
  }
  process.stdout.write(bytes);
}

export const contentCommand: Command = {
  name: "content",
  argumentsUsage: "put FILE | get ROOT | list",
  summary: "Put, get and list content by its root",
  description: `put FILE   stores a file and prints its content root and size
get ROOT   writes the content to standard output, after checking it against the root
list       prints root and size of all that the store holds`,
  options,
  async run(args) {
    const [action, ...rest] = args;
    const takesValue = action === "put" || action === "get";
    if (!takesValue && action !== "list") throw new UsageError("content needs put FILE, get ROOT or list");
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
    if (action === "put") await put(store, subject as string);
    else if (action === "get") await get(store, subject as string);
    else await list(store);
    return 0;
  },
};

async function list(store: string): Promise<void> {
  let after = "";
  for (;;) {
    const page = (await (await request(`${store}/content?limit=500${after}`)).json()) as {
      items: { root: string; size: number }[];
      next: string | null;
    };
    for (const { root, size } of page.items) process.stdout.write(`${root} ${size}\n`);
    if (page.next === null) return;
    after = `&after=${page.next}`;
  }
}
