/**
 * A call by the protocol, as EIP-4788 defines it: from the system address, before the block's transactions, with gas of
 * its own. It is no transaction: no nonce, fee, receipt or log, and the block's gas is not charged.
 */
import { Address } from "@ethereumjs/util";
import { SYSTEM_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex } from "../../core/bytes.ts";
import type { MessageEnvironment } from "./environment.ts";
import type { Machine } from "./machine.ts";

const SYSTEM_CALL_GAS = 30_000_000n;

/** The called contract refused or failed. */
export class SystemCallFailed extends Error {}

/**
 * Returns what it answers. Rejects with SystemCallFailed, on a chain a defect of whoever scheduled the call, and on
 * damaged storage. The machine and the layer must be thrown away then.
 */
export async function systemCall(
  machine: Machine,
  to: Uint8Array,
  data: Uint8Array,
  environment: MessageEnvironment,
): Promise<Uint8Array> {
  const { evm, stateManager } = machine;
  stateManager.layer.beginTransaction();
  evm.journal.cleanJournal();
  const { execResult } = await evm.runCall({
    block: environment.block,
    caller: new Address(SYSTEM_ADDRESS),
    to: new Address(to),
    gasPrice: 0n,
    gasLimit: SYSTEM_CALL_GAS,
    value: 0n,
    data,
    skipNonceIncrement: true,
  });
  if (execResult.exceptionError !== undefined) {
    const output = bytesToHex(execResult.returnValue);
    throw new SystemCallFailed(
      `the system call to ${bytesToHex(to)} failed: ${execResult.exceptionError.error} ${output}`,
    );
  }
  // Deletes the system's account, which the call touched and which is empty (EIP-161).
  await evm.journal.cleanup();
  return execResult.returnValue;
}
