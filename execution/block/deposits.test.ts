import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Deposit, encodeDeposit, sourceHash } from "../../bridge/deposit.ts";
import { L1_FEE_VAULT_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex, EMPTY_BYTES, hexToBytes, ZERO_32 } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import { keccak256 } from "../../core/crypto.ts";
import { rlpEncode } from "../../core/rlp.ts";
import vectors from "../../test/vectors/deposits.json" with { type: "json" };
import type { StateLayer } from "../state/types.ts";
import {
  attributesOn,
  hashOfL1,
  L1_RULES,
  type L1World,
  l1World,
  ORIGIN,
  rawAttributes,
  START,
} from "../testing/l1-world.ts";
import { ADDRESSES, COINBASE, CONTRACTS, type GenesisAccount, genesis, KEYS, SENDERS } from "../testing/world.ts";
import { decodeTransaction } from "../tx/decode.ts";
import { createdAddress } from "../tx/derive.ts";
import { dataGas, l1DataFee, l1FeeOf, l1FeePrice } from "../tx/l1-fee.ts";
import { signTransaction, type UnsignedTransaction } from "../tx/sign.ts";
import { type AssembledBlock, assembleBlock } from "./assemble.ts";
import { encodeBlock } from "./block-codec.ts";
import { importBlock } from "./import.ts";
import { readL1FeeScalars, readL1Origin } from "./l1-origin.ts";
import { encodeReceipt } from "./receipt-codec.ts";
import { completeReceipts } from "./receipts.ts";

const rich = (index: number, balance = 10n ** 18n): GenesisAccount => ({
  address: SENDERS[index]!,
  nonce: 0n,
  balance,
  code: EMPTY_BYTES,
  storage: [],
});

const contract = (code: string): GenesisAccount => ({
  address: CONTRACTS[0]!,
  nonce: 1n,
  balance: 0n,
  code: hexToBytes(code as `0x${string}`),
  storage: [],
});
/** revert(0, 0) after an SSTORE. */
const REVERTER = contract("0x6001600055600080fd");

function transfer(index: number, nonce: bigint, fields: Partial<UnsignedTransaction> = {}): Transaction {
  const raw = signTransaction(
    {
      type: 2,
      chainId: L1_RULES.chainId,
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
    },
    KEYS[index]!,
  );
  const decoded = decodeTransaction(raw, L1_RULES.chainId);
  if (!decoded.ok) throw new Error(decoded.message);
  return decoded.tx;
}

let serial = 0n;
const deposit = (fields: Partial<Deposit> = {}): Uint8Array =>
  encodeDeposit({
    sourceHash: sourceHash("user", ORIGIN.hash, serial++),
    from: new Uint8Array(20).fill(0x11),
    to: new Uint8Array(20).fill(0x22),
    mintWei: 0n,
    valueWei: 0n,
    gasLimit: 100_000n,
    isSystem: false,
    data: EMPTY_BYTES,
    ...fields,
  });

const PREV_RANDAO = keccak256(Uint8Array.of(1));
const BEACON_ROOT = keccak256(Uint8Array.of(2));

const assemble = (
  world: L1World,
  deposits: readonly Uint8Array[],
  candidates: readonly Transaction[] = [],
  timestamp = START + 1n,
): Promise<AssembledBlock> =>
  assembleBlock({
    ...world,
    candidates,
    deposits,
    coinbase: COINBASE,
    timestamp,
    prevRandao: PREV_RANDAO,
    parentBeaconBlockRoot: BEACON_ROOT,
  });

/** Assembles on one database and imports on another. Gives the block after both agree. */
async function agreed(
  accounts: readonly GenesisAccount[],
  deposits: (world: L1World) => readonly Uint8Array[],
  candidates: readonly Transaction[] = [],
) {
  const world = l1World(accounts);
  const made = await assemble(world, deposits(world), candidates);
  const imported = await importBlock({ ...l1World(accounts), raw: made.raw });
  expect(imported).toMatchObject({ ok: true, raw: made.raw, block: made.block });
  return { ...made, world, layer: made.sealed.fork() };
}

const withUsers =
  (...users: readonly Uint8Array[]) =>
  (world: L1World) => [rawAttributes(attributesOn(world, 1n)), ...users];

describe("the L1 origin", () => {
  test("is what the attributes say, and its header fields are the block's", async () => {
    const { world, block, sealed } = await agreed([], (each) => [rawAttributes(attributesOn(each, 3n))]);
    expect(readL1Origin(world.state.reader)).toMatchObject({ ...ORIGIN, sequenceNumber: 0n });
    expect(readL1Origin(sealed.reader)).toEqual(attributesOn(world, 3n));
    expect(block.header).toMatchObject({ prevRandao: PREV_RANDAO, parentBeaconBlockRoot: BEACON_ROOT });
    expect(block.receipts[0]).toMatchObject({ type: 0x7e, status: 1, depositNonce: 0n, effectiveGasPrice: 0n });
  });

  test("stays for a block, which counts it", async () => {
    const { world, sealed } = await agreed([], (each) => [rawAttributes(attributesOn(each))]);
    expect(readL1Origin(sealed.reader)).toEqual(attributesOn(world));
    expect(readL1Origin(sealed.reader).sequenceNumber).toBe(1n);
  });

  test("scalars that are governed above 32 bits count as the most that fits", () => {
    const { state } = l1World([], { baseFeeScalar: 2n ** 40n, blobBaseFeeScalar: 2n ** 32n - 1n });
    const most = 2n ** 32n - 1n;
    expect(readL1FeeScalars(state.reader)).toEqual({ baseFeeScalar: most, blobBaseFeeScalar: most });
  });
});

describe("a block is refused, by assembly and import alike,", () => {
  const world = l1World([rich(0)]);
  const good = rawAttributes(attributesOn(world, 1n));
  const fields = (advance: bigint, changed: Parameters<typeof attributesOn>[2]) =>
    rawAttributes(attributesOn(world, advance, changed));

  const cases: [string, readonly Uint8Array[], RegExp][] = [
    ["without attributes", [], /first transaction is not the L1 attributes/],
    ["with a user's deposit first", [deposit()], /transaction 0: L1 attributes: they are not from the depositor/],
    ["with a system transaction", [good, deposit({ isSystem: true })], /transaction 1: a deposit that is a system/],
    [
      "with other scalars",
      [fields(1n, { baseFeeScalar: 1n })],
      /scalars of the L1 fee are 1 and 810949 instead of 1368/,
    ],
    ["with an older origin", [fields(0n, { number: 99n })], /L1 origin 99 is before the parent's 100/],
    ["33 L1 blocks later", [fields(33n, { timestamp: START })], /origin advances by 33, at most 32/],
    ["with another hash of the same origin", [fields(0n, { hash: hashOfL1(5n) })], /L1 origin 100 is 0x.* instead of/],
    [
      "with another time of the same origin",
      [fields(0n, { timestamp: 1n })],
      /origin's time is 1 instead of the parent's/,
    ],
    ["that does not count", [fields(0n, { sequenceNumber: 0n })], /sequence number is 0 instead of 1/],
    ["that counts on with a new origin", [fields(1n, { sequenceNumber: 1n })], /sequence number is 1 instead of 0/],
    ["with deposits but no new origin", [fields(0n, {}), deposit()], /1 deposits of users without a new L1 origin/],
    ["before its origin's time", [fields(1n, { timestamp: START + 2n })], /timestamp is .*, before the L1 origin's/],
    [
      "of several L1 blocks with too much gas",
      [fields(2n, {}), deposit({ gasLimit: 2_000_000n }), deposit({ gasLimit: 500_001n })],
      /deposits of 2 L1 blocks demand 2500001 gas, more than half/,
    ],
    [
      "of several L1 blocks with too many bytes",
      [fields(2n, {}), deposit({ data: new Uint8Array(60_000), gasLimit: 1_000_000n })],
      /deposits of 2 L1 blocks take .* bytes, more than half/,
    ],
  ];

  test.each(cases)("%s", async (_, deposits, reason) => {
    await expect(assemble(world, deposits)).rejects.toThrow(reason);
    const { block } = await assemble(world, [good]);
    const transactions = deposits.map((raw) => ({ type: 0x7e, raw }) as Transaction);
    const result = await importBlock({ ...world, raw: encodeBlock({ header: block.header, transactions }) });
    expect(result).toMatchObject({ ok: false, reason: expect.stringMatching(reason) });
  });

  test("with exactly as much as several L1 blocks may demand it is not", async () => {
    const limits = [deposit({ gasLimit: 2_000_000n }), deposit({ gasLimit: 500_000n })];
    await expect(assemble(world, [fields(2n, {}), ...limits])).resolves.toMatchObject({ rejected: [] });
    const one = deposit({ gasLimit: 3_000_000n });
    await expect(assemble(world, [good, one])).resolves.toMatchObject({ rejected: [] });
  });

  test("with a deposit after another transaction", async () => {
    const { block } = await assemble(world, [good], [transfer(0, 0n)]);
    const [attributes, user] = block.transactions as [Transaction, Transaction];
    const late = { type: 0x7e, raw: deposit() } as Transaction;
    const raw = encodeBlock({ header: block.header, transactions: [attributes, user, late] });
    expect(await importBlock({ ...world, raw })).toEqual({
      ok: false,
      reason: "transaction 2: a deposit after transaction 1, which is none",
    });
  });

  test("with transactions of users too long after the origin, which assembly leaves out", async () => {
    const late = START + 582n; // the origin's time is START - 18
    const at = (timestamp: bigint) => assemble(world, [good], [transfer(0, 0n)], timestamp);
    expect((await at(late)).block.transactions).toHaveLength(2);
    const drifted = await at(late + 1n);
    expect(drifted.block.transactions).toHaveLength(1);
    const { transactions } = (await at(late)).block;
    const raw = encodeBlock({ header: drifted.block.header, transactions });
    expect(await importBlock({ ...world, raw })).toEqual({
      ok: false,
      reason: "transactions of users although the L1 origin is 601 seconds old, more than 600",
    });
  });

  test("with deposits on a chain without an L1, or with header fields of one", async () => {
    const { l1: _, ...rules } = L1_RULES;
    const without = { ...world, rules };
    await expect(assemble(without, [good])).rejects.toThrow("transaction 0: a deposit on a chain without an L1");
    const { block } = await assemble(world, [good]);
    const header = { ...block.header, prevRandao: ZERO_32, parentBeaconBlockRoot: ZERO_32 };
    const encoded = (fields: Partial<typeof header>) =>
      encodeBlock({ header: { ...header, ...fields }, transactions: block.transactions });
    const reason = "transaction 0: a deposit on a chain without an L1";
    expect(await importBlock({ ...without, raw: encoded({}) })).toEqual({ ok: false, reason });
    for (const field of ["prevRandao", "parentBeaconBlockRoot"] as const) {
      const result = await importBlock({ ...without, raw: encoded({ [field]: BEACON_ROOT }) });
      expect(result).toMatchObject({ ok: false, reason: expect.stringMatching(`^${field} is `) });
    }
  });

  test("when the attributes could not be written", async () => {
    const layer = world.state.fork();
    const account = layer.account(hexToBytes("0x4200000000000000000000000000000000000015"))!;
    const codeHash = layer.addCode(Uint8Array.of(0xfe));
    layer.setAccount(hexToBytes("0x4200000000000000000000000000000000000015"), { ...account, codeHash });
    const broken = { ...world, state: world.database.seal(layer) };
    await expect(assemble(broken, [good])).rejects.toThrow("the L1 attributes failed: invalid opcode");
    const { raw } = await assemble(world, [good]);
    const result = await importBlock({ ...broken, raw });
    expect(result).toMatchObject({ ok: false, reason: "transaction 0: the L1 attributes failed: invalid opcode" });
  });
});

describe("a deposit", () => {
  const FROM = new Uint8Array(20).fill(0x11);
  const TO = new Uint8Array(20).fill(0x22);
  const balance = (layer: StateLayer, address: Uint8Array) => layer.account(address)?.balance ?? 0n;

  test("mints, sends, and costs nothing but gas of the block", async () => {
    const { block, layer } = await agreed([], withUsers(deposit({ mintWei: 1_000n, valueWei: 400n })));
    expect([balance(layer, FROM), balance(layer, TO), layer.account(FROM)!.nonce]).toEqual([600n, 400n, 1n]);
    expect(block.receipts[1]).toMatchObject({ status: 1, gasUsed: 21_000n, depositNonce: 0n });
    expect(block.receipts[1]).not.toHaveProperty("l1Fee");
    expect(block.header.gasUsed).toBe(block.receipts[1]!.cumulativeGasUsed);
    expect([balance(layer, COINBASE), balance(layer, L1_FEE_VAULT_ADDRESS)]).toEqual([0n, 0n]);
  });

  const failing: [string, Partial<Deposit>, bigint][] = [
    ["that sends more than there is", { valueWei: 1_001n }, 100_000n],
    ["with too little gas to begin", { gasLimit: 20_999n }, 20_999n],
    ["with no gas at all", { gasLimit: 0n }, 0n],
    ["below the floor of its data", { data: new Uint8Array(100).fill(1), gasLimit: 24_999n }, 24_999n],
    ["with too much init code", { to: undefined, data: new Uint8Array(49_153), gasLimit: 3_000_000n }, 3_000_000n],
    ["with more gas than the block has left", { gasLimit: 4_999_999n }, 0n],
  ];
  test.each(failing)("%s fails and keeps the mint", async (_, fields, gasUsed) => {
    const { block, layer } = await agreed([], withUsers(deposit({ mintWei: 1_000n, ...fields }), deposit()));
    const [attributes, receipt] = block.receipts;
    expect(receipt).toMatchObject({ status: 0, logs: [], depositNonce: 0n });
    expect(receipt!.gasUsed).toBe(
      gasUsed === 0n && fields.gasLimit !== 0n ? 5_000_000n - attributes!.gasUsed : gasUsed,
    );
    expect([balance(layer, FROM), balance(layer, TO)]).toEqual([1_000n, 0n]);
    // The next one of the same sender.
    expect(block.receipts[2]!.depositNonce).toBe(1n);
    expect(layer.account(FROM)!.nonce).toBe(2n);
  });

  test("that reverts keeps the mint, and its gas is what was used", async () => {
    const { block, layer } = await agreed(
      [REVERTER],
      withUsers(deposit({ mintWei: 1_000n, valueWei: 400n, to: CONTRACTS[0]! })),
    );
    expect(block.receipts[1]!.status).toBe(0);
    expect(block.receipts[1]!.gasUsed).toBeLessThan(100_000n);
    expect([balance(layer, FROM), balance(layer, CONTRACTS[0]!)]).toEqual([1_000n, 0n]);
    expect(layer.storage(CONTRACTS[0]!, ZERO_32)).toEqual(EMPTY_BYTES);
    expect(layer.account(FROM)!.nonce).toBe(1n);
  });

  test("creates at the address of its nonce, also from an account with code", async () => {
    const create = { from: CONTRACTS[0]!, to: undefined, data: hexToBytes("0x60016000526001601ff3") };
    const { block, layer } = await agreed([REVERTER], withUsers(deposit(create), deposit(create)));
    block.receipts.slice(1).forEach((receipt, index) => {
      expect(receipt).toMatchObject({ status: 1, depositNonce: 1n + BigInt(index) });
      expect(receipt.contractAddress).toEqual(createdAddress(CONTRACTS[0]!, 1n + BigInt(index)));
      expect(layer.code(layer.account(receipt.contractAddress!)!.codeHash)).toEqual(Uint8Array.of(1));
    });
  });

  test("may have more gas than a transaction may (EIP-7825 is not for deposits)", async () => {
    const rules = { ...L1_RULES, gasLimit: 60_000_000n };
    const parent = (world: L1World) => ({ ...world.parent, header: { ...world.parent.header, gasLimit: 60_000_000n } });
    const world = l1World();
    const big = { ...world, rules, parent: parent(world) };
    const { block } = await assemble(big, withUsers(deposit({ gasLimit: 20_000_000n }))(world));
    expect(block.receipts[1]!.status).toBe(1);
  });

  test("that cannot be executed at all for a defect is included as failed, and the defect is told", async () => {
    const world = l1World();
    const faults: unknown[] = [];
    const failure = new Error("a defect");
    const broken = {
      ...world,
      onFault: (_: Transaction, error: unknown) => faults.push(error),
      machines: Object.create(world.machines, {
        borrow: {
          value: (...args: Parameters<L1World["machines"]["borrow"]>) => {
            const machine = world.machines.borrow(...args);
            const runCall = machine.evm.runCall.bind(machine.evm);
            machine.evm.runCall = (options) =>
              options.to?.bytes[0] === 0x22 ? Promise.reject(failure) : runCall(options);
            return machine;
          },
        },
        giveBack: { value: () => undefined },
      }) as L1World["machines"],
    };
    const { block, sealed } = await assemble(broken, withUsers(deposit({ mintWei: 5n, valueWei: 5n }))(world));
    expect(faults).toEqual([failure]);
    expect(block.receipts[1]).toMatchObject({ status: 0, gasUsed: 100_000n });
    expect(sealed.reader.account(FROM)).toMatchObject({ balance: 5n, nonce: 1n });
  });

  test("has a receipt that ends with its nonce and 1", async () => {
    const { block } = await agreed([], withUsers(deposit()));
    const { cumulativeGasUsed, logsBloom } = block.receipts[1]!;
    const payload = rlpEncode([1n, cumulativeGasUsed, logsBloom, [], 0n, 1n]);
    expect(encodeReceipt(block.receipts[1]!)).toEqual(Uint8Array.of(0x7e, ...payload));
  });
});

describe("the L1 data fee", () => {
  const PRICE = l1FeePrice(attributesOn(l1World()));

  test("is charged on top of gas, goes to the vault, and is in the receipt", async () => {
    const call = transfer(1, 0n, { to: CONTRACTS[0]!, gasLimit: 100_000n });
    const txs = [transfer(0, 0n), call];
    const { block, layer } = await agreed([rich(0), rich(1), REVERTER], withUsers(), txs);
    expect(block.receipts.slice(1).map(({ status }) => status)).toEqual([1, 0]);
    let vault = 0n;
    txs.forEach((tx, index) => {
      const { gasUsed, effectiveGasPrice, l1Fee } = block.receipts[index + 1]!;
      expect(l1Fee).toBe(l1DataFee(tx.raw, PRICE));
      expect(l1Fee).toBeGreaterThan(0n);
      vault += l1Fee!;
      const sent = index === 0 ? 5n : 0n;
      expect(layer.account(tx.from)!.balance).toBe(10n ** 18n - gasUsed * effectiveGasPrice - l1Fee! - sent);
    });
    expect(layer.account(L1_FEE_VAULT_ADDRESS)!.balance).toBe(vault);
  });

  test("must be there to the wei", async () => {
    const tx = transfer(0, 0n);
    const needed = 21_000n * tx.maxFeePerGas + 5n + l1DataFee(tx.raw, PRICE);
    const exact = await agreed([rich(0, needed)], withUsers(), [tx]);
    expect(exact.block.transactions).toHaveLength(2);
    const short = await agreed([rich(0, needed - 1n)], withUsers(), [tx]);
    expect(short.rejected).toMatchObject([{ code: "insufficient-funds" }]);
    expect(short.rejected[0]!.message).toContain(`have ${needed - 1n} want ${needed}`);
  });

  test("is zero in the receipt where the scalars are, and absent without an L1", async () => {
    const free = { baseFeeScalar: 0n, blobBaseFeeScalar: 0n };
    const world = l1World([rich(0)], free);
    const { block } = await assemble(world, [rawAttributes(attributesOn(world, 0n, free))], [transfer(0, 0n)]);
    expect(block.receipts[1]!.l1Fee).toBe(0n);
    const { l1: _, ...rules } = L1_RULES;
    const without = await assembleBlock({
      ...world,
      rules,
      candidates: [transfer(0, 0n)],
      coinbase: COINBASE,
      timestamp: START,
    });
    expect(without.block.receipts[0]).not.toHaveProperty("l1Fee");
  });

  test("the vectors", () => {
    for (const { raw, dataGas: gas, feeWei, ...fields } of vectors.fees) {
      const price = l1FeePrice({
        baseFeeWei: BigInt(fields.baseFeeWei),
        blobBaseFeeWei: BigInt(fields.blobBaseFeeWei),
        baseFeeScalar: BigInt(fields.baseFeeScalar),
        blobBaseFeeScalar: BigInt(fields.blobBaseFeeScalar),
      });
      const bytes = hexToBytes(raw as `0x${string}`);
      expect(dataGas(bytes)).toBe(BigInt(gas));
      expect(l1FeeOf(BigInt(gas), price)).toBe(BigInt(feeWei));
      expect(l1DataFee(bytes, price)).toBe(BigInt(feeWei));
    }
  });
});

const anyDeposit: fc.Arbitrary<Deposit> = fc.record({
  sourceHash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  from: fc.constantFrom(...SENDERS, ...CONTRACTS, new Uint8Array(20).fill(0x77)),
  to: fc.option(fc.constantFrom(...ADDRESSES, ...CONTRACTS, ...CONTRACTS, ...CONTRACTS), { freq: 6, nil: undefined }),
  mintWei: fc.constantFrom(0n, 1n, 1_000n, 10n ** 18n),
  valueWei: fc.constantFrom(0n, 1n, 999n, 10n ** 18n, 10n ** 25n),
  gasLimit: fc.oneof(fc.constant(200_000n), fc.bigInt({ min: 0n, max: 60_000n })),
  isSystem: fc.constant(false),
  data: fc.uint8Array({ maxLength: 60 }),
});

test("property: assembly and import agree on random deposits; nothing comes from nowhere", async () => {
  let failed = 0;
  let succeeded = 0;
  await fc.assert(
    fc.asyncProperty(genesis, fc.array(anyDeposit, { minLength: 1, maxLength: 8 }), async (accounts, deposits) => {
      const { block, layer, world } = await agreed(accounts, withUsers(...deposits.map(encodeDeposit)), [
        transfer(0, 0n),
      ]);
      expect(block.receipts).toHaveLength(block.transactions.length);
      const nonces = new Map<string, bigint>();
      deposits.forEach(({ from }, index) => {
        const receipt = block.receipts[index + 1]!;
        if (receipt.status === 1) succeeded++;
        else failed++;
        expect(receipt.depositNonce).toBeGreaterThanOrEqual(nonces.get(bytesToHex(from)) ?? 0n);
        nonces.set(bytesToHex(from), receipt.depositNonce! + 1n);
      });
      // Everybody whose balance can have changed: created accounts and those that programs name.
      const everyone = new Map<string, Uint8Array>();
      const note = (address: Uint8Array | undefined) => address && everyone.set(bytesToHex(address), address);
      for (const address of [...ADDRESSES, L1_FEE_VAULT_ADDRESS, L1_RULES.baseFeeRecipient]) note(address);
      for (const { from, to } of deposits) for (const address of [from, to]) note(address);
      for (const { contractAddress } of block.receipts) note(contractAddress);
      for (const { to } of block.transactions) note(to);
      const before = world.state.fork();
      const sum = (state: StateLayer) =>
        [...everyone.values()].reduce((total, each) => total + (state.account(each)?.balance ?? 0n), 0n);
      const minted = deposits.reduce((total, { mintWei }) => total + mintWei, 0n);
      const changed = sum(layer) - sum(before);
      // Programs create contracts elsewhere and destroy them: what they hold is not seen here, nothing comes from nowhere.
      expect(changed).toBeLessThanOrEqual(minted);
      // What is stored of receipts is enough to have them back.
      const known = block.receipts.map(({ status, cumulativeGasUsed, logsBloom, logs, depositNonce }) => ({
        status,
        cumulativeGasUsed,
        logsBloom,
        logs,
        ...(depositNonce !== undefined && { depositNonce }),
      }));
      expect(completeReceipts(block.header, block.transactions, known)).toEqual(block.receipts);
    }),
    { numRuns: 40 },
  );
  expect(succeeded).toBeGreaterThan(10);
  expect(failed).toBeGreaterThan(10);
});

test("property: between plain accounts the sum of all balances changes by exactly the mints", async () => {
  const plain = fc.array(
    anyDeposit.map((each) => ({
      ...each,
      from: SENDERS[Number(each.mintWei % 3n)]!,
      to: SENDERS[Number(each.gasLimit % 5n)]!,
    })),
    { minLength: 1, maxLength: 10 },
  );
  await fc.assert(
    fc.asyncProperty(plain, async (deposits) => {
      const accounts = SENDERS.map((_, index) => rich(index));
      const txs = [transfer(3, 0n), transfer(4, 0n)];
      const { block, layer } = await agreed(accounts, withUsers(...deposits.map(encodeDeposit)), txs);
      const known = [
        ...SENDERS,
        COINBASE,
        L1_FEE_VAULT_ADDRESS,
        L1_RULES.baseFeeRecipient!,
        new Uint8Array(20).fill(0x55),
      ];
      const total = known.reduce((sum, each) => sum + (layer.account(each)?.balance ?? 0n), 0n);
      const minted = deposits.reduce((sum, { mintWei }) => sum + mintWei, 0n);
      expect(total).toBe(5n * 10n ** 18n + minted);
      const used = block.transactions.length;
      const nonces = SENDERS.reduce((sum, each) => sum + layer.account(each)!.nonce, 0n);
      expect(nonces).toBe(BigInt(used - 1));
    }),
    { numRuns: 40 },
  );
});
