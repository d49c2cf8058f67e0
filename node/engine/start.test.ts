import { describe, expect, test } from "vitest";
import { encodeCertificate } from "../../consensus/codec.ts";
import { baseView, type Certificate, KIND, type Subject } from "../../consensus/types.ts";
import type { WalRecord } from "../../consensus/wal.ts";
import { Chain } from "../chain.ts";
import { DataError } from "../errors.ts";
import { setOfMembers } from "../testing/cluster.ts";
import { FakeStore, propose, rich, testGenesis } from "../testing/world.ts";
import { setOf, simplexStart, tips } from "./start.ts";

const EPOCH_BLOCKS = 5;
const GENESIS = testGenesis([rich(0)], {
  consensus: { epochBlocks: EPOCH_BLOCKS },
  validators: setOfMembers(0, 1, 2, 3),
  validatorChanges: [{ block: 1n, set: setOfMembers(1, 2) }],
});

const certificateOf = (block: Uint8Array, epoch: number, view: number): Certificate => ({
  kind: KIND.finalize,
  epoch,
  view,
  parentView: view - 1,
  block,
  bitmap: Uint8Array.of(7),
  signature: new Uint8Array(96),
});

/** Up to the height, each block with a certificate in the view that `viewOf` says, if any. */
async function chainOf(height: number, viewOf: (number: number) => number | undefined = () => undefined) {
  const chain = await Chain.open(new FakeStore(), GENESIS, []);
  for (let number = 1; number <= height; number++) {
    const { block } = await propose(chain, []);
    const view = viewOf(number);
    const epoch = Math.floor(number / EPOCH_BLOCKS);
    const certificate = view === undefined ? undefined : encodeCertificate(certificateOf(block.hash, epoch, view));
    await chain.commitThrough(block.hash, certificate);
  }
  return chain;
}

describe("where a chain stands", () => {
  test("fresh: at genesis, base of epoch 0", async () => {
    const chain = await chainOf(0);
    const base = { view: 0, height: 0, block: chain.genesisHash };
    expect(tips(chain, EPOCH_BLOCKS)).toEqual({ epoch: 0, base, tip: base });
    expect(setOf(chain, 0)).toEqual(setOfMembers(0, 1, 2, 3));
  });

  test("in an epoch: at the view of the head's certificate", async () => {
    const chain = await chainOf(3, (number) => (number === 3 ? 17 : undefined));
    expect(tips(chain, EPOCH_BLOCKS)).toEqual({
      epoch: 0,
      base: { view: 0, height: 0, block: chain.genesisHash },
      tip: { view: 17, height: 3, block: chain.head.hash },
    });
  });

  test("after the last block of an epoch: at the base of the next, whatever certified it", async () => {
    const chain = await chainOf(4, () => 9);
    const base = { view: baseView(1), height: 4, block: chain.head.hash };
    expect(tips(chain, EPOCH_BLOCKS)).toEqual({ epoch: 1, base, tip: base });
    expect(setOf(chain, 1)).toEqual(setOfMembers(1, 2));
  });

  test("in a later epoch: the base is the last block of the one before", async () => {
    const view = baseView(1) + 6;
    const chain = await chainOf(6, (number) => (number === 6 ? view : undefined));
    expect(tips(chain, EPOCH_BLOCKS)).toEqual({
      epoch: 1,
      base: { view: baseView(1), height: 4, block: chain.hashAt(4n) },
      tip: { view, height: 6, block: chain.head.hash },
    });
  });

  test("at a head without a certificate: as if it had been final from the base on", async () => {
    for (const [height, epoch] of [
      [2, 0],
      [7, 1],
    ] as const) {
      const { tip, base } = tips(await chainOf(height, (number) => (number === 1 ? 3 : undefined)), EPOCH_BLOCKS);
      expect([tip.view, tip.height]).toEqual([baseView(epoch), height]);
      expect(base.view).toBe(baseView(epoch));
    }
  });
});

test("the validators of an epoch that has not begun are an error that names it", async () => {
  const chain = await chainOf(3);
  expect(() => setOf(chain, 1)).toThrow(DataError);
  expect(() => setOf(chain, 1)).toThrow("the validators of epoch 1 are missing");
});

test("what the log remembers is sorted, in its order", async () => {
  const chain = await chainOf(0);
  const block = new Uint8Array(32).fill(5);
  const vote = (view: number): Subject => ({ kind: KIND.notarize, epoch: 0, view, parentView: view - 1, block });
  const certificate = certificateOf(block, 0, 2);
  const records: WalRecord[] = [
    { type: "tip", epoch: 0, view: 0, height: 0, block: chain.genesisHash },
    { type: "vote", subject: vote(1) },
    { type: "block", id: block, height: 1, parent: chain.genesisHash, bytes: Uint8Array.of(1) },
    { type: "certificate", certificate },
    { type: "vote", subject: vote(2) },
  ];
  expect(simplexStart(chain, EPOCH_BLOCKS, records)).toEqual({
    ...tips(chain, EPOCH_BLOCKS),
    set: setOfMembers(0, 1, 2, 3),
    votes: [vote(1), vote(2)],
    certificates: [certificate],
    blocks: [{ block, height: 1 }],
  });
});
