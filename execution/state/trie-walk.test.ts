import fc from "fast-check";
import { expect, test } from "vitest";
import { bigIntToFixed, bytesToHex, compareBytes } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { bytesKey } from "./keys.ts";
import { Trie } from "./trie.ts";
import { trieDifferences, trieLeaves } from "./trie-walk.ts";

/** Keys of 32 bytes that share long beginnings now and then, so that nodes of every kind come about. */
const key = fc
  .tuple(fc.constantFrom(0n, 1n << 255n, 0xabcdn << 200n), fc.integer({ min: 0, max: 40 }))
  .map(([high, low]) => bigIntToFixed(high + BigInt(low), 32));
/** Short ones are embedded in their parents. */
const value = fc.uint8Array({ minLength: 1, maxLength: 50 });
const entries = fc.uniqueArray(fc.tuple(key, value), { selector: ([k]) => bytesKey(k), maxLength: 60 });
type Entries = readonly (readonly [Uint8Array, Uint8Array])[];

function build(nodes: Map<string, Uint8Array>, content: Entries): Uint8Array {
  const trie = new Trie((hash) => nodes.get(bytesKey(hash)), undefined);
  for (const [k, v] of content) trie.put(k, v);
  return trie.hash((hash, rlp) => void nodes.set(bytesKey(hash), Uint8Array.from(rlp)));
}
const none = (reason: string): never => {
  throw new Error(reason);
};
const hexes = (content: Entries) => new Map(content.map(([k, v]) => [bytesToHex(k), bytesToHex(v)]));

test("the leaves of a trie are what was put, in order", () => {
  fc.assert(
    fc.property(entries, (content) => {
      const nodes = new Map<string, Uint8Array>();
      const root = build(nodes, content);
      const leaves = [...trieLeaves((hash) => nodes.get(bytesKey(hash)), root, { onDamage: none })];
      expect(leaves.map(({ key, value }) => [key, value])).toEqual(content.toSorted(([a], [b]) => compareBytes(a, b)));
    }),
  );
});

test("the differences of two tries are those of their contents, and what they share is not read", () => {
  fc.assert(
    fc.property(entries, entries, fc.boolean(), (one, other, related) => {
      const nodes = new Map<string, Uint8Array>();
      // Most pairs of states differ in little.
      const after = related
        ? [...one.slice(other.length), ...other.filter(([k]) => !hexes(one).has(bytesToHex(k)))]
        : other;
      const [a, b] = [build(nodes, one), build(nodes, after)];
      const [have, want] = [hexes(one), hexes(after)];
      const load = (hash: Uint8Array) => nodes.get(bytesKey(hash));
      for (const { key, before, after: now } of trieDifferences(load, a, b)) {
        const name = bytesToHex(key);
        expect([before && bytesToHex(before), now && bytesToHex(now)]).toEqual([have.get(name), want.get(name)]);
        expect(have.get(name)).not.toBe(want.get(name));
        if (now === undefined) have.delete(name);
        else have.set(name, bytesToHex(now));
      }
      expect(have).toEqual(want);
      expect([...trieDifferences(none as never, a, a)]).toEqual([]);
    }),
  );
});

test("a node that is missing or changed is told, and the walk goes on beside it", () => {
  const content = Array.from(
    { length: 200 },
    (_, i) => [keccak256(Uint8Array.of(i)), new Uint8Array(40).fill(i + 1)] as const,
  );
  const nodes = new Map<string, Uint8Array>();
  const root = build(nodes, content);
  const [victim] = [...nodes].filter(([hash]) => hash !== bytesKey(root));
  for (const [broken, told] of [
    [undefined, /is missing/],
    [Uint8Array.from(victim![1]).fill(7, 3, 6), /does not match its hash/],
  ] as const) {
    const damage: string[] = [];
    const load = (hash: Uint8Array) => (bytesKey(hash) === victim![0] ? broken : nodes.get(bytesKey(hash)));
    const leaves = [...trieLeaves(load, root, { onDamage: (reason) => damage.push(reason) })];
    expect(damage).toHaveLength(1);
    expect(damage[0]).toMatch(told);
    expect(leaves.length).toBeLessThan(200);
    expect(leaves.length).toBeGreaterThan(100);
    expect(() => [...trieDifferences(load, root, build(new Map(), []))]).toThrow(told);
  }
});
