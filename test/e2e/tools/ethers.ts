/** ethers 6: providers, contracts, events, typed data. */
import {
  Contract,
  type ContractEventPayload,
  ContractFactory,
  type ContractTransactionReceipt,
  type ContractTransactionResponse,
  type EventLog,
  isError,
  JsonRpcProvider,
  NonceManager,
  parseEther,
  verifyTypedData,
  Wallet,
  WebSocketProvider,
  ZeroAddress,
} from "ethers";
import { afterAll, beforeAll, expect, it } from "vitest";
import { bytesToHex } from "../../../core/bytes.ts";
import { contentRoot } from "../../../core/content.ts";
import { spansHashOf } from "../../helpers/precompile-story.ts";
import { ATTRIBUTION, askerAbi, CONTENT_ROOT, DATANET, POLLING_MS, type ToolNetwork } from "./network.ts";

/**
 * The custom error of a call that must revert. ethers names it for calls of a contract; for what a signer does on its
 * behalf, such as the estimate before sending, the contract's interface reads it from the data.
 */
async function customError(call: Promise<unknown>, contract: Contract) {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isError(error, "CALL_EXCEPTION")) throw error;
  const revert = error.action === "call" ? error.revert : contract.interface.parseError(error.data ?? "0x");
  return { name: revert?.name, args: [...(revert?.args ?? [])], action: error.action };
}

/** Of the contract that was called. */
const firstEvent = (receipt: ContractTransactionReceipt | null) => receipt?.logs[0] as EventLog;

/** What ethers tells of its requests. */
type DebugEvent = {
  readonly action: string;
  readonly payload: { readonly id: number; readonly method: string }[];
  readonly result: { readonly id: number }[];
};

type Send = (...args: unknown[]) => Promise<ContractTransactionResponse>;

export function ethersWorks(network: () => ToolNetwork): void {
  let provider: JsonRpcProvider;
  let wallet: Wallet;
  let signer: NonceManager;
  let token: Contract;
  let recipient: string;
  const method = (contract: Contract, name: string): Send => contract.getFunction(name).send;

  beforeAll(async () => {
    const { rpcUrl, user, token: compiled } = network();
    // Its answers are remembered for 250 ms otherwise: five blocks here.
    provider = new JsonRpcProvider(rpcUrl, undefined, { cacheTimeout: -1, pollingInterval: POLLING_MS });
    wallet = new Wallet(user("ethers").key, provider);
    signer = new NonceManager(wallet);
    recipient = user("recipient").address;
    const factory = new ContractFactory(compiled.abi as never, compiled.bytecode, signer);
    token = (await (await factory.deploy(1_000n)).waitForDeployment()) as Contract;
  });
  afterAll(() => provider?.destroy());

  it("deploys, sends several at once with consecutive nonces, reads state and events", async () => {
    const before = await provider.getTransactionCount(wallet.address);
    const gas = await token.getFunction("transfer").estimateGas(recipient, 10n);
    const sent = await Promise.all([10n, 20n, 30n].map((amount) => method(token, "transfer")(recipient, amount)));
    expect(sent.map(({ nonce }) => nonce).sort()).toEqual([before, before + 1, before + 2]);
    const receipts = await Promise.all(sent.map((response) => response.wait(2)));
    for (const receipt of receipts) {
      expect(receipt?.status).toBe(1);
      expect(receipt?.gasUsed).toBeLessThanOrEqual(gas);
    }
    expect(await token.getFunction("balanceOf")(recipient)).toBe(60n);
    expect(await token.getFunction("balanceOf")(recipient, { blockTag: (receipts[0]?.blockNumber ?? 0) - 1 })).toBe(0n);
    const transfers = (await token.queryFilter(token.getEvent("Transfer")(null, recipient), 0)) as EventLog[];
    expect(transfers.map(({ args }) => args.value)).toEqual(expect.arrayContaining([10n, 20n, 30n]));
    expect(transfers).toHaveLength(3);
  });

  it("moves OPEN", async () => {
    const to = Wallet.createRandom().address;
    const response = await signer.sendTransaction({ to, value: parseEther("2") });
    const receipt = await response.wait();
    expect(receipt?.fee).toBe((receipt?.gasUsed ?? 0n) * (receipt?.gasPrice ?? 0n));
    expect(await provider.getBalance(to)).toBe(parseEther("2"));
    const block = await provider.getBlock(receipt?.blockNumber ?? 0, true);
    expect(block?.getPrefetchedTransaction(response.hash).value).toBe(parseEther("2"));
    const { maxFeePerGas, gasPrice } = await provider.getFeeData();
    expect(maxFeePerGas).toBeGreaterThan(0n);
    expect(gasPrice).toBeGreaterThan(0n);
  });

  it("creates a Datanet, reads it back and decodes custom errors", async () => {
    const { contributionId } = network();
    const datanets = new Contract(DATANET.address, DATANET.abi as never, signer);
    const create = datanets.getFunction("createDatanet");
    const args = ["Of ethers", "language", "ipfs://ethers", 0, 7, 0, 5n];
    const datanetId: bigint = await create.staticCall(...args);
    const receipt = await (await (create.send as Send)(...args)).wait();
    expect(firstEvent(receipt).args.toObject()).toMatchObject({ datanetId, name: "Of ethers", bond: 5n });
    expect((await datanets.getFunction("datanet")(datanetId)).toObject()).toMatchObject({
      owner: wallet.address,
      bond: 5n,
    });

    expect(await customError(datanets.getFunction("datanet")(999n), datanets)).toEqual({
      name: "UnknownDatanet",
      args: [999n],
      action: "call",
    });
    // Sending estimates first, and stops there.
    const direct = datanets.connect(wallet) as Contract;
    expect(await customError(method(direct, "acceptContribution")(contributionId, 1), direct)).toEqual({
      name: "NotCurator",
      args: [wallet.address],
      action: "estimateGas",
    });
  });

  it("asks through a contract and commits the host's answer, signed as typed data", async () => {
    const { asker: compiled, datanetId, modelId, user } = network();
    const factory = new ContractFactory(askerAbi as never, compiled.bytecode, signer);
    const asker = (await (await factory.deploy()).waitForDeployment()) as Contract;
    expect(await asker.getFunction("licenceOf")(datanetId)).toBe(7n);
    expect(await customError(asker.getFunction("licenceOf")(999n), asker)).toMatchObject({ name: "UnknownDatanet" });

    const host = new Wallet(user("owner").key, provider);
    const value = parseEther("1");
    const asked = await (await method(asker, "ask")(modelId, host.address, CONTENT_ROOT, 900, { value })).wait();
    const event = asked?.logs.map((log) => asker.interface.parseLog(log)).find((log) => log?.name === "Asked");
    const inferenceId: bigint = event?.args.inferenceId;

    const output = new TextEncoder().encode("Nothing that anybody wrote before.");
    const domain = {
      name: "OpenLedger Attribution",
      version: "1",
      chainId: (await provider.getNetwork()).chainId,
      verifyingContract: ATTRIBUTION.address,
    };
    const types = {
      Answer: [
        { name: "inferenceId", type: "uint256" },
        { name: "requestRoot", type: "bytes32" },
        { name: "outputRoot", type: "bytes32" },
        { name: "outputBytes", type: "uint32" },
        { name: "spansHash", type: "bytes32" },
      ],
    };
    const outputRoot = bytesToHex(contentRoot(output));
    const answer = {
      inferenceId,
      requestRoot: CONTENT_ROOT,
      outputRoot,
      outputBytes: output.length,
      spansHash: spansHashOf([]),
    };
    const signature = await host.signTypedData(domain, types, answer);
    expect(verifyTypedData(domain, types, answer, signature)).toBe(host.address);
    const attribution = new Contract(ATTRIBUTION.address, ATTRIBUTION.abi as never, signer);
    const commitOutputs = attribution.getFunction("commitOutputs");
    const answerWith = (signature: string) => [
      { inferenceId, outputRoot, outputBytes: output.length, output, spans: [], signature },
    ];
    const forged = await wallet.signTypedData(domain, types, answer);
    expect(await customError(commitOutputs.staticCall(answerWith(forged)), attribution)).toMatchObject({
      name: "BadSignature",
      args: [wallet.address, host.address],
    });
    const committed = await (await (commitOutputs.send as Send)(answerWith(signature))).wait();
    expect(firstEvent(committed).eventName).toBe("OutputCommitted");
    expect((await attribution.getFunction("inference")(inferenceId)).state).toBe(2n);
  });

  /** `begun` resolves when the node knows that somebody listens. */
  async function hearsTransfer(heard: Contract, begun: () => Promise<unknown>): Promise<void> {
    const to = Wallet.createRandom().address;
    const { promise, resolve } = Promise.withResolvers<EventLog>();
    await heard.on(heard.filters.Transfer?.(null, to) as never, ({ log }: ContractEventPayload) => resolve(log));
    await begun();
    const receipt = await (await method(token, "mint")([recipient, to], 3n)).wait();
    const log = await promise;
    expect([...log.args]).toEqual([ZeroAddress, to, 3n]);
    expect(log.transactionHash).toBe(receipt?.hash);
    await heard.removeAllListeners();
  }

  it("hears events over WebSocket", async () => {
    const socket = new WebSocketProvider(network().wsUrl);
    const heads: number[] = [];
    try {
      // Subscribed on the same connection after the events, so a head comes after both.
      await hearsTransfer(token.connect(socket) as Contract, async () => {
        await socket.on("block", (number: number) => heads.push(number));
        await expect.poll(() => heads.length).toBeGreaterThan(1);
      });
      expect(heads[1]).toBe((heads[0] ?? 0) + 1);
    } finally {
      await socket.destroy();
    }
  });

  it("hears events by polling filters", async () => {
    const methods = new Map<number, string>();
    const answered = new Set<string | undefined>();
    await provider.on("debug", ({ action, payload, result }: DebugEvent) => {
      if (action === "sendRpcPayload") for (const { id, method } of [payload].flat()) methods.set(id, method);
      if (action === "receiveRpcResult") for (const { id } of result) answered.add(methods.get(id));
    });
    await hearsTransfer(token.connect(provider) as Contract, () =>
      expect.poll(() => answered).toContain("eth_getFilterChanges"),
    );
    await expect.poll(() => answered).toContain("eth_uninstallFilter");
  });
}
