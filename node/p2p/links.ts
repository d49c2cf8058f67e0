/**
 * Gossip runs over one stream in each direction, and libp2p keeps the connection when one of them ends: the link is deaf,
 * or mute, and nobody notices. A link is whole when
 *
 *   - the peer's stream is open, and a frame came within the last SILENT_TICKS: every node announces its topics again
 *     every ANNOUNCE_TICKS, so that silence never means that there is nothing to say;
 *   - the stream to the peer is open, and what waits in it gets less now and then.
 *
 * A missing stream to the peer is opened again; whatever is wrong for longer ends the connection, and both sides dial
 * anew. Ticks are counted, not time: after a pause of this process nobody is to blame.
 */
import type { Connection, PeerId as Libp2pPeerId } from "@libp2p/interface";
import type { Gossipsub } from "./gossipsub.ts";
import type { PeerId } from "./types.ts";

export interface LinkTicks {
  /** A stream may be missing: while the link is set up, or is set up again. */
  readonly missing: number;
  readonly silent: number;
  /** What waits to be sent does not get less. */
  readonly stuck: number;
  readonly announce: number;
}

/** A tick is about a second. */
export const LINK_TICKS: LinkTicks = { missing: 5, silent: 30, stuck: 15, announce: 7 };

interface Link {
  missingTicks: number;
  silentTicks: number;
  stuckTicks: number;
  backlogBytes: number;
}

export interface LinkPeer {
  readonly id: PeerId;
  readonly libp2pId: Libp2pPeerId;
  readonly connection: Connection;
}

export interface LinksParts {
  readonly service: Gossipsub;
  readonly topics: readonly string[];
  readonly ticks: LinkTicks;
  /** Ends the connection and sees to it that there is a new one. */
  readonly renew: (peer: PeerId, reason: string) => void;
}

export class Links {
  readonly #parts: LinksParts;
  readonly #links = new Map<PeerId, Link>();
  #tick = 0;

  constructor(parts: LinksParts) {
    this.#parts = parts;
  }

  heard(peer: PeerId): void {
    const link = this.#links.get(peer);
    if (link !== undefined) link.silentTicks = 0;
  }

  /** `peers`: those that are connected and speak our protocols. To be called about once a second. */
  check(peers: readonly LinkPeer[]): void {
    const { service, topics, ticks, renew } = this.#parts;
    const isAnnouncing = this.#tick++ % ticks.announce === 0;
    const ids = new Set(peers.map(({ id }) => id));
    for (const id of this.#links.keys()) if (!ids.has(id)) this.#links.delete(id);
    for (const peer of peers) {
      const reason = this.#wrong(peer);
      if (reason !== undefined) {
        this.#links.delete(peer.id);
        renew(peer.id, reason);
      } else if (isAnnouncing && service.streamsOutbound.has(peer.id)) {
        service.sendSubscriptions(peer.id, topics, true);
      }
    }
  }

  /** What has been wrong for too long; undefined when the link is whole or may become so. */
  #wrong({ id, libp2pId, connection }: LinkPeer): string | undefined {
    const { service, ticks } = this.#parts;
    const link = this.#links.get(id) ?? { missingTicks: 0, silentTicks: 0, stuckTicks: 0, backlogBytes: 0 };
    this.#links.set(id, link);
    const outbound = service.streamsOutbound.get(id);
    if (outbound === undefined) service.onPeerConnected(libp2pId, connection);
    link.missingTicks = outbound === undefined || !service.streamsInbound.has(id) ? link.missingTicks + 1 : 0;
    if (link.missingTicks >= ticks.missing) return outbound === undefined ? "no stream to it" : "no stream from it";
    if (++link.silentTicks >= ticks.silent) return "silent";
    const backlogBytes = outbound?.rawStream.writeBufferLength ?? 0;
    const isStuck = backlogBytes > 0 && backlogBytes >= link.backlogBytes;
    link.stuckTicks = isStuck ? link.stuckTicks + 1 : 0;
    link.backlogBytes = backlogBytes;
    return link.stuckTicks >= ticks.stuck ? "does not read" : undefined;
  }
}
