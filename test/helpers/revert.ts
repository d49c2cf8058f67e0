/** Why a contract refuses a call. */
import { BaseError, ContractFunctionRevertedError, RawContractError } from "viem";

export interface Refusal {
  /** Of the custom error; "Error" for a reason in words. */
  readonly name: string;
  readonly args: readonly unknown[];
}

/** Rejects when the call succeeds, or fails without having been reverted. */
export async function refusalOf(call: Promise<unknown>): Promise<Refusal> {
  const failure = await call.then(
    () => new Error("the call succeeded"),
    (error: Error) => error,
  );
  if (!(failure instanceof BaseError)) throw failure;
  const reverted = failure.walk((cause) => cause instanceof ContractFunctionRevertedError);
  if (reverted instanceof ContractFunctionRevertedError && reverted.data !== undefined) {
    return { name: reverted.data.errorName, args: reverted.data.args ?? [] };
  }
  const raw = failure.walk((cause) => cause instanceof RawContractError);
  throw new Error(`reverted without a known error: ${failure.message} ${raw === null ? "" : String(raw)}`);
}
