/** Counters since the start: what NetworkStats shows, in the making. */
import { type NetworkStats, TOPICS, type Topic } from "./types.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends number ? number : Mutable<T[K]> };

export type Counters = Mutable<Omit<NetworkStats, "peers" | "banned" | "bans">>;

export function createCounters(): Counters {
  const topic = () => ({
    in: { messages: 0, bytes: 0 },
    out: { messages: 0, bytes: 0 },
    rejected: 0,
    ignored: 0,
    dropped: 0,
  });
  return {
    topics: Object.fromEntries(TOPICS.map((name) => [name, topic()])) as Record<Topic, ReturnType<typeof topic>>,
    garbage: 0,
    deafLinks: 0,
    requests: { asked: 0, served: 0, bytesServed: 0, busy: 0, refused: 0, failed: 0, bad: 0 },
  };
}
