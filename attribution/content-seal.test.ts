import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bigIntToFixed, bytesToHex } from "../core/bytes.ts";
import { contentKey, grantTo, noGrants, parseGrants } from "./content-grants.ts";
import { newContentKey, publicKeyOf, SealError, seal, unseal, unwrapKey, wrapKey } from "./content-seal.ts";

const SEGMENT = 65_536;
const noise = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 2_654_435_761) >>> 13);
const privateKey = (name: string): Uint8Array => new Uint8Array(createHash("sha256").update(name).digest());

async function all(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const found: Uint8Array[] = [];
  for await (const piece of pieces) found.push(piece);
  return new Uint8Array(Buffer.concat(found));
}

function* cut(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe("sealed contents", () => {
  it("open to what they were, whatever the pieces they come in", async () => {
    const key = newContentKey();
    for (const size of [1, 100, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT]) {
      const content = noise(size);
      const sealed = await all(seal(key, cut(content, 50_001)));
      expect(sealed.length).toBe(40 + size + 16 * Math.ceil(size / SEGMENT));
      for (const piece of [777_777, 65_552, 9_999]) {
        expect(Buffer.compare(await all(unseal(key, cut(sealed, piece))), content)).toBe(0);
      }
    }
    await expect(all(seal(key, []))).rejects.toThrow(SealError);
  });

  it("are not opened by another key, nor when a byte is changed, cut off, left out or moved", async () => {
    const key = newContentKey();
    const sealed = await all(seal(key, [noise(2 * SEGMENT + 10)]));
    const fails = (bytes: Uint8Array, other = key) => expect(all(unseal(other, [bytes]))).rejects.toThrow(SealError);
    await fails(sealed, newContentKey());
    await fc.assert(
      fc.asyncProperty(fc.nat(sealed.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const changed = sealed.slice();
        changed[at]! ^= change;
        await fails(changed);
      }),
      { numRuns: 30 },
    );
    const place = (i: number) => 40 + i * (SEGMENT + 16);
    const segment = (i: number) => sealed.subarray(place(i), place(i + 1));
    const joined = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat([sealed.subarray(0, 40), ...parts]));
    expect(await all(unseal(key, [joined(segment(0), segment(1), segment(2))]))).toHaveLength(2 * SEGMENT + 10);
    for (const parts of [[0, 1], [0], [], [1, 0, 2], [0, 2], [0, 0, 2], [0, 1, 2, 2]])
      await fails(joined(...parts.map(segment)));
    for (const length of [0, 39, 40, 41, place(1) - 1, place(1) + 16, sealed.length - 1])
      await fails(sealed.subarray(0, length));
  });

  it("have keys that only whom they are wrapped for unwraps, for this content", () => {
    const [ann, ben] = [privateKey("ann"), privateKey("ben")];
    const key = newContentKey();
    const roots = { content: new Uint8Array(32).fill(1), sealed: new Uint8Array(32).fill(2) };
    const wrapped = wrapKey(key, publicKeyOf(ann), roots);
    expect(unwrapKey(wrapped, ann, roots)).toEqual(key);
    expect(wrapKey(key, publicKeyOf(ann), roots)).not.toEqual(wrapped);
    expect(() => unwrapKey(wrapped, ben, roots)).toThrow(SealError);
    expect(() => unwrapKey(wrapped, ann, { ...roots, sealed: roots.content })).toThrow(SealError);
    for (let at = 0; at < wrapped.length; at += 7) {
      const changed = wrapped.slice();
      changed[at]! ^= 1;
      expect(() => unwrapKey(changed, ann, roots)).toThrow(SealError);
    }
    expect(() => wrapKey(key, new Uint8Array(33).fill(2, 0, 1).fill(0xff, 1), roots)).toThrow(SealError);
    expect(() => publicKeyOf(bigIntToFixed(0n, 32))).toThrow(RangeError);
  });

  it("have grants that whoever has one can pass on", () => {
    const [ann, ben, cat] = ["ann", "ben", "cat"].map(privateKey) as [Uint8Array, Uint8Array, Uint8Array];
    const key = newContentKey();
    const empty = noGrants(`0x${"01".repeat(32)}`, `0x${"02".repeat(32)}`);
    const first = grantTo(key, [publicKeyOf(ann)], empty);
    const read = parseGrants(JSON.stringify(first));
    expect(read).toEqual(first);
    const second = grantTo(contentKey(read, ann), [publicKeyOf(ben), publicKeyOf(ann)], read);
    expect(second.grants).toHaveLength(2);
    expect(bytesToHex(contentKey(second, ben))).toBe(bytesToHex(key));
    expect(() => contentKey(second, cat)).toThrow("is not among the grants");
    const grant = first.grants[0]!;
    for (const wrong of [
      "",
      "null",
      "{}",
      JSON.stringify({ ...first, version: 2 }),
      JSON.stringify({ ...first, contentRoot: "0x12" }),
      JSON.stringify({ ...first, grants: {} }),
      JSON.stringify({ ...first, grants: [null] }),
      JSON.stringify({ ...first, grants: [{ ...grant, publicKey: `0x02${"ff".repeat(32)}` }] }),
      JSON.stringify({ ...first, grants: [{ ...grant, wrapped: "0x" }] }),
    ]) {
      expect(() => parseGrants(wrong)).toThrow(SealError);
    }
  });
});
