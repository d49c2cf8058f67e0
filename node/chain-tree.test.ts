import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bigIntToFixed, bytesToHex, ZERO_32 } from "../core/bytes.ts";
import type { ExecutedBlock, Header } from "../core/chain.ts";
import type { ProducedBlock } from "../execution/block/execute.ts";
import type { SealedState } from "../execution/state/types.ts";
import { BlockTree, sizeOf, type TreeLimits } from "./chain-tree.ts";

const hashOf = (id: number): Uint8Array => bigIntToFixed(BigInt(id), 32);
/** Nothing but what a tree looks at. */
function made(id: number, parent: number, bytes = 0): ProducedBlock {
  const header = { number: 0n, parentHash: hashOf(parent) } as Header;
  const block: ExecutedBlock = { hash: hashOf(id), header, transactions: [], receipts: [] };
  return { block, sealed: { heldBytes: bytes } as SealedState, raw: new Uint8Array(0) };
}
const OBJECT = sizeOf(made(0, 0).block);
const LIMITS: TreeLimits = { blocks: 4, depth: 6, bytes: 100 * OBJECT };
const tree = (limits: Partial<TreeLimits> = {}) => new BlockTree(made(0, -1 >>> 0), { ...LIMITS, ...limits });
const ids = (blocks: readonly ProducedBlock[] | undefined) =>
  blocks?.map(({ block }) => Number(BigInt(bytesToHex(block.hash))));
const kept = (of: BlockTree, ...asked: number[]) => asked.filter((id) => of.above(hashOf(id)) !== undefined);

describe("a tree of blocks", () => {
  test("has the head, what stands on it, and the paths between", () => {
    const own = tree();
    expect(own.get(hashOf(0))).toBe(own.head);
    expect(own.above(hashOf(0))).toBeUndefined();
    expect([own.add(made(1, 0)), own.add(made(2, 1)), own.add(made(3, 1))]).toEqual([true, true, true]);
    expect(ids(own.path(hashOf(3)))).toEqual([1, 3]);
    expect(own.path(hashOf(0))).toEqual([]);
    expect(own.path(hashOf(9))).toBeUndefined();
    expect(own.get(ZERO_32)).toBe(own.head);
  });

  test("refuses a block whose parent is not here, and keeps one it has", () => {
    const own = tree();
    expect(own.add(made(2, 1))).toBe(false);
    const first = made(1, 0);
    own.add(first);
    expect(own.add(made(1, 0))).toBe(true);
    expect(own.above(hashOf(1))?.block).toBe(first.block);
    expect(own.size).toBe(1);
    expect(own.add(made(0, 1))).toBe(true);
    expect(own.head.block.hash).toEqual(hashOf(0));
  });

  test("makes room: the oldest leaf goes first, ancestors of the new one never", () => {
    const own = tree();
    for (const [id, parent] of [
      [1, 0],
      [2, 1],
      [3, 0],
      [4, 2],
    ] as const)
      own.add(made(id, parent));
    own.add(made(5, 4));
    expect(kept(own, 1, 2, 3, 4, 5)).toEqual([1, 2, 4, 5]);
    own.add(made(6, 0));
    expect(kept(own, 1, 2, 4, 5, 6)).toEqual([1, 2, 4, 6]);
  });

  test("a chain of unfinalized blocks may be longer than the tree is large, but not without end", () => {
    const own = tree();
    for (let id = 1; id <= 6; id++) expect(own.add(made(id, id - 1))).toBe(true);
    expect(own.add(made(7, 6))).toBe(false);
    expect(own.size).toBe(6);
    own.advance(made(1, 0));
    expect(own.add(made(7, 6))).toBe(true);
  });

  test("memory: others go, and a child of the head has room whatever it takes", () => {
    const own = tree({ blocks: 100, bytes: 10 * OBJECT });
    own.add(made(1, 0, 4 * OBJECT));
    own.add(made(2, 0, 4 * OBJECT - 1));
    expect(own.bytes).toBe(10 * OBJECT - 1);
    own.add(made(3, 2));
    expect(kept(own, 1, 2, 3)).toEqual([2, 3]);
    expect(own.add(made(4, 3, 9 * OBJECT))).toBe(false);
    expect(own.add(made(5, 0, 50 * OBJECT))).toBe(true);
    expect(kept(own, 2, 3, 5)).toEqual([5]);
    own.retain([]);
    expect([own.size, own.bytes]).toEqual([0, 0]);
  });

  test("retain keeps what is named and its ancestors", () => {
    const own = tree({ blocks: 9 });
    for (const [id, parent] of [
      [1, 0],
      [2, 1],
      [3, 2],
      [4, 1],
      [5, 0],
    ] as const)
      own.add(made(id, parent));
    own.retain([hashOf(2), hashOf(99), hashOf(0)]);
    expect(kept(own, 1, 2, 3, 4, 5)).toEqual([1, 2]);
  });

  test("random histories: what is here hangs together, within the limits, and nothing else is counted", () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ op: fc.constant("add" as const), parent: fc.nat(), bytes: fc.nat(30 * OBJECT) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ op: fc.constantFrom("advance" as const, "retain" as const), parent: fc.nat() }),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const own = tree();
        const all = new Map<number, { parent: number; block: ProducedBlock }>();
        let head = 0;
        let next = 1;
        const here = () => [...all.keys()].filter((id) => own.above(hashOf(id)) !== undefined);
        const descends = (id: number, from: number): boolean =>
          id === from || (all.has(id) && descends(all.get(id)!.parent, from));
        for (const each of steps) {
          const choices = [head, ...here()];
          const target = choices[each.parent % choices.length]!;
          const before = here();
          if (each.op === "add") {
            const block = made(next, target, each.bytes);
            all.set(next, { parent: target, block });
            if (own.add(block)) expect(kept(own, next)).toEqual([next]);
            for (const { block: ancestor } of own.path(hashOf(target))!) expect(own.above(ancestor.hash)).toBeDefined();
            next++;
          } else if (each.op === "retain") {
            own.retain([hashOf(target)]);
            expect(here()).toEqual(before.filter((id) => descends(target, id)));
          } else if (target !== head) {
            own.advance(all.get(target)!.block);
            head = target;
            expect(here()).toEqual(before.filter((id) => id !== target && descends(id, target)));
          }
          const left = here();
          for (const id of left) expect(own.path(hashOf(id))).toBeDefined();
          expect(own.size).toBe(left.length);
          const bytes = left.map((id) => OBJECT + all.get(id)!.block.sealed.heldBytes);
          expect(own.bytes).toBe(bytes.reduce((sum, one) => sum + one, 0));
          const deepest = Math.max(0, ...left.map((id) => own.path(hashOf(id))!.length));
          expect(own.size).toBeLessThanOrEqual(Math.max(LIMITS.blocks, deepest));
          expect(deepest).toBeLessThanOrEqual(LIMITS.depth);
          if (left.length > 1) expect(own.bytes).toBeLessThanOrEqual(LIMITS.bytes);
        }
      }),
      { numRuns: 300 },
    );
  });
});
