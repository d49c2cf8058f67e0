/** A model on the Datanet, its host, and a paid question: request, signed answer, commitment, settlement. */
import { formatEther, type Hex, hexToBytes, keccak256, parseEther, parseEventLogs, stringToHex, toHex } from "viem";
import { contentRoot } from "../core/content.ts";
import { licenceCode } from "../core/licences.ts";
import { attributionAbi } from "../precompiles/interfaces/attribution.abi.ts";
import { modelsAbi } from "../precompiles/interfaces/models.abi.ts";
import { check, line } from "./report.ts";
import type { Actor, Session } from "./session.ts";

const MODELS = { address: "0x0000000000000000000000000000000000000902", abi: modelsAbi } as const;
const ATTRIBUTION = { address: "0x0000000000000000000000000000000000000903", abi: attributionAbi } as const;
const STAKE_WEI = parseEther("10");
const ESCROW_WEI = parseEther("1");

export async function registerModel(
  { client }: Session,
  owner: Actor,
  host: Actor,
  data: { readonly datanetId: bigint; readonly version: number },
  hostUrl: string,
): Promise<bigint> {
  const configuration = JSON.stringify({ type: "infinity-gram", unit: "word" });
  const receipt = await owner.sendAndWait({
    ...MODELS,
    functionName: "registerModel",
    args: [
      {
        kind: 0,
        parent: 0n,
        name: "Documentation infinity-gram",
        metadataURI: "https://example.org/models/documentation-infinity-gram",
        artifactHash: keccak256(stringToHex(`datanet ${data.datanetId} version ${data.version}`)),
        configHash: keccak256(stringToHex(configuration)),
        licence: licenceCode("CC-BY-4.0"),
        data: [data],
        requestPrice: parseEther("0.01"),
        outputPrice: parseEther("0.1"),
        royaltyPpm: 50_000,
        hostPpm: 400_000,
      },
    ],
  });
  const [registered] = parseEventLogs({ abi: modelsAbi, eventName: "ModelRegistered", logs: receipt.logs });
  if (registered === undefined) throw new Error("no ModelRegistered event");
  const { modelId, flattened } = registered.args;
  line(
    `model ${modelId} on ${flattened.map(({ datanetId, count }) => `${count} contributions of Datanet ${datanetId}`).join(", ")}`,
  );

  await host.sendAndWait({ ...ATTRIBUTION, functionName: "depositStake", args: [], value: STAKE_WEI });
  await host.sendAndWait({ ...MODELS, functionName: "joinAsHost", args: [modelId, hostUrl] });
  const isHost = await client.readContract({ ...MODELS, functionName: "isHost", args: [modelId, host.address] });
  line(`host ${host.address} joined with a stake of ${formatEther(STAKE_WEI)} OPEN`);
  check(isHost, "the host is registered");
  return modelId;
}

interface Span {
  readonly outputStart: number;
  readonly length: number;
  readonly contribution: bigint;
  readonly contentOffset: bigint;
}

interface Answer {
  readonly output: Hex;
  readonly text: string;
  readonly outputRoot: Hex;
  readonly spans: readonly {
    readonly outputStart: number;
    readonly length: number;
    readonly contribution: string;
    readonly contentOffset: string;
  }[];
  readonly signature: Hex;
}

export interface CommittedInference {
  readonly id: bigint;
  readonly outputRoot: Hex;
  readonly outputBytes: number;
  readonly spans: readonly Span[];
  /** Unix seconds. */
  readonly settleAfter: bigint;
}

export interface SettledInference extends CommittedInference {
  readonly feeWei: bigint;
}

export interface Question {
  readonly user: Actor;
  readonly host: Actor;
  readonly modelId: bigint;
  readonly prompt: string;
  readonly words: number;
  readonly hostUrl: string;
}

async function post(url: string, body: object): Promise<Answer> {
  const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as Answer;
}

/** Asks, checks the answer, commits it. */
export async function askModel(question: Question): Promise<CommittedInference> {
  const { user, host, modelId, prompt, words, hostUrl } = question;
  const request = new TextEncoder().encode(prompt);
  const requested = await user.sendAndWait({
    ...ATTRIBUTION,
    functionName: "requestInference",
    args: [modelId, host.address, toHex(contentRoot(request)), request.length, 0],
    value: ESCROW_WEI,
  });
  const [event] = parseEventLogs({ abi: attributionAbi, eventName: "InferenceRequested", logs: requested.logs });
  if (event === undefined) throw new Error("no InferenceRequested event");
  const id = event.args.inferenceId;

  const answer = await post(`${hostUrl}/v1/inferences`, { inferenceId: id.toString(), prompt, words });
  const output = hexToBytes(answer.output);
  check(
    toHex(contentRoot(output)) === answer.outputRoot,
    `inference ${id}: the answer's bytes hash to the signed root`,
  );
  line(`"${prompt} ..." -> ${output.length} bytes, ${answer.spans.length} spans: ${preview(answer.text)}`);

  const spans = answer.spans.map((span) => ({
    outputStart: span.outputStart,
    length: span.length,
    contribution: BigInt(span.contribution),
    contentOffset: BigInt(span.contentOffset),
  }));
  // The client holds the signed answer, so it need not rely on the host to commit it.
  const committed = await user.sendAndWait({
    ...ATTRIBUTION,
    functionName: "commitOutputs",
    args: [
      [
        {
          inferenceId: id,
          outputRoot: answer.outputRoot,
          outputBytes: output.length,
          output: answer.output,
          spans,
          signature: answer.signature,
        },
      ],
    ],
  });
  const [commitment] = parseEventLogs({ abi: attributionAbi, eventName: "OutputCommitted", logs: committed.logs });
  if (commitment === undefined) throw new Error("no OutputCommitted event");

  return {
    id,
    outputRoot: answer.outputRoot,
    outputBytes: output.length,
    spans,
    settleAfter: commitment.args.settleAfter,
  };
}

/** After the window, by anyone. */
export async function settle(
  session: Session,
  anyone: Actor,
  inference: CommittedInference,
): Promise<SettledInference> {
  const { id, outputRoot, outputBytes, spans, settleAfter } = inference;
  await timePasses(session, settleAfter);
  // The answer was committed alone: its leaf is the batch's root, so the claim needs no proof.
  const claim = { inferenceId: id, outputRoot, outputBytes, spans, proof: [] };
  const { logs } = await anyone.sendAndWait({ ...ATTRIBUTION, functionName: "settle", args: [[claim]] });
  const rewards = parseEventLogs({ abi: attributionAbi, eventName: "RewardAccrued", logs });
  const [settlement] = parseEventLogs({ abi: attributionAbi, eventName: "InferenceSettled", logs });
  if (settlement === undefined) throw new Error("no InferenceSettled event");
  const { fee, refund, contributorsPaid } = settlement.args;
  const shares = rewards.reduce((sum, reward) => sum + reward.args.amount, 0n);
  line(
    `settled ${id}: fee ${formatEther(fee)} OPEN, of it ${formatEther(contributorsPaid)} to contributors; refund ${formatEther(refund)}`,
  );
  check(
    shares === fee && fee + refund === ESCROW_WEI,
    `inference ${id}: shares sum to the fee, fee and refund to the escrow`,
  );
  return { ...inference, feeWei: fee };
}

const preview = (text: string): string => JSON.stringify(text.slice(0, 90).replaceAll(/\s+/g, " ")).slice(1, -1);

/** Waits for a block at or after the time: the devnet makes one at each heartbeat. */
async function timePasses({ client }: Session, time: bigint): Promise<void> {
  const giveUpAtMs = Date.now() + 120_000;
  for (;;) {
    const { timestamp } = await client.getBlock();
    if (timestamp >= time) return;
    if (Date.now() > giveUpAtMs) throw new Error(`no block reached time ${time} within two minutes`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
