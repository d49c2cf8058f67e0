import { randomBytes } from "node:crypto";
import { constants, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodePayload, encodePayload, PAYLOAD_HEADER_BYTES, PayloadError } from "./payload.ts";

const MAX = 100_000;

/** The header says what it likes. */
function forged(encoding: number, length: number, body: Uint8Array): Uint8Array {
  const payload = new Uint8Array(PAYLOAD_HEADER_BYTES + body.length);
  payload[0] = encoding;
  new DataView(payload.buffer).setUint32(1, length);
  payload.set(body, PAYLOAD_HEADER_BYTES);
  return payload;
}

describe("payload", () => {
  it("comes back as it was", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), fc.integer({ min: 1, max: 20 }), (part, times) => {
        const data = new Uint8Array(Buffer.concat(Array.from({ length: times }, () => part)));
        expect(decodePayload(encodePayload(data), MAX)).toEqual(data);
      }),
    );
  });

  it("stores what is small or does not compress, and compresses the rest", () => {
    expect(encodePayload(new Uint8Array(511)).length).toBe(511 + PAYLOAD_HEADER_BYTES);
    const noise = randomBytes(5_000);
    expect(encodePayload(noise).length).toBe(5_000 + PAYLOAD_HEADER_BYTES);
    expect(encodePayload(new Uint8Array(50_000)).length).toBeLessThan(200);
  });

  it("golden bytes", () => {
    expect(Buffer.from(encodePayload(Uint8Array.of(1, 2, 3))).toString("hex")).toBe("0000000003010203");
  });

  it("a length above the limit is refused before the bytes are looked at", () => {
    // No valid frame: had it been decompressed, the message would be another.
    expect(() => decodePayload(forged(1, MAX + 1, Uint8Array.of(1)), MAX)).toThrow("at most");
  });

  it("a bomb that claims to be small is stopped at what it claims", () => {
    const bomb = zstdCompressSync(new Uint8Array(64 * 1024 * 1024));
    expect(() => decodePayload(forged(1, 1_000, bomb), MAX)).toThrow(PayloadError);
  });

  it("a frame that claims a window of 128 MiB is refused", () => {
    const wide = zstdCompressSync(new Uint8Array(MAX), { params: { [constants.ZSTD_c_windowLog]: 27 } });
    // The header of a frame: magic, descriptor without single segment, window descriptor.
    const frame = Buffer.concat([wide.subarray(0, 4), Uint8Array.of(0, (27 - 10) << 3), Uint8Array.of(1, 0, 0)]);
    expect(() => decodePayload(forged(1, 1, frame), MAX)).toThrow(PayloadError);
  });

  it.each([
    ["nothing", new Uint8Array(0)],
    ["half a header", Uint8Array.of(0, 0, 0)],
    ["an unknown encoding", forged(2, 1, Uint8Array.of(1))],
    ["fewer bytes than claimed", forged(0, 2, Uint8Array.of(1))],
    ["more bytes than claimed", forged(0, 1, Uint8Array.of(1, 2))],
    ["a compressed nothing", forged(1, 0, zstdCompressSync(new Uint8Array(0)))],
    ["a frame that is longer than claimed", forged(1, 9, zstdCompressSync(new Uint8Array(10)))],
    ["a frame that is shorter than claimed", forged(1, 11, zstdCompressSync(new Uint8Array(10)))],
    ["a frame without its end", forged(1, 10, zstdCompressSync(new Uint8Array(10)).subarray(0, -2))],
    ["bytes after the frame", forged(1, 10, Buffer.concat([zstdCompressSync(new Uint8Array(10)), Buffer.from("x")]))],
  ])("%s is refused", (_, payload) => {
    expect(() => decodePayload(payload, MAX)).toThrow(PayloadError);
  });

  it("any bytes give a value or a PayloadError", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 }),
        fc.nat(70_000),
        fc.uint8Array({ maxLength: 300 }),
        (tag, length, body) => {
          try {
            expect(decodePayload(forged(tag, length, body), MAX).length).toBe(length);
          } catch (error) {
            expect(error).toBeInstanceOf(PayloadError);
          }
        },
      ),
    );
  });
});
