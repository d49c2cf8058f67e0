/** A small chain with an L1: the L1Block predeploy holds the genesis origin, Parameters the scalars of the L1 fee. */
import { encodeDeposit } from "../../bridge/deposit.ts";
import { attributesDeposit, L1_BLOCK_ADDRESS, type L1Attributes } from "../../bridge/l1-attributes.ts";
import l1Block from "../../contracts/artifacts/L1Block.json" with { type: "json" };
import { PARAMETERS_ADDRESS } from "../../core/addresses.ts";
import { bigIntToFixed, EMPTY_BYTES, type Hex, hexToBytes, ZERO_32 } from "../../core/bytes.ts";
import type { Header } from "../../core/chain.ts";
import { keccak256 } from "../../core/crypto.ts";
import { PARAMETER_SLOTS } from "../../core/parameters.ts";
import { EMPTY_BLOOM } from "../block/bloom.ts";
import type { ExecutionParts, ParentBlock } from "../block/execute.ts";
import { hashHeader, protocolFields } from "../block/header.ts";
import { readL1Origin } from "../block/l1-origin.ts";
import { type ChainRules, DEFAULT_RULES } from "../rules.ts";
import { openStateDatabase } from "../state/database.ts";
import { memoryStore } from "../state/memory-store.ts";
import { EMPTY_TRIE_ROOT } from "../state/trie-node.ts";
import type { SealedState, StateDatabase } from "../state/types.ts";
import { MachinePool } from "../tx/machine.ts";
import { COINBASE, type GenesisAccount, hashOfBlock, loadGenesis } from "./world.ts";

export const L1_RULES: ChainRules = {
  ...DEFAULT_RULES,
  chainId: 161299n,
  gasLimit: 5_000_000n,
  blockBytes: 120_000,
  l1: { maxDriftSeconds: 600 },
};
/** Of the parent block and of its origin. */
export const START = 1_700_000_000n;
export const hashOfL1 = (number: bigint): Uint8Array => keccak256(bigIntToFixed(number, 32));
export const ORIGIN = { number: 100n, hash: hashOfL1(100n), timestamp: START - 20n };
export const SCALARS = { baseFeeScalar: 1_368n, blobBaseFeeScalar: 810_949n };

const machines = new MachinePool(L1_RULES, []);

export interface L1World extends ExecutionParts {
  readonly database: StateDatabase;
  readonly parent: ParentBlock;
  readonly state: SealedState;
}

export function l1World(accounts: readonly GenesisAccount[] = [], scalars = SCALARS): L1World {
  const database = openStateDatabase({ reader: memoryStore(), headRoot: EMPTY_TRIE_ROOT });
  const layer = database.head.fork();
  const system = { nonce: 1n, balance: 0n, storage: [] };
  const code = hexToBytes(l1Block.deployedBytecode as Hex);
  loadGenesis(layer, [
    ...accounts,
    { ...system, address: L1_BLOCK_ADDRESS, code },
    { ...system, address: PARAMETERS_ADDRESS, code: Uint8Array.of(0xfe) },
  ]);
  const word = (value: bigint) => bigIntToFixed(value, 32);
  layer.setStorage(L1_BLOCK_ADDRESS, word(0n), word((ORIGIN.timestamp << 64n) | ORIGIN.number));
  layer.setStorage(L1_BLOCK_ADDRESS, word(2n), ORIGIN.hash);
  const slotOf = (name: (typeof PARAMETER_SLOTS)[number]) => word(BigInt(PARAMETER_SLOTS.indexOf(name)));
  layer.setStorage(PARAMETERS_ADDRESS, slotOf("l1BaseFeeScalar"), word(scalars.baseFeeScalar));
  layer.setStorage(PARAMETERS_ADDRESS, slotOf("l1BlobBaseFeeScalar"), word(scalars.blobBaseFeeScalar));
  const state = database.seal(layer);
  const header: Header = {
    ...protocolFields,
    parentHash: ZERO_32,
    coinbase: COINBASE,
    stateRoot: state.stateRoot,
    transactionsRoot: EMPTY_TRIE_ROOT,
    receiptsRoot: EMPTY_TRIE_ROOT,
    logsBloom: EMPTY_BLOOM,
    number: 0n,
    gasLimit: L1_RULES.gasLimit,
    gasUsed: 0n,
    timestamp: START,
    extraData: EMPTY_BYTES,
    prevRandao: ZERO_32,
    baseFeePerGas: 7n,
    withdrawalsRoot: EMPTY_TRIE_ROOT,
    parentBeaconBlockRoot: ZERO_32,
  };
  const parent = { hash: hashHeader(header), header };
  return { rules: L1_RULES, machines, database, blockHash: hashOfBlock, parent, state };
}

/** Those of a block on the world's parent, whose origin is `advance` L1 blocks later. */
export function attributesOn(
  { state }: Pick<L1World, "state">,
  advance = 0n,
  fields: Partial<L1Attributes> = {},
): L1Attributes {
  const before = readL1Origin(state.reader);
  return {
    number: before.number + advance,
    hash: hashOfL1(before.number + advance),
    timestamp: before.timestamp + 2n * advance,
    baseFeeWei: 30_000_000_000n,
    blobBaseFeeWei: 7_000_000_000n,
    sequenceNumber: advance === 0n ? before.sequenceNumber + 1n : 0n,
    ...SCALARS,
    ...fields,
  };
}

export const rawAttributes = (attributes: L1Attributes): Uint8Array => encodeDeposit(attributesDeposit(attributes));
