/** SLOAD and SSTORE of the host's own loop: EIP-2200 as amended by EIP-2929 and EIP-3529. */
import { EVMError } from "@ethereumjs/evm";
import { EMPTY_BYTES, equalsBytes, trimLeadingZeros } from "../../core/bytes.ts";
import type { CodeFrame } from "./code-frame.ts";
import { GAS } from "./gas.ts";
import { integerOf, wordBytes } from "./words.ts";

const COLD_SLOT = Number(GAS.coldSlot);
const WARM_ACCESS = Number(GAS.warmAccess);
const STORE_SENTRY = Number(GAS.storeSentry);
const STORE_SET = Number(GAS.storeSet);
const STORE_RESET = Number(GAS.storeReset);
const STORE_DIRTY = Number(GAS.storeDirty);

const { STATIC_STATE_CHANGE } = EVMError.errorMessages;

export const load =
  (fee: number) =>
  (frame: CodeFrame): void => {
    frame.need(1);
    const { stack, height, self } = frame;
    const slot = wordBytes(stack[height - 1]!);
    frame.use(fee + (becomesWarm(frame, slot) ? COLD_SLOT : WARM_ACCESS));
    stack[height - 1] = integerOf(frame.layer.storage(self, slot));
  };

export const store =
  (fee: number) =>
  (frame: CodeFrame): void => {
    if (frame.runState.env.isStatic) throw new EVMError(STATIC_STATE_CHANGE);
    frame.need(2);
    if (frame.gas <= STORE_SENTRY) frame.use(Number.POSITIVE_INFINITY);
    const { stack, height, self, layer } = frame;
    const slot = wordBytes(stack[height - 1]!);
    const word = stack[height - 2]!;
    const next = word === 0n ? EMPTY_BYTES : trimLeadingZeros(wordBytes(word));
    const current = layer.storage(self, slot);
    const price = priceOf(frame, slot, current, next);
    frame.use(fee + price + (becomesWarm(frame, slot) ? COLD_SLOT : 0));
    frame.height = height - 2;
    layer.setStorage(self, slot, next);
  };

/** Counts refunds, too. */
function priceOf({ runState, self, layer }: CodeFrame, slot: Uint8Array, current: Uint8Array, next: Uint8Array) {
  if (equalsBytes(current, next)) return WARM_ACCESS;
  const { interpreter } = runState;
  const original = layer.originalStorage(self, slot);
  if (equalsBytes(original, current)) {
    if (original.length === 0) return STORE_SET;
    if (next.length === 0) interpreter.refundGas(GAS.refundClear);
    return STORE_RESET;
  }
  if (original.length > 0) {
    if (current.length === 0) interpreter.subRefund(GAS.refundClear);
    else if (next.length === 0) interpreter.refundGas(GAS.refundClear);
  }
  if (equalsBytes(original, next)) {
    interpreter.refundGas(original.length === 0 ? GAS.refundSetUndone : GAS.refundResetUndone);
  }
  return STORE_DIRTY;
}

/** Whether the slot was cold; then it is no longer. */
function becomesWarm({ runState, self }: CodeFrame, slot: Uint8Array): boolean {
  const { journal } = runState.interpreter;
  if (journal.isWarmedStorage(self, slot)) return false;
  journal.addWarmedStorage(self, slot);
  return true;
}
