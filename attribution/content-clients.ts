/** What each client of a server may still ask, in bounded memory. A client is an IPv4 address or an IPv6 network of 64 bits. */
import { isIPv6 } from "node:net";
import { RecentMap } from "../core/recent-map.ts";
import { TokenBucket } from "../core/token-bucket.ts";
import type { ContentServerLimits } from "./content-limits.ts";

interface Client {
  readonly requests: TokenBucket;
  readonly bytes: TokenBucket;
}

type Limits = Pick<ContentServerLimits, "requestRate" | "byteRate" | "clients" | "clientAtOnce" | "trustsLoopback">;

export class Clients {
  readonly #limits: Limits;
  readonly #nowMs: () => number;
  readonly #known: RecentMap<string, Client>;
  readonly #underWay = new Map<string, number>();

  constructor(limits: Limits, nowMs: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#nowMs = nowMs;
    this.#known = new RecentMap(limits.clients);
  }

  get size(): number {
    return this.#known.size;
  }

  /** Undefined when the request may be answered, which is charged; otherwise the seconds to wait, at least 1. */
  admit(client: string): number | undefined {
    if (this.#isTrusted(client)) return undefined;
    const nowMs = this.#nowMs();
    const { requests, bytes } = this.#of(client, nowMs);
    const waitMs = Math.max(requests.waitMs(1, nowMs), bytes.waitMs(0, nowMs));
    if (waitMs > 0) return Math.max(1, Math.ceil(waitMs / 1_000));
    requests.charge(1, nowMs);
    return undefined;
  }

  /** Bytes that went either way: also more than there are left, so that the next request waits. */
  charge(client: string, bytes: number): void {
    if (this.#isTrusted(client)) return;
    const nowMs = this.#nowMs();
    this.#of(client, nowMs).bytes.charge(bytes, nowMs);
  }

  /** A place for a body under way; to be given back. */
  enter(client: string): boolean {
    const count = this.#underWay.get(client) ?? 0;
    if (count >= this.#limits.clientAtOnce && !this.#isTrusted(client)) return false;
    this.#underWay.set(client, count + 1);
    return true;
  }

  leave(client: string): void {
    const count = this.#underWay.get(client) ?? 0;
    if (count <= 1) this.#underWay.delete(client);
    else this.#underWay.set(client, count - 1);
  }

  #isTrusted(client: string): boolean {
    return this.#limits.trustsLoopback && isLoopback(client);
  }

  #of(client: string, nowMs: number): Client {
    const { requestRate, byteRate } = this.#limits;
    return this.#known.getOrMake(client, () => ({
      requests: new TokenBucket(requestRate, nowMs),
      bytes: new TokenBucket(byteRate, nowMs),
    }));
  }
}

export const isLoopback = (client: string): boolean => client === "::1" || /^127\./.test(client);

/** The client that a socket's address belongs to. Whoever has one IPv6 address has 2^64 of them. */
export function clientOf(address: string | undefined): string {
  if (address === undefined) return "unknown";
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address) || address === "::1") return address;
  const [head = "", tail] = (address.split("%")[0] as string).split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const groups =
    tail === undefined ? left : [...left, ...Array<string>(8 - left.length - right.length).fill("0"), ...right];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`;
}
