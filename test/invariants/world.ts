/** What an operation works on. */
import type { Random } from "../sim/random.ts";
import type { BridgedL1 } from "./l1.ts";
import type { BridgedL2 } from "./l2.ts";
import type { BridgeModel } from "./model.ts";

export interface World {
  readonly l1: BridgedL1;
  readonly l2: BridgedL2;
  readonly model: BridgeModel;
  readonly random: Random;
}
