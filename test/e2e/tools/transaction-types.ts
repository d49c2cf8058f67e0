/** viem: every transaction type, and what the node answers about each. */
import { encodeFunctionData, erc20Abi, type Hex, multicall3Abi, pad, parseEventLogs } from "viem";
import { beforeAll, expect, it } from "vitest";
import { DATANET, type ToolNetwork, type User } from "./network.ts";
import { deployToken } from "./viem.ts";

const COMMON = [
  "blockHash",
  "blockNumber",
  "blockTimestamp",
  "chainId",
  "from",
  "gas",
  "gasPrice",
  "hash",
  "input",
  "nonce",
  "r",
  "s",
  "to",
  "transactionIndex",
  "type",
  "v",
  "value",
];
const TYPED = [...COMMON, "accessList", "yParity"];
const DYNAMIC = [...TYPED, "maxFeePerGas", "maxPriorityFeePerGas"];
/** As geth has them (internal/ethapi RPCTransaction, marshalReceipt, RPCMarshalHeader). */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  "0x0": COMMON,
  "0x1": TYPED,
  "0x2": DYNAMIC,
  "0x4": [...DYNAMIC, "authorizationList"],
};
const RECEIPT = [
  "blockHash",
  "blockNumber",
  "contractAddress",
  "cumulativeGasUsed",
  "effectiveGasPrice",
  "from",
  "gasUsed",
  "logs",
  "logsBloom",
  "status",
  "to",
  "transactionHash",
  "transactionIndex",
  "type",
];
const BLOCK = [
  "baseFeePerGas",
  "blobGasUsed",
  "difficulty",
  "excessBlobGas",
  "extraData",
  "gasLimit",
  "gasUsed",
  "hash",
  "logsBloom",
  "miner",
  "mixHash",
  "nonce",
  "number",
  "parentBeaconBlockRoot",
  "parentHash",
  "receiptsRoot",
  "requestsHash",
  "sha3Uncles",
  "size",
  "stateRoot",
  "timestamp",
  "transactions",
  "transactionsRoot",
  "uncles",
  "withdrawals",
  "withdrawalsRoot",
];

const keys = (value: unknown): string[] => Object.keys(value as object).sort();

export function transactionTypesWork(network: () => ToolNetwork): void {
  let user: User;
  let token: Hex;
  const to = pad("0xaa", { size: 20 });

  beforeAll(async () => {
    user = network().user("types");
    token = await deployToken(network(), user, 1_000n);
  });

  const ask = (method: string, params: readonly unknown[]): Promise<unknown> =>
    network().client.request({ method, params } as never);

  /** Fields of the transaction, its receipt and its block are geth's, and the block repeats the transaction. */
  async function checkShapes(hash: Hex, type: string): Promise<void> {
    const transaction = (await ask("eth_getTransactionByHash", [hash])) as { blockHash: Hex; transactionIndex: Hex };
    expect(keys(transaction)).toEqual([...(FIELDS[type] ?? [])].sort());
    expect(transaction).toMatchObject({ type, hash });
    const receipt = await ask("eth_getTransactionReceipt", [hash]);
    expect(keys(receipt)).toEqual(RECEIPT);
    expect(receipt).toMatchObject({ type, status: "0x1", transactionHash: hash });
    const block = await ask("eth_getBlockByHash", [transaction.blockHash, true]);
    expect(keys(block)).toEqual(BLOCK);
    expect((block as { transactions: unknown[] }).transactions[Number(transaction.transactionIndex)]).toEqual(
      transaction,
    );
  }

  it("legacy", async () => {
    const { client } = network();
    const hash = await user.wallet.sendTransaction({ to, value: 1n, type: "legacy" });
    const receipt = await client.waitForTransactionReceipt({ hash });
    expect(receipt).toMatchObject({ status: "success", type: "legacy" });
    const transaction = await client.getTransaction({ hash });
    expect(transaction).toMatchObject({
      type: "legacy",
      chainId: client.chain.id,
      gasPrice: receipt.effectiveGasPrice,
    });
    await checkShapes(hash, "0x0");
  });

  it("with an access list (EIP-2930), which makes its slots cheap", async () => {
    const { client } = network();
    const slot = pad("0x2"); // _totalSupply of OpenZeppelin's ERC20
    const data = encodeFunctionData({ abi: erc20Abi, functionName: "transfer", args: [to, 1n] });
    const accessList = [{ address: token, storageKeys: [slot] }];
    const hash = await user.wallet.sendTransaction({ to: token, data, accessList, type: "eip2930" });
    expect(await client.waitForTransactionReceipt({ hash })).toMatchObject({ status: "success", type: "eip2930" });
    const transaction = await client.getTransaction({ hash });
    expect(transaction.accessList).toEqual([{ address: token.toLowerCase(), storageKeys: [slot] }]);
    await checkShapes(hash, "0x1");
  });

  it("with two fee caps (EIP-1559)", async () => {
    const { client } = network();
    const fees = { maxFeePerGas: 5_000_000_000n, maxPriorityFeePerGas: 1_000_000n };
    const hash = await user.wallet.sendTransaction({ to, value: 1n, ...fees });
    const receipt = await client.waitForTransactionReceipt({ hash });
    const { baseFeePerGas } = await client.getBlock({ blockNumber: receipt.blockNumber });
    expect(receipt.effectiveGasPrice).toBe((baseFeePerGas ?? 0n) + fees.maxPriorityFeePerGas);
    expect(await client.getTransaction({ hash })).toMatchObject({ type: "eip1559", ...fees });
    await checkShapes(hash, "0x2");
  });

  it("with a delegation (EIP-7702), which lets an account act as a contract", async () => {
    const { client, chain } = network();
    const delegator = network().user("delegator");
    const multicall = chain.contracts?.multicall3?.address as Hex;
    const authorization = await delegator.wallet.signAuthorization({
      contractAddress: multicall,
      executor: "self",
    });
    const create = (name: string) => ({
      target: DATANET.address,
      allowFailure: false,
      callData: encodeFunctionData({
        ...DATANET,
        functionName: "createDatanet",
        args: [name, "language", "ipfs://batch", 0, 7, 0, 0n],
      }),
    });
    const hash = await delegator.wallet.sendTransaction({
      to: delegator.address,
      authorizationList: [authorization],
      data: encodeFunctionData({
        abi: multicall3Abi,
        functionName: "aggregate3",
        args: [[create("first"), create("second")]],
      }),
    });
    const receipt = await client.waitForTransactionReceipt({ hash });
    expect(receipt).toMatchObject({ status: "success", type: "eip7702" });
    const created = parseEventLogs({ ...DATANET, eventName: "DatanetCreated", logs: receipt.logs });
    expect(created.map(({ args }) => [args.name, args.owner])).toEqual([
      ["first", delegator.address],
      ["second", delegator.address],
    ]);
    expect(await client.getCode(delegator)).toBe(`0xef0100${multicall.slice(2).toLowerCase()}`);
    expect(await client.getDelegation(delegator)).toBe(multicall);
    const transaction = await client.getTransaction({ hash });
    expect(transaction.authorizationList).toMatchObject([
      { address: multicall.toLowerCase(), chainId: chain.id, nonce: authorization.nonce, r: authorization.r },
    ]);
    await checkShapes(hash, "0x4");
    await removeDelegation(delegator);
  });

  async function removeDelegation(delegator: User): Promise<void> {
    const { client } = network();
    const authorization = await delegator.wallet.signAuthorization({
      contractAddress: pad("0x", { size: 20 }),
      executor: "self",
    });
    const hash = await delegator.wallet.sendTransaction({ to, authorizationList: [authorization] });
    await client.waitForTransactionReceipt({ hash });
    expect(await client.getCode(delegator)).toBeUndefined();
  }

  it("replaced by one that pays more, which viem notices while it waits", async () => {
    const { client } = network();
    const { wallet, address } = user;
    const nonce = await client.getTransactionCount({ address });
    // The nonce before it is missing, so it stays in the mempool.
    const later = { to, nonce: nonce + 1, maxFeePerGas: 10n ** 10n };
    const first = await wallet.sendTransaction({ ...later, value: 1n, maxPriorityFeePerGas: 10n ** 9n });
    expect(await client.getTransactionCount({ address, blockTag: "pending" })).toBe(nonce);
    const replacements: unknown[] = [];
    const waiting = client.waitForTransactionReceipt({ hash: first, onReplaced: (found) => replacements.push(found) });
    const cheap = wallet.sendTransaction({ ...later, value: 2n, maxPriorityFeePerGas: 10n ** 9n });
    await expect(cheap).rejects.toThrow(/replacement transaction underpriced/);
    const second = await wallet.sendTransaction({
      ...later,
      value: 2n,
      maxFeePerGas: 2n * 10n ** 10n,
      maxPriorityFeePerGas: 2n * 10n ** 9n,
    });
    await wallet.sendTransaction({ to, nonce });
    expect(await waiting).toMatchObject({ status: "success", transactionHash: second });
    expect(replacements).toMatchObject([{ reason: "replaced", transaction: { hash: second } }]);
    expect(await ask("eth_getTransactionByHash", [first])).toBeNull();
  });

  it("refuses what the chain cannot take, in words that viem understands", async () => {
    const { wallet } = user;
    await expect(wallet.sendTransaction({ to, nonce: 0, gas: 21_000n })).rejects.toThrow(/nonce too low/i);
    await expect(wallet.sendTransaction({ to, value: 10n ** 30n, gas: 21_000n })).rejects.toThrow(
      /insufficient funds|exceeds the balance/i,
    );
    await expect(wallet.sendTransaction({ to, value: 10n ** 30n })).rejects.toThrow(
      /insufficient funds|exceeds the balance/i,
    );
    await expect(wallet.sendTransaction({ to, gas: 20_999n })).rejects.toThrow(/intrinsic gas too low/i);
    await expect(wallet.sendTransaction({ to, gas: 40_000_000n })).rejects.toThrow(/gas limit/i);
  });
}
