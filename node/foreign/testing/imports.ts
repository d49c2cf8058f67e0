/** Imported chains in a folder of their own, and JSON-RPC over them, for tests. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPublicClient, http, type PublicClient } from "viem";
import { concatBytes } from "../../../core/bytes.ts";
import type { MadeChain } from "../../../execution/testing/foreign-chain.ts";
import { openDataDirectory } from "../../data-directory.ts";
import { runImport } from "../../db-cli/import-cli.ts";
import { createLog } from "../../log.ts";
import { rpcConfig } from "../../rpc-options.ts";
import type { ForeignChain } from "../chain.ts";
import { serveForeign } from "../run.ts";

export const LOG = createLog("silent", "json");

export type Ask = (method: string, params: unknown[]) => Promise<never>;

export class Imports {
  readonly #folder = mkdtempSync(join(tmpdir(), "foreign-"));

  at(name: string): string {
    return join(this.#folder, name);
  }

  /** As `NAME.json` and `NAME.rlp`. */
  write(name: string, { genesis, blocks }: MadeChain): void {
    writeFileSync(this.at(`${name}.json`), genesis);
    writeFileSync(this.at(`${name}.rlp`), concatBytes(...blocks));
  }

  /** `openledger import` into a directory of the folder, without what it prints. Resolves to the exit code. */
  run(datadir: string, ...args: string[]): Promise<number> {
    return quiet(() => runImport([...args, "--datadir", this.at(datadir)]));
  }

  /** What was written under the name, imported into the directory of that name. */
  async chain(name: string): Promise<string> {
    await this.run(name, "--genesis", this.at(`${name}.json`), "--blocks", this.at(`${name}.rlp`));
    return this.at(name);
  }
}

async function quiet<T>(run: () => Promise<T>): Promise<T> {
  const { write } = process.stdout;
  process.stdout.write = () => true;
  try {
    return await run();
  } finally {
    process.stdout.write = write;
  }
}

/** Serves the directory for the length of `use`. */
export async function serving(
  datadir: string,
  apis: readonly string[],
  use: (served: { readonly client: PublicClient; readonly ask: Ask; readonly chain: ForeignChain }) => Promise<void>,
): Promise<void> {
  const directory = await openDataDirectory(datadir, false);
  const listener = { address: "127.0.0.1", port: 0, corsOrigins: [], apis, rpc: rpcConfig({}) };
  const served = await serveForeign(directory, { listener, vhosts: [] }, LOG);
  try {
    const client = createPublicClient({ transport: http(served.url) });
    const ask: Ask = (method, params) => client.request({ method, params } as never);
    await use({ client, ask, chain: served.chain });
  } finally {
    await served.close();
    await directory.close();
  }
}
