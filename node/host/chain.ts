/** What a host's loop reads of the attribution precompile besides attribution/chain-reader.ts, and the calls it makes. */
import { BaseError, encodeFunctionData, type PublicClient } from "viem";
import type { SignedAnswer } from "../../attribution/answer-log.ts";
import type { Audience } from "../../attribution/chain-reader.ts";
import type { Claim } from "../../attribution/challenge.ts";
import { ATTRIBUTION_ADDRESS, DATANET_ADDRESS } from "../../core/addresses.ts";
import { answerLeaf, batchProof } from "../../core/answer-batch.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../core/bytes.ts";
import { CHUNK_BYTES, ContentTree, contentTreeRoot } from "../../core/content.ts";
import { type Span, spansHash } from "../../core/span-rule.ts";
import { attributionAbi } from "../../precompiles/interfaces/attribution.abi.ts";
import { datanetAbi } from "../../precompiles/interfaces/datanet.abi.ts";

const ATTRIBUTION = { address: bytesToHex(ATTRIBUTION_ADDRESS), abi: attributionAbi } as const;
const DATANET = { address: bytesToHex(DATANET_ADDRESS), abi: datanetAbi } as const;
const LOG_RANGE_BLOCKS = 5_000n;

export interface Demand {
  readonly inferenceId: bigint;
  readonly contribution: bigint;
  readonly chunk: bigint;
  /** Block timestamp, seconds. */
  readonly deadline: bigint;
}

export type HostEvent =
  | {
      readonly type: "committed";
      readonly inferenceId: bigint;
      readonly batchId: bigint;
      readonly outputRoot: Hex;
      readonly feeWei: bigint;
      readonly settleAfter: bigint;
      readonly blockNumber: bigint;
      /** Siblings from the answer's leaf to the batch's root. */
      readonly proof: readonly Hex[];
    }
  | ({ readonly type: "demanded" } & Demand)
  | ({ readonly type: "shown"; readonly settleAfter: bigint } & Omit<Demand, "deadline">)
  | { readonly type: "settled" | "expired"; readonly inferenceId: bigint }
  | { readonly type: "voided"; readonly inferenceId: bigint; readonly fault: number; readonly slashedWei: bigint };

export type HostClient = Pick<PublicClient, "getContractEvents" | "readContract">;

export interface HostChain {
  /** In their order, over blocks from..to. */
  events(from: bigint, to: bigint): Promise<HostEvent[]>;
  /** The commitment of one inference within blocks from..to. */
  commitment(inferenceId: bigint, from: bigint, to: bigint): Promise<(HostEvent & { type: "committed" }) | undefined>;
  /** Chunks that were demanded of one inference in blocks from..to, and are not shown. */
  openDemands(inferenceId: bigint, from: bigint, to: bigint): Promise<Demand[]>;
  isOpen(demand: Demand): Promise<boolean>;
  contentOf(contribution: bigint): Promise<{ readonly root: Hex; readonly size: number }>;
}

export function viemHostChain(client: HostClient): HostChain {
  function* ranges(from: bigint, to: bigint) {
    for (let start = from; start <= to; start += LOG_RANGE_BLOCKS) {
      const end = start + LOG_RANGE_BLOCKS - 1n;
      yield { fromBlock: start, toBlock: end < to ? end : to };
    }
  }

  async function isOpen({ inferenceId, contribution, chunk }: Demand): Promise<boolean> {
    const args = [inferenceId, contribution, chunk] as const;
    const [, deadline, closed] = await client.readContract({ ...ATTRIBUTION, functionName: "demand", args });
    return deadline !== 0n && !closed;
  }

  async function events(from: bigint, to: bigint): Promise<HostEvent[]> {
    const found: HostEvent[] = [];
    for (const range of ranges(from, to)) found.push(...(await eventsWithin(range.fromBlock, range.toBlock)));
    return found;
  }

  /** Where a node gives no so long answer, in halves. */
  async function eventsWithin(fromBlock: bigint, toBlock: bigint): Promise<HostEvent[]> {
    let logs: readonly Log[];
    try {
      logs = await readLogs(client, fromBlock, toBlock);
    } catch (error) {
      if (!(error instanceof BaseError) || fromBlock === toBlock) throw error;
      const middle = (fromBlock + toBlock) / 2n;
      return [...(await eventsWithin(fromBlock, middle)), ...(await eventsWithin(middle + 1n, toBlock))];
    }
    const proofs = batchProofs(logs.filter((log) => log.eventName === "OutputCommitted").map(({ args }) => args));
    return logs.map((log) => eventOf(log, proofs)).filter((event) => event !== undefined);
  }

  return {
    events,
    isOpen,
    async commitment(inferenceId, from, to) {
      for (const range of ranges(from, to)) {
        const args = { inferenceId };
        const eventName = "OutputCommitted";
        const [log] = await client.getContractEvents({ ...ATTRIBUTION, eventName, args, ...range, strict: true });
        if (log === undefined) continue;
        // The whole block, for the answers beside it in its batch.
        const beside = await events(log.blockNumber, log.blockNumber);
        return beside.find((event) => event.type === "committed" && event.inferenceId === inferenceId) as
          | (HostEvent & { type: "committed" })
          | undefined;
      }
      return undefined;
    },
    async openDemands(inferenceId, from, to) {
      const demands: Demand[] = [];
      for (const range of ranges(from, to)) {
        const args = { inferenceId };
        const eventName = "ChunkDemanded";
        for (const log of await client.getContractEvents({ ...ATTRIBUTION, eventName, args, ...range, strict: true })) {
          const { contributionId: contribution, chunk, deadline } = log.args;
          const demand = { inferenceId, contribution, chunk, deadline };
          if (await isOpen(demand)) demands.push(demand);
        }
      }
      return demands;
    },
    async contentOf(contribution) {
      const item = await client.readContract({ ...DATANET, functionName: "contribution", args: [contribution] });
      return { root: item.contentRoot, size: Number(item.size) };
    },
  };
}

interface Committed {
  readonly inferenceId: bigint;
  readonly batchId: bigint;
  readonly index: number;
  readonly outputRoot: Hex;
  readonly outputBytes: number;
  readonly spans: readonly Span[];
}

/** By inference. Precondition: batches are whole. */
export function batchProofs(committed: readonly Committed[]): Map<bigint, readonly Hex[]> {
  const proofs = new Map<bigint, readonly Hex[]>();
  for (const batch of Map.groupBy(committed, ({ batchId }) => batchId).values()) {
    const answers = batch.toSorted((a, b) => a.index - b.index);
    const leaves = answers.map(({ inferenceId, outputRoot, outputBytes, spans }) =>
      answerLeaf({
        inferenceId,
        outputRoot: hexToBytes(outputRoot),
        outputBytes,
        spansHash: spansHash(spans),
      }),
    );
    for (const [i, { inferenceId }] of answers.entries()) {
      proofs.set(inferenceId, batchProof(leaves, i).map(bytesToHex));
    }
  }
  return proofs;
}

const readLogs = (client: HostClient, fromBlock: bigint, toBlock: bigint) =>
  client.getContractEvents({ ...ATTRIBUTION, fromBlock, toBlock, strict: true });
type Log = Awaited<ReturnType<typeof readLogs>>[number];

function eventOf(log: Log, proofs: ReadonlyMap<bigint, readonly Hex[]>): HostEvent | undefined {
  switch (log.eventName) {
    case "OutputCommitted": {
      const { inferenceId, batchId, outputRoot, fee: feeWei, settleAfter } = log.args;
      const proof = proofs.get(inferenceId) ?? [];
      const { blockNumber } = log;
      return { type: "committed", inferenceId, batchId, outputRoot, feeWei, settleAfter, blockNumber, proof };
    }
    case "ChunkDemanded": {
      const { inferenceId, contributionId: contribution, chunk, deadline } = log.args;
      return { type: "demanded", inferenceId, contribution, chunk, deadline };
    }
    case "ChunkShown": {
      const { inferenceId, contributionId: contribution, chunk, settleAfter } = log.args;
      return { type: "shown", inferenceId, contribution, chunk, settleAfter };
    }
    case "InferenceSettled":
      return { type: "settled", inferenceId: log.args.inferenceId };
    case "InferenceExpired":
      return { type: "expired", inferenceId: log.args.inferenceId };
    case "InferenceVoided": {
      const { inferenceId, fault, slashed: slashedWei } = log.args;
      return { type: "voided", inferenceId, fault, slashedWei };
    }
    default:
      return undefined;
  }
}

export interface Signed {
  readonly answer: SignedAnswer;
  readonly audience: Audience;
}

const callOf = (data: Hex) => ({ to: ATTRIBUTION.address, data });

/** commitOutputs */
export function commitCall(signed: readonly Signed[]) {
  const answers = signed.map(({ answer, audience }) => {
    const { inferenceId, outputRoot, outputBytes, spans, signature } = answer;
    const output = audience === "public" ? answer.output : bytesToHex(contentTreeRoot(hexToBytes(answer.output)));
    return { inferenceId, outputRoot, outputBytes, output, spans, signature };
  });
  return callOf(encodeFunctionData({ abi: attributionAbi, functionName: "commitOutputs", args: [answers] }));
}

export const settleCall = (claims: readonly Claim[]) =>
  callOf(encodeFunctionData({ abi: attributionAbi, functionName: "settle", args: [claims] }));

/** showChunk. Precondition: the content has that chunk. */
export function showCall({ inferenceId, contribution, chunk }: Demand, content: Uint8Array) {
  const first = Number(chunk);
  const data = bytesToHex(content.subarray(first * CHUNK_BYTES, (first + 1) * CHUNK_BYTES));
  const siblings = new ContentTree(content).rangeProof(first, first).map(bytesToHex);
  const args = [inferenceId, contribution, { first: chunk, data, siblings }] as const;
  return callOf(encodeFunctionData({ abi: attributionAbi, functionName: "showChunk", args }));
}
