import { secp256k1 } from "@noble/curves/secp256k1.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bigIntToFixed, concatBytes } from "./bytes.ts";
import {
  addressOf,
  createEcdsa,
  createNativeSecp256k1,
  createWasmSecp256k1,
  cryptoBackend,
  ecdsaSign,
  keccak256,
  recoverAddress,
} from "./crypto.ts";

const N = secp256k1.Point.CURVE().n;
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const privateKeys = fc.bigInt({ min: 1n, max: N - 1n }).map((key) => bigIntToFixed(key, 32));
const wasm = await createWasmSecp256k1();
const native = cryptoBackend === "native" ? await createNativeSecp256k1() : wasm;

/** What noble recovers: 64 bytes, or undefined. */
function nobleRecover(digest: Uint8Array, r: Uint8Array, s: Uint8Array, yParity: number): Uint8Array | undefined {
  try {
    const signature = secp256k1.Signature.fromBytes(concatBytes(Uint8Array.of(yParity), r, s), "recovered");
    return signature.recoverPublicKey(digest).toBytes(false).subarray(1);
  } catch {
    return undefined;
  }
}

test("keccak256 of parts is keccak256 of their concatenation", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), (parts) => {
      expect(keccak256(...parts)).toEqual(keccak_256(concatBytes(...parts)));
    }),
  );
  // Around the 1,024 bytes that are gathered before they are hashed.
  for (const sizes of [[1_024], [1_025], [1, 1_023], [1, 1_024], [1, 1_025, 1], [1_000, 24, 1], [5_000, 1]]) {
    const parts = sizes.map((size) => new Uint8Array(size).fill(size & 0xff));
    expect(keccak256(...parts)).toEqual(keccak_256(concatBytes(...parts)));
  }
});

test("a supported platform runs the native backend", () => {
  const prebuilt = ["linux-x64", "darwin-arm64", "win32-x64"].includes(`${process.platform}-${process.arch}`);
  expect(cryptoBackend).toBe(prebuilt ? "native" : "wasm");
});

test("the first account of the well-known test mnemonic", () => {
  const key = BigInt("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
  const address = Buffer.from(addressOf(bigIntToFixed(key, 32))).toString("hex");
  expect(address).toBe("f39fd6e51aad88f6f4ce6ab8827279cfffb92266");
});

describe.each([native, wasm])("secp256k1, $name", (backend) => {
  const ecdsa = createEcdsa(backend);

  test("signatures equal noble's and recover to the signer", () => {
    fc.assert(
      fc.property(bytes32, privateKeys, (digest, privateKey) => {
        const { r, s, yParity } = ecdsa.ecdsaSign(digest, privateKey);
        const expected = secp256k1.sign(digest, privateKey, { prehash: false, format: "recovered" });
        expect(concatBytes(Uint8Array.of(yParity), r, s)).toEqual(expected);
        const publicKey = secp256k1.getPublicKey(privateKey, false).subarray(1);
        expect(ecdsa.recoverPublicKey(digest, r, s, yParity)).toEqual(publicKey);
        expect(ecdsa.recoverAddress(digest, r, s, yParity)).toEqual(keccak_256(publicKey).subarray(12));
        expect(ecdsa.addressOf(privateKey)).toEqual(keccak_256(publicKey).subarray(12));
      }),
      { numRuns: 60 },
    );
  });

  test("recovery agrees with noble on anything, high s and edges included", () => {
    const edges = [0n, 1n, N - 1n, N, N + 1n, N / 2n, N / 2n + 1n, 2n ** 256n - 1n].map((v) => bigIntToFixed(v, 32));
    const scalar = fc.oneof(bytes32, fc.constantFrom(...edges));
    fc.assert(
      fc.property(bytes32, scalar, scalar, fc.integer({ min: 0, max: 1 }), (digest, r, s, yParity) => {
        expect(ecdsa.recoverPublicKey(digest, r, s, yParity)).toEqual(nobleRecover(digest, r, s, yParity));
      }),
      { numRuns: 150 },
    );
  });

  test("r or s zero, r or s not below n, and bad recovery ids recover to nothing", () => {
    const digest = keccak256(Uint8Array.of(1));
    const { r, s } = ecdsa.ecdsaSign(digest, bigIntToFixed(7n, 32));
    const zero = new Uint8Array(32);
    for (const bad of [zero, bigIntToFixed(N, 32), new Uint8Array(32).fill(0xff), r.subarray(1), new Uint8Array(33)]) {
      expect(ecdsa.recoverPublicKey(digest, bad, s, 0)).toBeUndefined();
      expect(ecdsa.recoverAddress(digest, r, bad, 1)).toBeUndefined();
    }
    for (const yParity of [-1, 2, 3, 4, 0.5, 27, Number.NaN, 2 ** 32]) {
      expect(ecdsa.recoverPublicKey(digest, r, s, yParity)).toBeUndefined();
    }
    expect(ecdsa.recoverPublicKey(digest.subarray(1), r, s, 0)).toBeUndefined();
  });

  test("an invalid private key is refused", () => {
    const digest = new Uint8Array(32);
    for (const key of [0n, N, N + 1n, 2n ** 256n - 1n].map((v) => bigIntToFixed(v, 32))) {
      expect(() => ecdsa.ecdsaSign(digest, key)).toThrow(RangeError);
      expect(() => ecdsa.addressOf(key)).toThrow(RangeError);
    }
    expect(() => ecdsa.ecdsaSign(digest, new Uint8Array(31))).toThrow("private key has 31 bytes instead of 32");
  });
});

test("results do not share memory with later calls", () => {
  const digest = keccak256(Uint8Array.of(2));
  const first = ecdsaSign(digest, bigIntToFixed(3n, 32));
  const copy = Uint8Array.from(first.r);
  const address = recoverAddress(digest, first.r, first.s, first.yParity);
  ecdsaSign(digest, bigIntToFixed(4n, 32));
  recoverAddress(digest, first.s, first.r, 0);
  expect(first.r).toEqual(copy);
  expect(address).toEqual(addressOf(bigIntToFixed(3n, 32)));
});
