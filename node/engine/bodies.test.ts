import { expect, test } from "vitest";
import { bigIntToFixed } from "../../core/bytes.ts";
import { Bodies } from "./bodies.ts";

const hash = (index: number): Uint8Array => bigIntToFixed(BigInt(index), 32);
const kept = (bodies: Bodies, upTo: number): number[] =>
  Array.from({ length: upTo }, (_, index) => index).filter((index) => bodies.get(hash(index)) !== undefined);

test("keeps a copy of what is added, the first under a hash", () => {
  const bodies = new Bodies();
  const raw = Uint8Array.of(1, 2, 3);
  bodies.add(hash(0), raw);
  raw.fill(0);
  bodies.add(hash(0), Uint8Array.of(9));
  expect(bodies.get(hash(0))).toEqual(Uint8Array.of(1, 2, 3));
  expect(bodies.get(hash(1))).toBeUndefined();
});

test("drops what it is told to, and nothing else", () => {
  const bodies = new Bodies();
  bodies.add(hash(0), Uint8Array.of(0));
  bodies.add(hash(1), Uint8Array.of(1));
  bodies.drop(hash(0));
  bodies.drop(hash(2));
  expect(kept(bodies, 3)).toEqual([1]);
  bodies.add(hash(0), Uint8Array.of(7));
  expect(bodies.get(hash(0))).toEqual(Uint8Array.of(7));
});

test("holds 128 blocks: the oldest leave", () => {
  const bodies = new Bodies();
  for (let index = 0; index < 200; index++) bodies.add(hash(index), Uint8Array.of(index));
  expect(kept(bodies, 200)).toEqual(Array.from({ length: 128 }, (_, index) => 72 + index));
});

test("holds 128 MiB: the oldest leave, and what was dropped makes room", () => {
  const bodies = new Bodies();
  const large = new Uint8Array(50 * 1024 * 1024);
  for (const index of [0, 1, 2]) bodies.add(hash(index), large);
  expect(kept(bodies, 3)).toEqual([1, 2]);
  bodies.drop(hash(1));
  bodies.add(hash(3), large);
  expect(kept(bodies, 4)).toEqual([2, 3]);
});
