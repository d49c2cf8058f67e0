import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { baseView, KIND } from "../../consensus/types.ts";
import { equalsBytes } from "../../core/bytes.ts";
import { MAX_IN_FLIGHT } from "./peers.ts";
import { certify, Ledger, LedgerChain, setOf } from "./testing/ledger.ts";
import { mapping, SyncWorld } from "./testing/world.ts";
import { SyncHalt } from "./types.ts";
import { SECTION_BLOCKS } from "./walk.ts";

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

  it("asks several peers at once, each within its bound, and a slow one less", async () => {
    const ledger = new Ledger({ blocks: 3_000, epochBlocks: 4_000, blockBytes: 2_000 });
    const world = new SyncWorld(ledger);
    const asked = new Map<string, number>();
    for (const id of ["slow", "a", "b"]) {
      world.server(id).lie("blocks-by-range", (honest) => (payload, from) => {
        asked.set(id, (asked.get(id) ?? 0) + 1);
        return honest(payload, from);
      });
    }
    world.delays.set("slow", 60);
    const syncer = world.syncer();
    syncer.sync.start();
    await world.reach(syncer);
    await world.clock.run(syncer.sync.stop());
    expect(syncer.node.mostInFlight).toBeLessThanOrEqual(MAX_IN_FLIGHT + 1); // a status beside them
    // All but the first of what is executed at once: often one block, as executing takes no time here.
    expect(syncer.chain.announced.length).toBeGreaterThan(100);
    expect(asked.get("a")).toBeGreaterThan(5);
    expect(asked.get("b")).toBeGreaterThan(5);
    expect(asked.get("slow") ?? 0).toBeLessThan(asked.get("a")! / 2);
  });

  it("walks an epoch of many blocks in sections", async () => {
    const blocks = SECTION_BLOCKS + 200;
    const ledger = new Ledger({ blocks, epochBlocks: 2 ** 24, blockBytes: 64, isCertified: () => false });
    const world = new SyncWorld(ledger);
    world.server("a");
    const chain = new LedgerChain(ledger, 50);
    const syncer = world.syncer(chain);
    syncer.sync.start();
    await world.reach(syncer);
    await world.clock.run(syncer.sync.stop());
    expect(chain.head.hash).toEqual(ledger.hashes[blocks]);
    expect(chain.executed).toBe(blocks - 50);
  });

  it("follows a network that goes on, and stays out of the way of consensus when it is close", async () => {
    const world = new SyncWorld(THREE_HUNDRED);
    const server = new LedgerChain(THREE_HUNDRED, 99);
    world.serve("a", server);
    const syncer = world.syncer();
    syncer.sync.start();
    await world.reach(syncer, 99);
    await world.clock.pass(6_000);
    await server.goTo(110); // a small lead is consensus' business
    await world.clock.pass(6_000);
    expect(syncer.chain.head.number).toBe(99n);
    await world.clock.pass(10_000); // unless the head does not move
    expect(syncer.chain.head.number).toBe(110n);
    await server.goTo(200); // a large one is not
    await world.clock.pass(6_000);
    expect(syncer.chain.head.number).toBe(200n);
    await server.goTo(205); // and a hint makes any lead worth following
    syncer.sync.hint("a");
    await world.clock.pass(1_000);
    expect(syncer.chain.head.number).toBe(205n);
    await world.clock.run(syncer.sync.stop());
  });

  it("says how far it is", async () => {
    const world = new SyncWorld(THREE_HUNDRED);
    world.server("a");
    world.delays.set("a", 400);
    const syncer = world.syncer();
    syncer.sync.start();
    await world.reach(syncer, 100);
    const { isSyncing, target, blocksPerSecond, etaSeconds } = syncer.sync.progress;
    expect({ isSyncing, target }).toEqual({ isSyncing: true, target: 300n });
    expect(blocksPerSecond).toBeGreaterThan(1);
    expect(etaSeconds).toBeGreaterThan(0);
    await world.reach(syncer);
    await world.clock.pass(1_000);
    expect(syncer.sync.progress).toMatchObject({ isSyncing: false, head: 300n, target: 300n, etaSeconds: 0 });
    const lines = syncer.lines.filter(({ msg }) => msg === "syncing");
    expect(lines.length).toBeGreaterThan(1);
    expect(lines.at(-1)).toMatchObject({ target: 300, blocksPerSecond: expect.any(Number) });
    expect(syncer.lines.some(({ msg, height }) => msg === "synced" && height === 300)).toBe(true);
    await world.clock.run(syncer.sync.stop());
  });
});

describe("what consensus asks of sync", () => {
  it("brings the chain to a certificate's block, and says so when nobody can help", async () => {
    const world = new SyncWorld(THREE_HUNDRED);
    world.server("a", 150);
    const syncer = world.syncer(world.chainAt(120));
    syncer.sync.start();
    expect(await world.ensure(syncer, THREE_HUNDRED.certificates.get(150)!)).toBe(true);
    expect(syncer.chain.head.number).toBe(150n);
    expect(syncer.synced.at(-1)?.tip).toMatchObject({ height: 150, block: THREE_HUNDRED.hashes[150] });
    expect(await world.ensure(syncer, THREE_HUNDRED.certificates.get(141)!)).toBe(true); // below the head
    expect(await world.ensure(syncer, THREE_HUNDRED.certificates.get(156)!)).toBe(false);
    expect(() => syncer.sync.ensure({ ...THREE_HUNDRED.tip, kind: KIND.notarize })).toThrow(RangeError);
    await world.clock.run(syncer.sync.stop());
    expect(await syncer.sync.ensure(THREE_HUNDRED.tip)).toBe(false);
  });

  it("commits what was executed as a proposal without asking anybody", async () => {
    const world = new SyncWorld(THREE_HUNDRED);
    const syncer = world.syncer(world.chainAt(120));
    for (const number of [121, 122, 123]) {
      await syncer.chain.verify(THREE_HUNDRED.raws[number]!, THREE_HUNDRED.hashes[number - 1]!);
    }
    syncer.sync.start();
    expect(await world.ensure(syncer, THREE_HUNDRED.certificates.get(123)!)).toBe(true);
    expect(syncer.chain.commits).toEqual([{ number: 123, isCertified: true }]);
    await world.clock.run(syncer.sync.stop());
  });

  it("bounds how many certificates wait", async () => {
    const world = new SyncWorld(THREE_HUNDRED);
    const syncer = world.syncer();
    syncer.sync.start();
    const waiting = Array.from({ length: 40 }, () => syncer.sync.ensure(THREE_HUNDRED.tip));
    await world.clock.run(syncer.sync.stop());
    expect(await Promise.all(waiting)).toEqual(new Array(40).fill(false));
  });

  it("finds blocks by hash and certificates by view, and refuses what was not asked for", async () => {
    const world = new SyncWorld(THREE_HUNDRED);
    const certificate = THREE_HUNDRED.certificates.get(60)!;
    const wrong = world.server("wrong");
    wrong.lie(
      "blocks-by-hash",
      mapping(() => [THREE_HUNDRED.raws[7]!]),
    );
    world.server("a");
    world.delays.set("wrong", 1);
    const syncer = world.syncer(world.chainAt(300));
    syncer.sync.start();
    await world.clock.pass(100);
    const [sixty, unknown] = [THREE_HUNDRED.hashes[60]!, new Uint8Array(32)];
    expect(await world.clock.run(syncer.sync.blocks([sixty, unknown]))).toEqual([THREE_HUNDRED.raws[60]]);
    expect(syncer.node.penalties.map(({ peer }) => peer)).toEqual(["wrong"]);
    await world.clock.pass(1_000);
    await world.clock.run(syncer.sync.views(certificate.epoch, [certificate.view, certificate.view + 1]));
    expect(syncer.found).toEqual([{ type: "certificate", certificate, from: "a" }]);
    await world.clock.run(syncer.sync.stop());
  });
});

describe("what consensus waits for", () => {
  it("comes from the next peer when the first one does not answer", async () => {
    const world = new SyncWorld(THREE_HUNDRED);
    const stuck = world.server("stuck");
    for (const protocol of ["blocks-by-hash", "certificates"] as const) {
      stuck.lie(
        protocol,
        () =>
          async function* () {
            await new Promise(() => {});
            yield new Uint8Array(0);
          },
      );
    }
    world.server("a");
    const syncer = world.syncer(world.chainAt(300));
    syncer.sync.start();
    await world.clock.pass(100);
    const startedMs = world.clock.nowMs();
    expect(await world.clock.run(syncer.sync.blocks([THREE_HUNDRED.hashes[9]!]))).toEqual([THREE_HUNDRED.raws[9]]);
    const { epoch, view } = THREE_HUNDRED.certificates.get(60)!;
    const asking = syncer.sync.views(epoch, [view]);
    await world.clock.pass(50);
    expect(syncer.found).toHaveLength(1);
    expect(world.clock.nowMs() - startedMs).toBeLessThan(1_000); // the stuck one is given up after 6 s
    await world.clock.run(asking);
    await world.clock.run(syncer.sync.stop());
  });

  it("is asked for again at once after nobody had it", async () => {
    const world = new SyncWorld(THREE_HUNDRED);
    const server = new LedgerChain(THREE_HUNDRED, 99);
    world.serve("a", server);
    const syncer = world.syncer(world.chainAt(99));
    syncer.sync.start();
    await world.clock.pass(100);
    const hundredth = THREE_HUNDRED.hashes[100]!;
    expect(await world.clock.run(syncer.sync.blocks([hundredth]))).toEqual([]);
    await server.goTo(100);
    expect(await world.clock.run(syncer.sync.blocks([hundredth]))).toEqual([THREE_HUNDRED.raws[100]]);
    await world.clock.run(syncer.sync.stop());
  });
});

describe("sync that cannot go on", () => {
  it("halts when a certified block does not execute: no peer is at fault", async () => {
    const ledger = new Ledger({ blocks: 90, epochBlocks: 40, invalid: 70 });
    const world = new SyncWorld(ledger);
    world.server("a");
    const syncer = world.syncer();
    syncer.sync.start();
    await world.reach(syncer);
    expect(syncer.halts).toEqual([expect.any(SyncHalt)]);
    expect(syncer.halts[0]?.message).toContain("certified block 70 does not execute: as the test wants it");
    expect(syncer.node.penalties).toEqual([]);
    expect(syncer.chain.head.number).toBeLessThan(70n);
    await world.clock.run(syncer.sync.stop());
  });

  it("halts when what is certified does not contain what is committed", async () => {
    const world = new SyncWorld(THREE_HUNDRED);
    world.server("a");
    // Committed another block 20, as it cannot be while two thirds are honest.
    const other = new Ledger({ blocks: 20, epochBlocks: 40, salt: 5 });
    const syncer = world.syncer(new LedgerChain(other));
    await syncer.chain.goTo(20);
    syncer.sync.start();
    await world.reach(syncer);
    expect(syncer.halts[0]?.message).toMatch(/block 39 0x[0-9a-f]+ is certified, but the committed block 20 /);
    await world.clock.run(syncer.sync.stop());
  });

  it("halts when the certificate of a lower block names another one", async () => {
    const world = new SyncWorld(THREE_HUNDRED);
    const other = new Ledger({ blocks: 20, epochBlocks: 40, salt: 5 });
    world.server("a", 20, other);
    const syncer = world.syncer(world.chainAt(30));
    syncer.sync.start();
    await world.clock.run(syncer.sync.ensure(other.tip));
    expect(syncer.halts[0]).toBeInstanceOf(SyncHalt);
    await world.clock.run(syncer.sync.stop());
  });

  it("waits while the chain has no room, and goes on", async () => {
    const world = new SyncWorld(THREE_HUNDRED);
    world.server("a");
    const syncer = world.syncer();
    let refusals = 5;
    syncer.chain.refuses = (number) => number % 21 === 0 && refusals-- > 0;
    syncer.sync.start();
    await world.reach(syncer);
    expect(refusals).toBeLessThan(0);
    expect(syncer.halts).toEqual([]);
    await world.clock.run(syncer.sync.stop());
  });

  it("takes note of what consensus commits meanwhile", async () => {
    const world = new SyncWorld(THREE_HUNDRED);
    world.server("a");
    world.delays.set("a", 30);
    const syncer = world.syncer();
    syncer.sync.start();
    await world.reach(syncer, 90);
    await syncer.exclusive(() => syncer.chain.goTo(170));
    await world.reach(syncer, 200);
    await syncer.exclusive(() => syncer.chain.goTo(205));
    await world.reach(syncer);
    expect(syncer.halts).toEqual([]);
    await world.clock.run(syncer.sync.stop());
  });
});

describe("sync that is stopped", () => {
  it("leaves nothing behind, whenever that is, and a restart goes on from the committed head", async () => {
    const blocks = Array.from({ length: 6 }, () => fc.integer({ min: 0, max: 4_000 }));
    await fc.assert(
      fc.asyncProperty(fc.tuple(...blocks), async (stopsAfterMs) => {
        const world = new SyncWorld(THREE_HUNDRED);
        world.server("a");
        world.server("b");
        world.delays.set("a", 40);
        world.delays.set("b", 70);
        let chain = new LedgerChain(THREE_HUNDRED);
        let executed = 0;
        for (const [index, afterMs] of stopsAfterMs.entries()) {
          const syncer = world.syncer(chain, `syncer ${index}`);
          syncer.sync.start();
          await world.clock.pass(afterMs);
          const before = chain.head.number;
          await world.clock.run(syncer.sync.stop());
          await world.network.leave(`syncer ${index}`);
          await world.clock.pass(60_000);
          expect(world.clock.timers).toBe(0);
          expect(syncer.halts).toEqual([]);
          // A window that is under way when it is stopped is given up or committed, never half.
          expect(chain.head.number).toBeGreaterThanOrEqual(before);
          executed += chain.executed;
          chain = chain.restarted();
        }
        const syncer = world.syncer(chain, "last");
        syncer.sync.start();
        await world.reach(syncer);
        await world.clock.run(syncer.sync.stop());
        expect(equalsBytes(chain.head.hash, THREE_HUNDRED.hashes[300]!)).toBe(true);
        // At most one window of 16 is executed again after each stop.
        expect(executed + chain.executed).toBeLessThanOrEqual(300 + 16 * stopsAfterMs.length);
      }),
      { numRuns: 25, seed: 11 },
    );
  });

  it("does not believe a certificate of a set that it does not know yet", async () => {
    const world = new SyncWorld(THREE_HUNDRED);
    world.server("a");
    const syncer = world.syncer();
    syncer.sync.start();
    const early = certify({ ...THREE_HUNDRED.tip }, setOf(0));
    expect(await world.ensure(syncer, { ...early, block: new Uint8Array(32) })).toBe(false);
    await world.reach(syncer);
    await world.clock.run(syncer.sync.stop());
  });
});
