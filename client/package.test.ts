/** What is published: the tarball in an empty project, type-checked and run against a real index. */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testHash } from "../indexer/testing/fake-chain.ts";
import { type LiveIndex, liveIndex } from "./testing/live-index.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = join(root, "node_modules/.bin/tsc");

let index: LiveIndex;
let project: string;

beforeAll(async () => {
  index = await liveIndex();
  project = mkdtempSync(join(tmpdir(), "openledger-consumer-"));
  writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module" }));
  const quiet = ["--ignore-scripts", "--offline", "--no-audit", "--no-fund"];
  await run("npm", ["pack", ...quiet, "--pack-destination", project], { cwd: join(root, "client") });
  const tarball = readdirSync(project).find((name) => name.endsWith(".tgz"))!;
  await run("npm", ["install", ...quiet, `./${tarball}`], { cwd: project });
  // Whoever uses the chain definition has viem.
  symlinkSync(join(root, "node_modules/viem"), join(project, "node_modules/viem"));
});
afterAll(async () => {
  await index.close();
  rmSync(project, { recursive: true, force: true });
});

const CONSUMER = `import { createLineageClient, LineageQueryError, type Output } from "openledger/lineage";

const client = createLineageClient({ url: process.argv[2]! });
const output: Output | null = await client.outputByRoot("${testHash("output 1")}");
if (output === null) throw new Error("no output");
const lineage = await client.lineage(output.id);
let earned: bigint = 0n;
for await (const reward of client.rewards(output.host.address)) earned += reward.amount;
const nodes = lineage?.nodes.map(({ entity }) => (entity.__typename === "Model" ? entity.name : entity.id));
const refused = await client.lineage(1n, { maxDepth: 65 }).catch((error: unknown) =>
  error instanceof LineageQueryError ? error.code : error,
);
// @ts-expect-error wei are bigint
const escrow: number = output.escrow;
// @ts-expect-error an address begins with 0x
client.rewards("nobody");
// @ts-expect-error an unknown output is null
(await client.output(1n)).id;
console.log(JSON.stringify({ id: output.id, earned: String(earned), nodes, refused }));
`;

const CHAIN = `import { openledgerChain } from "openledger/chain";
console.log(openledgerChain({ id: 161299, name: "devnet", rpcUrls: {}, contracts: {} }).id);
`;

test("holds what it exports, nothing that has to be compiled, and brings nothing with it", () => {
  const installed = join(project, "node_modules/openledger");
  const files = readdirSync(installed, { recursive: true, encoding: "utf8" });
  expect(files.filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))).toEqual([]);
  const manifest = (path: string) =>
    JSON.parse(readFileSync(path, "utf8")) as { version: string; exports: Record<string, Record<string, string>> };
  const { version, exports } = manifest(join(installed, "package.json"));
  for (const path of Object.values(exports).flatMap((entry) => Object.values(entry))) {
    expect(files).toContain(path.replace("./", ""));
  }
  expect(version).toBe(manifest(join(root, "package.json")).version);
  const others = readdirSync(join(project, "node_modules")).filter((name) => !name.startsWith("."));
  expect(others).toEqual(["openledger", "viem"]);
});

test("a consumer type-checks, declarations included, and runs", async () => {
  writeFileSync(join(project, "consumer.ts"), CONSUMER);
  await typeCheck(project, [
    ...["--target", "es2022", "--module", "nodenext"],
    ...["--typeRoots", join(root, "node_modules/@types"), "--types", "node", "consumer.ts"],
  ]);
  const { stdout } = await run(process.execPath, ["consumer.js", index.url], { cwd: project });
  const answer = JSON.parse(stdout) as Record<string, unknown>;
  expect(answer).toMatchObject({ id: "1", refused: "BAD_USER_INPUT" });
  expect(answer.nodes).toContain("Model 2");
  expect(BigInt(String(answer.earned))).toBeGreaterThan(0n);
});

test("the chain definition runs beside viem", async () => {
  writeFileSync(join(project, "chain.js"), CHAIN);
  const { stdout } = await run(process.execPath, ["chain.js"], { cwd: project });
  expect(stdout).toBe("161299\n");
});

test("the JavaScript is what its declarations say", async () => {
  const files = readdirSync(join(root, "client")).filter((name) => /\.(js|d\.ts)$/.test(name));
  await typeCheck(root, [
    ...["--noEmit", "--ignoreConfig", "--allowJs", "--checkJs", "--skipLibCheck"],
    ...["--target", "es2024", "--module", "nodenext", "--types", "node", "--allowImportingTsExtensions"],
    ...files.map((name) => `client/${name}`),
  ]);
});

/** Rejects with what the compiler says. */
async function typeCheck(cwd: string, args: readonly string[]): Promise<void> {
  await run(tsc, ["--strict", "--exactOptionalPropertyTypes", ...args], { cwd }).catch(({ stdout }) => {
    throw new Error(stdout);
  });
}
