/** One devnet for all tools, with a Datanet, a contribution, a model on it and a host that serves it. */
import {
  type Account,
  type Chain,
  createPublicClient,
  createWalletClient,
  defineChain,
  erc20Abi,
  type Hex,
  http,
  type PublicClient,
  parseAbi,
  parseEther,
  type Transport,
  type WalletClient,
} from "viem";
import type { HDAccount } from "viem/accounts";
import { bytesToHex } from "../../../core/bytes.ts";
import { contentRoot } from "../../../core/content.ts";
import { devnetAccount, privateKeyOf } from "../../../node/accounts.ts";
import { attributionAbi } from "../../../precompiles/interfaces/attribution.abi.ts";
import { datanetAbi } from "../../../precompiles/interfaces/datanet.abi.ts";
import { modelsAbi } from "../../../precompiles/interfaces/models.abi.ts";
import { type Devnet, startDevnet, temporaryDirectory } from "../../helpers/devnet-process.ts";
import { commitmentOf, modelArgs, revealArgs } from "../../helpers/precompile-story.ts";
import { type CompiledContract, compileSolidity } from "../../helpers/solidity.ts";

export const DATANET = { address: "0x0000000000000000000000000000000000000901", abi: datanetAbi } as const;
export const MODELS = { address: "0x0000000000000000000000000000000000000902", abi: modelsAbi } as const;
export const ATTRIBUTION = { address: "0x0000000000000000000000000000000000000903", abi: attributionAbi } as const;
export const askerAbi = [
  ...parseAbi([
    "function ask(uint256 modelId, address host, bytes32 requestRoot, uint32 requestBytes) payable returns (uint256)",
    "function licenceOf(uint256 datanetId) view returns (uint8)",
    "function balance() view returns (uint256)",
    "event Asked(uint256 indexed inferenceId)",
  ]),
  // Errors of precompiles come through unchanged.
  ...datanetAbi.filter((item) => item.type === "error"),
] as const;

/** OpenZeppelin's ERC-20, and mint, which emits a Transfer for each holder: events of one block that a filter must part. */
export const tokenAbi = [...erc20Abi, ...parseAbi(["function mint(address[] holders, uint256 amount)"])] as const;

/** Each tool has a sender of its own, so that their nonces do not meet. */
const ACCOUNTS = { owner: 0, recipient: 1, viem: 2, types: 3, delegator: 4, ethers: 5, cast: 6, watcher: 7 } as const;

export const CONTENT = new TextEncoder().encode("Who contributed what, and what became of it. ".repeat(20));
export const CONTENT_ROOT: Hex = bytesToHex(contentRoot(CONTENT));
export const POLLING_MS = 50;

export interface User {
  readonly account: HDAccount;
  readonly address: Hex;
  readonly key: Hex;
  readonly wallet: WalletClient<Transport, Chain, Account>;
}

export interface ToolNetwork {
  readonly node: Devnet;
  readonly directory: string;
  readonly rpcUrl: string;
  readonly wsUrl: string;
  /** network.json as it is. */
  readonly chain: Chain;
  readonly client: PublicClient<Transport, Chain>;
  readonly token: CompiledContract;
  readonly asker: CompiledContract;
  /** A Datanet under CC-BY-4.0 with one accepted contribution, CONTENT. */
  readonly datanetId: bigint;
  readonly contributionId: bigint;
  readonly modelId: bigint;
  user(name: keyof typeof ACCOUNTS): User;
  stop(): Promise<void>;
}

export async function startToolNetwork(): Promise<ToolNetwork> {
  const temporary = temporaryDirectory();
  const starting = startDevnet(temporary.path);
  const token = compileSolidity("contracts/examples/Token.sol", "Token");
  const asker = compileSolidity("contracts/examples/Asker.sol", "Asker");
  const node = await starting;
  const chain: Chain = defineChain(node.network);
  const client = createPublicClient({ chain, transport: http(), pollingInterval: POLLING_MS });
  const users = new Map<string, User>();
  const user = (name: keyof typeof ACCOUNTS): User => {
    const known = users.get(name);
    if (known !== undefined) return known;
    const account = devnetAccount(ACCOUNTS[name]);
    const wallet = createWalletClient({ chain, transport: http(), account });
    const made = { account, address: account.address, key: privateKeyOf(account), wallet };
    users.set(name, made);
    return made;
  };
  const stop = async () => {
    await node.stop("SIGKILL");
    temporary.remove();
  };
  const story = await tellStory(client, user("owner")).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return {
    node,
    directory: temporary.path,
    rpcUrl: node.rpcUrl,
    wsUrl: chain.rpcUrls.default.webSocket?.[0] as string,
    chain,
    client,
    token,
    asker,
    ...story,
    user,
    stop,
  };
}

async function tellStory(client: PublicClient<Transport, Chain>, { account, address, wallet }: User) {
  const mined = async (sent: Promise<Hex>) => {
    const receipt = await client.waitForTransactionReceipt({ hash: await sent });
    if (receipt.status !== "success") throw new Error(`${receipt.transactionHash} failed`);
  };
  const { request: create, result: datanetId } = await client.simulateContract({
    ...DATANET,
    account,
    functionName: "createDatanet",
    args: ["Tools", "language", "ipfs://tools", 0, 7, 0, 0n],
  });
  await mined(wallet.writeContract(create));
  await commit(client, { account, wallet, address }, datanetId);
  const { request: reveal, result: contributionId } = await client.simulateContract({
    ...DATANET,
    account,
    functionName: "submitContribution",
    args: reveals(datanetId),
    // In the environment of the next block, where the commitment is old enough.
    blockTag: "pending",
  });
  await mined(wallet.writeContract(reveal));
  await mined(wallet.writeContract({ ...DATANET, functionName: "acceptContribution", args: [contributionId, 9_000] }));
  await mined(wallet.writeContract({ ...DATANET, functionName: "publishVersion", args: [datanetId] }));
  const { request: register, result: modelId } = await client.simulateContract({
    ...MODELS,
    account,
    functionName: "registerModel",
    args: modelArgs({ data: [{ datanetId, version: 1 }] }) as never,
  });
  await mined(wallet.writeContract(register));
  await mined(wallet.writeContract({ ...MODELS, functionName: "joinAsHost", args: [modelId, "http://127.0.0.1:1"] }));
  await mined(wallet.writeContract({ ...ATTRIBUTION, functionName: "depositStake", value: parseEther("100") }));
  return { datanetId, contributionId, modelId };
}

/** Commits to CONTENT, so that `reveals(datanetId)` can follow in the next block. */
export async function commit(
  client: PublicClient<Transport, Chain>,
  { wallet, address }: Pick<User, "account" | "wallet" | "address">,
  datanetId: bigint,
): Promise<void> {
  const args = [datanetId, commitmentOf(datanetId, address, CONTENT_ROOT, revealArgs(datanetId, CONTENT)[6] as Hex)];
  const hash = await wallet.writeContract({ ...DATANET, functionName: "commitContribution", args: args as never });
  await client.waitForTransactionReceipt({ hash });
}

export const reveals = (datanetId: bigint) =>
  revealArgs(datanetId, CONTENT) as [bigint, Hex, bigint, string, number, bigint[], Hex];
