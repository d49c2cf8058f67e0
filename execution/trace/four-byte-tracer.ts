/**
 * How often each function was called: geth's 4byteTracer. Keys are the selector and the size of what follows it.
 * Ethereum's precompiles have no selectors and are left out; the stateful ones have.
 */
import { bytesToHex } from "../../core/bytes.ts";
import type { TraceBudget } from "./budget.ts";
import type { FrameEntry, Json, Tracer } from "./types.ts";

const ENTRY_BYTES = 32;

export class FourByteTracer implements Tracer {
  readonly #budget: TraceBudget;
  readonly #counts = new Map<string, number>();

  constructor(budget: TraceBudget) {
    this.#budget = budget;
  }

  enter({ type, input, isPrecompile }: FrameEntry): void {
    const isCall = type !== "CREATE" && type !== "CREATE2" && type !== "SELFDESTRUCT";
    if (!isCall || isPrecompile || input.length < 4) return;
    const key = `${bytesToHex(input.subarray(0, 4))}-${input.length - 4}`;
    const count = this.#counts.get(key);
    if (count === undefined) this.#budget.spend(ENTRY_BYTES);
    this.#counts.set(key, (count ?? 0) + 1);
  }

  result(): Json {
    return Object.fromEntries(this.#counts);
  }
}
