/** The program as an operator meets it: help, mistakes, locks, damage, ports, signals. */
import { once } from "node:events";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { createPublicClient, http } from "viem";
import { afterEach, describe, expect, it } from "vitest";
import { ALONE, type Devnet, runCommand, runHere, startDevnet, temporaryDirectory } from "../helpers/devnet-process.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function directory(): string {
  const temporary = temporaryDirectory();
  cleanups.push(() => temporary.remove());
  return temporary.path;
}

async function devnet(datadir: string, args?: readonly string[]): Promise<Devnet> {
  const started = await startDevnet(datadir, args);
  cleanups.push(() => started.stop("SIGKILL"));
  return started;
}

const blockNumber = (node: Devnet) =>
  createPublicClient({ transport: http(node.rpcUrl) }).getBlockNumber({ cacheTime: 0 });

/** Most in this process, as loading the program takes longer than what it does then. */
const USAGE = [
  [["--help"], 0, /COMMANDS:[\s\S]*devnet/],
  [["help", "devnet"], 0, /--http\.port PORT[\s\S]*default: 8545/],
  [["devnet", "--help"], 0, /JSON-RPC FLAGS/],
  [["network", "--help"], 0, /viem/],
  [["content", "--help"], 0, /put FILE/],
  [[], 2, /USAGE/],
  [["devnett"], 2, /^openledger: unknown command "devnett"; did you mean devnet\? *;?.*\n$/],
  [["devnet", "--http.prot", "1"], 2, /^openledger: unknown flag --http\.prot; did you mean --http\.port\?\n$/],
  [["devnet", "--hlep"], 2, /^openledger: unknown flag --hlep; did you mean --help\?\n$/],
  [["devnet", "--http.port", "99999"], 2, /^openledger: --http\.port "99999" is not a port from 0 to 65535\n$/],
  [["content", "get", "0x12"], 2, /^openledger: "0x12" is not a content root.*\n$/],
] as const;

describe("usage", () => {
  it.each(USAGE)("%j is answered with code %i", async (args, code, expected) => {
    const exit = await runHere(args);
    expect(exit).toEqual({ code, output: expect.stringMatching(expected) });
  });

  it.each([
    [["--version"], 0, /^openledger \d+\.\d+\.\d+\n$/],
    [["devnett"], 2, /^openledger: unknown command "devnett"/],
  ] as const)("%j ends its process with code %i", async (args, code, expected) => {
    const exit = await runCommand(args);
    expect(exit).toEqual({ code, signal: null, output: expect.stringMatching(expected) });
  });

  it("says that a directory has no network yet", async () => {
    const exit = await runHere(["network", "--datadir", directory()]);
    expect(exit.code).toBe(3);
    expect(exit.output).toMatch(/^openledger: .*network\.json cannot be read; start the node once/);
  });
});

// One network through its life, as each start of a program takes a while.
describe("a data directory", () => {
  it("is resumed, refused to a second process, refused when it is damaged, and started anew with --fresh", async () => {
    const datadir = directory();
    const first = await devnet(datadir);
    await putAndGet(datadir);
    await expect.poll(() => blockNumber(first), { timeout: 30_000 }).toBeGreaterThan(2n);

    const second = await runCommand(["devnet", "--datadir", datadir, ...ALONE]);
    expect(second.code).toBe(3);
    expect(second.output).toMatch(/^openledger: .*chain is in use by another process.*\n$/);
    const freshSecond = await runHere(["devnet", "--datadir", datadir, "--fresh", ...ALONE]);
    expect(freshSecond.code).toBe(3);

    const height = await blockNumber(first);
    const stopped = await first.stop("SIGINT");
    expect(stopped).toMatchObject({ code: 0, signal: null });

    const resumed = await devnet(datadir);
    expect(await blockNumber(resumed)).toBeGreaterThanOrEqual(height);
    expect((await resumed.stop()).code).toBe(0);

    const chain = join(datadir, "chain");
    for (const name of readdirSync(chain).filter((file) => file.startsWith("MANIFEST"))) {
      writeFileSync(join(chain, name), "not a manifest");
    }
    const exit = await runHere(["devnet", "--datadir", datadir, ...ALONE]);
    expect(exit.code).toBe(3);
    expect(exit.output).toMatch(/^openledger: .*is damaged.*\n$/);

    const fresh = await devnet(datadir, ["--fresh", "--block.heartbeat", "600000"]);
    expect(await blockNumber(fresh)).toBe(0n);
    expect((await fresh.stop()).code).toBe(0);

    rmSync(chain, { recursive: true });
    const emptied = await runHere(["devnet", "--datadir", datadir, ...ALONE]);
    expect(emptied).toMatchObject({ code: 3, output: expect.stringContaining("its chain is gone") });
  }, 180_000);
});

describe("a port", () => {
  it.each(["http", "graphql", "content", "host", "metrics"])("that is in use is named: %s", async (name) => {
    const blocker = createServer().listen(0, "127.0.0.1");
    await once(blocker, "listening");
    cleanups.push(() => blocker.close());
    const { port } = blocker.address() as AddressInfo;
    const exit = await runHere([
      ...["devnet", "--datadir", directory(), "--log.level", "error"],
      ...ALONE.filter((arg, i, all) => arg !== `--${name}.port` && all[i - 1] !== `--${name}.port`),
      `--${name}.port`,
      String(port),
    ]);
    expect(exit.code).toBe(1);
    expect(exit.output).toContain(`port ${port} is in use; stop what uses it or choose another with --${name}.port`);
  });
});

/** Content is put, listed and got back, checked against its root. */
async function putAndGet(datadir: string): Promise<void> {
  const file = join(directory(), "text");
  const text = "who contributed what\n".repeat(100);
  writeFileSync(file, text);
  const put = await runCommand(["content", "put", file, "--datadir", datadir]);
  expect(put.output).toMatch(/^0x[0-9a-f]{64} 2100\n$/);
  const root = put.output.split(" ")[0] as string;
  expect((await runHere(["content", "list", "--datadir", datadir])).output).toBe(put.output);
  expect((await runHere(["content", "get", root, "--datadir", datadir])).output).toBe(text);
  const absent = await runHere(["content", "get", `0x${"00".repeat(32)}`, "--datadir", datadir]);
  expect(absent.code).toBe(1);
}
