/** The demo's hands: viem clients of the devnet's ten accounts, sending with local nonces so that a block takes many. */
import {
  type Abi,
  type Account,
  type Address,
  BaseError,
  type Chain,
  type ContractFunctionArgs,
  type ContractFunctionName,
  ContractFunctionRevertedError,
  createPublicClient,
  createWalletClient,
  defineChain,
  type Hash,
  http,
  type PublicClient,
  type TransactionReceipt,
  type Transport,
  type WalletClient,
} from "viem";
import { mnemonicToAccount } from "viem/accounts";

const MNEMONIC = "test test test test test test test test test test test junk";

type Mutating<abi extends Abi> = ContractFunctionName<abi, "nonpayable" | "payable">;

export interface Call<abi extends Abi, name extends Mutating<abi>> {
  readonly address: Address;
  readonly abi: abi;
  readonly functionName: name;
  readonly args: ContractFunctionArgs<abi, "nonpayable" | "payable", name>;
  readonly value?: bigint;
}

/** A prefunded account. */
export class Actor {
  readonly address: Address;
  readonly name: string;
  readonly #wallet: WalletClient<Transport, Chain, Account>;
  readonly #client: PublicClient<Transport, Chain>;
  #nonce: number | undefined;

  constructor(name: string, wallet: WalletClient<Transport, Chain, Account>, client: PublicClient<Transport, Chain>) {
    this.name = name;
    this.address = wallet.account.address;
    this.#wallet = wallet;
    this.#client = client;
  }

  /** Sends without waiting for the receipt. Estimation shows a revert before anything is sent. */
  async send<const abi extends Abi, name extends Mutating<abi>>(call: Call<abi, name>): Promise<Hash> {
    this.#nonce ??= await this.#client.getTransactionCount({ address: this.address, blockTag: "pending" });
    const parameters = { ...call, account: this.#wallet.account, chain: this.#wallet.chain } as never;
    const gas = await this.#client.estimateContractGas(parameters);
    const nonce = this.#nonce++;
    // Those sent meanwhile change what this one meets: a tree that grows by a level writes a fresh slot.
    return this.#wallet.writeContract({ ...(parameters as object), nonce, gas: gas * 2n } as never);
  }

  async sendAndWait<const abi extends Abi, name extends Mutating<abi>>(
    call: Call<abi, name>,
  ): Promise<TransactionReceipt> {
    return succeeded(this.#client, await this.send(call));
  }
}

export async function succeeded(client: PublicClient<Transport, Chain>, hash: Hash): Promise<TransactionReceipt> {
  const receipt = await client.waitForTransactionReceipt({ hash, pollingInterval: 100 });
  if (receipt.status !== "success") throw new Error(`transaction ${hash} reverted`);
  return receipt;
}

/** Name and arguments of the custom error that `attempt` must fail with. */
export async function expectRevert(
  attempt: Promise<unknown>,
): Promise<{ readonly name: string; readonly args: readonly unknown[] }> {
  try {
    await attempt;
  } catch (error) {
    const revert =
      error instanceof BaseError ? error.walk((cause) => cause instanceof ContractFunctionRevertedError) : null;
    if (revert instanceof ContractFunctionRevertedError && revert.data !== undefined) {
      return { name: revert.data.errorName, args: revert.data.args ?? [] };
    }
    throw error;
  }
  throw new Error("a call that must revert succeeded");
}

export interface Session {
  readonly client: PublicClient<Transport, Chain>;
  readonly actors: readonly Actor[];
}

export async function openSession(rpcUrl: string): Promise<Session> {
  const transport = http(rpcUrl, { retryCount: 1 });
  const probe = createPublicClient({ transport });
  let id: number;
  try {
    id = await probe.getChainId();
  } catch {
    throw new Error(`no node answers at ${rpcUrl}; start one with npm start`);
  }
  const chain = defineChain({
    id,
    name: "OpenLedger devnet",
    nativeCurrency: { name: "OPEN", symbol: "OPEN", decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  });
  const client = createPublicClient({ chain, transport, pollingInterval: 100 });
  const actors = Array.from({ length: 10 }, (_, addressIndex) => {
    const account = mnemonicToAccount(MNEMONIC, { addressIndex });
    return new Actor(`account ${addressIndex}`, createWalletClient({ account, chain, transport }), client);
  });
  return { client, actors };
}
