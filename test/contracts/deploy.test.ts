/** A whole network's contracts on a real L1, for an L2 whose genesis names them. */
import {
  type Abi,
  type Address,
  encodeFunctionData,
  getContractAddress,
  type Hex,
  parseEther,
  parseEventLogs,
  zeroHash,
} from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { outputRoot } from "../../bridge/output.ts";
import portalArtifact from "../../contracts/artifacts/OpenLedgerPortal.json" with { type: "json" };
import tokenArtifact from "../../contracts/artifacts/OpenToken.json" with { type: "json" };
import messengerArtifact from "../../contracts/artifacts/op/L1CrossDomainMessenger.json" with { type: "json" };
import bridgeArtifact from "../../contracts/artifacts/op/L1StandardBridge.json" with { type: "json" };
import configArtifact from "../../contracts/artifacts/SystemConfig.json" with { type: "json" };
import timelockArtifact from "../../contracts/artifacts/TimelockController.json" with { type: "json" };
import { aliasAddress } from "../../core/addresses.ts";
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import { memoryStore } from "../../execution/state/memory-store.ts";
import { parseGenesis } from "../../genesis/schema.ts";
import { devnetGenesis } from "../../node/devnet-genesis.ts";
import { buildGenesisBlock } from "../../node/genesis-block.ts";
import { checkDeployment, deploy } from "../../node/l1/deploy.ts";
import {
  type DeploymentPlan,
  type DeploymentSettings,
  deploymentTransactions,
  endNonce,
  findPlan,
  type L2Beginning,
  l1Section,
  planDeployment,
} from "../../node/l1/deployment-plan.ts";
import { devnetValidator } from "../../node/validator/devnet.ts";
import { ANVIL_ACCOUNTS, type Anvil, type AnvilClient, deployContract, startAnvil } from "../helpers/anvil.ts";

const [DEPLOYER, OWNER, GUARDIAN] = ANVIL_ACCOUNTS.map(({ address }) => address) as [Address, Address, Address];
const VALIDATORS = 4;
const SETTINGS: DeploymentSettings = {
  owner: OWNER,
  guardian: GUARDIAN,
  timelockSeconds: 1_000n,
  finalizationSeconds: 100n,
  submissionInterval: 10n,
  l2BlockSeconds: 1n,
  releaseLimitWei: parseEther("1000000"),
  releaseWindowSeconds: 86_400n,
  minimumStakeWei: parseEther("100"),
  evidenceSeconds: 200n,
  slashedPpm: 500_000,
  reporterPpm: 100_000,
  treasury: "0x000000000000000000000000000000000000dEaD",
};

let anvil: Anvil;
let client: AnvilClient;
let plan: DeploymentPlan;
let l2: L2Beginning;

async function begin(firstNonce: number): Promise<void> {
  const block = await client.getBlock();
  plan = planDeployment(DEPLOYER, firstNonce);
  const validators = Array.from({ length: VALIDATORS }, (_, index) => devnetValidator(index));
  const origin = { number: block.number, hash: block.hash, timestamp: block.timestamp };
  const genesis = parseGenesis({
    ...devnetGenesis(VALIDATORS),
    timestamp: String(block.timestamp),
    l1: l1Section(plan, { chainId: 31_337, origin, finality: { depth: 2 }, maxDriftSeconds: 600 }),
  });
  const { header, hash } = buildGenesisBlock(genesis, memoryStore()).block;
  l2 = { genesis, validators, outputRoot: outputRoot(header, hash) };
}

const read = (address: Address, abi: unknown, functionName: string, args: readonly unknown[] = []) =>
  client.readContract({ address, abi: abi as Abi, functionName, args });
const tokenBalance = (holder: Address) => read(plan.addresses.token, tokenArtifact.abi, "balanceOf", [holder]);
const mined = async (hash: Hex) => client.waitForTransactionReceipt({ hash });
const options = () => ({ plan, settings: SETTINGS, l2 });

beforeAll(async () => {
  anvil = await startAnvil();
  client = anvil.client;
  // Not the deployer's first transaction.
  await mined(await client.sendTransaction({ to: OWNER, value: 1n }));
  await begin(1);
}, 60_000);
afterAll(() => anvil?.stop());

describe("a deployment", () => {
  it("goes on where an earlier run stopped", async () => {
    for (const { step, ...transaction } of deploymentTransactions(plan, SETTINGS, l2).slice(0, 5)) {
      void step;
      await mined(await client.sendTransaction(transaction as never));
    }
    await expect(checkDeployment(client, plan, l2)).rejects.toThrow(/L1 has no contract at 0x\w+ \(inbox\)/);
    await deploy(client, options());
    expect(await client.getTransactionCount({ address: DEPLOYER })).toBe(endNonce(plan));
  });

  it("is there, backed to the wei", async () => {
    const supply = l2.genesis.alloc.reduce((sum, { balanceWei }) => sum + balanceWei, 0n);
    expect(supply).toBeGreaterThan(0n);
    expect(await tokenBalance(plan.addresses.portal)).toBe(supply);
    expect(await read(plan.addresses.portal, portalArtifact.abi, "balance")).toBe(supply);
    expect(await tokenBalance(plan.addresses.registry)).toBe(l2.genesis.validators.totalStake);
    const total = parseEther("1000000000");
    expect(await tokenBalance(DEPLOYER)).toBe(total - supply - l2.genesis.validators.totalStake);
  });

  it("a second run sends nothing", async () => {
    const nonce = await client.getTransactionCount({ address: DEPLOYER });
    await deploy(client, options());
    expect(await client.getTransactionCount({ address: DEPLOYER })).toBe(nonce);
    expect(findPlan(DEPLOYER, bytesToHex(l2.genesis.l1!.token))).toEqual(plan);
    expect(findPlan(OWNER, bytesToHex(l2.genesis.l1!.token))).toBeUndefined();
  });

  it("is refused for another L2, another account, and an L1 that is younger", async () => {
    const other = { ...l2, outputRoot: new Uint8Array(32).fill(7) };
    await expect(deploy(client, { ...options(), l2: other })).rejects.toThrow(/the output of L2's genesis is 0x/);
    const stranger = { ...plan, deployer: OWNER };
    await expect(deploy(client, { ...options(), plan: stranger })).rejects.toThrow(/are 0x\w+'s to deploy, not/);
    const later = planDeployment(DEPLOYER, endNonce(plan) + 5);
    await expect(deploy(client, { ...options(), plan: later })).rejects.toThrow(/L1 lacks transactions of/);
  });

  it("can be initialized by nobody again", async () => {
    const { addresses } = plan;
    for (const address of [addresses.portal, addresses.portalCode]) {
      const call = client.simulateContract({
        address,
        abi: portalArtifact.abi,
        functionName: "initialize",
        args: [0n],
        account: OWNER,
      });
      await expect(call).rejects.toThrow("InvalidInitialization");
    }
    for (const address of [addresses.l1Messenger, addresses.l1MessengerCode]) {
      const args = [OWNER, OWNER, OWNER];
      const call = client.simulateContract({ address, abi: messengerArtifact.abi, functionName: "initialize", args });
      await expect(call).rejects.toThrow("already initialized");
    }
  });

  it("a portal without L2's supply never comes to be", async () => {
    const { addresses } = plan;
    const steps = deploymentTransactions(plan, SETTINGS, l2);
    const creation = steps.find(({ step }) => step === "portal")!;
    const call = client.call({ account: OWNER, data: creation.data, gas: 5_000_000n });
    await expect(call).rejects.toThrow();
    expect(addresses.portal).toBe(getContractAddress({ from: DEPLOYER, nonce: BigInt(creation.nonce) }));
  });

  it("is upgraded by the timelock alone, after its delay", async () => {
    const { addresses } = plan;
    const slot = "0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103";
    const admin = `0x${(await client.getStorageAt({ address: addresses.portal, slot }))!.slice(26)}` as Address;
    const abi = [
      { type: "function", name: "owner", inputs: [], outputs: [{ type: "address" }], stateMutability: "view" },
      {
        type: "function",
        name: "upgradeAndCall",
        inputs: [{ type: "address" }, { type: "address" }, { type: "bytes" }],
        outputs: [],
        stateMutability: "payable",
      },
    ] as const;
    expect(await read(admin, abi, "owner")).toBe(addresses.timelock);
    const code = await deployContract(client, portalArtifact as never, [addresses.token, addresses.oracle, OWNER]);
    const data = encodeFunctionData({ abi, functionName: "upgradeAndCall", args: [addresses.portal, code, "0x"] });
    await expect(client.call({ account: OWNER, to: admin, data })).rejects.toThrow();
    const timelock = { address: addresses.timelock, abi: timelockArtifact.abi as Abi, account: ANVIL_ACCOUNTS[1]! };
    const operation = [admin, 0n, data, zeroHash, zeroHash];
    await expect(
      client.simulateContract({ ...timelock, functionName: "schedule", args: [...operation, 999n] }),
    ).rejects.toThrow("TimelockInsufficientDelay");
    const snapshot = await client.snapshot();
    await mined(await client.writeContract({ ...timelock, functionName: "schedule", args: [...operation, 1_000n] }));
    const execute = { ...timelock, functionName: "execute", args: operation };
    await expect(client.simulateContract(execute)).rejects.toThrow("TimelockUnexpectedOperationState");
    await client.increaseTime({ seconds: 1_001 });
    await client.mine({ blocks: 1 });
    expect((await mined(await client.writeContract(execute))).status).toBe("success");
    expect(await read(addresses.portal, portalArtifact.abi, "systemConfig")).toBe(OWNER);
    await client.revert({ id: snapshot });
  });

  it("lets the guardian pause and nothing more, and the owner only through the timelock", async () => {
    const config = { address: plan.addresses.systemConfig, abi: configArtifact.abi as Abi };
    const as = (account: Address, functionName: string, args: readonly unknown[]) =>
      client.simulateContract({ ...config, account, functionName, args });
    await expect(as(GUARDIAN, "pause", ["trouble"])).resolves.toBeDefined();
    await expect(as(GUARDIAN, "setReleaseLimit", [1n, 1n])).rejects.toThrow("NotOwner");
    await expect(as(GUARDIAN, "setGuardian", [OWNER])).rejects.toThrow("NotOwner");
    await expect(as(OWNER, "pause", ["trouble"])).rejects.toThrow("NotGuardian");
    await expect(as(OWNER, "setGuardian", [OWNER])).rejects.toThrow("NotOwner");
    await expect(as(plan.addresses.timelock, "setGuardian", [OWNER])).resolves.toBeDefined();
    await expect(as(plan.addresses.timelock, "setReleaseLimit", [0n, 1n])).rejects.toThrow("InvalidReleaseLimit");
  });
});

describe("OP's standard bridge on top of it", () => {
  const bridge = () => ({ address: plan.addresses.l1StandardBridge, abi: bridgeArtifact.abi as Abi });

  it("takes another ERC-20 and demands the message of L2, as the messenger's alias", async () => {
    const other = await deployContract(client, tokenArtifact as never, [DEPLOYER]);
    const approve = { address: other, abi: tokenArtifact.abi, functionName: "approve" } as const;
    await mined(await client.writeContract({ ...approve, args: [bridge().address, 500n] }));
    const args = [other, OWNER, 500n, 100_000, "0x"];
    const receipt = await mined(await client.writeContract({ ...bridge(), functionName: "bridgeERC20", args }));
    expect(receipt.status).toBe("success");
    expect(await read(other, tokenArtifact.abi, "balanceOf", [bridge().address])).toBe(500n);
    const [deposit] = parseEventLogs({
      abi: portalArtifact.abi as Abi,
      eventName: "TransactionDeposited",
      logs: receipt.logs,
    }) as unknown as { args: { from: Hex; to: Hex } }[];
    const alias = bytesToHex(aliasAddress(hexToBytes(plan.addresses.l1Messenger)));
    expect(deposit!.args.from.toLowerCase()).toBe(alias);
    expect(deposit!.args.to).toBe("0x4200000000000000000000000000000000000007");
  });

  it("refuses ETH with a clear error", async () => {
    const call = { ...bridge(), functionName: "bridgeETH", args: [100_000, "0x"], value: 1n };
    await expect(client.simulateContract(call)).rejects.toThrow("cannot bridge ETH with custom gas token");
    const messenger = { address: plan.addresses.l1Messenger, abi: messengerArtifact.abi as Abi };
    const message = { ...messenger, functionName: "sendMessage", args: [OWNER, "0x", 0], value: 1n };
    await expect(client.simulateContract(message)).rejects.toThrow("cannot send value with custom gas token");
  });
});
