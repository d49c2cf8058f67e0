import { beforeAll, describe, expect, it } from "vitest";
import { baseView } from "../../consensus/types.ts";
import { equalsBytes } from "../../core/bytes.ts";
import type { Genesis } from "../../genesis/schema.ts";
import type { Chain } from "../chain.ts";
import { FakeStore } from "../testing/world.ts";
import { checkBlock } from "./block-check.ts";
import {
  certificateOf,
  extendReal,
  openReal,
  REAL_DOMAIN,
  REAL_SCHEME,
  realGenesis,
  setOfValidators,
} from "./testing/real.ts";
import { mapping, SyncWorld } from "./testing/world.ts";

const EPOCH_BLOCKS = 16;
const HEIGHT = 150;
/** Submitted in epoch 1 and 4, so in force from epoch 2 and 5 on. */
const CHANGES: Genesis["validatorChanges"] = [
  { block: 20n, set: setOfValidators(1, 2, 3, 4, 5) },
  { block: 70n, set: setOfValidators(6, 5, 0) },
];
const GENESIS = realGenesis(EPOCH_BLOCKS, CHANGES);
const RULES = { epochBlocks: EPOCH_BLOCKS, domain: REAL_DOMAIN, scheme: REAL_SCHEME };

let full: Chain;
beforeAll(async () => {
  full = await openReal(GENESIS);
  await extendReal(full, EPOCH_BLOCKS, HEIGHT);
});

describe("sync of real chains", () => {
  it("executes from genesis to the same head and state, through changes of validators", async () => {
    const world = new SyncWorld(RULES);
    world.serve("a", full);
    world.serve("b", full);
    const chain = await openReal(GENESIS);
    const syncer = world.syncer(chain);
    syncer.sync.start();
    await world.reach(syncer, HEIGHT);
    await world.clock.run(syncer.sync.stop());
    expect(syncer.halts).toEqual([]);
    expect(chain.head).toEqual(full.head);
    for (let number = 0n; number <= HEIGHT; number++) expect(chain.hashAt(number)).toEqual(full.hashAt(number));
    for (const epoch of [0, 1, 2, 5, 9]) expect(chain.validatorSet(epoch)).toEqual(full.validatorSet(epoch));
    expect(chain.validatorSet(6)?.hash).toEqual(setOfValidators(6, 5, 0).hash);
    expect(syncer.synced.at(-1)).toMatchObject({
      epoch: 9,
      base: { view: baseView(9), height: 143, block: full.hashAt(143n) },
      tip: { height: HEIGHT, block: full.head.hash },
    });
    expect(syncer.node.penalties).toEqual([]);
  });

  it("goes on after the end of the process at any write, with liars around", async () => {
    const store = new FakeStore();
    for (let crash = 1; crash <= 6; crash++) {
      const world = new SyncWorld(RULES);
      world.serve("liar", full).lie(
        "blocks-by-range",
        mapping((chunks) => chunks.toReversed()),
      );
      world.serve("honest", full);
      world.delays.set("liar", 1);
      const chain = await openReal(GENESIS, store);
      const before = chain.head.number;
      let writes = 0;
      store.afterWrite = async () => {
        if (++writes === crash) throw new Error("the process ends");
      };
      const syncer = world.syncer(chain);
      syncer.sync.start();
      await world.reach(syncer, HEIGHT);
      await world.clock.run(syncer.sync.stop());
      expect(syncer.halts[0]?.message).toBe("the process ends");
      store.afterWrite = async () => {};
      const found = await openReal(GENESIS, store);
      expect(found.head.number).toBeGreaterThan(before);
      expect(equalsBytes(found.head.hash, full.hashAt(found.head.number)!)).toBe(true);
    }
    const world = new SyncWorld(RULES);
    world.serve("honest", full);
    const syncer = world.syncer(await openReal(GENESIS, store));
    syncer.sync.start();
    await world.reach(syncer, HEIGHT);
    await world.clock.run(syncer.sync.stop());
    expect(syncer.chain.head).toEqual(full.head);
  });

  it("commits proposals that were executed already, and keeps blocks of consensus out of its way", async () => {
    const world = new SyncWorld(RULES);
    world.serve("a", full);
    const chain = await openReal(GENESIS);
    // As consensus left them: executed, not final.
    for (const number of [1n, 2n, 3n]) {
      expect(await chain.verify(full.rawAt(number)!, full.hashAt(number - 1n)!)).toMatchObject({ ok: true });
    }
    const syncer = world.syncer(chain);
    syncer.sync.start();
    const third = full.hashAt(3n)!;
    expect(await world.ensure(syncer, certificateOf(full, EPOCH_BLOCKS, 3, third))).toBe(true);
    await world.reach(syncer, HEIGHT);
    await world.clock.run(syncer.sync.stop());
    expect(chain.head).toEqual(full.head);
    expect(chain.certificate(3n)).toBeDefined();
  });

  it("takes every block that a chain made for the block of its hash", () => {
    for (let number = 0n; number <= HEIGHT; number++) {
      expect(checkBlock(full.rawAt(number)!).hash).toEqual(full.hashAt(number));
    }
  });
});
