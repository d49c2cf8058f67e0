import { describe, expect, test } from "vitest";
import { bytesToHex } from "../../core/bytes.ts";
import { decodeBlock, encodeBlock } from "../../execution/block/block-codec.ts";
import { hashHeader } from "../../execution/block/header.ts";
import { Mempool } from "../../execution/mempool.ts";
import { StoreError } from "../../execution/state/errors.ts";
import { COINBASE } from "../../execution/testing/world.ts";
import { Chain } from "../chain.ts";
import { VirtualClock } from "../testing/clock.ts";
import { CHAIN_ID, FakeStore, rich, signed, testGenesis, testLog } from "../testing/world.ts";
import { BlockWork } from "./block-work.ts";
import { Bodies } from "./bodies.ts";

const GENESIS = testGenesis([rich(0), rich(1)]);

interface Made {
  readonly hash: Uint8Array;
  readonly raw: Uint8Array;
}

async function setup() {
  const clock = new VirtualClock();
  const chain = await Chain.open(new FakeStore(), GENESIS, []);
  const mempool = new Mempool({ next: { baseFeePerGas: chain.nextBaseFee(), gasLimit: GENESIS.gasLimit } });
  const { log, lines } = testLog();
  const bodies = new Bodies();
  /** What peers have. */
  const peers = new Map<string, Uint8Array>();
  const asked: string[] = [];
  const work = new BlockWork({
    chain,
    mempool,
    clock,
    log,
    feeAddress: COINBASE,
    buildMs: 100,
    bodies,
    origins: undefined,
    async fetch(hashes) {
      const keys = hashes.map(bytesToHex);
      asked.push(...keys);
      return keys.flatMap((key) => peers.get(key) ?? []);
    },
  });
  return { clock, chain, mempool, lines, bodies, peers, asked, work };
}

/** A chain of somebody else: `count` blocks on genesis, none of them final. */
async function foreign(count: number, timestamp = GENESIS.timestamp): Promise<Made[]> {
  const chain = await Chain.open(new FakeStore(), GENESIS, []);
  const made: Made[] = [];
  for (let parent = chain.head.hash; made.length < count; parent = made.at(-1)!.hash) {
    const input = { candidates: [], timestamp, feeAddress: COINBASE, isOutOfTime: () => false };
    const { block, raw } = await chain.proposeOn(parent, input);
    made.push({ hash: block.hash, raw });
  }
  return made;
}

describe("executing", () => {
  test("what is here, and what stands between it and the head", async () => {
    const { chain, bodies, asked, work } = await setup();
    const blocks = await foreign(3);
    for (const { hash, raw } of blocks) bodies.add(hash, raw);
    expect(await work.execute(blocks[2]!.hash)).toBe("ok");
    for (const { hash } of blocks) expect(chain.has(hash)).toBe(true);
    expect(asked).toEqual([]);
    expect(await work.execute(blocks[0]!.hash)).toBe("ok");
  });

  test("asks for what is missing, from the block down, each once", async () => {
    const { chain, bodies, peers, asked, work } = await setup();
    const blocks = await foreign(3);
    for (const { hash, raw } of blocks) peers.set(bytesToHex(hash), raw);
    bodies.add(blocks[1]!.hash, blocks[1]!.raw);
    expect(await work.execute(blocks[2]!.hash)).toBe("ok");
    expect(asked).toEqual([blocks[2]!, blocks[0]!].map(({ hash }) => bytesToHex(hash)));
    expect(chain.has(blocks[2]!.hash)).toBe(true);
  });

  test("what nobody has is missing, and may be there later", async () => {
    const { peers, work } = await setup();
    const [one, two] = await foreign(2);
    peers.set(bytesToHex(two!.hash), two!.raw);
    expect(await work.execute(two!.hash)).toBe("missing");
    peers.set(bytesToHex(one!.hash), one!.raw);
    expect(await work.execute(two!.hash)).toBe("ok");
  });

  test("of 64 ancestors at most", async () => {
    const { bodies, work } = await setup();
    const blocks = await foreign(65);
    for (const { hash, raw } of blocks) bodies.add(hash, raw);
    expect(await work.execute(blocks[64]!.hash)).toBe("missing");
    expect(await work.execute(blocks[63]!.hash)).toBe("ok");
    expect(await work.execute(blocks[64]!.hash)).toBe("ok");
  });

  test("a block that does not execute is invalid, and what stands on it", async () => {
    const { bodies, work } = await setup();
    const [one] = await foreign(1);
    const decoded = decodeBlock(one!.raw, CHAIN_ID);
    if (!decoded.ok) throw new Error(decoded.reason);
    const header = { ...decoded.block.header, gasUsed: 1n };
    const hash = hashHeader(header);
    bodies.add(hash, encodeBlock({ header, transactions: [] }));
    expect(await work.execute(hash)).toMatchObject({ invalid: expect.stringContaining("gas") });
    const child = { ...decoded.block.header, parentHash: hash, number: 2n };
    bodies.add(hashHeader(child), encodeBlock({ header: child, transactions: [] }));
    expect(await work.execute(hashHeader(child))).toMatchObject({ invalid: expect.stringContaining("gas") });
  });

  test("a block beside the last final one is invalid", async () => {
    const { chain, bodies, work } = await setup();
    const [own] = await foreign(1);
    const [other] = await foreign(1, GENESIS.timestamp + 1n);
    await chain.verify(own!.raw, chain.head.hash);
    await chain.commitThrough(own!.hash, undefined);
    bodies.add(other!.hash, other!.raw);
    expect(await work.execute(other!.hash)).toEqual({ invalid: "it does not descend from the last final block" });
    expect(await work.execute(own!.hash)).toBe("ok");
  });
});

describe("a vote", () => {
  const validated = async (aheadSeconds: bigint, passMs = 0) => {
    const { clock, bodies, work, lines } = await setup();
    const [block] = await foreign(1, GENESIS.timestamp + aheadSeconds);
    bodies.add(block!.hash, block!.raw);
    await clock.pass(passMs);
    return { isValid: await work.validate(block!.hash), lines };
  };

  test("is for a block whose time is at most a second ahead of the clock", async () => {
    expect((await validated(0n)).isValid).toBe(true);
    expect((await validated(1n)).isValid).toBe(true);
    expect((await validated(2n, 1_000)).isValid).toBe(true);
    const { isValid, lines } = await validated(2n, 999);
    expect(isValid).toBe(false);
    expect(lines.map(({ msg, aheadMs }) => [msg, aheadMs])).toEqual([
      ["proposal refused: its time is in the future", 1_001],
    ]);
  });

  test("is for none that is missing, and the log says so", async () => {
    const { work, lines } = await setup();
    expect(await work.validate(new Uint8Array(32))).toBe(false);
    expect(lines[0]).toMatchObject({ msg: "proposal refused", reason: "its bytes or an ancestor's are missing" });
  });
});

describe("making a block", () => {
  test("on one that only peers have", async () => {
    const { chain, mempool, peers, work, clock } = await setup();
    const tx = signed(0, 0n);
    mempool.add(tx, chain.headState, clock.nowMs());
    const [one] = await foreign(1);
    peers.set(bytesToHex(one!.hash), one!.raw);
    const hash = await work.build(one!.hash);
    expect(chain.header(hash!)).toMatchObject({ number: 2n, parentHash: one!.hash, coinbase: COINBASE });
  });

  test("not on one that nobody has, nor on one that others have passed", async () => {
    const { chain, work, lines } = await setup();
    expect(await work.build(new Uint8Array(32).fill(1))).toBeUndefined();
    const [one] = await foreign(1);
    await chain.verify(one!.raw, chain.head.hash);
    await chain.commitThrough(one!.hash, undefined);
    expect(await work.build(chain.genesisHash)).toBeUndefined();
    expect(lines.map(({ msg }) => msg)).toEqual(["block assembly failed"]);
  });

  test("ends when its time is over, with what fits", async () => {
    const { chain, mempool, clock, work } = await setup();
    for (let nonce = 0n; nonce < 20n; nonce++) {
      mempool.add(signed(0, nonce), chain.headState, clock.nowMs());
    }
    const { proposeOn } = chain;
    chain.proposeOn = (parent, input) =>
      proposeOn.call(chain, parent, {
        ...input,
        isOutOfTime: () => {
          clock.setMs(clock.nowMs() + 30);
          return input.isOutOfTime();
        },
      });
    const hash = await work.build(chain.head.hash);
    await chain.commitThrough(hash!, undefined);
    const { transactions } = chain.headBlock;
    expect(transactions.length).toBeGreaterThan(0);
    expect(transactions.length).toBeLessThan(6);
  });

  test("a damaged store is no reason to try again", async () => {
    const { chain, work } = await setup();
    chain.proposeOn = () => Promise.reject(new StoreError("DAMAGED", "damaged state"));
    await expect(work.build(chain.head.hash)).rejects.toThrow("damaged state");
  });
});
