/** The complete first state of a network: what its file allots, and the accounts that every network has. */
import {
  ATTRIBUTION_ADDRESS,
  aliasAddress,
  DATANET_ADDRESS,
  MODELS_ADDRESS,
  PARAMETERS_ADDRESS,
  STAKERS_ESCROW_ADDRESS,
  TREASURY_ADDRESS,
} from "../core/addresses.ts";
import { bigIntToFixed, bytesToHex } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";
import { PARAMETER_SLOTS } from "../core/parameters.ts";
import { bridgeAccounts } from "./bridge-predeploys.ts";
import { l1Rules } from "./l1.ts";
import { PREDEPLOYS } from "./predeploys.ts";
import { type Genesis, type GenesisAccount, GenesisError } from "./schema.ts";
import { validatorSetAccounts } from "./validator-set.ts";

/** INVALID: a call that reaches the code instead of the native implementation fails. */
const NATIVE_CODE = new Uint8Array([0xfe]);

const native = (address: Uint8Array, storage: GenesisAccount["storage"] = []): GenesisAccount => ({
  address,
  balanceWei: 0n,
  nonce: 1n,
  code: NATIVE_CODE,
  storage,
});

function parametersStorage(genesis: Genesis): GenesisAccount["storage"] {
  return PARAMETER_SLOTS.map((name, slot) => ({
    slot: bigIntToFixed(BigInt(slot), 32),
    value: bigIntToFixed(genesis.parameters[name], 32),
  }));
}

/**
 * Precompiles get nonce 1 and code, or EIP-161 would delete them and Solidity's extcodesize check would refuse them.
 * Throws GenesisError when the file allots something to an account of the protocol.
 */
export function genesisAccounts(genesis: Genesis): readonly GenesisAccount[] {
  const system: readonly GenesisAccount[] = [
    native(DATANET_ADDRESS),
    native(MODELS_ADDRESS),
    native(ATTRIBUTION_ADDRESS),
    native(PARAMETERS_ADDRESS, parametersStorage(genesis)),
    native(TREASURY_ADDRESS),
    native(STAKERS_ESCROW_ADDRESS),
    ...validatorSetAccounts(genesis.validators, genesis.l1 && aliasAddress(genesis.l1.registry)),
    ...PREDEPLOYS,
    ...(genesis.l1 === undefined ? [] : bridgeAccounts(genesis.l1, genesis.parameters)),
  ];
  const reserved = new Set(system.map((account) => bytesToHex(account.address)));
  const clashes = genesis.alloc
    .map((account) => bytesToHex(account.address))
    .filter((address) => reserved.has(address));
  if (clashes.length > 0) throw new GenesisError(clashes.map((address) => `alloc.${address} belongs to the protocol`));
  return [...system, ...genesis.alloc];
}

const RULES_DOMAIN = keccak256(new TextEncoder().encode("OpenLedger genesis v1"));

/**
 * The rules of a network that neither the first state nor the header's own fields say; the genesis block's extraData,
 * so that nodes which disagree about one have different chains from the first block on. keccak256 of 32-byte words:
 *
 *   keccak256("OpenLedger genesis v1") ‖ chainId ‖ blockBytes ‖ epochBlocks ‖ hash of the validator set
 *   ‖ number of validator changes ‖ (block ‖ hash of the set)… ‖ with an L1: what `l1Rules` says
 */
export function rulesHash({ chainId, blockBytes, consensus, validators, validatorChanges, l1 }: Genesis): Uint8Array {
  const word = (value: bigint | number): Uint8Array => bigIntToFixed(BigInt(value), 32);
  return keccak256(
    RULES_DOMAIN,
    word(chainId),
    word(blockBytes),
    word(consensus.epochBlocks),
    validators.hash,
    word(validatorChanges.length),
    ...validatorChanges.flatMap(({ block, set }) => [word(block), set.hash]),
    ...(l1 === undefined ? [] : [l1Rules(l1)]),
  );
}
