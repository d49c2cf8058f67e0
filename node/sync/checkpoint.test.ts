import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { bigIntToFixed, EMPTY_BYTES, equalsBytes } from "../../core/bytes.ts";
import { readStateItem } from "../../execution/state/flat-state.ts";
import { COINBASE, SENDERS } from "../../execution/testing/world.ts";
import type { Genesis } from "../../genesis/schema.ts";
import type { Chain } from "../chain.ts";
import { readCheckpoint, readEpochEnd } from "../checkpoint-store.ts";
import { DataError } from "../errors.ts";
import { logsInRange } from "../rpc/logs.ts";
import type { FakeNode } from "../testing/network.ts";
import { FakeStore, testLog } from "../testing/world.ts";
import { beginWithCheckpoint, CheckpointSync, canBeginWithCheckpoint } from "./checkpoint.ts";
import { decodeStateItems, encodeStateItems } from "./messages.ts";
import { extendReal, openReal, REAL_DOMAIN, REAL_SCHEME, realGenesis, STORE, setOfValidators } from "./testing/real.ts";
import { mapping, SyncWorld } from "./testing/world.ts";

const EPOCH_BLOCKS = 50;
const CHANGES: Genesis["validatorChanges"] = [{ block: 60n, set: setOfValidators(2, 3, 4, 5) }];
const GENESIS = realGenesis(EPOCH_BLOCKS, CHANGES);
const RULES = { epochBlocks: EPOCH_BLOCKS, domain: REAL_DOMAIN, scheme: REAL_SCHEME };
const HEIGHT = 370;
/** The last block of the newest epoch that is over. */
const AT = 349;
const FIRST = AT - 255;

/** A full node, and what it looked like when it was younger. */
let full: Chain;
let fullStore: FakeStore;
let young: Chain;
let youngStore: FakeStore;
beforeAll(async () => {
  youngStore = new FakeStore();
  young = await openReal(GENESIS, youngStore);
  await extendReal(young, EPOCH_BLOCKS, 310);
  fullStore = youngStore.copy();
  full = await openReal(GENESIS, fullStore);
  await extendReal(full, EPOCH_BLOCKS, HEIGHT);
}, 120_000);

const server = (world: SyncWorld, id: string, chain = full, store = fullStore): FakeNode =>
  world.serve(id, chain, { store });

function checkpointIn(world: SyncWorld, store: FakeStore, id = "new") {
  const network = world.network.join(id);
  const { log, lines } = testLog();
  world.network.connectAll();
  const parts = { store, genesis: GENESIS, network, clock: world.clock, log, domain: REAL_DOMAIN, scheme: REAL_SCHEME };
  return { network, lines, parts, checkpoint: new CheckpointSync(parts) };
}

/** Every account and slot that ever was, through the flat tables and by proof, and all code. */
function expectSameState(chain: Chain, of: Chain): void {
  const accounts = [
    ...SENDERS,
    COINBASE,
    STORE,
    ...Array.from({ length: HEIGHT + 1 }, (_, number) => bigIntToFixed(BigInt(0x10000 + number), 20)),
    ...GENESIS.alloc.map(({ address }) => address),
  ];
  const contracts: Uint8Array[] = [];
  for (let number = 1n; number <= of.head.number; number++) {
    for (const { contractAddress } of of.block(number)!.receipts) if (contractAddress) contracts.push(contractAddress);
  }
  // They have code of their own and one storage root in common.
  expect(contracts.length).toBeGreaterThan(100);
  accounts.push(...contracts);
  const slots = Array.from({ length: 20 }, (_, slot) => bigIntToFixed(BigInt(slot), 32));
  for (const address of accounts) {
    const account = of.headState.account(address);
    expect(chain.headState.account(address)).toEqual(account);
    if (account !== undefined)
      expect(chain.headState.code(account.codeHash)).toEqual(of.headState.code(account.codeHash));
    for (const slot of slots)
      expect(chain.headState.storage(address, slot)).toEqual(of.headState.storage(address, slot));
    expect(chain.prove(chain.headBlock, address, slots)).toEqual(of.prove(of.headBlock, address, slots));
  }
}

describe("a chain that begins with a checkpoint", () => {
  it("has the state of the last finished epoch, and goes on from there like any other", async () => {
    const world = new SyncWorld(RULES);
    server(world, "a");
    server(world, "b");
    const store = new FakeStore();
    expect(canBeginWithCheckpoint(store)).toBe(true);
    const { checkpoint, network, lines } = checkpointIn(world, store);
    expect(await world.clock.run(checkpoint.run())).toBe("complete");
    checkpoint.stop();
    expect(network.penalties).toEqual([]);
    expect(lines.some(({ msg, height }) => msg === "taking the state of a checkpoint" && height === AT)).toBe(true);
    expect(canBeginWithCheckpoint(store)).toBe(false);

    const chain = await openReal(GENESIS, store);
    expect(chain.head).toEqual({ number: BigInt(AT), hash: full.hashAt(BigInt(AT)) });
    expect(chain.firstBlock).toBe(BigInt(FIRST));
    expect(chain.certificate(BigInt(AT))).toEqual(full.certificate(BigInt(AT)));
    expect(chain.validatorSet(7)).toEqual(full.validatorSet(7));

    // The blocks that BLOCKHASH needs are whole, receipts and all; older ones are absent, not damaged.
    for (let number = FIRST; number <= AT; number++) {
      expect(chain.block(BigInt(number))).toEqual(full.block(BigInt(number)));
    }
    expect(chain.block(BigInt(FIRST - 1))).toBeUndefined();
    expect(chain.rawAt(BigInt(FIRST - 1))).toBeUndefined();
    expect(chain.hashAt(1n)).toBeUndefined();
    expect(chain.find({ hash: full.hashAt(7n)! })).toBeUndefined();
    expect(chain.block(0n)).toEqual(full.block(0n));
    await expect(
      logsInRange(chain, { addresses: { values: new Set(), few: [], bits: [] }, topics: [] }, 1n, 20n, () => false),
    ).rejects.toThrow("block 1 is not available on this node");

    const syncer = world.syncer(chain);
    syncer.sync.start();
    await world.reach(syncer, HEIGHT);
    await world.clock.run(syncer.sync.stop());
    expect(syncer.halts).toEqual([]);
    expect(chain.head).toEqual(full.head);
    expectSameState(chain, full);
    expect(chain.state(chain.block(BigInt(AT - 1))!)).toBeUndefined();
  });

  it("can itself be where others begin and sync from", async () => {
    const world = new SyncWorld(RULES);
    server(world, "a");
    const store = new FakeStore();
    const first = checkpointIn(world, store);
    expect(await world.clock.run(first.checkpoint.run())).toBe("complete");
    first.checkpoint.stop();

    const second = new SyncWorld(RULES);
    server(second, "from-checkpoint", await openReal(GENESIS, store), store);
    const other = new FakeStore();
    const { checkpoint } = checkpointIn(second, other);
    expect(await second.clock.run(checkpoint.run())).toBe("complete");
    checkpoint.stop();
    expect((await openReal(GENESIS, other)).head.number).toBe(BigInt(AT));
    for (let epoch = 0; epoch <= 6; epoch++) expect(readEpochEnd(other.reader, epoch)).toBeDefined();
  });

  it("never looks like a chain before it is complete, whenever the process ends, and goes on where it was", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 4 }), async (crashes) => {
        const store = new FakeStore();
        let isComplete = false;
        for (const crash of crashes) {
          if (isComplete) break;
          const world = new SyncWorld(RULES);
          server(world, "a");
          let writes = 0;
          store.afterWrite = async () => {
            if (++writes === crash) throw new Error("the process ends");
          };
          const { checkpoint } = checkpointIn(world, store);
          const outcome = await world.clock.run(checkpoint.run().catch((error: unknown) => (error as Error).message));
          checkpoint.stop();
          store.afterWrite = async () => {};
          isComplete = readCheckpoint(store.reader)?.isComplete === true;
          expect(outcome).toBe(isComplete && outcome === "complete" ? "complete" : "the process ends");
          if (isComplete) break;
          expect(canBeginWithCheckpoint(store)).toBe(true);
          if (readCheckpoint(store.reader) !== undefined)
            await expect(openReal(GENESIS, store)).rejects.toThrow(DataError);
        }
        const world = new SyncWorld(RULES);
        server(world, "a");
        const { checkpoint } = checkpointIn(world, store);
        if (!isComplete) expect(await world.clock.run(checkpoint.run())).toBe("complete");
        checkpoint.stop();
        const chain = await openReal(GENESIS, store);
        expect(chain.head.hash).toEqual(full.hashAt(BigInt(AT)));
        const syncer = world.syncer(chain, "last");
        syncer.sync.start();
        await world.reach(syncer, HEIGHT);
        await world.clock.run(syncer.sync.stop());
        expect(chain.head).toEqual(full.head);
      }),
      { numRuns: 4, seed: 2 },
    );
  });

  it("does not ask again for what it has", async () => {
    const store = new FakeStore();
    const asked: number[] = [];
    for (let run = 0; run < 2; run++) {
      const world = new SyncWorld(RULES);
      let items = 0;
      server(world, "a").lie(
        "state",
        mapping((chunks) => {
          items += decodeStateItems(chunks[0]!, 1_000).length;
          return chunks;
        }),
      );
      if (run === 0) store.beforeWrite = async () => {};
      let isEnding = false;
      store.beforeWrite = async () => {
        // Ends at the write that would complete it.
        isEnding ||=
          run === 0 && items > 0 && readStateItem(store.reader, full.block(BigInt(AT))!.header.stateRoot) !== undefined;
        if (isEnding) throw new Error("the process ends");
      };
      const { checkpoint } = checkpointIn(world, store);
      const outcome = await world.clock.run(checkpoint.run().catch(() => "ended"));
      checkpoint.stop();
      expect(outcome).toBe(run === 0 ? "ended" : "complete");
      asked.push(items);
    }
    expect(asked[0]).toBeGreaterThan(1_000);
    expect(asked[1]).toBe(0);
  });

  it("begins anew with a later checkpoint when nobody has the state of the first one any more", async () => {
    const store = new FakeStore();
    const before = new SyncWorld(RULES);
    const old = server(before, "young", young, youngStore);
    old.lie(
      "state",
      mapping((chunks) => [encodeStateItems(decodeStateItems(chunks[0]!, 1_000).slice(0, 40))]),
    );
    const first = checkpointIn(before, store);
    const running = first.checkpoint.run();
    await before.clock.pass(3_000);
    first.checkpoint.stop();
    expect(await before.clock.run(running)).toBe("stopped");
    expect(readCheckpoint(store.reader)).toMatchObject({ isComplete: false, number: 299n });

    const world = new SyncWorld(RULES);
    server(world, "a");
    const { checkpoint } = checkpointIn(world, store);
    expect(await world.clock.run(checkpoint.run())).toBe("complete");
    checkpoint.stop();
    const chain = await openReal(GENESIS, store);
    expect(chain.head.number).toBe(BigInt(AT));
    const syncer = world.syncer(chain);
    syncer.sync.start();
    await world.reach(syncer, HEIGHT);
    await world.clock.run(syncer.sync.stop());
    expectSameState(chain, full);
  });

  it("executes from genesis where the chain is young or nobody is there", async () => {
    const store = new FakeStore();
    const alone = new SyncWorld(RULES);
    const nobody = checkpointIn(alone, store);
    expect(await alone.clock.run(nobody.checkpoint.run())).toBe("young");
    nobody.checkpoint.stop();
    const world = new SyncWorld(RULES);
    const short = await openReal(GENESIS);
    await extendReal(short, EPOCH_BLOCKS, 20);
    world.serve("short", short);
    const { checkpoint } = checkpointIn(world, store);
    expect(await world.clock.run(checkpoint.run())).toBe("young");
    checkpoint.stop();
    const chain = await openReal(GENESIS, store);
    expect({ number: chain.head.number, first: chain.firstBlock }).toEqual({ number: 0n, first: 0n });
    expect(canBeginWithCheckpoint(store)).toBe(false);
  });

  it("is not begun where a stop is asked for, and not looked for where there is a chain", async () => {
    const world = new SyncWorld(RULES);
    server(world, "a");
    const store = new FakeStore();
    const { parts } = checkpointIn(world, store);
    const stopping = world.clock.sleep(50);
    expect(await world.clock.run(beginWithCheckpoint(parts, stopping))).toBe(false);
    expect(await world.clock.run(beginWithCheckpoint({ ...parts, store: fullStore }, stopping))).toBe(true);
    expect(await world.clock.run(beginWithCheckpoint(parts, new Promise(() => {})))).toBe(true);
    expect((await openReal(GENESIS, store)).head.number).toBe(BigInt(AT));
  });

  it("is stopped at any moment without leaving anything running", async () => {
    for (const afterMs of [0, 7, 20, 60, 150, 400]) {
      const world = new SyncWorld(RULES);
      server(world, "a");
      const store = new FakeStore();
      const { checkpoint } = checkpointIn(world, store);
      const running = checkpoint.run();
      await world.clock.pass(afterMs);
      checkpoint.stop();
      expect(["stopped", "complete"]).toContain(await world.clock.run(running));
      const writes = store.writes;
      await world.clock.pass(60_000);
      expect(store.writes).toBe(writes);
      expect(world.clock.timers).toBe(0);
    }
  });
});

describe("peers that lie about a checkpoint", () => {
  const LIES: Readonly<Record<string, (node: FakeNode) => void>> = {
    "items of other hashes": (node) =>
      node.lie(
        "state",
        mapping((chunks) => [
          encodeStateItems(
            decodeStateItems(chunks[0]!, 1_000).map((item) =>
              Uint8Array.from(item, (byte, i) => (i === 3 ? byte ^ 1 : byte)),
            ),
          ),
        ]),
      ),
    "items in another order": (node) =>
      node.lie(
        "state",
        mapping((chunks) => [encodeStateItems(decodeStateItems(chunks[0]!, 1_000).toReversed())]),
      ),
    "items without end": (node) =>
      node.lie(
        "state",
        mapping(function* (chunks) {
          for (;;) yield chunks[0]!;
        }),
      ),
    "other receipts": (node) =>
      node.lie(
        "blocks-by-hash",
        mapping((chunks) =>
          chunks.map((chunk) => Uint8Array.from(chunk, (byte, i) => (i === chunk.length - 1 ? byte ^ 1 : byte))),
        ),
      ),
    "no state": (node) =>
      node.lie(
        "state",
        mapping(() => [encodeStateItems([])]),
      ),
    "no receipts": (node) =>
      node.lie(
        "blocks-by-hash",
        mapping(() => []),
      ),
    silence: (node) => {
      node.lie(
        "state",
        () =>
          async function* () {
            await new Promise(() => {});
            yield EMPTY_BYTES;
          },
      );
    },
  };
  for (const [name, lie] of Object.entries(LIES)) {
    it(`give ${name}: the others complete it`, async () => {
      const world = new SyncWorld(RULES);
      lie(server(world, "liar"));
      world.delays.set("liar", 1);
      server(world, "honest");
      const store = new FakeStore();
      const { checkpoint, network } = checkpointIn(world, store);
      expect(await world.clock.run(checkpoint.run())).toBe("complete");
      checkpoint.stop();
      expect(network.penalties.filter(({ peer }) => peer === "honest")).toEqual([]);
      const isDetectable = !["no state", "no receipts", "silence"].includes(name);
      if (isDetectable) expect(network.penalties.map(({ peer }) => peer)).toContain("liar");
      const chain = await openReal(GENESIS, store);
      expect(equalsBytes(chain.headBlock.header.stateRoot, full.block(BigInt(AT))!.header.stateRoot)).toBe(true);
    });
  }
});
