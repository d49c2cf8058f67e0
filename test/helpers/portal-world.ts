/**
 * The portal on a real L1, beside the one that the OP Stack publishes: both with OPEN as L2's coin, the same oracle (OP's
 * L2OutputOracle, whose proposer may say anything) and the same configuration. L2 is a trie of messages.
 */

import opOracleArtifact from "@eth-optimism/contracts-bedrock/forge-artifacts/L2OutputOracle.sol/L2OutputOracle.json" with {
  type: "json",
};
import opPortalArtifact from "@eth-optimism/contracts-bedrock/forge-artifacts/OptimismPortal.sol/OptimismPortal.json" with {
  type: "json",
};
import { createMerkleProof, createMPT, type MerklePatriciaTrie } from "@ethereumjs/mpt";
import {
  type Abi,
  type Address,
  concatHex,
  encodeFunctionData,
  getContractAddress,
  type Hex,
  keccak256,
  parseEther,
} from "viem";
import { messageNonce, withdrawalHash, withdrawalSlot } from "../../bridge/output.ts";
import portalArtifact from "../../contracts/artifacts/OpenLedgerPortal.json" with { type: "json" };
import tokenArtifact from "../../contracts/artifacts/OpenToken.json" with { type: "json" };
import configArtifact from "../../contracts/artifacts/SystemConfig.json" with { type: "json" };
import proxyArtifact from "../../contracts/artifacts/TransparentUpgradeableProxy.json" with { type: "json" };
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import { MULTICALL3_ADDRESS, PREDEPLOYS } from "../../genesis/predeploys.ts";
import { ANVIL_ACCOUNTS, type Anvil, type AnvilClient, deployContract, startAnvil } from "./anvil.ts";

export const PERIOD_SECONDS = 100;
export const SUPPLY = parseEther("100000");
export const RELEASE_LIMIT = parseEther("1000");
export const RELEASE_WINDOW = 1_000;
/** OP's begins at 1 gwei. */
const RESOURCES = {
  maxResourceLimit: 14_000_000,
  elasticityMultiplier: 10,
  baseFeeMaxChangeDenominator: 8,
  minimumBaseFee: 1_000_000_000,
  systemTxMaxGas: 1_000_000,
  maximumBaseFee: 2n ** 128n - 1n,
};

export const [HOLDER, GUARDIAN, OWNER, STRANGER] = ANVIL_ACCOUNTS.map(({ address }) => address) as [
  Address,
  Address,
  Address,
  Address,
];

export interface Contract {
  readonly address: Address;
  readonly abi: Abi;
}

/** As `MessagePassed` says it. */
export interface TestWithdrawal {
  readonly nonce: bigint;
  readonly sender: Address;
  readonly target: Address;
  readonly value: bigint;
  readonly gasLimit: bigint;
  readonly data: Hex;
}

export interface OutputRootProof {
  readonly version: Hex;
  readonly stateRoot: Hex;
  readonly messagePasserStorageRoot: Hex;
  readonly latestBlockhash: Hex;
}

export const hashOf = (withdrawal: TestWithdrawal): Hex =>
  bytesToHex(
    withdrawalHash({
      ...withdrawal,
      sender: hexToBytes(withdrawal.sender),
      target: hexToBytes(withdrawal.target),
      valueWei: withdrawal.value,
      data: hexToBytes(withdrawal.data),
    }),
  );

const trieKey = (hash: Hex): Uint8Array => hexToBytes(keccak256(withdrawalSlot(hexToBytes(hash))));

/** The messages that L2 sent, and outputs of it. */
export class Messages {
  private readonly trie: MerklePatriciaTrie;
  private counter = 0n;
  private block = 0n;

  private constructor(trie: MerklePatriciaTrie) {
    this.trie = trie;
  }

  static async create(): Promise<Messages> {
    return new Messages(await createMPT());
  }

  async send(parts: Partial<TestWithdrawal> = {}): Promise<TestWithdrawal> {
    const withdrawal = {
      nonce: messageNonce(this.counter++),
      sender: STRANGER,
      target: STRANGER,
      value: 1_000n,
      gasLimit: 100_000n,
      data: "0x",
      ...parts,
    } as const;
    await this.trie.put(trieKey(hashOf(withdrawal)), Uint8Array.of(1));
    return withdrawal;
  }

  /** The output of a next block: its root's parts. */
  output(): OutputRootProof {
    this.block += 1n;
    return {
      version: `0x${"00".repeat(32)}`,
      stateRoot: keccak256(`0x${this.block.toString(16).padStart(64, "0")}`),
      messagePasserStorageRoot: bytesToHex(this.trie.root()),
      latestBlockhash: keccak256(`0x${this.block.toString(16).padStart(62, "0")}ff`),
    };
  }

  /** As `eth_getProof` gives it: nodes of fewer than 32 bytes are only inside of their parents. */
  async proof(withdrawal: TestWithdrawal): Promise<readonly Hex[]> {
    const nodes = await createMerkleProof(this.trie, trieKey(hashOf(withdrawal)));
    return nodes.filter((node, depth) => depth === 0 || node.length >= 32).map(bytesToHex);
  }
}

export const rootOf = (proof: OutputRootProof): Hex =>
  keccak256(concatHex([proof.version, proof.stateRoot, proof.messagePasserStorageRoot, proof.latestBlockhash]));

export class PortalWorld {
  readonly anvil: Anvil;
  readonly client: AnvilClient;
  readonly token: Contract;
  readonly oracle: Contract;
  readonly config: Contract;
  readonly ours: Contract;
  readonly theirs: Contract;
  readonly messages: Messages;

  private constructor(
    anvil: Anvil,
    contracts: Record<"token" | "oracle" | "config" | "ours" | "theirs", Contract>,
    messages: Messages,
  ) {
    this.anvil = anvil;
    this.client = anvil.client;
    this.messages = messages;
    this.token = contracts.token;
    this.oracle = contracts.oracle;
    this.config = contracts.config;
    this.ours = contracts.ours;
    this.theirs = contracts.theirs;
  }

  static async start(): Promise<PortalWorld> {
    const anvil = await startAnvil();
    const { client } = anvil;
    const multicall = PREDEPLOYS.find(({ address }) => bytesToHex(address) === MULTICALL3_ADDRESS);
    await client.setCode({ address: MULTICALL3_ADDRESS, bytecode: bytesToHex(multicall!.code) });
    const deploy = (artifact: { abi: unknown; bytecode: unknown }, args: readonly unknown[] = []) =>
      deployContract(client, artifact as { abi: Abi; bytecode: Hex }, args);
    const op = (artifact: { abi: unknown; bytecode: { object: string } }) =>
      ({ abi: artifact.abi as Abi, bytecode: artifact.bytecode.object as Hex }) as const;
    const proxied = async (implementation: Address, abi: Abi, args: readonly unknown[]): Promise<Contract> => {
      const data = encodeFunctionData({ abi, functionName: "initialize", args });
      return { address: await deploy(proxyArtifact, [implementation, OWNER, data]), abi };
    };
    const token = { address: await deploy(tokenArtifact, [HOLDER]), abi: tokenArtifact.abi as Abi };
    const oracle = await proxied(await deploy(op(opOracleArtifact)), opOracleArtifact.abi as Abi, [
      1n,
      1n,
      0n,
      0n,
      HOLDER,
      GUARDIAN,
      BigInt(PERIOD_SECONDS),
    ]);
    const config = await proxied(await deploy(configArtifact, [token.address]), configArtifact.abi as Abi, [
      OWNER,
      GUARDIAN,
      30_000_000n,
      RESOURCES,
      RELEASE_LIMIT,
      BigInt(RELEASE_WINDOW),
    ]);
    const code = await deploy(portalArtifact, [token.address, oracle.address, config.address]);
    // Of the transaction after the transfer.
    const nonce = BigInt(await client.getTransactionCount({ address: HOLDER })) + 1n;
    const args = [getContractAddress({ from: HOLDER, nonce }), SUPPLY];
    await client.waitForTransactionReceipt({
      hash: await client.writeContract({ ...token, functionName: "transfer", args }),
    });
    // With the errors that pass through.
    const errors = token.abi.filter(({ type }) => type === "error");
    const ours = await proxied(code, [...(portalArtifact.abi as Abi), ...errors], [SUPPLY]);
    const theirs = await proxied(await deploy(op(opPortalArtifact)), opPortalArtifact.abi as Abi, [
      oracle.address,
      config.address,
      config.address,
    ]);
    return new PortalWorld(anvil, { token, oracle, config, ours, theirs }, await Messages.create());
  }

  read<T>(contract: Contract, functionName: string, args: readonly unknown[] = []): Promise<T> {
    return this.client.readContract({ ...contract, functionName, args }) as Promise<T>;
  }

  /** Sends without estimating, so that what fails is mined; "success" or "reverted", and the logs. */
  async write(contract: Contract, functionName: string, args: readonly unknown[], options: WriteOptions = {}) {
    const { from = HOLDER, value = 0n, gas = 20_000_000n } = options;
    const data = encodeFunctionData({ abi: contract.abi, functionName, args });
    await this.client.impersonateAccount({ address: from });
    const hash = await this.client.sendTransaction({ account: from, to: contract.address, data, value, gas });
    return this.client.waitForTransactionReceipt({ hash });
  }

  /** Why it reverts: the name of an error, or the string of Error(string); undefined when it does not. */
  async refusal(
    contract: Contract,
    functionName: string,
    args: readonly unknown[],
    { from = HOLDER, value = 0n }: WriteOptions = {},
  ): Promise<string | undefined> {
    try {
      await this.client.simulateContract({ ...contract, functionName, args, account: from, value, gas: 20_000_000n });
      return undefined;
    } catch (error) {
      const { data, reason } = (error as { cause: { data?: { errorName: string }; reason?: string } }).cause;
      return reason ?? data?.errorName ?? String(error);
    }
  }

  /** Gives its index and parts. The oracle takes outputs of consecutive blocks, which have passed by L1's clock. */
  async propose(output = this.messages.output()): Promise<{ index: bigint; output: OutputRootProof }> {
    const index = await this.read<bigint>(this.oracle, "nextOutputIndex");
    const block = await this.read<bigint>(this.oracle, "nextBlockNumber");
    const args = [rootOf(output), block, `0x${"00".repeat(32)}`, 0n];
    const { status } = await this.write(this.oracle, "proposeL2Output", args);
    if (status !== "success") throw new Error("the oracle refuses the output");
    return { index, output };
  }

  /** Proves it against a new output, without which the withdrawal is known to nobody on L1. */
  async prove(portal: Contract, withdrawal: TestWithdrawal): Promise<bigint> {
    const { index, output } = await this.propose();
    const proof = await this.messages.proof(withdrawal);
    const { status } = await this.write(portal, "proveWithdrawalTransaction", [withdrawal, index, output, proof]);
    if (status !== "success") throw new Error("the portal refuses the proof");
    return index;
  }

  async pass(seconds: number): Promise<void> {
    await this.client.increaseTime({ seconds });
    await this.client.mine({ blocks: 1 });
  }

  /** Fails with the reason instead of doing nothing. */
  async must(contract: Contract, functionName: string, args: readonly unknown[], options: WriteOptions = {}) {
    const receipt = await this.write(contract, functionName, args, options);
    if (receipt.status === "success") return receipt;
    throw new Error(`${functionName}: ${await this.refusal(contract, functionName, args, options)}`);
  }

  balanceOf(holder: Address): Promise<bigint> {
    return this.read<bigint>(this.token, "balanceOf", [holder]);
  }
}

export interface WriteOptions {
  readonly from?: Address;
  readonly value?: bigint;
  readonly gas?: bigint;
}
