import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bigIntToFixed, concatBytes } from "../core/bytes.ts";
import {
  CodecError,
  decodeCertificate,
  decodeProposal,
  decodeSubject,
  decodeVote,
  encodeCertificate,
  encodeProposal,
  encodeSubject,
  encodeVote,
  MAX_CERTIFICATE_BYTES,
  MAX_PROPOSAL_BYTES,
  SUBJECT_BYTES,
  VOTE_BYTES,
} from "./codec.ts";
import { certificates, finalize, notarize, nullify, subjects, votes } from "./testing/votes.ts";
import { baseView, KIND, MAX_PROPOSAL_CERTIFICATES, type Proposal } from "./types.ts";

const proposals: fc.Arbitrary<Proposal> = fc.record({
  vote: votes.filter(({ kind }) => kind === KIND.notarize),
  height: fc.maxSafeNat(),
  parent: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  certificates: fc.array(certificates, { maxLength: 5 }),
});

const CODECS = [
  ["subject", subjects, encodeSubject, decodeSubject],
  ["vote", votes, encodeVote, decodeVote],
  ["certificate", certificates, encodeCertificate, decodeCertificate],
  ["proposal", proposals, encodeProposal, decodeProposal],
] as unknown as readonly [
  string,
  fc.Arbitrary<unknown>,
  (value: unknown) => Uint8Array,
  (bytes: Uint8Array) => unknown,
][];

/** Undefined when the bytes are refused as they must be: with a CodecError. */
function decoded<T>(decode: (bytes: Uint8Array) => T, bytes: Uint8Array): T | undefined {
  try {
    return decode(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(CodecError);
    return undefined;
  }
}

describe.each(CODECS)("a %s", (_, values, encode, decode) => {
  test("comes back as it was", () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(decode(encode(value))).toEqual(value);
      }),
    );
  });

  test("is refused when it is cut anywhere or continues", () => {
    fc.assert(
      fc.property(values, fc.nat(), (value, cut) => {
        const bytes = encode(value);
        expect(() => decode(bytes.subarray(0, cut % bytes.length))).toThrow(CodecError);
        expect(() => decode(concatBytes(bytes, Uint8Array.of(cut & 0xff)))).toThrow(CodecError);
      }),
    );
  });

  test("has one encoding: what can be decoded at all encodes to the same bytes", () => {
    // A changed byte shows it best: it is refused, or it is the encoding of another value.
    fc.assert(
      fc.property(values, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, where, flip) => {
        const bytes = encode(value);
        const at = where % bytes.length;
        bytes[at] = (bytes[at] as number) ^ flip;
        const other = decoded(decode, bytes);
        if (other === undefined) return;
        expect(encode(other)).toEqual(bytes);
        expect(other).not.toEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  test("never throws anything but CodecError, whatever the bytes", () => {
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 600 }),
      // Past the first checks: a kind, an epoch and a view that agree.
      fc
        .tuple(subjects, fc.uint8Array({ maxLength: 400 }))
        .map(([subject, rest]) => concatBytes(encodeSubject(subject), rest)),
    );
    fc.assert(
      fc.property(anything, (bytes) => {
        const value = decoded(decode, bytes);
        if (value !== undefined) expect(encode(value)).toEqual(bytes);
      }),
      { numRuns: 500 },
    );
  });
});

test("sizes are those of the format", () => {
  fc.assert(
    fc.property(subjects, votes, certificates, (subject, vote, certificate) => {
      expect(encodeSubject(subject)).toHaveLength(SUBJECT_BYTES);
      expect(encodeVote(vote)).toHaveLength(VOTE_BYTES);
      const bytes = encodeCertificate(certificate);
      expect(bytes).toHaveLength(SUBJECT_BYTES + 2 + certificate.bitmap.length + 96);
      expect(bytes.length).toBeLessThanOrEqual(MAX_CERTIFICATE_BYTES);
    }),
  );
  expect([SUBJECT_BYTES, VOTE_BYTES, MAX_CERTIFICATE_BYTES, MAX_PROPOSAL_BYTES]).toEqual([57, 155, 187, 12_482]);
});

describe("a subject is refused", () => {
  const at = (epoch: number, offset: number) => baseView(epoch) + offset;
  const raw = (kind: number, epoch: bigint, view: bigint, parentView: bigint, id = new Uint8Array(32).fill(1)) =>
    concatBytes(Uint8Array.of(kind), bigIntToFixed(epoch, 8), bigIntToFixed(view, 8), bigIntToFixed(parentView, 8), id);
  const refusal = (bytes: Uint8Array): string => {
    try {
      decodeSubject(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(CodecError);
      return (error as Error).message;
    }
    return "";
  };

  test.each([0, 4, 255])("with kind %i", (kind) => expect(refusal(raw(kind, 0n, 1n, 0n))).toMatch(/unknown kind/));

  test("with numbers over 2^53 - 1", () => {
    for (const big of [2n ** 53n, 2n ** 64n - 1n]) {
      expect(refusal(raw(1, big, 1n, 0n))).toMatch(/epoch \d+ is out of range/);
      expect(refusal(raw(1, 0n, big, 0n))).toMatch(/view \d+ is out of range/);
      expect(refusal(raw(1, 0n, 1n, big))).toMatch(/parentView \d+ is out of range/);
    }
    const last = 2n ** 53n - 1n;
    expect(refusal(raw(1, last >> 32n, last, last - 1n))).toBe("");
  });

  test("with a view of another epoch, or the base of its own", () => {
    expect(refusal(raw(1, 1n, 5n, 0n))).toMatch(/is not of epoch 1/);
    expect(refusal(raw(1, 0n, BigInt(at(1, 1)), 0n))).toMatch(/is not of epoch 0/);
    expect(refusal(raw(1, 0n, 0n, 0n))).toMatch(/is the base/);
    expect(refusal(raw(1, 7n, BigInt(at(7, 0)), 0n))).toMatch(/is the base/);
    expect(refusal(raw(1, 7n, BigInt(at(7, 1)), BigInt(at(7, 0))))).toBe("");
    expect(refusal(raw(1, 7n, BigInt(at(8, 0)) - 1n, BigInt(at(7, 0))))).toBe("");
  });

  test.each([KIND.notarize, KIND.finalize])("of kind %i whose parent is not before it in its epoch", (kind) => {
    expect(refusal(raw(kind, 0n, 5n, 5n))).toMatch(/does not precede/);
    expect(refusal(raw(kind, 0n, 5n, 6n))).toMatch(/does not precede/);
    expect(refusal(raw(kind, 1n, BigInt(at(1, 5)), BigInt(at(1, 0)) - 1n))).toMatch(/does not precede/);
    expect(refusal(raw(kind, 0n, 5n, 4n))).toBe("");
    expect(refusal(raw(kind, 0n, 5n, 0n))).toBe("");
  });

  test("that nullifies and yet names a block or a parent", () => {
    expect(refusal(raw(2, 0n, 5n, 0n))).toMatch(/names a block/);
    expect(refusal(raw(2, 0n, 5n, 1n, new Uint8Array(32)))).toMatch(/names a block/);
    expect(refusal(raw(2, 0n, 5n, 0n, new Uint8Array(32)))).toBe("");
  });
});

describe("a certificate is refused", () => {
  const encodedWith = (bitmap: Uint8Array) =>
    encodeCertificate({ ...nullify(3), bitmap, signature: new Uint8Array(96) });

  test("with an empty bitmap or one of more than 256 validators", () => {
    expect(() => decodeCertificate(encodedWith(new Uint8Array(0)))).toThrow(/bitmap has 0 bytes/);
    expect(() => decodeCertificate(encodedWith(new Uint8Array(33)))).toThrow(/bitmap has 33 bytes/);
    expect(decodeCertificate(encodedWith(new Uint8Array(32))).bitmap).toHaveLength(32);
  });
});

describe("a proposal", () => {
  const certificate = { ...nullify(3), bitmap: Uint8Array.of(7), signature: new Uint8Array(96) };
  const proposal = {
    vote: { ...notarize(4, "a", 2), signer: 3, signature: new Uint8Array(96) },
    height: 9,
    parent: new Uint8Array(32),
    certificates: [certificate],
  };

  test("is signed with a notarize vote", () => {
    for (const subject of [nullify(4), finalize(4, "a", 2)]) {
      const bytes = encodeProposal({ ...proposal, vote: { ...proposal.vote, ...subject } });
      expect(() => decodeProposal(bytes)).toThrow(/does not notarize/);
    }
  });

  test("carries a bounded number of certificates", () => {
    const full = { ...proposal, certificates: Array(MAX_PROPOSAL_CERTIFICATES).fill(certificate) };
    const bytes = encodeProposal(full);
    expect(decodeProposal(bytes)).toEqual(full);
    const tooMany = [...full.certificates, certificate];
    expect(() => encodeProposal({ ...proposal, certificates: tooMany })).toThrow(RangeError);
    const count = VOTE_BYTES + 8 + 32;
    bytes.set([0, MAX_PROPOSAL_CERTIFICATES + 1], count);
    expect(() => decodeProposal(bytes)).toThrow(/66 certificates/);
  });

  test("has no height over 2^53 - 1, and no certificate longer or shorter than it says", () => {
    const bytes = encodeProposal(proposal);
    const high = Uint8Array.from(bytes);
    high.set([0, 0x20], VOTE_BYTES);
    expect(() => decodeProposal(high)).toThrow(/height \d+ is out of range/);
    const lengthAt = VOTE_BYTES + 8 + 32 + 2;
    for (const off of [-1, 1]) {
      const wrong = Uint8Array.from(bytes);
      wrong[lengthAt + 1] = (wrong[lengthAt + 1] as number) + off;
      expect(() => decodeProposal(concatBytes(wrong, new Uint8Array(1)))).toThrow(CodecError);
      expect(() => decodeProposal(wrong)).toThrow(CodecError);
    }
  });
});
