/** `openledger node` with `sync: checkpoint`: a new node begins with a recent certified state and then follows. */
import { expect, it } from "vitest";
import { Cluster } from "../helpers/cluster.ts";
import { temporaryDirectory } from "../helpers/devnet-process.ts";

interface Block {
  readonly hash: string;
  readonly stateRoot: string;
}

const RICH = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
/** Above the 256 blocks that a checkpoint keeps before its own. */
const BLOCKS = 340;

it("begins with a recent state, follows, and resumes", async () => {
  const temporary = temporaryDirectory();
  const cluster = await Cluster.create({
    directory: temporary.path,
    validators: 1,
    fullNodes: 1,
    intervalMs: 50,
    heartbeatMs: 50,
    unproxied: true,
    genesis: { consensus: { epochBlocks: 64 } },
    options: (index) => (index === 0 ? {} : { sync: "checkpoint" }),
  });
  const [validator, full] = cluster.nodes as [(typeof cluster.nodes)[number], (typeof cluster.nodes)[number]];
  const headOf = async (node: typeof full) => (await node.readiness()).head;
  try {
    await validator.start();
    await expect.poll(() => headOf(validator), { timeout: 120_000, interval: 200 }).toBeGreaterThan(BLOCKS);
    await full.start();
    const follows = async () => {
      const from = await headOf(validator);
      await expect.poll(() => headOf(full), { timeout: 60_000, interval: 100 }).toBeGreaterThan(from);
      const height = `0x${from.toString(16)}`;
      const ask = (node: typeof full) => node.rpc<Block>("eth_getBlockByNumber", [height, false]);
      expect((await ask(full)).stateRoot).toBe((await ask(validator)).stateRoot);
      const balance = (node: typeof full) => node.rpc<string>("eth_getBalance", [RICH, height]);
      expect(await balance(full)).toBe(await balance(validator));
    };
    await follows();
    // What was before the checkpoint is not there, which shows that it was not executed.
    await expect(full.rpc("eth_getBlockByNumber", ["0x2", false])).rejects.toThrow("pruned history unavailable");
    await full.end("SIGKILL");
    await full.start();
    await follows();
  } finally {
    await cluster.stop();
    temporary.remove();
  }
}, 300_000);
