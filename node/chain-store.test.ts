import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bigIntToFixed, concatBytes, EMPTY_BYTES, equalsBytes, ZERO_32 } from "../core/bytes.ts";
import type { ExecutedBlock } from "../core/chain.ts";
import { type RlpInput, rlpEncode } from "../core/rlp.ts";
import { memoryStore } from "../execution/state/memory-store.ts";
import type { KeyValueReader } from "../execution/state/types.ts";
import { initCode } from "../execution/testing/programs.ts";
import { CONTRACTS, genesis, KEYS, plan, SENDERS, signPlan } from "../execution/testing/world.ts";
import { signAuthorization } from "../execution/tx/sign.ts";
import { PRECOMPILES } from "../precompiles/table.ts";
import { logsOf, readBlockLogs } from "./block-logs.ts";
import { Chain } from "./chain.ts";
import {
  blockDecoder,
  readBlock,
  readBlockHash,
  readHead,
  readNumber,
  readSchema,
  readTransactionPlace,
  requireGenesis,
  SCHEMA_VERSION,
  stageSchema,
} from "./chain-store.ts";
import { DataError } from "./errors.ts";
import { CHAIN_ID, contract, decoded, extend, FakeStore, rich, signed, testGenesis } from "./testing/world.ts";

const blockKey = (number: bigint) => concatBytes(Uint8Array.of(0x10), bigIntToFixed(number, 8));
const recordKey = (number: bigint) => concatBytes(Uint8Array.of(0x11), bigIntToFixed(number, 8));
const HEAD_KEY = Uint8Array.of(0x14);
const SCHEMA_KEY = Uint8Array.of(0x15);

function expectStored(reader: KeyValueReader, block: ExecutedBlock): void {
  const { number } = block.header;
  expect(readBlock(reader, number, blockDecoder(CHAIN_ID))).toEqual(block);
  expect(readBlockHash(reader, number)).toEqual(block.hash);
  expect(readNumber(reader, block.hash)).toBe(number);
  block.transactions.forEach((tx, index) => {
    expect(readTransactionPlace(reader, tx.hash)).toEqual({ number, index });
  });
  expectLogs(reader, block);
}

/** As they lie in the store, and as those of the block: the same answers to the same questions. */
function expectLogs(reader: KeyValueReader, block: ExecutedBlock): void {
  const told: unknown[] = [];
  const stored = readBlockLogs(reader, block.header.number, (logs) => told.push(logs))!;
  const decoded = logsOf(block);
  expect(told).toEqual([]);
  const { number, timestamp, logsBloom } = block.header;
  expect([stored.header, stored.hash]).toEqual([{ number, timestamp, logsBloom }, block.hash]);
  expect(stored.transactionCount).toBe(decoded.transactionCount);
  expect(block.transactions.map((_, index) => stored.transactionHash(index))).toEqual(
    block.transactions.map((tx) => tx.hash),
  );
  const logs = block.receipts.flatMap((receipt) => receipt.logs);
  const addresses = logs.map(({ address }) => address);
  const topics = [ZERO_32, ...logs.flatMap((log) => log.topics)];
  for (const each of [stored, decoded]) {
    expect(each.logCount).toBe(logs.length);
    const of = block.receipts.flatMap((receipt, index) => receipt.logs.map(() => index));
    expect(logs.map((_, i) => each.transactionOf(i))).toEqual(of);
    logs.forEach((log, i) => {
      expect(each.log(i)).toEqual(log);
      expect(each.topicCount(i)).toBe(log.topics.length);
      for (const one of addresses) expect(each.isFrom(i, one)).toBe(equalsBytes(one, log.address));
      for (const one of topics) {
        for (let at = 0; at < 4; at++) {
          expect(each.hasTopic(i, at, one)).toBe(at < log.topics.length && equalsBytes(one, log.topics[at]!));
        }
      }
    });
  }
  expect(told).toEqual([stored]);
}

/** LOG4 with as much data as calldata says, then whatever. */
const LOGGER = contract(
  CONTRACTS[0]!,
  Uint8Array.of(0x60, 4, 0x60, 3, 0x60, 2, 0x60, 1, 0x5f, 0x35, 0x5f, 0xa4, 0x5f, 0x5f, 0xa0),
);
const REVERTER = contract(CONTRACTS[1]!, Uint8Array.of(0x5f, 0x5f, 0xfd));
const word = (value: number) => bigIntToFixed(BigInt(value), 32);

describe("what execution makes reads back the same", () => {
  test("random blocks", async () => {
    await fc.assert(
      fc.asyncProperty(
        genesis,
        fc.array(fc.array(plan, { maxLength: 4 }), { maxLength: 3 }),
        async (accounts, blocks) => {
          const store = new FakeStore();
          const chain = await Chain.open(store, testGenesis(accounts), PRECOMPILES);
          const made = [chain.headBlock];
          for (const plans of blocks) {
            // Each sender once: the nonces that it will have are those it has now.
            const bySender = new Map(plans.map((each) => [each.sender, each]));
            const state = { account: (address: Uint8Array) => chain.headState.account(address) };
            const transactions = [...bySender.values()].map((each) => decoded(signPlan(each, state, CHAIN_ID)));
            made.push((await extend(chain, transactions)).block);
          }
          for (const block of made) expectStored(store.reader, block);
          expect(readHead(store.reader)).toEqual({ number: BigInt(blocks.length), hash: made.at(-1)!.hash });
        },
      ),
      { numRuns: 100 },
    );
  });

  test("every type, a creation, failures, logs with topics and much data, a full block, an empty one", async () => {
    const store = new FakeStore();
    const accounts = [0, 1, 2, 3, 4].map((index) => rich(index));
    const chain = await Chain.open(store, testGenesis([...accounts, LOGGER, REVERTER]), PRECOMPILES);
    const code = initCode(Uint8Array.of(0x00));
    const delegation = signAuthorization({ chainId: CHAIN_ID, address: CONTRACTS[0]!, nonce: 0n }, KEYS[4]!);
    const gas = { gasLimit: 400_000n };
    const accessList = [{ address: CONTRACTS[0]!, storageKeys: [word(1), word(2)] }];
    const price = { maxFeePerGas: 2_000n, maxPriorityFeePerGas: 2_000n };
    const { block } = await extend(chain, [
      signed(0, 0n, { type: 0, chainId: undefined, ...price }),
      signed(0, 1n, { type: 0, ...price }),
      signed(0, 2n, { type: 1, accessList, to: CONTRACTS[0]!, data: word(5_000), ...price, ...gas }),
      signed(1, 0n, { to: undefined, data: code, value: 0n, ...gas }),
      signed(1, 1n, { to: undefined, data: Uint8Array.of(0xfe), value: 0n, ...gas }),
      signed(2, 0n, { to: CONTRACTS[1]!, value: 0n, ...gas }),
      signed(2, 1n, { to: CONTRACTS[0]!, data: word(0), gasLimit: 22_000n, value: 0n }),
      signed(3, 0n, { type: 4, authorizationList: [delegation], to: SENDERS[4]!, data: word(3), value: 0n, ...gas }),
    ]);
    expect(block.transactions.map(({ type }) => type)).toEqual([0, 0, 1, 2, 2, 2, 2, 4]);
    expect(block.receipts.map(({ status }) => status)).toEqual([1, 1, 1, 1, 0, 0, 0, 1]);
    expect(block.receipts[2]!.logs.map(({ topics, data }) => [topics.length, data.length])).toEqual([
      [4, 5_000],
      [0, 0],
    ]);
    expect(block.receipts[3]!.contractAddress).toHaveLength(20);
    expectStored(store.reader, block);
    const full = await extend(
      chain,
      Array.from({ length: 300 }, (_, i) =>
        signed(0, 3n + BigInt(i), { data: new Uint8Array(100).fill(i), gasLimit: 30_000n }),
      ),
    );
    expect(full.block.transactions.length).toBeGreaterThan(150);
    expectStored(store.reader, full.block);
    expectStored(store.reader, (await extend(chain, [])).block);
  });
});

async function smallChain(): Promise<FakeStore> {
  const store = new FakeStore();
  const chain = await Chain.open(store, testGenesis([rich(0), LOGGER]), PRECOMPILES);
  await extend(chain, [signed(0, 0n), signed(0, 1n, { to: CONTRACTS[0]!, data: word(40), gasLimit: 100_000n })]);
  return store;
}

/** A reader in which one key has another value. */
function altered(reader: KeyValueReader, key: Uint8Array, value: Uint8Array | undefined): KeyValueReader {
  const name = key.join();
  return { get: (asked) => (asked.join() === name ? value : reader.get(asked)) };
}

describe("damage", () => {
  test("no change of a stored block or its receipts goes unnoticed", async () => {
    const { reader } = await smallChain();
    const damage = fc.oneof(
      fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })).map(([at, xor]) => (bytes: Uint8Array) => {
        const changed = bytes.slice();
        changed[at % bytes.length]! ^= xor;
        return changed;
      }),
      fc.nat().map((length) => (bytes: Uint8Array) => bytes.slice(0, length % bytes.length)),
      fc.uint8Array({ minLength: 1, maxLength: 40 }).map((more) => (bytes: Uint8Array) => concatBytes(bytes, more)),
      fc.uint8Array({ maxLength: 400 }).map((other) => () => other),
      fc.constant(() => undefined),
    );
    fc.assert(
      fc.property(fc.constantFrom(blockKey(1n), recordKey(1n)), damage, (key, change) => {
        const broken = altered(reader, key, change(reader.get(key)!));
        expect(() => readBlock(broken, 1n, blockDecoder(CHAIN_ID))).toThrow(DataError);
        expect(() => readBlock(broken, 1n, blockDecoder(CHAIN_ID))).toThrow(/damaged: block 1 .*--fresh/);
      }),
      { numRuns: 500 },
    );
  });

  test("a block or its receipts missing", async () => {
    const { reader } = await smallChain();
    expect(() => readBlock(altered(reader, blockKey(1n), undefined), 1n, blockDecoder(CHAIN_ID))).toThrow(
      "block 1 is half there",
    );
    expect(() => readBlock(altered(reader, recordKey(1n), undefined), 1n, blockDecoder(CHAIN_ID))).toThrow(
      "block 1 is half there",
    );
    expect(readBlock(reader, 2n, blockDecoder(CHAIN_ID))).toBeUndefined();
    expect(readBlockHash(reader, 2n)).toBeUndefined();
  });

  test("records that no program of ours writes, under a right checksum", async () => {
    const { reader } = await smallChain();
    const raw = reader.get(blockKey(1n))!;
    const read = (record: Uint8Array, block = raw, number = 1n) => {
      const sum = bigIntToFixed(BigInt(crc32(record, crc32(block))), 4);
      const changed = altered(reader, recordKey(number), concatBytes(sum, record));
      return () => readBlock(altered(changed, blockKey(number), block), number, blockDecoder(CHAIN_ID));
    };
    const senders = new Uint8Array(40).fill(7);
    const receipt: RlpInput = [1n, 21_000n, []];
    const good = rlpEncode([senders, [receipt, receipt]]);
    expect(read(good)()?.receipts).toHaveLength(2);
    const unreadable: RlpInput[] = [
      EMPTY_BYTES,
      [],
      [senders],
      [[], [receipt, receipt]],
      [senders, senders],
      [senders, [receipt, senders]],
      [senders, [receipt, [1n, 21_000n]]],
      [senders, [receipt, [300n, 21_000n, []]]],
      [senders, [receipt, [1n, new Uint8Array(9).fill(1), []]]],
      [senders, [receipt, [1n, 1n, [[EMPTY_BYTES, [], EMPTY_BYTES]]]]],
      [senders, [receipt, [1n, 1n, [[new Uint8Array(20), [EMPTY_BYTES], EMPTY_BYTES]]]]],
      [senders, [receipt, [1n, 1n, [[new Uint8Array(20), [], []]]]]],
    ];
    for (const record of unreadable)
      expect(read(rlpEncode(record))).toThrow(/damaged: block 1 has unreadable receipts/);
    expect(read(Uint8Array.of(0xc1))).toThrow("block 1 has unreadable receipts");
    expect(read(rlpEncode([senders, [receipt]]))).toThrow("block 1 has another number of receipts");
    expect(read(rlpEncode([senders.slice(1), [receipt, receipt]]))).toThrow("block 1 has another number of receipts");
    expect(read(good, Uint8Array.of(1, 2))).toThrow("block 1 cannot be decoded");
    expect(read(good, raw, 5n)).toThrow("block 5 has the header of block 1");
  });

  test("a block's hash is not taken from damaged bytes", async () => {
    const { reader } = await smallChain();
    const key = blockKey(1n);
    const raw = reader.get(key)!;
    const flipped = raw.slice();
    flipped[20]! ^= 1;
    expect(() => readBlockHash(altered(reader, key, flipped), 1n)).toThrow("block 1 does not match its hash");
    expect(() => readBlockHash(altered(reader, key, raw.slice(0, 9)), 1n)).toThrow("block 1 cannot be decoded");
    expect(() => readBlockHash(altered(reader, key, Uint8Array.of(0xc0)), 1n)).toThrow(
      "block 1 does not match its hash",
    );
  });

  test("malformed indexes, head and schema each give one line", async () => {
    const { reader } = await smallChain();
    const block = readBlock(reader, 1n, blockDecoder(CHAIN_ID))!;
    const short = Uint8Array.of(1, 2, 3);
    const hashKey = concatBytes(Uint8Array.of(0x12), block.hash);
    const txHash = block.transactions[0]!.hash;
    const txKey = concatBytes(Uint8Array.of(0x13), txHash);
    expect(() => readNumber(altered(reader, hashKey, short), block.hash)).toThrow(DataError);
    expect(() => readTransactionPlace(altered(reader, txKey, short), txHash)).toThrow(DataError);
    expect(() => readHead(altered(reader, HEAD_KEY, short))).toThrow("damaged: its head record is malformed");
    expect(() => readSchema(altered(reader, SCHEMA_KEY, short))).toThrow("damaged: its schema record is malformed");
    const empty = memoryStore();
    expect([readHead(empty), readSchema(empty), readNumber(empty, block.hash)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(readTransactionPlace(empty, txHash)).toBeUndefined();
  });
});

describe("schema", () => {
  const genesisHash = new Uint8Array(32).fill(9);

  test("names the genesis", () => {
    const store = memoryStore();
    stageSchema(store, genesisHash);
    expect(readSchema(store)).toEqual(genesisHash);
    expect(() => requireGenesis(genesisHash, genesisHash.slice())).not.toThrow();
  });

  test("another version and another genesis are refused with a line that says what to do", () => {
    const store = memoryStore();
    store.put(SCHEMA_KEY, concatBytes(bigIntToFixed(BigInt(SCHEMA_VERSION + 1), 4), genesisHash));
    expect(() => readSchema(store)).toThrow(DataError);
    expect(() => readSchema(store)).toThrow(
      `has schema ${SCHEMA_VERSION + 1}, this program knows ${SCHEMA_VERSION}; use`,
    );
    const other = new Uint8Array(32).fill(8);
    expect(() => requireGenesis(genesisHash, other)).toThrow(DataError);
    expect(() => requireGenesis(genesisHash, other)).toThrow(/genesis 0x0909.*, not 0x0808.*--datadir/);
  });
});
