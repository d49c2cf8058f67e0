/**
 * The L1 contracts of a network, in the order in which one account creates them. Every address follows from that account
 * and its nonce (EIP-161's CREATE), so L2's genesis names them before they are there; and what they begin with names L2's
 * genesis.
 */
import { type Abi, type Address, encodeDeployData, encodeFunctionData, getContractAddress, type Hex } from "viem";
import inbox from "../../contracts/artifacts/BatchInbox.json" with { type: "json" };
import portal from "../../contracts/artifacts/OpenLedgerPortal.json" with { type: "json" };
import token from "../../contracts/artifacts/OpenToken.json" with { type: "json" };
import oracle from "../../contracts/artifacts/OutputOracle.json" with { type: "json" };
import messenger from "../../contracts/artifacts/op/L1CrossDomainMessenger.json" with { type: "json" };
import bridge from "../../contracts/artifacts/op/L1StandardBridge.json" with { type: "json" };
import systemConfig from "../../contracts/artifacts/SystemConfig.json" with { type: "json" };
import timelock from "../../contracts/artifacts/TimelockController.json" with { type: "json" };
import proxy from "../../contracts/artifacts/TransparentUpgradeableProxy.json" with { type: "json" };
import registry from "../../contracts/artifacts/ValidatorRegistry.json" with { type: "json" };
import { blsSignatureForEvm } from "../../core/bls.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { genesisAccounts } from "../../genesis/builder.ts";
import type { L1Finality } from "../../genesis/l1.ts";
import type { Genesis } from "../../genesis/schema.ts";
import type { DeclaredValidator } from "../../genesis/validators.ts";

/** One transaction each. `...Code` is what the proxy of that name runs; `stake` and `supply` move OPEN. */
const STEPS = [
  "token",
  "timelock",
  "systemConfigCode",
  "systemConfig",
  "inboxCode",
  "inbox",
  "registryCode",
  "stake",
  "registry",
  "oracleCode",
  "oracle",
  "portalCode",
  "supply",
  "portal",
  "l1MessengerCode",
  "l1Messenger",
  "l1StandardBridgeCode",
  "l1StandardBridge",
] as const;
type Step = (typeof STEPS)[number];
type Transfer = "stake" | "supply";
type Contract = Exclude<Step, Transfer>;

export interface DeploymentPlan {
  readonly deployer: Address;
  /** The deployer's nonce at the first step. */
  readonly firstNonce: number;
  readonly addresses: Readonly<Record<Contract, Address>>;
}

export interface DeploymentSettings {
  /** Proposes and executes what the timelock does: upgrades, limits, another guardian. */
  readonly owner: Address;
  /** Can pause withdrawals, and delete outputs that are not final. */
  readonly guardian: Address;
  readonly timelockSeconds: bigint;
  /** From an output, and from a proof, until a withdrawal can be finalized. */
  readonly finalizationSeconds: bigint;
  /** L2 blocks from one output to the next, at the least. */
  readonly submissionInterval: bigint;
  readonly l2BlockSeconds: bigint;
  /** Wei of OPEN that may leave in a window. */
  readonly releaseLimitWei: bigint;
  readonly releaseWindowSeconds: bigint;
  readonly minimumStakeWei: bigint;
  readonly evidenceSeconds: bigint;
  /** Parts per million of a stake that equivocation costs, and of that which the reporter gets. */
  readonly slashedPpm: number;
  readonly reporterPpm: number;
  /** Gets the rest of what is slashed. */
  readonly treasury: Address;
}

/** What L2 is, for the contracts to begin with. */
export interface L2Beginning {
  readonly genesis: Genesis;
  /** The validators of `genesis`, with the proofs that its file has. */
  readonly validators: readonly DeclaredValidator[];
  /** 32 bytes, of L2's genesis block. */
  readonly outputRoot: Uint8Array;
}

export interface Transaction {
  readonly step: Step;
  readonly nonce: number;
  /** Undefined: a creation. */
  readonly to: Address | undefined;
  readonly data: Hex;
  readonly gas: bigint;
}

export function planDeployment(deployer: Address, firstNonce: number): DeploymentPlan {
  const addresses = STEPS.map((step, index) => {
    return [step, getContractAddress({ from: deployer, nonce: BigInt(firstNonce + index) })] as const;
  }).filter(([step]) => step !== "stake" && step !== "supply");
  return { deployer, firstNonce, addresses: Object.fromEntries(addresses) as Record<Contract, Address> };
}

/** Where the deployer's nonce is when all is done. */
export const endNonce = ({ firstNonce }: DeploymentPlan): number => firstNonce + STEPS.length;

/** The plan that leads to this token: L2's genesis names it. Undefined when it is not this deployer's. */
export function findPlan(deployer: Address, tokenAddress: Address): DeploymentPlan | undefined {
  for (let nonce = 0; nonce < MAX_FIRST_NONCE; nonce++) {
    const address = getContractAddress({ from: deployer, nonce: BigInt(nonce) });
    if (address.toLowerCase() === tokenAddress.toLowerCase()) return planDeployment(deployer, nonce);
  }
  return undefined;
}

const MAX_FIRST_NONCE = 10_000;

export interface L1Rules {
  /** Of L1. */
  readonly chainId: number;
  readonly origin: { readonly number: bigint; readonly hash: Hex; readonly timestamp: bigint };
  readonly finality: L1Finality;
  readonly maxDriftSeconds: number;
}

/** The section `l1` of a network's file. */
export function l1Section({ addresses }: DeploymentPlan, { chainId, origin, finality, maxDriftSeconds }: L1Rules) {
  return {
    chainId,
    portal: addresses.portal.toLowerCase(),
    oracle: addresses.oracle.toLowerCase(),
    inbox: addresses.inbox.toLowerCase(),
    registry: addresses.registry.toLowerCase(),
    token: addresses.token.toLowerCase(),
    systemConfig: addresses.systemConfig.toLowerCase(),
    l1StandardBridge: addresses.l1StandardBridge.toLowerCase(),
    l1Messenger: addresses.l1Messenger.toLowerCase(),
    origin: { number: String(origin.number), hash: origin.hash, timestamp: String(origin.timestamp) },
    finality,
    maxDriftSeconds,
  };
}

/** Wei that L2's genesis gives to its accounts. */
const genesisSupply = (genesis: Genesis): bigint =>
  genesisAccounts(genesis).reduce((sum, { balanceWei }) => sum + balanceWei, 0n);

/** Deposits of one L1 block take at most 14 of an L2 block's 30 million gas; the rest as OP's, but a lower price floor. */
const resourceConfig = ({ gasLimit }: Pick<Genesis, "gasLimit">) => ({
  maxResourceLimit: Number((gasLimit / 2n - SYSTEM_GAS) / ELASTICITY) * Number(ELASTICITY),
  elasticityMultiplier: Number(ELASTICITY),
  baseFeeMaxChangeDenominator: 8,
  minimumBaseFee: 100_000_000,
  systemTxMaxGas: Number(SYSTEM_GAS),
  maximumBaseFee: 2n ** 128n - 1n,
});
const ELASTICITY = 10n;
/** Of the L1 attributes. */
const SYSTEM_GAS = 1_000_000n;

type Artifact = { readonly abi: unknown; readonly bytecode: string };

/** All transactions, in order. */
export function deploymentTransactions(
  plan: DeploymentPlan,
  settings: DeploymentSettings,
  { genesis, validators, outputRoot }: L2Beginning,
): readonly Transaction[] {
  const { addresses, deployer, firstNonce } = plan;
  const { chainId } = genesis;
  const create = ({ abi, bytecode }: Artifact, args: readonly unknown[] = []) => ({
    to: undefined,
    data: encodeDeployData({ abi: abi as Abi, bytecode: bytecode as Hex, args }),
  });
  const behindProxy = (code: Address, { abi }: Artifact, args: readonly unknown[], functionName = "initialize") =>
    create(proxy, [code, addresses.timelock, encodeFunctionData({ abi: abi as Abi, functionName, args })]);
  const transfer = (to: Address, amount: bigint) => ({
    to: addresses.token,
    data: encodeFunctionData({ abi: token.abi, functionName: "transfer", args: [to, amount] }),
  });
  const supply = genesisSupply(genesis);
  const registrations = validators.map(({ address, stake, publicKey, proofOfPossession }) => ({
    account: bytesToHex(address),
    stake,
    publicKey: bytesToHex(publicKey),
    proof: bytesToHex(blsSignatureForEvm(proofOfPossession)),
  }));
  const steps: Readonly<Record<Step, Pick<Transaction, "to" | "data">>> = {
    token: create(token, [deployer]),
    timelock: create(timelock, [settings.timelockSeconds, [settings.owner], [settings.owner], NOBODY]),
    systemConfigCode: create(systemConfig, [addresses.token]),
    systemConfig: behindProxy(addresses.systemConfigCode, systemConfig, [
      addresses.timelock,
      settings.guardian,
      genesis.gasLimit,
      resourceConfig(genesis),
      settings.releaseLimitWei,
      settings.releaseWindowSeconds,
    ]),
    inboxCode: create(inbox),
    // It has nothing to initialize, but a proxy wants to call something.
    inbox: behindProxy(addresses.inboxCode, inbox, [`0x${"00".repeat(32)}`], "recordedAt"),
    registryCode: create(registry, [
      {
        token: addresses.token,
        portal: addresses.portal,
        oracle: addresses.oracle,
        treasury: settings.treasury,
        chainId,
        minimumStake: settings.minimumStakeWei,
        evidenceWindow: settings.evidenceSeconds,
        slashedPpm: settings.slashedPpm,
        reporterPpm: settings.reporterPpm,
      },
    ]),
    stake: transfer(addresses.registry, genesis.validators.totalStake),
    registry: behindProxy(addresses.registryCode, registry, [registrations]),
    oracleCode: create(oracle, [
      {
        registry: addresses.registry,
        inbox: addresses.inbox,
        systemConfig: addresses.systemConfig,
        chainId,
        epochBlocks: BigInt(genesis.consensus.epochBlocks),
        submissionInterval: settings.submissionInterval,
        l2BlockTime: settings.l2BlockSeconds,
        finalizationPeriod: settings.finalizationSeconds,
      },
    ]),
    oracle: behindProxy(addresses.oracleCode, oracle, [
      bytesToHex(outputRoot),
      genesis.timestamp,
      bytesToHex(genesis.validators.hash),
    ]),
    portalCode: create(portal, [addresses.token, addresses.oracle, addresses.systemConfig]),
    supply: transfer(addresses.portal, supply),
    portal: behindProxy(addresses.portalCode, portal, [supply]),
    l1MessengerCode: create(messenger),
    l1Messenger: behindProxy(addresses.l1MessengerCode, messenger, [
      addresses.systemConfig,
      addresses.portal,
      addresses.systemConfig,
    ]),
    l1StandardBridgeCode: create(bridge),
    l1StandardBridge: behindProxy(addresses.l1StandardBridgeCode, bridge, [
      addresses.l1Messenger,
      addresses.systemConfig,
      addresses.systemConfig,
    ]),
  };
  return STEPS.map((step, index) => {
    const checks = step === "registry" ? BigInt(validators.length) * REGISTRATION_GAS : 0n;
    return { step, nonce: firstNonce + index, ...steps[step], gas: gasFor(steps[step].data) + checks };
  });
}

const NOBODY = "0x0000000000000000000000000000000000000000";
/** Of the registry, for a key: its proof's pairings, and its storage. */
const REGISTRATION_GAS = 600_000n;

/** Not estimated, because a step works only after those before it. A byte costs at most 40 as calldata, 200 as code. */
const gasFor = (data: Hex): bigint => 600_000n + BigInt(data.length / 2) * 240n;
