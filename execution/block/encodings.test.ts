/** Encodings and formulas of blocks against the implementations of @ethereumjs. */
import { createBlockHeader, genTransactionsTrieRoot } from "@ethereumjs/block";
import { createMPT } from "@ethereumjs/mpt";
import { RLP } from "@ethereumjs/rlp";
import { createTxFromRLP } from "@ethereumjs/tx";
import { Bloom, encodeReceipt as encodeReceiptOracle } from "@ethereumjs/vm";
import fc from "fast-check";
import { expect, test } from "vitest";
import { bigIntToFixed, bytesToHex, concatBytes } from "../../core/bytes.ts";
import type { Header, Log } from "../../core/chain.ts";
import { RlpError, rlpDecode, rlpEncode, rlpListOf } from "../../core/rlp.ts";
import { createCommon } from "../common.ts";
import { DEFAULT_RULES } from "../rules.ts";
import { bytes, privateKey, uint, unsignedTransaction } from "../testing/transactions.ts";
import { decodeTransaction } from "../tx/decode.ts";
import { signTransaction } from "../tx/sign.ts";
import { nextBaseFee } from "./base-fee.ts";
import { decodeBlock, encodeBlock } from "./block-codec.ts";
import { EMPTY_BLOOM, logsBloom, unionOfBlooms } from "./bloom.ts";
import { encodeHeader, hashHeader, headerFromRlp, protocolFields } from "./header.ts";
import { orderedRoot } from "./ordered-root.ts";
import { encodeReceipt } from "./receipt-codec.ts";

const CHAIN_ID = 161299n;
const common = createCommon({ hardfork: "prague", chainId: CHAIN_ID }, "own");

const header: fc.Arbitrary<Header> = fc
  .record({
    parentHash: bytes(32),
    coinbase: bytes(20),
    stateRoot: bytes(32),
    transactionsRoot: bytes(32),
    receiptsRoot: bytes(32),
    logsBloom: bytes(256),
    number: uint(50),
    gasLimit: uint(50).map((gas) => gas + 5_000n),
    gasUsed: fc.constant(0n),
    timestamp: uint(50),
    extraData: fc.uint8Array({ maxLength: 32 }),
    prevRandao: bytes(32),
    baseFeePerGas: uint(100),
    withdrawalsRoot: bytes(32),
    parentBeaconBlockRoot: bytes(32),
  })
  .map((fields) => ({ ...protocolFields, ...fields }));
const log: fc.Arbitrary<Log> = fc.record({
  address: bytes(20),
  topics: fc.array(bytes(32), { maxLength: 4 }),
  data: fc.uint8Array({ maxLength: 100 }),
});
const transaction = fc.tuple(unsignedTransaction(CHAIN_ID), privateKey).map(([unsigned, key]) => {
  const decoded = decodeTransaction(signTransaction(unsigned, key), CHAIN_ID);
  if (!decoded.ok) throw new Error(decoded.message);
  return decoded.tx;
});

test("a header encodes and hashes as @ethereumjs/block's, and reads back", () => {
  fc.assert(
    fc.property(header, (fields) => {
      const oracle = createBlockHeader(
        {
          ...fields,
          mixHash: fields.prevRandao,
          transactionsTrie: fields.transactionsRoot,
          receiptTrie: fields.receiptsRoot,
        },
        { common, skipConsensusFormatValidation: true },
      );
      expect(encodeHeader(fields)).toEqual(oracle.serialize());
      expect(hashHeader(fields)).toEqual(oracle.hash());
      expect(headerFromRlp(rlpDecode(encodeHeader(fields)))).toEqual(fields);
    }),
  );
});

test.each([
  [20, "header has 20 fields instead of 21"],
  [22, "header has 22 fields instead of 21"],
])("a header of %d fields is refused", (count, message) => {
  const items = Array.from({ length: count }, () => new Uint8Array(0));
  expect(() => headerFromRlp(items)).toThrow(message);
});

test("a header field of the wrong length, or with a leading zero, is refused by name", () => {
  const [fields] = fc.sample(header, 1);
  const items = rlpDecode(encodeHeader(fields!)) as Uint8Array[];
  const names = [
    "parentHash",
    "uncleHash",
    "coinbase",
    "stateRoot",
    "transactionsRoot",
    "receiptsRoot",
    "logsBloom",
    "difficulty",
    "number",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "extraData",
    "prevRandao",
    "nonce",
    "baseFeePerGas",
    "withdrawalsRoot",
    "blobGasUsed",
    "excessBlobGas",
    "parentBeaconBlockRoot",
    "requestsHash",
  ];
  for (const [i, name] of names.entries()) {
    const wrong = [...items];
    wrong[i] = new Uint8Array(257);
    expect(() => headerFromRlp(wrong), name).toThrow(`rlp: ${name} has 257 bytes`);
    if (
      [
        "difficulty",
        "number",
        "gasLimit",
        "gasUsed",
        "timestamp",
        "baseFeePerGas",
        "blobGasUsed",
        "excessBlobGas",
      ].includes(name)
    ) {
      wrong[i] = Uint8Array.of(0, 7);
      expect(() => headerFromRlp(wrong), name).toThrow(`rlp: ${name} has a leading zero`);
    }
  }
});

test("a bloom sets the bits that @ethereumjs/vm sets", () => {
  fc.assert(
    fc.property(fc.array(log, { maxLength: 4 }), (logs) => {
      const oracle = new Bloom();
      for (const { address, topics } of logs) for (const value of [address, ...topics]) oracle.add(value);
      expect(logsBloom(logs)).toEqual(oracle.bitvector);
      const one = (index: number) => logsBloom(logs.slice(index, index + 1));
      expect(unionOfBlooms(logs.map((_, i) => one(i)))).toEqual(oracle.bitvector);
      expect(EMPTY_BLOOM.every((byte) => byte === 0)).toBe(true);
    }),
  );
});

test("a receipt encodes as @ethereumjs/vm's", () => {
  const type = fc.constantFrom(0, 1, 2, 4);
  fc.assert(
    fc.property(
      type,
      fc.constantFrom<0 | 1>(0, 1),
      uint(60).map((gas) => gas + 1n), // the oracle writes zero as a byte
      fc.array(log, { maxLength: 4 }),
      (type, status, gas, logs) => {
        const bloom = logsBloom(logs);
        const oracle = encodeReceiptOracle(
          {
            status,
            cumulativeBlockGasUsed: gas,
            bitvector: bloom,
            logs: logs.map((l) => [l.address, [...l.topics], l.data]),
          },
          type,
        );
        expect(encodeReceipt({ type, status, cumulativeGasUsed: gas, logsBloom: bloom, logs })).toEqual(oracle);
      },
    ),
  );
});

test("the root of a list is the root of @ethereumjs/mpt's trie, across the index encodings", async () => {
  const lengths = fc.oneof(fc.nat(20), fc.constantFrom(127, 128, 129, 256, 300));
  await fc.assert(
    fc.asyncProperty(lengths, fc.integer({ min: 1, max: 60 }), async (count, size) => {
      const items = Array.from({ length: count }, (_, i) =>
        concatBytes(new Uint8Array(size), bigIntToFixed(BigInt(i), 4)),
      );
      const oracle = await createMPT();
      for (const [i, item] of items.entries()) await oracle.put(RLP.encode(i), item);
      expect(orderedRoot(items)).toEqual(oracle.root());
    }),
    { numRuns: 25 },
  );
});

test("the transactions root is @ethereumjs/block's", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(transaction, { maxLength: 6 }), async (transactions) => {
      const oracle = await genTransactionsTrieRoot(transactions.map((tx) => createTxFromRLP(tx.raw, { common })));
      expect(orderedRoot(transactions.map((tx) => tx.raw))).toEqual(oracle);
    }),
    { numRuns: 20 },
  );
});

test("the base fee follows @ethereumjs/block", () => {
  fc.assert(
    fc.property(
      uint(60),
      fc.bigInt({ min: 5_000n, max: 2n ** 40n }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (baseFeePerGas, gasLimit, fullness) => {
        const gasUsed = (gasLimit * BigInt(Math.round(fullness * 1e6))) / 1_000_000n;
        const oracle = createBlockHeader(
          { number: 1n, baseFeePerGas, gasLimit, gasUsed },
          { common, skipConsensusFormatValidation: true },
        );
        expect(nextBaseFee({ baseFeePerGas, gasLimit, gasUsed }, DEFAULT_RULES)).toBe(oracle.calcNextBaseFee());
      },
    ),
  );
  expect(nextBaseFee({ baseFeePerGas: 7n, gasLimit: 100n, gasUsed: 50n }, DEFAULT_RULES)).toBe(7n);
});

test("a block reads back as it was written, with the hash of its header", () => {
  fc.assert(
    fc.property(header, fc.array(transaction, { maxLength: 5 }), (fields, transactions) => {
      const raw = encodeBlock({ header: fields, transactions });
      const oracle = [
        RLP.decode(encodeHeader(fields)),
        transactions.map((tx) => (tx.type === 0 ? RLP.decode(tx.raw) : tx.raw)),
        [],
        [],
      ];
      expect(raw).toEqual(RLP.encode(oracle as Parameters<typeof RLP.encode>[0]));
      const decoded = decodeBlock(raw, CHAIN_ID);
      expect(decoded).toEqual({ ok: true, block: { hash: hashHeader(fields), header: fields, transactions } });
      const senders = transactions.map((tx) => tx.from);
      expect(decodeBlock(raw, CHAIN_ID, (index) => senders[index]!)).toEqual(decoded);
    }),
    { numRuns: 40 },
  );
});

test("whatever decodes as a block encodes to the same bytes; nothing throws", () => {
  const mutation = fc.record({ at: fc.nat(3_000), byte: fc.integer({ min: 0, max: 255 }) });
  let accepted = 0;
  fc.assert(
    fc.property(header, fc.array(transaction, { maxLength: 2 }), mutation, (fields, transactions, { at, byte }) => {
      const raw = encodeBlock({ header: fields, transactions });
      raw[at % raw.length] = byte;
      const decoded = decodeBlock(raw, CHAIN_ID);
      if (!decoded.ok) return;
      accepted++;
      expect(encodeBlock(decoded.block)).toEqual(raw);
    }),
    { numRuns: 150 },
  );
  expect(accepted).toBeGreaterThan(10);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (raw) => {
      expect(decodeBlock(raw, CHAIN_ID).ok).toBe(false);
    }),
  );
});

test("uncles, withdrawals, missing parts and a legacy transaction in a byte string are refused", () => {
  const [fields] = fc.sample(header, 1);
  const [key] = fc.sample(privateKey, 1);
  const head = encodeHeader(fields!);
  const empty = rlpEncode([]);
  const [typed] = fc.sample(
    unsignedTransaction(CHAIN_ID).filter((tx) => tx.type === 0),
    1,
  );
  const legacy = signTransaction(typed!, key!);
  const reason = (...parts: Uint8Array[]) => {
    const decoded = decodeBlock(rlpListOf(parts), CHAIN_ID);
    return decoded.ok ? "accepted" : decoded.reason;
  };
  expect(reason(head, empty, empty, empty)).toBe("accepted");
  expect(reason(head, empty, empty)).toBe("rlp: block has 3 parts instead of 4");
  expect(reason(head, empty, rlpListOf([head]), empty)).toBe("rlp: block has uncles");
  expect(reason(head, empty, empty, rlpListOf([empty]))).toBe("rlp: block has withdrawals");
  expect(reason(head, rlpListOf([legacy]), empty, empty)).toBe("accepted");
  expect(reason(head, rlpListOf([rlpEncode(legacy)]), empty, empty)).toBe(
    "transaction 0: legacy transaction inside a byte string",
  );
  expect(reason(head, rlpListOf([rlpEncode(Uint8Array.of(0x7e, 1))]), empty, empty)).toContain(
    "transaction 0: rlp: deposit is not a list",
  );
  expect(bytesToHex(empty)).toBe("0xc0");
  expect(new RlpError("x")).toBeInstanceOf(Error);
});
