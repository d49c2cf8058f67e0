/** Runs `openledger watch`: from its parts to a signal. */
import { randomInt } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { createPublicClient, http, type PublicClient } from "viem";
import { ContentStore } from "../../attribution/content-store.ts";
import { openFromShards } from "../../attribution/corpus.ts";
import { ShardStore } from "../../attribution/shard-store.ts";
import { viemChainReader } from "../../attribution/viem-chain-reader.ts";
import { PARAMETERS_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { PARAMETER_SLOTS } from "../../core/parameters.ts";
import { actor } from "../bridge-cli/actor.ts";
import { watchOptions } from "../commands/watch.ts";
import { logFormat, readOptions, type Values } from "../config.ts";
import { lockDirectory } from "../directory-lock.ts";
import { EXIT, OperationError, UsageError } from "../errors.ts";
import { keptContents } from "../host/contents.ts";
import { Sender } from "../host/sender.ts";
import { createLog } from "../log.ts";
import { systemClock } from "../ports.ts";
import { signalled } from "../signals.ts";
import { Judge } from "./judge.ts";
import { GivenAnswers } from "./signed-answers.ts";
import { Watcher } from "./watcher.ts";

/** Resolves to the exit code. Throws UsageError, DataError, OperationError. */
export async function runWatch(args: readonly string[]): Promise<number> {
  const values = readOptions(args, process.env, watchOptions);
  const log = createLog(values["log.level"] as string, logFormat(values));
  const rpcUrl = values.rpc as string;
  const client = createPublicClient({ transport: http(rpcUrl, { retryCount: 1, batch: true }) });
  const chainId = await client.getChainId().catch((error: unknown) => {
    const [reason] = (error as Error).message.split("\n");
    throw new OperationError(`${new URL(rpcUrl).host} does not answer as a node does: ${reason}`, { cause: error });
  });
  const account = actor(chainId, values.account as number | undefined, values.keyfile as string | undefined);
  const answers = values.answers as string | undefined;
  if (answers !== undefined && !existsSync(answers)) throw new UsageError(`--answers ${answers} does not exist`);
  const directory = (values.datadir as string | undefined) ?? join(homedir(), ".openledger", "watch");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const lock = lockDirectory(directory);
  const ending = signalled(log);
  const chain = viemChainReader(client);
  const store = await ContentStore.open(join(directory, "content"));
  const content = keptContents(store, values["content.url"] as readonly string[]);
  const shards = await ShardStore.open(join(directory, "index-shards"));
  const judge = new Judge({ chain, content, openCorpus: openFromShards(shards) });
  const pollMs = values["rpc.poll"] as number;
  const sender = new Sender({ client, account, clock: systemClock, log: log.child({ module: "sender" }), pollMs });
  const watcher = new Watcher({
    client,
    chainId: BigInt(chainId),
    chain,
    judge,
    sender,
    clock: systemClock,
    log,
    pollMs,
    lookbackBlocks: BigInt(values.lookback as number),
    models: modelsOf(values),
    demandsPerMille: values.demand as number,
    bondWei: () => readBond(client),
    random: randomInt,
    answers: answers === undefined ? undefined : new GivenAnswers(answers),
  });
  try {
    watcher.start();
    process.stdout.write(`watching ${new URL(rpcUrl).host} (chain ${chainId}) as ${account.address}; Ctrl-C stops\n`);
    await ending;
    return EXIT.ok;
  } finally {
    sender.stop();
    await watcher.stop();
    judge.close();
    await shards.close();
    lock.release();
    log.info({ ...watcher.counts }, "stopped");
  }
}

/** Undefined: all. */
function modelsOf(values: Partial<Values>): ReadonlySet<bigint> | undefined {
  const names = values.models as readonly string[];
  if (names.length === 1 && names[0] === "auto") return undefined;
  const wrong = names.find((name) => !/^[1-9]\d{0,14}$/.test(name));
  if (wrong !== undefined) throw new UsageError(`--models: ${JSON.stringify(wrong)} is not the number of a model`);
  return new Set(names.map(BigInt));
}

async function readBond(client: PublicClient): Promise<bigint> {
  const slot = `0x${PARAMETER_SLOTS.indexOf("availabilityBondWei").toString(16)}` as const;
  return BigInt((await client.getStorageAt({ address: bytesToHex(PARAMETERS_ADDRESS), slot })) ?? 0);
}
