/** What was committed, as a watcher needs it: the claim with its proof, and the output where it can be had. */
import { decodeFunctionData, type PublicClient } from "viem";
import type { Claim } from "../../attribution/challenge.ts";
import { ATTRIBUTION_ADDRESS, MODELS_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../core/bytes.ts";
import { contentRoot } from "../../core/content.ts";
import { attributionAbi } from "../../precompiles/interfaces/attribution.abi.ts";
import { modelsAbi } from "../../precompiles/interfaces/models.abi.ts";
import { batchProofs } from "../host/chain.ts";

const MODELS = { address: bytesToHex(MODELS_ADDRESS), abi: modelsAbi } as const;
const ATTRIBUTION = { address: bytesToHex(ATTRIBUTION_ADDRESS), abi: attributionAbi } as const;

export type CommitmentClient = Pick<PublicClient, "getContractEvents" | "getTransaction">;

export interface Commitment {
  readonly claim: Claim;
  readonly host: Hex;
  readonly modelId: bigint;
  /** Block timestamp until which it can be challenged, extensions aside. */
  readonly settleAfter: bigint;
  readonly transaction: Hex;
}

/** Models that were registered, got a host, or of which something was requested in blocks from..to, with the last such block. */
export async function readActiveModels(
  client: CommitmentClient,
  from: bigint,
  to: bigint,
): Promise<Map<bigint, bigint>> {
  const range = { fromBlock: from, toBlock: to, strict: true } as const;
  const logs = await Promise.all([
    client.getContractEvents({ ...MODELS, eventName: "ModelRegistered", ...range }),
    client.getContractEvents({ ...MODELS, eventName: "HostJoined", ...range }),
    client.getContractEvents({ ...ATTRIBUTION, eventName: "InferenceRequested", ...range }),
  ]);
  const active = new Map<bigint, bigint>();
  for (const { args, blockNumber } of logs.flat()) {
    const known = active.get(args.modelId) ?? 0n;
    if (blockNumber >= known) active.set(args.modelId, blockNumber);
  }
  return active;
}

/** Commitments in blocks from..to, in their order. */
export async function readCommitments(client: CommitmentClient, from: bigint, to: bigint): Promise<Commitment[]> {
  const eventName = "OutputCommitted";
  const range = { fromBlock: from, toBlock: to };
  const logs = await client.getContractEvents({ ...ATTRIBUTION, eventName, ...range, strict: true });
  const proofs = batchProofs(logs.map(({ args }) => args));
  return logs.map(({ args, transactionHash }) => {
    const { inferenceId, outputRoot, outputBytes, spans, host, modelId, settleAfter } = args;
    const claim = { inferenceId, outputRoot, outputBytes, spans, proof: proofs.get(inferenceId) ?? [] };
    return { claim, host: host.toLowerCase() as Hex, modelId, settleAfter, transaction: transactionHash };
  });
}

/**
 * Output of a public answer, from the calldata of its commitment. Undefined when the commitment came through a contract,
 * whose calldata are its own, or the answer is private.
 */
export async function outputFromCalldata(
  client: CommitmentClient,
  commitment: Commitment,
): Promise<Uint8Array | undefined> {
  const { input, to } = await client.getTransaction({ hash: commitment.transaction });
  if (to?.toLowerCase() !== ATTRIBUTION.address) return undefined;
  const { inferenceId, outputRoot } = commitment.claim;
  for (const answer of answersIn(input)) {
    if (answer.inferenceId !== inferenceId || answer.outputRoot !== outputRoot) continue;
    const output = hexToBytes(answer.output);
    // A private answer has a root here.
    if (output.length > 0 && bytesToHex(contentRoot(output)) === outputRoot) return output;
  }
  return undefined;
}

function answersIn(input: Hex) {
  try {
    const { functionName, args } = decodeFunctionData({ abi: attributionAbi, data: input });
    return functionName === "commitOutputs" ? args[0] : [];
  } catch {
    return [];
  }
}
