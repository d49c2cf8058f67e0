/** The complete first state of a network: what its file allots, and the accounts that every network has. */
import {
  ATTRIBUTION_ADDRESS,
  DATANET_ADDRESS,
  MODELS_ADDRESS,
  PARAMETERS_ADDRESS,
  STAKERS_ESCROW_ADDRESS,
  TREASURY_ADDRESS,
} from "../core/addresses.ts";
import { bigIntToFixed, bytesToHex } from "../core/bytes.ts";
import { PARAMETER_SLOTS } from "../core/parameters.ts";
import { PREDEPLOYS } from "./predeploys.ts";
import { type Genesis, type GenesisAccount, GenesisError } from "./schema.ts";

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
    ...PREDEPLOYS,
  ];
  const reserved = new Set(system.map((account) => bytesToHex(account.address)));
  const clashes = genesis.alloc
    .map((account) => bytesToHex(account.address))
    .filter((address) => reserved.has(address));
  if (clashes.length > 0) throw new GenesisError(clashes.map((address) => `alloc.${address} belongs to the protocol`));
  return [...system, ...genesis.alloc];
}
