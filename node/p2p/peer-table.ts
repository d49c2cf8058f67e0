/** Who is connected. One connection a peer, and only peers of this network are ready to be asked. */
import type { Connection, PeerId as Libp2pPeerId } from "@libp2p/interface";
import type { Clock } from "../ports.ts";
import { reachOf } from "./address.ts";
import type { PeerId } from "./types.ts";

export interface ConnectedPeer {
  readonly id: PeerId;
  readonly libp2pId: Libp2pPeerId;
  connection: Connection;
  openedMs: number;
  /** Speaks the protocols of this network. */
  isReady: boolean;
  /** Certified by itself; set when it is ready. With the peer's id. */
  addresses: readonly string[];
}

/** Two connections that cross within this time are one dial from each side. */
const CROSSING_MS = 5_000;

export class PeerTable {
  readonly #peers = new Map<PeerId, ConnectedPeer>();
  readonly #self: PeerId;
  readonly #clock: Clock;

  constructor(self: PeerId, clock: Clock) {
    this.#self = self;
    this.#clock = clock;
  }

  get size(): number {
    return this.#peers.size;
  }

  count(direction: Connection["direction"]): number {
    return this.all().filter(({ connection }) => connection.direction === direction).length;
  }

  all(): ConnectedPeer[] {
    return [...this.#peers.values()];
  }

  ready(): ConnectedPeer[] {
    return this.all().filter(({ isReady }) => isReady);
  }

  get(id: PeerId): ConnectedPeer | undefined {
    return this.#peers.get(id);
  }

  has(id: PeerId): boolean {
    return this.#peers.has(id);
  }

  /**
   * Returns the connection that is to be closed when there are two to the same peer now. Of two that crossed, both sides
   * keep the one that the peer with the smaller id dialled; otherwise the old one is dead for whoever dialled anew.
   */
  opened(connection: Connection): Connection | undefined {
    const id = connection.remotePeer.toString();
    const peer = this.#peers.get(id);
    const openedMs = this.#clock.nowMs();
    if (peer === undefined) {
      const libp2pId = connection.remotePeer;
      this.#peers.set(id, { id, libp2pId, connection, openedMs, isReady: false, addresses: [] });
      return undefined;
    }
    const old = peer.connection;
    const isCrossing = openedMs - peer.openedMs < CROSSING_MS && old.direction !== connection.direction;
    const dialler = this.#self < id ? "outbound" : "inbound";
    if (isCrossing && old.direction === dialler && old.status === "open") return connection;
    peer.connection = connection;
    peer.openedMs = openedMs;
    return old;
  }

  /** True when it was the peer's last one: the peer is gone. */
  closed(connection: Connection): boolean {
    const id = connection.remotePeer.toString();
    if (this.#peers.get(id)?.connection.id !== connection.id) return false;
    this.#peers.delete(id);
    return true;
  }
}

/** Where the peer can be dialled again: where it was, if we dialled it, and where it says it listens. */
export function dialAddresses({ connection, addresses }: ConnectedPeer): readonly string[] {
  const dialled = connection.direction === "outbound" && reachOf(connection.remoteAddr) !== undefined;
  return dialled ? [connection.remoteAddr.toString(), ...addresses] : addresses;
}
