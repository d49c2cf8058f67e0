import { expect, it } from "vitest";
import { bigIntToFixed, bytesToHex, ZERO_32 } from "./bytes.ts";
import { keccak256 } from "./crypto.ts";
import { type DatanetLeaf, DatanetTree, datanetLeaf } from "./datanet-tree.ts";

const leaf = (i: number): DatanetLeaf => ({
  contributionId: BigInt(i + 1),
  contentRoot: keccak256(bigIntToFixed(BigInt(i), 8)),
  size: BigInt(i * 1_000 + 1),
  contributor: bigIntToFixed(BigInt(i), 20),
  licence: i % 17,
});

/** Level by level, by definition: what is right of the leaves is empty at each height. */
function rootOf(leaves: readonly Uint8Array[]): Uint8Array {
  let level = [...leaves];
  let empty: Uint8Array = ZERO_32;
  for (let height = 0; height < 32; height++) {
    const above: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) above.push(keccak256(Uint8Array.of(4), level[i]!, level[i + 1] ?? empty));
    empty = keccak256(Uint8Array.of(4), empty, empty);
    level = above;
  }
  return level[0] ?? empty;
}

it("has the root by definition after each leaf", () => {
  const tree = new DatanetTree();
  const leaves: Uint8Array[] = [];
  expect(bytesToHex(tree.root())).toBe(bytesToHex(rootOf([])));
  for (let i = 0; i < 70; i++) {
    tree.append(leaf(i));
    leaves.push(datanetLeaf(leaf(i)));
    expect(tree.count).toBe(i + 1);
    expect(bytesToHex(tree.root())).toBe(bytesToHex(rootOf(leaves)));
  }
});

it("binds every field of a leaf, at its width", () => {
  const base = leaf(3);
  const others: DatanetLeaf[] = [
    { ...base, contributionId: 5n },
    { ...base, contentRoot: ZERO_32 },
    { ...base, size: 3n },
    { ...base, contributor: bigIntToFixed(4n, 20) },
    { ...base, licence: 4 },
  ];
  expect(new Set([base, ...others].map((item) => bytesToHex(datanetLeaf(item)))).size).toBe(6);
  expect(() => datanetLeaf({ ...base, size: 2n ** 64n })).toThrow(RangeError);
});
