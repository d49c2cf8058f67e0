/** A challenge was proven: the claim is void, the payer gets the escrow back, the host's locked stake is slashed. */
import { TREASURY_ADDRESS } from "../core/addresses.ts";
import type { PrecompileContext } from "../core/precompile.ts";
import type { Committed } from "./attribution-claim.ts";
import { emit, REWARD, STATE } from "./attribution-interface.ts";
import { addAccrued, loadStake, storeHead, storeStake } from "./attribution-state.ts";

export interface Proven {
  readonly fault: number;
  readonly challenger: Uint8Array;
  /** The contribution shown or not shown, 0 where there is none. */
  readonly contributionId: bigint;
  /** Its contributor, where the claim left him out. */
  readonly leftOut: Uint8Array | undefined;
}

/** docs/spec.md "Slashing". */
export function voidClaim(context: PrecompileContext, committed: Committed, proven: Proven): void {
  const { inferenceId, slot, head, escrow, served, stakeLocked } = committed;
  const { fault, challenger, contributionId, leftOut } = proven;
  storeHead(context, slot, { ...head, state: STATE.void });
  const refund = escrow.escrow;
  context.credit(head.payer, refund);
  emit(context, "InferenceVoided", {
    inferenceId,
    modelId: head.modelId,
    host: served.host,
    fault,
    challenger,
    contributionId,
    refund,
    slashed: stakeLocked,
  });
  if (stakeLocked === 0n) return;

  const { host } = served;
  const stake = loadStake(context, host);
  const total = stake.total - stakeLocked;
  storeStake(context, host, { total, locked: stake.locked - stakeLocked });
  emit(context, "StakeSlashed", { host, inferenceId, amount: stakeLocked, total });

  const bounty = stakeLocked / 2n;
  const restitution = leftOut === undefined ? 0n : bounty / 2n;
  const accrue = (kind: number, account: Uint8Array, source: bigint, amount: bigint): void => {
    if (amount === 0n) return;
    addAccrued(context, account, amount);
    emit(context, "RewardAccrued", { inferenceId, account, kind, source, weight: 0n, amount });
  };
  accrue(REWARD.treasury, TREASURY_ADDRESS, 0n, stakeLocked - bounty);
  if (leftOut !== undefined) accrue(REWARD.leftOut, leftOut, contributionId, restitution);
  accrue(REWARD.challenger, challenger, 0n, bounty - restitution);
}
