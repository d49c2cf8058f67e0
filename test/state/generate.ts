/**
 * Writes state tests of random programs, in the public format: what is expected comes from @ethereumjs/vm over its own
 * Merkle state, which shares nothing with ours but the schedule of forks.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createBlock } from "@ethereumjs/block";
import { type Common, Hardfork } from "@ethereumjs/common";
import { MerkleStateManager } from "@ethereumjs/statemanager";
import { createTx, type TypedTransaction } from "@ethereumjs/tx";
import { Account, Address } from "@ethereumjs/util";
import { createVM, runTx } from "@ethereumjs/vm";
import fc from "fast-check";
import { bigIntToFixed, bytesToHex, type Hex } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { rlpEncode } from "../../core/rlp.ts";
import { FORK_BLOCK_KEYS, Forks } from "../../execution/foreign/forks.ts";
import { initCode, program } from "../../execution/testing/programs.ts";
import { ADDRESSES, COINBASE, CONTRACTS, KEYS, SENDERS } from "../../execution/testing/world.ts";
import { signAuthorization } from "../../execution/tx/sign.ts";

const CHAIN_ID = 1n;
const NUMBER = 400n;
const GAS_LIMIT = 30_000_000n;
const BASE_FEE = 7n;
const BALANCE = 10n ** 20n;
/** Fork, and whether its transactions may have blobs, authorizations. */
const FORKS = [
  ["Frontier", Hardfork.Chainstart],
  ["Homestead", Hardfork.Homestead],
  ["EIP150", Hardfork.TangerineWhistle],
  ["EIP158", Hardfork.SpuriousDragon],
  ["Byzantium", Hardfork.Byzantium],
  ["ConstantinopleFix", Hardfork.Petersburg],
  ["Istanbul", Hardfork.Istanbul],
  ["Berlin", Hardfork.Berlin],
  ["London", Hardfork.London],
  ["Paris", Hardfork.Paris],
  ["Shanghai", Hardfork.Shanghai],
  ["Cancun", Hardfork.Cancun],
  ["Prague", Hardfork.Prague],
  ["Osaka", Hardfork.Osaka],
] as const;
const FIRST_FORK_OF_TYPE = ["Frontier", "Berlin", "London", "Cancun", "Prague"];

export interface Plan {
  readonly codes: readonly Uint8Array[];
  readonly type: 0 | 1 | 2 | 3 | 4;
  readonly to: Uint8Array | undefined;
  readonly data: readonly [Uint8Array, Uint8Array];
  readonly gasLimit: readonly [bigint, bigint];
  readonly value: readonly [bigint, bigint];
  /** Of the sender's account; anything but 0 is refused. */
  readonly nonce: bigint;
  readonly slots: readonly number[];
}

const code = program(ADDRESSES, NUMBER);
const plan: fc.Arbitrary<Plan> = fc.record({
  codes: fc.array(code, { minLength: CONTRACTS.length, maxLength: CONTRACTS.length }),
  type: fc.constantFrom<Plan["type"]>(0, 0, 1, 2, 3, 4),
  to: fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...CONTRACTS) },
    { weight: 2, arbitrary: fc.constantFrom(...ADDRESSES) },
    { weight: 2, arbitrary: fc.constant(undefined) },
  ),
  data: fc.tuple(
    fc.tuple(code, code).map(([deployed, before]) => initCode(deployed, before)),
    fc.uint8Array({ maxLength: 60 }),
  ),
  gasLimit: fc.tuple(fc.constantFrom(400_000n, 2_000_000n), fc.constantFrom(20_000n, 60_000n)),
  value: fc.tuple(fc.constant(0n), fc.constantFrom(1n, 10n ** 15n, BALANCE)),
  nonce: fc.oneof({ weight: 12, arbitrary: fc.constant(0n) }, { weight: 1, arbitrary: fc.constant(1n) }),
  slots: fc.array(fc.nat(3), { maxLength: 2 }),
});

/** `count` files with a test each, the same for the same seed. */
export async function generateStateTests(folder: string, seed: number, count: number): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const [index, one] of fc.sample(plan, { seed, numRuns: count }).entries()) {
    const name = `random_${seed}_${index}`;
    writeFileSync(join(folder, `${name}.json`), JSON.stringify({ [name]: await stateTest(one) }, undefined, 1));
  }
}

/** A test as it is in a file. */
export async function stateTest(plan: Plan): Promise<object> {
  const hex = (value: bigint): Hex => `0x${value.toString(16)}`;
  const first = FORKS.findIndex(([name]) => name === FIRST_FORK_OF_TYPE[plan.type]);
  const post: Record<string, object[]> = {};
  for (const [name, hardfork] of FORKS.slice(first)) {
    post[name] = [];
    // Each alternative once beside the first of the others.
    for (const [data, gas, value] of [
      [0, 0, 0],
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ] as const) {
      post[name].push({ indexes: { data, gas, value }, ...(await expectation(plan, hardfork, data, gas, value)) });
    }
  }
  const accessList = accessListOf(plan);
  const { to, data, gasLimit, value, nonce, type } = plan;
  return {
    env: {
      currentCoinbase: bytesToHex(COINBASE),
      currentDifficulty: "0x20000",
      currentGasLimit: hex(GAS_LIMIT),
      currentNumber: hex(NUMBER),
      currentTimestamp: "0x3e8",
      currentBaseFee: hex(BASE_FEE),
      currentRandom: bytesToHex(RANDOM),
      currentExcessBlobGas: "0x0",
    },
    pre: Object.fromEntries(
      preAccounts(plan).map(({ address, balance, nonce, code }) => [
        bytesToHex(address),
        {
          balance: hex(balance),
          nonce: hex(nonce),
          code: bytesToHex(code),
          storage: code.length > 0 ? { "0x01": "0x02" } : {},
        },
      ]),
    ),
    transaction: {
      data: data.map((one) => bytesToHex(one)),
      gasLimit: gasLimit.map(hex),
      value: value.map(hex),
      nonce: hex(nonce),
      to: to === undefined ? "" : bytesToHex(to),
      secretKey: bytesToHex(KEYS[0]!),
      sender: bytesToHex(SENDERS[0]!),
      ...(type < 2 ? { gasPrice: "0xa" } : { maxFeePerGas: "0xa", maxPriorityFeePerGas: "0x1" }),
      ...(type > 0 && { accessLists: [accessList, accessList] }),
      ...(type === 3 && { maxFeePerBlobGas: "0xa", blobVersionedHashes: BLOB_HASHES }),
      ...(type === 4 && { authorizationList: authorizations(plan) }),
    },
    post,
  };
}

const RANDOM = keccak256(new Uint8Array(1));
const BLOB_HASHES = [`0x01${"cd".repeat(31)}`] as const;

/** Of the senders, the second has nothing: it is an empty account that the test may touch. */
function preAccounts({ codes }: Plan) {
  const nothing = new Uint8Array(0);
  return [
    { address: SENDERS[0]!, balance: BALANCE, nonce: 0n, code: nothing },
    { address: SENDERS[1]!, balance: 0n, nonce: 0n, code: nothing },
    { address: SENDERS[2]!, balance: 5n, nonce: 3n, code: nothing },
    ...CONTRACTS.map((address, i) => ({ address, balance: 100n, nonce: 1n, code: codes[i]! })),
  ];
}

const accessListOf = ({ slots }: Plan) =>
  slots.map((slot) => ({
    address: bytesToHex(CONTRACTS[slot]!),
    storageKeys: [bytesToHex(bigIntToFixed(BigInt(slot), 32))],
  }));

function authorizations({ slots }: Plan) {
  const hex = (value: bigint): Hex => `0x${value.toString(16)}`;
  return [2, 3].map((key, i) => {
    const unsigned = { chainId: i === 0 ? CHAIN_ID : 0n, address: CONTRACTS[slots[i] ?? i]!, nonce: i === 0 ? 3n : 0n };
    const { chainId, address, nonce, yParity, r, s } = signAuthorization(unsigned, KEYS[key]!);
    return {
      chainId: hex(chainId),
      address: bytesToHex(address),
      nonce: hex(nonce),
      v: hex(yParity),
      yParity: hex(yParity),
      r: hex(r),
      s: hex(s),
    };
  });
}

async function expectation(plan: Plan, hardfork: string, data: 0 | 1, gas: 0 | 1, value: 0 | 1): Promise<object> {
  const blocks = new Map(FORK_BLOCK_KEYS.map((key) => [key, 0n]));
  const rest = { times: new Map(), blobs: new Map(), isClique: false, startBlocks: [], depositContract: undefined };
  const common = new Forks({ chainId: CHAIN_ID, blocks, ...rest }).newCommon(hardfork);
  const state = new MerkleStateManager({ common });
  for (const { address, balance, nonce, code } of preAccounts(plan)) {
    const at = new Address(address);
    await state.putAccount(at, new Account(nonce, balance));
    if (code.length === 0) continue;
    await state.putCode(at, code);
    await state.putStorage(at, bigIntToFixed(1n, 32), Uint8Array.of(2));
  }
  const blockchain = {
    getBlock: async (number: number) => ({ hash: () => keccak256(new TextEncoder().encode(String(number))) }),
    putBlock: async () => {},
    shallowCopy: () => blockchain,
  };
  const parts = { common, stateManager: state };
  const vm = await createVM({ ...parts, evmOpts: { ...parts, blockchain } });
  const has = (eip: number) => common.isActivatedEIP(eip);
  const header = {
    coinbase: new Address(COINBASE),
    gasLimit: GAS_LIMIT,
    number: NUMBER,
    timestamp: 1_000n,
    difficulty: has(4399) ? 0n : 0x20000n,
    ...(has(4399) && { mixHash: RANDOM }),
    ...(has(1559) && { baseFeePerGas: BASE_FEE }),
    ...(has(4844) && { excessBlobGas: 0n }),
  };
  const block = createBlock({ header }, { common, skipConsensusFormatValidation: true });
  let logs: readonly (readonly [Uint8Array, Uint8Array[], Uint8Array])[] = [];
  let refusal: string | undefined;
  let txbytes: Uint8Array | undefined;
  try {
    const tx = transactionOf(plan, common, data, gas, value);
    // Half of the files leave it to the reader to sign.
    if (plan.slots.length > 0) txbytes = tx.serialize();
    logs = (await runTx(vm, { tx, block })).execResult.logs ?? [];
  } catch (error) {
    refusal = (error as Error).message.split(" (")[0];
  }
  const miner = new Address(COINBASE);
  await vm.evm.journal.putAccount(miner, (await state.getAccount(miner)) ?? new Account());
  await vm.evm.journal.cleanup();
  return {
    hash: bytesToHex(await state.getStateRoot()),
    logs: bytesToHex(keccak256(rlpEncode(logs.map(([address, topics, bytes]) => [address, topics, bytes])))),
    ...(txbytes !== undefined && { txbytes: bytesToHex(txbytes) }),
    ...(refusal !== undefined && { expectException: refusal }),
  };
}

function transactionOf(plan: Plan, common: Common, data: 0 | 1, gas: 0 | 1, value: 0 | 1): TypedTransaction {
  const { type, to, nonce } = plan;
  const fields = {
    type,
    nonce,
    gasLimit: plan.gasLimit[gas],
    value: plan.value[value],
    data: plan.data[data],
    ...(to !== undefined && { to: new Address(to) }),
    ...(type > 0 && { chainId: CHAIN_ID, accessList: accessListOf(plan) }),
    ...(type < 2 ? { gasPrice: 10n } : { maxFeePerGas: 10n, maxPriorityFeePerGas: 1n }),
    ...(type === 3 && { maxFeePerBlobGas: 10n, blobVersionedHashes: BLOB_HASHES }),
    ...(type === 4 && { authorizationList: authorizations(plan) }),
  };
  return createTx(fields as Parameters<typeof createTx>[0], { common }).sign(KEYS[0]!);
}
