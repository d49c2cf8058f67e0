/** Brings a network's contracts onto its L1, and can go on where an earlier run stopped. */
import { setTimeout as delay } from "node:timers/promises";
import type { Account, Address, Chain, Client, Hex, Transport } from "viem";
import { estimateFeesPerGas, getCode, getTransactionCount, readContract, sendTransaction } from "viem/actions";
import portal from "../../contracts/artifacts/OpenLedgerPortal.json" with { type: "json" };
import oracle from "../../contracts/artifacts/OutputOracle.json" with { type: "json" };
import registry from "../../contracts/artifacts/ValidatorRegistry.json" with { type: "json" };
import { bytesToHex } from "../../core/bytes.ts";
import { MULTICALL3_ADDRESS, PREDEPLOYS } from "../../genesis/predeploys.ts";
import { OperationError } from "../errors.ts";
import {
  type DeploymentPlan,
  type DeploymentSettings,
  deploymentTransactions,
  endNonce,
  type L2Beginning,
} from "./deployment-plan.ts";

/** Signs as the plan's deployer. */
export type DeployerClient = Client<Transport, Chain | undefined, Account>;

export interface DeployOptions {
  /** Fewest transactions of it are sent when an earlier run sent some. */
  readonly plan: DeploymentPlan;
  readonly settings: DeploymentSettings;
  readonly l2: L2Beginning;
  /** Everything sent has to be in blocks by then. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 600_000;

/**
 * Sends those transactions of the plan that L1 does not know yet, waits for them, and checks that what is there is this
 * network's. A second call sends nothing. Throws OperationError when a transaction failed, when the deployer was used for
 * something else, or when L1 lacks Multicall3.
 */
export async function deploy(client: DeployerClient, { plan, settings, l2, timeoutMs }: DeployOptions): Promise<void> {
  if (client.account.address.toLowerCase() !== plan.deployer.toLowerCase()) {
    throw new OperationError(`the plan's contracts are ${plan.deployer}'s to deploy, not ${client.account.address}'s`);
  }
  await ensureMulticall3(client);
  const nonce = await getTransactionCount(client, { address: plan.deployer, blockTag: "pending" });
  if (nonce < plan.firstNonce) {
    throw new OperationError(
      `L1 lacks transactions of ${plan.deployer} before nonce ${plan.firstNonce}: it is another`,
    );
  }
  const missing = deploymentTransactions(plan, settings, l2).filter((transaction) => transaction.nonce >= nonce);
  if (missing.length > 0) {
    const fees = await estimateFeesPerGas(client);
    for (const { step, ...transaction } of missing) {
      try {
        await sendTransaction(client, {
          ...transaction,
          ...doubled(fees),
          account: client.account,
          chain: null,
        } as never);
      } catch (error) {
        throw new OperationError(`the deployment's transaction "${step}" was refused: ${message(error)}`, {
          cause: error,
        });
      }
    }
  }
  await untilMined(client, plan, timeoutMs ?? TIMEOUT_MS);
  await checkDeployment(client, plan, l2);
}

/** Throws OperationError unless L1 has all contracts of the plan, for this L2. */
export async function checkDeployment(
  client: Client<Transport, Chain | undefined>,
  { addresses }: DeploymentPlan,
  { genesis, outputRoot }: Pick<L2Beginning, "genesis" | "outputRoot">,
): Promise<void> {
  for (const [name, address] of Object.entries(addresses)) {
    if (!(await hasCode(client, address))) throw new OperationError(`L1 has no contract at ${address} (${name})`);
  }
  const expected: readonly (readonly [what: string, actual: unknown, expected: unknown])[] = [
    ["the portal's oracle", await read(client, addresses.portal, portal.abi, "l2Oracle"), addresses.oracle],
    ["the portal's token", await read(client, addresses.portal, portal.abi, "token"), addresses.token],
    [
      "the registry's genesis set",
      await read(client, addresses.registry, registry.abi, "isSnapshot", [bytesToHex(genesis.validators.hash)]),
      true,
    ],
    [
      "the output of L2's genesis",
      (await read<{ outputRoot: Hex }>(client, addresses.oracle, oracle.abi, "getL2Output", [0n])).outputRoot,
      bytesToHex(outputRoot),
    ],
    ["L2's chain id at the oracle", await read(client, addresses.oracle, oracle.abi, "chainId"), genesis.chainId],
  ];
  for (const [what, actual, wanted] of expected) {
    if (String(actual).toLowerCase() === String(wanted).toLowerCase()) continue;
    throw new OperationError(`L1 has another network's contracts: ${what} is ${actual} instead of ${wanted}`);
  }
}

/** Tools read many values at once through it. A development chain gets its code; a real one has it. */
async function ensureMulticall3(client: Client<Transport, Chain | undefined>): Promise<void> {
  if (await hasCode(client, MULTICALL3_ADDRESS)) return;
  const code = PREDEPLOYS.find(({ address }) => bytesToHex(address) === MULTICALL3_ADDRESS)!.code;
  try {
    await client.request({ method: "anvil_setCode", params: [MULTICALL3_ADDRESS, bytesToHex(code)] } as never);
  } catch (error) {
    throw new OperationError(`L1 has no Multicall3 at ${MULTICALL3_ADDRESS}: deploy it there first (multicall3.com)`, {
      cause: error,
    });
  }
}

async function untilMined(client: DeployerClient, plan: DeploymentPlan, timeoutMs: number): Promise<void> {
  const end = endNonce(plan);
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const nonce = await getTransactionCount(client, { address: plan.deployer, blockTag: "latest" });
    if (nonce >= end) return;
    if (performance.now() > deadline) {
      throw new OperationError(
        `L1 has ${nonce - plan.firstNonce} of ${end - plan.firstNonce} transactions of the deployment after ${timeoutMs / 1_000} s`,
      );
    }
    await delay(client.pollingInterval);
  }
}

const hasCode = async (client: Client<Transport, Chain | undefined>, address: Address): Promise<boolean> =>
  (await getCode(client, { address })) !== undefined;

const read = async <T = unknown>(
  client: Client<Transport, Chain | undefined>,
  address: Address,
  abi: unknown,
  functionName: string,
  args: readonly unknown[] = [],
): Promise<T> => (await readContract(client, { address, abi, functionName, args } as never)) as T;

/** So that they outlast a rise of the base fee. */
const doubled = (fees: { maxFeePerGas: bigint; maxPriorityFeePerGas: bigint }) => ({
  maxFeePerGas: fees.maxFeePerGas * 2n,
  maxPriorityFeePerGas: fees.maxPriorityFeePerGas,
});

const message = (error: unknown): string =>
  error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
