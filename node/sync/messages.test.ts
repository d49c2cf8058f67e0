import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeCertificate } from "../../consensus/codec.ts";
import { KIND } from "../../consensus/types.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { rlpEncode } from "../../core/rlp.ts";
import { checkBlock } from "./block-check.ts";
import {
  decodeCertificateRequest,
  decodeEpochEnd,
  decodeEpochsRequest,
  decodeHashRequest,
  decodeHeaders,
  decodeRangeRequest,
  decodeStateItems,
  decodeStateRequest,
  decodeStatus,
  decodeViews,
  encodeCertificateRequest,
  encodeEpochEnd,
  encodeEpochsRequest,
  encodeHashRequest,
  encodeHeaders,
  encodeRangeRequest,
  encodeStateItems,
  encodeStateRequest,
  encodeStatus,
  encodeViews,
  headerOf,
  MessageError,
  type Status,
} from "./messages.ts";
import { Ledger, setOf } from "./testing/ledger.ts";

const LEDGER = new Ledger({ blocks: 12, epochBlocks: 5 });
const CERTIFICATE = LEDGER.certificates.get(9)!;
const VIEWS = { epoch: CERTIFICATE.epoch, views: [CERTIFICATE.view, CERTIFICATE.view + 1] };
const VOTE = {
  kind: KIND.nullify,
  epoch: CERTIFICATE.epoch,
  view: CERTIFICATE.view + 1,
  parentView: 0,
  block: new Uint8Array(32),
  signer: 3,
  signature: new Uint8Array(96).fill(4),
};
const STATUS: Status = {
  genesisHash: LEDGER.hashes[0]!,
  epoch: 2,
  view: CERTIFICATE.view,
  first: 0n,
  head: { number: 11n, hash: LEDGER.hashes[11]! },
  certified: { number: 9n, certificate: CERTIFICATE },
};
const HASHES = LEDGER.hashes.slice(3, 6);
const END = encodeEpochEnd(headerOf(LEDGER.raws[9]!), encodeCertificate(CERTIFICATE), setOf(2));

/** Every decoder with bytes that it reads. */
const DECODERS: Readonly<
  Record<string, { readonly bytes: Uint8Array; readonly decode: (bytes: Uint8Array) => unknown }>
> = {
  status: { bytes: encodeStatus(STATUS), decode: decodeStatus },
  "range request": {
    bytes: encodeRangeRequest({ part: "headers", from: 300n, count: 512 }),
    decode: decodeRangeRequest,
  },
  "hash request": { bytes: encodeHashRequest({ part: "blocks", hashes: HASHES }), decode: decodeHashRequest },
  "certificate request": { bytes: encodeCertificateRequest(VIEWS), decode: decodeCertificateRequest },
  views: {
    bytes: encodeViews({ certificates: [CERTIFICATE], votes: [VOTE] }),
    decode: (bytes) => decodeViews(bytes, VIEWS),
  },
  "epochs request": { bytes: encodeEpochsRequest({ from: 70_000, count: 64 }), decode: decodeEpochsRequest },
  "an epoch's end": { bytes: END, decode: decodeEpochEnd },
  headers: { bytes: encodeHeaders(LEDGER.raws.slice(1, 4).map(headerOf)), decode: (bytes) => decodeHeaders(bytes, 3) },
  "state request": { bytes: encodeStateRequest(HASHES), decode: decodeStateRequest },
  "state items": { bytes: encodeStateItems(LEDGER.raws.slice(1, 3)), decode: (bytes) => decodeStateItems(bytes, 2) },
  block: { bytes: LEDGER.raws[4]!, decode: checkBlock },
};

const failure = (decode: () => unknown): unknown => {
  try {
    decode();
  } catch (error) {
    return error;
  }
  return undefined;
};

describe("messages of sync", () => {
  it("come back as they were", () => {
    expect(decodeStatus(encodeStatus(STATUS))).toEqual(STATUS);
    const fresh = { ...STATUS, certified: undefined };
    expect(decodeStatus(encodeStatus(fresh))).toEqual(fresh);
    const range = { part: "blocks", from: 2n ** 40n, count: 64 } as const;
    expect(decodeRangeRequest(encodeRangeRequest(range))).toEqual(range);
    expect(decodeHashRequest(encodeHashRequest({ part: "headers", hashes: HASHES })).hashes).toEqual(HASHES);
    expect(decodeCertificateRequest(encodeCertificateRequest(VIEWS))).toEqual(VIEWS);
    const views = { certificates: [CERTIFICATE], votes: [VOTE] };
    expect(decodeViews(encodeViews(views), VIEWS)).toEqual(views);
    expect(decodeEpochsRequest(encodeEpochsRequest({ from: 9, count: 1 }))).toEqual({ from: 9, count: 1 });
    const { last, certificate, nextSet } = decodeEpochEnd(END);
    expect(last.hash).toEqual(LEDGER.hashes[9]);
    expect(certificate).toEqual(CERTIFICATE);
    expect(nextSet).toEqual(setOf(2));
    const headers = decodeHeaders(encodeHeaders(LEDGER.raws.slice(1, 4).map(headerOf)), 3);
    expect(headers.map(({ hash }) => hash)).toEqual(LEDGER.hashes.slice(1, 4));
    expect(decodeStateRequest(encodeStateRequest(HASHES))).toEqual(HASHES);
    expect(decodeStateItems(encodeStateItems(HASHES), 3)).toEqual(HASHES);
    expect(checkBlock(LEDGER.raws[4]!).hash).toEqual(LEDGER.hashes[4]);
  });

  it("have the bytes that they had", () => {
    const hex = (bytes: Uint8Array) => bytesToHex(bytes);
    expect(hex(encodeRangeRequest({ part: "headers", from: 300n, count: 512 }))).toBe("0xc70182012c820200");
    expect(hex(encodeRangeRequest({ part: "blocks", from: 0n, count: 1 }))).toBe("0xc3028001");
    expect(hex(encodeEpochsRequest({ from: 70_000, count: 64 }))).toBe("0xc58301117040");
    expect(hex(encodeCertificateRequest({ epoch: 1, views: [4294967297, 4294967298] }))).toBe(
      "0xce01cc850100000001850100000002",
    );
    expect(hex(encodeHashRequest({ part: "blocks", hashes: [new Uint8Array(32).fill(7)] }))).toBe(
      `0xe302e1a0${"07".repeat(32)}`,
    );
    const fresh = { ...STATUS, genesisHash: new Uint8Array(32), certified: undefined };
    expect(hex(encodeStatus(fresh))).toMatch(/^0xf84da0(00){32}02850100000009800ba0[0-9a-f]{64}8080$/);
  });

  for (const [name, { bytes, decode }] of Object.entries(DECODERS)) {
    it(`are refused with a MessageError when they are no ${name}`, () => {
      expect(failure(() => decode(bytes))).toBeUndefined();
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
          const error = failure(() => decode(random));
          return error === undefined || error instanceof MessageError;
        }),
        { numRuns: 500 },
      );
      // One byte changed, cut off or added.
      const change = fc.record({ at: fc.nat(bytes.length - 1), by: fc.integer({ min: 1, max: 255 }) });
      fc.assert(
        fc.property(change, ({ at, by }) => {
          const changed = bytes.slice();
          changed[at] = changed[at]! ^ by;
          const error = failure(() => decode(changed));
          return error === undefined || error instanceof MessageError;
        }),
        { numRuns: 300 },
      );
      expect(failure(() => decode(bytes.slice(0, -1)))).toBeInstanceOf(MessageError);
      expect(failure(() => decode(new Uint8Array([...bytes, 0])))).toBeInstanceOf(MessageError);
    });
  }

  it("are bounded", () => {
    const hashes = Array.from({ length: 400 }, () => new Uint8Array(32));
    const tooMuch: (() => unknown)[] = [
      () => decodeRangeRequest(encodeRangeRequest({ part: "headers", from: 0n, count: 513 })),
      () => decodeRangeRequest(encodeRangeRequest({ part: "blocks", from: 0n, count: 65 })),
      () => decodeRangeRequest(encodeRangeRequest({ part: "blocks", from: 0n, count: 0 })),
      () => decodeRangeRequest(rlpEncode([3n, 0n, 1n])),
      () => decodeHashRequest(encodeHashRequest({ part: "blocks", hashes: hashes.slice(0, 65) })),
      () => decodeCertificateRequest(encodeCertificateRequest({ epoch: 0, views: new Array(65).fill(1) })),
      () => decodeEpochsRequest(encodeEpochsRequest({ from: 0, count: 65 })),
      () => decodeEpochsRequest(rlpEncode([2n ** 53n, 1n])),
      () => decodeStateRequest(encodeStateRequest(hashes)),
      () => decodeHeaders(encodeHeaders(LEDGER.raws.slice(1, 4).map(headerOf)), 2),
      () => decodeStateItems(encodeStateItems(HASHES), 2),
    ];
    for (const decode of tooMuch) expect(decode).toThrow(MessageError);
  });

  it("about views hold what was asked for, once", () => {
    const of = (certificates: (typeof CERTIFICATE)[], votes: (typeof VOTE)[] = []) =>
      encodeViews({ certificates, votes });
    const read = (bytes: Uint8Array) => () => decodeViews(bytes, VIEWS);
    expect(read(of([CERTIFICATE, CERTIFICATE]))).toThrow(/twice/);
    expect(read(of([], [VOTE, VOTE]))).toThrow(/twice/);
    expect(read(of([{ ...CERTIFICATE, view: CERTIFICATE.view + 2 }]))).toThrow(/nobody asked/);
    expect(read(of([], [{ ...VOTE, view: VOTE.view + 7 }]))).toThrow(/nobody asked/);
    expect(read(of([], [VOTE, { ...VOTE, signer: 4 }]))).not.toThrow();
  });

  it("take a finalize certificate only where one has to be", () => {
    const notarized = { ...CERTIFICATE, kind: KIND.notarize };
    const status = encodeStatus({ ...STATUS, certified: { number: 9n, certificate: notarized } });
    expect(() => decodeStatus(status)).toThrow(/finalizes nothing/);
    const end = encodeEpochEnd(headerOf(LEDGER.raws[9]!), encodeCertificate(notarized), setOf(2));
    expect(() => decodeEpochEnd(end)).toThrow(/finalizes nothing/);
  });
});

describe("the check of a block", () => {
  const header = headerOf(LEDGER.raws[4]!);
  const block = (parts: Parameters<typeof rlpEncode>[0][]) => {
    const items = parts.map((part) => rlpEncode(part));
    const body = new Uint8Array(items.reduce((sum, item) => sum + item.length, header.length));
    body.set(header);
    items.reduce((at, item) => {
      body.set(item, at);
      return at + item.length;
    }, header.length);
    // The list's header, as rlpListOf writes it.
    const size = body.length;
    const prefix = size < 256 ? [0xf8, size] : [0xf9, size >> 8, size & 255];
    return new Uint8Array([...prefix, ...body]);
  };

  it("refuses a body that the header does not name, uncles, withdrawals, and a second form of the same body", () => {
    expect(() => checkBlock(block([[], [], []]))).toThrow(/not those that its header names/);
    expect(() => checkBlock(block([[Uint8Array.of(2, 1)], [], []]))).toThrow(/not those that its header names/);
    expect(() => checkBlock(block([[], [1n], []]))).toThrow(/uncles/);
    expect(() => checkBlock(block([[], [], [1n]]))).toThrow(/withdrawals/);
    expect(() => checkBlock(block([[], []]))).toThrow(/3 parts/);
    expect(() => checkBlock(block([[new Uint8Array(0)], [], []]))).toThrow(/empty/);
    expect(() => checkBlock(block([[Uint8Array.of(0xc1, 0x80)], [], []]))).toThrow(/wrong form/);
  });
});
