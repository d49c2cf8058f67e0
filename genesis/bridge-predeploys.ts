/**
 * L2's side of the bridge: the accounts that a network with an L1 has from its first block. Those of the OP Stack carry
 * the code that it publishes, and the storage that `initialize` would have written (predeploys.test.ts runs it), so that
 * nobody can initialize them again.
 */

import gasPriceOracle from "../contracts/artifacts/GasPriceOracle.json" with { type: "json" };
import l1Block from "../contracts/artifacts/L1Block.json" with { type: "json" };
import l2Messenger from "../contracts/artifacts/op/L2CrossDomainMessenger.json" with { type: "json" };
import l2Bridge from "../contracts/artifacts/op/L2StandardBridge.json" with { type: "json" };
import messagePasser from "../contracts/artifacts/op/L2ToL1MessagePasser.json" with { type: "json" };
import tokenFactory from "../contracts/artifacts/op/OptimismMintableERC20Factory.json" with { type: "json" };
import wrappedOpen from "../contracts/artifacts/WrappedOpen.json" with { type: "json" };
import { L1_FEE_VAULT_ADDRESS } from "../core/addresses.ts";
import { bigIntToFixed, bytesToBigInt, type Hex, hexToBytes } from "../core/bytes.ts";
import type { Parameters } from "../core/parameters.ts";
import type { L1Parameters } from "./l1.ts";
import type { GenesisAccount } from "./schema.ts";

export const BRIDGE_PREDEPLOYS = {
  wrappedOpen: "0x4200000000000000000000000000000000000006",
  l2CrossDomainMessenger: "0x4200000000000000000000000000000000000007",
  gasPriceOracle: "0x420000000000000000000000000000000000000f",
  l2StandardBridge: "0x4200000000000000000000000000000000000010",
  optimismMintableERC20Factory: "0x4200000000000000000000000000000000000012",
  l1Block: "0x4200000000000000000000000000000000000015",
  l2ToL1MessagePasser: "0x4200000000000000000000000000000000000016",
} as const satisfies Readonly<Record<string, Hex>>;

/** keccak256("opstack.gaspayingtoken") - 1. */
const GAS_PAYING_TOKEN_SLOT = BigInt("0x04adb1412b2ddc16fcc0d4538d5c8f07cf9c83abecc6b41f6f69037b708fbceb");
const DECIMALS = 18n;
/** OpenZeppelin's `_initialized`, in the messenger behind an address of 20 bytes. */
const INITIALIZED = 1n;
const INITIALIZED_MESSENGER = 1n << 160n;
/** The messenger's `xDomainMsgSender` while it relays nothing. */
const NO_SENDER = 0xdeadn;

/** Slots are those of the contracts' storage layouts. */
export function bridgeAccounts(l1: L1Parameters, parameters: Parameters): readonly GenesisAccount[] {
  const { number, hash, timestamp } = l1.origin;
  const scalars = (parameters.l1BaseFeeScalar << 96n) | (parameters.l1BlobBaseFeeScalar << 64n);
  return [
    account(BRIDGE_PREDEPLOYS.wrappedOpen, wrappedOpen.deployedBytecode),
    account(BRIDGE_PREDEPLOYS.l2CrossDomainMessenger, l2Messenger.deployedBytecode, [
      [0n, INITIALIZED_MESSENGER],
      [204n, NO_SENDER],
      [207n, bytesToBigInt(l1.l1Messenger)],
    ]),
    account(BRIDGE_PREDEPLOYS.gasPriceOracle, gasPriceOracle.deployedBytecode),
    account(BRIDGE_PREDEPLOYS.l2StandardBridge, l2Bridge.deployedBytecode, [
      [0n, INITIALIZED],
      [3n, BigInt(BRIDGE_PREDEPLOYS.l2CrossDomainMessenger)],
      [4n, bytesToBigInt(l1.l1StandardBridge)],
    ]),
    account(BRIDGE_PREDEPLOYS.optimismMintableERC20Factory, tokenFactory.deployedBytecode, [
      [0n, INITIALIZED],
      [1n, BigInt(BRIDGE_PREDEPLOYS.l2StandardBridge)],
    ]),
    // The origin of block 0, as attributes would write it; the block after it compares its own with it.
    account(BRIDGE_PREDEPLOYS.l1Block, l1Block.deployedBytecode, [
      [0n, (timestamp << 64n) | number],
      [2n, bytesToBigInt(hash)],
      [3n, scalars],
      [GAS_PAYING_TOKEN_SLOT, (DECIMALS << 160n) | bytesToBigInt(l1.token)],
    ]),
    account(BRIDGE_PREDEPLOYS.l2ToL1MessagePasser, messagePasser.deployedBytecode),
    { address: L1_FEE_VAULT_ADDRESS, balanceWei: 0n, nonce: 1n, code: Uint8Array.of(0xfe), storage: [] },
  ];
}

/** Slots that hold zero are left out: a trie has none. */
function account(address: Hex, code: string, storage: readonly (readonly [bigint, bigint])[] = []): GenesisAccount {
  return {
    address: hexToBytes(address),
    balanceWei: 0n,
    nonce: 1n,
    code: hexToBytes(code as Hex),
    storage: storage
      .filter(([, value]) => value !== 0n)
      .map(([slot, value]) => ({ slot: bigIntToFixed(slot, 32), value: bigIntToFixed(value, 32) })),
  };
}
