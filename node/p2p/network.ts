/**
 * The Network port over libp2p: TCP, noise, yamux, identify, gossipsub. This file puts the parts together and follows the
 * life of connections; the rules are in the parts.
 */
import type { Connection, IdentifyResult, Libp2p, PeerId as Libp2pPeerId } from "@libp2p/interface";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { multiaddr } from "@multiformats/multiaddr";
import { OperationError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { type Clock, systemClock } from "../ports.ts";
import { mayTeach, withPeerId } from "./address.ts";
import { type NetworkConfig, type ParsedConfig, parseConfig } from "./config.ts";
import { Dialer } from "./dialer.ts";
import { Discovery } from "./discovery.ts";
import { Gossip } from "./gossip.ts";
import { SCORE_THRESHOLDS } from "./gossipsub.ts";
import { createNode, type Services } from "./libp2p.ts";
import { MAX_PEER_ADDRESSES, PROTOCOL_LIMITS, TOPIC_LIMITS } from "./limits.ts";
import { LINK_TICKS, Links } from "./links.ts";
import { type Names, namesOf } from "./names.ts";
import { type ConnectedPeer, dialAddresses, PeerTable } from "./peer-table.ts";
import { PeersFile } from "./peers-file.ts";
import { PENALTY, Reputation } from "./reputation.ts";
import { RequestClient } from "./request-client.ts";
import { RequestServer } from "./request-server.ts";
import { createCounters } from "./stats.ts";
import {
  type MessageHandler,
  type Network,
  type NetworkStats,
  type Peer,
  type PeerId,
  PROTOCOLS,
  type Protocol,
  RequestError,
  type RequestHandler,
  type Topic,
} from "./types.ts";

export interface NetworkParts {
  readonly log: Logger;
  readonly clock?: Clock;
  /** At least 0, less than 1. */
  readonly random?: () => number;
}

const TICK_MS = 1_000;
const BAN_MS = 600_000;
const STATIC_BAN_MS = 60_000;
const SAVE_TICKS = 60;
/** Whoever has not said by then what it speaks takes a place for nothing. */
const IDENTIFY_MS = 10_000;
/** libp2p forgets a peer so long after it went: its own parts ask for it when it goes. */
const FORGET_TICKS = 10;
const STOP_MS = 1_000;
/** Of one connection: above what is answered at once, so that the rest is told that this node is busy. */
const STREAMS_PER_PROTOCOL = 24;

/** Listens when it resolves. Throws UsageError for an address that is none, OperationError when it cannot listen. */
export async function createLibp2pNetwork(config: NetworkConfig, parts: NetworkParts): Promise<Libp2pNetwork> {
  const self = peerIdFromPrivateKey(config.privateKey).toString();
  const parsed = parseConfig(config, self);
  const network = new Libp2pNetwork(config, parsed, parts);
  await network.start();
  return network;
}

export class Libp2pNetwork implements Network {
  readonly id: PeerId;
  readonly #config: NetworkConfig;
  readonly #parsed: ParsedConfig;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #names: Names;
  readonly #counters = createCounters();
  readonly #reputation: Reputation;
  readonly #table: PeerTable;
  readonly #dialer: Dialer;
  readonly #client: RequestClient;
  readonly #server: RequestServer;
  readonly #file: PeersFile;
  readonly #listeners = new Set<(peer: PeerId) => void>();
  readonly #gone: { readonly peer: Libp2pPeerId; readonly tick: number }[] = [];
  #libp2p!: Libp2p<Services>;
  #gossip!: Gossip;
  #links!: Links;
  #discovery!: Discovery;
  #tick = 0;
  #cancelTick: () => void = () => {};
  #stopping: Promise<void> | undefined;

  constructor(
    config: NetworkConfig,
    parsed: ParsedConfig,
    { log, clock = systemClock, random = Math.random }: NetworkParts,
  ) {
    this.#config = config;
    this.#parsed = parsed;
    this.#log = log;
    this.#clock = clock;
    this.#random = random;
    this.id = peerIdFromPrivateKey(config.privateKey).toString();
    this.#names = namesOf(config.chainId, config.genesisHash);
    this.#reputation = new Reputation({ clock, banMs: (id) => this.#banMs(id) });
    this.#table = new PeerTable(this.id, clock);
    this.#file = new PeersFile(config.peersFile, log);
    this.#dialer = new Dialer({
      clock,
      random,
      wantedPeers: parsed.wantedPeers,
      dialledPeers: () => this.#table.count("outbound"),
      mayDial: (id) => this.#isAllowed(id),
      dial: (id, addresses) => this.#dial(id, addresses),
      onForgotten: (id) => this.#file.forget(id),
    });
    const limits = Object.fromEntries(
      PROTOCOLS.map((name) => [name, { ...PROTOCOL_LIMITS[name], ...config.tuning?.protocols?.[name] }]),
    ) as typeof PROTOCOL_LIMITS;
    const shared = { clock, limits, counters: this.#counters, penalize: this.#penalize };
    this.#client = new RequestClient({
      ...shared,
      open: async (id, protocol, signal) => {
        const peer = this.#table.get(id);
        if (peer === undefined) throw new RequestError("closed", `no connection to ${id}`);
        return peer.connection.newStream(this.#names.protocol(protocol), { signal });
      },
    });
    this.#server = new RequestServer({ ...shared, log });
  }

  async start(): Promise<void> {
    await this.#file.load();
    const libp2p = await createNode(this.#config.privateKey, this.#parsed, {
      names: this.#names,
      appScore: (id) => this.#reputation.score(id),
      onUndecodable: (topic) => this.#counters.topics[topic].rejected++,
      isAllowed: (id) => this.#isAllowed(id),
      hasRoom: (id) => this.#hasRoom(id),
    });
    this.#libp2p = libp2p;
    const service = libp2p.services.gossip;
    const { tuning } = this.#config;
    this.#links = new Links({
      service,
      topics: this.#names.topics,
      ticks: tuning?.linkTicks ?? LINK_TICKS,
      renew: (id, reason) => this.#renew(id, reason),
    });
    this.#gossip = new Gossip({
      service,
      names: this.#names,
      clock: this.#clock,
      log: this.#log,
      counters: this.#counters,
      rates: {
        ...Object.fromEntries(Object.entries(TOPIC_LIMITS).map(([topic, { rate }]) => [topic, rate])),
        ...tuning?.rates,
      } as Record<Topic, (typeof TOPIC_LIMITS)[Topic]["rate"]>,
      penalize: this.#penalize,
      onFrame: (id) => this.#links.heard(id),
      onBrokenStream: (id) => this.#renew(id, "broken frame"),
    });
    this.#discovery = new Discovery({
      self: this.id,
      clock: this.#clock,
      random: this.#random,
      log: this.#log,
      peers: this.#table,
      peerStore: libp2p.peerStore,
      dialer: this.#dialer,
      mayDial: (id) => this.#isAllowed(id),
      request: (id, protocol, payload) => this.request(id, protocol, payload),
      penalize: this.#penalize,
    });
    this.#server.handle("peers", (payload, from) => this.#discovery.answer(payload, from));
    libp2p.addEventListener("connection:open", ({ detail }) => this.#onOpen(detail));
    libp2p.addEventListener("connection:close", ({ detail }) => this.#onClose(detail));
    libp2p.addEventListener("peer:identify", ({ detail }) => this.#onIdentify(detail));
    for (const protocol of PROTOCOLS) {
      await libp2p.handle(
        this.#names.protocol(protocol),
        (stream, connection) => void this.#server.serve(protocol, stream, connection.remotePeer.toString()),
        { maxInboundStreams: STREAMS_PER_PROTOCOL, maxOutboundStreams: STREAMS_PER_PROTOCOL },
      );
    }
    try {
      await libp2p.start();
    } catch (error) {
      const wanted = this.#parsed.listen.join(", ");
      throw new OperationError(
        `cannot listen for peers on ${wanted}: ${(error as Error).message}; is another node running?`,
        { cause: error },
      );
    }
    this.#gossip.subscribe();
    for (const { id, address } of this.#parsed.staticPeers) this.#dialer.add("static", id, [address]);
    for (const { id, address } of this.#parsed.bootnodes) this.#dialer.add("boot", id, [address]);
    for (const { id, addresses } of this.#file.peers) this.#dialer.add("known", id, addresses);
    this.#onTick();
  }

  #isAllowed(id: PeerId): boolean {
    const { allowedPeers } = this.#parsed;
    return (allowedPeers === undefined || allowedPeers.has(id)) && !this.#reputation.isBanned(id);
  }

  /** For a peer that dialled this node. A quarter of the places is for those that it dials itself. */
  #hasRoom(id: PeerId): boolean {
    if (this.#table.has(id) || this.#dialer.isStatic(id)) return true;
    const { maxPeers } = this.#parsed;
    const inbound = this.#table.count("inbound");
    return this.#table.size < maxPeers && inbound < maxPeers - Math.floor(maxPeers / 4);
  }

  async #dial(id: PeerId, addresses: readonly string[]): Promise<void> {
    if (this.#stopping !== undefined) return;
    await this.#libp2p.dial(addresses.map((address) => multiaddr(address)));
    this.#log.debug({ peer: id }, "peer dialled");
  }

  #onOpen(connection: Connection): void {
    const id = connection.remotePeer.toString();
    // Others may have come in while this one shook hands.
    if (connection.direction === "inbound" && !this.#hasRoom(id)) {
      closeConnection(connection);
      return;
    }
    const surplus = this.#table.opened(connection);
    this.#dialer.connected(id);
    if (surplus === undefined) return;
    this.#log.debug({ peer: id, direction: surplus.direction }, "second connection closed");
    closeConnection(surplus);
  }

  #onClose(connection: Connection): void {
    const id = connection.remotePeer.toString();
    const { gossip } = this.#libp2p.services;
    if (!this.#table.closed(connection)) {
      // Gossip may have run over this one; it goes on over the other, without the wait for the next check.
      const kept = this.#table.get(id);
      setImmediate(() => {
        if (kept?.isReady === true && !gossip.streamsOutbound.has(id) && kept.connection.status === "open") {
          gossip.onPeerConnected(kept.libp2pId, kept.connection);
        }
      });
      return;
    }
    this.#log.debug({ peer: id }, "peer gone");
    // gossipsub starts a peer that returns at zero.
    const held = gossip.getScore(id) - this.#reputation.score(id);
    if (held < 0 && !this.#reputation.isBanned(id)) this.#reputation.penalize(id, -held);
    this.#dialer.disconnected(id);
    this.#gone.push({ peer: connection.remotePeer, tick: this.#tick });
  }

  #onIdentify({ peerId, connection, protocols, signedPeerRecord }: IdentifyResult): void {
    const id = peerId.toString();
    const peer = this.#table.get(id);
    if (peer === undefined || peer.isReady) return;
    if (!protocols.includes(this.#names.protocol("status"))) {
      this.#log.info({ peer: id, address: connection.remoteAddr.toString() }, "peer of another network");
      this.#dialer.useless(id);
      closeConnection(connection);
      return;
    }
    peer.addresses = (signedPeerRecord?.addresses ?? [])
      .filter((address) => mayTeach(connection.remoteAddr, address))
      .flatMap((address) => withPeerId(address, id) ?? [])
      .slice(0, MAX_PEER_ADDRESSES);
    peer.isReady = true;
    this.#log.info({ peer: id, direction: connection.direction, peers: this.#table.size }, "peer connected");
    const known = dialAddresses(peer);
    if (known.length > 0) {
      this.#file.note({ id, addresses: known, seenMs: this.#clock.nowMs() });
      this.#dialer.add("known", id, known);
      this.#dialer.connected(id);
    }
    for (const listener of this.#listeners) listener(id);
    this.#discovery.tick();
  }

  #onTick(): void {
    this.#tick++;
    const service = this.#libp2p.services.gossip;
    const nowMs = this.#clock.nowMs();
    for (const { id, isReady, openedMs, connection } of this.#table.all()) {
      if (service.getScore(id) <= SCORE_THRESHOLDS.graylist) this.#ban(id, "invalid messages");
      else if (!this.#isAllowed(id)) this.#cut(id, "banned while it connected");
      else if (!isReady && nowMs - openedMs > IDENTIFY_MS) closeConnection(connection);
    }
    this.#links.check(this.#table.ready());
    this.#gossip.trim((id) => this.#table.has(id));
    this.#dialer.tick();
    this.#discovery.tick();
    while (this.#gone[0] !== undefined && this.#gone[0].tick + FORGET_TICKS <= this.#tick) {
      const { peer } = this.#gone.shift()!;
      if (!this.#table.has(peer.toString())) this.#libp2p.peerStore.delete(peer).catch(() => undefined);
    }
    if (this.#tick % SAVE_TICKS === 0) void this.#file.save();
    this.#cancelTick = this.#clock.at(nowMs + (this.#config.tuning?.tickMs ?? TICK_MS), () => this.#onTick());
  }

  /** The link does not work: a new one in its place. */
  #renew(id: PeerId, reason: string): void {
    const peer = this.#table.get(id);
    if (peer === undefined) return;
    this.#counters.deafLinks++;
    this.#log.warn({ peer: id, reason }, "link renewed");
    const addresses = dialAddresses(peer);
    this.#cut(id, `link renewed: ${reason}`);
    this.#dialer.redial(id, addresses);
  }

  #penalize = (id: PeerId, points: number, reason: string): void => {
    this.#log.debug({ peer: id, points, reason }, "peer penalized");
    const isBanned = this.#reputation.penalize(id, points);
    this.#libp2p.services.gossip.score.scoreCache.delete(id);
    if (isBanned) this.#ban(id, reason);
  };

  /** An operator's own peer is given another chance soon: without it the chain may not go on. */
  #banMs(id: PeerId): number {
    return this.#config.tuning?.banMs ?? (this.#dialer.isStatic(id) ? STATIC_BAN_MS : BAN_MS);
  }

  #ban(id: PeerId, reason: string): void {
    this.#reputation.ban(id);
    this.#file.forget(id);
    this.#log.warn({ peer: id, reason }, "peer banned");
    this.#cut(id, `banned: ${reason}`);
  }

  /** All connections of the peer. */
  #cut(id: PeerId, reason: string): void {
    const peer = this.#table.get(id);
    if (peer === undefined) return;
    for (const connection of this.#libp2p.getConnections(peer.libp2pId)) connection.abort(new Error(reason));
  }

  get peers(): readonly Peer[] {
    return this.#table.ready().map((peer) => this.#describe(peer));
  }

  #describe({ id, connection }: ConnectedPeer): Peer {
    return {
      id,
      address: connection.remoteAddr.toString(),
      direction: connection.direction,
      score: this.#libp2p.services.gossip.getScore(id),
    };
  }

  /** What is below, for tests that break it. */
  get libp2p(): Libp2p<Services> {
    return this.#libp2p;
  }

  /** Peers that messages on the topic go to. */
  subscribers(topic: Topic): readonly PeerId[] {
    const { gossip } = this.#libp2p.services;
    return gossip
      .getSubscribers(this.#names.topic(topic))
      .map(String)
      .filter((id) => gossip.streamsOutbound.has(id));
  }

  meshPeers(topic: Topic): readonly PeerId[] {
    return [...(this.#libp2p.services.gossip.mesh.get(this.#names.topic(topic)) ?? [])];
  }

  get addresses(): readonly string[] {
    return this.#libp2p.getMultiaddrs().map((address) => address.toString());
  }

  get stats(): NetworkStats {
    const { bans, bannedNow } = this.#reputation;
    return { ...structuredClone(this.#counters), peers: this.#table.ready().length, banned: bannedNow, bans };
  }

  onPeer(listener: (peer: PeerId) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(topic: Topic, data: Uint8Array): Promise<number> {
    return this.#stopping === undefined ? this.#gossip.publish(topic, data) : Promise.resolve(0);
  }

  handleTopic(topic: Topic, handler: MessageHandler): void {
    this.#gossip.handle(topic, handler);
  }

  /** Throws RangeError for `peers`, which the network answers itself. */
  handleRequest(protocol: Protocol, handler: RequestHandler): void {
    if (protocol === "peers") throw new RangeError("the network answers peers itself");
    this.#server.handle(protocol, handler);
  }

  request(peer: PeerId, protocol: Protocol, payload: Uint8Array): AsyncIterable<Uint8Array> {
    return this.#client.request(peer, protocol, payload);
  }

  penalize(peer: PeerId, reason: string): void {
    this.#penalize(peer, PENALTY.reported, reason);
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#cancelTick();
    this.#listeners.clear();
    this.#client.stop();
    this.#server.stop();
    await this.#file.save();
    // gossipsub waits without end for a stream that a peer does not read: connections go first, and not for long.
    const signal = AbortSignal.timeout(STOP_MS / 2);
    await Promise.all(
      this.#libp2p
        .getConnections()
        .map((connection) => connection.close({ signal }).catch((error: Error) => connection.abort(error))),
    );
    await this.#libp2p.stop();
  }
}

/** Politely, and if need be not. */
function closeConnection(connection: Connection): void {
  connection.close({ signal: AbortSignal.timeout(STOP_MS) }).catch((error: Error) => connection.abort(error));
}
