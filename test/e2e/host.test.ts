/**
 * `openledger host` beside a real devnet: an offer, a request on chain, a streamed answer with its attribution, one
 * batch on chain, a demanded chunk shown, a kill, and the settlement by the next process.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Hex, parseEther, parseEventLogs, recoverTypedDataAddress, toHex } from "viem";
import { afterAll, beforeAll, expect, it } from "vitest";
import { answerTypedData } from "../../attribution/answer.ts";
import type { Offer } from "../../attribution/offer.ts";
import type { OpenLedgerPart } from "../../attribution/openai-response.ts";
import { chatPrompt } from "../../attribution/prompt.ts";
import { contentRoot } from "../../core/content.ts";
import { openSession, type Session } from "../../demo/session.ts";
import { attributionAbi } from "../../precompiles/interfaces/attribution.abi.ts";
import {
  type Devnet,
  FAST_BLOCKS,
  type HostProcess,
  startDevnet,
  startHost,
  temporaryDirectory,
} from "../helpers/devnet-process.ts";
import { ATTRIBUTION, openMarket } from "../helpers/market.ts";
import { readEvents } from "../helpers/sse.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const directory = temporaryDirectory();
const HOST_ACCOUNT = 8;
let node: Devnet;
let session: Session;
let modelId: bigint;
let host: HostProcess | undefined;

beforeAll(async () => {
  node = await startDevnet(join(directory.path, "node"), FAST_BLOCKS);
  session = await openSession(node.rpcUrl);
  const texts = ["README.md", "attribution/README.md", "docs/spec.md"].map(
    (file) => new Uint8Array(readFileSync(join(root, file))),
  );
  ({ modelId } = await openMarket(session.actors[0]!, texts, node.contentUrl));
}, 120_000);
afterAll(async () => {
  await host?.stop("SIGKILL");
  await node.stop();
  directory.remove();
});

const start = (...more: string[]): Promise<HostProcess> =>
  startHost([
    ...["--datadir", join(directory.path, "host"), "--rpc", node.rpcUrl, "--content.url", node.contentUrl],
    ...["--account", String(HOST_ACCOUNT), "--host.port", "0", "--batch.seconds", "2", "--rpc.poll", "100", ...more],
  ]);

const messages = (text: string) => [
  { role: "system", content: "Continue." },
  { role: "user", content: text },
];

const chat = (text: string, more: object = {}, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${host?.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ model: String(modelId), messages: messages(text), max_tokens: 60, ...more }),
  });

/** Takes the offer, and pays for it as its client. */
async function request(text: string, audience: 0 | 1): Promise<bigint> {
  const refused = await chat(text);
  expect(refused.status).toBe(402);
  const { offer } = ((await refused.json()) as { openledger: { offer: Offer } }).openledger;
  const prompt = chatPrompt(messages(text)).bytes;
  expect(offer).toMatchObject({ modelId: String(modelId), requestRoot: toHex(contentRoot(prompt)) });
  const { logs } = await session.actors[1]!.sendAndWait({
    ...ATTRIBUTION,
    functionName: "requestInference",
    args: [BigInt(offer.modelId), offer.host, offer.requestRoot, offer.requestBytes, audience],
    value: BigInt(offer.escrow),
  });
  const [event] = parseEventLogs({ abi: attributionAbi, eventName: "InferenceRequested", logs });
  return event!.args.inferenceId;
}

interface Chunk {
  readonly choices: readonly { readonly delta: { readonly content?: string }; readonly finish_reason: string | null }[];
  readonly usage?: { readonly completion_tokens: number };
  readonly openledger?: OpenLedgerPart;
}

async function streamed(text: string, id: bigint): Promise<{ text: string; part: OpenLedgerPart }> {
  const options = { stream: true, stream_options: { include_usage: true } };
  const chunks = (await readEvents(await chat(text, options, { "openledger-inference-id": String(id) }))) as Chunk[];
  const answer = chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
  const finish = chunks.at(-2)!;
  expect(finish.choices[0]?.finish_reason).toBe("length");
  expect(chunks.at(-1)).toMatchObject({
    choices: [],
    usage: { completion_tokens: 60, prompt_tokens: expect.any(Number) },
  });
  expect(chunks.length).toBeGreaterThan(20);
  return { text: answer, part: finish.openledger! };
}

const stateOf = async (id: bigint): Promise<number> =>
  (await session.client.readContract({ ...ATTRIBUTION, functionName: "inference", args: [id] })).state;
const [COMMITTED, SETTLED] = [2, 3];

it("is paid, streams, commits a batch, shows a chunk, survives a kill, settles", async () => {
  host = await start("--join", String(modelId), "--stake", "20");
  const hostAddress = session.actors[HOST_ACCOUNT]!.address;
  const listed = await (await fetch(`${host.url}/v1/models`)).json();
  expect(listed).toMatchObject({ object: "list", data: [{ id: String(modelId), object: "model" }] });

  const asked = [
    { text: "The software is provided", id: await request("The software is provided", 0) },
    { text: "Contributions are", id: await request("Contributions are", 1) },
  ];
  const answers = await Promise.all(asked.map(({ text, id }) => streamed(text, id)));
  for (const [i, { text, part }] of answers.entries()) {
    const bytes = new TextEncoder().encode(text);
    expect(part).toMatchObject({ inferenceId: String(asked[i]!.id), outputBytes: bytes.length, state: "signed" });
    expect(toHex(contentRoot(bytes))).toBe(part.outputRoot);
    expect(part.spans.length).toBeGreaterThan(0);
    const { requestRoot, outputRoot, outputBytes, spansHash } = part;
    const signed = { inferenceId: asked[i]!.id, requestRoot, outputRoot, outputBytes, spansHash };
    const typed = answerTypedData(BigInt(part.chainId), signed);
    expect(await recoverTypedDataAddress({ ...typed, signature: part.signature as Hex })).toBe(hostAddress);
  }

  for (const { id } of asked) await expect.poll(() => stateOf(id), { timeout: 30_000 }).toBe(COMMITTED);
  const { batchId } = await session.client.readContract({
    ...ATTRIBUTION,
    functionName: "inference",
    args: [asked[0]!.id],
  });
  const events = await session.client.getContractEvents({
    ...ATTRIBUTION,
    eventName: "BatchCommitted",
    fromBlock: 0n,
    strict: true,
  });
  expect(events.map(({ args }) => [args.batchId, args.count])).toEqual([[batchId, 2]]);

  const { contribution } = answers[0]!.part.spans[0]!;
  await session.actors[2]!.sendAndWait({
    ...ATTRIBUTION,
    functionName: "demandChunk",
    args: [asked[0]!.id, BigInt(contribution), 1n],
    value: parseEther("0.001"),
  });
  const shown = () =>
    session.client.getContractEvents({ ...ATTRIBUTION, eventName: "ChunkShown", fromBlock: 0n, strict: true });
  await expect.poll(async () => (await shown()).map(({ args }) => args.by), { timeout: 30_000 }).toEqual([hostAddress]);

  await host.stop("SIGKILL");
  host = await start();
  // The same question again: the same answer, from the record.
  const again = await chat(asked[0]!.text, {}, { "openledger-inference-id": String(asked[0]!.id) });
  const body = (await again.json()) as { openledger: OpenLedgerPart; choices: { message: { content: string } }[] };
  expect(body.openledger).toEqual({ ...answers[0]!.part, state: "committed" });
  expect(body.choices[0]?.message.content).toBe(answers[0]!.text);

  for (const { id } of asked) await expect.poll(() => stateOf(id), { timeout: 120_000, interval: 500 }).toBe(SETTLED);
  const accrued = await session.client.readContract({ ...ATTRIBUTION, functionName: "accrued", args: [hostAddress] });
  expect(accrued).toBeGreaterThan(0n);
  const [, locked] = await session.client.readContract({
    ...ATTRIBUTION,
    functionName: "stakeOf",
    args: [hostAddress],
  });
  expect(locked).toBe(0n);
  const stopped = await host.stop("SIGINT");
  expect(stopped).toMatchObject({ code: 0, signal: null });
  expect(stopped.output).not.toMatch(/"level":50/);
  host = undefined;
}, 240_000);
