import fc from "fast-check";
import { expect, test } from "vitest";
import { bigIntToFixed, bytesToHex, concatBytes } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";
import { DEPOSITED_TOPIC, decodeDeposit } from "./deposit.ts";
import {
  type ClaimedOrigin,
  checkOrigin,
  chooseOrigin,
  type DerivationRules,
  type DerivedOrigin,
  isAdrift,
  MAX_ORIGIN_ADVANCE,
  type OriginInput,
} from "./derivation.ts";
import { decodeAttributes } from "./l1-attributes.ts";
import { decodeL1Block, encodeL1Block, type L1Block, type L1Log } from "./l1-block.ts";

const RULES: DerivationRules = {
  gasLimit: 10_000_000n,
  blockBytes: 20_000,
  maxDriftSeconds: 600,
  baseFeeScalar: 1_000n,
  blobBaseFeeScalar: 2_000n,
};
const START = 1_700_000_000n;
const word = (value: bigint | number) => bigIntToFixed(BigInt(value), 32);

interface Wish {
  readonly gas: bigint;
  readonly bytes: number;
}

function depositLog({ gas, bytes }: Wish, logIndex: number): L1Log {
  const opaque = concatBytes(word(5), word(3), bigIntToFixed(gas, 8), Uint8Array.of(0), new Uint8Array(bytes).fill(9));
  const padding = new Uint8Array((32 - (opaque.length % 32)) % 32);
  const topics = [DEPOSITED_TOPIC, word(0xaaaa), word(0xbbbb), word(0)];
  const data = concatBytes(word(32), word(opaque.length), opaque, padding);
  return { address: new Uint8Array(20).fill(1), topics, data, logIndex, transactionIndex: logIndex >> 1 };
}

/** Twelve seconds apart; the first is the parent's origin. */
function l1Chain(wishes: readonly (readonly Wish[])[]): L1Block[] {
  const blocks: L1Block[] = [];
  for (const [i, deposits] of wishes.entries()) {
    blocks.push({
      number: 100n + BigInt(i),
      hash: keccak256(word(i)),
      parentHash: i === 0 ? word(7) : blocks[i - 1]!.hash,
      timestamp: START + 12n * BigInt(i),
      baseFeeWei: 1_000n + BigInt(i),
      blobBaseFeeWei: 1n,
      prevRandao: keccak256(word(1_000 + i)),
      parentBeaconBlockRoot: keccak256(word(2_000 + i)),
      deposits: deposits.map((wish, index) => depositLog(wish, 3 * index)),
      posts: [],
    });
  }
  return blocks;
}

const inputOf = (blocks: readonly L1Block[], timestamp: bigint, rules = RULES): OriginInput => {
  const { number, hash, timestamp: time } = blocks[0]!;
  return { parent: { number, hash, timestamp: time, sequenceNumber: 4n }, blocks, timestamp, rules };
};

const claim = (derived: DerivedOrigin, fields: Partial<ClaimedOrigin> = {}): ClaimedOrigin => ({
  deposits: derived.deposits,
  prevRandao: derived.prevRandao,
  parentBeaconBlockRoot: derived.parentBeaconBlockRoot,
  hasTransactions: derived.mayCarryTransactions,
  ...fields,
});

const attributesOf = (raw: Uint8Array) => {
  const decoded = decodeAttributes(decodeDeposit(raw));
  if (!decoded.ok) throw new Error(decoded.reason);
  return decoded.attributes;
};

const wish = fc.record({ gas: fc.bigInt({ min: 21_000n, max: 4_000_000n }), bytes: fc.nat(3_000) });
const chains = fc.array(fc.array(wish, { maxLength: 3 }), { minLength: 1, maxLength: 40 }).map(l1Chain);

test("what is chosen passes the check, keeps every limit, and could not have gone further", () => {
  fc.assert(
    fc.property(chains, fc.bigInt({ min: 0n, max: 1_000n }), (blocks, after) => {
      const input = inputOf(blocks, START + after);
      const derived = chooseOrigin(input);
      expect(checkOrigin(input, claim(derived))).toEqual({ ok: true, origin: derived.origin });
      const advance = Number(derived.origin.number - 100n);
      expect(advance).toBeLessThanOrEqual(MAX_ORIGIN_ADVANCE);
      expect(derived.origin.timestamp).toBeLessThanOrEqual(input.timestamp);
      expect(derived.origin.sequenceNumber).toBe(advance === 0 ? 5n : 0n);
      const users = derived.deposits.slice(1).map((raw) => decodeDeposit(raw));
      expect(users.length).toBe(blocks.slice(1, advance + 1).reduce((sum, b) => sum + b.deposits.length, 0));
      const gas = users.reduce((sum, { gasLimit }) => sum + gasLimit, 0n);
      if (advance > 1) expect(gas).toBeLessThanOrEqual(RULES.gasLimit / 2n);
      const next = blocks[advance + 1];
      if (next === undefined || advance === MAX_ORIGIN_ADVANCE || next.timestamp > input.timestamp) return;
      const more = [...users.map((d) => d.gasLimit), ...next.deposits.map((log) => decodedGas(log))];
      const bytes = derived.deposits.slice(1).reduce((sum, raw) => sum + raw.length, 0);
      const isTooMuchGas = more.reduce((sum, g) => sum + g, 0n) > RULES.gasLimit / 2n;
      expect(advance >= 1 && (isTooMuchGas || bytes + 3 * 3_200 > RULES.blockBytes / 2)).toBe(true);
    }),
  );
});

const decodedGas = (log: L1Log) => BigInt(bytesToHex(log.data.subarray(64 + 64, 64 + 72)));

test("one block's deposits are taken however large they are, so that L1 always gets on", () => {
  const blocks = l1Chain([[], [{ gas: 9_000_000n, bytes: 15_000 }], []]);
  const derived = chooseOrigin(inputOf(blocks, START + 100n));
  expect(derived.origin.number).toBe(101n);
  expect(derived.deposits.length).toBe(2);
});

test("the same origin: the attributes count on and nobody deposits", () => {
  const blocks = l1Chain([[{ gas: 100_000n, bytes: 0 }], [{ gas: 100_000n, bytes: 0 }]]);
  const derived = chooseOrigin(inputOf(blocks, START + 11n));
  expect(derived.deposits.length).toBe(1);
  const { baseFeeWei, baseFeeScalar, sequenceNumber, number } = attributesOf(derived.deposits[0]!);
  expect({ baseFeeWei, baseFeeScalar, sequenceNumber, number }).toEqual({
    baseFeeWei: 1_000n,
    baseFeeScalar: 1_000n,
    sequenceNumber: 5n,
    number: 100n,
  });
});

test("an origin that could have advanced may stay where it is, until users' transactions come too late", () => {
  const blocks = l1Chain([[], [], []]);
  const stale = chooseOrigin(inputOf(blocks.slice(0, 1), START + 600n));
  expect(checkOrigin(inputOf(blocks, START + 600n), claim(stale)).ok).toBe(true);
  const late = chooseOrigin(inputOf(blocks.slice(0, 1), START + 601n));
  expect(late.mayCarryTransactions).toBe(false);
  expect(checkOrigin(inputOf(blocks, START + 601n), claim(late)).ok).toBe(true);
  expect(checkOrigin(inputOf(blocks, START + 601n), claim(late, { hasTransactions: true }))).toMatchObject({
    fault: "invalid",
    reason: "it carries transactions, 601 seconds after its origin",
  });
  expect(isAdrift(START + 600n, blocks[0]!, RULES)).toBe(false);
});

test("left out, reordered, doubled, changed or invented deposits are refused", () => {
  const blocks = l1Chain([
    [],
    [
      { gas: 100_000n, bytes: 1 },
      { gas: 200_000n, bytes: 2 },
    ],
    [{ gas: 300_000n, bytes: 3 }],
  ]);
  const input = inputOf(blocks, START + 100n);
  const derived = chooseOrigin(input);
  expect(derived.deposits.length).toBe(4);
  const [attributes, a, b, c] = derived.deposits as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const changed = b.slice();
  changed[changed.length - 1]! ^= 1;
  const wrongs = [
    [],
    [a, b, c],
    [attributes],
    [attributes, a, b],
    [attributes, b, a, c],
    [attributes, a, a, b, c],
    [attributes, a, changed, c],
    [attributes, a, b, c, c],
    [Uint8Array.of(0x7e), a, b, c],
    [new Uint8Array(0)],
  ];
  for (const deposits of wrongs) expect(checkOrigin(input, claim(derived, { deposits }))).toMatchObject({ ok: false });
  for (const field of ["prevRandao", "parentBeaconBlockRoot"] as const) {
    expect(checkOrigin(input, claim(derived, { [field]: word(1) }))).toMatchObject({ fault: "invalid" });
  }
});

test("an origin that is not final here says nothing; another block of the same number is refused", () => {
  const blocks = l1Chain([[], [], []]);
  const derived = chooseOrigin(inputOf(blocks, START + 100n));
  const behind = inputOf(blocks.slice(0, 2), START + 100n);
  expect(checkOrigin(behind, claim(derived))).toEqual({ ok: false, fault: "unknown", number: 102n });
  const forked = [...blocks.slice(0, 2), { ...blocks[2]!, hash: word(5) }];
  expect(checkOrigin(inputOf(forked, START + 100n), claim(derived))).toMatchObject({ fault: "invalid" });
});

test("goes neither back, nor too far, nor into the future", () => {
  const blocks = l1Chain(Array.from({ length: 40 }, () => []));
  const all = chooseOrigin(inputOf(blocks, START + 1_000n));
  expect(all.origin.number).toBe(100n + BigInt(MAX_ORIGIN_ADVANCE));
  const later = inputOf(blocks.slice(1), START + 1_000n);
  const back = claim(chooseOrigin(inputOf(blocks.slice(0, 1), START + 1n)));
  expect(checkOrigin(later, back)).toMatchObject({ reason: "its origin 100 is before its parent's, 101" });
  const far = claim(chooseOrigin(inputOf(blocks.slice(1), START + 1_000n)));
  expect(checkOrigin(inputOf(blocks, START + 1_000n), far)).toMatchObject({ fault: "invalid" });
  expect(checkOrigin(inputOf(blocks, START + 383n), claim(all))).toMatchObject({ fault: "invalid" });
});

test("blocks that do not begin with the parent's origin or do not follow one another are the caller's mistake", () => {
  const blocks = l1Chain([[], [], []]);
  const input = inputOf(blocks, START);
  expect(() => chooseOrigin({ ...input, blocks: [] })).toThrow(RangeError);
  expect(() => chooseOrigin({ ...input, blocks: blocks.slice(1) })).toThrow(RangeError);
  expect(() => chooseOrigin({ ...input, blocks: [blocks[0]!, blocks[2]!] })).toThrow(RangeError);
});

test("L1 blocks read back as they were kept", () => {
  fc.assert(
    fc.property(chains, (blocks) => {
      for (const block of blocks) {
        const whole = { ...block, posts: block.deposits };
        expect(decodeL1Block(encodeL1Block(whole))).toEqual(whole);
      }
    }),
    { numRuns: 20 },
  );
});
