import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeCertificate, encodeCertificate } from "../../consensus/codec.ts";
import { baseView } from "../../consensus/types.ts";
import type { ValidatorSet } from "../../consensus/validators.ts";
import { equalsBytes } from "../../core/bytes.ts";
import { rlpChildren, rlpWhole } from "../../core/rlp.ts";
import type { RequestHandler } from "../p2p/types.ts";
import type { FakeNode } from "../testing/network.ts";
import {
  decodeRangeRequest,
  decodeStatus,
  encodeEpochEnd,
  encodeHeaders,
  encodeStatus,
  headerOf,
  type Part,
  type Status,
} from "./messages.ts";
import { certify, Ledger, setOf } from "./testing/ledger.ts";
import { mapping, SyncWorld } from "./testing/world.ts";

const LEDGER = new Ledger({ blocks: 200, epochBlocks: 30, isCertified: (number) => number % 4 === 0 });
/** The same genesis and validators, other blocks. */
const OTHER = new Ledger({ blocks: 200, epochBlocks: 30, salt: 1 });

const flipped = (bytes: Uint8Array, at: number): Uint8Array => {
  const copy = bytes.slice();
  copy[at % copy.length] = copy[at % copy.length]! ^ 1;
  return copy;
};

const reStatus = (change: (status: Status) => Status) =>
  mapping((chunks) => chunks.map((chunk) => encodeStatus(change(decodeStatus(chunk)))));

const claiming = (number: number, certificate = LEDGER.tip) =>
  reStatus((status) => ({
    ...status,
    epoch: Math.floor((number + 1) / 30),
    head: { ...status.head, number: BigInt(number) },
    certified: { number: BigInt(number), certificate },
  }));

const silent = (): RequestHandler =>
  async function* () {
    await new Promise(() => {});
    yield new Uint8Array(0);
  };

function* forever(chunk: Uint8Array): Iterable<Uint8Array> {
  for (;;) yield chunk;
}

const UNKNOWN = new Uint8Array(32).fill(9);
const forged = certify({ ...LEDGER.tip, block: UNKNOWN }, setOf(999));
const farAhead = certify(
  { epoch: 100, view: baseView(100) + 1, parentView: baseView(100), block: UNKNOWN },
  setOf(100),
);

/** Epoch 0 is as it was; from then on validators finalize whom only the liar knows. */
const COUP = new Ledger({
  blocks: 200,
  epochBlocks: 30,
  salt: 1,
  sets: (epoch) => setOf(epoch === 0 ? 0 : 500 + epoch),
});

type Change = (chunks: Uint8Array[]) => Iterable<Uint8Array>;

/** Lies about headers or about blocks by number, and is honest about the others. */
const about = (part: Part, change: Change) => (node: FakeNode) =>
  node.lie(
    "blocks-by-range",
    mapping((chunks, payload) => (decodeRangeRequest(payload).part === part ? change(chunks) : chunks)),
  );

/** The epochs' ends with some parts replaced. */
const ends = (
  change: (epoch: number, number: number) => { raw?: Uint8Array; signer?: ValidatorSet; next?: ValidatorSet },
) =>
  mapping((chunks) =>
    chunks.map((_, epoch) => {
      const number = 30 * epoch + 29;
      const { raw = LEDGER.raws[number]!, signer = setOf(epoch), next = setOf(epoch + 1) } = change(epoch, number);
      const certificate = encodeCertificate(LEDGER.certificateOf(number, LEDGER.hashes[number]!, signer));
      return encodeEpochEnd(headerOf(raw), certificate, next);
    }),
  );

const firstItem = (list: Uint8Array): Uint8Array => {
  const { start, end } = rlpChildren(list, rlpWhole(list))[0]!;
  return list.subarray(start, end);
};

/** What a peer does that no honest one does, and whether it must be found out. */
const LIES: Readonly<Record<string, { readonly lie: (node: FakeNode) => void; readonly isFoundOut: boolean }>> = {
  "other bytes in a block": {
    lie: about("blocks", (chunks) => chunks.map((chunk) => flipped(chunk, chunk.length - 40))),
    isFoundOut: true,
  },
  "other bytes in the header of a block": {
    lie: about("blocks", (chunks) => chunks.map((chunk) => flipped(chunk, 60))),
    isFoundOut: true,
  },
  "other bytes in a header": { lie: about("headers", ([chunk]) => [flipped(chunk!, 60)]), isFoundOut: true },
  "another range of blocks": { lie: about("blocks", (chunks) => chunks.slice(1)), isFoundOut: true },
  "blocks backwards": { lie: about("blocks", (chunks) => chunks.toReversed()), isFoundOut: true },
  "no blocks": { lie: about("blocks", () => []), isFoundOut: true },
  "no headers": { lie: about("headers", () => [encodeHeaders([])]), isFoundOut: true },
  "a block cut off": { lie: about("blocks", (chunks) => chunks.map((chunk) => chunk.slice(0, -1))), isFoundOut: true },
  "blocks without end": { lie: about("blocks", (chunks) => forever(chunks[0]!)), isFoundOut: true },
  "headers without end": { lie: about("headers", (chunks) => forever(chunks[0]!)), isFoundOut: true },
  "one block at a time": { lie: about("blocks", (chunks) => chunks.slice(0, 1)), isFoundOut: false },
  "one header at a time": {
    lie: about("headers", ([chunk]) => [encodeHeaders([firstItem(chunk!)])]),
    isFoundOut: false,
  },
  "the blocks of another chain": {
    lie: about("blocks", (chunks) => chunks.map((_, index) => OTHER.raws[index + 1]!)),
    isFoundOut: true,
  },
  "the headers of another chain": {
    lie: about("headers", () => [encodeHeaders([headerOf(OTHER.raws[28]!)])]),
    isFoundOut: true,
  },
  "no answer about blocks": { lie: (node) => node.lie("blocks-by-range", silent), isFoundOut: false },
  "no answer at all": {
    lie: (node) => {
      for (const protocol of ["status", "blocks-by-range", "blocks-by-hash", "epochs"] as const)
        node.lie(protocol, silent);
    },
    isFoundOut: false,
  },
  "a status of random bytes": {
    lie: (node) =>
      node.lie(
        "status",
        mapping(() => [Uint8Array.from({ length: 90 }, (_, i) => i * 7)]),
      ),
    isFoundOut: true,
  },
  "a status of another network": {
    lie: (node) =>
      node.lie(
        "status",
        reStatus((status) => ({ ...status, genesisHash: new Uint8Array(32) })),
      ),
    isFoundOut: false,
  },
  "a status without end": {
    lie: (node) =>
      node.lie(
        "status",
        mapping((chunks) => forever(chunks[0]!)),
      ),
    isFoundOut: true,
  },
  "a certificate that the set did not sign": {
    lie: (node) => node.lie("status", claiming(209, forged)),
    isFoundOut: true,
  },
  "a certificate of a block that is lower": { lie: (node) => node.lie("status", claiming(208)), isFoundOut: true },
  "epochs that nobody has": { lie: (node) => node.lie("status", claiming(3_000, farAhead)), isFoundOut: true },
  "epochs that nobody has, and silence": {
    lie: (node) => {
      node.lie("status", claiming(3_000, farAhead));
      for (const protocol of ["blocks-by-range", "blocks-by-hash", "epochs"] as const) node.lie(protocol, silent);
    },
    isFoundOut: false,
  },
  "epochs signed by the set before": {
    lie: (node) =>
      node.lie(
        "epochs",
        ends((epoch) => ({ signer: setOf(Math.max(0, epoch - 1)) })),
      ),
    isFoundOut: true,
  },
  "epochs with validators of its own": {
    lie: (node) =>
      node.lie(
        "epochs",
        ends((epoch) => ({ next: setOf(500 + epoch) })),
      ),
    isFoundOut: true,
  },
  "epochs of another chain": {
    lie: (node) =>
      node.lie(
        "epochs",
        ends((_, number) => ({ raw: OTHER.raws[number]! })),
      ),
    isFoundOut: true,
  },
  "epochs that validators of its own finalized": {
    lie: (node) =>
      node.lie(
        "epochs",
        mapping((chunks) =>
          chunks.map((_, epoch) => {
            const { raws, certificates } = epoch === 0 ? LEDGER : COUP;
            const certificate = encodeCertificate(certificates.get(30 * epoch + 29)!);
            return encodeEpochEnd(headerOf(raws[30 * epoch + 29]!), certificate, COUP.sets(epoch + 1));
          }),
        ),
      ),
    isFoundOut: true,
  },
  "no epochs": {
    lie: (node) =>
      node.lie(
        "epochs",
        mapping(() => []),
      ),
    isFoundOut: true,
  },
  "epochs from the second on": {
    lie: (node) =>
      node.lie(
        "epochs",
        mapping((chunks) => chunks.slice(1)),
      ),
    isFoundOut: true,
  },
};

describe("a peer that lies", () => {
  for (const [name, { lie, isFoundOut }] of Object.entries(LIES)) {
    it(`gives ${name}: sync goes on with the others${isFoundOut ? ", and it is penalized" : ""}`, async () => {
      const world = new SyncWorld(LEDGER);
      // The liar is faster, so it is asked first.
      const liar = world.server("liar");
      world.server("honest");
      world.delays.set("liar", 1);
      lie(liar);
      const syncer = world.syncer();
      syncer.sync.start();
      await world.reach(syncer);
      await world.clock.pass(20_000);
      await world.clock.run(syncer.sync.stop());
      expect(syncer.halts).toEqual([]);
      expect(syncer.chain.head.hash).toEqual(LEDGER.hashes[200]);
      expect(syncer.node.penalties.filter(({ peer }) => peer === "honest")).toEqual([]);
      if (isFoundOut) expect(syncer.node.penalties.map(({ peer }) => peer)).toContain("liar");
    });
  }

  it("is left at once when it is gone in the middle of an answer", async () => {
    const world = new SyncWorld(LEDGER);
    const leaver = world.server("leaver");
    world.server("honest");
    world.delays.set("leaver", 1);
    leaver.lie(
      "blocks-by-range",
      (honest) =>
        async function* (payload, from) {
          let count = 0;
          for await (const chunk of honest(payload, from)) {
            if (count++ === 3) world.network.disconnect("leaver", "syncer");
            yield chunk;
          }
        },
    );
    const syncer = world.syncer();
    syncer.sync.start();
    await world.reach(syncer);
    expect(syncer.node.isConnected("leaver")).toBe(false);
    expect(syncer.node.penalties).toEqual([]);
    await world.clock.run(syncer.sync.stop());
  });

  it("makes no difference to where sync ends, whatever the mix, as long as one is honest", async () => {
    const names = Object.keys(LIES);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...names), { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 6, maxLength: 6 }),
        fc.integer({ min: 0, max: 199 }),
        async (lies, delays, start) => {
          const world = new SyncWorld(LEDGER);
          for (const [index, name] of lies.entries()) {
            LIES[name]!.lie(world.server(`liar ${index}`));
            world.delays.set(`liar ${index}`, delays[index]!);
          }
          world.server("honest");
          world.delays.set("honest", delays[5]!);
          const syncer = world.syncer(world.chainAt(start));
          syncer.sync.start();
          await world.reach(syncer);
          await world.clock.run(syncer.sync.stop());
          expect(syncer.halts).toEqual([]);
          for (let number = 0; number <= 200; number++) {
            expect(equalsBytes(syncer.chain.hashAt(BigInt(number))!, LEDGER.hashes[number]!)).toBe(true);
          }
          expect(syncer.node.penalties.filter(({ peer }) => peer === "honest")).toEqual([]);
          expect(decodeCertificate(syncer.chain.latestCertificate!.certificate)).toEqual(LEDGER.tip);
        },
      ),
      { numRuns: 60, seed: 3 },
    );
  });
});
