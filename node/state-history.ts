/** Which states of the chain a node keeps besides the head's, and how a store is brought to keep no others. */
import { MESSAGE_PASSER_ADDRESS } from "../core/addresses.ts";
import type { Header } from "../core/chain.ts";
import { openStateDatabase } from "../execution/state/database.ts";
import { StoreError } from "../execution/state/errors.ts";
import type { LevelStore } from "../execution/state/level-store.ts";
import { SharedNodes } from "../execution/state/prune.ts";
import { beginCounting, type CountParts } from "../execution/state/prune-count.ts";
import { COUNT_TABLE, readHistory } from "../execution/state/prune-tables.ts";
import type { StateDatabase } from "../execution/state/types.ts";
import { readHeader } from "./chain-store.ts";
import { readCheckpoint } from "./checkpoint-store.ts";
import { DataError, StoppedEarly } from "./errors.ts";
import { readFinalizedOnL1 } from "./l1/safe-head.ts";
import type { Logger } from "./log.ts";
import type { Clock } from "./ports.ts";

export interface StateRetention {
  /** States below the head. Undefined: all. */
  readonly states: bigint | undefined;
  /** May throw to interrupt the first count, which a later start takes up again. */
  readonly onProgress?: CountParts["onProgress"];
}

export const KEEP_ALL: StateRetention = { states: undefined };

export interface ChainPosition {
  /** Number of the last committed block. */
  readonly head: bigint;
  readonly states: bigint;
  /** The last block that is final on L1; undefined where L1 is not watched. */
  readonly finalizedOnL1: bigint | undefined;
  readonly epochBlocks: bigint | undefined;
}

/**
 * The lowest block whose state somebody may need: of the `states` below the head; to roll back to what is final on L1;
 * and for new nodes, which begin with the end of the last epoch.
 */
export function lowestNeeded({ head, states, finalizedOnL1, epochBlocks }: ChainPosition): bigint {
  const needed = [head - states, finalizedOnL1 ?? head];
  const ended = epochBlocks === undefined ? 0n : ((head + 1n) / epochBlocks) * epochBlocks;
  if (ended > 0n) needed.push(ended - 1n);
  const lowest = needed.reduce((a, b) => (b < a ? b : a));
  return lowest > 0n ? lowest : 0n;
}

/**
 * The state after the head. A store that kept all states until now, or has those of a checkpoint, is counted first when
 * it is not to keep all. One that counts goes on counting, whatever it is to keep. Rejects with DataError.
 */
export async function openStates(
  store: LevelStore,
  { number: head, stateRoot: headRoot }: Pick<Header, "number" | "stateRoot">,
  epochBlocks: bigint | undefined,
  { states, onProgress }: StateRetention,
): Promise<StateDatabase> {
  const { reader } = store;
  try {
    const finalizedOnL1 = readFinalizedOnL1(reader);
    const keepFrom = states === undefined ? undefined : lowestNeeded({ head, states, finalizedOnL1, epochBlocks });
    await countStates(store, head, keepFrom, onProgress);
    const shared = await SharedNodes.load(store.iterate(COUNT_TABLE));
    return openStateDatabase({ reader, headRoot, forEver: MESSAGE_PASSER_ADDRESS, shared });
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== "DAMAGED") throw error;
    throw new DataError(error.message, { cause: error });
  }
}

/** How many nodes were deleted; undefined when there was nothing to do. */
export async function countStates(
  store: LevelStore,
  head: bigint,
  keepFrom: bigint | undefined,
  onProgress?: CountParts["onProgress"],
): Promise<number | undefined> {
  const { reader } = store;
  const history = readHistory(reader);
  // An older program may have added blocks without counting.
  const isCounted = history?.phase === "complete" && history.head === head;
  const isWhole = history === undefined || history.phase === "counting";
  if (isCounted || (isWhole && keepFrom === undefined)) return undefined;
  return beginCounting({
    store,
    head,
    keepFrom: keepFrom ?? history?.lowest ?? 0n,
    first: readCheckpoint(reader)?.number ?? 0n,
    rootOf: (number) => readHeader(reader, number)?.stateRoot,
    forEver: MESSAGE_PASSER_ADDRESS,
    ...(onProgress && { onProgress }),
  });
}

const TOLD_EVERY_MS = 5_000;

/** Tells how a first count goes on, and ends it with StoppedEarly once `stopping` has resolved. */
export function countingProgress(
  clock: Clock,
  log: Logger,
  stopping: Promise<unknown> = new Promise(() => {}),
): NonNullable<CountParts["onProgress"]> {
  let isStopping = false;
  void stopping.then(() => {
    isStopping = true;
  });
  let toldAtMs = clock.nowMs();
  return (what, nodes) => {
    if (isStopping) throw new StoppedEarly();
    if (clock.nowMs() - toldAtMs < TOLD_EVERY_MS) return;
    toldAtMs = clock.nowMs();
    log.info({ [what]: nodes }, "states that are not kept are deleted, once");
  };
}
