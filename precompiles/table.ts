/** All stateful precompiles of the chain. */
import type { Precompile } from "../core/precompile.ts";
import { attributionPrecompile } from "./attribution.ts";
import { datanetPrecompile } from "./datanet.ts";
import { modelsPrecompile } from "./models.ts";

export const PRECOMPILES: readonly Precompile[] = [datanetPrecompile, modelsPrecompile, attributionPrecompile];
