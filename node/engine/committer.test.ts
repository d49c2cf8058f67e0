import { describe, expect, test } from "vitest";
import { encodeCertificate } from "../../consensus/codec.ts";
import type { ConsensusEvent } from "../../consensus/events.ts";
import { baseView, type Certificate, KIND } from "../../consensus/types.ts";
import { Mempool } from "../../execution/mempool.ts";
import { COINBASE } from "../../execution/testing/world.ts";
import { Chain } from "../chain.ts";
import { VirtualClock } from "../testing/clock.ts";
import { setOfMembers } from "../testing/cluster.ts";
import { TEST_SCHEME, TEST_TIMING, testDomain } from "../testing/node.ts";
import { FakeStore, rich, signed, testGenesis, testLog } from "../testing/world.ts";
import { BlockWork } from "./block-work.ts";
import { Bodies } from "./bodies.ts";
import { Committer } from "./committer.ts";
import { Statistics } from "./status.ts";

const EPOCH_BLOCKS = 5;
const GENESIS = testGenesis([rich(0), rich(1)], {
  consensus: { epochBlocks: EPOCH_BLOCKS },
  validators: setOfMembers(0, 1, 2, 3),
});

const certificateOf = (block: Uint8Array, view = 9): Certificate => ({
  kind: KIND.finalize,
  epoch: 0,
  view,
  parentView: view - 1,
  block,
  bitmap: Uint8Array.of(7),
  signature: new Uint8Array(96),
});

async function setup() {
  const clock = new VirtualClock();
  const store = new FakeStore();
  const chain = await Chain.open(store, GENESIS, []);
  const mempool = new Mempool({ next: { baseFeePerGas: chain.nextBaseFee(), gasLimit: GENESIS.gasLimit } });
  const { log, lines } = testLog();
  const bodies = new Bodies();
  const asked: Uint8Array[] = [];
  const ensured: Certificate[] = [];
  const posted: ConsensusEvent[] = [];
  const work = new BlockWork({
    chain,
    mempool,
    clock,
    log,
    feeAddress: COINBASE,
    buildMs: 100,
    bodies,
    origins: undefined,
    fetch: async (hashes) => {
      asked.push(...hashes);
      return [];
    },
  });
  let ensure: (certificate: Certificate) => Promise<boolean> = async () => false;
  const committer = new Committer({
    parts: {
      chain,
      mempool,
      clock,
      log,
      domain: testDomain(GENESIS),
      scheme: TEST_SCHEME,
      epochBlocks: EPOCH_BLOCKS,
      timing: TEST_TIMING,
      feeAddress: COINBASE,
      validating: undefined,
      network: undefined,
      l1: undefined,
      logBlocks: true,
      onEvidence: () => {},
      onHalt: () => {},
    },
    work,
    ensure: (certificate) => {
      ensured.push(certificate);
      return ensure(certificate);
    },
    post: (event) => posted.push(event),
    statistics: new Statistics(clock),
  });
  chain.onCommit(({ number }) => committer.committed(number));
  /** Blocks on the head, none of them final. */
  const grow = async (count: number, source = chain): Promise<{ hash: Uint8Array; raw: Uint8Array }[]> => {
    const made: { hash: Uint8Array; raw: Uint8Array }[] = [];
    for (let parent = source.head.hash; made.length < count; parent = made.at(-1)!.hash) {
      const { block, raw } = await source.proposeOn(parent, {
        candidates: [],
        timestamp: BigInt(clock.nowMs() / 1_000),
        feeAddress: COINBASE,
        isOutOfTime: () => false,
      });
      made.push({ hash: block.hash, raw });
    }
    return made;
  };
  /** The same as blocks of somebody else. */
  const foreign = async (count: number) => grow(count, await Chain.open(new FakeStore(), GENESIS, []));
  return {
    clock,
    store,
    chain,
    mempool,
    lines,
    bodies,
    origins: undefined,
    asked,
    ensured,
    posted,
    committer,
    grow,
    foreign,
    setEnsure: (other: typeof ensure) => {
      ensure = other;
    },
  };
}

const tipOf = (block: Uint8Array, height: number) => ({ view: 9, height, block });

describe("one after another", () => {
  test("in the order in which it was asked for; a failure is its own", async () => {
    const { committer } = await setup();
    const calls: string[] = [];
    const gate = Promise.withResolvers<void>();
    const first = committer.exclusive(async () => {
      calls.push("first begins");
      await gate.promise;
      calls.push("first ends");
      return 1;
    });
    const second = committer.exclusive(() => Promise.reject(new Error("second fails")));
    const third = committer.exclusive(async () => calls.push("third"));
    let isIdle = false;
    const idle = committer.idle().then(() => {
      isIdle = true;
    });
    await new Promise(setImmediate);
    expect([calls, isIdle]).toEqual([["first begins"], false]);
    gate.resolve();
    expect(await first).toBe(1);
    await expect(second).rejects.toThrow("second fails");
    await third;
    await idle;
    expect(calls).toEqual(["first begins", "first ends", "third"]);
  });

  test("idle is only when nothing came meanwhile either", async () => {
    const { committer } = await setup();
    const calls: string[] = [];
    void committer.exclusive(async () => {
      void committer.exclusive(async () => {
        await new Promise(setImmediate);
        calls.push("inner");
      });
    });
    await committer.idle();
    expect(calls).toEqual(["inner"]);
  });
});

describe("finalizing", () => {
  test("commits the path up to the block in one write, the certificate with the last", async () => {
    const { chain, store, committer, grow, posted, lines, ensured } = await setup();
    const [one, two, three] = await grow(3);
    const writes = store.writes;
    const certificate = certificateOf(two!.hash);
    await committer.finalize(certificate, tipOf(two!.hash, 2));
    expect([chain.head.hash, store.writes - writes]).toEqual([two!.hash, 1]);
    expect(chain.hashAt(1n)).toEqual(one!.hash);
    expect([chain.certificate(1n), chain.certificate(2n)]).toEqual([undefined, encodeCertificate(certificate)]);
    expect(chain.has(three!.hash)).toBe(true);
    expect(posted).toEqual(Array(2).fill({ type: "includable", value: false }));
    expect(ensured).toEqual([]);
    const shown = lines.filter(({ msg }) => msg === "block committed");
    expect(shown.map(({ height, level }) => [height, level])).toEqual([
      [1, 30],
      [2, 30],
    ]);
  });

  test("what is committed already takes no write", async () => {
    const { chain, store, committer, grow, ensured } = await setup();
    const [one, two] = await grow(2);
    await committer.finalize(certificateOf(two!.hash), tipOf(two!.hash, 2));
    const writes = store.writes;
    await committer.finalize(certificateOf(one!.hash, 8), tipOf(one!.hash, 1));
    await committer.finalize(certificateOf(two!.hash), tipOf(two!.hash, 2));
    expect([store.writes, chain.head.number, ensured]).toEqual([writes, 2n, []]);
  });

  test("executes first what is only known as bytes", async () => {
    const { chain, bodies, committer, foreign } = await setup();
    const blocks = await foreign(3);
    for (const { hash, raw } of blocks) bodies.add(hash, raw);
    const { hash } = blocks[2]!;
    await committer.finalize(certificateOf(hash), tipOf(hash, 3));
    expect(chain.head.hash).toEqual(hash);
  });

  test("of which only the certificate was known, tells consensus where it is then", async () => {
    const { chain, bodies, committer, foreign, posted } = await setup();
    const [one] = await foreign(1);
    bodies.add(one!.hash, one!.raw);
    await committer.finalize(certificateOf(one!.hash), undefined);
    expect(posted.at(-1)).toEqual({
      type: "synced",
      epoch: 0,
      set: chain.validatorSet(0),
      base: { view: 0, height: 0, block: chain.genesisHash },
      tip: { view: 9, height: 1, block: one!.hash },
    });
  });

  test("leaves to sync what is missing, which may commit meanwhile", async () => {
    const { chain, committer, foreign, asked, ensured, posted, setEnsure } = await setup();
    const [one, two] = await foreign(2);
    setEnsure(async ({ block }) => {
      await committer.exclusive(async () => {
        await chain.verify(one!.raw, chain.head.hash);
        await chain.verify(two!.raw, one!.hash);
        await chain.commitThrough(block, encodeCertificate(certificateOf(block)));
      });
      return true;
    });
    const certificate = certificateOf(two!.hash);
    await committer.finalize(certificate, undefined);
    expect(ensured).toEqual([certificate]);
    expect(asked).toEqual([two!.hash]);
    expect(chain.head.hash).toEqual(two!.hash);
    expect(posted.filter(({ type }) => type === "synced")).toHaveLength(1);
  });

  test("says nothing where sync could not help either", async () => {
    const { committer, chain, foreign, posted } = await setup();
    const [one] = await foreign(1);
    await committer.finalize(certificateOf(one!.hash), undefined);
    expect([chain.head.number, posted]).toEqual([0n, []]);
  });

  test("a block that does not execute is the end", async () => {
    const { committer, bodies, grow } = await setup();
    const [own] = await grow(1);
    await committer.finalize(certificateOf(own!.hash), tipOf(own!.hash, 1));
    // Another block of the same height.
    const other = await Chain.open(new FakeStore(), GENESIS, []);
    const { block, raw } = await other.propose({
      candidates: [signed(0, 0n)],
      timestamp: GENESIS.timestamp + 5n,
      feeAddress: COINBASE,
      isOutOfTime: () => false,
    });
    bodies.add(block.hash, raw);
    await expect(committer.finalize(certificateOf(block.hash), tipOf(block.hash, 1))).rejects.toThrow(
      "a final block is invalid: it does not descend from the last final block",
    );
  });

  test("a store that fails is the caller's to know", async () => {
    const { committer, store, grow } = await setup();
    const [one] = await grow(1);
    store.beforeWrite = () => Promise.reject(new Error("no space left on device"));
    await expect(committer.finalize(certificateOf(one!.hash), tipOf(one!.hash, 1))).rejects.toThrow("no space left");
  });
});

describe("a new head", () => {
  test("that ends an epoch tells consensus who takes over; a path through one does only at its own end", async () => {
    const { chain, committer, grow, posted, lines } = await setup();
    const blocks = await grow(4);
    await committer.finalize(certificateOf(blocks[3]!.hash), tipOf(blocks[3]!.hash, 4));
    const epochs = posted.filter(({ type }) => type === "epoch");
    const base = { view: baseView(1), height: 4, block: blocks[3]!.hash };
    expect(epochs).toEqual([{ type: "epoch", epoch: 1, set: chain.validatorSet(1), base }]);
    expect(lines.find(({ msg }) => msg === "epoch begins")).toMatchObject({ epoch: 1, validators: 4 });
    const more = await grow(6);
    await chain.commitThrough(more[5]!.hash, undefined);
    expect(chain.head.number).toBe(10n);
    expect(posted.filter(({ type }) => type === "epoch")).toEqual(epochs);
  });

  test("of long ago has its line at debug, in the pool it counts all the same", async () => {
    const { clock, committer, lines, mempool, chain, posted } = await setup();
    const tx = signed(0, 0n);
    mempool.add(tx, chain.headState, clock.nowMs());
    const { block } = await chain.propose({
      candidates: [tx],
      timestamp: BigInt(clock.nowMs() / 1_000),
      feeAddress: COINBASE,
      isOutOfTime: () => false,
    });
    await clock.pass(31_000);
    await committer.finalize(certificateOf(block.hash), tipOf(block.hash, 1));
    expect(lines.find(({ msg }) => msg === "block committed")).toMatchObject({ level: 20, txs: 1, height: 1 });
    expect(mempool.counts).toMatchObject({ pending: 0, queued: 0 });
    expect(posted).toEqual([{ type: "includable", value: false }]);
  });
});
