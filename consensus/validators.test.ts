import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { keccak256 } from "../core/crypto.ts";
import { setOf } from "./testing/votes.ts";
import { baseView, epochOfHeight, epochOfView, isLastOfEpoch, MAX_VALIDATORS, VIEWS_PER_EPOCH } from "./types.ts";
import {
  decodeValidators,
  encodeValidators,
  isQuorum,
  leaderOf,
  VALIDATOR_BYTES,
  type Validator,
  validatorSet,
} from "./validators.ts";

const stakes = fc.array(fc.bigInt({ min: 1n, max: 2n ** 128n - 1n }), { minLength: 1, maxLength: 12 });
const [validator] = setOf([5n]).validators as [Validator];

describe("a validator set", () => {
  test("comes back from its encoding, and its hash is that of the encoding", () => {
    fc.assert(
      fc.property(stakes, (list) => {
        const set = setOf(list);
        const bytes = encodeValidators(set.validators);
        expect(bytes).toHaveLength(list.length * VALIDATOR_BYTES);
        expect(set.hash).toEqual(keccak256(bytes));
        expect(set.totalStake).toBe(list.reduce((sum, stake) => sum + stake));
        expect(decodeValidators(bytes)).toEqual(set);
      }),
    );
  });

  test("has another hash when anything in it, or the order, is another", () => {
    const { validators, hash } = setOf([1n, 2n, 3n]);
    const [first, ...rest] = validators as [Validator, ...Validator[]];
    const flipped = (bytes: Uint8Array) => bytes.map((byte, i) => (i === 7 ? byte ^ 1 : byte));
    for (const other of [
      [...rest, first],
      rest,
      [{ ...first, stake: 4n }, ...rest],
      [{ ...first, address: flipped(first.address) }, ...rest],
      [{ ...first, publicKey: flipped(first.publicKey) }, ...rest],
    ]) {
      expect(validatorSet(other).hash).not.toEqual(hash);
    }
  });

  test.each<[string, Validator[], RegExp]>([
    ["nobody", [], /1 to 256 members, not 0/],
    ["an address of another length", [{ ...validator, address: new Uint8Array(19) }], /validator 0: address has 19/],
    ["a compressed key", [{ ...validator, publicKey: new Uint8Array(48) }], /validator 0: key has 48/],
    ["no stake", [validator, { ...validator, stake: 0n }], /validator 1: stake 0/],
    ["a negative stake", [{ ...validator, stake: -1n }], /stake -1/],
    ["a stake of 2^128", [{ ...validator, stake: 2n ** 128n }], /stake \d+ is out of range/],
    ["one key twice", [validator, { ...validator, address: new Uint8Array(20), stake: 1n }], /validator 1: its key/],
  ])("is refused with %s", (_, validators, message) => {
    expect(() => validatorSet(validators)).toThrow(RangeError);
    expect(() => validatorSet(validators)).toThrow(message);
  });

  test("has at most 256 members", () => {
    const all = Array.from({ length: MAX_VALIDATORS + 1 }, () => 1n);
    expect(setOf(all.slice(1)).validators).toHaveLength(MAX_VALIDATORS);
    expect(() => setOf(all)).toThrow(/not 257/);
  });

  test("decodes from whole validators only", () => {
    const bytes = encodeValidators([validator]);
    expect(() => decodeValidators(bytes.subarray(1))).toThrow(RangeError);
    expect(() => decodeValidators(new Uint8Array(0))).toThrow(RangeError);
    expect(() => decodeValidators(new Uint8Array(VALIDATOR_BYTES))).toThrow(/stake 0/);
  });
});

describe("a quorum", () => {
  test("is more than two thirds of the stake: exactly two thirds is none", () => {
    const set = setOf([3n, 1n, 5n]); // 9 in all
    expect(isQuorum(6n, set)).toBe(false);
    expect(isQuorum(7n, set)).toBe(true);
    const three = 3n * (2n ** 127n + 1n);
    const large = setOf([three / 3n, three / 3n, three / 3n]);
    expect(isQuorum((2n * three) / 3n, large)).toBe(false);
    expect(isQuorum((2n * three) / 3n + 1n, large)).toBe(true);
  });

  test("of four equal ones is three, of seven five", () => {
    const four = setOf([9n, 9n, 9n, 9n]);
    expect([1n, 2n, 3n, 4n].map((count) => isQuorum(9n * count, four))).toEqual([false, false, true, true]);
    const seven = setOf(Array(7).fill(1n));
    expect(isQuorum(4n, seven)).toBe(false);
    expect(isQuorum(5n, seven)).toBe(true);
    expect(isQuorum(1n, setOf([1n]))).toBe(true);
    expect(isQuorum(0n, setOf([1n]))).toBe(false);
  });

  test("shares more than a third of the stake with any other", () => {
    fc.assert(
      fc.property(stakes, fc.nat(), fc.nat(), (list, a, b) => {
        const set = setOf(list);
        const stakeIn = (mask: number) =>
          list.reduce((sum, stake, i) => (((mask >> i) & 1) === 1 ? sum + stake : sum), 0n);
        fc.pre(isQuorum(stakeIn(a), set) && isQuorum(stakeIn(b), set));
        expect(3n * stakeIn(a & b)).toBeGreaterThan(set.totalStake);
      }),
    );
  });
});

describe("views and epochs", () => {
  const epochs = fc.nat(2 ** 21 - 1);

  test("an epoch owns the views from its base on, and the next one's are larger", () => {
    fc.assert(
      fc.property(epochs, fc.nat(VIEWS_PER_EPOCH - 1), (epoch, offset) => {
        const view = baseView(epoch) + offset;
        expect(Number.isSafeInteger(view)).toBe(true);
        expect(epochOfView(view)).toBe(epoch);
        expect(view).toBeLessThan(baseView(epoch + 1));
      }),
    );
  });

  test("leaders take turns in the set's order, from the first view of each epoch", () => {
    const set = setOf([1n, 100n, 1n]);
    for (const epoch of [0, 1, 5, 2 ** 21 - 1]) {
      const leaders = [1, 2, 3, 4, 5, 6, 7].map((offset) => leaderOf(baseView(epoch) + offset, set));
      expect(leaders).toEqual([0, 1, 2, 0, 1, 2, 0]);
    }
  });

  test("an epoch's last block is the one before a multiple of its length", () => {
    expect([0, 1, 9, 10, 19, 20].map((height) => isLastOfEpoch(height, 10))).toEqual([
      false,
      false,
      true,
      false,
      true,
      false,
    ]);
    fc.assert(
      fc.property(fc.nat(10_000), fc.integer({ min: 1, max: 500 }), (height, epochBlocks) => {
        const changes = epochOfHeight(height + 1, epochBlocks) - epochOfHeight(height, epochBlocks);
        expect(isLastOfEpoch(height, epochBlocks)).toBe(changes === 1);
      }),
    );
  });
});
