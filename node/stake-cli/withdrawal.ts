/** When the stake of a validator that leaves can be withdrawn, by the registry's rules. */
import type { Hash } from "viem";
import type { Member, Stakes } from "./stakes.ts";

export type Withdrawal =
  /** `outputIndex`: of the first output that shows that the validator is out. */
  | { readonly type: "ready"; readonly outputIndex: bigint }
  | { readonly type: "waits"; readonly why: string; readonly until: Date | undefined };

/** Precondition: it leaves, or was slashed. */
export async function withdrawalOf(stakes: Stakes, { outSince }: Member): Promise<Withdrawal> {
  const { l1, registry, oracle } = stakes;
  if (outSince === 0n) {
    const why = "the newest snapshot still has it; openledger stake snapshot publishes the next one";
    return { type: "waits", why, until: undefined };
  }
  const snapshot = outSince - 1n;
  const outputIndex = await firstOutputOf(stakes, snapshot);
  if (outputIndex === undefined) {
    const why = `no output is on L1 yet of an epoch with snapshot ${snapshot}, the first without it, or a later one`;
    return { type: "waits", why, until: undefined };
  }
  const [[, finalAt], window, { timestamp }] = await Promise.all([
    l1.readContract({ ...oracle, functionName: "snapshotOf", args: [outputIndex] }),
    l1.readContract({ ...registry, functionName: "evidenceWindow" }),
    l1.getBlock(),
  ]);
  // The block that it would be in comes after the newest one.
  if (timestamp >= finalAt + window) return { type: "ready", outputIndex };
  const until = new Date(Number(finalAt + window) * 1_000);
  const why = `output ${outputIndex}, the first without it, has to be final for ${window} s`;
  return { type: "waits", why, until };
}

/** The first output whose epoch's set is this snapshot or a later one: their numbers never fall. */
async function firstOutputOf({ l1, oracle }: Stakes, snapshot: bigint): Promise<bigint | undefined> {
  const end = await l1.readContract({ ...oracle, functionName: "nextOutputIndex" });
  let [low, high] = [0n, end];
  while (low < high) {
    const middle = (low + high) / 2n;
    const [found] = await l1.readContract({ ...oracle, functionName: "snapshotOf", args: [middle] });
    if (found < snapshot) low = middle + 1n;
    else high = middle;
  }
  return low === end ? undefined : low;
}

/**
 * When it left or was slashed, whichever came first. Undefined where L1's endpoint does not search so far back: that
 * says nothing of the stake.
 */
export async function leftAt({ l1, l2, registry }: Stakes, id: Hash): Promise<Date | undefined> {
  try {
    const rollup = await l2.request<{ ReturnType: { genesis: { l1: { number: number } } } }>({
      method: "optimism_rollupConfig",
    } as never);
    const range = { ...registry, args: { validator: id }, fromBlock: BigInt(rollup.genesis.l1.number) } as const;
    const [left, slashed] = await Promise.all([
      l1.getContractEvents({ ...range, eventName: "Leaving" }),
      l1.getContractEvents({ ...range, eventName: "Slashed" }),
    ]);
    const numbers = [...left, ...slashed].map(({ blockNumber }) => blockNumber);
    if (numbers.length === 0) return undefined;
    const blockNumber = numbers.reduce((a, b) => (a < b ? a : b));
    return new Date(Number((await l1.getBlock({ blockNumber })).timestamp) * 1_000);
  } catch {
    return undefined;
  }
}
