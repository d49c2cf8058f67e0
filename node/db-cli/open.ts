/** The chain database of a stopped node: of a network of our own, or of a foreign chain. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ForeignGenesis } from "../../execution/foreign/genesis.ts";
import type { Genesis } from "../../genesis/schema.ts";
import { dataDirectory, type Values } from "../config.ts";
import { type DataDirectory, openDataDirectory } from "../data-directory.ts";
import { OperationError, UsageError } from "../errors.ts";
import { isForeignDirectory, readMarker } from "../foreign/directory.ts";
import { readGenesis } from "../genesis-file.ts";
import { genesisOf } from "../lineage-cli/trust.ts";

export type Database =
  | { readonly kind: "own"; readonly genesis: Genesis; readonly directory: DataDirectory }
  | { readonly kind: "foreign"; readonly genesis: ForeignGenesis; readonly directory: DataDirectory };

/** Opens what is there, under its lock; creates nothing. Rejects with UsageError, DataError, OperationError. */
export async function openDatabase(values: Partial<Values>): Promise<Database> {
  const datadir = dataDirectory(values, "devnet");
  if (!existsSync(join(datadir, "chain"))) {
    throw new OperationError(`${datadir} holds no chain; name a node's data directory with --datadir`);
  }
  if (isForeignDirectory(datadir)) {
    return { kind: "foreign", genesis: readMarker(datadir), directory: await openDataDirectory(datadir, false) };
  }
  const genesis = ownGenesis(values, datadir);
  return { kind: "own", genesis, directory: await openDataDirectory(datadir, false) };
}

/** Of --genesis, or the one that the directory's own network.json names. Throws UsageError, OperationError, DataError. */
export function ownGenesis(values: Partial<Values>, datadir: string): Genesis {
  const file = values.genesis as string | undefined;
  const genesis = file === undefined ? genesisOf(datadir) : readGenesis(file);
  if (genesis !== undefined) return genesis;
  throw new UsageError(`${datadir} does not say which network it is of: name its genesis with --genesis FILE`);
}
