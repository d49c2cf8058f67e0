import {
  createPublicClient,
  custom,
  decodeFunctionData,
  encodeErrorResult,
  encodeEventTopics,
  encodeFunctionResult,
  type Hex,
  numberToHex,
  pad,
  RpcRequestError,
} from "viem";
import { beforeEach, expect, it } from "vitest";
import { attributionAbi } from "../precompiles/interfaces/attribution.abi.ts";
import { datanetAbi } from "../precompiles/interfaces/datanet.abi.ts";
import { modelsAbi } from "../precompiles/interfaces/models.abi.ts";
import { type ChainReader, liveContributions } from "./chain-reader.ts";
import { viemChainReader } from "./viem-chain-reader.ts";

const HOST: Hex = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A";
const DATANET = "0x0000000000000000000000000000000000000901";
const root = (i: number) => pad(numberToHex(i), { size: 32 });

/** An RPC endpoint over a handful of values, answering in the ABI's own encoding. */
class FakeRpc {
  head = 50;
  readonly calls: string[] = [];
  /** Contribution ids by leaf index. */
  readonly leaves = Array.from({ length: 300 }, (_, i) => 1_000 - i);
  readonly withdrawals: { id: number; block: number }[] = [];

  request = async ({ method, params }: { method: string; params?: unknown }): Promise<unknown> => {
    const [first] = (params ?? []) as [Record<string, string>];
    switch (method) {
      case "eth_chainId":
        return numberToHex(161299);
      case "eth_blockNumber":
        return numberToHex(this.head);
      case "eth_getBlockByNumber":
        return { number: numberToHex(this.head), timestamp: numberToHex(1234), transactions: [] };
      case "eth_call":
        return this.#call(first!.to!, first!.data as Hex);
      case "eth_getStorageAt":
        return pad(numberToHex(this.#slot((params as [Hex, Hex])[1])), { size: 32 });
      case "eth_getLogs":
        return this.#logs(first as unknown as { address: string; fromBlock: Hex; toBlock: Hex });
    }
    throw new Error(`unexpected ${method}`);
  };

  /** A value that names its slot. */
  #slot = (slot: Hex): number => 100 + Number(slot);

  #call(to: string, data: Hex): Hex {
    const abi = [...attributionAbi, ...datanetAbi, ...modelsAbi] as const;
    const { functionName, args } = decodeFunctionData({ abi, data });
    this.calls.push(functionName);
    if (functionName === "acceptedIds") {
      const [, start, count] = args;
      expect(count).toBeLessThanOrEqual(256);
      const result = this.leaves.slice(start, start + count).map(BigInt);
      return encodeFunctionResult({ abi: datanetAbi, functionName, result });
    }
    if (functionName === "contribution") {
      const id = Number(args[0]);
      const withdrawn = this.withdrawals.find((entry) => entry.id === id && entry.block <= this.head);
      const result = {
        datanetId: 3n,
        contributor: HOST,
        status: withdrawn ? 5 : 2,
        licence: 2,
        score: 1,
        size: BigInt(id * 2),
        revealedAt: 1n,
        withdrawnAt: BigInt(withdrawn?.block ?? 0),
        leafIndex: 0,
        duplicateOf: 0n,
        bond: 0n,
        contentRoot: root(id),
      };
      return encodeFunctionResult({ abi: datanetAbi, functionName, result });
    }
    if (functionName === "inference") {
      if (args[0] !== 7n) {
        const data = encodeErrorResult({ abi: attributionAbi, errorName: "UnknownInference", args: [args[0]] });
        const error = { code: 3, message: "execution reverted", data };
        throw new RpcRequestError({ body: {}, error, url: to });
      }
      const result = {
        state: 1,
        audience: 1,
        modelId: 5n,
        payer: HOST,
        host: HOST,
        requestedAt: 40n,
        commitDeadline: 2_000n,
        committedAt: 0n,
        settleAfter: 0n,
        requestBytes: 12,
        minSpan: 24,
        openDemands: 3,
        extensions: 0,
        escrow: 10n ** 18n,
        requestPrice: 11n,
        outputPrice: 22n,
        platformFee: 33n,
        batchId: 4n,
        requestRoot: root(77),
      };
      return encodeFunctionResult({ abi: attributionAbi, functionName, result });
    }
    if (functionName === "stakeOf") {
      return encodeFunctionResult({ abi: attributionAbi, functionName, result: [70n, 30n] });
    }
    if (functionName === "model") {
      if (args[0] !== 5n) {
        const data = encodeErrorResult({ abi: modelsAbi, errorName: "UnknownModel", args: [args[0]] });
        throw new RpcRequestError({ body: {}, error: { code: 3, message: "execution reverted", data }, url: to });
      }
      const result = {
        owner: HOST,
        kind: 0,
        licence: 7,
        depth: 0,
        royaltyPpm: 0,
        hostPpm: 0,
        registeredAt: 20n,
        parent: 0n,
        requestPrice: 7n,
        outputPrice: 8n,
        artifactHash: root(1),
        configHash: root(2),
        metadataHash: root(3),
      };
      return encodeFunctionResult({ abi: modelsAbi, functionName, result });
    }
    if (functionName === "dataOf") {
      return encodeFunctionResult({ abi: modelsAbi, functionName, result: [{ datanetId: 3n, count: 300 }] });
    }
    if (functionName === "modelCount") return encodeFunctionResult({ abi: modelsAbi, functionName, result: 4n });
    if (functionName === "isHost") {
      return encodeFunctionResult({ abi: modelsAbi, functionName, result: args[0] === 2n || args[0] === 4n });
    }
    throw new Error(`unexpected call of ${functionName}`);
  }

  #logs({ address, fromBlock, toBlock }: { address: string; fromBlock: Hex; toBlock: Hex }) {
    const within = (block: number) => block >= Number(fromBlock) && block <= Number(toBlock);
    const place = { blockHash: root(1), transactionHash: root(2), transactionIndex: "0x0", logIndex: "0x0" };
    expect(Number(toBlock)).toBeLessThanOrEqual(this.head);
    if (address === DATANET) {
      return this.withdrawals
        .filter(({ block }) => within(block) && block <= this.head)
        .map(({ id, block }) => ({
          ...place,
          address,
          blockNumber: numberToHex(block),
          topics: encodeEventTopics({
            abi: datanetAbi,
            eventName: "ConsentWithdrawn",
            args: { datanetId: 3n, contributionId: BigInt(id), contributor: HOST },
          }),
          data: "0x",
        }));
    }
    throw new Error(`unexpected logs of ${address}`);
  }
}

let rpc: FakeRpc;
let reader: ChainReader;
beforeEach(() => {
  rpc = new FakeRpc();
  reader = viemChainReader(createPublicClient({ transport: custom(rpc, { retryCount: 0 }) }));
});

it("reads a request with the prices of its block", async () => {
  expect(await reader.inference(7n)).toEqual({
    id: 7n,
    state: "requested",
    audience: "private",
    modelId: 5n,
    host: HOST.toLowerCase(),
    requestedAt: 40n,
    commitDeadline: 2_000n,
    settleAfter: 0n,
    openDemands: 3,
    batchId: 4n,
    requestRoot: root(77),
    requestBytes: 12,
    minSpanBytes: 24,
    escrowWei: 10n ** 18n,
    requestPrice: 11n,
    outputPrice: 22n,
    platformFeeWei: 33n,
  });
  expect(await reader.inference(8n)).toBeUndefined();
});

it("reads chain id, head and the models of a host", async () => {
  expect(await reader.chainId()).toBe(161299n);
  expect(await reader.head()).toEqual({ number: 50n, timestamp: 1234n });
  expect(await reader.modelsOf(HOST)).toEqual([4n, 2n]);
});

it("reads stakes, parameters by their slots, and the terms of a model", async () => {
  expect(await reader.stakeOf(HOST)).toEqual({ totalWei: 70n, lockedWei: 30n });
  // core/parameters.ts: 0, 1 and 8.
  expect(await reader.parameters(40n)).toEqual({ minSpanBytes: 100, platformFeeWei: 101n, stakeMultiple: 108n });
  const terms = { owner: HOST.toLowerCase(), registeredAt: 1234n, requestPrice: 7n, outputPrice: 8n };
  expect(await reader.modelTerms(5n)).toEqual(terms);
  expect(await reader.modelTerms(6n)).toBeUndefined();
});

it("reads accepted contributions page by page in leaf order, once", async () => {
  const accepted = await reader.accepted(3n, 290);
  expect(accepted.map(({ id }) => Number(id))).toEqual(rpc.leaves.slice(0, 290));
  expect(accepted[5]).toEqual({ id: 995n, contentRoot: root(995), size: 1990, withdrawnAt: 0n });
  expect(rpc.calls.filter((name) => name === "contribution")).toHaveLength(290);
  expect((await reader.accepted(3n, 300)).map(({ id }) => Number(id))).toEqual(rpc.leaves);
  expect(await reader.accepted(3n, 10)).toHaveLength(10);
  expect(rpc.calls.filter((name) => name === "contribution")).toHaveLength(300);
});

it("sees withdrawals of before its first read and of every block since", async () => {
  rpc.withdrawals.push({ id: 998, block: 30 }, { id: 997, block: 51 }, { id: 996, block: 12_000 });
  const withdrawn = async () =>
    (await reader.accepted(3n, 300))
      .filter(({ withdrawnAt }) => withdrawnAt > 0n)
      .map(({ id, withdrawnAt }) => [Number(id), Number(withdrawnAt)]);
  expect(await withdrawn()).toEqual([[998, 30]]);
  rpc.head = 51;
  expect(await withdrawn()).toEqual([
    [998, 30],
    [997, 51],
  ]);
  rpc.head = 20_000;
  expect(await withdrawn()).toHaveLength(3);
  const live = await liveContributions(reader, 5n, 51n);
  expect(live).toHaveLength(298);
  expect(live.map(({ id }) => Number(id))).toEqual(
    rpc.leaves.filter((id) => id !== 998 && id !== 997).sort((a, b) => a - b),
  );
});

it("reads again after a failure", async () => {
  const head = rpc.head;
  rpc.head = Number.NaN;
  await expect(reader.accepted(3n, 300)).rejects.toThrow();
  rpc.head = head;
  expect(await reader.accepted(3n, 300)).toHaveLength(300);
});
