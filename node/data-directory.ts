/**
 * The data directory and its lock: the chain's LevelDB admits one process at a time, and everything else in the
 * directory belongs to whoever holds it.
 */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { StoreError } from "../execution/state/errors.ts";
import { type LevelStore, openLevelStore } from "../execution/state/level-store.ts";
import { readSchema } from "./chain-store.ts";
import { JOURNAL_FILE } from "./engine/transaction-journal.ts";
import { DataError, OperationError, START_ANEW } from "./errors.ts";
import { NETWORK_FILE } from "./network.ts";

export interface DataDirectory {
  readonly path: string;
  readonly store: LevelStore;
  /** SQLite file of the index. */
  readonly index: string;
  readonly content: string;
  readonly answers: string;
  close(): Promise<void>;
}

/** Folder of the chain's store in a data directory. */
export const chainFolder = (path: string): string => join(path, "chain");

/** SQLite file of the index in a data directory. */
export const indexFile = (path: string): string => join(path, "index", "index.sqlite");

/** With `isFresh` all that a node wrote is deleted, under the lock. Throws DataError or OperationError. */
export async function openDataDirectory(path: string, isFresh: boolean): Promise<DataDirectory> {
  const [chain, index, content, answers] = ["chain", "index", "content", "answers"].map((name) => join(path, name)) as [
    string,
    string,
    string,
    string,
  ];
  const network = join(path, NETWORK_FILE);
  makeDirectory(path);
  if (!existsSync(chain) && !existsSync(network)) requireFree([index, content, answers]);
  const store = await openStore(chain, isFresh);
  try {
    if (isFresh) {
      // network.json first: with it an empty chain counts as lost. The index next: it follows whatever chain is there.
      for (const entry of [network, index, content, answers, join(path, JOURNAL_FILE)]) remove(entry);
      await store.clear();
    } else if (readSchema(store.reader) === undefined && existsSync(network)) {
      // LevelDB makes a new database where its files are gone; a node ran here before, so the chain was lost.
      throw new DataError(`${chain} is damaged: its chain is gone; restore a backup, or ${START_ANEW}`);
    }
    for (const folder of [index, content, answers]) makeDirectory(folder);
  } catch (error) {
    await store.close();
    throw error instanceof StoreError ? operatorError(error) : error;
  }
  return { path, store, index: indexFile(path), content, answers, close: () => store.close() };
}

async function openStore(chain: string, isFresh: boolean): Promise<LevelStore> {
  try {
    return await openLevelStore(chain);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    if (!isFresh || error.code !== "DAMAGED") throw operatorError(error);
    // LevelDB takes its lock before it reads anything: nobody else uses what does not parse.
    remove(chain);
    return openStore(chain, false);
  }
}

/** Folders of these names that no node made are somebody's own: not to be mixed with a node's, let alone deleted. */
function requireFree(folders: readonly string[]): void {
  const foreign = folders.find((folder) => existsSync(folder));
  if (foreign === undefined) return;
  throw new OperationError(`${foreign} was not made by a node, and a node would use it; choose another --datadir`);
}

function operatorError(error: StoreError): DataError | OperationError {
  return error.code === "FAILED"
    ? new OperationError(error.message, { cause: error })
    : new DataError(error.message, { cause: error });
}

function remove(entry: string): void {
  try {
    rmSync(entry, { recursive: true, force: true });
  } catch (error) {
    throw new OperationError(`${entry} cannot be removed: ${(error as Error).message}`, { cause: error });
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new OperationError(`${path} cannot be created: ${(error as Error).message}; choose another --datadir`, {
      cause: error,
    });
  }
}
