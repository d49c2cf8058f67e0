import { pbkdf2Sync } from "node:crypto";
import { SecretKey } from "@chainsafe/blst";
import { describe, expect, it } from "vitest";
import { bytesToHex } from "../core/bytes.ts";
import { validatorSet } from "../core/validators.ts";
import { rulesHash } from "./builder.ts";
import devnet from "./networks/devnet.json" with { type: "json" };
import { parseGenesis } from "./schema.ts";
import { testValidator } from "./testing/validators.ts";
import { validatorJson, withValidators } from "./validators.ts";

const declared = [0, 1, 2, 3].map((index) => testValidator(index, BigInt(index + 1)));
const list = declared.map(validatorJson);
const parse = (fields: object) => parseGenesis({ ...devnet, ...fields });
const changed = (index: number, fields: object) => list.map((each, i) => (i === index ? { ...each, ...fields } : each));
/** On the curve, but not in the group of prime order. */
const OUTSIDE_OF_GROUP = `0x8${"0".repeat(94)}4`;

describe("validators of a network's file", () => {
  it("are the set of epoch 0, in their order", () => {
    const genesis = parseGenesis(withValidators(devnet, declared));
    const { hash, validators, totalStake } = genesis.validators;
    expect(totalStake).toBe(10n);
    expect(validators.map(({ address }) => address)).toEqual(declared.map(({ address }) => address));
    expect(hash).toEqual(
      validatorSet(declared.map(({ address, publicKey, stake }) => ({ address, publicKey, stake }))).hash,
    );
  });

  it("the devnet's first validator has the key of the test mnemonic (EIP-2333, m/12381/3600/0/0/0)", () => {
    const mnemonic = `${"test ".repeat(11)}junk`;
    let key = SecretKey.deriveMasterEip2333(pbkdf2Sync(mnemonic, "mnemonic", 2048, 64, "sha512"));
    for (const index of [12_381, 3_600, 0, 0, 0]) key = key.deriveChildEip2333(index);
    const { validators } = parseGenesis(devnet).validators;
    expect(validators).toHaveLength(1);
    expect(bytesToHex(validators[0]!.publicKey)).toBe(bytesToHex(key.toPublicKey().toBytes(false)));
  });

  it.each([
    ["no list", {}, /validators must be a list/],
    ["nobody", [], /validators must have 1 to 256 members/],
    ["too many", new Array(257).fill(list[0]), /validators must have 1 to 256 members/],
    ["no object", [1], /validators\.0 must be an object/],
    ["an unknown field", changed(1, { name: "x" }), /validators\.1\.name is unknown/],
    ["no stake", changed(1, { stake: "0" }), /validators\.1\.stake must be above 0/],
    [
      "more stake than fits",
      changed(1, { stake: String(2n ** 128n) }),
      /validators\.1\.stake must be above 0 and below/,
    ],
    ["a short address", changed(2, { address: "0x12" }), /validators\.2\.address must be 0x-prefixed hex of 20 bytes/],
    [
      "an uncompressed key",
      changed(2, { publicKey: bytesToHex(declared[2]!.publicKey) }),
      /publicKey must be .* 48 bytes/,
    ],
    [
      "a key that is no point",
      changed(2, { publicKey: `0x${"ab".repeat(48)}` }),
      /validators\.2\.publicKey is no point/,
    ],
    ["a key outside of the group", changed(2, { publicKey: OUTSIDE_OF_GROUP }), /validators\.2\.publicKey is no point/],
    ["infinity", changed(2, { publicKey: `0xc0${"00".repeat(47)}` }), /validators\.2\.publicKey is no point/],
    [
      "another's proof",
      changed(2, { proofOfPossession: list[1]!.proofOfPossession }),
      /2\.proofOfPossession does not prove/,
    ],
    [
      "a proof that is no point",
      changed(2, { proofOfPossession: `0x${"11".repeat(96)}` }),
      /2\.proofOfPossession does not/,
    ],
    [
      "a key twice",
      changed(3, { publicKey: list[0]!.publicKey, proofOfPossession: list[0]!.proofOfPossession }),
      /validators\.3\.publicKey is that of validators\.0/,
    ],
    ["an address twice", changed(3, { address: list[1]!.address }), /validators\.3\.address is that of validators\.1/],
  ])("refuses %s", (_, validators, message) => {
    expect(() => parse({ validators })).toThrow(message);
  });

  it("names every problem at once", () => {
    const validators = changed(1, { stake: "0", publicKey: "0x" });
    const validatorChanges = [{ block: 0, validators: [] }];
    expect(() => parse({ validators, validatorChanges, consensus: { epochBlocks: 3, more: 1 } })).toThrow(
      /consensus\.more is unknown; consensus\.epochBlocks must be from 4 to 16777216; validators\.1\.publicKey must.*; validators\.1\.stake must.*; validatorChanges\.0\.block must be above 0; validatorChanges\.0\.validators must have 1/,
    );
  });
});

describe("validator changes", () => {
  it("have rising blocks and sets of their own", () => {
    const { validatorChanges } = parse({
      validatorChanges: [
        { block: 5, validators: list },
        { block: 6, validators: list.slice(1) },
      ],
    });
    expect(validatorChanges.map(({ block, set }) => [block, set.validators.length])).toEqual([
      [5n, 4],
      [6n, 3],
    ]);
    const twice = [5, 5].map((block) => ({ block, validators: list }));
    expect(() => parse({ validatorChanges: twice })).toThrow(/validatorChanges\.1\.block must be above 5/);
    const many = new Array(65).fill({ block: 1, validators: list });
    expect(() => parse({ validatorChanges: many })).toThrow(/at most 64 members/);
    expect(() => parse({ validatorChanges: 1 })).toThrow(/validatorChanges must be a list/);
  });
});

describe("the hash of the rules", () => {
  const hash = (fields: object) => bytesToHex(rulesHash(parse(fields)));

  it("covers chain id, block bytes, epochs, validators and their changes", () => {
    const change = { block: 5, validators: list };
    const hashes = [
      {},
      { chainId: 1 },
      { blockBytes: 3_000_000 },
      { consensus: { epochBlocks: 4 } },
      { validators: list },
      { validators: list.slice(0, 3) },
      { validators: list.toReversed() },
      { validators: changed(0, { stake: "9" }) },
      { validatorChanges: [change] },
      { validatorChanges: [{ ...change, block: 6 }] },
      { validatorChanges: [{ ...change, validators: list.slice(1) }] },
      { validatorChanges: [change, { ...change, block: 6 }] },
    ].map(hash);
    expect(new Set(hashes).size).toBe(hashes.length);
    expect(hash({})).toBe(hashes[0]);
  });
});
