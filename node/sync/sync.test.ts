import { describe, expect, it } from "vitest";
import { baseView } from "../../consensus/types.ts";
import { Ledger, setOf } from "./testing/ledger.ts";
import { SyncWorld } from "./testing/world.ts";

const THREE_HUNDRED = new Ledger({ blocks: 300, epochBlocks: 40, isCertified: (number) => number % 3 === 0 });

describe("sync from honest peers", () => {
  it("comes from genesis to the head, through epochs with other validators, and tells consensus", async () => {
    const world = new SyncWorld(THREE_HUNDRED);
    world.server("a");
    world.server("b");
    const syncer = world.syncer();
    syncer.sync.start();
    await world.reach(syncer);
    await world.clock.run(syncer.sync.stop());
    expect(syncer.halts).toEqual([]);
    expect(syncer.chain.head.hash).toEqual(THREE_HUNDRED.hashes[300]);
    expect(syncer.chain.executed).toBe(300);
    // What makes an epoch's end final is stored, for those who ask next.
    for (let epoch = 0; epoch < 7; epoch++) expect(syncer.chain.certificate(BigInt(40 * epoch + 39))).toBeDefined();
    const { epoch, set, base, tip, certificate } = syncer.synced.at(-1)!;
    expect({ epoch, set: set.hash }).toEqual({ epoch: 7, set: setOf(7).hash });
    expect(base).toEqual({ view: baseView(7), height: 279, block: THREE_HUNDRED.hashes[279] });
    expect(tip).toEqual({ view: certificate.view, height: 300, block: THREE_HUNDRED.hashes[300] });
    expect(syncer.node.penalties).toEqual([]);
  });

  it("reaches the last block of an epoch as the base of the next one", async () => {
    const ledger = new Ledger({ blocks: 79, epochBlocks: 40 });
    const world = new SyncWorld(ledger);
    world.server("a");
    const syncer = world.syncer();
    syncer.sync.start();
    await world.reach(syncer);
    await world.clock.run(syncer.sync.stop());
    const base = { view: baseView(2), height: 79, block: ledger.hashes[79]! };
    expect(syncer.synced.at(-1)).toMatchObject({ epoch: 2, base, tip: base, certificate: ledger.tip });
  });
});
