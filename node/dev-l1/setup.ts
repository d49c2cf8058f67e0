/** Brings up a devnet's L1 with the contracts of the bridge, and makes the genesis that is anchored to it. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createWalletClient, erc20Abi, http, publicActions } from "viem";
import { outputRoot } from "../../bridge/output.ts";
import { memoryStore } from "../../execution/state/memory-store.ts";
import { DEV_L1_CHAIN_ID } from "../../genesis/l1.ts";
import { parseGenesis } from "../../genesis/schema.ts";
import { DEVNET_ACCOUNTS, devnetAccount, privateKeyOf } from "../accounts.ts";
import { devnetGenesis } from "../devnet-genesis.ts";
import { lockDirectory } from "../directory-lock.ts";
import { DataError, START_ANEW } from "../errors.ts";
import { buildGenesisBlock } from "../genesis-block.ts";
import { freePorts } from "../http.ts";
import { checkDeployment, deploy } from "../l1/deploy.ts";
import { type DeploymentSettings, findPlan, l1Section, planDeployment } from "../l1/deployment-plan.ts";
import type { Logger } from "../log.ts";
import { devnetValidator } from "../validator/devnet.ts";
import { DEV_L1_ACCOUNTS, type DevL1, startDevL1 } from "./anvil.ts";

export interface AnchoredDevnet {
  readonly l1: DevL1;
  /** JSON of the genesis file. */
  readonly genesis: object;
  readonly genesisFile: string;
  stop(): Promise<void>;
}

const GENESIS_FILE = "genesis.json";
const OPEN = 10n ** 18n;
const DAY_SECONDS = 86_400n;
/** On L1, beside what they have on L2. */
const ACCOUNT_OPEN = 100_000n * OPEN;
/** Short, so that somebody who tries the bridge sees its end. */
const FINALIZATION_SECONDS = 10n;
const SUBMISSION_INTERVAL = 5n;

const deployerAccount = () => devnetAccount(DEV_L1_ACCOUNTS - 1);
/** The account that the validator posts with on L1. */
const posterAccount = (validator: number) => devnetAccount(DEVNET_ACCOUNTS + validator);

/** Writes the key that validator `index` of a devnet posts with into `folder`. Returns the file. */
export function writePosterKey(folder: string, index: number): string {
  const file = join(folder, "l1.key");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(file, `${privateKeyOf(posterAccount(index))}\n`, { mode: 0o600 });
  return file;
}

/**
 * `directory` keeps L1's state and the genesis. A second call goes on with what is there. Throws DataError when it is in
 * use, has other validators or has lost L1's state, and OperationError when L1 does not come up.
 */
export async function openAnchoredDevnet(
  directory: string,
  {
    port,
    blockSeconds,
    validators,
  }: { readonly port: number; readonly blockSeconds: number; readonly validators: number },
  log: Logger,
): Promise<AnchoredDevnet> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const lock = lockDirectory(directory);
  let l1: DevL1 | undefined;
  const stop = async () => {
    await l1?.stop();
    lock.release();
  };
  try {
    l1 = await startDevL1(directory, port === 0 ? (await freePorts(1))[0]! : port, blockSeconds);
    const genesisFile = join(directory, GENESIS_FILE);
    const genesis =
      (await resume(genesisFile, l1.url, validators)) ?? (await begin(genesisFile, l1.url, validators, log));
    return { l1, genesis, genesisFile, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const clientOf = (url: string) =>
  createWalletClient({ account: deployerAccount(), transport: http(url), pollingInterval: 200 }).extend(publicActions);

/** Undefined where there is none yet. */
async function resume(file: string, url: string, validators: number): Promise<object | undefined> {
  let json: object;
  try {
    json = JSON.parse(readFileSync(file, "utf8")) as object;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new DataError(`${file} cannot be read: ${(error as Error).message}; ${START_ANEW}`, { cause: error });
  }
  const genesis = parseGenesis(json);
  const has = genesis.validators.validators.length;
  if (has !== validators) {
    throw new DataError(`this devnet has ${has} validators; use --validators ${has}, or ${START_ANEW}`);
  }
  const { token } = (json as { l1: { token: `0x${string}` } }).l1;
  const plan = findPlan(deployerAccount().address, token);
  const beginning = { genesis, outputRoot: outputOf(json) };
  try {
    if (plan === undefined) throw new Error(`${token} is not of this devnet's deployer`);
    await checkDeployment(clientOf(url), plan, beginning);
  } catch (error) {
    throw new DataError(`the devnet's L1 has lost its state: ${(error as Error).message}; ${START_ANEW}`, {
      cause: error,
    });
  }
  return json;
}

async function begin(file: string, url: string, validators: number, log: Logger): Promise<object> {
  const client = clientOf(url);
  const deployer = deployerAccount().address;
  const [nonce, block] = await Promise.all([
    client.getTransactionCount({ address: deployer }),
    client.getBlock({ blockTag: "latest" }),
  ]);
  const plan = planDeployment(deployer, nonce);
  const { number, hash, timestamp } = block;
  const section = l1Section(plan, {
    chainId: Number(DEV_L1_CHAIN_ID),
    origin: { number: number!, hash: hash!, timestamp },
    finality: "finalized",
    maxDriftSeconds: 600,
  });
  const json = { ...devnetGenesis(validators), timestamp: Number(timestamp), l1: section };
  const declared = Array.from({ length: validators }, (_, index) => devnetValidator(index));
  await deploy(client, {
    plan,
    settings: settings(),
    l2: { genesis: parseGenesis(json), validators: declared, outputRoot: outputOf(json) },
  });
  await giveOpen(client, plan.addresses.token);
  // Last: without it the next start deploys anew.
  writeFileSync(`${file}.tmp`, `${JSON.stringify(json, null, 2)}\n`);
  renameSync(`${file}.tmp`, file);
  log.info({ url, portal: plan.addresses.portal }, "L1 has the bridge");
  return json;
}

const settings = (): DeploymentSettings => ({
  owner: deployerAccount().address,
  guardian: deployerAccount().address,
  timelockSeconds: DAY_SECONDS,
  finalizationSeconds: FINALIZATION_SECONDS,
  submissionInterval: SUBMISSION_INTERVAL,
  l2BlockSeconds: 1n,
  releaseLimitWei: 1_000_000n * OPEN,
  releaseWindowSeconds: DAY_SECONDS,
  minimumStakeWei: 1_000n * OPEN,
  evidenceSeconds: DAY_SECONDS,
  slashedPpm: 500_000,
  reporterPpm: 100_000,
  treasury: deployerAccount().address,
});

function outputOf(json: object): Uint8Array {
  const { block } = buildGenesisBlock(parseGenesis(json), memoryStore());
  return outputRoot(block.header, block.hash);
}

async function giveOpen(client: ReturnType<typeof clientOf>, token: `0x${string}`): Promise<void> {
  for (let index = 0; index < DEVNET_ACCOUNTS; index++) {
    const hash = await client.writeContract({
      chain: null,
      address: token,
      abi: erc20Abi,
      functionName: "transfer",
      args: [devnetAccount(index).address, ACCOUNT_OPEN],
    });
    if (index === DEVNET_ACCOUNTS - 1) await client.waitForTransactionReceipt({ hash });
  }
}
