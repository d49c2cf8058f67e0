/** Runs `openledger host`: from its parts to a signal. */
import { createPublicClient, formatEther, http, type LocalAccount, type PublicClient } from "viem";
import { accountSigner } from "../../attribution/answer.ts";
import { AnswerLog } from "../../attribution/answer-log.ts";
import type { ChainReader } from "../../attribution/chain-reader.ts";
import { ContentStore, ContentStoreError } from "../../attribution/content-store.ts";
import { openFromShards } from "../../attribution/corpus.ts";
import type { Engine } from "../../attribution/engines/engine.ts";
import { infinityGramEngine } from "../../attribution/engines/infinity-gram.ts";
import { openAiEngine } from "../../attribution/engines/openai.ts";
import { createModelHost, type ModelHost } from "../../attribution/model-host.ts";
import { createModelServer } from "../../attribution/model-server.ts";
import { ShardStore } from "../../attribution/shard-store.ts";
import { viemChainReader } from "../../attribution/viem-chain-reader.ts";
import type { Hex } from "../../core/bytes.ts";
import { actor } from "../bridge-cli/actor.ts";
import { hostDefaults, hostOptions } from "../commands/host.ts";
import { logFormat, readOptions } from "../config.ts";
import { signingAs } from "../data-cli/signing.ts";
import { DataError, EXIT, OperationError } from "../errors.ts";
import { listenError } from "../http.ts";
import { createLog, type Logger } from "../log.ts";
import { systemClock } from "../ports.ts";
import { signalled } from "../signals.ts";
import { viemHostChain } from "./chain.ts";
import { keptContents } from "./contents.ts";
import { type HostDirectory, openHostDirectory } from "./directory.ts";
import { depositStake, joinModels } from "./enrol.ts";
import { HostLoop } from "./loop.ts";
import { Sender } from "./sender.ts";
import { type HostSettings, hostSettings } from "./settings.ts";
import { stakeAdmission } from "./stake-admission.ts";

/** What fits a transaction of 128 KiB, with room for what an estimate of calldata leaves out. */
const MAX_BATCH_BYTES = 96 * 1024;
const DEADLINE_MARGIN_SECONDS = 15n;

/** Resolves to the exit code. Throws UsageError, DataError, OperationError. */
export async function runHost(args: readonly string[]): Promise<number> {
  const values = readOptions(args, process.env, hostOptions, hostDefaults);
  const settings = hostSettings(values, process.env);
  const log = createLog(values["log.level"] as string, logFormat(values));
  const client = createPublicClient({ transport: http(settings.rpcUrl, { retryCount: 1, batch: true }) });
  const chainId = await answering(client.getChainId(), settings.rpcUrl);
  const account = actor(chainId, values.account as number | undefined, values.keyfile as string | undefined);
  const directory = openHostDirectory(settings.datadir);
  try {
    const { hash: genesisHash } = await answering(client.getBlock({ blockNumber: 0n }), settings.rpcUrl);
    const host = account.address.toLowerCase() as Hex;
    directory.claim({ chainId: String(chainId), genesisHash: genesisHash ?? "0x", host });
    return await serve(settings, { client, account, directory, log, chainId: BigInt(chainId) });
  } finally {
    directory.release();
  }
}

interface Parts {
  readonly client: PublicClient;
  readonly account: LocalAccount;
  readonly directory: HostDirectory;
  readonly chainId: bigint;
  readonly log: Logger;
}

async function serve(settings: HostSettings, { client, account, directory, chainId, log }: Parts): Promise<number> {
  const ending = signalled(log);
  const chain = viemChainReader(client);
  const answers = await AnswerLog.open(directory.answers, chainId);
  const store = await openContents(settings.contentDirectory);
  const content = keptContents(store, settings.contentUrls, signingAs(account, Number(chainId)));
  const { batchSize: size, batchMs: waitMs, pollMs } = settings;
  const sender = new Sender({ client, account, clock: systemClock, log: log.child({ module: "sender" }), pollMs });
  const loop = new HostLoop({
    chain,
    hostChain: viemHostChain(client),
    answers,
    content,
    sender,
    clock: systemClock,
    log,
    rules: { size, waitMs, maxBytes: MAX_BATCH_BYTES, hurrySeconds: BigInt(30 + (2 * waitMs) / 1_000) },
    keepClosed: settings.keepAnswers,
    pollMs,
  });
  const host = account.address.toLowerCase() as Hex;
  const { models, passages, maxCorpusBytes, maxUnsettled, isFree, listener } = settings;
  const shards = await ShardStore.open(directory.shards);
  const modelHost = createModelHost({
    openCorpus: openFromShards(shards),
    chain,
    content,
    signer: accountSigner(account),
    answers,
    engine: engineOf(settings),
    admission: stakeAdmission(chain, host, loop, maxUnsettled),
    ...(models !== undefined && { serves: (modelId: bigint) => models.has(modelId) }),
    limits: { passages, maxCorpusBytes, deadlineMarginSeconds: DEADLINE_MARGIN_SECONDS },
  });
  const server = createModelServer({
    modelHost,
    chain,
    isFree,
    host: listener.address,
    port: listener.port,
    allowedHosts: settings.vhosts,
    health: () => ({
      signed: loop.book.count("signed"),
      committed: loop.book.count("committed"),
      problem: loop.problem ?? null,
    }),
    onError: (err) => log.error({ err }, "a request failed"),
  });
  try {
    await answering(loop.recover(), settings.rpcUrl);
    const enrol = { chain, sender, log };
    if (settings.stakeWei !== undefined) await depositStake(enrol, settings.stakeWei);
    const url = await server.listen().catch((error: unknown) => {
      throw listenError(error, listener, "host");
    });
    // Joining says that all data are at hand.
    for (const modelId of settings.join) await prepare(modelHost, modelId);
    await joinModels(enrol, settings.join, settings.publicUrl ?? url);
    loop.start();
    process.stdout.write(await banner(settings, modelHost, chain, url));
    prepareAll(modelHost, settings.join, log);
    await ending;
    return EXIT.ok;
  } finally {
    modelHost.close();
    await server.close();
    await loop.stop();
    await shards.close();
    log.info("stopped");
  }
}

/** Throws OperationError. */
async function prepare(modelHost: ModelHost, modelId: bigint): Promise<void> {
  try {
    await modelHost.prepare(modelId);
  } catch (error) {
    throw new OperationError(`model ${modelId} cannot be served: ${(error as Error).message}`, { cause: error });
  }
}

/** Of the other models that it serves, so that the first who asks need not wait. */
async function prepareAll(modelHost: ModelHost, done: readonly bigint[], log: Logger): Promise<void> {
  const models = await modelHost.models().catch(() => []);
  for (const { modelId } of models) {
    if (done.includes(modelId)) continue;
    await prepare(modelHost, modelId).then(
      () => log.info({ model: Number(modelId) }, "model ready"),
      (err: unknown) => log.warn({ err }, "a model is not ready"),
    );
  }
}

function engineOf({ engine }: HostSettings): Engine {
  if (engine === undefined) return infinityGramEngine();
  const { timeoutMs, ...options } = engine;
  return openAiEngine({ ...options, firstByteMs: timeoutMs, idleMs: timeoutMs, totalMs: 10 * timeoutMs });
}

async function openContents(directory: string): Promise<ContentStore> {
  try {
    return await ContentStore.open(directory);
  } catch (error) {
    if (error instanceof ContentStoreError) throw new DataError(error.message, { cause: error });
    throw new OperationError(`${directory} cannot be opened: ${(error as Error).message}`, { cause: error });
  }
}

async function answering<T>(reading: Promise<T>, url: string): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    const [reason] = (error as Error).message.split("\n");
    throw new OperationError(`${new URL(url).host} does not answer as a node does: ${reason}`, { cause: error });
  }
}

async function banner(settings: HostSettings, modelHost: ModelHost, chain: ChainReader, url: string): Promise<string> {
  const [models, stake] = await Promise.all([modelHost.models(), chain.stakeOf(modelHost.address)]);
  const served = models.map(({ modelId }) => modelId).join(", ");
  const rows: readonly (readonly [string, string])[] = [
    ["OpenAI base URL", `${url}/v1`],
    ["Host", modelHost.address],
    ["Models", served === "" ? "none joined yet: --join ID" : served],
    ["Engine", Object.values(modelHost.engine).join(" ")],
    ["Stake", `${formatEther(stake.totalWei)} OPEN, of it ${formatEther(stake.lockedWei)} locked`],
    ["Free answers", settings.isFree ? "yes, unsigned" : "no"],
    ["Chain", settings.rpcUrl],
    ["Data", settings.datadir],
  ];
  return `
OpenLedger model host

${rows.map(([name, value]) => `   ${name.padEnd(18)}${value}`).join("\n")}

Ready.
`;
}
