/** The devnet's genesis with as many validators as are wanted. */
import devnet from "../genesis/networks/devnet.json" with { type: "json" };
import { withValidators } from "../genesis/validators.ts";
import { devnetValidator } from "./validator/devnet.ts";

/** The JSON of a genesis file. */
export const devnetGenesis = (validators: number) =>
  withValidators(
    devnet,
    Array.from({ length: validators }, (_, index) => devnetValidator(index)),
  );
