/** A devnet with texts in a Datanet, a model on them and a staked host, for tests that send what a host would send. */
import { encodeAbiParameters, type Hex, keccak256, parseEther, parseEventLogs, toHex } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { type AnswerCommitment, answerTypedData } from "../../attribution/answer.ts";
import type { Claim } from "../../attribution/challenge.ts";
import { traceByDefinition } from "../../attribution/trace-reference.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { contentRoot } from "../../core/content.ts";
import { type Span, spansHash } from "../../core/span-rule.ts";
import { type Actor, openSession, type Session } from "../../demo/session.ts";
import { attributionAbi } from "../../precompiles/interfaces/attribution.abi.ts";
import { datanetAbi } from "../../precompiles/interfaces/datanet.abi.ts";
import { modelsAbi } from "../../precompiles/interfaces/models.abi.ts";
import type { Devnet } from "./devnet-process.ts";

const MNEMONIC = "test test test test test test test test test test test junk";
const DATANET = { address: "0x0000000000000000000000000000000000000901", abi: datanetAbi } as const;
const MODELS = { address: "0x0000000000000000000000000000000000000902", abi: modelsAbi } as const;
export const ATTRIBUTION = { address: "0x0000000000000000000000000000000000000903", abi: attributionAbi } as const;
const SALT: Hex = `0x${"5a".repeat(32)}`;
const PROMPT = new TextEncoder().encode("What does it say?");
const ESCROW = parseEther("1");

export interface StagedText {
  readonly id: bigint;
  readonly bytes: Uint8Array;
  readonly contributor: Actor;
}

export interface Stage {
  readonly session: Session;
  readonly texts: readonly StagedText[];
  readonly modelId: bigint;
  readonly host: Actor;
  readonly payer: Actor;
  /** m of span-v1 on the devnet. */
  readonly minSpanBytes: number;
  rightSpans(output: Uint8Array): Span[];
  request(isPrivate?: boolean): Promise<bigint>;
  sign(inferenceId: bigint, output: Uint8Array, spans: readonly Span[]): Promise<Hex>;
  /** Signed by the host, sent by it. */
  commit(inferenceId: bigint, output: Uint8Array, spans: readonly Span[]): Promise<Claim>;
  state(inferenceId: bigint): Promise<number>;
}

/** Accounts 0 to 3: owner and contributors; 4 the host, 5 the payer. `stored`: which texts go into the content store. */
export async function setStage(devnet: Devnet, contents: readonly Uint8Array[]): Promise<Stage> {
  const session = await openSession(devnet.rpcUrl);
  const { client, actors } = session;
  const [owner, host, payer] = [actors[0]!, actors[4]!, actors[5]!];
  const created = await owner.sendAndWait({
    ...DATANET,
    functionName: "createDatanet",
    args: ["Texts", "test", "", 0, 7, 0, 0n],
  });
  const { datanetId } = parseEventLogs({ abi: datanetAbi, eventName: "DatanetCreated", logs: created.logs })[0]!.args;
  const texts: StagedText[] = [];
  for (const [i, bytes] of contents.entries()) {
    const contributor = actors[1 + (i % 3)]!;
    const response = await fetch(`${devnet.contentUrl}/content`, {
      method: "PUT",
      body: bytes as Uint8Array<ArrayBuffer>,
    });
    if (!response.ok) throw new Error(`the content store answered ${response.status}`);
    texts.push({ id: await contribute(datanetId, owner, contributor, bytes), bytes, contributor });
  }
  await owner.sendAndWait({ ...DATANET, functionName: "publishVersion", args: [datanetId] });
  const registered = await owner.sendAndWait({
    ...MODELS,
    functionName: "registerModel",
    args: [
      {
        kind: 0,
        parent: 0n,
        name: "Model",
        metadataURI: "",
        artifactHash: SALT,
        configHash: SALT,
        licence: 7,
        data: [{ datanetId, version: 1 }],
        requestPrice: parseEther("0.01"),
        outputPrice: parseEther("0.1"),
        royaltyPpm: 0,
        hostPpm: 400_000,
      },
    ],
  });
  const { modelId } = parseEventLogs({ abi: modelsAbi, eventName: "ModelRegistered", logs: registered.logs })[0]!.args;
  await host.sendAndWait({ ...ATTRIBUTION, functionName: "depositStake", args: [], value: parseEther("100") });
  await host.sendAndWait({ ...MODELS, functionName: "joinAsHost", args: [modelId, ""] });

  const chainId = BigInt(await client.getChainId());
  const signer = mnemonicToAccount(MNEMONIC, { addressIndex: 4 });
  const minSpanBytes = 24;
  const commitment = (inferenceId: bigint, output: Uint8Array, spans: readonly Span[]): AnswerCommitment => ({
    inferenceId,
    requestRoot: toHex(contentRoot(PROMPT)),
    outputRoot: toHex(contentRoot(output)),
    outputBytes: output.length,
    spansHash: bytesToHex(spansHash(spans)),
  });
  const sign = (inferenceId: bigint, output: Uint8Array, spans: readonly Span[]) =>
    signer.signTypedData(answerTypedData(chainId, commitment(inferenceId, output, spans)));

  return {
    session,
    texts,
    modelId,
    host,
    payer,
    minSpanBytes,
    sign,
    rightSpans: (output) => traceByDefinition(texts, output, minSpanBytes),
    async request(isPrivate = false) {
      const { logs } = await payer.sendAndWait({
        ...ATTRIBUTION,
        functionName: "requestInference",
        args: [modelId, host.address, toHex(contentRoot(PROMPT)), PROMPT.length, isPrivate ? 1 : 0],
        value: ESCROW,
      });
      return parseEventLogs({ abi: attributionAbi, eventName: "InferenceRequested", logs })[0]!.args.inferenceId;
    },
    async commit(inferenceId, output, spans) {
      const { outputRoot, outputBytes } = commitment(inferenceId, output, spans);
      const signature = await sign(inferenceId, output, spans);
      const answer = { inferenceId, outputRoot, outputBytes, output: bytesToHex(output), spans, signature };
      await host.sendAndWait({ ...ATTRIBUTION, functionName: "commitOutputs", args: [[answer]] });
      return { inferenceId, outputRoot, outputBytes, spans, proof: [] };
    },
    async state(inferenceId) {
      const args = [inferenceId] as const;
      return (await client.readContract({ ...ATTRIBUTION, functionName: "inference", args })).state;
    },
  };
}

async function contribute(datanetId: bigint, owner: Actor, contributor: Actor, bytes: Uint8Array): Promise<bigint> {
  const root = toHex(contentRoot(bytes));
  const types = [{ type: "uint256" }, { type: "address" }, { type: "bytes32" }, { type: "bytes32" }] as const;
  const commitment = keccak256(encodeAbiParameters(types, [datanetId, contributor.address, root, SALT]));
  await contributor.sendAndWait({ ...DATANET, functionName: "commitContribution", args: [datanetId, commitment] });
  const { logs } = await contributor.sendAndWait({
    ...DATANET,
    functionName: "submitContribution",
    args: [datanetId, root, BigInt(bytes.length), "", 7, [], SALT],
  });
  const { contributionId } = parseEventLogs({ abi: datanetAbi, eventName: "ContributionSubmitted", logs })[0]!.args;
  await owner.sendAndWait({ ...DATANET, functionName: "acceptContribution", args: [contributionId, 9_000] });
  return contributionId;
}
