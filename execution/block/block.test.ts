import { createBlock } from "@ethereumjs/block";
import { createTxFromRLP } from "@ethereumjs/tx";
import { Address } from "@ethereumjs/util";
import { runTx } from "@ethereumjs/vm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TREASURY_ADDRESS } from "../../core/addresses.ts";
import { bigIntToFixed, bytesToHex, EMPTY_BYTES, trimLeadingZeros, ZERO_32 } from "../../core/bytes.ts";
import type { Header, Transaction } from "../../core/chain.ts";
import { KECCAK_EMPTY, keccak256 } from "../../core/crypto.ts";
import type { Precompile } from "../../core/precompile.ts";
import { type ChainRules, DEFAULT_RULES } from "../rules.ts";
import { openStateDatabase } from "../state/database.ts";
import { memoryStore } from "../state/memory-store.ts";
import { EMPTY_TRIE_ROOT } from "../state/trie-node.ts";
import type { SealedState, StateDatabase, StateReader } from "../state/types.ts";
import {
  BLOCK_NUMBER,
  COINBASE,
  CONTRACTS,
  createOracle,
  type GenesisAccount,
  genesis,
  hashOfBlock,
  KEYS,
  loadGenesis,
  plan,
  SENDERS,
  signPlan,
} from "../testing/world.ts";
import { decodeTransaction } from "../tx/decode.ts";
import { MachinePool } from "../tx/machine.ts";
import { signTransaction, type UnsignedTransaction } from "../tx/sign.ts";
import { assembleBlock } from "./assemble.ts";
import { decodeBlock, encodeBlock } from "./block-codec.ts";
import { EMPTY_BLOOM } from "./bloom.ts";
import type { ExecutionParts, ParentBlock } from "./execute.ts";
import { hashHeader, protocolFields } from "./header.ts";
import { importBlock } from "./import.ts";
import { BEACON_ROOTS_ADDRESS, HISTORY_ADDRESS } from "./system-writes.ts";

const CHAIN_ID = 161299n;
const RULES: ChainRules = { ...DEFAULT_RULES, chainId: CHAIN_ID, gasLimit: 5_000_000n, blockBytes: 20_000 };
const { baseFeeRecipient: _, ...BURNING_RULES } = RULES;
const machines = new MachinePool(RULES, []);
const burningMachines = new MachinePool(BURNING_RULES, []);

interface World extends ExecutionParts {
  readonly database: StateDatabase;
  readonly parent: ParentBlock;
  readonly state: SealedState;
}

/** A fresh database whose head is the state of `accounts`, and a parent block above the 256th. */
function world(accounts: readonly GenesisAccount[], rules: ChainRules = RULES, pool = machines): World {
  const database = openStateDatabase({ reader: memoryStore(), headRoot: EMPTY_TRIE_ROOT });
  const layer = database.head.fork();
  loadGenesis(layer, accounts);
  const state = database.seal(layer);
  const header: Header = {
    ...protocolFields,
    parentHash: ZERO_32,
    coinbase: COINBASE,
    stateRoot: state.stateRoot,
    transactionsRoot: EMPTY_TRIE_ROOT,
    receiptsRoot: EMPTY_TRIE_ROOT,
    logsBloom: EMPTY_BLOOM,
    number: BLOCK_NUMBER - 1n,
    gasLimit: rules.gasLimit,
    gasUsed: rules.gasLimit / 2n,
    timestamp: 1_700_000_000n,
    extraData: EMPTY_BYTES,
    prevRandao: ZERO_32,
    baseFeePerGas: 7n,
    withdrawalsRoot: EMPTY_TRIE_ROOT,
    parentBeaconBlockRoot: ZERO_32,
  };
  return {
    rules,
    machines: pool,
    database,
    blockHash: hashOfBlock,
    parent: { hash: hashHeader(header), header },
    state,
  };
}

const rich = (index: number, nonce = 0n): GenesisAccount => ({
  address: SENDERS[index]!,
  nonce,
  balance: 10n ** 18n,
  code: EMPTY_BYTES,
  storage: [],
});

function transfer(index: number, nonce: bigint, fields: Partial<UnsignedTransaction> = {}): Transaction {
  const unsigned: UnsignedTransaction = {
    type: 2,
    chainId: CHAIN_ID,
    nonce,
    gasLimit: 21_000n,
    maxFeePerGas: 1_000_000_000n,
    maxPriorityFeePerGas: 1_000n,
    to: new Uint8Array(20).fill(0x55),
    value: 5n,
    data: EMPTY_BYTES,
    accessList: [],
    authorizationList: [],
    ...fields,
  };
  return decoded(signTransaction(unsigned, KEYS[index]!));
}

function decoded(raw: Uint8Array): Transaction {
  const result = decodeTransaction(raw, CHAIN_ID);
  if (!result.ok) throw new Error(result.message);
  return result.tx;
}

const assemble = (world: World, candidates: Iterable<Transaction>, timestamp = 1_700_000_001n) =>
  assembleBlock({ ...world, candidates, coinbase: COINBASE, timestamp });

/** Signs the plans one by one for the nonces that the ones before left, as a mempool would hold them. */
async function signedPlans(accounts: readonly GenesisAccount[], plans: readonly Parameters<typeof signPlan>[0][]) {
  const transactions: Transaction[] = [];
  for (const each of plans) {
    // The state after what there is so far gives the next nonces.
    const { sealed } = await assemble(world(accounts), transactions);
    transactions.push(decoded(signPlan(each, sealed.fork(), CHAIN_ID)));
  }
  return transactions;
}

describe("random blocks", () => {
  test("import to the same hash, receipts and state on a second database", async () => {
    await fc.assert(
      fc.asyncProperty(genesis, fc.array(plan, { maxLength: 5 }), async (accounts, plans) => {
        const transactions = await signedPlans(accounts, plans);
        const made = await assemble(world(accounts), transactions);
        expect(made.block.transactions.length + made.rejected.length).toBe(transactions.length);
        const other = world(accounts);
        const imported = await importBlock({ ...other, raw: made.raw });
        if (!imported.ok) throw new Error(imported.reason);
        expect(imported.block).toEqual(made.block);
        expect(imported.raw).toEqual(made.raw);
        expect(imported.sealed.stateRoot).toEqual(made.sealed.stateRoot);
      }),
      { numRuns: 25 },
    );
  });

  test("have the state that ethereumjs reaches running the same transactions", async () => {
    await fc.assert(
      fc.asyncProperty(genesis, fc.array(plan, { minLength: 1, maxLength: 5 }), async (accounts, plans) => {
        const here = world(accounts, BURNING_RULES, burningMachines);
        const transactions = await signedPlans(accounts, plans);
        const made = await assemble(here, transactions);
        const { header } = made.block;
        const oracle = await createOracle(BURNING_RULES, accounts);
        const block = createBlock(
          { header: { ...header, coinbase: new Address(header.coinbase), mixHash: header.prevRandao, difficulty: 0n } },
          { common: oracle.common, skipConsensusFormatValidation: true },
        );
        let gasUsed = 0n;
        for (const tx of made.block.transactions) {
          gasUsed += (await runTx(oracle.vm, { tx: createTxFromRLP(tx.raw, { common: oracle.common }), block }))
            .totalGasSpent;
        }
        expect(header.gasUsed).toBe(gasUsed);
        expect(header.stateRoot).toEqual(await oracle.state.getStateRoot());
      }),
      { numRuns: 25 },
    );
  });

  test("leave the parent's state as it was", async () => {
    await fc.assert(
      fc.asyncProperty(genesis, fc.array(plan, { minLength: 1, maxLength: 3 }), async (accounts, plans) => {
        const here = world(accounts);
        const transactions = await signedPlans(accounts, plans);
        const before = accounts.map(({ address }) => here.state.reader.account(address));
        const first = await assemble(here, transactions);
        expect(accounts.map(({ address }) => here.state.reader.account(address))).toEqual(before);
        expect((await assemble(here, transactions)).block.hash).toEqual(first.block.hash);
      }),
      { numRuns: 10 },
    );
  });
});

describe("import refuses", async () => {
  const accounts = [rich(0), rich(1)];
  const made = await assemble(world(accounts), [transfer(0, 0n), transfer(1, 0n), transfer(0, 1n)]);

  const refusal = async (raw: Uint8Array, here = world(accounts)) => {
    const result = await importBlock({ ...here, raw });
    return result.ok ? "accepted" : result.reason;
  };
  const withHeader = (fields: Partial<Header>) =>
    encodeBlock({ header: { ...made.block.header, ...fields }, transactions: made.block.transactions });

  test("nothing about the block itself", async () => {
    expect(await refusal(made.raw)).toBe("accepted");
  });

  const other = { bytes: new Uint8Array(32).fill(9), one: 1n };
  test.each<[keyof Header, Partial<Header>]>([
    ["parentHash", { parentHash: other.bytes }],
    ["uncleHash", { uncleHash: other.bytes }],
    ["stateRoot", { stateRoot: other.bytes }],
    ["transactionsRoot", { transactionsRoot: other.bytes }],
    ["receiptsRoot", { receiptsRoot: other.bytes }],
    ["logsBloom", { logsBloom: new Uint8Array(256).fill(1) }],
    ["difficulty", { difficulty: 1n }],
    ["number", { number: BLOCK_NUMBER + 1n }],
    ["gasLimit", { gasLimit: RULES.gasLimit + 1n }],
    ["gasUsed", { gasUsed: made.block.header.gasUsed + 1n }],
    ["prevRandao", { prevRandao: other.bytes }],
    ["nonce", { nonce: new Uint8Array(8).fill(1) }],
    ["baseFeePerGas", { baseFeePerGas: 8n }],
    ["withdrawalsRoot", { withdrawalsRoot: other.bytes }],
    ["blobGasUsed", { blobGasUsed: 1n }],
    ["excessBlobGas", { excessBlobGas: 1n }],
    ["parentBeaconBlockRoot", { parentBeaconBlockRoot: other.bytes }],
    ["requestsHash", { requestsHash: other.bytes }],
  ])("another %s, by name", async (field, fields) => {
    expect(await refusal(withHeader(fields))).toMatch(new RegExp(`^${field} is .* instead of `));
  });

  test("another coinbase, time or extra data only with the state and hash that follow from it", async () => {
    expect(await refusal(withHeader({ coinbase: SENDERS[2]! }))).toMatch(/^stateRoot is/);
    expect(await refusal(withHeader({ timestamp: 1_699_999_999n }))).toBe(
      "timestamp is 1699999999, before the parent's 1700000000",
    );
    expect(await refusal(withHeader({ extraData: new Uint8Array(33) }))).toContain("extraData has 33 bytes");
    expect(await refusal(withHeader({ extraData: new Uint8Array(32) }))).toBe("accepted");
  });

  test("transactions left out, added, reordered or invalid", async () => {
    const { header, transactions } = made.block;
    const [first, second, third] = transactions as [Transaction, Transaction, Transaction];
    const block = (...list: Transaction[]) => encodeBlock({ header, transactions: list });
    expect(await refusal(block(first, second))).toMatch(/^transactionsRoot is/);
    expect(await refusal(block(second, first, third))).toMatch(/^transactionsRoot is/);
    expect(await refusal(block(third, first, second))).toMatch(/^transaction 0: nonce too high: address 0x/);
    expect(await refusal(block(first, first))).toMatch(/^transaction 1: nonce too low: address 0x/);
    expect(await refusal(block(first, second, third, transfer(2, 0n)))).toMatch(
      /^transaction 3: insufficient funds for gas \* price \+ value: address 0x/,
    );
    const ofChain1 = signTransaction({ ...transfer(0, 0n), type: 2, chainId: 1n }, KEYS[0]!);
    const foreign = { ...transfer(0, 0n), raw: ofChain1 };
    expect(await refusal(block(foreign))).toBe("transaction 0: invalid chain id for signer: have 1 want 161299");
  });

  test("more bytes or gas than a block may have", async () => {
    expect(await refusal(new Uint8Array(RULES.blockBytes + 1))).toBe(
      "block has 20001 bytes, at most 20000 are allowed",
    );
    const big = [0n, 1n].map((nonce) => transfer(0, nonce, { gasLimit: 4_900_000n, to: CONTRACTS[0]! }));
    const burner: GenesisAccount = {
      address: CONTRACTS[0]!,
      nonce: 1n,
      balance: 0n,
      code: Uint8Array.of(0xfe),
      storage: [],
    };
    const here = world([...accounts, burner]);
    const { header } = (await assemble(here, [])).block;
    const reason = await refusal(encodeBlock({ header, transactions: big }), here);
    expect(reason).toBe("transaction 1: gas limit reached: have 100000, want 4900000");
  });

  test("any flipped bit", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(made.raw.length - 1), fc.nat(7), async (at, bit) => {
        const raw = Uint8Array.from(made.raw);
        raw[at]! ^= 1 << bit;
        const result = await importBlock({ ...world(accounts), raw });
        // Only the extra data and the time are free, and this block has none of the one and one bit of the other.
        if (result.ok) {
          const { header } = result.block;
          expect({ ...header, timestamp: 0n }).toEqual({ ...made.block.header, timestamp: 0n });
          expect(result.raw).toEqual(raw);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("random bytes", async () => {
    const here = world(accounts);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 700 }), async (raw) => {
        expect((await importBlock({ ...here, raw })).ok).toBe(false);
      }),
    );
  });
});

describe("assembly", () => {
  test("leaves out what is invalid in its turn, says why, and goes on", async () => {
    const candidates = [
      transfer(0, 0n),
      transfer(0, 2n),
      transfer(1, 0n, { maxFeePerGas: 6n, maxPriorityFeePerGas: 0n }),
      transfer(2, 0n),
      transfer(0, 1n),
      transfer(0, 1n, { value: 6n }),
      transfer(1, 0n, { gasLimit: 20_999n }),
      transfer(1, 0n, { maxFeePerGas: 10n, maxPriorityFeePerGas: 11n }),
    ];
    const { block, rejected } = await assemble(world([rich(0), rich(1)]), candidates);
    expect(block.transactions).toEqual([candidates[0], candidates[4]]);
    expect(rejected.map(({ transaction, code }) => [candidates.indexOf(transaction), code])).toEqual([
      [1, "nonce-too-high"],
      [2, "fee-cap-too-low"],
      [3, "insufficient-funds"],
      [5, "nonce-too-low"],
      [6, "intrinsic-gas"],
      [7, "tip-above-fee-cap"],
    ]);
    const sender = bytesToHex(SENDERS[0]!);
    expect(rejected[0]!.message).toBe(`nonce too high: address ${sender}, tx: 2 state: 1`);
    expect(rejected[4]!.message).toBe("intrinsic gas too low: have 20999, want 21000");
  });

  test("keeps to the gas and the bytes of a block, tells the source to skip the sender, and lists nobody as rejected", async () => {
    const heavy = { data: new Uint8Array(9_000).fill(1), gasLimit: 500_000n };
    const skipped: number[] = [];
    let given = 0;
    const list = [transfer(0, 0n, heavy), transfer(0, 1n, heavy), transfer(0, 2n, heavy), transfer(1, 0n)];
    const candidates = {
      *[Symbol.iterator]() {
        for (const tx of list) {
          given++;
          yield tx;
        }
      },
      skipSender: () => void skipped.push(given - 1),
    };
    const { block, raw, rejected } = await assemble(world([rich(0), rich(1)]), candidates);
    expect(block.transactions).toEqual([list[0], list[1], list[3]]);
    expect(skipped).toEqual([2]);
    expect(raw.length).toBeLessThanOrEqual(RULES.blockBytes);
    expect(rejected).toEqual([]);
  });

  test("stops when its time is over", async () => {
    let asked = 0;
    const { block } = await assembleBlock({
      ...world([rich(0)]),
      candidates: [0n, 1n, 2n, 3n].map((nonce) => transfer(0, nonce)),
      coinbase: COINBASE,
      timestamp: 1_700_000_000n,
      isOutOfTime: () => ++asked > 2,
    });
    expect(block.transactions.length).toBe(2);
  });

  test("takes one transaction even when its time was over before it began", async () => {
    const { block } = await assembleBlock({
      ...world([rich(0)]),
      candidates: [0n, 1n].map((nonce) => transfer(0, nonce)),
      coinbase: COINBASE,
      timestamp: 1_700_000_000n,
      isOutOfTime: () => true,
    });
    expect(block.transactions.length).toBe(1);
  });

  test("moves every wei: base fee to the treasury, tip to the coinbase", async () => {
    const here = world([rich(0), rich(1)]);
    const { block, sealed } = await assemble(here, [transfer(0, 0n), transfer(1, 0n)]);
    const balance = (reader: StateReader, address: Uint8Array) => reader.account(address)?.balance ?? 0n;
    expect(block.header.gasUsed).toBe(42_000n);
    expect(balance(sealed.reader, TREASURY_ADDRESS)).toBe(7n * 42_000n);
    expect(balance(sealed.reader, COINBASE)).toBe(1_000n * 42_000n);
    const involved = [SENDERS[0]!, SENDERS[1]!, COINBASE, TREASURY_ADDRESS, new Uint8Array(20).fill(0x55)];
    const total = (reader: StateReader) => involved.reduce((sum, address) => sum + balance(reader, address), 0n);
    expect(total(sealed.reader)).toBe(total(here.state.reader));
  });

  test("refuses a time before the parent's and too much extra data", async () => {
    await expect(assemble(world([]), [], 1_699_999_999n)).rejects.toThrow(
      "block time 1699999999 is before the parent's",
    );
    const tooMuch = {
      ...world([]),
      candidates: [],
      coinbase: COINBASE,
      timestamp: 1_700_000_000n,
      extraData: new Uint8Array(33),
    };
    await expect(assembleBlock(tooMuch)).rejects.toThrow("extra data has 33 bytes");
  });

  test("a transaction whose execution breaks is left out and changes nothing", async () => {
    const broken: Precompile = {
      address: bigIntToFixed(0x901n, 20),
      name: "broken",
      run() {
        throw new TypeError("a defect");
      },
    };
    const native: GenesisAccount = {
      address: broken.address,
      nonce: 1n,
      balance: 0n,
      code: Uint8Array.of(0xfe),
      storage: [],
    };
    // Without calldata: stores 1 and holds it transiently, calls the precompile. With: stores what is held transiently.
    const fails = [
      0x60, 1, 0x5f, 0x55, 0x60, 1, 0x5f, 0x5d, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x61, 0x09, 0x01, 0x5a, 0xf1, 0,
    ];
    const code = Uint8Array.of(0x36, 0x60, fails.length + 4, 0x57, ...fails, 0x5b, 0x5f, 0x5c, 0x5f, 0x55);
    const caller: GenesisAccount = { address: CONTRACTS[0]!, nonce: 1n, balance: 0n, code, storage: [] };
    const accounts = [rich(0), rich(1), native, caller];
    const pool = new MachinePool(RULES, [broken]);
    const bad = transfer(0, 0n, { to: CONTRACTS[0]!, gasLimit: 200_000n });
    const before = transfer(1, 0n);
    const after = transfer(1, 1n, { to: CONTRACTS[0]!, gasLimit: 200_000n, data: Uint8Array.of(1) });
    const made = await assemble(world(accounts, RULES, pool), [before, bad, after]);
    expect(made.block.transactions).toEqual([before, after]);
    expect(made.rejected).toEqual([{ transaction: bad, code: "faulty", message: "TypeError: a defect" }]);
    const without = await assemble(world(accounts, RULES, pool), [before, after]);
    expect(made.block.hash).toEqual(without.block.hash);
  });

  test("two blocks in the making do not disturb each other", async () => {
    const accounts = fc.sample(genesis, 1)[0]!;
    const plans = fc.sample(plan, 12);
    const transactions = await signedPlans(accounts, plans);
    const alone = await assemble(world(accounts), transactions);
    const [one, two] = await Promise.all([
      assemble(world(accounts), transactions),
      assemble(world(accounts), transactions),
    ]);
    expect(one.block.hash).toEqual(alone.block.hash);
    expect(two.block.hash).toEqual(alone.block.hash);
  });
});

describe("system state", () => {
  const system = (address: Uint8Array): GenesisAccount => ({
    address,
    nonce: 1n,
    balance: 0n,
    code: Uint8Array.of(0x00),
    storage: [],
  });
  const slot = (value: bigint) => bigIntToFixed(value, 32);

  test("the parent's hash is in the history contract (EIP-2935), the beacon root in its contract (EIP-4788)", async () => {
    const here = world([system(HISTORY_ADDRESS), system(BEACON_ROOTS_ADDRESS)]);
    const root = new Uint8Array(32).fill(0xbe);
    const { sealed, block } = await assembleBlock({
      ...here,
      candidates: [],
      coinbase: COINBASE,
      timestamp: 1_700_000_007n,
      parentBeaconBlockRoot: root,
    });
    expect(block.header.parentBeaconBlockRoot).toEqual(root);
    expect(sealed.reader.storage(HISTORY_ADDRESS, slot((BLOCK_NUMBER - 1n) % 8_191n))).toEqual(
      trimLeadingZeros(here.parent.hash),
    );
    const at = 1_700_000_007n % 8_191n;
    expect(sealed.reader.storage(BEACON_ROOTS_ADDRESS, slot(at))).toEqual(trimLeadingZeros(slot(1_700_000_007n)));
    expect(sealed.reader.storage(BEACON_ROOTS_ADDRESS, slot(at + 8_191n))).toEqual(root);
  });

  test("nothing is written where the contracts are not", async () => {
    const here = world([]);
    const { sealed } = await assemble(here, []);
    expect(sealed.stateRoot).toEqual(here.state.stateRoot);
  });

  test("withdrawalsRoot is the message passer's storage root", async () => {
    const passer = bigIntToFixed(0x4200000000000000000000000000000000000016n, 20);
    // Stores 1 under the caller's value.
    const code = Uint8Array.of(0x60, 1, 0x34, 0x55);
    const here = world([rich(0), { address: passer, nonce: 1n, balance: 0n, code, storage: [] }]);
    const empty = await assemble(here, []);
    expect(empty.block.header.withdrawalsRoot).toEqual(EMPTY_TRIE_ROOT);
    const { block, sealed } = await assemble(here, [transfer(0, 0n, { to: passer, gasLimit: 100_000n })]);
    expect(block.receipts[0]!.status).toBe(1);
    expect(block.header.withdrawalsRoot).toEqual(sealed.storageRoot(passer));
    expect(block.header.withdrawalsRoot).not.toEqual(EMPTY_TRIE_ROOT);
  });
});

test("an empty block on an empty state: the constants of Ethereum", async () => {
  const { block } = await assemble(world([]), []);
  expect(bytesToHex(block.header.uncleHash)).toBe("0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347");
  expect(bytesToHex(block.header.transactionsRoot)).toBe(
    "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
  );
  expect(block.header.gasLimit).toBe(RULES.gasLimit);
  expect(keccak256()).toEqual(KECCAK_EMPTY);
  expect(decodeBlock(encodeBlock(block), CHAIN_ID)).toMatchObject({ ok: true });
});
