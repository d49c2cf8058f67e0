/** The BLS library of the L1 contracts against @chainsafe/blst and @noble/curves, on EIP-2537's precompiles. */
import { aggregatePublicKeys, PublicKey, SecretKey } from "@chainsafe/blst";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { type Address, concatHex, type Hex, toHex } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isSlashable } from "../../consensus/ballots.ts";
import { voteDigest } from "../../consensus/scheme.ts";
import { KIND, type Subject } from "../../consensus/types.ts";
import { blsAggregate, blsPublicKey, blsSecretKey, blsSign, blsSignatureForEvm } from "../../core/bls.ts";
import { bytesToHex, concatBytes, hexToBytes } from "../../core/bytes.ts";
import { encodeValidators } from "../../core/validators.ts";
import { type Anvil, deployContract, startAnvil } from "../helpers/anvil.ts";
import { refusalOf } from "../helpers/revert.ts";
import { compileSolidity } from "../helpers/solidity.ts";

const TAG = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
const P = 0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaabn;
const contract = compileSolidity("test/contracts/L1Libraries.sol", "L1Libraries");
const { G1, G2, fields } = bls12_381;

let anvil: Anvil;
let address: Address;
beforeAll(async () => {
  anvil = await startAnvil();
  address = await deployContract(anvil.client, contract);
});
afterAll(() => anvil.stop());

const read = <T>(functionName: string, ...args: unknown[]): Promise<T> =>
  anvil.client.readContract({ address, abi: contract.abi, functionName, args }) as Promise<T>;

const digestOf = (i: number): Hex => toHex(i * 0x0101_0101, { size: 32 });
const secret = (i: number): Uint8Array => blsSecretKey(new Uint8Array(32).fill(i));
const key = (i: number): Hex => bytesToHex(blsPublicKey(secret(i)));
const field = (value: bigint): Hex => toHex(value, { size: 64 });
const sign = (i: number, digest: Hex): Hex => bytesToHex(blsSignatureForEvm(blsSign(secret(i), hexToBytes(digest))));
const padKey = ({ x, y }: { x: bigint; y: bigint }): Hex => concatHex([field(x), field(y)]);
const padded = (i: number): Hex => padKey(G1.Point.fromHex(key(i).slice(2)).toAffine());

interface Fp2Point {
  readonly x: { readonly c0: bigint; readonly c1: bigint };
  readonly y: { readonly c0: bigint; readonly c1: bigint };
}
const g2 = ({ x, y }: Fp2Point): Hex => concatHex([x.c0, x.c1, y.c0, y.c1].map(field));
const pointOf = (signature: Hex): Fp2Point => {
  const [xc0, xc1, yc0, yc1] = [0, 1, 2, 3].map((i) => BigInt(`0x${signature.slice(2 + i * 128, 130 + i * 128)}`));
  return { x: { c0: xc0!, c1: xc1! }, y: { c0: yc0!, c1: yc1! } };
};

describe("hashing to the curve", () => {
  it("gives the points of noble, and those that blst signs with the secret 1", async () => {
    const one = SecretKey.fromBytes(hexToBytes(toHex(1, { size: 32 })));
    for (const message of [...Array.from({ length: 12 }, (_, i) => digestOf(i)), `0x${"ff".repeat(32)}` as Hex]) {
      const point = await read<Hex>("hashToG2", message);
      expect(point).toBe(g2(G2.hashToCurve(hexToBytes(message), { DST: TAG }).toAffine() as Fp2Point));
      expect(point).toBe(bytesToHex(blsSignatureForEvm(one.sign(hexToBytes(message)).toBytes())));
    }
  });
});

describe("adding keys", () => {
  const encoded = (count: number): Hex =>
    bytesToHex(
      encodeValidators(
        Array.from({ length: count }, (_, i) => ({
          address: new Uint8Array(20).fill(i),
          publicKey: hexToBytes(key(i + 1)),
          stake: 10n ** BigInt(i),
        })),
      ),
    );

  it("gives blst's sum of whom the bitmap names, and their stake", async () => {
    for (const [bits, signers] of [
      ["0x0100", [0]],
      ["0x0080", [15]],
      ["0xa518", [0, 2, 5, 7, 11, 12]],
      ["0xffff", [...Array(16).keys()]],
    ] as const) {
      const [stake, sum] = await read<[bigint, Hex]>("sum", encoded(16), bits);
      expect(stake).toBe(signers.reduce((total, i) => total + 10n ** BigInt(i), 0n));
      const keys = signers.map((i) => PublicKey.fromBytes(hexToBytes(key(i + 1))));
      const expected = bytesToHex(aggregatePublicKeys(keys).toBytes(false));
      expect(sum).toBe(await read("point", expected));
      expect(sum).toBe(padKey(G1.Point.fromHex(expected.slice(2)).toAffine()));
    }
  });

  it("gives the point at infinity for nobody, and for a key with its opposite; twice a key for a key twice", async () => {
    expect(await read("sum", encoded(3), "0x00")).toEqual([0n, `0x${"00".repeat(128)}`]);
    const point = G1.Point.fromHex(key(1).slice(2));
    const pair = (other: typeof point): Hex =>
      concatHex([point, other].map((p) => concatHex([toHex(1n, { size: 36 }), `0x${p.toHex(false)}`])));
    expect(await read("sum", pair(point.negate()), "0x03")).toEqual([2n, `0x${"00".repeat(128)}`]);
    expect(await read("sum", pair(point), "0x03")).toEqual([2n, padKey(point.double().toAffine())]);
  });

  it("refuses a bitmap of another length, and bits beyond the validators", async () => {
    for (const [count, bitmap] of [
      [3, "0x"],
      [3, "0x0700"],
      [3, "0x08"],
      [3, "0x87"],
      [8, "0xff00"],
      [9, "0xff02"],
      [9, "0xff"],
    ] as const) {
      expect((await refusalOf(read("sum", encoded(count), bitmap))).name).toBe("InvalidBitmap");
    }
    await read("sum", encoded(8), "0xff");
    await read("sum", encoded(9), "0xff01");
  });
});

describe("signatures", () => {
  const message = digestOf(7);
  const check = (keyPoint: Hex, signature: Hex, digest = message) =>
    read<void>("requireSignature", keyPoint, digest, signature);
  const refusal = async (...args: Parameters<typeof check>) => (await refusalOf(check(...args))).name;

  it("accepts those of blst, single and summed", async () => {
    for (const i of [1, 2, 3]) await check(padded(i), sign(i, message));
    const signatures = [1, 2, 3].map((i) => blsSign(secret(i), hexToBytes(message)));
    const keys = [1, 2, 3].map((i) => PublicKey.fromBytes(hexToBytes(key(i))));
    const sum = padKey(G1.Point.fromBytes(aggregatePublicKeys(keys).toBytes(false)).toAffine());
    await check(sum, bytesToHex(blsSignatureForEvm(blsAggregate(signatures)!)));
  });

  it("refuses another message, another key, a part of a sum", async () => {
    expect(await refusal(padded(1), sign(1, digestOf(8)))).toBe("InvalidSignature");
    expect(await refusal(padded(2), sign(1, message))).toBe("InvalidSignature");
    const sum = blsAggregate([1, 2].map((i) => blsSign(secret(i), hexToBytes(message))))!;
    expect(await refusal(padded(1), bytesToHex(blsSignatureForEvm(sum)))).toBe("InvalidSignature");
  });

  it("refuses infinity, as a key, as a signature, and as both, which would pair to one", async () => {
    const infinity = (bytes: number): Hex => `0x${"00".repeat(bytes)}`;
    expect(await refusal(padded(1), infinity(256))).toBe("InvalidSignature");
    expect(await refusal(infinity(128), sign(1, message))).toBe("InfiniteKey");
    expect(await refusal(infinity(128), infinity(256))).toBe("InvalidSignature");
  });

  it("refuses a point outside the group that verifies in every other way", async () => {
    // A point of the curve whose order divides the cofactor: its pairing with anything is one.
    const { Fp2 } = fields;
    let torsion: InstanceType<typeof G2.Point> | undefined;
    for (let c0 = 1n; torsion === undefined; c0++) {
      const x = Fp2.fromBigTuple([c0, 0n]);
      const right = Fp2.add(Fp2.mul(Fp2.sqr(x), x), Fp2.fromBigTuple([4n, 4n]));
      try {
        const point = G2.Point.fromAffine({ x, y: Fp2.sqrt(right) });
        if (!point.isTorsionFree()) torsion = point.multiplyUnsafe(fields.Fr.ORDER - 1n).add(point);
      } catch {
        // no point has this x
      }
    }
    const off = g2(torsion.toAffine() as Fp2Point);
    expect(await refusal(padded(1), off)).toBe("InvalidSignature");
    const [xc0, xc1, yc0, yc1] = [0, 1, 2, 3].map((i) =>
      BigInt(`0x${sign(1, message).slice(2 + i * 128, 130 + i * 128)}`),
    );
    const signature = G2.Point.fromAffine({
      x: Fp2.fromBigTuple([xc0!, xc1!]),
      y: Fp2.fromBigTuple([yc0!, yc1!]),
    });
    const moved = signature.add(torsion);
    expect(moved.isTorsionFree()).toBe(false);
    expect(await refusal(padded(1), g2(moved.toAffine() as Fp2Point))).toBe("InvalidSignature");
  });

  it("refuses a key outside the group", async () => {
    const { Fp } = fields;
    for (let x = 1n; ; x++) {
      try {
        const point = G1.Point.fromAffine({ x, y: Fp.sqrt(Fp.add(Fp.mul(Fp.sqr(x), x), 4n)) });
        if (point.isTorsionFree()) continue;
        expect(await refusal(padKey(point.toAffine()), sign(1, message))).toBe("InvalidSignature");
        return;
      } catch (error) {
        if (!String(error).includes("square root")) throw error;
      }
    }
  });

  it("refuses every other writing of a valid signature", async () => {
    const signature = sign(1, message);
    const { x, y } = pointOf(signature);
    await check(padded(1), g2({ x, y }));
    for (const malleated of [
      g2({ x: { ...x, c0: x.c0 + P }, y }),
      g2({ x, y: { ...y, c1: y.c1 + P } }),
      g2({ x: { ...x, c0: x.c0 + (1n << 384n) }, y }),
      g2({ x, y: { c0: P - y.c0, c1: P - y.c1 } }),
      g2({ x: { c0: x.c1, c1: x.c0 }, y: { c0: y.c1, c1: y.c0 } }),
      g2({ x, y: { ...y, c0: y.c0 ^ 1n } }),
      `${signature}00` as Hex,
      signature.slice(0, -2) as Hex,
      bytesToHex(blsSign(secret(1), hexToBytes(message))),
      "0x" as Hex,
    ]) {
      expect(await refusal(padded(1), malleated)).toBe("InvalidSignature");
    }
    const affine = G1.Point.fromHex(key(1).slice(2)).toAffine();
    expect(await refusal(padKey({ ...affine, x: affine.x + P }), signature)).toBe("InvalidSignature");
    expect(await refusal(padKey({ ...affine, y: P - affine.y }), signature)).toBe("InvalidSignature");
  });

  it("cannot tell a rogue key in a sum: whoever made it signs alone, so registering asks for possession", async () => {
    // key = x·G − honest: with the honest key it sums to x·G, for which the attacker signs alone.
    const honest = G1.Point.fromHex(key(1).slice(2));
    const rogue = G1.Point.fromHex(key(2).slice(2)).subtract(honest);
    await check(padKey(rogue.add(honest).toAffine()), sign(2, message));
    expect(await refusal(padKey(rogue.toAffine()), sign(2, message))).toBe("InvalidSignature");
  });
});

describe("votes", () => {
  const chainId = 161_299n;
  const oracle = "0x00000000000000000000000000000000000000a2";
  const setHash = digestOf(3);
  const subject = (kind: Subject["kind"], parentView: number, block: number): Subject => ({
    kind,
    epoch: 5,
    view: 5 * 2 ** 32 + 77,
    parentView: parentView === 0 ? 0 : 5 * 2 ** 32 + parentView,
    block: new Uint8Array(32).fill(block),
  });
  const onL1 = ({ view, block, ...rest }: Subject) => ({ ...rest, viewNumber: view, block: bytesToHex(block) });
  const SUBJECTS = [
    subject(KIND.nullify, 0, 0),
    ...[KIND.notarize, KIND.finalize].flatMap((kind) => [
      subject(kind, 70, 1),
      subject(kind, 71, 1),
      subject(kind, 70, 2),
    ]),
  ];

  it("are hashed as consensus hashes them", async () => {
    for (const one of SUBJECTS) {
      const expected = voteDigest({ chainId, l1Contract: hexToBytes(oracle) }, hexToBytes(setHash), one);
      expect(await read("digest", chainId, oracle, setHash, onL1(one))).toBe(bytesToHex(expected));
    }
  });

  it("contradict each other where consensus says so", async () => {
    for (const a of SUBJECTS) {
      for (const b of SUBJECTS) {
        expect(await read("areConflicting", onL1(a), onL1(b))).toBe(isSlashable(a, b));
      }
      expect(await read("areConflicting", onL1(a), onL1({ ...SUBJECTS[4]!, view: 1 }))).toBe(false);
    }
  });
});

describe("a set as code", () => {
  it("reads back, in one part up to 186 validators and two above", async () => {
    for (const count of [1, 2, 186, 187, 256]) {
      const encoded = bytesToHex(
        concatBytes(...Array.from({ length: count }, (_, i) => new Uint8Array(132).fill((i % 255) + 1))),
      );
      for (const signer of [0, count - 1]) {
        const { result } = await anvil.client.simulateContract({
          address,
          abi: contract.abi,
          functionName: "stored",
          args: [encoded, BigInt(signer)],
        });
        const [set, loaded, keyAt] = result as unknown as [{ count: number; parts: readonly Address[] }, Hex, Hex];
        expect(set.count).toBe(count);
        expect(set.parts.filter((part) => BigInt(part) !== 0n)).toHaveLength(count > 186 ? 2 : 1);
        expect(loaded).toBe(encoded);
        expect(keyAt).toBe(toHex(new Uint8Array(96).fill((signer % 255) + 1)));
      }
    }
  });
});
