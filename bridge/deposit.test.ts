import fc from "fast-check";
import { encodeAbiParameters, encodePacked, getAddress, keccak256 as viemKeccak } from "viem";
import {
  getL2TransactionHash,
  getSourceHash,
  opaqueDataToDepositData,
  parseTransaction,
  serializeTransaction,
} from "viem/op-stack";
import { expect, test } from "vitest";
import { aliasAddress } from "../core/addresses.ts";
import { bigIntToFixed, bytesToHex, EMPTY_BYTES, type Hex, hexToBytes, padTo32 } from "../core/bytes.ts";
import type { Log } from "../core/chain.ts";
import { keccak256 } from "../core/crypto.ts";
import { RlpError } from "../core/rlp.ts";
import vectors from "../test/vectors/deposits.json" with { type: "json" };
import {
  DEPOSITED_TOPIC,
  type Deposit,
  DepositLogError,
  decodeDeposit,
  depositFromLog,
  encodeDeposit,
  type SourceDomain,
  sourceHash,
} from "./deposit.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const uint = (bits: number) =>
  fc
    .tuple(fc.bigInt({ min: 0n, max: 2n ** BigInt(bits) - 1n }), fc.nat(bits))
    .map(([value, by]) => value >> BigInt(by));
const anyDeposit: fc.Arbitrary<Deposit> = fc.record({
  sourceHash: bytes(32),
  from: bytes(20),
  to: fc.option(bytes(20), { nil: undefined }),
  mintWei: uint(256),
  valueWei: uint(256),
  gasLimit: uint(64),
  isSystem: fc.boolean(),
  data: fc.oneof(fc.uint8Array({ maxLength: 80 }), fc.uint8Array({ minLength: 200, maxLength: 400 })),
});

/** viem writes the boolean true in a way that RLP does not have. */
const viemRaw = (deposit: Deposit): Hex =>
  serializeTransaction({
    type: "deposit",
    sourceHash: bytesToHex(deposit.sourceHash),
    from: getAddress(bytesToHex(deposit.from)),
    ...(deposit.to !== undefined && { to: getAddress(bytesToHex(deposit.to)) }),
    mint: deposit.mintWei,
    value: deposit.valueWei,
    gas: deposit.gasLimit,
    isSystemTx: false,
    data: bytesToHex(deposit.data),
  });

test("encodes as viem does, and reads back", () => {
  fc.assert(
    fc.property(anyDeposit, (deposit) => {
      const raw = encodeDeposit(deposit);
      expect(decodeDeposit(raw)).toEqual(deposit);
      if (!deposit.isSystem) expect(bytesToHex(raw)).toBe(viemRaw(deposit));
    }),
  );
});

test("viem's parser reads what is encoded here", () => {
  fc.assert(
    fc.property(anyDeposit, (deposit) => {
      const parsed = parseTransaction(bytesToHex(encodeDeposit({ ...deposit, isSystem: false })) as `0x7e${string}`);
      const { gas = 0n, mint = 0n, value = 0n, data = "0x", to } = parsed;
      expect(parsed).toMatchObject({ sourceHash: bytesToHex(deposit.sourceHash), from: bytesToHex(deposit.from) });
      expect({ gas, mint, value }).toEqual({
        gas: deposit.gasLimit,
        mint: deposit.mintWei,
        value: deposit.valueWei,
      });
      expect(data).toBe(bytesToHex(deposit.data));
      expect(to ?? undefined).toBe(deposit.to && bytesToHex(deposit.to));
    }),
  );
});

test("whatever decodes encodes to the same bytes, and all else is an RlpError", () => {
  const mutated = fc
    .tuple(anyDeposit, fc.nat(), fc.integer({ min: 0, max: 255 }), fc.integer({ min: -1, max: 2 }))
    .map(([deposit, at, byte, longer]) => {
      const raw = encodeDeposit(deposit);
      const changed = new Uint8Array(Math.max(0, raw.length + longer));
      changed.set(raw.subarray(0, changed.length));
      changed[at % changed.length] = byte;
      return changed;
    });
  let accepted = 0;
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 120 })), (raw) => {
      let decoded: Deposit;
      try {
        decoded = decodeDeposit(raw);
      } catch (error) {
        expect(error).toBeInstanceOf(RlpError);
        return;
      }
      accepted++;
      expect(encodeDeposit(decoded)).toEqual(raw);
    }),
    { numRuns: 500 },
  );
  expect(accepted).toBeGreaterThan(10);
});

test("source hashes are viem's", () => {
  fc.assert(
    fc.property(bytes(32), fc.nat(), (hash, index) => {
      const l1BlockHash = bytesToHex(hash);
      expect(bytesToHex(sourceHash("user", hash, BigInt(index)))).toBe(
        getSourceHash({ domain: "userDeposit", l1BlockHash, l1LogIndex: index }),
      );
      expect(bytesToHex(sourceHash("l1-attributes", hash, BigInt(index)))).toBe(
        getSourceHash({ domain: "l1InfoDeposit", l1BlockHash, sequenceNumber: index }),
      );
    }),
  );
});

const event = fc.record({
  from: bytes(20),
  to: bytes(20),
  mint: uint(256),
  value: uint(256),
  gas: uint(64),
  isCreation: fc.boolean(),
  data: fc.uint8Array({ maxLength: 100 }),
  l1BlockHash: bytes(32),
  logIndex: fc.nat(100_000),
});

const opaqueOf = ({
  mint,
  value,
  gas,
  isCreation,
  data,
}: typeof event extends fc.Arbitrary<infer E> ? E : never): Hex =>
  encodePacked(["uint256", "uint256", "uint64", "bool", "bytes"], [mint, value, gas, isCreation, bytesToHex(data)]);

const logOf = (from: Uint8Array, to: Uint8Array, opaqueData: Hex): Log => ({
  address: new Uint8Array(20),
  topics: [DEPOSITED_TOPIC, padTo32(from), padTo32(to), new Uint8Array(32)],
  data: hexToBytes(encodeAbiParameters([{ type: "bytes" }], [opaqueData])),
});

test("a log becomes the deposit whose hash viem computes from it", () => {
  fc.assert(
    fc.property(event, (each) => {
      const opaqueData = opaqueOf(each);
      const deposit = depositFromLog(logOf(each.from, each.to, opaqueData), each.l1BlockHash, each.logIndex);
      const args = { from: getAddress(bytesToHex(each.from)), to: getAddress(bytesToHex(each.to)), version: 0n };
      const log = { blockHash: bytesToHex(each.l1BlockHash), logIndex: each.logIndex, args: { ...args, opaqueData } };
      expect(bytesToHex(keccak256(encodeDeposit(deposit)))).toBe(
        getL2TransactionHash({ log: log as Parameters<typeof getL2TransactionHash>[0]["log"] }),
      );
      const { mint, value, gas, isCreation, data } = opaqueDataToDepositData(opaqueData);
      expect(deposit).toMatchObject({ mintWei: mint, valueWei: value, gasLimit: gas, data: hexToBytes(data) });
      expect(deposit.to === undefined).toBe(isCreation);
    }),
  );
});

test("a log that is not as the portal emits it is refused by name", () => {
  const address = new Uint8Array(20).fill(1);
  const opaque = encodePacked(["uint256", "uint256", "uint64", "bool"], [1n, 2n, 3n, false]);
  const good = logOf(address, address, opaque);
  const read = (log: Log) => () => depositFromLog(log, new Uint8Array(32), 0);
  const topics = (at: number, topic: Uint8Array) => ({ ...good, topics: good.topics.with(at, topic) });
  const dirty = Uint8Array.from({ length: 32 }, () => 1);
  expect(read(good)).not.toThrow();
  const cases: [Log, RegExp][] = [
    [topics(0, new Uint8Array(32)), /4 topics, the first is 0x0000/],
    [{ ...good, topics: good.topics.slice(0, 3) }, /3 topics/],
    [topics(1, dirty), /from is no address/],
    [topics(2, dirty), /to is no address/],
    [topics(3, bigIntToFixed(1n, 32)), /version 0x0.*1 is not known/],
    [{ ...good, data: EMPTY_BYTES }, /not the ABI encoding/],
    [{ ...good, data: good.data.subarray(0, 64) }, /not the ABI encoding/],
    [{ ...good, data: good.data.with(31, 0x40) }, /not the ABI encoding/],
    [{ ...good, data: good.data.with(0, 1) }, /not the ABI encoding/],
    [{ ...good, data: good.data.with(32, 1) }, /not the ABI encoding/],
    [{ ...good, data: good.data.with(good.data.length - 1, 1) }, /padding is not zero/],
    [{ ...good, data: good.data.with(64 + 72, 2) }, /isCreation is 2/],
    [logOf(address, address, "0x01"), /opaqueData has 1 bytes/],
  ];
  for (const [log, message] of cases) {
    expect(read(log)).toThrow(DepositLogError);
    expect(read(log)).toThrow(message);
  }
});

test("on random log data it throws nothing but DepositLogError", () => {
  fc.assert(
    fc.property(fc.array(bytes(32), { maxLength: 5 }), fc.uint8Array({ maxLength: 300 }), (rest, data) => {
      try {
        depositFromLog({ address: EMPTY_BYTES, topics: [DEPOSITED_TOPIC, ...rest], data }, new Uint8Array(32), 1);
      } catch (error) {
        expect(error).toBeInstanceOf(DepositLogError);
      }
    }),
  );
});

test("the vectors", () => {
  for (const { domain, l1BlockHash, index, sourceHash: expected } of vectors.sourceHashes) {
    const computed = sourceHash(domain as SourceDomain, hexToBytes(l1BlockHash as Hex), BigInt(index));
    expect(bytesToHex(computed)).toBe(expected);
  }
  for (const each of vectors.deposits) {
    const deposit: Deposit = {
      sourceHash: hexToBytes(each.sourceHash as Hex),
      from: hexToBytes(each.from as Hex),
      to: each.to === null ? undefined : hexToBytes(each.to as Hex),
      mintWei: BigInt(each.mintWei),
      valueWei: BigInt(each.valueWei),
      gasLimit: BigInt(each.gasLimit),
      isSystem: false,
      data: hexToBytes(each.data as Hex),
    };
    expect(bytesToHex(encodeDeposit(deposit))).toBe(each.raw);
    expect(decodeDeposit(hexToBytes(each.raw as Hex))).toEqual(deposit);
    expect(viemKeccak(each.raw as Hex)).toBe(each.hash);
  }
  for (const each of vectors.logs) {
    const log = {
      address: EMPTY_BYTES,
      topics: each.topics.map((t) => hexToBytes(t as Hex)),
      data: hexToBytes(each.data as Hex),
    };
    const deposit = depositFromLog(log, hexToBytes(each.l1BlockHash as Hex), each.logIndex);
    expect(bytesToHex(keccak256(encodeDeposit(deposit)))).toBe(each.hash);
    expect(deposit.to && bytesToHex(deposit.to)).toBe(each.to ?? undefined);
    expect(deposit).toMatchObject({
      from: hexToBytes(each.from as Hex),
      mintWei: BigInt(each.mintWei),
      valueWei: BigInt(each.valueWei),
      gasLimit: BigInt(each.gasLimit),
      data: hexToBytes(each.calldata as Hex),
    });
  }
  for (const { l1Contract, l2 } of vectors.aliases) {
    expect(bytesToHex(aliasAddress(hexToBytes(l1Contract as Hex)))).toBe(l2);
  }
});
