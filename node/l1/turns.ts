/** Who posts: validators take turns by L1's height, and when one does nothing, the next ones step in one after another. */
import { equalsBytes } from "../../core/bytes.ts";
import type { ValidatorSet } from "../../core/validators.ts";

/** L1 blocks of one turn: five minutes on Ethereum. */
const TURN_BLOCKS = 25n;
/** Each place further from the turn waits this much longer. */
const PATIENCE_MS = 60_000;

/**
 * How long after something is due the validator with this key posts it: at once when it has the turn. Who is in no set
 * comes after everybody.
 */
export function postingDelayMs(set: ValidatorSet, publicKey: Uint8Array | undefined, l1Number: bigint): number {
  const { validators } = set;
  const index =
    publicKey === undefined ? -1 : validators.findIndex((validator) => equalsBytes(validator.publicKey, publicKey));
  if (index === -1) return validators.length * PATIENCE_MS;
  const turn = Number((l1Number / TURN_BLOCKS) % BigInt(validators.length));
  return ((index - turn + validators.length) % validators.length) * PATIENCE_MS;
}
