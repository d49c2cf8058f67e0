/** Runs `openledger import`. */
import { existsSync, readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { blsAggregate, blsVerify } from "../../core/bls.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { isForeignGenesis, parseJson } from "../../execution/foreign/genesis.ts";
import type { Genesis } from "../../genesis/schema.ts";
import { PRECOMPILES } from "../../precompiles/table.ts";
import { Chain } from "../chain.ts";
import { readSchema } from "../chain-store.ts";
import { importCommand } from "../commands/import.ts";
import { dataDirectory, readOptions, type Values } from "../config.ts";
import { openDataDirectory } from "../data-directory.ts";
import { DataError, EXIT, OperationError, UsageError } from "../errors.ts";
import { ForeignChain } from "../foreign/chain.ts";
import { isForeignDirectory, readForeignGenesis, readMarker, writeMarker } from "../foreign/directory.ts";
import { domainOf } from "../genesis-block.ts";
import type { BatchRules } from "../l1/batch-rules.ts";
import { createLog } from "../log.ts";
import { SenderThreads } from "../senders/threads.ts";
import { type ImportReport, type ImportWatch, importForeign, importOwn } from "./import.ts";
import { ownGenesis } from "./open.ts";

const PROGRESS_EVERY_MS = 5_000;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Resolves to the exit code. Throws UsageError, DataError, OperationError. */
export async function runImport(args: readonly string[]): Promise<number> {
  const named = args[0]?.startsWith("-") === false ? args[0] : undefined;
  const values = readOptions(named === undefined ? args : args.slice(1), process.env, importCommand.options);
  const file = named ?? (values.blocks as string | undefined);
  if (file === undefined) throw new UsageError("import needs a FILE of blocks");
  if (named !== undefined && values.blocks !== undefined) throw new UsageError("FILE and --blocks name the same thing");
  if (!existsSync(file)) throw new OperationError(`${file} is not there`);
  const watch = watchImport();
  try {
    const report = isForeign(values) ? await intoForeign(values, file, watch) : await intoOwn(values, file, watch);
    process.stdout.write(summary(report));
    return report.isInterrupted ? EXIT.failure : EXIT.ok;
  } finally {
    watch.end();
  }
}

/** By the genesis file that is named, or else by what the directory holds. Throws OperationError. */
function isForeign(values: Partial<Values>): boolean {
  const file = values.genesis as string | undefined;
  if (file === undefined) return isForeignDirectory(dataDirectory(values, "devnet"));
  try {
    return isForeignGenesis(parseJson(readFileSync(file, "utf8")));
  } catch (error) {
    throw new OperationError(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

async function intoForeign(values: Partial<Values>, file: string, watch: ImportWatch): Promise<ImportReport> {
  const datadir = values.datadir as string | undefined;
  if (datadir === undefined) throw new UsageError("import of another Ethereum chain needs --datadir DIR");
  const genesisFile = values.genesis as string | undefined;
  const given = genesisFile === undefined ? undefined : readForeignGenesis(genesisFile);
  const directory = await openDataDirectory(datadir, false);
  try {
    if (!isForeignDirectory(datadir)) {
      if (readSchema(directory.store.reader) !== undefined) {
        throw new DataError(`${datadir} holds a chain of an OpenLedger network; choose another --datadir`);
      }
      // It says what an interrupted import was of, so it comes before the first block.
      writeMarker(datadir, given!.text);
    }
    const genesis = readMarker(datadir);
    if (given !== undefined && !isDeepStrictEqual(given.genesis, genesis)) {
      throw new DataError(`${datadir} holds a chain of another genesis than ${genesisFile}; choose another --datadir`);
    }
    return await importForeign(await ForeignChain.open(directory.store, genesis), file, watch);
  } finally {
    await directory.close();
  }
}

async function intoOwn(values: Partial<Values>, file: string, watch: ImportWatch): Promise<ImportReport> {
  const datadir = dataDirectory(values, "devnet");
  const genesis = ownGenesis(values, datadir);
  const directory = await openDataDirectory(dataDirectory(values, genesis.name), false);
  const senders = new SenderThreads({ chainId: genesis.chainId, log: createLog("error", "pretty", 2) });
  try {
    const chain = await Chain.open(directory.store, genesis, PRECOMPILES);
    chain.recoverIn(senders);
    return await importOwn(chain, file, certificateRules(chain, genesis), watch);
  } finally {
    await senders.close();
    await directory.close();
  }
}

export const certificateRules = (chain: Pick<Chain, "validatorSet">, genesis: Genesis): BatchRules => ({
  epochBlocks: BigInt(genesis.consensus.epochBlocks),
  domain: domainOf(genesis),
  scheme: { verify: blsVerify, aggregate: blsAggregate },
  setOf: (epoch) => chain.validatorSet(epoch),
});

/** Tells how far it is now and then; a signal ends it after the block that it is at. */
function watchImport(): ImportWatch & { end(): void } {
  let isStopping = false;
  const stop = () => {
    isStopping = true;
  };
  for (const signal of SIGNALS) process.on(signal, stop);
  const startedAtMs = performance.now();
  let [blocks, toldAtMs] = [0, startedAtMs];
  return {
    isStopping: () => isStopping,
    end() {
      for (const signal of SIGNALS) process.off(signal, stop);
    },
    onBlock(number) {
      blocks++;
      const nowMs = performance.now();
      if (nowMs - toldAtMs < PROGRESS_EVERY_MS) return;
      toldAtMs = nowMs;
      const aSecond = Math.round((blocks * 1_000) / (nowMs - startedAtMs));
      process.stderr.write(`block ${number}, ${aSecond} blocks a second\n`);
    },
  };
}

function summary({ known, added, head, unfinal, isInterrupted }: ImportReport): string {
  const lines = [
    `${added} blocks added, ${known} were there; the head is block ${head.number} ${bytesToHex(head.hash)}`,
    ...(unfinal > 0 ? [`${unfinal} blocks at the end of the file are left out: no certificate finalizes them`] : []),
    ...(isInterrupted ? ["interrupted; run it again to go on"] : []),
  ];
  return lines.map((line) => `${line}\n`).join("");
}
