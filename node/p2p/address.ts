/** Addresses of peers: `/ip4/203.0.113.5/tcp/9222/p2p/12D3…`. Only TCP over IP or a name; no relays, no other transports. */

import { BlockList, isIPv4 } from "node:net";
import { peerIdFromString } from "@libp2p/peer-id";
import { CODE_P2P, type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import type { PeerId } from "./types.ts";

/** How far away an address can be: on this machine, in this network, anywhere. */
export type Reach = "loopback" | "private" | "public";

export interface PeerAddress {
  readonly id: PeerId;
  /** With the peer's id. */
  readonly address: string;
}

const LOOPBACK = blockList(["127.0.0.0/8", "::1/128"]);
const PRIVATE = blockList([
  "10.0.0.0/8",
  "100.64.0.0/10",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "fc00::/7",
  "fe80::/10",
]);
const NOWHERE = blockList(["0.0.0.0/8", "224.0.0.0/3", "::/128", "ff00::/8"]);

function blockList(subnets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [net, prefix] = subnet.split("/") as [string, string];
    list.addSubnet(net, Number(prefix), net.includes(":") ? "ipv6" : "ipv4");
  }
  return list;
}

/**
 * Undefined for what nobody can dial. A name has the reach of this network: it may lead anywhere, so that strangers must
 * not make the node look it up.
 */
export function reachOf(address: Multiaddr): Reach | undefined {
  const [host, tcp, ...rest] = address.getComponents();
  if (host === undefined || tcp?.name !== "tcp" || !(Number(tcp.value) > 0)) return undefined;
  if (rest.length > 1 || (rest[0] !== undefined && rest[0].name !== "p2p")) return undefined;
  if (host.name === "dns" || host.name === "dns4" || host.name === "dns6") return "private";
  if ((host.name !== "ip4" && host.name !== "ip6") || host.value === undefined) return undefined;
  const family = isIPv4(host.value) ? "ipv4" : "ipv6";
  if (NOWHERE.check(host.value, family)) return undefined;
  if (LOOPBACK.check(host.value, family)) return "loopback";
  return PRIVATE.check(host.value, family) ? "private" : "public";
}

const REACHES: readonly Reach[] = ["public", "private", "loopback"];

/** Whether to believe a peer about an address: never one that is nearer than the peer itself. */
export function mayTeach(teacher: Multiaddr, address: Multiaddr): boolean {
  const reach = reachOf(address);
  return reach !== undefined && REACHES.indexOf(reach) <= REACHES.indexOf(reachOf(teacher) ?? "public");
}

/** Throws RangeError for what is no such address, or one without a peer id. */
export function parsePeerAddress(text: string): PeerAddress {
  const problem = `"${text}" is no peer address such as /ip4/203.0.113.5/tcp/9222/p2p/12D3KooW…`;
  let address: Multiaddr;
  try {
    address = multiaddr(text);
  } catch (error) {
    throw new RangeError(problem, { cause: error });
  }
  const id = address.getComponents().find(({ name }) => name === "p2p")?.value;
  if (id === undefined || reachOf(address) === undefined) throw new RangeError(problem);
  return { id, address: address.toString() };
}

/** Throws RangeError. */
export function parsePeerId(text: string): PeerId {
  try {
    return peerIdFromString(text).toString();
  } catch (error) {
    throw new RangeError(`"${text}" is no peer id such as 12D3KooW…`, { cause: error });
  }
}

/** With the peer's id at the end, as parsePeerAddress wants it; undefined for what nobody can dial. */
export function withPeerId(address: Multiaddr, id: PeerId): string | undefined {
  if (reachOf(address) === undefined) return undefined;
  return `${address.decapsulateCode(CODE_P2P).toString()}/p2p/${id}`;
}
