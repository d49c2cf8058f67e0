/**
 * `npm run poa -- [--megabytes 80] [--questions 12]`: the whole way of real text, on real processes: what installed packages
 * carry is contributed to a Datanet, frozen in a version, fetched and verified by `openledger data fetch`, indexed and
 * served by `openledger host`, paid for, traced, committed in batches, traced again by `openledger watch`, settled by
 * the host and claimed by its contributors.
 *
 * Prints `name value unit goal`; exit code 1 when something does not hold.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { encodeAbiParameters, type Hash, type Hex, keccak256, parseEther, parseEventLogs, toHex } from "viem";
import { textPrompt } from "../../attribution/prompt.ts";
import { contentRoot } from "../../core/content.ts";
import { licenceAllows, licenceCode } from "../../core/licences.ts";
import { type Actor, openSession, type Session, succeeded } from "../../demo/session.ts";
import { attributionAbi } from "../../precompiles/interfaces/attribution.abi.ts";
import { datanetAbi } from "../../precompiles/interfaces/datanet.abi.ts";
import { modelsAbi } from "../../precompiles/interfaces/models.abi.ts";
import {
  FAST_BLOCKS,
  runCommand,
  startCommand,
  startDevnet,
  startHost,
  temporaryDirectory,
} from "../helpers/devnet-process.ts";

const DATANET = { address: "0x0000000000000000000000000000000000000901", abi: datanetAbi } as const;
const MODELS = { address: "0x0000000000000000000000000000000000000902", abi: modelsAbi } as const;
const ATTRIBUTION = { address: "0x0000000000000000000000000000000000000903", abi: attributionAbi } as const;
const SALT: Hex = `0x${"5a".repeat(32)}`;
const LICENCE = licenceCode("CC-BY-4.0");
const PART_BYTES = 1_000_000;
const HOST = 8;
const WATCHER = 9;
const TEXT = /\.(js|mjs|cjs|ts|mts|cts|md|txt|sol|graphql|json)$/i;

export interface LargeCorpusResult {
  /** name, value, unit, goal */
  readonly rows: readonly (readonly [string, number, string, string])[];
  readonly problems: readonly string[];
}

interface Part {
  readonly licence: number;
  readonly bytes: Uint8Array;
}

/** Texts of packages whose licence allows it, every file once, a package after the other in parts of at most 1 MB. */
function realText(megabytes: number): { parts: Part[]; files: number; duplicates: number } {
  const modules = fileURLToPath(new URL("../../node_modules", import.meta.url));
  const seen = new Set<string>();
  const parts: Part[] = [];
  const total = { bytes: 0, files: 0, duplicates: 0 };
  for (const folder of [...packagesIn(modules), ...debianDocs()]) {
    if (total.bytes >= megabytes * 1e6) break;
    const licence = licenceOf(folder);
    if (!licenceAllows(licence, LICENCE)) continue;
    let gathered: Uint8Array[] = [];
    let size = 0;
    const close = () => {
      if (size > 0) parts.push({ licence, bytes: Buffer.concat(gathered) });
      gathered = [];
      size = 0;
    };
    for (const path of filesIn(folder)) {
      const bytes = readFileSync(path);
      if (bytes.length < 200 || bytes.length > PART_BYTES || bytes.includes(0)) continue;
      const hash = createHash("sha256").update(bytes).digest("base64");
      if (seen.has(hash)) {
        total.duplicates += bytes.length;
        continue;
      }
      seen.add(hash);
      if (size + bytes.length > PART_BYTES) close();
      gathered.push(bytes);
      size += bytes.length;
      total.bytes += bytes.length;
      total.files++;
      if (total.bytes >= megabytes * 1e6) break;
    }
    close();
  }
  return { parts, files: total.files, duplicates: total.duplicates };
}

function packagesIn(modules: string): string[] {
  const names = readdirSync(modules).filter((name) => !name.startsWith("."));
  const folders = names.flatMap((name) =>
    name.startsWith("@") ? readdirSync(join(modules, name)).map((inner) => `${name}/${inner}`) : [name],
  );
  return folders.sort().map((name) => join(modules, name));
}

const debianDocs = (): string[] => ["/usr/share/doc/linux-doc"].filter((folder) => existsSync(folder));

function licenceOf(folder: string): number {
  const file = join(folder, "package.json");
  if (!existsSync(file)) return 0;
  const { license } = JSON.parse(readFileSync(file, "utf8")) as { license?: unknown };
  return typeof license === "string" ? licenceCode(license.replaceAll(/[()]/g, "").split(" OR ")[0]?.trim()) : 0;
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => TEXT.test(name) && !name.includes("node_modules"))
    .sort()
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

export async function largeCorpus(megabytes: number, questions: number): Promise<LargeCorpusResult> {
  const directory = temporaryDirectory();
  const rows: [string, number, string, string][] = [];
  const problems: string[] = [];
  const row = (name: string, value: number, unit: string, goal = "-") => void rows.push([name, value, unit, goal]);
  const hold = (holds: boolean, claim: string) => void (holds || problems.push(claim));
  const { parts, files, duplicates } = realText(megabytes);
  const bytes = parts.reduce((sum, part) => sum + part.bytes.length, 0);
  row("files", files, "files");
  row("duplicates", duplicates / 1e6, "MB");
  row("text", bytes / 1e6, "MB", String(megabytes));
  row("contributions", parts.length, "contributions");

  const node = await startDevnet(join(directory.path, "node"), [...FAST_BLOCKS]);
  const stops: (() => Promise<unknown>)[] = [() => node.stop()];
  const seconds = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const begin = performance.now();
    const result = await work();
    row(name, (performance.now() - begin) / 1_000, "s");
    return result;
  };
  try {
    const session = await openSession(node.rpcUrl);
    const { client, actors } = session;
    const contributors = actors.slice(1, 5);
    const datanetId = await seconds("contribute", () => contribute(session, contributors, parts, node.contentUrl));

    const copy = join(directory.path, "copy");
    const fetched = await seconds("fetch", () =>
      runCommand([
        ...["data", "fetch", "--datanet", String(datanetId), "--out", copy],
        ...["--rpc", node.rpcUrl, "--content.url", node.contentUrl],
      ]),
    );
    hold(fetched.code === 0, `openledger data fetch ended with ${fetched.code}: ${fetched.output.slice(-400)}`);

    const modelId = await register(actors[0]!, datanetId);
    const common = ["--rpc", node.rpcUrl, "--content.url", node.contentUrl, "--rpc.poll", "200"];
    const watcher = startCommand([
      ...["watch", "--datadir", join(directory.path, "watch"), "--account", String(WATCHER)],
      ...["--log.format", "json", ...common],
    ]);
    stops.push(() => watcher.stop());
    const host = await seconds("host-ready", () =>
      startHost([
        ...["--datadir", join(directory.path, "host"), "--account", String(HOST), "--host.port", "0"],
        ...["--join", String(modelId), "--stake", "200", "--batch.seconds", "1", ...common],
      ]),
    );
    stops.push(() => host.stop());
    await watcher.says(/"msg":"model indexed"/);

    const asked: Asked[] = [];
    for (let i = 0; i < questions; i++) {
      const answer = await ask(session, host.url, modelId, actors[HOST]!, i);
      if (i === 0) row("first-answer", answer.seconds, "s");
      asked.push(answer);
    }
    const times = asked.slice(1).map((one) => one.seconds * 1_000);
    row("answer-p50", median(times), "ms");
    row(
      "spans",
      asked.reduce((sum, { spans }) => sum + spans, 0),
      "spans",
    );
    row(
      "covered",
      (100 * asked.reduce((sum, one) => sum + one.covered, 0)) / asked.reduce((sum, one) => sum + one.bytes, 0),
      "%",
    );
    hold(
      asked.every(({ spans }) => spans > 0),
      "every answer repeats data of the model",
    );

    const settled = await seconds("settled", () =>
      settledBy(
        session,
        asked.map(({ id }) => id),
      ),
    );
    row("batches", settled.batches, "batches");
    row("answers-settled", settled.fees.length, "answers", String(questions));
    hold(settled.fees.length === questions, `of ${questions} answers ${settled.fees.length} were settled`);
    hold(settled.rewardsWei === settled.fees.reduce((sum, fee) => sum + fee, 0n), "the shares sum to the fees");
    let claimed = 0n;
    for (const contributor of contributors) {
      const due = await client.readContract({ ...ATTRIBUTION, functionName: "accrued", args: [contributor.address] });
      if (due === 0n) continue;
      const { logs } = await contributor.sendAndWait({
        ...ATTRIBUTION,
        functionName: "claim",
        args: [contributor.address],
      });
      claimed += parseEventLogs({ abi: attributionAbi, eventName: "RewardClaimed", logs })[0]!.args.amount;
    }
    row("claimed", Number(claimed) / 1e18, "OPEN");
    hold(claimed === settled.contributorsWei, "contributors claim to the wei what settlements gave them");

    const { output } = await watcher.stop();
    const [, checked, challenged] = /"checked":(\d+),"challenged":(\d+)/.exec(output) ?? [];
    row("answers-checked", Number(checked), "answers", String(questions));
    row("challenged", Number(challenged), "answers", "0");
    hold(Number(checked) === questions && Number(challenged) === 0, `the watcher says: ${output.slice(-600)}`);
  } finally {
    for (const stop of stops.reverse()) await stop();
    directory.remove();
  }
  return { rows, problems };
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

async function contribute(
  { client, actors }: Session,
  contributors: readonly Actor[],
  parts: readonly Part[],
  contentUrl: string,
): Promise<bigint> {
  const owner = actors[0]!;
  const created = await owner.sendAndWait({
    ...DATANET,
    functionName: "createDatanet",
    args: ["Installed packages", "software", "", 0, LICENCE, 0, 0n],
  });
  const { datanetId } = parseEventLogs({ abi: datanetAbi, eventName: "DatanetCreated", logs: created.logs })[0]!.args;
  const jobs = parts.map((part, i) => ({
    ...part,
    contributor: contributors[i % contributors.length]!,
    root: toHex(contentRoot(part.bytes)),
  }));
  for (const { bytes } of jobs) await put(contentUrl, bytes);
  const commits: Hash[] = [];
  for (const { contributor, root } of jobs) {
    const types = [{ type: "uint256" }, { type: "address" }, { type: "bytes32" }, { type: "bytes32" }] as const;
    const commitment = keccak256(encodeAbiParameters(types, [datanetId, contributor.address, root, SALT]));
    commits.push(
      await contributor.send({ ...DATANET, functionName: "commitContribution", args: [datanetId, commitment] }),
    );
  }
  for (const hash of commits) await succeeded(client, hash);
  const reveals: Hash[] = [];
  for (const { contributor, root, bytes, licence } of jobs) {
    const args = [datanetId, root, BigInt(bytes.length), "", licence, [], SALT] as const;
    reveals.push(await contributor.send({ ...DATANET, functionName: "submitContribution", args }));
  }
  const accepts: Hash[] = [];
  for (const hash of reveals) {
    const { logs } = await succeeded(client, hash);
    const [submitted] = parseEventLogs({ abi: datanetAbi, eventName: "ContributionSubmitted", logs });
    const args = [submitted!.args.contributionId, 9_000] as const;
    accepts.push(await owner.send({ ...DATANET, functionName: "acceptContribution", args }));
  }
  for (const hash of accepts) await succeeded(client, hash);
  await owner.sendAndWait({ ...DATANET, functionName: "publishVersion", args: [datanetId] });
  return datanetId;
}

/** As a client does that the server asks to wait. */
async function put(contentUrl: string, bytes: Uint8Array): Promise<void> {
  for (;;) {
    const response = await fetch(`${contentUrl}/content`, { method: "PUT", body: bytes as Uint8Array<ArrayBuffer> });
    if (response.ok) return;
    const wait = Number(response.headers.get("retry-after") ?? 1);
    if (response.status !== 429)
      throw new Error(`the content store answered ${response.status}: ${await response.text()}`);
    await new Promise((resolve) => setTimeout(resolve, wait * 1_000));
  }
}

async function register(owner: Actor, datanetId: bigint): Promise<bigint> {
  const { logs } = await owner.sendAndWait({
    ...MODELS,
    functionName: "registerModel",
    args: [
      {
        kind: 0,
        parent: 0n,
        name: "Installed packages, infinity-gram",
        metadataURI: "",
        artifactHash: SALT,
        configHash: SALT,
        licence: LICENCE,
        data: [{ datanetId, version: 1 }],
        requestPrice: parseEther("0.01"),
        outputPrice: parseEther("0.1"),
        royaltyPpm: 0,
        hostPpm: 400_000,
      },
    ],
  });
  return parseEventLogs({ abi: modelsAbi, eventName: "ModelRegistered", logs })[0]!.args.modelId;
}

interface Asked {
  readonly id: bigint;
  readonly seconds: number;
  readonly spans: number;
  readonly covered: number;
  readonly bytes: number;
}

const PROMPTS = [
  "The software is provided",
  "export function",
  "Returns the number of",
  "const result = await",
  "This option",
];

async function ask({ actors }: Session, url: string, modelId: bigint, host: Actor, i: number): Promise<Asked> {
  const prompt = `${PROMPTS[i % PROMPTS.length]} ${i}`;
  const { bytes } = textPrompt(prompt);
  const { logs } = await actors[5]!.sendAndWait({
    ...ATTRIBUTION,
    functionName: "requestInference",
    args: [modelId, host.address, toHex(contentRoot(bytes)), bytes.length, 0],
    value: parseEther("2"),
  });
  const id = parseEventLogs({ abi: attributionAbi, eventName: "InferenceRequested", logs })[0]!.args.inferenceId;
  const begin = performance.now();
  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", "openledger-inference-id": String(id) },
    body: JSON.stringify({ model: String(modelId), prompt, max_tokens: 500 }),
  });
  if (!response.ok) throw new Error(`the host answered ${response.status}: ${await response.text()}`);
  const { openledger } = (await response.json()) as {
    openledger: { spans: unknown[]; coveredBytes: number; outputBytes: number };
  };
  const seconds = (performance.now() - begin) / 1_000;
  const { spans, coveredBytes: covered, outputBytes } = openledger;
  return { id, seconds, spans: spans.length, covered, bytes: outputBytes };
}

async function settledBy({ client }: Session, ids: readonly bigint[]) {
  const all = { ...ATTRIBUTION, fromBlock: 0n, strict: true } as const;
  for (let tries = 0; tries < 600; tries++) {
    const settled = await client.getContractEvents({ ...all, eventName: "InferenceSettled" });
    if (settled.length === ids.length) break;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  const settled = await client.getContractEvents({ ...all, eventName: "InferenceSettled" });
  const rewards = await client.getContractEvents({ ...all, eventName: "RewardAccrued" });
  const batches = await client.getContractEvents({ ...all, eventName: "BatchCommitted" });
  return {
    fees: settled.map(({ args }) => args.fee),
    batches: batches.length,
    contributorsWei: settled.reduce((sum, { args }) => sum + args.contributorsPaid, 0n),
    rewardsWei: rewards.reduce((sum, { args }) => sum + args.amount, 0n),
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { megabytes: { type: "string", default: "80" }, questions: { type: "string", default: "12" } },
  });
  const { rows, problems } = await largeCorpus(Number(values.megabytes), Number(values.questions));
  for (const [name, value, unit, goal] of rows)
    console.log(`poa.${name} ${Number(value.toPrecision(4))} ${unit} ${goal}`);
  for (const problem of problems) console.error(problem);
  console.log(`poa.problems ${problems.length} problems 0`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
