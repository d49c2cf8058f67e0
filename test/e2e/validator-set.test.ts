/** The validator set as L1's registry has it, followed by running nodes: joining, leaving, being slashed. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Cluster, type ClusterNode } from "../helpers/cluster.ts";
import { runCommand, temporaryDirectory } from "../helpers/devnet-process.ts";

const EPOCH_BLOCKS = 16;
const directory = temporaryDirectory();
const passwordFile = join(directory.path, "password");
let cluster: Cluster;

const validator = (index: number): ClusterNode => cluster.nodes[index]!;

beforeAll(async () => {
  cluster = await Cluster.create({
    directory: directory.path,
    validators: 4,
    fullNodes: 1,
    anchored: true,
    unproxied: true,
    heartbeatMs: 400,
    genesis: { consensus: { epochBlocks: EPOCH_BLOCKS } },
    // The fifth has a key of its own, which is in no set yet.
    options: (index) => (index === 4 ? { validator: true, "validator.passwordfile": passwordFile } : {}),
  });
  writeFileSync(passwordFile, "correct horse battery staple\n", { mode: 0o600 });
  const { code, output } = await runCommand([
    ...["validator", "keys", "create", "--datadir", validator(4).datadir],
    ...["--validator.passwordfile", passwordFile],
  ]);
  expect(code, output).toBe(0);
  await cluster.start();
}, 120_000);

afterAll(async () => {
  await cluster?.stop();
  directory.remove();
});

async function stake(...args: string[]): Promise<Record<string, unknown>> {
  const { code, output } = await runCommand(["stake", ...args, "--json", "--datadir", validator(4).datadir]);
  expect(code, output).toBe(0);
  return JSON.parse(output.trim().split("\n").at(-1)!);
}

const metric = async (index: number, name: string): Promise<number | undefined> =>
  (await validator(index).metrics()).get(`openledger_consensus_${name}`);

describe("a validator", () => {
  it("joins: registers on L1, and votes from an epoch's boundary on", async () => {
    console.time("join");
    await stake("register", "--amount", "1000000", "--account", "4", "--validator.passwordfile", passwordFile);
    console.timeLog("join", await stake("status"));
    console.timeLog("join", await stake("snapshot", "--account", "5"));
    console.timeLog("join", await stake("status"));
    await expect.poll(() => metric(4, "in_set"), { timeout: 60_000 }).toBe(1);
    console.timeLog("join", "in set", await metric(0, "validators"));
    await expect.poll(() => metric(4, "votes_cast_total"), { timeout: 60_000 }).toBeGreaterThan(0);
    console.timeLog("join", await stake("status"));
  }, 120_000);
});
