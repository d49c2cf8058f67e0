/** What consensus asks of a validator set. What a set is, and its encoding, is in core: the chain stores it too. */
import type { ValidatorSet } from "../core/validators.ts";
import { baseView, epochOfView } from "./types.ts";

export {
  decodeValidators,
  encodeValidators,
  VALIDATOR_BYTES,
  type Validator,
  type ValidatorSet,
  validatorSet,
} from "../core/validators.ts";

/** Quorum: 3 · stake(S) > 2 · total, so that any two share an honest validator while less than a third is faulty. */
export const isQuorum = (stake: bigint, set: ValidatorSet): boolean => 3n * stake > 2n * set.totalStake;

/** The leaders of an epoch take turns in the set's order; a missing one costs one view a round. */
export function leaderOf(view: number, set: ValidatorSet): number {
  return (view - baseView(epochOfView(view)) - 1) % set.validators.length;
}
