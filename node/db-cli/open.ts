/** Which network a data directory is of. */
import type { Genesis } from "../../genesis/schema.ts";
import type { Values } from "../config.ts";
import { UsageError } from "../errors.ts";
import { readGenesis } from "../genesis-file.ts";
import { genesisOf } from "../lineage-cli/trust.ts";

/** Of --genesis, or the one that the directory's own network.json names. Throws UsageError, OperationError, DataError. */
export function ownGenesis(values: Partial<Values>, datadir: string): Genesis {
  const file = values.genesis as string | undefined;
  const genesis = file === undefined ? genesisOf(datadir) : readGenesis(file);
  if (genesis !== undefined) return genesis;
  throw new UsageError(`${datadir} does not say which network it is of: name its genesis with --genesis FILE`);
}
