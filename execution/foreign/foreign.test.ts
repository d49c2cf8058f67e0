/** Chains that @ethereumjs/vm made over its own Merkle state, replayed over ours. */
import { createBlockHeader } from "@ethereumjs/block";
import { Mainnet } from "@ethereumjs/common";
import { MerkleStateManager } from "@ethereumjs/statemanager";
import { Account, Address } from "@ethereumjs/util";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { bytesToHex, trimLeadingZeros } from "../../core/bytes.ts";
import type { ExecutedBlock } from "../../core/chain.ts";
import { encodeBlock } from "../block/block-codec.ts";
import { hashHeader } from "../block/header.ts";
import { orderedRoot } from "../block/ordered-root.ts";
import { encodeReceipt } from "../block/receipt-codec.ts";
import { openStateDatabase } from "../state/database.ts";
import { memoryStore } from "../state/memory-store.ts";
import {
  FOREIGN_CHAIN_ID,
  LAST_AMSTERDAM_BLOCK,
  LAST_BLOCK,
  type MadeChain,
  MERGE_BLOCK,
  makeForeignChain,
} from "../testing/foreign-chain.ts";
import { decodeForeignBlock } from "./block.ts";
import { ForeignExecutor, InvalidForeignBlock } from "./execute.ts";
import { FORK_BLOCK_KEYS, Forks } from "./forks.ts";
import {
  buildForeignGenesis,
  ForeignGenesisError,
  isForeignGenesis,
  parseForeignGenesis,
  parseJson,
} from "./genesis.ts";
import { baseFeeAfter, blobTerms, excessBlobGasAfter } from "./header-rules.ts";

/** What a replay of the blocks comes to, by our executor and state. */
async function replay({ genesis, blocks }: MadeChain): Promise<ExecutedBlock[]> {
  const parsed = parseForeignGenesis(parseJson(genesis));
  const forks = new Forks(parsed.schedule);
  const store = memoryStore();
  const first = buildForeignGenesis(parsed, forks, store);
  first.stageState(store);
  const database = openStateDatabase({ reader: store, headRoot: first.block.header.stateRoot });
  const done = [first.block];
  const executor = new ForeignExecutor(forks, database, (number) => done[Number(number)]!.hash);
  for (const raw of blocks) {
    const parent = done.at(-1)!;
    const { block, sealed } = await executor.execute(raw, parent, database.head);
    database.stage(sealed, store);
    database.committed(sealed);
    expect(bytesToHex(sealed.stateRoot)).toBe(bytesToHex(block.header.stateRoot));
    done.push(block);
  }
  return done;
}

let made: MadeChain;
let done: readonly ExecutedBlock[];
beforeAll(async () => {
  made = await makeForeignChain(7);
  done = await replay(made);
});

describe("a chain across all forks", () => {
  test("comes to the same states, whatever its programs do", async () => {
    expect(done).toHaveLength(Number(LAST_BLOCK) + 1);
    const [seed] = fc.sample(fc.integer({ min: 0 }), 1);
    await expect(replay(await makeForeignChain(seed!, { transactionsABlock: 2 }))).resolves.toHaveLength(done.length);
  });

  test("goes on to Amsterdam, whose headers say more", async () => {
    const chain = await makeForeignChain(9, { isAmsterdam: true });
    const blocks = await replay(chain);
    expect(blocks).toHaveLength(Number(LAST_AMSTERDAM_BLOCK) + 1);
    const { header, hash } = blocks.at(-1)!;
    expect([header.slotNumber, header.fieldCount]).toEqual([LAST_AMSTERDAM_BLOCK + 1_000n, undefined]);
    expect(hashHeader(header)).toEqual(hash);
    for (const block of blocks.slice(-3)) {
      expect(orderedRoot(block.receipts.map(encodeReceipt))).toEqual(block.header.receiptsRoot);
    }
    // An access list that is another's is found out.
    const [first, last] = chain.blocks.slice(-2) as [Uint8Array, Uint8Array];
    const other = Uint8Array.from(first);
    const at = Buffer.from(other).indexOf(blocks.at(-2)!.header.blockAccessListHash!);
    other[at]! ^= 1;
    const wrong = { ...chain, blocks: [...chain.blocks.slice(0, -2), other, last] };
    await expect(replay(wrong)).rejects.toThrow(/invalid block access list hash/);
  });

  test("has receipts whose root is the header's, with a state root in them until Byzantium", () => {
    for (const { header, receipts } of done) {
      expect(orderedRoot(receipts.map(encodeReceipt))).toEqual(header.receiptsRoot);
    }
    const withState = done.filter(({ receipts }) => receipts.some(({ postState }) => postState !== undefined));
    expect(withState.map(({ header }) => Number(header.number))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test("decodes to what encodes to the same bytes", () => {
    const { forks } = chainOf(made);
    made.blocks.forEach((raw, index) => {
      const { receipts: _, ...block } = done[index + 1]!;
      expect(decodeForeignBlock(raw, forks)).toEqual({ ok: true, block });
      expect(encodeBlock(block)).toEqual(raw);
    });
  });

  test("has everything in it that forks brought", () => {
    const types = new Set(done.flatMap(({ transactions }) => transactions.map(({ type }) => type)));
    expect(types).toEqual(new Set([0, 1, 2, 3, 4]));
    expect(new Set(done.map(({ header }) => header.fieldCount))).toEqual(new Set([15, 16, 17, 20, undefined]));
    const uncles = done.filter(({ foreign }) => foreign!.uncles.length > 0);
    // One of them is older than London, which its nephew is not.
    expect(
      uncles.some(({ header, foreign }) => header.fieldCount === 16 && foreign!.uncles[0]!.fieldCount === 15),
    ).toBe(true);
    expect(uncles.every(({ header }) => header.number < MERGE_BLOCK)).toBe(true);
    expect(done.at(-1)!.foreign!.withdrawals).toHaveLength(2);
    expect(done.some(({ foreign }) => foreign!.blobBaseFee > 1n)).toBe(true);
  });
});

const chainOf = ({ genesis }: MadeChain) => {
  const parsed = parseForeignGenesis(parseJson(genesis));
  return { parsed, forks: new Forks(parsed.schedule) };
};

const higher =
  (field: "baseFeePerGas" | "excessBlobGas" | "blobGasUsed") =>
  ({ header }: ExecutedBlock) => ({
    [field]: header[field] + 1n,
  });
const gasLimitAfter =
  (change: bigint) =>
  ({ header }: ExecutedBlock) => ({ gasLimit: header.gasLimit + change });

/** EIP-4844 and what came after it, on Ethereum's own schedule, as ethereumjs has it. */
test("property: blob gas and base fees go on from any parent as ethereumjs says", () => {
  const times = { shanghaiTime: 0, cancunTime: 10, pragueTime: 20, osakaTime: 30, bpo1Time: 40, bpo2Time: 50 };
  const blocks = Object.fromEntries(FORK_BLOCK_KEYS.map((key) => [key, 0]));
  const config = { chainId: 1, eip155Block: 0, ...blocks, ...times };
  const { schedule } = parseForeignGenesis(parseJson(JSON.stringify({ config, gasLimit: 1, alloc: {} })));
  const forks = new Forks(schedule);
  const gasLimit = fc.bigInt({ min: 5_000n, max: 10n ** 8n });
  const blobs = fc.oneof(fc.nat(30), fc.nat(100_000)).map((count) => BigInt(count) * 131_072n);
  fc.assert(
    fc.property(
      fc.integer({ min: 10, max: 60 }),
      fc.integer({ min: 0, max: 10 }),
      fc.tuple(gasLimit, fc.bigInt({ min: 0n, max: 1_000n }), fc.bigInt({ min: 7n, max: 10n ** 12n })),
      fc.tuple(blobs, fc.nat(21)),
      (timestamp, later, [limit, used, baseFeePerGas], [excessBlobGas, count]) => {
        const common = (time: number) =>
          forks.common(forks.forkOf({ number: 5n, timestamp: BigInt(time), difficulty: 0n }));
        const parent = {
          gasLimit: limit,
          gasUsed: (limit * used) / 1_000n,
          baseFeePerGas,
          excessBlobGas,
          blobGasUsed: BigInt(count) * 131_072n,
        };
        const options = { common: common(timestamp), skipConsensusFormatValidation: true };
        const reference = createBlockHeader({ ...parent, number: 5n, timestamp: BigInt(timestamp) }, options);
        const child = common(timestamp + later);
        const excess = reference.calcNextExcessBlobGas(child);
        expect(excessBlobGasAfter(parent, child)).toBe(excess);
        expect(blobTerms({ excessBlobGas: excess }, child).blobBaseFee).toBe(reference.calcNextBlobGasPrice(child));
        expect(baseFeeAfter(parent)).toBe(reference.calcNextBaseFee());
      },
    ),
  );
});

describe("a block that is not valid", () => {
  /** The made block n with another header field, executed on the true parent. */
  const refusal = async (number: number, change: (block: ExecutedBlock) => Partial<ExecutedBlock["header"]>) => {
    const { parsed, forks } = chainOf(made);
    const store = memoryStore();
    const first = buildForeignGenesis(parsed, forks, store);
    first.stageState(store);
    const database = openStateDatabase({ reader: store, headRoot: first.block.header.stateRoot });
    const executor = new ForeignExecutor(forks, database, (at) => done[Number(at)]!.hash);
    const block = done[number]!;
    const raw = encodeBlock({ ...block, header: { ...block.header, ...change(block) } });
    return executor.execute(raw, done[number - 1]!, database.head).catch((error: Error) => error);
  };

  test.each([
    ["stateRoot", /state/i, { stateRoot: new Uint8Array(32) }],
    ["receiptsRoot", /receipt/i, { receiptsRoot: new Uint8Array(32) }],
    ["gasUsed", /gasUsed/i, { gasUsed: 1n }],
    ["logsBloom", /bloom/i, { logsBloom: new Uint8Array(256).fill(1) }],
    ["transactionsRoot", /transaction trie/i, { transactionsRoot: new Uint8Array(32) }],
    ["uncleHash", /uncle/i, { uncleHash: new Uint8Array(32) }],
    ["number", /does not follow block 0/, { number: 2n }],
    ["parentHash", /its parent is 0x/, { parentHash: new Uint8Array(32) }],
  ] as const)("is refused for its %s", async (_field, reason, change) => {
    const error = await refusal(1, () => change);
    expect(error).toBeInstanceOf(InvalidForeignBlock);
    expect((error as Error).message).toMatch(reason);
    expect((error as Error).message).toMatch(/^block [12] is invalid: .{1,200}$/);
  });

  test.each([
    [
      "gas limit",
      "berlin",
      /its gas limit is 12011718, it must be .* 11718 away from 12000000/,
      gasLimitAfter(11_718n),
    ],
    ["gas limit", "berlin", /its gas limit is 11988282, it/, gasLimitAfter(-11_718n)],
    [
      "gas limit",
      "london",
      /its gas limit is 12000000, .* 23437 away from 24000000/,
      () => ({ gasLimit: 12_000_000n }),
    ],
    ["base fee", "london", /does not have initial base fee/, higher("baseFeePerGas")],
    ["base fee", "shanghai", /its base fee is \d+ instead of \d+/, higher("baseFeePerGas")],
    ["excess blob gas", "cancun", /its excess blob gas is 1 instead of 0/, higher("excessBlobGas")],
    ["excess blob gas", "osaka", /its excess blob gas is \d+ instead of \d+/, higher("excessBlobGas")],
    ["blob gas", "cancun", /its blob gas is \d+ instead of \d+/, higher("blobGasUsed")],
  ] as const)("is refused for its %s, by the rules of %s", async (_field, fork, reason, change) => {
    const { forks } = chainOf(made);
    const number = done.findIndex(({ header }) => forks.forkOf(header) === fork);
    const error = await refusal(number, change);
    expect(error).toBeInstanceOf(InvalidForeignBlock);
    expect((error as Error).message).toMatch(reason);
  });

  test("random bytes are no block", async () => {
    const { forks } = chainOf(made);
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => !decodeForeignBlock(bytes, forks).ok));
  });
});

describe("the fork of a block", () => {
  test("is that which ethereumjs finds on Ethereum's own schedule", () => {
    const names = Mainnet.hardforks.map(({ name, block, timestamp }) => ({ name, block, timestamp }));
    const blockOf = (name: string) => names.find((fork) => fork.name === name)!.block!;
    const keys: Record<string, string> = {
      eip150Block: "tangerineWhistle",
      eip158Block: "spuriousDragon",
      daoForkBlock: "dao",
    };
    const blocks = Object.fromEntries(
      FORK_BLOCK_KEYS.map((key) => [key, blockOf(keys[key] ?? key.replace("Block", ""))]),
    );
    const times = Object.fromEntries(
      ["shanghai", "cancun", "prague", "osaka"].map((name) => [
        `${name}Time`,
        Number(names.find((fork) => fork.name === name)!.timestamp),
      ]),
    );
    const config = { chainId: 1, eip155Block: blocks.eip158Block, daoForkSupport: true, ...blocks, ...times };
    const { schedule } = parseForeignGenesis(parseJson(JSON.stringify({ config, gasLimit: 1, alloc: {} })));
    const forks = new Forks(schedule);
    const common = forks.common("chainstart");
    const merge = blockOf("paris");
    for (const { name, block } of names.slice(1)) {
      if (block === null || name === "mergeNetsplitBlock" || block >= merge) continue;
      for (const number of [block - 1, block, block + 1]) {
        const point = { number: BigInt(number), timestamp: 1n, difficulty: 1n };
        expect(forks.forkOf(point)).toBe(common.getHardforkBy({ blockNumber: number }));
      }
    }
    const after = { number: BigInt(merge), difficulty: 0n };
    expect(forks.forkOf({ ...after, timestamp: BigInt(times.shanghaiTime!) - 1n })).toBe("paris");
    for (const name of ["shanghai", "cancun", "prague", "osaka"]) {
      expect(forks.forkOf({ ...after, timestamp: BigInt(times[`${name}Time`]!) })).toBe(name);
    }
    // Time alone does not merge.
    expect(forks.forkOf({ number: BigInt(merge), difficulty: 1n, timestamp: 2n ** 40n })).toBe("grayGlacier");
  });
});

describe("a genesis file", () => {
  const file = (fields: object = {}, config: object = {}) =>
    JSON.stringify({ config: { chainId: 7, ...config }, gasLimit: "0x1000", difficulty: "0x1", alloc: {}, ...fields });
  const parse = (text: string) => parseForeignGenesis(parseJson(text));
  const BLOCKS = Object.fromEntries(FORK_BLOCK_KEYS.map((key) => [key, 0]));

  test.each([
    ["chainstart", {}, {}],
    ["london", { ...BLOCKS, eip155Block: 0 }, { baseFeePerGas: "0x2a" }],
    ["shanghai", { ...BLOCKS, eip155Block: 0, shanghaiTime: 0 }, {}],
    ["cancun", { ...BLOCKS, eip155Block: 0, shanghaiTime: 0, cancunTime: 0 }, { excessBlobGas: "0x5" }],
    ["prague", { ...BLOCKS, eip155Block: 0, shanghaiTime: 0, cancunTime: 0, pragueTime: 0 }, {}],
  ])("of %s gives the block and state that ethereumjs makes of it", async (fork, config, fields) => {
    const text = file(
      {
        nonce: "0x42",
        timestamp: "1",
        extraData: "0x6f6c",
        coinbase: `0x${"11".repeat(20)}`,
        ...fields,
        alloc: {
          ["aa".repeat(20)]: { balance: "1000", nonce: "0x5" },
          [`0x${"bb".repeat(20)}`]: {
            balance: 0,
            code: "0x6001",
            storage: { "0x1": "0xff", [`0x${"00".repeat(32)}`]: "0x" },
          },
          ["cc".repeat(20)]: { balance: "0x0" },
        },
      },
      config,
    );
    const genesis = parse(text);
    const forks = new Forks(genesis.schedule);
    const common = forks.newCommon(fork);
    const state = new MerkleStateManager({ common });
    for (const { address, balance, nonce, code, storage } of genesis.alloc) {
      const at = new Address(address);
      await state.putAccount(at, new Account(nonce, balance));
      if (code.length > 0) await state.putCode(at, code);
      for (const [slot, value] of storage) await state.putStorage(at, slot, trimLeadingZeros(value));
    }
    const header = createBlockHeader(
      {
        stateRoot: await state.getStateRoot(),
        difficulty: 1n,
        gasLimit: 0x1000n,
        timestamp: 1n,
        nonce: "0x0000000000000042",
        extraData: "0x6f6c",
        coinbase: `0x${"11".repeat(20)}`,
        ...(common.isActivatedEIP(1559) && { baseFeePerGas: "baseFeePerGas" in fields ? 42n : 1_000_000_000n }),
        ...("excessBlobGas" in fields && { excessBlobGas: 5n }),
      },
      { common, skipConsensusFormatValidation: true },
    );
    const { block } = buildForeignGenesis(genesis, forks, memoryStore());
    expect(bytesToHex(block.hash)).toBe(bytesToHex(header.hash()));
  });

  test("keeps integers beyond 2^53 exactly, as numbers too", () => {
    const { alloc, schedule } = parse(`{"config": {"chainId": 3503995874084926}, "gasLimit": 1,
      "alloc": {"${"aa".repeat(20)}": {"balance": 1000000000000000000000000001}}}`);
    expect([schedule.chainId, alloc[0]!.balance]).toEqual([3503995874084926n, 10n ** 27n + 1n]);
  });

  test("that cannot be used names every reason", () => {
    const blobSchedule = { osaka: { target: 0, max: 0, baseFeeUpdateFraction: 0 } };
    const text = file(
      { alloc: { ab: {}, ["aa".repeat(20)]: { balance: "many" } } },
      { eip155Block: 1, verkleTime: 5, bpo3Time: 9, chainId: 2 ** 60, blobSchedule },
    );
    const message = (() => {
      try {
        return String(parse(text));
      } catch (error) {
        expect(error).toBeInstanceOf(ForeignGenesisError);
        return (error as Error).message;
      }
    })();
    for (const part of [
      "alloc.ab",
      "balance must be",
      "eip155Block",
      "verkleTime",
      "bpo3Time",
      "above 2^53",
      "osaka.max must",
      "osaka.baseFeeUpdateFraction must",
    ]) {
      expect(message).toContain(part);
    }
  });

  test("of geth's is told from one of ours", () => {
    expect(isForeignGenesis(parseJson(made.genesis))).toBe(true);
    expect(isForeignGenesis({ alloc: {}, validators: [] })).toBe(false);
    expect(chainOf(made).forks.chainId).toBe(FOREIGN_CHAIN_ID);
  });
});
