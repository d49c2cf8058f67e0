/** Runs `openledger derive`. */
import { blsAggregate, blsVerify } from "../core/bls.ts";
import { bytesToHex } from "../core/bytes.ts";
import { readL1Origin } from "../execution/block/l1-origin.ts";
import { PRECOMPILES } from "../precompiles/table.ts";
import { Chain } from "./chain.ts";
import { deriveOptions } from "./commands/derive.ts";
import { dataDirectory, readOptions } from "./config.ts";
import { openDataDirectory } from "./data-directory.ts";
import { EXIT, OperationError, UsageError } from "./errors.ts";
import { readGenesis } from "./genesis-file.ts";
import { blobSource } from "./l1/blobs.ts";
import { L1Client } from "./l1/client.ts";
import { Deriver } from "./l1/derive.ts";
import { L1Watcher } from "./l1/watcher.ts";
import { createLog } from "./log.ts";
import { systemClock } from "./ports.ts";

/** L1 blocks that are read before progress is told. */
const STEP = 256;

/** Resolves to the exit code. Throws UsageError, DataError, OperationError. */
export async function runDerive(args: readonly string[]): Promise<number> {
  const values = readOptions(args, process.env, deriveOptions);
  const file = values.genesis as string | undefined;
  const urls = values["l1.urls"] as readonly string[];
  if (file === undefined || urls.length === 0 || values.datadir === undefined) {
    throw new UsageError("derive needs --genesis FILE, --l1.urls URLS and --datadir DIR");
  }
  const beacon = values["l1.beacon"] as string | undefined;
  const genesis = readGenesis(file);
  const { l1: parameters } = genesis;
  if (parameters === undefined) throw new UsageError(`the network ${genesis.name} has no L1`);
  const format = values["log.format"] as string;
  const log = createLog(values["log.level"] as string, format === "json" ? "json" : "pretty", 2);
  const directory = await openDataDirectory(dataDirectory(values, genesis.name), false);
  try {
    const chain = await Chain.open(directory.store, genesis, PRECOMPILES, log);
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {});
    let deriver: Deriver | undefined;
    const client = new L1Client({ urls, chainId: parameters.chainId, clock: systemClock, log });
    const watcher = new L1Watcher({
      client,
      l1: parameters,
      store: directory.store,
      clock: systemClock,
      log,
      pollMs: 1_000,
      usedOrigin: () => readL1Origin(chain.headState),
      keepFrom: () => (deriver === undefined ? 0n : deriver.readTo + 1n),
      onHalt: failed.reject,
    });
    try {
      deriver = new Deriver({
        chain,
        watcher,
        parameters,
        sources: {
          transactions: client,
          blobs: beacon === undefined ? undefined : blobSource(parameters.chainId, beacon),
          inbox: parameters.inbox,
          log,
        },
        rules: {
          epochBlocks: BigInt(genesis.consensus.epochBlocks),
          domain: { chainId: genesis.chainId, l1Contract: parameters.oracle },
          scheme: { verify: blsVerify, aggregate: blsAggregate },
          setOf: (epoch) => chain.validatorSet(epoch),
        },
        log,
      });
      await Promise.race([derive(deriver, watcher), failed.promise]);
    } finally {
      client.stop();
      await watcher.stop();
    }
    const { number, hash } = chain.head;
    const result = { number: Number(number), hash: bytesToHex(hash), l1: Number(deriver.readTo) };
    process.stdout.write(
      values.json === true
        ? `${JSON.stringify(result)}\n`
        : `block ${result.number} ${result.hash}, from L1 up to its block ${result.l1}\n`,
    );
    return EXIT.ok;
  } finally {
    await directory.close();
  }
}

/** As far as L1 is final when it begins. Rejects with OperationError when L1 cannot be read. */
async function derive(deriver: Deriver, watcher: L1Watcher): Promise<void> {
  await watcher.poll();
  const { problem } = watcher.status;
  if (problem !== undefined) throw new OperationError(problem);
  const target = watcher.finalNumber ?? 0n;
  while (deriver.readTo < target) await deriver.advance(STEP);
}
