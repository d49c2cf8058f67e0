/** A real L1 with all contracts of a network, which mines when it is told to, and what is asked of it block by block. */
import {
  type Abi,
  type Address,
  encodeFunctionData,
  hexToBytes as fromHex,
  type Hex,
  hexToBigInt,
  maxUint256,
  toHex,
} from "viem";
import { outputRoot } from "../../bridge/output.ts";
import portalArtifact from "../../contracts/artifacts/OpenLedgerPortal.json" with { type: "json" };
import tokenArtifact from "../../contracts/artifacts/OpenToken.json" with { type: "json" };
import { bytesToHex } from "../../core/bytes.ts";
import { validatorSet } from "../../core/validators.ts";
import { memoryStore } from "../../execution/state/memory-store.ts";
import { buildGenesisBlock } from "../../node/genesis-block.ts";
import { deploy } from "../../node/l1/deploy.ts";
import { type DeploymentSettings, planDeployment } from "../../node/l1/deployment-plan.ts";
import { contract, rich, testGenesis } from "../../node/testing/world.ts";
import { ANVIL_ACCOUNTS, type Anvil, deployContract, startAnvil } from "../helpers/anvil.ts";
import { EPOCH_BLOCKS, L1_CHAIN_ID, type TestL1, VALIDATORS } from "../helpers/l1-world.ts";
import { compileSolidity } from "../helpers/solidity.ts";
import type { ModelRules } from "./model.ts";

const OPEN = 10n ** 18n;
const BLOCK_SECONDS = 12;
const FINALITY_DEPTH = 2;
/** Of L2, at genesis. */
export const L2_ACCOUNTS = 5;
const L2_BALANCE = 1_000n * OPEN;
const L1_BALANCE = 1_000_000n * OPEN;
/** On L2 from its beginning: one that takes every call, and one that takes none. */
export const L2_ACCEPTING = new Uint8Array(20).fill(0xac);
export const L2_REVERTING = new Uint8Array(20).fill(0xde);

export const [DEPLOYER, POSTER, STRANGER, ...HOLDERS] = ANVIL_ACCOUNTS.map(({ address }) => address) as [
  Address,
  Address,
  Address,
  ...Address[],
];

const SETTINGS: DeploymentSettings = {
  owner: DEPLOYER,
  guardian: DEPLOYER,
  timelockSeconds: 1_000n,
  finalizationSeconds: 60n,
  submissionInterval: 3n,
  l2BlockSeconds: 1n,
  releaseLimitWei: 20n * OPEN,
  releaseWindowSeconds: 600n,
  minimumStakeWei: 1n,
  evidenceSeconds: 200n,
  slashedPpm: 500_000,
  reporterPpm: 100_000,
  treasury: "0x000000000000000000000000000000000000dEaD",
};

export interface L1Transaction {
  readonly from: Address;
  readonly to: Address;
  readonly data: Hex;
  readonly value?: bigint;
  readonly gas: bigint;
}

export interface RpcLog {
  readonly address: Hex;
  readonly topics: readonly Hex[];
  readonly data: Hex;
  readonly blockHash: Hex;
  readonly logIndex: Hex;
}

export interface MinedTransaction {
  readonly from: Hex;
  readonly to: Hex | null;
  readonly input: Hex;
  readonly isSuccess: boolean;
  readonly logs: readonly RpcLog[];
}

export interface MinedBlock {
  readonly number: bigint;
  readonly timestamp: bigint;
  readonly transactions: readonly MinedTransaction[];
}

interface RpcBlock {
  readonly number: Hex;
  readonly timestamp: Hex;
  readonly transactions: readonly { readonly from: Hex; readonly to: Hex | null; readonly input: Hex }[];
}

interface RpcReceipt {
  readonly status: Hex;
  readonly logs: readonly RpcLog[];
}

/** In lower case, as logs have them. */
export interface Contracts {
  readonly portal: Address;
  readonly token: Address;
  readonly oracle: Address;
  readonly inbox: Address;
  readonly systemConfig: Address;
  readonly depositor: Address;
  readonly rejecting: Address;
  readonly callingBack: Address;
}

/** An L1 that this process asks and changes alone. */
export class BridgedL1 {
  readonly world: TestL1;
  readonly contracts: Contracts;
  readonly rules: ModelRules;
  /** Accounts that have OPEN of their own, in lower case. */
  readonly holders: ReadonlySet<string> = new Set(HOLDERS.map((holder) => holder.toLowerCase()));
  readonly #anvil: Anvil;
  readonly #readings: readonly object[];

  private constructor(world: TestL1, contracts: Contracts, rules: ModelRules) {
    this.world = world;
    this.contracts = contracts;
    this.rules = rules;
    this.#anvil = world.anvil;
    const { portal, token } = contracts;
    const balance = encodeFunctionData({ abi: portalArtifact.abi as Abi, functionName: "balance" });
    const held = encodeFunctionData({ abi: tokenArtifact.abi as Abi, functionName: "balanceOf", args: [portal] });
    this.#readings = [
      { method: "eth_call", params: [{ to: portal, data: balance }, "latest"] },
      { method: "eth_call", params: [{ to: token, data: held }, "latest"] },
    ];
  }

  static async start(): Promise<BridgedL1> {
    const args = [
      "--slots-in-an-epoch",
      "1",
      "--timestamp",
      "1700000000",
      "--order",
      "fifo",
      "--gas-limit",
      "60000000",
    ];
    const anvil = await startAnvil({ args });
    try {
      return await BridgedL1.#deploy(anvil);
    } catch (error) {
      await anvil.stop();
      throw error;
    }
  }

  static async #deploy(anvil: Anvil): Promise<BridgedL1> {
    const { client } = anvil;
    const plan = planDeployment(DEPLOYER, 0);
    const origin = await client.getBlock();
    const genesis = genesisOf(plan, { number: origin.number, hash: origin.hash, timestamp: origin.timestamp });
    const { header, hash } = buildGenesisBlock(genesis, memoryStore()).block;
    const root = outputRoot(header, hash);
    await deploy(client, { plan, settings: SETTINGS, l2: { genesis, validators: VALIDATORS, outputRoot: root } });
    const lower = (address: Address) => address.toLowerCase() as Address;
    const [portal, token] = [lower(plan.addresses.portal), lower(plan.addresses.token)];
    const actor = async (name: string, args: readonly Address[] = []) => {
      return lower(await deployContract(client, compileSolidity("test/invariants/Actors.sol", name), args));
    };
    const contracts: Contracts = {
      portal,
      token,
      oracle: lower(plan.addresses.oracle),
      inbox: lower(plan.addresses.inbox),
      systemConfig: lower(plan.addresses.systemConfig),
      depositor: await actor("Depositor", [token, portal]),
      rejecting: await actor("Rejecting"),
      callingBack: await actor("CallingBack", [token, portal]),
    };
    for (const holder of [...HOLDERS, contracts.depositor]) {
      await callToken(anvil, token, DEPLOYER, "transfer", [holder, L1_BALANCE]);
    }
    for (const holder of HOLDERS) await callToken(anvil, token, holder, "approve", [portal, maxUint256]);
    await client.setAutomine(false);
    await client.setBlockTimestampInterval({ interval: BLOCK_SECONDS });
    const rules: ModelRules = {
      genesisSupplyWei: BigInt(L2_ACCOUNTS) * L2_BALANCE,
      genesisOutput: bytesToHex(root),
      periodSeconds: SETTINGS.finalizationSeconds,
      submissionInterval: SETTINGS.submissionInterval,
      epochBlocks: BigInt(EPOCH_BLOCKS),
      releaseLimitWei: SETTINGS.releaseLimitWei,
      releaseWindowSeconds: SETTINGS.releaseWindowSeconds,
      refusedTargets: [portal, token],
    };
    const world: TestL1 = {
      anvil,
      portal,
      inbox: contracts.inbox,
      genesis,
      l1: genesis.l1!,
      deposit: () => Promise.reject(new Error("deposits are actions of the ledger here")),
      mine: (blocks = 1) => client.mine({ blocks }),
      reorg: (depth) => client.request({ method: "anvil_reorg", params: [depth, []] } as never),
    };
    return new BridgedL1(world, contracts, rules);
  }

  /** Mines these, in this order, into one block. */
  async mine(transactions: readonly L1Transaction[]): Promise<MinedBlock> {
    for (const transaction of transactions) await this.#request("eth_sendTransaction", [requestOf(transaction)]);
    await this.#request("evm_mine", []);
    return this.#block("latest");
  }

  /** Replaces the newest blocks by as many others, which have these transactions of the old ones. */
  async reorg(blocks: readonly (readonly L1Transaction[])[]): Promise<MinedBlock[]> {
    const pairs = blocks.flatMap((transactions, index) => transactions.map((tx) => [requestOf(tx), index]));
    await this.#request("anvil_reorg", [blocks.length, pairs]);
    const head = hexToBigInt((await this.#request("eth_blockNumber", [])) as Hex);
    const numbers = blocks.map((_, index) => head - BigInt(blocks.length - 1 - index));
    const mined: MinedBlock[] = [];
    for (const number of numbers) mined.push(await this.#block(toHex(number)));
    return mined;
  }

  /** What the portal says that it has, and what it has. */
  async read(): Promise<{ readonly portalBalanceWei: bigint; readonly tokenBalanceWei: bigint }> {
    const [balance, held] = (await this.#batch(this.#readings)) as [Hex, Hex];
    return { portalBalanceWei: hexToBigInt(balance), tokenBalanceWei: hexToBigInt(held) };
  }

  async balancesOf(holders: readonly Address[]): Promise<bigint[]> {
    const { token } = this.contracts;
    const balances: bigint[] = [];
    for (let at = 0; at < holders.length; at += 200) {
      const calls = holders.slice(at, at + 200).map((holder) => {
        const data = encodeFunctionData({ abi: tokenArtifact.abi as Abi, functionName: "balanceOf", args: [holder] });
        return { method: "eth_call", params: [{ to: token, data }, "latest"] };
      });
      balances.push(...((await this.#batch(calls)) as Hex[]).map((answer) => hexToBigInt(answer)));
    }
    return balances;
  }

  async stop(): Promise<void> {
    await this.#anvil.stop();
  }

  async #block(tag: string): Promise<MinedBlock> {
    const [block, receipts] = (await this.#batch([
      { method: "eth_getBlockByNumber", params: [tag, true] },
      { method: "eth_getBlockReceipts", params: [tag] },
    ])) as [RpcBlock, RpcReceipt[]];
    return {
      number: hexToBigInt(block.number),
      timestamp: hexToBigInt(block.timestamp),
      transactions: block.transactions.map(({ from, to, input }, index) => {
        const { status, logs } = receipts[index]!;
        return { from, to, input, isSuccess: status === "0x1", logs };
      }),
    };
  }

  #request(method: string, params: readonly unknown[]): Promise<unknown> {
    return this.#anvil.client.request({ method, params } as never);
  }

  /** One round trip. The answers may be of any order of execution: for reading only. */
  async #batch(calls: readonly object[]): Promise<unknown[]> {
    const body = JSON.stringify(calls.map((call, id) => ({ jsonrpc: "2.0", id, ...call })));
    const headers = { "content-type": "application/json" };
    const response = await fetch(this.#anvil.url, { method: "POST", headers, body });
    const answers = (await response.json()) as { id: number; result?: unknown; error?: unknown }[];
    return answers
      .sort((a, b) => a.id - b.id)
      .map(({ result, error }) => {
        if (error !== undefined) throw new Error(`L1 refuses a request: ${JSON.stringify(error)}`);
        return result;
      });
  }
}

const requestOf = ({ from, to, data, value = 0n, gas }: L1Transaction) => ({
  from,
  to,
  data,
  value: toHex(value),
  gas: toHex(gas),
});

async function callToken(anvil: Anvil, token: Address, from: Address, functionName: string, args: readonly unknown[]) {
  const data = encodeFunctionData({ abi: tokenArtifact.abi as Abi, functionName, args });
  const account = ANVIL_ACCOUNTS.find(({ address }) => address === from)!;
  const hash = await anvil.client.sendTransaction({ account, to: token, data });
  return anvil.client.waitForTransactionReceipt({ hash });
}

function genesisOf(
  plan: ReturnType<typeof planDeployment>,
  origin: { readonly number: bigint; readonly hash: Hex; readonly timestamp: bigint },
) {
  const { addresses } = plan;
  return testGenesis(
    [
      ...Array.from({ length: L2_ACCOUNTS }, (_, index) => rich(index, { balance: L2_BALANCE })),
      contract(L2_ACCEPTING, Uint8Array.of(0)),
      contract(L2_REVERTING, Uint8Array.of(0x5f, 0x5f, 0xfd)),
    ],
    {
      timestamp: origin.timestamp,
      gasLimit: 30_000_000n,
      validators: validatorSet(VALIDATORS.map(({ address, publicKey, stake }) => ({ address, publicKey, stake }))),
      consensus: { epochBlocks: EPOCH_BLOCKS },
      l1: {
        chainId: L1_CHAIN_ID,
        portal: fromHex(addresses.portal),
        oracle: fromHex(addresses.oracle),
        inbox: fromHex(addresses.inbox),
        registry: fromHex(addresses.registry),
        token: fromHex(addresses.token),
        systemConfig: fromHex(addresses.systemConfig),
        l1StandardBridge: fromHex(addresses.l1StandardBridge),
        l1Messenger: fromHex(addresses.l1Messenger),
        origin: { ...origin, hash: fromHex(origin.hash) },
        finality: { depth: FINALITY_DEPTH },
        maxDriftSeconds: 100_000,
      },
    },
  );
}
