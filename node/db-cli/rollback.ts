/**
 * `openledger rollback --to N`: block N becomes the head again, in one write: blocks, indexes, certificates and validator
 * sets above it go, and the flat tables become those of its state. Tries and code stay; they are found by their hashes.
 * Where states are counted, the nodes go that only those above it have.
 *
 * Blocks are committed because consensus made them final, so nothing is taken back but this node's copy: it fetches them
 * again. What remembers more than the chain forbids to go below it: L1, and a validator's own signatures.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { MESSAGE_PASSER_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex } from "../../core/bytes.ts";
import type { ExecutedBlock } from "../../core/chain.ts";
import { StoreError } from "../../execution/state/errors.ts";
import { Batch, type LevelStore } from "../../execution/state/level-store.ts";
import { stageUndone } from "../../execution/state/prune.ts";
import { readHistory, type StateHistory } from "../../execution/state/prune-tables.ts";
import { stageRestored } from "../../execution/state/restore.ts";
import { damagedBlock, readBlock, readHead, readHeader, stageWithoutBlocksAbove } from "../chain-store.ts";
import { rollbackCommand } from "../commands/rollback.ts";
import { readOptions } from "../config.ts";
import { DataError, EXIT, OperationError, UsageError } from "../errors.ts";
import { stageWithoutFinalityAbove } from "../finality-store.ts";
import { readFinalizedOnL1 } from "../l1/safe-head.ts";
import { countStates } from "../state-history.ts";
import { type Database, openDatabase } from "./open.ts";
import { partsOf } from "./verify-cli.ts";

/** Resolves to the exit code. Throws UsageError, DataError, OperationError. */
export async function runRollback(args: readonly string[]): Promise<number> {
  const values = readOptions(args, process.env, rollbackCommand.options, {}, rollbackCommand.specs);
  const to = values.to as number | undefined;
  if (to === undefined) throw new UsageError("rollback needs --to NUMBER: the block that is to be the head");
  const database = await openDatabase(values);
  try {
    const { from, accounts, slots, hash } = await rollBack(database, BigInt(to), values.force === true);
    process.stdout.write(
      `block ${to} ${bytesToHex(hash)} is the head, in place of block ${from}; ${accounts} accounts and ${slots} slots went back\n`,
    );
    return EXIT.ok;
  } finally {
    await database.directory.close();
  }
}

export interface Rollback {
  readonly from: bigint;
  readonly hash: Uint8Array;
  readonly accounts: number;
  readonly slots: number;
}

/** All of it or nothing. Rejects with UsageError, DataError, OperationError. */
export async function rollBack(database: Database, to: bigint, isForced: boolean): Promise<Rollback> {
  const { store, path } = database.directory;
  const parts = partsOf(database);
  const from = readHead(store.reader)?.number ?? 0n;
  if (to >= from) throw new UsageError(`--to ${to}: the head is block ${from}; there is nothing to roll back`);
  if (to < parts.firstBlock) {
    throw new UsageError(`--to ${to}: this chain began with the checkpoint at block ${parts.firstBlock}`);
  }
  if (database.kind === "own") requireAllowed(database, path, to, isForced);
  await countStates(store, from, undefined);
  const history = countedFrom(store, to);
  const block = (number: bigint): ExecutedBlock => {
    const found = readBlock(store.reader, number, parts.decode);
    if (found === undefined) throw damagedBlock(number, "is missing");
    return found;
  };
  const [target, head] = [block(to), block(from)];
  const batch = new Batch();
  const { accounts, slots } = restore(() =>
    stageRestored(store.reader, head.header.stateRoot, target.header.stateRoot, batch),
  );
  if (history !== undefined) {
    const rootOf = (number: bigint): Uint8Array => {
      const header = readHeader(store.reader, number);
      if (header === undefined) throw damagedBlock(number, "is missing");
      return header.stateRoot;
    };
    restore(() => stageUndone(store.reader, history, to, rootOf, MESSAGE_PASSER_ADDRESS, batch));
  }
  await stageWithoutBlocksAbove(batch, store, to);
  if (parts.finality !== undefined) {
    await stageWithoutFinalityAbove(batch, store, to, parts.finality.epochBlocks);
  }
  await store.write(batch, { sync: true });
  return { from, hash: target.hash, accounts, slots };
}

function requireAllowed(database: Database & { kind: "own" }, path: string, to: bigint, isForced: boolean): void {
  const finalized = readFinalizedOnL1(database.directory.store.reader);
  if (finalized !== undefined && to < finalized) {
    throw new OperationError(
      `--to ${to}: blocks up to ${finalized} are final on L1, from where this node would not read them again; ` +
        "openledger derive makes the chain anew in an empty --datadir",
    );
  }
  if (isForced || !existsSync(join(path, "validator"))) return;
  throw new OperationError(
    `${path} is a validator's, whose key has signed blocks above ${to}. Rolled back it could be asked to sign others in ` +
      "their place, which is slashed. A validator that other nodes can bring up to date again loses nothing by " +
      "rolling back: then add --force. One that is alone must not",
  );
}

/** Undefined where states are not counted. Throws OperationError when the state of `to` was pruned. */
function countedFrom({ reader }: LevelStore, to: bigint): StateHistory | undefined {
  const history = readHistory(reader);
  if (history?.phase !== "complete") return undefined;
  if (to >= history.lowest) return history;
  throw new OperationError(
    `--to ${to}: states below block ${history.lowest} were pruned; openledger derive, or a sync into an empty --datadir, ` +
      "makes them anew",
  );
}

function restore<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== "DAMAGED") throw error;
    throw new DataError(`the state to roll back to is not whole: ${error.message}`, { cause: error });
  }
}
