/** viem: blocks and events as they come, over WebSocket and by polling filters. */
import {
  type Block,
  type Chain,
  createPublicClient,
  getAddress,
  type Hex,
  http,
  type Log,
  type PublicClient,
  pad,
  webSocket,
  zeroAddress,
} from "viem";
import { beforeAll, expect, it } from "vitest";
import { POLLING_MS, type ToolNetwork, tokenAbi, type User } from "./network.ts";
import { deployToken } from "./viem.ts";

type Blocks = Block<bigint, false, "latest">[];

export function watchingWorks(network: () => ToolNetwork): void {
  let user: User;
  let token: Hex;
  beforeAll(async () => {
    user = network().user("watcher");
    token = await deployToken(network(), user, 1_000n);
  });

  /** Every block, each the parent of the next, and the same as when asked for by number. */
  async function watchThreeBlocks(client: PublicClient): Promise<void> {
    const blocks: Blocks = [];
    const failures: Error[] = [];
    const unwatch = client.watchBlocks({
      emitMissed: true,
      onBlock: (block) => blocks.push(block as Blocks[number]),
      onError: (error) => failures.push(error),
    });
    await expect.poll(() => blocks.length).toBeGreaterThanOrEqual(3);
    unwatch();
    expect(failures).toEqual([]);
    const [first, second, third] = blocks as [Blocks[number], Blocks[number], Blocks[number]];
    expect([second.parentHash, third.parentHash]).toEqual([first.hash, second.hash]);
    expect(await client.getBlock({ blockNumber: third.number })).toMatchObject({ hash: third.hash });
  }

  /** `begun` resolves when the node knows that somebody watches. */
  async function watchOneTransfer(client: PublicClient, to: Hex, begun: () => Promise<unknown>): Promise<void> {
    const seen: (Log & { args: unknown })[] = [];
    const failures: Error[] = [];
    const unwatch = client.watchContractEvent({
      address: token,
      abi: tokenAbi,
      eventName: "Transfer",
      args: { to },
      onLogs: (logs) => seen.push(...logs),
      onError: (error) => failures.push(error),
    });
    await begun();
    const hash = await user.wallet.writeContract({
      address: token,
      abi: tokenAbi,
      functionName: "mint",
      args: [[pad("0xdead", { size: 20 }), to], 5n],
    });
    await expect.poll(() => seen.length).toBe(1);
    unwatch();
    expect(failures).toEqual([]);
    const { blockNumber } = await network().client.waitForTransactionReceipt({ hash });
    expect(seen).toMatchObject([
      {
        transactionHash: hash,
        blockNumber,
        logIndex: 1,
        removed: false,
        args: { from: zeroAddress, to: getAddress(to), value: 5n },
      },
    ]);
  }

  it("over WebSocket", async () => {
    const chain: Chain = network().chain;
    const client = createPublicClient({ chain, transport: webSocket() });
    const heads: bigint[] = [];
    try {
      await watchThreeBlocks(client);
      await watchOneTransfer(client, pad("0xe1", { size: 20 }), async () => {
        // Subscribed on the same connection after the events, so a head comes after both.
        const unwatch = client.watchBlockNumber({ onBlockNumber: (number) => heads.push(number) });
        await expect.poll(() => heads.length).toBeGreaterThan(1);
        unwatch();
      });
    } finally {
      (await client.transport.getRpcClient()).close();
    }
  });

  it("by polling filters", async () => {
    const asked = new Set<string>();
    const transport = http(network().rpcUrl, {
      onFetchRequest: (_request, init) => {
        asked.add((JSON.parse(String(init.body)) as { method: string }).method);
      },
    });
    const client = createPublicClient({ chain: network().chain, transport, pollingInterval: POLLING_MS });
    await watchThreeBlocks(client);
    await watchOneTransfer(client, pad("0xe2", { size: 20 }), () =>
      expect.poll(() => asked.has("eth_getFilterChanges")).toBe(true),
    );
    expect(asked.has("eth_newFilter")).toBe(true);
  });

  it("sees pending transactions", async () => {
    const { client } = network();
    const filter = await client.createPendingTransactionFilter();
    const hash = await user.wallet.sendTransaction({ to: token, value: 0n, gas: 50_000n });
    expect(await client.getFilterChanges({ filter })).toContain(hash);
    expect(await client.getTransaction({ hash })).toMatchObject({ hash, from: user.address.toLowerCase() });
    await client.waitForTransactionReceipt({ hash });
  });
}
