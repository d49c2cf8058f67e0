import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { equalsBytes } from "../../core/bytes.ts";
import { VirtualClock } from "../testing/clock.ts";
import { testLog } from "../testing/world.ts";
import { Download } from "./download.ts";
import { MAX_ANSWER_BYTES } from "./messages.ts";
import { Peers } from "./peers.ts";
import { Ledger } from "./testing/ledger.ts";
import { mapping, SyncWorld } from "./testing/world.ts";

/** Blocks of 150 KB: 55 of them fill an answer. */
const LARGE = new Ledger({ blocks: 260, epochBlocks: 1_000, blockBytes: 150_000 });
const MIB = 1024 * 1024;

const isSame = (taken: readonly Uint8Array[], { raws }: Ledger): boolean =>
  taken.length === raws.length - 1 && taken.every((raw, index) => equalsBytes(raw, raws[index + 1]!));

async function peersOf(world: SyncWorld): Promise<Peers> {
  const node = world.network.join("reader");
  world.network.connectAll();
  const peers = new Peers({
    network: node,
    clock: world.clock,
    log: testLog().log,
    genesisHash: world.ledger.hashes[0]!,
    epochBlocks: world.ledger.epochBlocks,
  });
  await world.clock.run(peers.refresh());
  return peers;
}

describe("the download of bodies", () => {
  it("keeps no more in memory than it may, however slowly they are taken", async () => {
    const world = new SyncWorld(LARGE);
    for (const id of ["a", "b", "c"]) world.server(id);
    const bound = 24 * MIB;
    const download = new Download(await peersOf(world), world.clock, 1n, LARGE.hashes.slice(1), bound);
    const taken: Uint8Array[] = [];
    for (;;) {
      const blocks = (await world.clock.run(download.take(4, MIB)))!;
      if (blocks.length === 0) break;
      taken.push(...blocks);
      await world.clock.pass(3_000);
    }
    expect(isSame(taken, LARGE)).toBe(true);
    expect(download.mostBufferedBytes).toBeLessThanOrEqual(bound);
    // It does fetch ahead.
    expect(download.mostBufferedBytes).toBeGreaterThan(MAX_ANSWER_BYTES);
    await world.clock.pass(60_000);
  });

  it("goes on where nothing may be buffered at all", async () => {
    const world = new SyncWorld(LARGE);
    for (const id of ["a", "b", "c"]) world.server(id);
    const download = new Download(await peersOf(world), world.clock, 1n, LARGE.hashes.slice(1), 0);
    const taken: Uint8Array[] = [];
    while (taken.length < 260) taken.push(...(await world.clock.run(download.take(16, 4 * MIB)))!);
    expect(isSame(taken, LARGE)).toBe(true);
    expect(download.mostBufferedBytes).toBeLessThanOrEqual(2 * MAX_ANSWER_BYTES);
    await world.clock.pass(60_000);
  });

  it("hands out the blocks in order, whoever brings which when", async () => {
    const ledger = new Ledger({ blocks: 400, epochBlocks: 1_000 });
    const limits = fc.record({ blocks: fc.integer({ min: 1, max: 40 }), bytes: fc.integer({ min: 1, max: 20_000 }) });
    const peerOf = fc.record({ delayMs: fc.integer({ min: 1, max: 300 }), most: fc.integer({ min: 1, max: 64 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(peerOf, { minLength: 1, maxLength: 5 }), limits, async (servers, { blocks, bytes }) => {
        const world = new SyncWorld(ledger);
        for (const [index, { delayMs, most }] of servers.entries()) {
          world.server(`${index}`).lie(
            "blocks-by-range",
            mapping((chunks) => chunks.slice(0, most)),
          );
          world.delays.set(`${index}`, delayMs);
        }
        const download = new Download(await peersOf(world), world.clock, 1n, ledger.hashes.slice(1));
        const taken: Uint8Array[] = [];
        for (;;) {
          const part = (await world.clock.run(download.take(blocks, bytes)))!;
          if (part.length === 0) break;
          expect(part.length).toBeLessThanOrEqual(blocks);
          if (part.length > 1) expect(part.reduce((sum, raw) => sum + raw.length, 0)).toBeLessThanOrEqual(bytes);
          taken.push(...part);
        }
        expect(isSame(taken, ledger)).toBe(true);
      }),
      { numRuns: 25, seed: 5 },
    );
  });

  it("does not wait for a peer that has the next block and does not send it", async () => {
    const ledger = new Ledger({ blocks: 64, epochBlocks: 1_000 });
    const world = new SyncWorld(ledger);
    world.server("stuck").lie(
      "blocks-by-range",
      (honest) =>
        async function* (payload, from) {
          let count = 0;
          for await (const chunk of honest(payload, from)) {
            if (count++ === 5) await new Promise(() => {});
            yield chunk;
          }
        },
    );
    const peers = await peersOf(world);
    const download = new Download(peers, world.clock, 1n, ledger.hashes.slice(1));
    expect(await world.clock.run(download.take(64, MIB))).toHaveLength(1);
    world.server("good");
    world.network.connectAll();
    await world.clock.run(peers.refresh("good"));
    const startedMs = world.clock.nowMs();
    let count = 1;
    while (count < 64) count += (await world.clock.run(download.take(64, MIB)))!.length;
    expect(world.clock.nowMs() - startedMs).toBeLessThan(4_000); // the stuck one is given up after 6 s
    download.stop();
    peers.stop();
  });

  it("gives up when nobody has the blocks, and ends when it is stopped", async () => {
    const world = new SyncWorld(LARGE);
    world.server("short", 100);
    const peers = await peersOf(world);
    const download = new Download(peers, world.clock, 120n, LARGE.hashes.slice(120));
    expect(await world.clock.run(download.take(16, MIB))).toBeUndefined();
    const waiting = download.take(16, MIB);
    download.stop();
    expect(await world.clock.run(waiting)).toBeUndefined();
    peers.stop();
    await world.clock.pass(60_000);
    expect(world.clock.timers).toBe(0);
  });

  it("needs no peers for nothing", async () => {
    const clock = new VirtualClock();
    const world = new SyncWorld(LARGE);
    const download = new Download(await peersOf(world), clock, 1n, []);
    expect(await clock.run(download.take(1, 1))).toEqual([]);
  });
});
