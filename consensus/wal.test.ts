import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concatBytes } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";
import { encodeFrame, encodeHeader, HEADER_BYTES, MAX_FRAME_BYTES } from "./frames.ts";
import { baseView, type Certificate, KIND, type Subject, VIEWS_PER_EPOCH } from "./types.ts";
import { decodeWal, encodeRecords, encodeWalFrame, encodeWalHeader, networkHash, type WalRecord } from "./wal.ts";

const NETWORK = networkHash(161_299n, new Uint8Array(32).fill(7));
const SALT = Uint8Array.from({ length: 16 }, (_, i) => i);
const HEADER = encodeWalHeader({ network: NETWORK, salt: SALT });

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const heights = fc.maxSafeNat();
const subjects: fc.Arbitrary<Subject> = fc
  .tuple(fc.constantFrom(...Object.values(KIND)), fc.nat(1_000), fc.integer({ min: 1, max: VIEWS_PER_EPOCH - 1 }))
  .chain(
    ([kind, epoch, offset]): fc.Arbitrary<Subject> =>
      kind === KIND.nullify
        ? fc.constant({ kind, epoch, view: baseView(epoch) + offset, parentView: 0, block: new Uint8Array(32) })
        : fc.record({
            kind: fc.constant(kind),
            epoch: fc.constant(epoch),
            view: fc.constant(baseView(epoch) + offset),
            parentView: fc.nat(offset - 1).map((before) => baseView(epoch) + before),
            block: bytes(32),
          }),
  );
const certificates: fc.Arbitrary<Certificate> = fc
  .tuple(subjects, fc.uint8Array({ minLength: 1, maxLength: 32 }), bytes(96))
  .map(([subject, bitmap, signature]) => ({ ...subject, bitmap, signature }));
const records: fc.Arbitrary<WalRecord> = fc.oneof(
  subjects.map((subject) => ({ type: "vote" as const, subject })),
  certificates.map((certificate) => ({ type: "certificate" as const, certificate })),
  fc.record({
    type: fc.constant("block" as const),
    id: bytes(32),
    height: heights,
    parent: bytes(32),
    bytes: fc.uint8Array({ maxLength: 400 }),
  }),
  subjects.chain(({ epoch, view }) =>
    fc.record({
      type: fc.constant("tip" as const),
      epoch: fc.constant(epoch),
      view: fc.constant(view),
      height: heights,
      block: bytes(32),
    }),
  ),
);
const groups = fc.array(fc.array(records, { minLength: 1, maxLength: 4 }), { maxLength: 6 });

/** The file, and where each frame begins; the last offset is its end. */
function logOf(written: readonly (readonly WalRecord[])[]): { file: Uint8Array; offsets: number[] } {
  let file = HEADER;
  const offsets = [file.length];
  for (const group of written) {
    file = concatBytes(file, encodeWalFrame(SALT, file.length, group));
    offsets.push(file.length);
  }
  return { file, offsets };
}
const flat = (written: readonly (readonly WalRecord[])[]) => written.flat();

test("records come back as they were written, in order", () => {
  fc.assert(
    fc.property(groups, (written) => {
      const { file } = logOf(written);
      expect(decodeWal(file, NETWORK)).toEqual({ records: flat(written), salt: SALT, end: file.length, torn: false });
    }),
  );
});

test("cut anywhere, the whole frames remain and the rest is a torn tail", () => {
  fc.assert(
    fc.property(groups, fc.double({ min: 0, max: 1, noNaN: true }), (written, where) => {
      const { file, offsets } = logOf(written);
      const length = HEADER_BYTES + Math.round(where * (file.length - HEADER_BYTES));
      const whole = offsets.filter((offset) => offset <= length).length - 1;
      const end = offsets[whole] as number;
      expect(decodeWal(file.subarray(0, length), NETWORK)).toEqual({
        records: flat(written.slice(0, whole)),
        salt: SALT,
        end,
        torn: length > end,
      });
    }),
  );
});

test("whatever a crash made of the last frame, it is cut off and called torn", () => {
  fc.assert(
    fc.property(
      groups,
      fc.array(records, { minLength: 1, maxLength: 3 }),
      fc.infiniteStream(fc.nat(255)),
      (written, last, noise) => {
        const { file, offsets } = logOf([...written, last]);
        const begin = offsets.at(-2) as number;
        // Pages of the last frame: some arrived, some are zeros, some are what was on the disk before.
        const damaged = Uint8Array.from(file);
        const [fate, page] = [noise.next().value as number, 1 + ((noise.next().value as number) % 64)];
        let wrong = false;
        for (let at = begin; at < damaged.length; at++) {
          const mode = (fate >> (Math.floor((at - begin) / page) % 4)) & 3;
          const value = mode === 0 ? 0 : mode === 1 ? (noise.next().value as number) : (file[at] as number);
          wrong ||= value !== file[at];
          damaged[at] = value;
        }
        if (!wrong) return;
        expect(decodeWal(damaged, NETWORK)).toEqual({ records: flat(written), salt: SALT, end: begin, torn: true });
      },
    ),
  );
});

test("a wrong byte before a whole frame is damage, and what was before it is still read", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(records, { minLength: 1, maxLength: 3 }), { minLength: 2, maxLength: 6 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (written, where, flip) => {
        const { file, offsets } = logOf(written);
        const lastBegin = offsets.at(-2) as number;
        const at = HEADER_BYTES + (where % (lastBegin - HEADER_BYTES));
        const damaged = Uint8Array.from(file);
        damaged[at] = (damaged[at] as number) ^ flip;
        const whole = offsets.filter((offset) => offset <= at).length - 1;
        const reading = decodeWal(damaged, NETWORK);
        expect(reading).toMatchObject({ records: flat(written.slice(0, whole)), end: offsets[whole], torn: false });
        expect(reading.damage).toMatch(/^is wrong at byte \d+, and has a further record at byte \d+$/);
      },
    ),
  );
});

test("bytes inside a block never pass for records, not even frames of another log", () => {
  const vote: WalRecord = {
    type: "vote",
    subject: { kind: KIND.nullify, epoch: 0, view: 1, parentView: 0, block: new Uint8Array(32) },
  };
  const forged = Array.from({ length: 50 }, (_, i) => encodeWalFrame(new Uint8Array(16), 1_000 + i, [vote]));
  const shifted = Array.from({ length: 50 }, (_, i) => encodeWalFrame(SALT, 500_000 + i, [vote]));
  const block: WalRecord = {
    type: "block",
    id: new Uint8Array(32),
    height: 1,
    parent: new Uint8Array(32),
    bytes: concatBytes(...forged, ...shifted),
  };
  const { file, offsets } = logOf([[vote], [block]]);
  const reading = decodeWal(file.subarray(0, file.length - 1), NETWORK);
  expect(reading).toEqual({ records: [vote], salt: SALT, end: offsets[1], torn: true });
});

describe("a header", () => {
  const problemOf = (file: Uint8Array, network = NETWORK) => {
    const { records, end, damage, refused } = decodeWal(file, network);
    expect({ records, end }).toEqual({ records: [], end: 0 });
    return { damage, refused };
  };
  const ofVersion = (version: number) => encodeHeader({ magic: "OL-WRITE", version }, { network: NETWORK, salt: SALT });

  test("of a newer version or another network is refused, not taken for damage", () => {
    expect(problemOf(ofVersion(2)).refused).toMatch(/version 2, this program knows 1/);
    expect(problemOf(ofVersion(2)).damage).toBeUndefined();
    expect(problemOf(HEADER, keccak256(NETWORK)).refused).toBe("was written for another network");
    expect(decodeWal(HEADER)).toEqual({ records: [], salt: SALT, end: HEADER_BYTES, torn: false });
  });

  test("that is cut, changed or foreign is damage", () => {
    for (let length = 0; length < HEADER_BYTES; length++) {
      expect(problemOf(HEADER.subarray(0, length)).damage).toMatch(/less than its header/);
    }
    for (let at = 0; at < HEADER_BYTES; at++) {
      // A larger version number in it is a newer version.
      if (at >= 8 && at < 12) continue;
      const changed = Uint8Array.from(HEADER);
      changed[at] = (changed[at] as number) ^ 1;
      expect(problemOf(changed).damage).toBeDefined();
    }
    expect(problemOf(ofVersion(0)).damage).toBeDefined();
    expect(problemOf(encodeHeader({ magic: "OL-OTHER", version: 1 }, { network: NETWORK, salt: SALT })).damage).toMatch(
      /does not begin/,
    );
  });
});

test("a network's hash tells chains and geneses apart", () => {
  const genesis = new Uint8Array(32).fill(7);
  expect(networkHash(161_299n, genesis)).toEqual(NETWORK);
  expect(networkHash(161_298n, genesis)).not.toEqual(NETWORK);
  expect(networkHash(161_299n, keccak256(genesis))).not.toEqual(NETWORK);
});

describe("payloads that no version of this program wrote", () => {
  const withPayload = (payload: Uint8Array) => concatBytes(HEADER, encodeFrame(SALT, HEADER_BYTES, payload));
  const vote = encodeRecords([
    { type: "vote", subject: { kind: KIND.nullify, epoch: 0, view: 1, parentView: 0, block: new Uint8Array(32) } },
  ]);
  test.each([
    ["an unknown type", Uint8Array.of(9)],
    ["a cut record", vote.subarray(0, 40)],
    ["a malformed subject", Uint8Array.of(1, 9, ...vote.subarray(2))],
    ["a record and a byte", concatBytes(vote, Uint8Array.of(0))],
    ["a height beyond 2^53", concatBytes(Uint8Array.of(2), new Uint8Array(76).fill(255))],
    ["a certificate of no bytes", Uint8Array.of(3, 0, 0)],
    ["a tip of another epoch", concatBytes(Uint8Array.of(4), new Uint8Array(7), Uint8Array.of(1), new Uint8Array(48))],
  ])("%s is damage", (_, payload) => {
    expect(decodeWal(withPayload(payload), NETWORK).damage).toMatch(/^holds at byte 64 what is no record/);
  });
});

test("a frame is neither empty nor over its limit", () => {
  expect(() => encodeWalFrame(SALT, HEADER_BYTES, [])).toThrow(RangeError);
  expect(() => encodeFrame(SALT, HEADER_BYTES, new Uint8Array(MAX_FRAME_BYTES + 1))).toThrow(RangeError);
});

test("never throws on any bytes", () => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 500 }),
    fc.uint8Array({ maxLength: 500 }).map((rest) => concatBytes(HEADER, rest)),
    fc
      .uint8Array({ minLength: 1, maxLength: 300 })
      .map((rest) => concatBytes(HEADER, encodeFrame(SALT, HEADER_BYTES, rest))),
  );
  fc.assert(
    fc.property(anything, (file) => {
      const { records, end } = decodeWal(file, NETWORK);
      expect(end).toBeLessThanOrEqual(file.length);
      expect(records.length).toBeLessThanOrEqual(file.length);
    }),
    { numRuns: 1_000 },
  );
});

test("a search that finds nothing ends, and counts as damage when it was given up", () => {
  // Every second byte begins a plausible length.
  const rest = new Uint8Array(1_000_000).map((_, i) => i & 1);
  rest[0] = 9;
  const reading = decodeWal(concatBytes(HEADER, rest), NETWORK);
  expect(reading).toMatchObject({ records: [], end: HEADER_BYTES, torn: false });
  expect(reading.damage).toBe(`is unreadable after byte ${HEADER_BYTES}`);
});
