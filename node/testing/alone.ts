/** A validator that is alone, on a disk that takes no time. */
import { expect } from "vitest";
import { bigIntToFixed } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import type { Precompile } from "../../core/precompile.ts";
import type { Mempool } from "../../execution/mempool.ts";
import type { GenesisAccount } from "../../execution/testing/world.ts";
import { testValidator } from "../../genesis/testing/validators.ts";
import { VirtualClock } from "./clock.ts";
import { setOfMembers } from "./cluster.ts";
import { TEST_TIMING, TestDisk, testNode } from "./node.ts";
import { rich, testGenesis } from "./world.ts";

/** Its calls meet a defect. */
export const BROKEN: Precompile = {
  address: bigIntToFixed(0x901n, 20),
  name: "broken",
  run() {
    throw new TypeError("a defect");
  },
};

export async function alone(accounts: readonly GenesisAccount[] = [rich(0), rich(1), rich(2), rich(3)]) {
  const validator = testValidator(0);
  const clock = new VirtualClock();
  const genesis = testGenesis(accounts, { validators: setOfMembers(0) });
  const disk = new TestDisk();
  disk.validator.syncMs = 0;
  const node = await testNode({ genesis, clock, disk, validator, precompiles: [BROKEN] });
  const { chain, mempool, engine, lines, halts } = node;
  const madeAtMs: number[] = [clock.nowMs()];
  const proposeOn = chain.proposeOn;
  chain.proposeOn = (...args) => {
    madeAtMs.push(clock.nowMs());
    return proposeOn(...args);
  };
  const add = (...transactions: Transaction[]) => {
    for (const tx of transactions) expect(mempool.add(tx, chain.headState, clock.nowMs())).toMatchObject({ ok: true });
  };
  const start = () => clock.run(node.start());
  /** Lets time pass until the next block; says how long it was after the one before that it was begun. */
  const beat = async () => {
    const committed = new Promise<void>((resolve) => {
      const off = chain.onCommit(() => {
        off();
        resolve();
      });
    });
    await clock.run(committed);
    const [before, made] = madeAtMs.slice(-2) as [number, number];
    return { waitedMs: made - before, transactions: chain.headBlock.transactions };
  };
  const messages = () => lines.map(({ msg }) => msg);
  const halted = async () => {
    for (let i = 0; halts.length === 0; i++) {
      if (i > 100) throw new Error("it goes on");
      await clock.pass(TEST_TIMING.intervalMs);
    }
    return halts[0]!;
  };
  const stop = () => clock.run(node.stop());
  const { store } = disk;
  return { node, store, chain, clock, mempool, engine, lines, messages, halts, halted, add, start, stop, beat };
}

export const pooled = (mempool: Mempool) => {
  const { pending, queued } = mempool.counts;
  return { pending, queued };
};
