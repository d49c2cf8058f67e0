/** The Solidity interface of the Datanet precompile, compiled. */

import { defineInterface } from "./interface.ts";
import { datanetAbi } from "./interfaces/datanet.abi.ts";

export const { emit, error, precompile } = defineInterface(datanetAbi, {
  "IDatanet.Modality": 3,
  "IDatanet.Access": 2,
  "IDatanet.Status": 6,
});
