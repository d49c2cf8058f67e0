/**
 * The ValidatorSet predeploy as the node sees it: its storage, the accounts that hold a set's bytes, and what submits
 * one. contracts/l2/ValidatorSet.sol says the same in Solidity.
 *
 *   slot 0 (current) and 4 (pending)   hash of the set
 *   slot 1 and 5                       totalStake u136 ‖ count u16 ‖ number u64, the last in the lowest bytes
 *   slots 2, 3 and 6, 7                accounts whose code is 0x00 ‖ whole validators, at most 186; zero for none
 *   slot 8                             who may submit beside the protocol: the registry on L1, aliased; zero for nobody
 */

// The contract's code and ABI, compiled by scripts/build-contracts.ts.
import artifact from "../contracts/artifacts/ValidatorSet.json" with { type: "json" };
import { VALIDATOR_SET_ADDRESS } from "../core/addresses.ts";
import { bigIntToFixed, concatBytes, type Hex, hexToBytes, padTo32, ZERO_32 } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";
import { encodeValidators, VALIDATOR_BYTES, type ValidatorSet } from "../core/validators.ts";
import type { GenesisAccount } from "./schema.ts";

/** First slots of the two snapshots, and how many slots a snapshot has. */
export const CURRENT_SLOT = 0n;
export const PENDING_SLOT = 4n;
export const SNAPSHOT_SLOTS = 4n;

const PART_BYTES = 186 * VALIDATOR_BYTES;

const word = (value: bigint): Uint8Array => bigIntToFixed(value, 32);

/** What the code of a part is made from; the last byte is the code's first, STOP. */
const partInit = (data: Uint8Array): Uint8Array =>
  concatBytes(Uint8Array.of(0x61), bigIntToFixed(BigInt(data.length + 1), 2), hexToBytes("0x80600a3d393df300"), data);

/** EIP-1014 with salt 0: the address follows from what is in the part. */
const partAddress = (data: Uint8Array): Uint8Array =>
  keccak256(Uint8Array.of(0xff), VALIDATOR_SET_ADDRESS, ZERO_32, keccak256(partInit(data))).slice(12);

const REGISTRY_SLOT = 8n;

/**
 * The predeploy with `set` as its current one, snapshot 0, and the accounts that hold the set. `registry`: the address
 * as L2 sees it.
 */
export function validatorSetAccounts(set: ValidatorSet, registry: Uint8Array | undefined): readonly GenesisAccount[] {
  const encoded = encodeValidators(set.validators);
  const parts: GenesisAccount[] = [];
  for (let at = 0; at < encoded.length; at += PART_BYTES) {
    const data = encoded.subarray(at, at + PART_BYTES);
    const code = concatBytes(Uint8Array.of(0), data);
    parts.push({ address: partAddress(data), balanceWei: 0n, nonce: 1n, code, storage: [] });
  }
  const packed = (set.totalStake << 80n) | (BigInt(set.validators.length) << 64n);
  const values = [set.hash, word(packed), ...parts.map(({ address }) => padTo32(address))];
  const predeploy: GenesisAccount = {
    address: VALIDATOR_SET_ADDRESS,
    balanceWei: 0n,
    nonce: 1n,
    code: hexToBytes(artifact.deployedBytecode as Hex),
    storage: [
      ...values.map((value, index) => ({ slot: word(CURRENT_SLOT + BigInt(index)), value })),
      ...(registry === undefined ? [] : [{ slot: word(REGISTRY_SLOT), value: padTo32(registry) }]),
    ],
  };
  return [predeploy, ...parts];
}

const SUBMIT_SELECTOR = keccak256(new TextEncoder().encode("submit(uint64,bytes)")).slice(0, 4);

/** Calldata of `submit(number, encoded)`. */
export function submitCall(number: bigint, encoded: Uint8Array): Uint8Array {
  const padding = new Uint8Array((32 - (encoded.length % 32)) % 32);
  const length = word(BigInt(encoded.length));
  return concatBytes(SUBMIT_SELECTOR, word(number), word(0x40n), length, encoded, padding);
}
