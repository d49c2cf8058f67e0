/** Runs `openledger verify-db`. */
import { decodeBlock } from "../../execution/block/block-codec.ts";
import { decodeForeignBlock } from "../../execution/foreign/block.ts";
import { Forks } from "../../execution/foreign/forks.ts";
import { buildForeignGenesis } from "../../execution/foreign/genesis.ts";
import { memoryStore } from "../../execution/state/memory-store.ts";
import { blockDecoder, readSchema, requireGenesis } from "../chain-store.ts";
import { readFirstBlock } from "../checkpoint-store.ts";
import { verifyDbCommand } from "../commands/verify-db.ts";
import { readOptions } from "../config.ts";
import { DataError, EXIT } from "../errors.ts";
import { readEpochValidators } from "../finality-store.ts";
import { foreignDecoder } from "../foreign/chain.ts";
import { buildGenesisBlock } from "../genesis-block.ts";
import { certificateRules } from "./import-cli.ts";
import { type Database, openDatabase } from "./open.ts";
import { type CheckResult, type VerifyParts, verifyDatabase } from "./verify.ts";

/** Resolves to the exit code: 3 when anything is damaged. Throws UsageError, DataError, OperationError. */
export async function runVerifyDb(args: readonly string[]): Promise<number> {
  const values = readOptions(args, process.env, verifyDbCommand.options);
  const database = await openDatabase(values);
  try {
    const parts = { ...partsOf(database), samples: values.samples as number, onProgress };
    let failed = 0;
    for await (const result of verifyDatabase(parts)) {
      failed += result.failed;
      process.stdout.write(values.json === true ? `${JSON.stringify(result)}\n` : lines(result));
    }
    return failed === 0 ? EXIT.ok : EXIT.locked;
  } finally {
    await database.directory.close();
  }
}

/** Throws DataError when the directory is of another network. */
export function partsOf(database: Database): Omit<VerifyParts, "samples"> {
  const { store } = database.directory;
  const found = readSchema(store.reader);
  if (found === undefined) throw new DataError(`${database.directory.path} has no chain yet`);
  if (database.kind === "foreign") {
    const forks = new Forks(database.genesis.schedule);
    requireGenesis(found, buildForeignGenesis(database.genesis, forks, memoryStore()).block.hash);
    return {
      store,
      decode: foreignDecoder(forks),
      decodeAnew: (raw) => decodeForeignBlock(raw, forks),
      firstBlock: 0n,
      finality: undefined,
    };
  }
  const { genesis } = database;
  requireGenesis(found, buildGenesisBlock(genesis, memoryStore()).block.hash);
  const validatorSet = (epoch: number) => readEpochValidators(store.reader, BigInt(epoch));
  return {
    store,
    decode: blockDecoder(genesis.chainId),
    decodeAnew: (raw) => decodeBlock(raw, genesis.chainId),
    firstBlock: readFirstBlock(store.reader),
    finality: certificateRules({ validatorSet }, genesis),
  };
}

const onProgress = (what: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`checking ${what}\n`);
};

function lines({ name, compared, failures, failed }: CheckResult): string {
  const more = failed - failures.length;
  return [
    `${failed === 0 ? "ok    " : "FAILED"} ${name}: ${compared} checked`,
    ...failures.map((failure) => `       ${failure}`),
    ...(more > 0 ? [`       and ${more} more`] : []),
  ]
    .map((line) => `${line}\n`)
    .join("");
}
