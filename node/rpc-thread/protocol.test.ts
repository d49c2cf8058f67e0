import fc from "fast-check";
import { expect, test } from "vitest";
import { packSent, unpackSent } from "./protocol.ts";

test("transactions between the threads come out as they went in, each in memory of its own", () => {
  const sent = fc.record({
    raw: fc.uint8Array({ maxLength: 300 }),
    from: fc.uint8Array({ minLength: 20, maxLength: 20 }),
  });
  fc.assert(
    fc.property(fc.array(sent), (all) => {
      const packed = structuredClone(packSent(all));
      const unpacked = [...unpackSent(packed)];
      expect(unpacked).toEqual(all);
      for (const { raw, from } of unpacked) {
        expect(raw.buffer).not.toBe(packed.buffer);
        expect(from.buffer).not.toBe(packed.buffer);
      }
    }),
  );
});
