/** Numbers and times of simulated blocks: strictly rising from the block they stand on, gaps filled with empty blocks. */
import type { Header } from "../../core/chain.ts";
import type { SimulatedInput, SimulationFailure } from "./types.ts";

export type PlacedInput = SimulatedInput & { readonly number: bigint; readonly timestamp: bigint };

export type Sequence =
  | { readonly ok: true; readonly blocks: readonly PlacedInput[] }
  | { readonly ok: false; readonly failure: SimulationFailure };

/** At most `maxBlocks` numbers above `base`, those in gaps included; `blockSeconds` apart where nothing else is said. */
export function sequence(
  base: Pick<Header, "number" | "timestamp">,
  inputs: readonly SimulatedInput[],
  maxBlocks: number,
  blockSeconds: bigint,
): Sequence {
  const blocks: PlacedInput[] = [];
  let { number, timestamp } = base;
  for (const input of inputs) {
    const wanted = input.block?.number ?? number + 1n;
    if (wanted <= number) return refuse("block-number", `block numbers must be in order: ${wanted} <= ${number}`);
    if (wanted - base.number > BigInt(maxBlocks)) return refuse("too-many-blocks", "too many blocks");
    for (number += 1n; number < wanted; number++) {
      timestamp += blockSeconds;
      blocks.push({ calls: [], number, timestamp });
    }
    const time = input.block?.timestamp ?? timestamp + blockSeconds;
    if (time <= timestamp) {
      return refuse("block-timestamp", `block timestamps must be in order: ${time} <= ${timestamp}`);
    }
    timestamp = time;
    blocks.push({ ...input, number, timestamp });
  }
  return { ok: true, blocks };
}

const refuse = (code: SimulationFailure["code"], message: string): Sequence => ({
  ok: false,
  failure: { code, message },
});
