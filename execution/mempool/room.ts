/**
 * Who leaves when the pool is full. It is decided before anything leaves, so that a refusal changes nothing.
 *
 *   queued        64 a sender: a lower nonce takes the place of the highest; then the sender that was idle longest
 *   pending       the sender with the most gives way, when it has more than its guaranteed number
 *   both          by price, whoever it is from
 */
import type { Heap } from "./heap.ts";
import type { Places } from "./places.ts";
import { comparePrice, type Refusal, refuse } from "./rules.ts";
import type { PoolEntry } from "./sender.ts";

const FULL = refuse("full", "txpool is full");

/** What must leave so that `entry` can come in, in place of `old` if it replaces one. */
export function findRoom(
  places: Places,
  entry: PoolEntry,
  old: PoolEntry | undefined,
  baseFeePerGas: bigint,
): readonly PoolEntry[] | Refusal {
  const { limits } = places;
  const queues = entry.tx.nonce > entry.sender.nextNonce;
  const counted = old !== undefined ? [] : queues ? roomInQueue(places, entry) : roomInPending(places, entry);
  if ("ok" in counted) return counted;
  let excess = places.slots + entry.slots - (old?.slots ?? 0) - limits.pendingSlots - limits.queuedSlots;
  for (const victim of counted) excess -= victim.slots;
  if (excess <= 0) return counted;

  const staying = new Set([...counted, ...(old === undefined ? [] : [old])]);
  const heap = places.cheapestFirst(baseFeePerGas);
  const { popped, chosen } = cheapest(heap, staying, excess);
  const refusal = chosen === undefined ? FULL : reasonAgainst(chosen, entry, queues, baseFeePerGas);
  // Those that leave fall out of the heap, unless they stay after all.
  for (const other of popped) if (refusal !== undefined || !chosen!.includes(other)) heap.push(other);
  return refusal ?? [...counted, ...chosen!];
}

function roomInQueue({ limits, idlest, queuedCount }: Places, { sender, tx }: PoolEntry): PoolEntry[] | Refusal {
  if (sender.queued.size >= limits.senderQueued) {
    const last = sender.lastQueued()!;
    return tx.nonce > last.tx.nonce ? refuse("sender-limit", "account limit exceeded") : [last];
  }
  if (queuedCount < limits.queuedSlots) return [];
  return idlest === undefined || idlest === sender ? FULL : [idlest.lastQueued()!];
}

function roomInPending(places: Places, { sender }: PoolEntry): PoolEntry[] | Refusal {
  const { limits } = places;
  if (places.pendingCount < limits.pendingSlots) return [];
  const last = places.lastOfHeaviest();
  const own = sender.pending.length;
  if (own >= limits.senderPending && own + 1 > (last?.sender.pending.length ?? 0)) return FULL;
  return last === undefined ? [] : [last];
}

/** `popped`: all live ones that were taken off the heap. `chosen` is undefined when all together are not enough. */
function cheapest(heap: Heap<PoolEntry>, staying: ReadonlySet<PoolEntry>, excess: number) {
  const popped: PoolEntry[] = [];
  const chosen: PoolEntry[] = [];
  for (let missing = excess; missing > 0; ) {
    const victim = heap.pop();
    if (victim === undefined) return { popped, chosen: undefined };
    if (victim.place === "gone") continue;
    popped.push(victim);
    if (staying.has(victim)) continue;
    chosen.push(victim);
    missing -= victim.slots;
  }
  return { popped, chosen };
}

function reasonAgainst(
  chosen: readonly PoolEntry[],
  entry: PoolEntry,
  queues: boolean,
  baseFeePerGas: bigint,
): Refusal | undefined {
  if (chosen.some((victim) => comparePrice(victim.tx, entry.tx, baseFeePerGas) >= 0)) {
    return refuse("underpriced", "transaction underpriced");
  }
  // Its own earlier nonce: without that one it could not run either.
  if (chosen.some((victim) => victim.sender === entry.sender)) return FULL;
  if (queues && chosen.some((victim) => victim.place === "pending")) {
    return refuse("future-replaces-pending", "future transaction tries to replace pending");
  }
  return undefined;
}
