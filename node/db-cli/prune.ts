/** `openledger prune`: a stopped node's store brought to hold no other states than those that are to be kept. */

import { Batch, type LevelStore } from "../../execution/state/level-store.ts";
import { stagePruned } from "../../execution/state/prune.ts";
import { readHistory } from "../../execution/state/prune-tables.ts";
import { readHead } from "../chain-store.ts";
import { pruneCommand } from "../commands/prune.ts";
import { readOptions } from "../config.ts";
import { DataError, EXIT, OperationError } from "../errors.ts";
import { readFinalizedOnL1 } from "../l1/safe-head.ts";
import { countStates, lowestNeeded } from "../state-history.ts";
import { type Database, openDatabase } from "./open.ts";
import { partsOf } from "./verify-cli.ts";

/** Resolves to the exit code. Throws UsageError, DataError, OperationError. */
export async function runPrune(args: readonly string[]): Promise<number> {
  const values = readOptions(args, process.env, pruneCommand.options);
  const database = await openDatabase(values);
  try {
    const { lowest, head } = await prune(database, BigInt(values["history.state"] as number));
    process.stdout.write(`the states of blocks ${lowest} to ${head} are kept\n`);
    return EXIT.ok;
  } finally {
    await database.directory.close();
  }
}

/** Of the chain in the directory. Rejects with DataError, OperationError. */
export async function prune(database: Database, states: bigint): Promise<{ lowest: bigint; head: bigint }> {
  const { store } = database.directory;
  const { finality } = partsOf(database);
  if (finality === undefined) {
    throw new OperationError(`${database.directory.path} holds an imported chain, all of whose states are kept`);
  }
  const head = readHead(store.reader)?.number;
  if (head === undefined) throw new DataError(`${database.directory.path} has no chain yet`);
  const finalizedOnL1 = readFinalizedOnL1(store.reader);
  const keepFrom = lowestNeeded({ head, states, finalizedOnL1, epochBlocks: finality.epochBlocks });
  await countStates(store, head, keepFrom, onProgress);
  return { lowest: await dropBelow(store, keepFrom), head };
}

async function dropBelow(store: LevelStore, keepFrom: bigint): Promise<bigint> {
  let history = readHistory(store.reader)!;
  while (history.lowest < keepFrom) {
    const batch = new Batch();
    history = stagePruned(store.reader, history, keepFrom, batch);
    await store.write(batch, { sync: history.lowest >= keepFrom });
  }
  return history.lowest;
}

const onProgress = (what: string, nodes: number): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r${nodes} nodes ${what} `);
};
