/**
 * Makes foreign chains with @ethereumjs/vm and its own Merkle state, which know nothing of ours: a geth genesis file and
 * blocks across every fork, with random programs, every type of transaction that a fork has, uncles and withdrawals.
 */
import { Block, type BlockHeader, createBlockHeader, genWithdrawalsTrieRoot, type HeaderData } from "@ethereumjs/block";
import { type Common, Hardfork } from "@ethereumjs/common";
import { RLP } from "@ethereumjs/rlp";
import { MerkleStateManager } from "@ethereumjs/statemanager";
import { createTx, type TypedTransaction } from "@ethereumjs/tx";
import { Account, Address, createWithdrawal } from "@ethereumjs/util";
import { createVM, runBlock, type VM } from "@ethereumjs/vm";
import fc from "fast-check";
import { bigIntToFixed, bytesToHex, hexToBytes, trimLeadingZeros } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { HISTORY_ADDRESS } from "../block/system-writes.ts";
import { Forks } from "../foreign/forks.ts";
import { buildForeignGenesis, parseForeignGenesis, parseJson } from "../foreign/genesis.ts";
import { memoryStore } from "../state/memory-store.ts";
import { signAuthorization } from "../tx/sign.ts";
import { initCode, program } from "./programs.ts";
import { ADDRESSES, CONTRACTS, KEYS, SENDERS } from "./world.ts";

export const FOREIGN_CHAIN_ID = 1_337_331n;
const COINBASE = new Uint8Array(20).fill(0xc0);
const UNCLE_COINBASE = new Uint8Array(20).fill(0xc1);
const GAS_LIMIT = 12_000_000n;
const DIFFICULTY = 131_072n;
/** Seconds between blocks. */
const SLOT = 12n;
const BLOCKS_A_FORK = 2;

/** By block, two blocks each; the merge after them. */
const BLOCK_KEYS = [
  "homesteadBlock",
  "daoForkBlock",
  "eip150Block",
  "eip158Block",
  "byzantiumBlock",
  "constantinopleBlock",
  "petersburgBlock",
  "istanbulBlock",
  "muirGlacierBlock",
  "berlinBlock",
  "londonBlock",
  "arrowGlacierBlock",
];
const TIME_KEYS = ["shanghaiTime", "cancunTime", "pragueTime", "osakaTime"];
/** First block without difficulty. */
export const MERGE_BLOCK = BigInt((BLOCK_KEYS.length + 1) * BLOCKS_A_FORK);
const TIME_FORK_BLOCK = (index: number): bigint => MERGE_BLOCK + BigInt((index + 1) * BLOCKS_A_FORK);
export const LAST_BLOCK = TIME_FORK_BLOCK(TIME_KEYS.length) - 1n;
/** Of a chain that goes on to Amsterdam. */
export const LAST_AMSTERDAM_BLOCK = LAST_BLOCK + BigInt(BLOCKS_A_FORK);

/** Code that is EIP-2935's and EIP-4788's in name only: what counts is that there is some. */
const SYSTEM_CODE = "0x5b00";
/** EIP-8282: without their code no block of Amsterdam is valid. */
const BUILDER_REQUESTS = [
  "0x0000bff46984e3725691fa540a8c7589300d8282",
  "0x000064d678505ad48f8ccb093bc65613800e8282",
] as const;
const BEACON_ROOTS = "0x000f3df6d732807ef1319fb7b8bb8522d0beac02";
/** CREATE2 of a contract that dies when it is called, called at once: again and again the same address. */
const PHOENIX = new Uint8Array(20).fill(0xd1);

export interface MadeChain {
  /** The text of a geth genesis file. */
  readonly genesis: string;
  /** Blocks 1 and up, as geth's export writes them. */
  readonly blocks: readonly Uint8Array[];
}

interface Plan {
  readonly codes: readonly Uint8Array[];
  readonly transactions: readonly TransactionPlan[];
}

interface TransactionPlan {
  readonly sender: number;
  readonly type: number;
  readonly to: Uint8Array | undefined;
  readonly value: bigint;
  readonly data: Uint8Array;
  readonly gasLimit: bigint;
  readonly slots: readonly number[];
}

const code = program([...ADDRESSES, PHOENIX], 20n);
const transactionPlan: fc.Arbitrary<TransactionPlan> = fc.record({
  sender: fc.nat(KEYS.length - 1),
  type: fc.nat(4),
  to: fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...CONTRACTS) },
    { weight: 1, arbitrary: fc.constant(PHOENIX) },
    { weight: 2, arbitrary: fc.constantFrom(...ADDRESSES) },
    { weight: 2, arbitrary: fc.constant(undefined) },
  ),
  value: fc.constantFrom(0n, 1n, 12_345n),
  data: fc.tuple(code, code).map(([deployed, before]) => initCode(deployed, before)),
  gasLimit: fc.constantFrom(700_000n, 1_500_000n),
  slots: fc.array(fc.nat(3), { maxLength: 2 }),
});

/** The same chain for the same seed. To Osaka, or to Amsterdam, as @ethereumjs/vm has it by now. */
export async function makeForeignChain(
  seed: number,
  { isAmsterdam = false, transactionsABlock = 4 } = {},
): Promise<MadeChain> {
  const lastBlock = isAmsterdam ? LAST_AMSTERDAM_BLOCK : LAST_BLOCK;
  const count = Number(lastBlock) * transactionsABlock;
  const [plan] = fc.sample<Plan>(
    fc.record({
      codes: fc.array(code, { minLength: CONTRACTS.length, maxLength: CONTRACTS.length }),
      transactions: fc.array(transactionPlan, { minLength: count, maxLength: count, size: "max" }),
    }),
    { seed, numRuns: 1 },
  );
  if (plan === undefined) throw new Error("no sample");
  const genesis = genesisText(plan.codes, isAmsterdam);
  const maker = await Maker.from(genesis);
  const blocks: Uint8Array[] = [];
  for (let number = 1n; number <= lastBlock; number++) {
    const first = (Number(number) - 1) * transactionsABlock;
    const block = await maker.next(plan.transactions.slice(first, first + transactionsABlock));
    blocks.push(block.serialize());
  }
  return { genesis, blocks };
}

function genesisText(codes: readonly Uint8Array[], isAmsterdam: boolean): string {
  const balance = `0x${(10n ** 24n).toString(16)}`;
  const config = {
    chainId: Number(FOREIGN_CHAIN_ID),
    daoForkSupport: true,
    eip155Block: (BLOCK_KEYS.indexOf("eip158Block") + 1) * BLOCKS_A_FORK,
    ...Object.fromEntries(BLOCK_KEYS.map((key, index) => [key, (index + 1) * BLOCKS_A_FORK])),
    grayGlacierBlock: (BLOCK_KEYS.indexOf("arrowGlacierBlock") + 1) * BLOCKS_A_FORK,
    terminalTotalDifficulty: Number(DIFFICULTY * MERGE_BLOCK),
    ...Object.fromEntries(TIME_KEYS.map((key, index) => [key, Number(TIME_FORK_BLOCK(index) * SLOT)])),
    ...(isAmsterdam && { amsterdamTime: Number((LAST_BLOCK + 1n) * SLOT) }),
    blobSchedule: { cancun: { target: 0, max: 6, baseFeeUpdateFraction: 100_000 } },
    ethash: {},
  };
  const entries = [
    ...SENDERS.map((address) => [address, { balance }] as const),
    ...CONTRACTS.map(
      (address, i) =>
        [address, { balance: "100", nonce: "0x1", code: bytesToHex(codes[i]!), storage: { "0x1": "0x02" } }] as const,
    ),
    [PHOENIX, { balance: "0x0", code: bytesToHex(phoenix()) }] as const,
    [HISTORY_ADDRESS, { balance: "0x0", nonce: "1", code: SYSTEM_CODE }] as const,
    [hexToBytes(BEACON_ROOTS), { balance: "0", nonce: "1", code: SYSTEM_CODE }] as const,
    ...(isAmsterdam ? BUILDER_REQUESTS : []).map(
      (address) => [hexToBytes(address), { balance: "0", nonce: "1", code: SYSTEM_CODE }] as const,
    ),
  ];
  const alloc = Object.fromEntries(entries.map(([address, account]) => [bytesToHex(address).slice(2), account]));
  return JSON.stringify({
    config,
    nonce: "0x42",
    timestamp: "0x0",
    extraData: "0x6f6c",
    gasLimit: `0x${GAS_LIMIT.toString(16)}`,
    difficulty: `0x${DIFFICULTY.toString(16)}`,
    mixHash: `0x${"0".repeat(64)}`,
    coinbase: `0x${"0".repeat(40)}`,
    alloc,
  });
}

/** Deploys SSTORE(0, NUMBER) and, when called, SELFDESTRUCT(caller); calls it once. */
function phoenix(): Uint8Array {
  const child = hexToBytes("0x33ff");
  const init = initCode(child, hexToBytes("0x43600055"));
  const word = (value: number) => `7f${bytesToHex(bigIntToFixed(BigInt(value), 32)).slice(2)}`;
  const padded = new Uint8Array(Math.ceil(init.length / 32) * 32);
  padded.set(init);
  const stores = Array.from({ length: padded.length / 32 }, (_, i) => {
    const at = bytesToHex(padded.subarray(32 * i, 32 * i + 32)).slice(2);
    return `7f${at}${word(32 * i)}52`;
  });
  const create = `6007${word(init.length)}60006000f5`;
  return hexToBytes(`0x${stores.join("")}${create}6000600060006000600085${"5a"}f15050`);
}

class Maker {
  readonly #forks: Forks;
  readonly #state: MerkleStateManager;
  readonly #hashes: Uint8Array[];
  readonly #nonces = new Map<number, bigint>();
  #parent: BlockHeader;
  /** What another miner made of the block before the parent. */
  #uncle: BlockHeader | undefined;

  private constructor(forks: Forks, state: MerkleStateManager, hashes: Uint8Array[], genesis: BlockHeader) {
    this.#forks = forks;
    this.#state = state;
    this.#hashes = hashes;
    this.#parent = genesis;
  }

  static async from(text: string): Promise<Maker> {
    const genesis = parseForeignGenesis(parseJson(text));
    const forks = new Forks(genesis.schedule);
    const { block } = buildForeignGenesis(genesis, forks, memoryStore());
    const common = forks.newCommon(Hardfork.Chainstart);
    const state = new MerkleStateManager({ common });
    for (const { address, balance, nonce, code, storage } of genesis.alloc) {
      const at = new Address(address);
      await state.putAccount(at, new Account(nonce, balance));
      if (code.length > 0) await state.putCode(at, code);
      for (const [slot, value] of storage) await state.putStorage(at, slot, trimLeadingZeros(value));
    }
    const hashes = [block.hash];
    const { header } = block;
    const data: HeaderData = {
      stateRoot: await state.getStateRoot(),
      difficulty: header.difficulty,
      gasLimit: header.gasLimit,
      timestamp: header.timestamp,
      extraData: header.extraData,
      nonce: header.nonce,
    };
    return new Maker(forks, state, hashes, createBlockHeader(data, { common: forks.common(Hardfork.Chainstart) }));
  }

  async next(plans: readonly TransactionPlan[]): Promise<Block> {
    const number = this.#parent.number + 1n;
    const timestamp = number * SLOT;
    const difficulty = number < MERGE_BLOCK ? DIFFICULTY : 0n;
    const fork = this.#forks.forkOf({ number, timestamp, difficulty });
    const common = this.#forks.common(fork);
    const has = (eip: number) => common.isActivatedEIP(eip);
    const data: HeaderData = {
      parentHash: this.#hashes.at(-1)!,
      number,
      timestamp,
      difficulty,
      coinbase: COINBASE,
      // EIP-1559: the target is what the limit was.
      gasLimit: has(1559) ? 2n * GAS_LIMIT : GAS_LIMIT,
      extraData: isDaoBlock(number) ? DAO_EXTRA : hexToBytes("0x6f6c"),
      ...(difficulty === 0n && { mixHash: keccak256(bigIntToFixed(number, 8)) }),
      ...(has(1559) && { baseFeePerGas: this.#baseFee() }),
      ...(has(4844) && { excessBlobGas: this.#parent.calcNextExcessBlobGas(common) }),
      ...(has(7843) && { slotNumber: number + 1_000n }),
      ...(has(4788) && { parentBeaconBlockRoot: keccak256(bigIntToFixed(timestamp, 8)) }),
    };
    const options = { common, skipConsensusFormatValidation: true };
    const transactions = plans.map((plan) => this.#transaction(plan, common));
    const blobGasUsed = 131_072n * BigInt(transactions.filter(({ type }) => type === 3).length);
    const uncles = difficulty > 0n && this.#uncle !== undefined && number % 2n === 0n ? [this.#uncle] : [];
    const withdrawals = has(4895)
      ? [SENDERS[0]!, new Uint8Array(20).fill(0xe0 + Number(number))].map((address, i) =>
          createWithdrawal({ index: number + BigInt(i), validatorIndex: i, address, amount: BigInt(i) * number }),
        )
      : undefined;
    const make = (fields: HeaderData) => {
      const header = createBlockHeader({ ...data, ...(has(4844) && { blobGasUsed }), ...fields }, options);
      return new Block(header, transactions, uncles, withdrawals, options);
    };
    const draft = make({});
    const vm = await this.#vm(fork);
    const result = await runBlock(vm, { block: draft, generate: true, skipBlockValidation: true });
    const accessList = vm.evm.blockLevelAccessList;
    const block = make({
      stateRoot: result.stateRoot,
      logsBloom: result.logsBloom,
      gasUsed: result.gasUsed,
      receiptTrie: result.receiptsRoot,
      transactionsTrie: await draft.genTxTrie(),
      uncleHash: keccak256(RLP.encode(uncles.map((uncle) => uncle.raw()))),
      ...(accessList && { blockAccessListHash: accessList.hash() }),
      ...(result.requestsHash !== undefined && { requestsHash: result.requestsHash }),
      ...(withdrawals !== undefined && { withdrawalsRoot: await genWithdrawalsTrieRoot(withdrawals) }),
    });
    this.#uncle = createBlockHeader({ ...data, coinbase: UNCLE_COINBASE }, options);
    this.#parent = block.header;
    this.#hashes.push(block.hash());
    return block;
  }

  /** One EVM a fork: in one that goes from fork to fork, precompiles lack what only the first fork did without. */
  #vm(fork: string): Promise<VM> {
    const blockchain = {
      getBlock: async (number: number) => ({ hash: () => this.#hashes[number]! }),
      putBlock: async () => {},
      shallowCopy: () => blockchain,
    };
    const common = this.#forks.newCommon(fork);
    const parts = { common, stateManager: this.#state };
    return createVM({ ...parts, evmOpts: { ...parts, blockchain } });
  }

  #baseFee(): bigint {
    return this.#parent.baseFeePerGas === undefined ? 1_000_000_000n : this.#parent.calcNextBaseFee();
  }

  /** Of the plan's type where the fork has it, or else the newest that it has. */
  #transaction(plan: TransactionPlan, common: Common): TypedTransaction {
    const newest = common.isActivatedEIP(7702)
      ? 4
      : common.isActivatedEIP(4844)
        ? 3
        : common.isActivatedEIP(1559)
          ? 2
          : common.isActivatedEIP(2930)
            ? 1
            : 0;
    const type = Math.min(plan.type, newest);
    const to = type >= 3 ? (plan.to ?? CONTRACTS[0]!) : plan.to;
    const nonce = this.#nonces.get(plan.sender) ?? 0n;
    this.#nonces.set(plan.sender, nonce + 1n);
    const accessList = plan.slots.map((slot) => ({
      address: bytesToHex(CONTRACTS[slot]!),
      storageKeys: [bytesToHex(bigIntToFixed(BigInt(slot), 32))],
    }));
    const fields = {
      type,
      nonce,
      gasLimit: plan.gasLimit,
      value: plan.value,
      data: to === undefined ? plan.data : plan.data.slice(0, 40),
      ...(to !== undefined && { to: new Address(to) }),
      ...(type > 0 && { chainId: FOREIGN_CHAIN_ID, accessList }),
      ...(type < 2 ? { gasPrice: 10n ** 10n } : { maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 1_000n }),
      ...(type === 3 && { maxFeePerBlobGas: 10n ** 9n, blobVersionedHashes: [`0x01${"ab".repeat(31)}`] as const }),
      ...(type === 4 && { authorizationList: [this.#authorization(plan)] }),
    };
    return createTx(fields as Parameters<typeof createTx>[0], { common }).sign(KEYS[plan.sender]!);
  }

  /** Of another sender, who delegates to a contract; that it sends later all the same makes some of them stale. */
  #authorization({ sender, slots }: TransactionPlan): JsonAuthorization {
    const authority = (sender + 1) % KEYS.length;
    const nonce = this.#nonces.get(authority) ?? 0n;
    const address = CONTRACTS[slots[0] ?? 0]!;
    const signed = signAuthorization({ chainId: FOREIGN_CHAIN_ID, address, nonce }, KEYS[authority]!);
    const hex = (value: bigint) => `0x${value.toString(16)}` as const;
    // What is valid takes one nonce of the authority.
    this.#nonces.set(authority, nonce + 1n);
    return {
      chainId: hex(signed.chainId),
      address: bytesToHex(signed.address),
      nonce: hex(signed.nonce),
      yParity: hex(signed.yParity),
      r: hex(signed.r),
      s: hex(signed.s),
    };
  }
}

type JsonAuthorization = Readonly<Record<"chainId" | "address" | "nonce" | "yParity" | "r" | "s", `0x${string}`>>;

/** The ten blocks from the DAO fork on say so. */
export const DAO_BLOCK = BigInt((BLOCK_KEYS.indexOf("daoForkBlock") + 1) * BLOCKS_A_FORK);
const DAO_EXTRA = new TextEncoder().encode("dao-hard-fork");
const isDaoBlock = (number: bigint): boolean => number >= DAO_BLOCK && number < DAO_BLOCK + 10n;
