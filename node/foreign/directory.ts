/**
 * How a foreign chain lives in a data directory: `foreign-genesis.json`, the genesis file it was imported with, marks the
 * directory and has the rules; the chain's database beside it has the tables of our own chain (chain-store.ts).
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import {
  type ForeignGenesis,
  ForeignGenesisError,
  parseForeignGenesis,
  parseJson,
} from "../../execution/foreign/genesis.ts";
import { DataError, OperationError, UsageError } from "../errors.ts";

const MARKER = "foreign-genesis.json";

/** Whether the data directory holds a foreign chain. */
export const isForeignDirectory = (datadir: string): boolean => existsSync(join(datadir, MARKER));

/** The genesis of the foreign chain in the directory. Throws DataError. */
export function readMarker(datadir: string): ForeignGenesis {
  const file = join(datadir, MARKER);
  try {
    return parseForeignGenesis(parseJson(readFileSync(file, "utf8")));
  } catch (error) {
    throw new DataError(`${file} is damaged: ${(error as Error).message}; put back the file that was imported`, {
      cause: error,
    });
  }
}

/** Durable and whole, or not at all. Throws OperationError. */
export function writeMarker(datadir: string, text: string): void {
  const file = join(datadir, MARKER);
  try {
    const temporary = `${file}.new`;
    const handle = openSync(temporary, "w", 0o600);
    try {
      writeSync(handle, text);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(temporary, file);
  } catch (error) {
    throw new OperationError(`${file} cannot be written: ${(error as Error).message}`, { cause: error });
  }
}

/** Text and content of a geth genesis file. Throws UsageError for what is none, OperationError when it cannot be read. */
export function readForeignGenesis(file: string): { readonly text: string; readonly genesis: ForeignGenesis } {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new OperationError(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  try {
    return { text, genesis: parseForeignGenesis(parseJson(text)) };
  } catch (error) {
    if (error instanceof ForeignGenesisError || error instanceof SyntaxError) {
      throw new UsageError(`${file}: ${error.message}`);
    }
    throw error;
  }
}
