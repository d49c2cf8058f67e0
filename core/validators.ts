/** A validator set: who may vote in an epoch, and with what weight. Immutable. */
import { bigIntToFixed, bytesToBigInt, bytesToHex, concatBytes } from "./bytes.ts";
import { keccak256 } from "./crypto.ts";

export interface Validator {
  /** 20 bytes: identity on L1 and L2, and where priority fees go unless the operator names another. */
  readonly address: Uint8Array;
  /** 96 bytes: uncompressed G1 point, x ‖ y, each 48 bytes. */
  readonly publicKey: Uint8Array;
  /** 0 < stake < 2^128. */
  readonly stake: bigint;
}

export interface ValidatorSet {
  readonly validators: readonly Validator[];
  readonly totalStake: bigint;
  /** 32 bytes. */
  readonly hash: Uint8Array;
}

/** Largest validator set; what a signer's index and a bitmap may be follows from it. */
export const MAX_VALIDATORS = 256;

/**
 * Bytes of a validator in a set's encoding: address (20) ‖ stake as uint128 (16) ‖ public key (96). A set is these one
 * after another in the set's order, which is the order of signers' indices; its hash is keccak256 of that.
 */
export const VALIDATOR_BYTES = 132;

export function encodeValidators(validators: readonly Validator[]): Uint8Array {
  return concatBytes(...validators.flatMap((v) => [v.address, bigIntToFixed(v.stake, 16), v.publicKey]));
}

/** Throws RangeError that names what is wrong: the number of validators, a stake, a field's length, a key twice. */
export function validatorSet(validators: readonly Validator[]): ValidatorSet {
  if (validators.length === 0 || validators.length > MAX_VALIDATORS) {
    throw new RangeError(`a validator set has 1 to ${MAX_VALIDATORS} members, not ${validators.length}`);
  }
  let totalStake = 0n;
  const keys = new Set<string>();
  for (const [index, { address, publicKey, stake }] of validators.entries()) {
    if (address.length !== 20) throw new RangeError(`validator ${index}: address has ${address.length} bytes, not 20`);
    if (publicKey.length !== 96) throw new RangeError(`validator ${index}: key has ${publicKey.length} bytes, not 96`);
    if (stake <= 0n || stake >= 1n << 128n) throw new RangeError(`validator ${index}: stake ${stake} is out of range`);
    // One key twice would count one signature for two stakes.
    const key = bytesToHex(publicKey);
    if (keys.has(key)) throw new RangeError(`validator ${index}: its key is another validator's`);
    keys.add(key);
    totalStake += stake;
  }
  return { validators, totalStake, hash: keccak256(encodeValidators(validators)) };
}

/** Throws RangeError when the bytes are no set. */
export function decodeValidators(bytes: Uint8Array): ValidatorSet {
  if (bytes.length % VALIDATOR_BYTES !== 0) throw new RangeError(`${bytes.length} bytes are no whole validators`);
  const validators: Validator[] = [];
  for (let at = 0; at < bytes.length; at += VALIDATOR_BYTES) {
    validators.push({
      address: bytes.slice(at, at + 20),
      stake: bytesToBigInt(bytes.subarray(at + 20, at + 36)),
      publicKey: bytes.slice(at + 36, at + VALIDATOR_BYTES),
    });
  }
  return validatorSet(validators);
}
