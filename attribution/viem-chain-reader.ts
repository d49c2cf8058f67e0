/** ChainReader over any RPC URL that serves the precompiles: `viemChainReader(createPublicClient({transport}))`. */
import type { PublicClient } from "viem";
import { ATTRIBUTION_ADDRESS, MODELS_ADDRESS, PARAMETERS_ADDRESS } from "../core/addresses.ts";
import { bytesToHex, type Hex } from "../core/bytes.ts";
import { PARAMETER_SLOTS, type Parameters } from "../core/parameters.ts";
import { attributionAbi } from "../precompiles/interfaces/attribution.abi.ts";
import { modelsAbi } from "../precompiles/interfaces/models.abi.ts";
import { type AcceptedContribution, AUDIENCES, type ChainReader, INFERENCE_STATES } from "./chain-reader.ts";
import { acceptedIds, DATANET, mapBounded, unlessReverted } from "./viem-reads.ts";

export type ReadClient = Pick<
  PublicClient,
  "getBlock" | "getBlockNumber" | "getChainId" | "getContractEvents" | "getStorageAt" | "readContract"
>;

const ATTRIBUTION = { address: bytesToHex(ATTRIBUTION_ADDRESS), abi: attributionAbi } as const;
const MODELS = { address: bytesToHex(MODELS_ADDRESS), abi: modelsAbi } as const;
const PARAMETERS = bytesToHex(PARAMETERS_ADDRESS);

const MAX_MODELS = 256;
const MAX_CONTRIBUTIONS = 100_000;
const MAX_DATANETS = 64;
/** What fits a batch of JSON-RPC, where the transport makes any. */
const PARALLEL_CALLS = 64;
const LOG_RANGE_BLOCKS = 5_000n;

/** What is known of a Datanet as of block `syncedTo`. Leaves never change; only consent does. */
interface DatanetView {
  leaves: AcceptedContribution[];
  syncedTo: bigint;
}

export function viemChainReader(client: ReadClient): ChainReader {
  const datanets = new Map<bigint, Promise<DatanetView>>();

  async function refresh(view: DatanetView, datanetId: bigint, count: number): Promise<DatanetView> {
    const head = await client.getBlockNumber({ cacheTime: 0 });
    const withdrawnAt = await withdrawals(datanetId, view.syncedTo, head);
    const known = view.leaves.map((leaf) => ({ ...leaf, withdrawnAt: withdrawnAt.get(leaf.id) ?? leaf.withdrawnAt }));
    const added = await readLeaves(datanetId, known.length, count);
    return { leaves: [...known, ...added], syncedTo: head };
  }

  /** Block of withdrawal by contribution id, over the blocks after `from` up to `to`. */
  async function withdrawals(datanetId: bigint, from: bigint, to: bigint): Promise<Map<bigint, bigint>> {
    const found = new Map<bigint, bigint>();
    for (let start = from + 1n; start <= to; start += LOG_RANGE_BLOCKS) {
      const end = start + LOG_RANGE_BLOCKS - 1n;
      const events = await client.getContractEvents({
        ...DATANET,
        eventName: "ConsentWithdrawn",
        args: { datanetId },
        fromBlock: start,
        toBlock: end < to ? end : to,
        strict: true,
      });
      for (const { args, blockNumber } of events) found.set(args.contributionId, blockNumber);
    }
    return found;
  }

  /** Read at the latest block, at or after the view's: a withdrawal in between carries its own block number. */
  async function readLeaves(datanetId: bigint, from: number, to: number) {
    if (to > MAX_CONTRIBUTIONS) throw new RangeError(`Datanet ${datanetId}: ${to} contributions are too many to serve`);
    const ids = await acceptedIds(client, datanetId, from, to);
    return mapBounded(ids, PARALLEL_CALLS, async (id): Promise<AcceptedContribution> => {
      const item = await client.readContract({ ...DATANET, functionName: "contribution", args: [id] });
      return { id, contentRoot: item.contentRoot, size: Number(item.size), withdrawnAt: item.withdrawnAt };
    });
  }

  return {
    chainId: async () => BigInt(await client.getChainId()),

    async head() {
      const { number, timestamp } = await client.getBlock();
      return { number, timestamp };
    },

    async inference(id) {
      const item = await unlessReverted(
        "UnknownInference",
        client.readContract({ ...ATTRIBUTION, functionName: "inference", args: [id] }),
      );
      const state = INFERENCE_STATES[item?.state ?? 0];
      const audience = AUDIENCES[item?.audience ?? 0];
      if (item === undefined || state === undefined || state === "none" || audience === undefined) return undefined;
      return {
        id,
        state,
        audience,
        modelId: item.modelId,
        host: item.host.toLowerCase() as Hex,
        requestedAt: item.requestedAt,
        commitDeadline: item.commitDeadline,
        settleAfter: item.settleAfter,
        openDemands: item.openDemands,
        batchId: item.batchId,
        requestRoot: item.requestRoot,
        requestBytes: item.requestBytes,
        minSpanBytes: item.minSpan,
        escrowWei: item.escrow,
        platformFeeWei: item.platformFee,
        requestPrice: item.requestPrice,
        outputPrice: item.outputPrice,
      };
    },

    async modelTerms(modelId) {
      const item = await unlessReverted(
        "UnknownModel",
        client.readContract({ ...MODELS, functionName: "model", args: [modelId] }),
      );
      if (item === undefined) return undefined;
      const { timestamp } = await client.getBlock({ blockNumber: item.registeredAt });
      const { requestPrice, outputPrice } = item;
      return { owner: item.owner.toLowerCase() as Hex, registeredAt: timestamp, requestPrice, outputPrice };
    },

    async parameters(blockNumber) {
      const read = async (name: keyof Parameters): Promise<bigint> => {
        const slot = `0x${PARAMETER_SLOTS.indexOf(name).toString(16)}` as const;
        const at = blockNumber === undefined ? {} : { blockNumber };
        return BigInt((await client.getStorageAt({ address: PARAMETERS, slot, ...at })) ?? 0);
      };
      const [minSpanBytes, platformFeeWei, stakeMultiple] = await Promise.all([
        read("minSpanBytes"),
        read("platformFeeWei"),
        read("stakeMultiple"),
      ]);
      return { minSpanBytes: Number(minSpanBytes), platformFeeWei, stakeMultiple };
    },

    async stakeOf(host) {
      const [totalWei, lockedWei] = await client.readContract({
        ...ATTRIBUTION,
        functionName: "stakeOf",
        args: [host],
      });
      return { totalWei, lockedWei };
    },

    modelData: (modelId) => client.readContract({ ...MODELS, functionName: "dataOf", args: [modelId] }),

    async accepted(datanetId, count) {
      // Calls for one Datanet follow each other, each from what the one before read.
      const before = datanets.get(datanetId) ?? Promise.resolve(undefined);
      const view = before.then(async (known) => {
        if (known !== undefined) return refresh(known, datanetId, count);
        const head = await client.getBlockNumber({ cacheTime: 0 });
        return { leaves: await readLeaves(datanetId, 0, count), syncedTo: head };
      });
      datanets.delete(datanetId);
      datanets.set(datanetId, view);
      for (const oldest of datanets.keys()) {
        if (datanets.size <= MAX_DATANETS) break;
        datanets.delete(oldest);
      }
      try {
        return (await view).leaves.slice(0, count);
      } catch (error) {
        if (datanets.get(datanetId) === view) datanets.delete(datanetId);
        throw error;
      }
    },

    async modelsOf(host) {
      const count = await client.readContract({ ...MODELS, functionName: "modelCount" });
      const newest = Array.from({ length: Math.min(Number(count), MAX_MODELS) }, (_, i) => count - BigInt(i));
      const joined = await mapBounded(newest, PARALLEL_CALLS, (modelId) =>
        client.readContract({ ...MODELS, functionName: "isHost", args: [modelId, host] }),
      );
      return newest.filter((_, i) => joined[i]);
    },
  };
}
