/** What the network is told, as plain data. */
import type { PrivateKey } from "@libp2p/interface";
import type { Multiaddr } from "@multiformats/multiaddr";
import { multiaddr } from "@multiformats/multiaddr";
import type { Rate } from "../../core/token-bucket.ts";
import { UsageError } from "../errors.ts";
import { type PeerAddress, parsePeerAddress, parsePeerId } from "./address.ts";
import type { ProtocolLimits } from "./limits.ts";
import type { LinkTicks } from "./links.ts";
import type { PeerId, Protocol, Topic } from "./types.ts";

export interface NetworkConfig {
  readonly chainId: bigint;
  readonly genesisHash: Uint8Array;
  /** Ed25519; the node's name in the network. */
  readonly privateKey: PrivateKey;
  /** Multiaddrs; default loopback, port 9222. */
  readonly listen?: readonly string[];
  /** Multiaddrs at which others reach this node; default where it listens. */
  readonly announce?: readonly string[];
  /** Multiaddrs with peer ids: entries to the network. */
  readonly bootnodes?: readonly string[];
  /** Multiaddrs with peer ids: always kept connected, above `maxPeers` too. */
  readonly staticPeers?: readonly string[];
  /** Peer ids. When there are any, only these and the static peers may connect. */
  readonly allowedPeers?: readonly string[];
  /** In and out; default 50. */
  readonly maxPeers?: number;
  /** Peers that this node looks for by itself; default 16, at most `maxPeers`. */
  readonly wantedPeers?: number;
  /** Where peers are remembered; default nowhere. */
  readonly peersFile?: string;
  readonly tuning?: Tuning;
}

/** For tests: everything that has one value on a real network. */
export interface Tuning {
  readonly tickMs?: number;
  readonly banMs?: number;
  readonly linkTicks?: LinkTicks;
  readonly rates?: Partial<Record<Topic, Rate>>;
  readonly protocols?: Partial<Record<Protocol, Partial<ProtocolLimits>>>;
}

export interface ParsedConfig {
  readonly listen: readonly string[];
  readonly announce: readonly string[];
  readonly bootnodes: readonly PeerAddress[];
  readonly staticPeers: readonly PeerAddress[];
  /** Undefined: anybody. */
  readonly allowedPeers: ReadonlySet<PeerId> | undefined;
  readonly maxPeers: number;
  readonly wantedPeers: number;
}

const DEFAULT_LISTEN = ["/ip4/127.0.0.1/tcp/9222"];
const DEFAULT_MAX_PEERS = 50;
const DEFAULT_WANTED_PEERS = 16;

/** Throws UsageError. The own address among bootnodes and static peers is left out: a list may be the same for all. */
export function parseConfig(config: NetworkConfig, self: PeerId): ParsedConfig {
  const others = (what: string, list: readonly string[] = []) =>
    list.map((text) => usage(what, () => parsePeerAddress(text))).filter(({ id }) => id !== self);
  const staticPeers = others("static peer", config.staticPeers);
  const allowed = config.allowedPeers?.map((text) => usage("allowed peer", () => parsePeerId(text))) ?? [];
  const maxPeers = config.maxPeers ?? DEFAULT_MAX_PEERS;
  return {
    listen: (config.listen ?? DEFAULT_LISTEN).map((text) => listenAddress("listening address", text)),
    announce: (config.announce ?? []).map((text) => listenAddress("announced address", text)),
    bootnodes: others("bootnode", config.bootnodes),
    staticPeers,
    allowedPeers: allowed.length === 0 ? undefined : new Set([...allowed, ...staticPeers.map(({ id }) => id)]),
    maxPeers,
    wantedPeers: Math.min(config.wantedPeers ?? DEFAULT_WANTED_PEERS, maxPeers),
  };
}

function listenAddress(what: string, text: string): string {
  return usage(what, () => {
    const problem = `"${text}" is no address such as /ip4/0.0.0.0/tcp/9222`;
    let parsed: Multiaddr;
    try {
      parsed = multiaddr(text);
    } catch (error) {
      throw new RangeError(problem, { cause: error });
    }
    if (parsed.getComponents()[1]?.name !== "tcp") throw new RangeError(problem);
    return parsed.toString();
  });
}

function usage<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new UsageError(`${what}: ${(error as Error).message}`);
  }
}
