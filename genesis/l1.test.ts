import { describe, expect, it } from "vitest";
import { bytesToHex } from "../core/bytes.ts";
import { rulesHash } from "./builder.ts";
import devnet from "./networks/devnet.json" with { type: "json" };
import { parseGenesis } from "./schema.ts";

const address = (index: number) => `0x${index.toString(16).padStart(40, "0")}`;
const L1 = {
  chainId: 31_337,
  portal: address(1),
  oracle: address(2),
  inbox: address(3),
  registry: address(4),
  token: address(5),
  systemConfig: address(6),
  l1StandardBridge: address(7),
  l1Messenger: address(8),
  origin: { number: 12, hash: `0x${"ab".repeat(32)}`, timestamp: 1_700_000_000 },
  finality: { depth: 3 },
  maxDriftSeconds: 600,
};
const parse = (l1: object) => parseGenesis({ ...devnet, timestamp: 1_700_000_000, l1 });

describe("the L1 of a network's file", () => {
  it("is read with every field", () => {
    const { l1 } = parse(L1);
    expect(l1).toMatchObject({ chainId: 31_337n, finality: { depth: 3 }, maxDriftSeconds: 600 });
    expect(bytesToHex(l1!.l1Messenger)).toBe(L1.l1Messenger);
    expect(bytesToHex(l1!.origin.hash)).toBe(L1.origin.hash);
    expect(parse({ ...L1, finality: "finalized" }).l1!.finality).toBe("finalized");
  });

  it("may be missing", () => {
    expect(parseGenesis(devnet).l1).toBeUndefined();
  });

  it.each([
    ["an unknown field", { bridge: address(9) }, /l1\.bridge is unknown/],
    ["a short address", { portal: "0x01" }, /l1\.portal must be 0x-prefixed hex of 20 bytes/],
    ["the zero address", { oracle: address(0) }, /l1\.oracle must not be the zero address/],
    ["chain id 0", { chainId: 0 }, /l1\.chainId must not be 0/],
    [
      "an origin after genesis",
      { origin: { ...L1.origin, timestamp: 1_700_000_001 } },
      /must not be after the genesis/,
    ],
    ["an origin without a hash", { origin: { number: 1, timestamp: 1 } }, /l1\.origin\.hash must be/],
    ["a tag that is no rule", { finality: "safe" }, /l1\.finality \(or "finalized"\) must be an object/],
    ["too great a depth", { finality: { depth: 1e6 } }, /l1\.finality\.depth must be from 0 to 100000/],
    ["no drift", { maxDriftSeconds: 0 }, /l1\.maxDriftSeconds must be from 1 to 2592000/],
  ])("is refused with %s", (_, changes, problem) => {
    expect(() => parse({ ...L1, ...changes })).toThrow(problem);
  });

  it("needs blocks that have room for the deposits of an L1 block twice", () => {
    const limited = (limits: object) => () => parseGenesis({ ...devnet, timestamp: 1_700_000_000, l1: L1, ...limits });
    expect(limited({ gasLimit: 21_999_999 })).toThrow(/gasLimit must be from 22000000 to 4294967296 with an L1/);
    expect(limited({ gasLimit: 2 ** 32 + 1 })).toThrow(/gasLimit must be from/);
    expect(limited({ blockBytes: 937_499 })).toThrow(/blockBytes must be at least a 32nd of gasLimit with an L1/);
    expect(limited({ blockBytes: 937_500 })).not.toThrow();
    expect(() => parseGenesis({ ...devnet, gasLimit: 5_000_000 })).not.toThrow();
  });

  it("is part of the network's rules, field by field", () => {
    const changes: readonly object[] = [
      {},
      { chainId: 1 },
      ...Object.entries(L1)
        .filter(([, value]) => typeof value === "string")
        .map(([name]) => ({ [name]: address(99) })),
      { origin: { ...L1.origin, number: 13 } },
      { origin: { ...L1.origin, hash: `0x${"cd".repeat(32)}` } },
      { origin: { ...L1.origin, timestamp: 1 } },
      { finality: { depth: 0 } },
      { finality: "finalized" },
      { maxDriftSeconds: 601 },
    ];
    const hashes = changes.map((change) => bytesToHex(rulesHash(parse({ ...L1, ...change }))));
    hashes.push(bytesToHex(rulesHash(parseGenesis({ ...devnet, timestamp: 1_700_000_000 }))));
    expect(changes).toHaveLength(16);
    expect(new Set(hashes).size).toBe(17);
  });

  it("has scalars of its data fee among the parameters, zero where the file is silent", () => {
    const { l1BaseFeeScalar: _, l1BlobBaseFeeScalar: __, ...older } = devnet.parameters;
    expect(parseGenesis({ ...devnet, parameters: older }).parameters).toEqual(parseGenesis(devnet).parameters);
    const tooLarge = { ...devnet.parameters, l1BlobBaseFeeScalar: 2 ** 32 };
    expect(() => parseGenesis({ ...devnet, parameters: tooLarge })).toThrow(/l1BlobBaseFeeScalar must be at most 32/);
  });
});
