import { type Common, createCustomCommon, Hardfork, Mainnet } from "@ethereumjs/common";
import { RLP } from "@ethereumjs/rlp";
import { createTxFromRLP, type EOACode7702Tx, type TypedTransaction } from "@ethereumjs/tx";
import fc from "fast-check";
import { type Hex, parseTransaction, recoverTransactionAddress, type TransactionSerialized } from "viem";
import { expect, test } from "vitest";
import { bigIntToFixed, bytesToBigInt, bytesToHex, concatBytes } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import { addressOf, keccak256 } from "../../core/crypto.ts";
import { privateKey, unsignedTransaction } from "../testing/transactions.ts";
import { MAX_S, recoverAuthority } from "./authorization.ts";
import { decodeTransaction, MAX_TRANSACTION_BYTES, rememberSender } from "./decode.ts";
import { signAuthorization, signTransaction, type UnsignedTransaction } from "./sign.ts";

const CHAIN_ID = 161299n;
const common: Common = createCustomCommon({ chainId: Number(CHAIN_ID) }, Mainnet, { hardfork: Hardfork.Prague });
const key = bigIntToFixed(0xabcdefn, 32);

const transfer: UnsignedTransaction = {
  type: 2,
  chainId: CHAIN_ID,
  nonce: 7n,
  gasLimit: 21_000n,
  maxFeePerGas: 2_000_000_000n,
  maxPriorityFeePerGas: 1_000_000_000n,
  to: new Uint8Array(20).fill(0x11),
  value: 10n ** 18n,
  data: new Uint8Array(0),
  accessList: [],
  authorizationList: [],
};

function decoded(raw: Uint8Array): Transaction {
  const result = decodeTransaction(raw, CHAIN_ID);
  if (!result.ok) throw new Error(result.message);
  return result.tx;
}

function withoutSignature({ raw: _, hash: _h, from: _f, v: _v, r: _r, s: _s, ...unsigned }: Transaction) {
  return unsigned;
}

test("reads back what was signed, with the signer as sender", () => {
  fc.assert(
    fc.property(unsignedTransaction(CHAIN_ID), privateKey, (unsigned, signer) => {
      const raw = signTransaction(unsigned, signer);
      const tx = decoded(raw);
      const expected = unsigned.type <= 1 ? { ...unsigned, maxPriorityFeePerGas: unsigned.maxFeePerGas } : unsigned;
      expect(withoutSignature(tx)).toEqual(expected);
      expect(tx.from).toEqual(addressOf(signer));
      expect(tx.raw).toBe(raw);
    }),
    { numRuns: 200 },
  );
});

test("the sender of a transaction that was seen before is not recovered again, nor that of any other known", () => {
  const raw = signTransaction({ ...transfer, nonce: 1_000n }, key);
  const known = new Uint8Array(20).fill(0x77);
  rememberSender(keccak256(raw), known);
  expect(decoded(raw).from).toBe(known);
  const other = signTransaction({ ...transfer, nonce: 1_001n }, key);
  expect(decoded(other).from).toEqual(addressOf(key));
  expect(decoded(other).from).toBe(decoded(other).from);
  // A known sender does not make a bad signature good: the hash is another.
  const forged = other.slice();
  forged[forged.length - 1]! ^= 1;
  expect(decodeTransaction(forged, CHAIN_ID)).not.toMatchObject({ tx: { from: addressOf(key) } });
});

test("agrees with @ethereumjs/tx on every field, hash and sender", () => {
  fc.assert(
    fc.property(unsignedTransaction(CHAIN_ID), privateKey, (unsigned, signer) => {
      const raw = signTransaction(unsigned, signer);
      expectSame(decoded(raw), createTxFromRLP(raw, { common }));
    }),
    { numRuns: 60 },
  );
});

test("agrees with viem's parser and sender recovery", async () => {
  await fc.assert(
    fc.asyncProperty(unsignedTransaction(CHAIN_ID), privateKey, async (unsigned, signer) => {
      const raw = signTransaction(unsigned, signer);
      const hex = bytesToHex(raw) as TransactionSerialized;
      const tx = decoded(raw);
      const parsed = parseTransaction(hex);
      expect(parsed.to ?? undefined).toEqual(tx.to === undefined ? undefined : bytesToHex(tx.to));
      expect(BigInt(parsed.nonce ?? 0)).toBe(tx.nonce);
      expect(parsed.gas ?? 0n).toBe(tx.gasLimit);
      expect(parsed.value ?? 0n).toBe(tx.value);
      expect(parsed.data ?? "0x").toBe(bytesToHex(tx.data));
      expect(parsed.maxFeePerGas ?? parsed.gasPrice ?? 0n).toBe(tx.maxFeePerGas);
      expect("accessList" in parsed ? (parsed.accessList ?? []) : []).toEqual(
        tx.accessList.map((e) => ({ address: bytesToHex(e.address), storageKeys: e.storageKeys.map(bytesToHex) })),
      );
      const sender = await recoverTransactionAddress({ serializedTransaction: hex });
      expect(sender.toLowerCase()).toBe(bytesToHex(tx.from));
    }),
    { numRuns: 40 },
  );
});

/** Rules of @ethereumjs/tx that Ethereum checks at execution: ours are in run.ts. */
const STRICTER_ORACLE = /cannot (equal or )?exceed MAX|maxFeePerGas cannot be less than maxPriorityFeePerGas|init code/;

test("on mutated bytes it never throws, and accepts what @ethereumjs/tx accepts", () => {
  let accepted = 0;
  const mutation = fc.record({ at: fc.nat(2000), byte: fc.integer({ min: 0, max: 255 }), cut: fc.nat(2) });
  fc.assert(
    fc.property(
      unsignedTransaction(CHAIN_ID),
      fc.array(mutation, { minLength: 1, maxLength: 2 }),
      (unsigned, edits) => {
        let raw = Uint8Array.from(signTransaction(unsigned, key));
        for (const { at, byte, cut } of edits) {
          if (cut === 0) raw = raw.slice(0, raw.length - 1 - (at % 3));
          else raw[at % raw.length] = byte;
        }
        const result = decodeTransaction(raw, CHAIN_ID);
        let oracle: TypedTransaction | Error;
        try {
          oracle = createTxFromRLP(raw, { common });
          oracle.getSenderAddress();
        } catch (error) {
          oracle = error as Error;
        }
        if (result.ok) {
          accepted++;
          if (oracle instanceof Error) expect(oracle.message).toMatch(STRICTER_ORACLE);
          else expectSame(result.tx, oracle);
        } else {
          expect(oracle, result.message).toBeInstanceOf(Error);
        }
      },
    ),
    { numRuns: 400 },
  );
  expect(accepted).toBeGreaterThan(10);
});

test("never throws on random bytes", () => {
  const start = fc.constantFrom(0, 1, 2, 3, 4, 0x7e, 0x80, 0xbf, 0xc0, 0xc9, 0xf8, 0xf9, 0xff);
  fc.assert(
    fc.property(fc.option(start, { nil: undefined }), fc.uint8Array({ maxLength: 200 }), (first, rest) => {
      const raw = first === undefined ? rest : concatBytes(Uint8Array.of(first), rest);
      expect(decodeTransaction(raw, CHAIN_ID).ok).toBe(false);
    }),
    { numRuns: 2000 },
  );
});

test("deep nesting inside an envelope is refused", () => {
  const raw = concatBytes(Uint8Array.of(2), new Uint8Array(100_000).fill(0xc1));
  expect(decodeTransaction(raw, CHAIN_ID)).toMatchObject({ ok: false, code: "malformed" });
});

function rawFields(raw: Uint8Array): Uint8Array[] {
  return RLP.decode(raw.subarray(1)) as Uint8Array[];
}

/** A type 2 envelope with one field of `transfer` replaced. */
function replaced(index: number, value: Uint8Array | Uint8Array[]): Uint8Array {
  const fields: (Uint8Array | Uint8Array[])[] = rawFields(signTransaction(transfer, key));
  fields[index] = value;
  return concatBytes(Uint8Array.of(2), RLP.encode(fields));
}

const bytesOf = (value: bigint, length: number) => bigIntToFixed(value, length);

test.each<[string, Uint8Array, string, string]>([
  ["nothing", new Uint8Array(0), "malformed", "typed transaction too short"],
  ["a lone type", Uint8Array.of(2), "malformed", "typed transaction too short"],
  ["a blob transaction", Uint8Array.of(3, 0xc0), "blob-transaction", "this chain carries no blobs"],
  ["a deposit", Uint8Array.of(0x7e, 0xc0), "unsupported-type", "deposits (0x7e) come from L1 only"],
  ["a nonce with a leading zero", replaced(1, Uint8Array.of(0, 1)), "malformed", "nonce has a leading zero"],
  ["zero written as a byte", replaced(6, Uint8Array.of(0)), "malformed", "value has a leading zero"],
  ["a 9-byte nonce", replaced(1, new Uint8Array(9).fill(1)), "malformed", "nonce has 9 bytes, at most 8"],
  ["a 33-byte value", replaced(6, new Uint8Array(33).fill(1)), "malformed", "value has 33 bytes, at most 32"],
  ["a 19-byte recipient", replaced(5, new Uint8Array(19).fill(1)), "malformed", "to has 19 bytes instead of 20"],
  ["a list as data", replaced(7, []), "malformed", "data is not a byte string"],
  ["a string as access list", replaced(8, Uint8Array.of(1)), "malformed", "accessList is not a list"],
  ["another chain", replaced(0, Uint8Array.of(1)), "wrong-chain", "invalid chain id for signer: have 1 want 161299"],
  [
    "a legacy transaction of another chain",
    signTransaction({ ...transfer, type: 0, chainId: 1n }, key),
    "wrong-chain",
    "invalid chain id for signer: have 1 want 161299",
  ],
  ["high s", replaced(11, bytesOf(MAX_S + 1n, 32)), "invalid-signature", "invalid transaction v, r, s values"],
  ["zero r", replaced(10, new Uint8Array(0)), "invalid-signature", "invalid transaction v, r, s values"],
  ["y parity 2", replaced(9, Uint8Array.of(2)), "invalid-signature", "invalid transaction v, r, s values"],
  [
    "too many fields",
    concatBytes(Uint8Array.of(2), RLP.encode([...rawFields(signTransaction(transfer, key)), new Uint8Array(0)])),
    "malformed",
    "transaction has 13 fields instead of 12",
  ],
  ["trailing bytes", concatBytes(signTransaction(transfer, key), Uint8Array.of(0)), "malformed", "rlp: trailing bytes"],
  [
    "an oversized one",
    signTransaction({ ...transfer, data: new Uint8Array(MAX_TRANSACTION_BYTES) }, key),
    "oversized",
    `limit ${MAX_TRANSACTION_BYTES}`,
  ],
  [
    "a type 4 creation",
    signTransaction(
      {
        ...transfer,
        type: 4,
        to: undefined,
        authorizationList: [signAuthorization({ chainId: 0n, address: new Uint8Array(20), nonce: 0n }, key)],
      },
      key,
    ),
    "invalid",
    "EIP-7702 transaction cannot be used to create contract",
  ],
  [
    "a type 4 without authorizations",
    signTransaction({ ...transfer, type: 4 }, key),
    "invalid",
    "EIP-7702 transaction with empty auth list",
  ],
])("refuses %s", (_, raw, code, message) => {
  const result = decodeTransaction(raw, CHAIN_ID);
  expect(result).toMatchObject({ ok: false, code });
  expect(!result.ok && result.message).toContain(message);
});

test("largest size that is accepted", () => {
  const overhead = signTransaction({ ...transfer, data: new Uint8Array(70_000) }, key).length - 70_000;
  const raw = signTransaction({ ...transfer, data: new Uint8Array(MAX_TRANSACTION_BYTES - overhead) }, key);
  expect(raw.length).toBeLessThanOrEqual(MAX_TRANSACTION_BYTES);
  expect(raw.length).toBeGreaterThan(MAX_TRANSACTION_BYTES - 3);
  expect(decodeTransaction(raw, CHAIN_ID).ok).toBe(true);
});

test("an authorization's signer", () => {
  fc.assert(
    fc.property(privateKey, (signer) => {
      const authorization = signAuthorization({ chainId: 1n, address: new Uint8Array(20).fill(9), nonce: 3n }, signer);
      expect(recoverAuthority(authorization)).toEqual(addressOf(signer));
      expect(recoverAuthority({ ...authorization, yParity: 2n })).toBeUndefined();
      expect(recoverAuthority({ ...authorization, s: MAX_S + 1n })).toBeUndefined();
      expect(recoverAuthority({ ...authorization, r: 0n })).toBeUndefined();
    }),
    { numRuns: 30 },
  );
});

function expectSame(tx: Transaction, oracle: TypedTransaction): void {
  const json = oracle.toJSON();
  const quantity = (value: bigint): Hex => `0x${value.toString(16)}`;
  expect(tx.type).toBe(oracle.type);
  expect(tx.hash).toEqual(oracle.hash());
  expect(tx.from).toEqual(oracle.getSenderAddress().bytes);
  expect(tx.to).toEqual(oracle.to?.bytes);
  expect(tx.data).toEqual(oracle.data);
  expect(oracle.serialize()).toEqual(tx.raw);
  expect([tx.nonce, tx.gasLimit, tx.value, tx.v, tx.r, tx.s]).toEqual([
    oracle.nonce,
    oracle.gasLimit,
    oracle.value,
    oracle.v,
    oracle.r,
    oracle.s,
  ]);
  expect(quantity(tx.maxFeePerGas)).toBe(json.maxFeePerGas ?? json.gasPrice);
  expect(quantity(tx.maxPriorityFeePerGas)).toBe(json.maxPriorityFeePerGas ?? json.gasPrice);
  expect(
    tx.accessList.map((e) => ({ address: bytesToHex(e.address), storageKeys: e.storageKeys.map(bytesToHex) })),
  ).toEqual(json.accessList ?? []);
  const authorizations = oracle.type === 4 ? (oracle as EOACode7702Tx).authorizationList : [];
  expect(tx.authorizationList).toEqual(
    authorizations.map(([chainId, address, nonce, yParity, r, s]) => ({
      chainId: bytesToBigInt(chainId),
      address,
      nonce: bytesToBigInt(nonce),
      yParity: bytesToBigInt(yParity),
      r: bytesToBigInt(r),
      s: bytesToBigInt(s),
    })),
  );
}
