/** A network's genesis, read from its file. */
import { readFileSync } from "node:fs";
import { type Genesis, GenesisError, parseGenesis } from "../genesis/schema.ts";
import { OperationError, UsageError } from "./errors.ts";

export function readGenesis(file: string): Genesis {
  try {
    return parseGenesis(JSON.parse(readFileSync(file, "utf8")));
  } catch (error) {
    if (error instanceof GenesisError) throw new UsageError(`${file}: ${error.message}`);
    throw new OperationError(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
