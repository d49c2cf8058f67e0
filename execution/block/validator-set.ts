/** What the protocol does with the ValidatorSet predeploy; genesis/validator-set.ts has its layout. */
import { VALIDATOR_SET_ADDRESS } from "../../core/addresses.ts";
import { bigIntToFixed, bytesToBigInt, concatBytes, EMPTY_BYTES, equalsBytes, padTo32 } from "../../core/bytes.ts";
import { decodeValidators, type ValidatorSet } from "../../core/validators.ts";
import { CURRENT_SLOT, PENDING_SLOT, SNAPSHOT_SLOTS } from "../../genesis/validator-set.ts";
import { damaged } from "../state/errors.ts";
import type { StateLayer, StateReader } from "../state/types.ts";

const slot = (number: bigint): Uint8Array => bigIntToFixed(number, 32);
const read = (state: StateReader, number: bigint): Uint8Array => state.storage(VALIDATOR_SET_ADDRESS, slot(number));

/**
 * The step of an epoch's last block: the pending snapshot, if there is one, becomes the current one. Returns the hash
 * of the set that is current then.
 */
export function takeOverValidators(layer: StateLayer): Uint8Array {
  if (read(layer, PENDING_SLOT).length > 0) {
    for (let i = 0n; i < SNAPSHOT_SLOTS; i++) {
      layer.setStorage(VALIDATOR_SET_ADDRESS, slot(CURRENT_SLOT + i), read(layer, PENDING_SLOT + i));
      layer.setStorage(VALIDATOR_SET_ADDRESS, slot(PENDING_SLOT + i), EMPTY_BYTES);
    }
  }
  const hash = read(layer, CURRENT_SLOT);
  // A chain with epochs has a set since genesis.
  if (hash.length === 0) throw damaged("the validator set is missing");
  return padTo32(hash);
}

/** The current set: after the last block of an epoch, the next epoch's. Throws StoreError (DAMAGED). */
export function readValidatorSet(state: StateReader): ValidatorSet {
  const parts: Uint8Array[] = [];
  for (const index of [2n, 3n]) {
    const address = read(state, CURRENT_SLOT + index);
    if (address.length === 0) break;
    const account = state.account(padTo32(address).slice(12));
    if (account === undefined) throw damaged("the validator set's bytes are missing");
    parts.push(state.code(account.codeHash).subarray(1));
  }
  const count = Number((bytesToBigInt(padTo32(read(state, CURRENT_SLOT + 1n))) >> 64n) & 0xffffn);
  let set: ValidatorSet;
  try {
    set = decodeValidators(concatBytes(...parts));
  } catch (error) {
    throw damaged("the validator set cannot be decoded", error);
  }
  if (set.validators.length !== count || !equalsBytes(set.hash, padTo32(read(state, CURRENT_SLOT)))) {
    throw damaged("the validator set does not match its hash");
  }
  return set;
}
