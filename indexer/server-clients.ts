/** Who asks, and how often each may: a token bucket for each client. */
import type { IncomingMessage } from "node:http";
import { isIPv6 } from "node:net";
import { RecentMap } from "../core/recent-map.ts";
import { type Rate, TokenBucket } from "../core/token-bucket.ts";

/** Those seen longest ago begin anew. */
const MAX_CLIENTS = 10_000;

/**
 * What stands for a client: its IPv4 address, or its IPv6 network of 64 bits, since a host may take any address in that.
 * Behind a proxy (`trustsProxy`) it is the last address of X-Forwarded-For: the one that the proxy itself has seen.
 */
export function clientOf({ headers, socket }: IncomingMessage, trustsProxy: boolean): string {
  const forwarded = trustsProxy ? [headers["x-forwarded-for"]].flat().join(",").split(",").at(-1)?.trim() : undefined;
  const address = forwarded || (socket.remoteAddress ?? "");
  if (!isIPv6(address)) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  return mapped?.[1] ?? networkOf(address);
}

/** The first four groups of an IPv6 address, and "::/64" after them. */
function networkOf(address: string): string {
  // The URL parser gives addresses their one canonical form, of which "::" is still to be filled in.
  const canonical = URL.parse(`http://[${address.split("%")[0]}]`)?.hostname.slice(1, -1) ?? address;
  const [front = "", back] = canonical.split("::");
  const left = front === "" ? [] : front.split(":");
  const right = back === undefined || back === "" ? [] : back.split(":");
  const zeros = back === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array<string>(zeros).fill("0"), ...right];
  return `${groups.slice(0, 4).join(":")}::/64`;
}

export class ClientRates {
  readonly #buckets = new RecentMap<string, TokenBucket>(MAX_CLIENTS);
  readonly #rate: Rate | undefined;

  /** Undefined: no limit. */
  constructor(rate: Rate | undefined) {
    this.#rate = rate;
  }

  /** Takes one request. Undefined when it may go on, otherwise the milliseconds until the next one may. */
  take(client: string, nowMs = Date.now()): number | undefined {
    const rate = this.#rate;
    if (rate === undefined) return undefined;
    const bucket = this.#buckets.getOrMake(client, () => new TokenBucket(rate, nowMs));
    return bucket.take(1, nowMs) ? undefined : bucket.waitMs(1, nowMs);
  }
}
