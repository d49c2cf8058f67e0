/** What the output oracle and the validator registry must refuse, each with its own error. */
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { concatHex, encodeFunctionData, type Hex, toHex } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { baseView, KIND } from "../../consensus/types.ts";
import { blsSign, blsSignatureForEvm } from "../../core/bls.ts";
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { encodeHeader } from "../../execution/block/header.ts";
import {
  GUARDIAN,
  HOLDER,
  type L1Certificate,
  MINIMUM_STAKE,
  OracleWorld,
  OWNER,
  proposal,
  STRANGER,
  setOf,
  testHeader,
  testValidator,
} from "../helpers/oracle-world.ts";
import { refusalOf } from "../helpers/revert.ts";

const validators = Array.from({ length: 9 }, (_, i) => testValidator(i));
const strangers = Array.from({ length: 9 }, (_, i) => testValidator(50 + i));
const newcomer = testValidator(20, MINIMUM_STAKE, STRANGER.address);
const everybody = [...validators, newcomer];
const { hash: oldSet } = setOf(validators);
const { hash: newSet } = setOf(everybody);
const infinity = (bytes: number): Hex => `0x${"00".repeat(bytes)}`;

/** In the second epoch, whose set has one more than the first one's. */
let world: OracleWorld;
const target = testHeader(13n);
beforeAll(async () => {
  world = await OracleWorld.start({ validators });
  await world.register(newcomer);
  await world.send(world.registry, "snapshot", []);
  await world.endEpoch(0n, validators, newSet);
  await world.post(target);
});
afterAll(() => world.anvil.stop());

const refusal = async (certificate: L1Certificate, header = target): Promise<string> =>
  (await refusalOf(world.propose([header], certificate))).name;
const certify = (...args: Parameters<OracleWorld["certify"]> extends [unknown, unknown, ...infer R] ? R : never) =>
  world.certify(target, everybody, ...args);

describe("certificates", () => {
  it("forged: by others, of another block, with a part of the signers' signatures", async () => {
    const valid = certify();
    expect(await refusal(world.certify(target, [...strangers, testValidator(60)], { setHash: newSet }))).toBe(
      "InvalidSignature",
    );
    const { signature } = world.certify(testHeader(14n), everybody);
    expect(await refusal({ ...valid, signature })).toBe("InvalidSignature");
    expect(await refusal({ ...valid, signature: certify({ signers: [0, 1, 2, 3, 4, 5, 6, 7, 8] }).signature })).toBe(
      "InvalidSignature",
    );
  });

  it("of a notarization or a nullification, which is not yet final", async () => {
    expect(await refusal(certify({ kind: KIND.notarize }))).toBe("InvalidSignature");
    expect(await refusal(certify({ kind: KIND.nullify, parentView: baseView(1) }))).toBe("InvalidSignature");
  });

  it("of too little of the stake", async () => {
    expect(await refusal(certify({ signers: [0, 1, 2, 3, 4, 5] }))).toBe("NoQuorum");
    expect(await refusal(certify({ signers: [9] }))).toBe("NoQuorum");
    expect(await refusal({ ...certify(), bitmap: "0x0000" })).toBe("NoQuorum");
  });

  it("with one signer counted more than once, and with signers that there are not", async () => {
    const one = certify({ signers: [0] });
    // The sum of one signature ten times, in the name of all.
    const message = certify({ signers: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0] });
    expect(await refusal({ ...message, bitmap: "0xff03" })).toBe("InvalidSignature");
    expect(await refusal(message)).toBe("NoQuorum");
    const valid = certify();
    for (const bitmap of ["0xff07", "0xff83", "0xff0300", "0xff", "0x"] as const) {
      expect(await refusal({ ...valid, bitmap })).toBe("InvalidBitmap");
    }
    expect(await refusal({ ...one, bitmap: "0xff03" })).toBe("InvalidSignature");
  });

  it("with the point at infinity as their signature, or one that is no signature", async () => {
    const valid = certify();
    for (const signature of [infinity(256), "0x", infinity(255), `${valid.signature}00`, `0x${"ff".repeat(256)}`]) {
      expect(await refusal({ ...valid, signature: signature as Hex })).toBe("InvalidSignature");
    }
  });

  it("of another chain, another oracle, another set", async () => {
    expect(await refusal(certify({ chainId: 1n }))).toBe("InvalidSignature");
    expect(await refusal(certify({ l1Contract: world.registry.address }))).toBe("InvalidSignature");
    expect(await refusal(certify({ setHash: oldSet }))).toBe("InvalidSignature");
  });

  it("of another epoch, and of views that are another epoch's", async () => {
    expect(await refusal(certify({ epoch: 0 }))).toBe("WrongEpoch");
    expect(await refusal(certify({ epoch: 2 }))).toBe("WrongEpoch");
    for (const view of [baseView(1) - 5, baseView(2) + 5]) {
      expect(await refusal(certify({ view, parentView: view - 1 }))).toBe("ViewOutsideEpoch");
    }
    expect(await refusal(certify({ view: baseView(1) + 5, parentView: baseView(1) - 1 }))).toBe("ViewOutsideEpoch");
    expect(await refusal(certify({ view: baseView(1) + 5, parentView: baseView(1) + 5 }))).toBe("ViewOutsideEpoch");
    // What was signed was another view.
    expect(await refusal({ ...certify(), viewNumber: BigInt(baseView(1) + 4_000) })).toBe("InvalidSignature");
  });

  it("of a set whose epoch is over, for blocks of its epoch and of the next", async () => {
    const late = testHeader(8n);
    await world.post(late);
    expect(await refusal(world.certify(late, validators), late)).toBe("BlockTooLow");
    // Nine of ten: the same bits, and another set in what was signed.
    expect(await refusal(world.certify(target, validators))).toBe("InvalidSignature");
  });
});

describe("blocks", () => {
  it("with bytes after the header, or a field more or less", async () => {
    const { headers, certificate } = proposal([target], certify());
    const encoded = hexToBytes(headers[0]!);
    const relisted = (bytes: Hex): Hex => concatHex(["0xf9", toHex((bytes.length - 2) / 2, { size: 2 }), bytes]);
    const fields = bytesToHex(encoded.subarray(3));
    for (const header of [
      concatHex([headers[0]!, "0x00"]),
      relisted(concatHex([fields, "0x80"])),
      relisted(fields.slice(0, -66) as Hex),
      "0x" as Hex,
    ]) {
      const call = world.send(world.oracle, "proposeOutput", [{ headers: [header], certificate }]);
      expect(await refusalOf(call)).toEqual({ name: "InvalidHeader", args: [] });
    }
  });

  it("whose batch nobody has posted", async () => {
    const header = testHeader(14n);
    const certificate = world.certify(header, everybody);
    const { name, args } = await refusalOf(world.propose([header], certificate));
    expect([name, args]).toEqual(["NotPosted", [bytesToHex(keccak256(encodeHeader(header)))]]);
  });

  it("of an epoch that comes after one which has not ended here", async () => {
    for (const number of [20n, 29n, 33n]) {
      const header = testHeader(number, { extraData: newSet });
      await world.post(header);
      expect(await refusal(world.certify(header, everybody), header)).toBe("UnknownEpoch");
    }
  });

  it("that end an epoch and name a set which the registry never made", async () => {
    const forged = setOf(strangers).hash;
    for (const extraData of [forged, new Uint8Array(32), newSet.subarray(0, 31), new Uint8Array(0)]) {
      const header = testHeader(19n, { extraData });
      await world.post(header);
      expect(await refusal(world.certify(header, everybody), header)).toBe("UnknownSet");
    }
  });

  it("below what is known, and the same again", async () => {
    for (const number of [0n, 9n, 11n]) {
      const header = testHeader(number, number === 9n ? { extraData: newSet } : {});
      await world.post(header);
      const signers = number < 10n ? validators : everybody;
      expect(await refusal(world.certify(header, signers), header)).toBe("BlockTooLow");
    }
  });
});

describe("keys", () => {
  const register = (publicKey: Hex, proof: Hex) =>
    refusalOf(world.send(world.registry, "register", [publicKey, proof, MINIMUM_STAKE], { from: STRANGER }));
  const fresh = testValidator(30);
  const { G1, fields } = bls12_381;

  it("made of others' keys, for which nobody can show possession", async () => {
    const victim = G1.Point.fromHex(validators[0]!.publicKey.slice(2));
    const rogue: Hex = `0x${G1.Point.fromHex(fresh.publicKey.slice(2)).subtract(victim).toHex(false)}`;
    expect((await register(rogue, fresh.proof)).name).toBe("InvalidSignature");
    const domain = keccak256(new TextEncoder().encode("OpenLedger proof of possession v1"));
    const own = blsSign(fresh.secret, keccak256(domain, hexToBytes(rogue)));
    expect((await register(rogue, bytesToHex(blsSignatureForEvm(own)))).name).toBe("InvalidSignature");
  });

  it("that are infinity, outside the group, or written differently", async () => {
    expect((await register(infinity(96), infinity(256))).name).toBe("InvalidSignature");
    expect((await register(infinity(96), fresh.proof)).name).toBe("InfiniteKey");
    const { x, y } = G1.Point.fromHex(fresh.publicKey.slice(2)).toAffine();
    const write = (a: bigint, b: bigint): Hex => concatHex([toHex(a, { size: 48 }), toHex(b, { size: 48 })]);
    const { ORDER } = fields.Fp;
    for (const key of [write(x + ORDER, y), write(x, ORDER - y), write(x, y ^ 1n), write(x | (1n << 383n), y)]) {
      expect((await register(key, fresh.proof)).name).toBe("InvalidSignature");
    }
    for (const key of [`0x${"00".repeat(32)}`, concatHex([fresh.publicKey, "0x00"])] as const) {
      expect((await register(key, fresh.proof)).name).toBe("InvalidKeyLength");
    }
  });

  it("of others, with the possession that they showed", async () => {
    const [{ publicKey, proof, id }] = validators as [(typeof validators)[0]];
    expect(await register(publicKey, proof)).toEqual({ name: "KeyUsed", args: [id] });
    expect((await register(fresh.publicKey, proof)).name).toBe("InvalidSignature");
  });
});

describe("contracts", () => {
  it("begin only once, behind the proxy and in front of it", async () => {
    const genesis = ["initialize", [outputOf(), 0n, bytesToHex(oldSet)]] as const;
    for (const from of [HOLDER, GUARDIAN, OWNER]) {
      expect((await refusalOf(world.send(world.oracle, ...genesis, { from }))).name).toBe("InvalidInitialization");
      const call = world.send(world.registry, "initialize", [[]], { from });
      expect((await refusalOf(call)).name).toBe("InvalidInitialization");
    }
    const slot = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc";
    const stored = await world.client.getStorageAt({ address: world.oracle.address, slot });
    const code = { abi: world.oracle.abi, address: `0x${stored!.slice(-40)}` as Hex };
    expect((await refusalOf(world.send(code, ...genesis))).name).toBe("InvalidInitialization");
  });

  it("are upgraded by nobody but their admin", async () => {
    const abi = [
      {
        type: "function",
        name: "upgradeToAndCall",
        stateMutability: "payable",
        inputs: [{ type: "address" }, { type: "bytes" }],
        outputs: [],
      },
    ] as const;
    const data = encodeFunctionData({ abi, args: [world.token.address, "0x"] });
    for (const { address } of [HOLDER, GUARDIAN, OWNER]) {
      await expect(world.client.call({ account: address, to: world.oracle.address, data })).rejects.toThrow(/revert/);
    }
  });
});

const outputOf = (): Hex => `0x${"11".repeat(32)}`;
