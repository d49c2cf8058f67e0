import { createMerkleProof, createMPT, MerklePatriciaTrie, verifyMerkleProof } from "@ethereumjs/mpt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesToHex, concatBytes, hexToBytes } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { bytesKey } from "./keys.ts";
import { type NodeAccount, sweepNodes, Trie } from "./trie.ts";
import { decodeNode, EMPTY_TRIE_ROOT, isNode } from "./trie-node.ts";

/** A trie on a store that keeps every node by hash, and its own reopening. */
function storedTrie(account: NodeAccount = { resident: 0, sweep: 0 }) {
  const nodes = new Map<string, Uint8Array>();
  const load = (hash: Uint8Array) => nodes.get(bytesKey(hash));
  let trie = new Trie(load, undefined, account);
  return {
    nodes,
    get trie() {
      return trie;
    },
    hash: () => trie.hash((hash, rlp) => nodes.set(bytesKey(hash), rlp)),
    open: (root: Uint8Array) => new Trie(load, root, account),
    reopen(root: Uint8Array) {
      trie = new Trie(load, root, account);
    },
  };
}

// Few distinct nibbles at the ends make long shared paths, so extensions, splits and merges are common.
const nibblePair = fc.constantFrom(0x00, 0x01, 0x10, 0x11, 0xff);
const key = fc
  .tuple(nibblePair, nibblePair, fc.constantFrom(0x00, 0x07, 0xf0), nibblePair)
  .map(([a, b, c, d]) => concatBytes(Uint8Array.of(a, b), new Uint8Array(28), Uint8Array.of(c, d)));
// Short values make nodes under 32 bytes, which are embedded in their parents.
const value = fc.uint8Array({ minLength: 1, maxLength: 40 });
const operation = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("put" as const), key, value }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("hash" as const, "reopen" as const, "sweep" as const) }) },
);

describe("Trie", () => {
  test("roots, values and proofs equal @ethereumjs/mpt, through edits, reopening and sweeps", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 60 }), fc.array(key, { maxLength: 6 }), async (ops, probes) => {
        const account = { resident: 0, sweep: 0 };
        const own = storedTrie(account);
        const reference = await createMPT();
        for (const op of ops) {
          if (op.kind === "put") {
            own.trie.put(op.key, op.value);
            await reference.put(op.key, op.value);
          } else if (op.kind === "delete") {
            own.trie.delete(op.key);
            await reference.del(op.key);
          } else {
            const root = own.hash();
            expect(bytesToHex(root)).toBe(bytesToHex(reference.root()));
            if (op.kind === "reopen") own.reopen(root);
            if (op.kind === "sweep" && isNode(own.trie.root)) sweepNodes([own.trie.root], account, 3);
          }
        }
        const root = own.hash();
        expect(bytesToHex(root)).toBe(bytesToHex(reference.root()));
        for (const probe of probes) {
          const expected = await reference.get(probe);
          expect(own.trie.get(probe) ?? null).toEqual(expected);
          const proof = own.trie.prove(probe);
          // It repeats embedded nodes after their parent; geth and EIP-1186 clients do not expect them.
          const full = (await createMerkleProof(reference, probe)).filter((node, i) => i === 0 || node.length >= 32);
          expect(proof.map(bytesToHex)).toEqual(full.map(bytesToHex));
          if (proof.length > 0) expect(await verifyMerkleProof(probe, proof, { root })).toEqual(expected);
        }
      }),
      { numRuns: 150 },
    );
  });

  test("older roots stay readable while newer ones are edited", () => {
    const own = storedTrie();
    const history: { root: Uint8Array; entries: Map<number, number> }[] = [];
    const entries = new Map<number, number>();
    for (let block = 0; block < 30; block++) {
      for (let i = 0; i < 20; i++) {
        const k = (block * 7919 + i * 104729) % 97;
        if (i % 5 === 4) {
          own.trie.delete(keccak256(Uint8Array.of(k)));
          entries.delete(k);
        } else {
          own.trie.put(keccak256(Uint8Array.of(k)), Uint8Array.of(block, i + 1));
          entries.set(k, block * 256 + i + 1);
        }
      }
      history.push({ root: own.hash(), entries: new Map(entries) });
    }
    for (const { root, entries } of history) {
      const old = own.open(root);
      for (let k = 0; k < 97; k++) {
        const found = old.get(keccak256(Uint8Array.of(k)));
        expect(found && found[0]! * 256 + found[1]!).toBe(entries.get(k));
      }
    }
  });

  test("an edit leaves a trie that shares its nodes as it was", () => {
    const own = storedTrie();
    for (let i = 0; i < 50; i++) own.trie.put(keccak256(Uint8Array.of(i)), Uint8Array.of(1));
    const root = own.hash();
    const other = new Trie(() => undefined, own.trie.root);
    for (let i = 0; i < 50; i++) other.put(keccak256(Uint8Array.of(i)), Uint8Array.of(2));
    other.delete(keccak256(Uint8Array.of(7)));
    expect(other.hash(() => undefined)).not.toEqual(root);
    for (let i = 0; i < 50; i++) expect(own.trie.get(keccak256(Uint8Array.of(i)))).toEqual(Uint8Array.of(1));
    expect(own.hash()).toEqual(root);
  });

  test("variable-length RLP keys and long values: the transaction trie of a block", async () => {
    const own = storedTrie();
    const reference = new MerklePatriciaTrie();
    for (let i = 0; i < 300; i++) {
      const index =
        i === 0
          ? Uint8Array.of(0x80)
          : i < 128
            ? Uint8Array.of(i)
            : i < 256
              ? Uint8Array.of(0x81, i)
              : Uint8Array.of(0x82, i >> 8, i & 255);
      const raw = new Uint8Array(1 + ((i * 37) % 700)).fill(i);
      own.trie.put(index, raw);
      await reference.put(index, raw);
    }
    expect(own.hash()).toEqual(reference.root());
  });

  test("hashing stores each node once, and nothing when nothing changed", () => {
    const own = storedTrie();
    for (let i = 0; i < 200; i++) own.trie.put(keccak256(Uint8Array.of(i)), new Uint8Array(40).fill(i + 1));
    own.hash();
    let stored = 0;
    own.trie.hash(() => stored++);
    expect(stored).toBe(0);
    own.trie.put(keccak256(Uint8Array.of(3)), new Uint8Array(40).fill(4));
    own.trie.delete(keccak256(Uint8Array.of(201, 1)));
    own.trie.hash(() => stored++);
    expect(stored, "writing what is there already changes nothing").toBe(0);
    own.trie.put(keccak256(Uint8Array.of(3)), new Uint8Array(40).fill(9));
    own.trie.hash(() => stored++);
    expect(stored).toBeLessThanOrEqual(4);
  });

  test("a sweep keeps at most what it was told, and what it forgot loads again", () => {
    const account = { resident: 0, sweep: 0 };
    const own = storedTrie(account);
    for (let i = 0; i < 500; i++) own.trie.put(keccak256(Uint8Array.of(i & 255, i >> 8)), new Uint8Array(40).fill(1));
    const root = own.hash();
    if (!isNode(own.trie.root)) throw new Error("the root is in memory");
    sweepNodes([own.trie.root], account, 20);
    expect(account.resident).toBe(20);
    sweepNodes([own.trie.root], account, 20);
    expect(account.resident, "half of it when nothing was used meanwhile").toBe(10);
    for (let i = 0; i < 500; i++) expect(own.trie.get(keccak256(Uint8Array.of(i & 255, i >> 8)))?.length).toBe(40);
    expect(own.hash()).toEqual(root);
  });

  test("a missing or broken node is a damaged store, named by its hash", () => {
    const own = storedTrie();
    for (let i = 0; i < 100; i++) own.trie.put(keccak256(Uint8Array.of(i)), new Uint8Array(40).fill(1));
    const root = own.hash();
    own.nodes.delete(bytesKey(root));
    expect(() => own.open(root).get(keccak256(Uint8Array.of(1)))).toThrow(
      expect.objectContaining({ code: "DAMAGED", message: expect.stringContaining(bytesToHex(root)) }),
    );
    expect(() => own.open(root).put(keccak256(Uint8Array.of(1)), Uint8Array.of(1))).toThrow(/damaged state/);
  });

  test("random bytes decode to a node or to a damaged store", () => {
    const reference = new Uint8Array(32);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (bytes, list) => {
        const rlp = list && bytes.length < 56 ? concatBytes(Uint8Array.of(0xc0 + bytes.length), bytes) : bytes;
        try {
          decodeNode(rlp, reference);
        } catch (error) {
          expect(error).toMatchObject({ code: "DAMAGED" });
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("the empty trie", () => {
    const own = storedTrie();
    expect(bytesToHex(own.hash())).toBe("0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");
    expect(own.open(EMPTY_TRIE_ROOT).get(Uint8Array.of(1))).toBeUndefined();
    expect(own.trie.prove(Uint8Array.of(1))).toEqual([]);
    own.trie.put(hexToBytes("0x01"), Uint8Array.of(1));
    own.trie.delete(hexToBytes("0x01"));
    expect(own.hash()).toEqual(EMPTY_TRIE_ROOT);
    expect(() => own.trie.put(hexToBytes("0x01"), Uint8Array.of())).toThrow(RangeError);
  });
});
