import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeCertificate, encodeCertificate } from "../../consensus/codec.ts";
import { equalsBytes } from "../../core/bytes.ts";
import type { RequestHandler } from "../p2p/types.ts";
import type { FakeNode } from "../testing/network.ts";
import { decodeStatus, encodeEpochEnd, encodeStatus, headerOf, type Status } from "./messages.ts";
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

const forged = certify({ ...LEDGER.tip }, OTHER_SET(), [0, 1, 2]);
function OTHER_SET() {
  return setOf(999);
}

/** What a peer does that no honest one does, and whether it must be found out. */
const LIES: Readonly<Record<string, { readonly lie: (node: FakeNode) => void; readonly isFoundOut: boolean }>> = {
  "other bytes in a block": {
    lie: (node) =>
      node.lie(
        "blocks-by-range",
        mapping((chunks) => chunks.map((chunk) => flipped(chunk, chunk.length - 40))),
      ),
    isFoundOut: true,
  },
  "other bytes in a header": {
    lie: (node) =>
      node.lie(
        "blocks-by-range",
        mapping((chunks) => chunks.map((chunk) => flipped(chunk, 60))),
      ),
    isFoundOut: true,
  },
  "another range of blocks": {
    lie: (node) =>
      node.lie(
        "blocks-by-range",
        mapping((chunks) => chunks.slice(1)),
      ),
    isFoundOut: true,
  },
  "blocks backwards": {
    lie: (node) =>
      node.lie(
        "blocks-by-range",
        mapping((chunks) => chunks.toReversed()),
      ),
    isFoundOut: true,
  },
  "no blocks": {
    lie: (node) =>
      node.lie(
        "blocks-by-range",
        mapping(() => []),
      ),
    isFoundOut: true,
  },
  "a block cut off": {
    lie: (node) =>
      node.lie(
        "blocks-by-range",
        mapping((chunks) => chunks.map((chunk) => chunk.slice(0, -1))),
      ),
    isFoundOut: true,
  },
  "blocks without end": {
    lie: (node) =>
      node.lie(
        "blocks-by-range",
        mapping((chunks) => forever(chunks[0]!)),
      ),
    isFoundOut: true,
  },
  "one block at a time": {
    lie: (node) =>
      node.lie(
        "blocks-by-range",
        mapping((chunks) => chunks.slice(0, 1)),
      ),
    isFoundOut: false,
  },
  "the blocks of another chain": {
    lie: (node) =>
      node.lie(
        "blocks-by-range",
        mapping((chunks) => chunks.map((_, index) => OTHER.raws[index + 1]!)),
      ),
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
    isFoundOut: false,
  },
  "a certificate that the set did not sign": {
    lie: (node) => node.lie("status", claiming(209, forged)),
    isFoundOut: true,
  },
  "a certificate of a block that is lower": { lie: (node) => node.lie("status", claiming(208)), isFoundOut: true },
  "epochs that nobody has": {
    lie: (node) =>
      node.lie(
        "status",
        claiming(
          3_000,
          certify(
            { epoch: 100, view: 100 * 2 ** 32 + 1, parentView: 100 * 2 ** 32, block: new Uint8Array(32).fill(9) },
            setOf(100),
          ),
        ),
      ),
    isFoundOut: true,
  },
  "epochs that nobody has, and silence": {
    lie: (node) => {
      node.lie(
        "status",
        claiming(
          3_000,
          certify(
            { epoch: 100, view: 100 * 2 ** 32 + 1, parentView: 100 * 2 ** 32, block: new Uint8Array(32).fill(9) },
            setOf(100),
          ),
        ),
      );
      for (const protocol of ["blocks-by-range", "blocks-by-hash", "epochs"] as const) node.lie(protocol, silent);
    },
    isFoundOut: false,
  },
  "epochs signed by the set before": {
    lie: (node) =>
      node.lie(
        "epochs",
        mapping((chunks) =>
          chunks.map((_, epoch) => {
            const number = 30 * epoch + 29;
            const signed = LEDGER.certificateOf(number, LEDGER.hashes[number]!, setOf(Math.max(0, epoch - 1)));
            const certificate =
              epoch === 0 ? encodeCertificate(LEDGER.certificates.get(29)!) : encodeCertificate(signed);
            return encodeEpochEnd(headerOf(LEDGER.raws[number]!), certificate, setOf(epoch + 1));
          }),
        ),
      ),
    isFoundOut: true,
  },
  "epochs with validators of its own": {
    lie: (node) =>
      node.lie(
        "epochs",
        mapping((chunks) =>
          chunks.map((_, epoch) => {
            const number = 30 * epoch + 29;
            const certificate = encodeCertificate(LEDGER.certificates.get(number)!);
            return encodeEpochEnd(headerOf(LEDGER.raws[number]!), certificate, setOf(500 + epoch));
          }),
        ),
      ),
    isFoundOut: true,
  },
  "epochs of another chain": {
    lie: (node) =>
      node.lie(
        "epochs",
        mapping((chunks) =>
          chunks.map((_, epoch) => {
            const number = 30 * epoch + 29;
            const certificate = encodeCertificate(LEDGER.certificates.get(number)!);
            return encodeEpochEnd(headerOf(OTHER.raws[number]!), certificate, setOf(epoch + 1));
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
