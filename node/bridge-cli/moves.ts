/** What moves OPEN between L1 and L2, one function a step, on viem's op-stack actions as they are. */
import {
  type Account,
  type Address,
  type Chain,
  createPublicClient,
  createWalletClient,
  erc20Abi,
  type Hash,
  http,
  parseAbi,
  type TransactionReceipt,
  TransactionReceiptNotFoundError,
} from "viem";
import {
  getL2TransactionHashes,
  getWithdrawals,
  publicActionsL1,
  publicActionsL2,
  walletActionsL1,
  walletActionsL2,
} from "viem/op-stack";
import { OperationError } from "../errors.ts";
import type { BridgedNetwork } from "./chains.ts";

/** What a deposit may use on L2: a transfer to an account, or to a contract that takes money, needs less. */
const DEPOSIT_GAS = 100_000n;
const WITHDRAWAL_GAS = 200_000n;
const POLL_MS = 500;

const portalAbi = parseAbi([
  "function depositERC20Transaction(address _to, uint256 _mint, uint256 _value, uint64 _gasLimit, bool _isCreation, bytes _data)",
]);

export const readers = ({ l1, l2, l1Url, l2Url }: BridgedNetwork) => ({
  l1: createPublicClient({ chain: l1, transport: http(l1Url), pollingInterval: POLL_MS }).extend(publicActionsL1()),
  l2: createPublicClient({ chain: l2, transport: http(l2Url), pollingInterval: POLL_MS }).extend(publicActionsL2()),
});
export type Readers = ReturnType<typeof readers>;

export const writer = <C extends Chain>(chain: C, url: string, account: Account) =>
  createWalletClient({ chain, account, transport: http(url), pollingInterval: POLL_MS });

export interface Deposited {
  readonly l1Hash: Hash;
  readonly l2Hash: Hash;
}

/** Approves what is missing, then deposits. Throws OperationError when the account has too little or L1 refuses. */
export async function deposit(
  network: BridgedNetwork,
  account: Account,
  to: Address,
  amountWei: bigint,
  tell: (line: string) => void,
): Promise<Deposited> {
  const { l1 } = readers(network);
  const wallet = writer(network.l1, network.l1Url, account);
  await allow(network, account, network.portal, amountWei, tell);
  const l1Hash = await wallet.writeContract({
    address: network.portal,
    abi: portalAbi,
    functionName: "depositERC20Transaction",
    args: [to, amountWei, amountWei, DEPOSIT_GAS, false, "0x"],
  });
  const [l2Hash] = getL2TransactionHashes(await succeeded(l1, l1Hash, "deposit"));
  if (l2Hash === undefined) throw new OperationError(`${l1Hash} deposited nothing`);
  return { l1Hash, l2Hash };
}

/**
 * Lets `spender` take OPEN of the account on L1; sends nothing when it may already. Throws OperationError when the account
 * has too little.
 */
export async function allow(
  network: BridgedNetwork,
  account: Account,
  spender: Address,
  amountWei: bigint,
  tell: (line: string) => void,
): Promise<void> {
  const { l1 } = readers(network);
  const token = { address: network.token, abi: erc20Abi } as const;
  const has = await l1.readContract({ ...token, functionName: "balanceOf", args: [account.address] });
  if (has < amountWei)
    throw new OperationError(`${account.address} has ${has} wei of OPEN on L1, ${amountWei} are needed`);
  const allowance = { ...token, functionName: "allowance", args: [account.address, spender] } as const;
  if ((await l1.readContract(allowance)) >= amountWei) return;
  const wallet = writer(network.l1, network.l1Url, account);
  const hash = await wallet.writeContract({ ...token, functionName: "approve", args: [spender, amountWei] });
  await succeeded(l1, hash, "approve");
  tell(`approved ${hash}`);
}

/** Burns on L2. Resolves to the hash that the next steps take. */
export async function withdraw(
  network: BridgedNetwork,
  account: Account,
  to: Address,
  amountWei: bigint,
): Promise<Hash> {
  const { l2 } = readers(network);
  const wallet = writer(network.l2, network.l2Url, account).extend(walletActionsL2());
  const request = { to, value: amountWei, gas: WITHDRAWAL_GAS } as const;
  const hash = await wallet.initiateWithdrawal({ account, request });
  await succeeded(l2, hash, "withdrawal");
  return hash;
}

/** Waits for an output that covers the withdrawal, then shows it to L1. */
export async function prove(network: BridgedNetwork, account: Account, receipt: TransactionReceipt): Promise<Hash> {
  const { l1, l2 } = readers(network);
  const wallet = writer(network.l1, network.l1Url, account).extend(walletActionsL1());
  const { output, withdrawal } = await l1.waitToProve({ receipt, targetChain: network.l2 });
  const args = await l2.buildProveWithdrawal({ account, output, withdrawal });
  const hash = await wallet.proveWithdrawal({ ...args, account });
  await succeeded(l1, hash, "proof");
  return hash;
}

/** Waits for the end of the challenge period, then has L1 pay. */
export async function finalize(network: BridgedNetwork, account: Account, receipt: TransactionReceipt): Promise<Hash> {
  const { l1 } = readers(network);
  const wallet = writer(network.l1, network.l1Url, account).extend(walletActionsL1());
  const [withdrawal] = getWithdrawals(receipt);
  if (withdrawal === undefined) throw new OperationError(`${receipt.transactionHash} withdraws nothing`);
  await l1.waitToFinalize({ withdrawalHash: withdrawal.withdrawalHash, targetChain: network.l2 });
  const hash = await wallet.finalizeWithdrawal({ account, withdrawal, targetChain: network.l2 });
  await succeeded(l1, hash, "finalization");
  return hash;
}

/** Throws OperationError when the transaction is not on L2. */
export async function withdrawalReceipt({ l2 }: Readers, hash: Hash): Promise<TransactionReceipt> {
  const receipt = await receiptOf(l2, hash);
  if (receipt === undefined) throw new OperationError(`no transaction ${hash} on L2`);
  if (getWithdrawals(receipt).length === 0) throw new OperationError(`${hash} withdraws nothing`);
  return receipt;
}

/** Undefined where the chain does not have it. */
export async function receiptOf(
  client: { getTransactionReceipt(request: { hash: Hash }): Promise<unknown> },
  hash: Hash,
): Promise<TransactionReceipt | undefined> {
  try {
    return (await client.getTransactionReceipt({ hash })) as TransactionReceipt;
  } catch (error) {
    if (error instanceof TransactionReceiptNotFoundError) return undefined;
    throw error;
  }
}

/** Throws OperationError when the transaction failed. */
export async function succeeded(
  client: { waitForTransactionReceipt(request: { hash: Hash }): Promise<unknown> },
  hash: Hash,
  what: string,
): Promise<TransactionReceipt> {
  const receipt = (await client.waitForTransactionReceipt({ hash })) as TransactionReceipt;
  if (receipt.status !== "success") throw new OperationError(`the ${what} ${hash} failed`);
  return receipt;
}
