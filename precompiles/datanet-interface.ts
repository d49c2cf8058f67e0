/** The Solidity interface of the Datanet precompile, compiled. */

import { defineInterface } from "./interface.ts";
import { datanetAbi } from "./interfaces/datanet.abi.ts";

export const { emit, error, precompile } = defineInterface(datanetAbi, {
  "IDatanet.Modality": 3,
  "IDatanet.Access": 2,
  "IDatanet.Status": 6,
});

/** Reverts with StringTooLong. */
export function requireLength(text: Uint8Array, limit: number): void {
  if (text.length > limit) throw error("StringTooLong", { length: BigInt(text.length), limit: BigInt(limit) });
}
