/** A devnet with texts in a Datanet, a model on them and a staked host, for tests that send what a host would send. */
import { type Hex, parseEther, parseEventLogs, toHex } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { type AnswerCommitment, answerTypedData } from "../../attribution/answer.ts";
import type { Claim } from "../../attribution/challenge.ts";
import { traceByDefinition } from "../../attribution/trace-reference.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { contentRoot } from "../../core/content.ts";
import { type Span, spansHash } from "../../core/span-rule.ts";
import { type Actor, openSession, type Session } from "../../demo/session.ts";
import { attributionAbi } from "../../precompiles/interfaces/attribution.abi.ts";
import type { Devnet } from "./devnet-process.ts";
import { ATTRIBUTION, type MarketText, MODELS, openMarket } from "./market.ts";

const MNEMONIC = "test test test test test test test test test test test junk";
const PROMPT = new TextEncoder().encode("What does it say?");
const ESCROW = parseEther("1");

export interface Stage {
  readonly session: Session;
  readonly texts: readonly MarketText[];
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

/** Accounts 0 to 3: owner and contributors; 4 the host, 5 the payer. */
export async function setStage(devnet: Devnet, contents: readonly Uint8Array[]): Promise<Stage> {
  const session = await openSession(devnet.rpcUrl);
  const { client, actors } = session;
  const [owner, host, payer] = [actors[0]!, actors[4]!, actors[5]!];
  const { modelId, texts } = await openMarket(owner, contents, devnet.contentUrl, actors.slice(1, 4));
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
