/** `openledger devnet` with four validators: a network of real processes that outlives any one of them. */
import { createPublicClient, createWalletClient, http } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { afterEach, describe, expect, it } from "vitest";
import { type Devnet, runCommand, startDevnet, temporaryDirectory } from "../helpers/devnet-process.ts";

const PACE = ["--block.interval", "100", "--block.heartbeat", "300", "--consensus.delta", "300"];
const MNEMONIC = "test test test test test test test test test test test junk";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Lines of the supervisor's log and of its validators', as JSON. */
function lines(node: Devnet): Record<string, unknown>[] {
  return node
    .output()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

const pidsOf = (node: Devnet, validator: string): number[] =>
  lines(node)
    .filter(({ msg, validator: name }) => msg === "validator started" && name === validator)
    .map(({ pid }) => pid as number);

describe("four validators", () => {
  it("finalize together, go on without any one, take it back, and resume", async () => {
    const temporary = temporaryDirectory();
    cleanups.push(() => temporary.remove());
    const node = await startDevnet(temporary.path, PACE, 4);
    cleanups.push(() => node.stop("SIGKILL"));
    const client = createPublicClient({ transport: http(node.rpcUrl), pollingInterval: 50 });
    const height = () => client.getBlockNumber({ cacheTime: 0 });
    const grows = async (blocks: bigint) => {
      const from = await height();
      await expect.poll(height, { timeout: 60_000 }).toBeGreaterThanOrEqual(from + blocks);
    };
    await grows(3n);

    const [pid] = pidsOf(node, "validator-2");
    process.kill(pid as number, "SIGKILL");
    await grows(4n);
    await expect.poll(() => pidsOf(node, "validator-2").length, { timeout: 60_000 }).toBe(2);

    // A transaction that one of them takes is included by whoever leads.
    const account = mnemonicToAccount(MNEMONIC);
    const wallet = createWalletClient({ account, transport: http(node.rpcUrl) });
    const hash = await wallet.sendTransaction({ to: account.address, value: 1n, chain: null });
    const receipt = await client.waitForTransactionReceipt({ hash });
    expect(receipt.status).toBe("success");
    const ready = async () => (await fetch(`${node.network.openledger.metrics?.replace("/metrics", "")}/ready`)).json();
    await expect.poll(ready, { timeout: 60_000 }).toMatchObject({ ready: true, mode: "validate", peers: 3 });

    const network = await runCommand(["network", "--datadir", temporary.path, "--json"]);
    expect(JSON.parse(network.output)).toEqual(node.network);

    const before = await height();
    expect(await node.stop("SIGINT")).toMatchObject({ code: 0 });
    const again = await startDevnet(temporary.path, PACE, 4);
    cleanups.push(() => again.stop("SIGKILL"));
    const resumed = createPublicClient({ transport: http(again.rpcUrl) });
    const block = await resumed.getBlock({ blockNumber: receipt.blockNumber });
    expect(block.hash).toBe(receipt.blockHash);
    await expect.poll(() => resumed.getBlockNumber({ cacheTime: 0 }), { timeout: 60_000 }).toBeGreaterThan(before);
    expect(lines(again).filter(({ level }) => (level as number) >= 50)).toEqual([]);
  }, 240_000);
});
