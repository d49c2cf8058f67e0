/** viem: contracts, precompiles, errors, multicall, history, proofs. */
import { verifyMerkleProof } from "@ethereumjs/mpt";
import { RLP } from "@ethereumjs/rlp";
import {
  BaseError,
  ContractFunctionRevertedError,
  getAddress,
  type Hex,
  hexToBytes,
  keccak256,
  pad,
  parseEther,
  parseEventLogs,
  parseGwei,
  toHex,
  zeroAddress,
} from "viem";
import { beforeAll, expect, it } from "vitest";
import {
  ATTRIBUTION,
  askerAbi,
  CONTENT_ROOT,
  commit,
  DATANET,
  reveals,
  type ToolNetwork,
  tokenAbi,
  type User,
} from "./network.ts";

/** The custom error of a call that must revert. */
export async function customError(call: Promise<unknown>) {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof BaseError)) throw new Error(`not viem's error: ${error}`);
  const reverted = error.walk((cause) => cause instanceof ContractFunctionRevertedError);
  if (!(reverted instanceof ContractFunctionRevertedError)) throw error;
  return { name: reverted.data?.errorName, args: reverted.data?.args };
}

export async function deployToken({ client, token }: ToolNetwork, { wallet }: User, supply: bigint): Promise<Hex> {
  const hash = await wallet.deployContract({ ...token, args: [supply] });
  const { contractAddress, status } = await client.waitForTransactionReceipt({ hash });
  expect(status).toBe("success");
  return contractAddress as Hex;
}

export function viemWorks(network: () => ToolNetwork): void {
  let user: User;
  let recipient: Hex;
  let address: Hex;
  const token = () => ({ address, abi: tokenAbi }) as const;

  beforeAll(async () => {
    user = network().user("viem");
    recipient = network().user("recipient").address;
    address = await deployToken(network(), user, 1_000n);
  });

  it("sends, waits for confirmations, reads state and the past", async () => {
    const { client } = network();
    const estimated = await client.estimateContractGas({
      ...token(),
      account: user.account,
      functionName: "transfer",
      args: [recipient, 100n],
    });
    const { request, result } = await client.simulateContract({
      ...token(),
      account: user.account,
      functionName: "transfer",
      args: [recipient, 100n],
    });
    expect(result).toBe(true);
    const hash = await user.wallet.writeContract(request);
    const receipt = await client.waitForTransactionReceipt({ hash, confirmations: 3 });
    expect(receipt).toMatchObject({ status: "success", type: "eip1559", to: address.toLowerCase() });
    expect(receipt.gasUsed).toBeLessThanOrEqual(estimated);
    expect(await client.getBlockNumber({ cacheTime: 0 })).toBeGreaterThanOrEqual(receipt.blockNumber + 2n);
    expect(await client.getTransactionConfirmations({ transactionReceipt: receipt })).toBeGreaterThanOrEqual(3n);

    const balanceAt = (blockNumber?: bigint) =>
      client.readContract({
        ...token(),
        functionName: "balanceOf",
        args: [recipient],
        ...(blockNumber === undefined ? {} : { blockNumber }),
      });
    expect(await balanceAt()).toBe(100n);
    expect(await balanceAt(receipt.blockNumber)).toBe(100n);
    expect(await balanceAt(receipt.blockNumber - 1n)).toBe(0n);
  });

  it("moves OPEN for exactly its value and fee", async () => {
    const { client } = network();
    const before = await client.getBalance(user);
    const hash = await user.wallet.sendTransaction({ to: recipient, value: parseEther("1") });
    const { gasUsed, effectiveGasPrice, blockNumber } = await client.waitForTransactionReceipt({ hash });
    expect(gasUsed).toBe(21_000n);
    expect(await client.getBalance(user)).toBe(before - parseEther("1") - gasUsed * effectiveGasPrice);
    expect(await client.getBalance({ address: user.address, blockNumber: blockNumber - 1n })).toBe(before);
  });

  it("finds events by topic, address and range", async () => {
    const { client } = network();
    const other = pad("0x77", { size: 20 });
    const holders = [pad("0x76", { size: 20 }), other, pad("0x78", { size: 20 })];
    const hash = await user.wallet.writeContract({ ...token(), functionName: "mint", args: [holders, 7n] });
    const { blockNumber, logs } = await client.waitForTransactionReceipt({ hash });
    expect(logs).toHaveLength(3);
    const events = await client.getContractEvents({
      ...token(),
      eventName: "Transfer",
      args: { to: other },
      fromBlock: 0n,
    });
    expect(events).toMatchObject([
      { transactionHash: hash, blockNumber, logIndex: 1, args: { from: zeroAddress, to: other, value: 7n } },
    ]);
    const elsewhere = { ...token(), eventName: "Transfer", args: { to: other }, toBlock: blockNumber - 1n } as const;
    expect(await client.getContractEvents({ ...elsewhere, fromBlock: 0n })).toEqual([]);
    const filter = await client.createContractEventFilter({
      ...token(),
      eventName: "Transfer",
      args: { to: [recipient, ...holders.slice(1)] },
      fromBlock: blockNumber,
    });
    expect(await client.getFilterLogs({ filter })).toMatchObject([{ logIndex: 1 }, { logIndex: 2 }]);
    expect(await client.uninstallFilter({ filter })).toBe(true);
  });

  it("creates a Datanet and reads it back", async () => {
    const { client } = network();
    const { request, result: datanetId } = await client.simulateContract({
      ...DATANET,
      account: user.account,
      functionName: "createDatanet",
      args: ["Of viem", "language", "ipfs://viem", 0, 7, 1, parseEther("0.5")],
    });
    const hash = await user.wallet.writeContract(request);
    const { logs } = await client.waitForTransactionReceipt({ hash });
    const [created] = parseEventLogs({ ...DATANET, eventName: "DatanetCreated", logs });
    expect(created?.args).toMatchObject({ datanetId, owner: user.address, name: "Of viem", bond: parseEther("0.5") });
    const datanet = await client.readContract({ ...DATANET, functionName: "datanet", args: [datanetId] });
    expect(datanet).toMatchObject({ owner: user.address, licence: 7, access: 1, bond: parseEther("0.5") });
  });

  it("decodes custom errors of a precompile by name and arguments", async () => {
    const { client, datanetId, contributionId } = network();
    const { account } = user;
    const unknown = client.readContract({ ...DATANET, functionName: "datanet", args: [999n] });
    expect(await customError(unknown)).toEqual({ name: "UnknownDatanet", args: [999n] });

    const args = [contributionId, 1] as const;
    const accept = { ...DATANET, functionName: "acceptContribution", args, account } as const;
    const notCurator = { name: "NotCurator", args: [user.address] };
    expect(await customError(client.simulateContract(accept))).toEqual(notCurator);
    expect(await customError(client.estimateContractGas(accept))).toEqual(notCurator);

    await commit(client, user, datanetId);
    const again = { ...DATANET, functionName: "submitContribution", args: reveals(datanetId), account } as const;
    const duplicate = { name: "DuplicateContent", args: [datanetId, CONTENT_ROOT, contributionId] };
    expect(await customError(client.simulateContract({ ...again, blockTag: "pending" }))).toEqual(duplicate);
    const hash = await user.wallet.writeContract({ ...again, gas: 500_000n });
    expect(await client.waitForTransactionReceipt({ hash })).toMatchObject({ status: "reverted", logs: [] });
  });

  it("calls precompiles through a contract, whose callers see the precompile's errors", async () => {
    const { client, asker, datanetId, modelId } = network();
    const deployed = await client.waitForTransactionReceipt({ hash: await user.wallet.deployContract(asker) });
    const contract = { address: getAddress(deployed.contractAddress as Hex), abi: askerAbi } as const;
    expect(await client.readContract({ ...contract, functionName: "licenceOf", args: [datanetId] })).toBe(7);
    const unknown = client.readContract({ ...contract, functionName: "licenceOf", args: [999n] });
    expect(await customError(unknown)).toEqual({ name: "UnknownDatanet", args: [999n] });

    const escrow = parseEther("1");
    const before = await client.getBalance(ATTRIBUTION);
    const { request, result: inferenceId } = await client.simulateContract({
      ...contract,
      account: user.account,
      functionName: "ask",
      args: [modelId, network().user("owner").address, CONTENT_ROOT, 900],
      value: escrow,
    });
    const { logs } = await client.waitForTransactionReceipt({ hash: await user.wallet.writeContract(request) });
    const [requested] = parseEventLogs({ ...ATTRIBUTION, eventName: "InferenceRequested", logs });
    const [asked] = parseEventLogs({ abi: askerAbi, eventName: "Asked", logs });
    expect(requested?.args).toMatchObject({ inferenceId, payer: contract.address, escrow });
    expect(asked?.args).toEqual({ inferenceId });
    expect(requested?.logIndex).toBe(0);
    expect(asked?.logIndex).toBe(1);
    expect((await client.getBalance(ATTRIBUTION)) - before).toBe(escrow);
  });

  it("calls a contract that is not deployed, and checks signatures by such a call", async () => {
    const { client, asker, datanetId } = network();
    const read = { code: asker.bytecode, abi: askerAbi, functionName: "licenceOf", args: [datanetId] } as const;
    expect(await client.readContract(read)).toBe(7);
    const signature = await user.account.signMessage({ message: "mine" });
    const check = (address: Hex) => client.verifyMessage({ address, message: "mine", signature });
    expect([await check(user.address), await check(recipient)]).toEqual([true, false]);
  });

  it("reads contracts and precompiles in one multicall", async () => {
    const { client, datanetId } = network();
    const results = await client.multicall({
      contracts: [
        { ...token(), functionName: "symbol" },
        { ...DATANET, functionName: "datanet", args: [datanetId] },
        { ...DATANET, functionName: "datanet", args: [999n] },
      ],
    });
    expect(results[0]).toEqual({ status: "success", result: "EX" });
    expect(results[1]).toMatchObject({ status: "success", result: { owner: network().user("owner").address } });
    expect(results[2].status).toBe("failure");
    expect(await customError(Promise.reject(results[2].error))).toEqual({ name: "UnknownDatanet", args: [999n] });
  });

  it("proves a slot of a precompile against the header's state root", async () => {
    const { client, datanetId } = network();
    // docs/precompiles.md: mapping 1 of the Datanet precompile, owner in the lowest 20 bytes, then modality and licence.
    const slot = keccak256(`${pad(toHex(datanetId))}${pad("0x1").slice(2)}`);
    const { number: blockNumber, stateRoot } = await client.getBlock();
    const proof = await client.getProof({ ...DATANET, storageKeys: [slot], blockNumber });
    const options = { useKeyHashing: true } as const;
    const toBytes = (nodes: readonly Hex[]) => nodes.map((node) => hexToBytes(node));
    expect(keccak256(proof.accountProof[0] as Hex)).toBe(stateRoot);
    const account = await verifyMerkleProof(hexToBytes(DATANET.address), toBytes(proof.accountProof), options);
    const [nonce, , storageRoot, codeHash] = (RLP.decode(account as Uint8Array) as Uint8Array[]).map((part) =>
      toHex(part),
    );
    expect([nonce, storageRoot, codeHash]).toEqual(["0x01", proof.storageHash, keccak256("0xfe")]);
    const [entry] = proof.storageProof;
    expect(keccak256(entry?.proof[0] as Hex)).toBe(storageRoot);
    const value = await verifyMerkleProof(hexToBytes(slot), toBytes(entry?.proof ?? []), options);
    expect(BigInt(toHex(RLP.decode(value as Uint8Array) as Uint8Array))).toBe(entry?.value);

    const word = await client.getStorageAt({ ...DATANET, slot, blockNumber });
    expect(word).toBe(pad(toHex(entry?.value ?? 0n)));
    expect(word?.slice(-40)).toBe(network().user("owner").address.slice(2).toLowerCase());
    expect(word?.slice(-44, -40)).toBe("0700");
  });

  it("knows fees, code and counters", async () => {
    const { client } = network();
    const tip = parseGwei("3");
    const hash = await user.wallet.sendTransaction({ to: recipient, value: 1n, maxPriorityFeePerGas: tip });
    const { blockNumber } = await client.waitForTransactionReceipt({ hash });
    const history = await client.getFeeHistory({ blockCount: 3, blockNumber, rewardPercentiles: [0, 50, 100] });
    expect(history.oldestBlock).toBe(blockNumber - 2n);
    expect(history.gasUsedRatio).toHaveLength(3);
    expect(history.baseFeePerGas).toHaveLength(4);
    expect(history.reward?.[2]).toContain(tip);
    const block = await client.getBlock({ blockNumber });
    expect(history.baseFeePerGas[2]).toBe(block.baseFeePerGas);
    expect(history.gasUsedRatio[2]).toBeCloseTo(Number(block.gasUsed) / Number(block.gasLimit));

    const fees = await client.estimateFeesPerGas();
    expect(fees.maxFeePerGas).toBeGreaterThanOrEqual(fees.maxPriorityFeePerGas);
    expect(await client.getGasPrice()).toBeGreaterThan(0n);
    expect(await client.getCode(DATANET)).toBe("0xfe");
    expect(await client.getCode({ address: recipient })).toBeUndefined();
    expect(await client.getTransactionCount(user)).toBeGreaterThan(0);
    expect(await client.getBlockTransactionCount({ blockNumber })).toBe(block.transactions.length);
  });
}
