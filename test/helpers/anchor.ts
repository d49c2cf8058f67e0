/** An L1 with the contracts of a test network, and the genesis that is anchored to it. */
import { createWalletClient, erc20Abi, http, parseEther, publicActions } from "viem";
import { outputRoot } from "../../bridge/output.ts";
import { memoryStore } from "../../execution/state/memory-store.ts";
import { parseGenesis } from "../../genesis/schema.ts";
import { DEVNET_ACCOUNTS, devnetAccount } from "../../node/accounts.ts";
import { DEV_L1_ACCOUNTS } from "../../node/dev-l1/anvil.ts";
import { buildGenesisBlock } from "../../node/genesis-block.ts";
import { deploy } from "../../node/l1/deploy.ts";
import { type DeploymentSettings, l1Section, planDeployment } from "../../node/l1/deployment-plan.ts";
import { devnetValidator } from "../../node/validator/devnet.ts";
import { type Anvil, startAnvil } from "./anvil.ts";

const deployer = devnetAccount(DEV_L1_ACCOUNTS - 1);
/** Of the devnet's ten each. */
const OPEN_ON_L1 = parseEther("2000000");

const DAY_SECONDS = 86_400n;
/** Whoever slashes, withdraws or proves in a test waits for these two. */
const FINALIZATION_SECONDS = 3n;
const EVIDENCE_SECONDS = 4n;
export const SLASHED_PPM = 500_000;

const SETTINGS: DeploymentSettings = {
  owner: deployer.address,
  guardian: deployer.address,
  timelockSeconds: DAY_SECONDS,
  finalizationSeconds: FINALIZATION_SECONDS,
  submissionInterval: 5n,
  l2BlockSeconds: 1n,
  releaseLimitWei: parseEther("1000000"),
  releaseWindowSeconds: DAY_SECONDS,
  minimumStakeWei: parseEther("1000"),
  evidenceSeconds: EVIDENCE_SECONDS,
  slashedPpm: SLASHED_PPM,
  reporterPpm: 100_000,
  treasury: deployer.address,
};

/** A block each second, final two blocks later; accounts for people, posters and the deployer. */
export const startTestL1 = (): Promise<Anvil> =>
  startAnvil({ blockTime: 1, args: ["--slots-in-an-epoch", "1", "--accounts", String(DEV_L1_ACCOUNTS)] });

/** Deploys for a genesis file whose validators are the devnet's first; its JSON with the section `l1`. */
export async function anchoredGenesis(
  l1: Anvil,
  genesis: { readonly validators: readonly unknown[] },
): Promise<{ readonly l1: object }> {
  const client = createWalletClient({
    account: deployer,
    transport: http(l1.url, { timeout: 60_000 }),
    pollingInterval: 100,
  }).extend(publicActions);
  const [nonce, chainId, block] = await Promise.all([
    client.getTransactionCount({ address: deployer.address }),
    client.getChainId(),
    client.getBlock(),
  ]);
  const plan = planDeployment(deployer.address, nonce);
  const { number, hash, timestamp } = block;
  const origin = { number, hash, timestamp };
  const section = l1Section(plan, { chainId, origin, finality: "finalized", maxDriftSeconds: 600 });
  const json = { ...genesis, timestamp: Number(timestamp), l1: section };
  const parsed = parseGenesis(json);
  const { block: first } = buildGenesisBlock(parsed, memoryStore());
  const validators = genesis.validators.map((_, index) => devnetValidator(index));
  const l2 = { genesis: parsed, validators, outputRoot: outputRoot(first.header, first.hash) };
  await deploy(client, { plan, settings: SETTINGS, l2 });
  const transfer = { address: plan.addresses.token, abi: erc20Abi, functionName: "transfer", chain: null } as const;
  for (let index = 0; index < DEVNET_ACCOUNTS; index++) {
    const args = [devnetAccount(index).address, OPEN_ON_L1] as const;
    const sent = await client.writeContract({ ...transfer, args });
    if (index === DEVNET_ACCOUNTS - 1) await client.waitForTransactionReceipt({ hash: sent });
  }
  return json;
}
