import {
  createPublicClient,
  custom,
  decodeFunctionData,
  encodeAbiParameters,
  encodeErrorResult,
  encodeEventTopics,
  encodeFunctionResult,
  type Hex,
  numberToHex,
  pad,
  parseAbiParameters,
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
const ATTRIBUTION = "0x0000000000000000000000000000000000000903";
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
      case "eth_getLogs":
        return this.#logs(first as unknown as { address: string; fromBlock: Hex; toBlock: Hex });
    }
    throw new Error(`unexpected ${method}`);
  };

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
        audience: 0,
        modelId: 5n,
        payer: HOST,
        host: HOST,
        requestedAt: 40n,
        commitDeadline: 2_000n,
        settleAfter: 0n,
        requestBytes: 12,
        outputBytes: 0,
        coveredBytes: 0,
        minSpan: 24,
        escrow: 10n ** 18n,
        fee: 0n,
        requestRoot: root(77),
        outputRoot: root(0),
        spansHash: root(0),
      };
      return encodeFunctionResult({ abi: attributionAbi, functionName, result });
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
    expect(address).toBe(ATTRIBUTION);
    if (!within(40)) return [];
    const topics = encodeEventTopics({
      abi: attributionAbi,
      eventName: "InferenceRequested",
      args: { inferenceId: 7n, modelId: 5n, payer: HOST },
    });
    const types = parseAbiParameters(
      "address, bytes32, uint32, uint8, uint256, uint64, uint16, uint128, uint128, uint256",
    );
    const data = encodeAbiParameters(types, [HOST, root(77), 12, 0, 10n ** 18n, 2_000n, 24, 11n, 22n, 33n]);
    return [{ ...place, address, blockNumber: numberToHex(40), topics, data }];
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
    modelId: 5n,
    host: HOST.toLowerCase(),
    requestedAt: 40n,
    commitDeadline: 2_000n,
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
