/**
 * How nodes learn of others: each tells of a few of its peers, by the records that those signed themselves, and whoever
 * has too few peers asks.
 *
 *   request  empty
 *   answer   up to 16 chunks: length of the peer id u8 ‖ peer id in ASCII ‖ signed peer record (libp2p RFC 3)
 */
import type { PeerStore } from "@libp2p/interface";
import { peerIdFromString } from "@libp2p/peer-id";
import { RecentMap } from "../../core/recent-map.ts";
import type { Logger } from "../log.ts";
import type { Clock } from "../ports.ts";
import { mayTeach, withPeerId } from "./address.ts";
import type { Dialer } from "./dialer.ts";
import { MAX_PEER_ADDRESSES, MAX_PEER_SAMPLE, MAX_REMEMBERED } from "./limits.ts";
import type { ConnectedPeer, PeerTable } from "./peer-table.ts";
import { PENALTY } from "./reputation.ts";
import { type PeerId, type Protocol, RequestError } from "./types.ts";

/** The same peer is asked at most so often, and somebody at most so often. */
const ASK_PEER_MS = 30_000;
const ASK_MS = 2_000;

export interface DiscoveryParts {
  readonly self: PeerId;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly peers: PeerTable;
  readonly peerStore: PeerStore;
  readonly dialer: Dialer;
  readonly mayDial: (peer: PeerId) => boolean;
  readonly request: (peer: PeerId, protocol: Protocol, payload: Uint8Array) => AsyncIterable<Uint8Array>;
  readonly penalize: (peer: PeerId, points: number, reason: string) => void;
}

export class Discovery {
  readonly #parts: DiscoveryParts;
  readonly #askedMs = new RecentMap<PeerId, number>(MAX_REMEMBERED);
  #notBeforeMs = 0;
  #isAsking = false;

  constructor(parts: DiscoveryParts) {
    this.#parts = parts;
  }

  /** Peers that are connected and said where they listen, in random order. */
  async *answer(_: Uint8Array, from: PeerId): AsyncGenerator<Uint8Array, void> {
    const { peers, peerStore } = this.#parts;
    const others = peers.ready().filter(({ id, addresses }) => id !== from && addresses.length > 0);
    for (const { id, libp2pId } of this.#sample(others, MAX_PEER_SAMPLE)) {
      const record = (await peerStore.get(libp2pId).catch(() => undefined))?.peerRecordEnvelope;
      if (record === undefined) continue;
      yield Buffer.concat([Uint8Array.of(id.length), Buffer.from(id, "ascii"), record]);
    }
  }

  /** To be called about once a second, and when a peer is ready. */
  tick(): void {
    const { clock, dialer, peers } = this.#parts;
    const nowMs = clock.nowMs();
    if (this.#isAsking || !dialer.wantsPeers || nowMs < this.#notBeforeMs) return;
    const candidates = peers.ready().filter(({ id }) => nowMs - (this.#askedMs.get(id) ?? -ASK_PEER_MS) >= ASK_PEER_MS);
    const [peer] = this.#sample(candidates, 1);
    if (peer === undefined) return;
    this.#notBeforeMs = nowMs + ASK_MS * (0.5 + this.#parts.random());
    this.#askedMs.set(peer.id, nowMs);
    this.#isAsking = true;
    void this.#ask(peer).finally(() => {
      this.#isAsking = false;
    });
  }

  async #ask(peer: ConnectedPeer): Promise<void> {
    const { request, log, penalize } = this.#parts;
    let learned = 0;
    try {
      for await (const chunk of request(peer.id, "peers", new Uint8Array(0))) {
        if (await this.#learn(chunk, peer)) learned++;
      }
      log.debug({ peer: peer.id, learned }, "peers learned");
    } catch (error) {
      if (error instanceof RequestError) log.debug({ err: error, peer: peer.id }, "no peers learned");
      else penalize(peer.id, PENALTY.garbage, `peers: ${(error as Error).message}`);
    }
  }

  /** Throws for what no honest node sends. */
  async #learn(chunk: Uint8Array, teacher: ConnectedPeer): Promise<boolean> {
    const { self, dialer, peers, peerStore, mayDial } = this.#parts;
    const length = chunk[0] ?? 0;
    const libp2pId = peerIdFromString(Buffer.from(chunk.subarray(1, 1 + length)).toString("ascii"));
    const id = libp2pId.toString();
    if (id === self || peers.has(id) || !mayDial(id)) return false;
    try {
      // Verifies the signature; false when the record is not newer than the one that is here.
      await peerStore.consumePeerRecord(chunk.subarray(1 + length), { expectedPeer: libp2pId });
      const { addresses } = await peerStore.get(libp2pId);
      const dialable = addresses
        .filter(({ isCertified, multiaddr }) => isCertified && mayTeach(teacher.connection.remoteAddr, multiaddr))
        .flatMap(({ multiaddr }) => withPeerId(multiaddr, id) ?? []);
      return dialable.length > 0 && dialer.add("learned", id, dialable.slice(0, MAX_PEER_ADDRESSES));
    } finally {
      // The dialer keeps what it needs: strangers must not fill the peer store.
      if (!peers.has(id)) await peerStore.delete(libp2pId).catch(() => undefined);
    }
  }

  /** Fisher-Yates, as far as needed. */
  #sample<T>(items: readonly T[], count: number): T[] {
    const left = [...items];
    return Array.from({ length: Math.min(count, left.length) }, () => {
      const index = Math.floor(this.#parts.random() * left.length);
      return left.splice(index, 1)[0]!;
    });
  }
}
