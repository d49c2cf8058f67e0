/**
 * The Network port in memory: any number of nodes, links that can be cut, delays from a clock. Same clock, same delays,
 * same run. A lying peer is a node whose handlers lie: `lie` puts one in the place of an honest one.
 */
import { bytesToHex } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import {
  type MessageHandler,
  type Network,
  type Peer,
  type PeerId,
  type Protocol,
  RequestError,
  type RequestHandler,
  type Topic,
} from "../p2p/types.ts";
import type { Clock } from "../ports.ts";

export interface FakeNetworkOptions {
  readonly clock: Clock;
  /** Milliseconds that a message takes; undefined loses it. */
  readonly delayMs?: (from: PeerId, to: PeerId, bytes: number) => number | undefined;
}

/** Total time of an answer, as the real network bounds it. */
const ANSWER_MS = 20_000;
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const SEEN_KEPT = 65_536;
const PENALTY = 25;
const BANNED_BELOW = -100;

export class FakeNetwork {
  readonly #clock: Clock;
  readonly #delayMs: (from: PeerId, to: PeerId, bytes: number) => number | undefined;
  readonly #nodes = new Map<PeerId, FakeNode>();

  constructor({ clock, delayMs = () => 5 }: FakeNetworkOptions) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  /** A node without links. */
  join(id: PeerId): FakeNode {
    if (this.#nodes.has(id)) throw new Error(`node ${id} is here already`);
    const node = new FakeNode(id, this.#clock, (to, bytes) => this.#delayMs(id, to.id, bytes));
    this.#nodes.set(id, node);
    return node;
  }

  /** Takes a node out: its process ended. */
  async leave(id: PeerId): Promise<void> {
    const stopped = this.#node(id).stop();
    this.#nodes.delete(id);
    await stopped;
  }

  connect(a: PeerId, b: PeerId): void {
    const [first, second] = [this.#node(a), this.#node(b)];
    if (first.isConnected(b)) return;
    first.link(second, "outbound");
    second.link(first, "inbound");
  }

  connectAll(): void {
    const ids = [...this.#nodes.keys()];
    for (const [index, a] of ids.entries()) for (const b of ids.slice(index + 1)) this.connect(a, b);
  }

  disconnect(a: PeerId, b: PeerId): void {
    this.#node(a).cut(b);
  }

  #node(id: PeerId): FakeNode {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }
}

interface Link {
  readonly node: FakeNode;
  readonly direction: Peer["direction"];
  /** What waits for the other side. */
  readonly waiting: Set<(error: Error) => void>;
}

export class FakeNode implements Network {
  readonly id: PeerId;
  /** Everything that this node held against others, in order. */
  readonly penalties: { readonly peer: PeerId; readonly reason: string }[] = [];
  /** Requests under way from here, by peer, and the most there were at once. */
  readonly inFlight = new Map<PeerId, number>();
  mostInFlight = 0;
  readonly #clock: Clock;
  readonly #delay: (to: FakeNode, bytes: number) => number | undefined;
  readonly #links = new Map<PeerId, Link>();
  readonly #scores = new Map<PeerId, number>();
  readonly #topics = new Map<Topic, MessageHandler>();
  readonly #requests = new Map<Protocol, RequestHandler>();
  readonly #listeners = new Set<(peer: PeerId) => void>();
  readonly #seen = new Set<string>();

  constructor(id: PeerId, clock: Clock, delay: (to: FakeNode, bytes: number) => number | undefined) {
    this.id = id;
    this.#clock = clock;
    this.#delay = delay;
  }

  get peers(): readonly Peer[] {
    return [...this.#links].map(([id, { direction }]) => ({ id, address: id, direction, score: this.scoreOf(id) }));
  }

  scoreOf(peer: PeerId): number {
    return this.#scores.get(peer) ?? 0;
  }

  isConnected(peer: PeerId): boolean {
    return this.#links.has(peer);
  }

  link(node: FakeNode, direction: Peer["direction"]): void {
    if (this.scoreOf(node.id) <= BANNED_BELOW) return;
    this.#links.set(node.id, { node, direction, waiting: new Set() });
    // As over a wire: a peer is ready a moment after the link is.
    this.#clock.at(this.#clock.nowMs(), () => {
      if (this.isConnected(node.id)) for (const listener of this.#listeners) listener(node.id);
    });
  }

  /** Both sides of the link end. */
  cut(peer: PeerId): void {
    const link = this.#links.get(peer);
    if (link === undefined) return;
    this.#links.delete(peer);
    link.node.cut(this.id);
    for (const fail of link.waiting) fail(new RequestError("closed", `the connection to ${peer} ended`));
  }

  onPeer(listener: (peer: PeerId) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  handleTopic(topic: Topic, handler: MessageHandler): void {
    this.#topics.set(topic, handler);
  }

  /** The handler of a topic, to hand it a message without a copy. */
  topic(topic: Topic): MessageHandler {
    const handler = this.#topics.get(topic);
    if (handler === undefined) throw new Error(`node ${this.id} does not listen to ${topic}`);
    return handler;
  }

  handleRequest(protocol: Protocol, handler: RequestHandler): void {
    this.#requests.set(protocol, handler);
  }

  /** Replaces a handler by one that may use the one before it. */
  lie(protocol: Protocol, liar: (honest: RequestHandler) => RequestHandler): void {
    const honest = this.#requests.get(protocol);
    if (honest === undefined) throw new Error(`node ${this.id} does not answer ${protocol}`);
    this.#requests.set(protocol, liar(honest));
  }

  async publish(topic: Topic, data: Uint8Array): Promise<number> {
    if (data.length > MAX_MESSAGE_BYTES) throw new RangeError(`${data.length} bytes on topic ${topic}`);
    this.#isNew(topic, data);
    return this.#spread(topic, data.slice(), this.id);
  }

  #spread(topic: Topic, data: Uint8Array, except: PeerId): number {
    let handedTo = 0;
    for (const [id, { node }] of this.#links) {
      if (id === except) continue;
      handedTo++;
      const delayMs = this.#delay(node, data.length);
      if (delayMs === undefined) continue;
      this.#clock.at(this.#clock.nowMs() + delayMs, () => void node.#receive(topic, data, this.id));
    }
    return handedTo;
  }

  async #receive(topic: Topic, data: Uint8Array, from: PeerId): Promise<void> {
    const handler = this.#topics.get(topic);
    if (!this.isConnected(from) || handler === undefined || !this.#isNew(topic, data)) return;
    let verdict: Awaited<ReturnType<MessageHandler>>;
    try {
      verdict = await handler(data, from);
    } catch {
      return; // as `ignore`
    }
    if (verdict === "accept") this.#spread(topic, data, from);
    if (verdict === "reject") this.#score(from);
  }

  #isNew(topic: Topic, data: Uint8Array): boolean {
    const key = topic + bytesToHex(keccak256(data));
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    if (this.#seen.size > SEEN_KEPT) this.#seen.delete(this.#seen.values().next().value!);
    return true;
  }

  async *request(peer: PeerId, protocol: Protocol, payload: Uint8Array): AsyncGenerator<Uint8Array> {
    const link = this.#links.get(peer);
    if (link === undefined) throw new RequestError("closed", `no connection to ${peer}`);
    this.inFlight.set(peer, (this.inFlight.get(peer) ?? 0) + 1);
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight.get(peer)!);
    const untilMs = this.#clock.nowMs() + ANSWER_MS;
    let chunks: AsyncIterator<Uint8Array> | undefined;
    try {
      await this.#wait(link, untilMs, this.#delay(link.node, payload.length));
      const handler = link.node.#requests.get(protocol);
      if (handler === undefined) throw new RequestError("refused", `${peer} does not answer ${protocol}`);
      chunks = iterate(handler(payload.slice(), this.id));
      for (;;) {
        const { done, value } = await this.#wait(link, untilMs, 0, chunks.next());
        await this.#wait(link, untilMs, link.node.#delay(this, value?.length ?? 0));
        if (done === true) return;
        yield value.slice();
      }
    } catch (error) {
      throw error instanceof RequestError ? error : new RequestError("refused", `${peer} failed`, { cause: error });
    } finally {
      this.inFlight.set(peer, this.inFlight.get(peer)! - 1);
      // A handler that never gives another chunk must not hold up whoever stopped listening.
      void chunks?.return?.()?.catch(() => undefined);
    }
  }

  /** `work` after the delay; throws RequestError when the link ends or time is up. An undefined delay is for ever. */
  #wait(link: Link, untilMs: number, delayMs: number | undefined): Promise<void>;
  #wait<T>(link: Link, untilMs: number, delayMs: number | undefined, work: Promise<T>): Promise<T>;
  #wait(link: Link, untilMs: number, delayMs: number | undefined, work?: Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const cancels: (() => void)[] = [];
      const settle = (how: () => void) => {
        for (const cancel of cancels) cancel();
        link.waiting.delete(fail);
        how();
      };
      const fail = (error: Error) => settle(() => reject(error));
      link.waiting.add(fail);
      cancels.push(this.#clock.at(untilMs, () => fail(new RequestError("timeout", "no answer in time"))));
      if (work !== undefined) work.then((value) => settle(() => resolve(value)), fail);
      else if (delayMs !== undefined) {
        cancels.push(this.#clock.at(this.#clock.nowMs() + delayMs, () => settle(() => resolve(undefined))));
      }
    });
  }

  penalize(peer: PeerId, reason: string): void {
    this.penalties.push({ peer, reason });
    this.#score(peer);
  }

  #score(peer: PeerId): void {
    this.#scores.set(peer, this.scoreOf(peer) - PENALTY);
    if (this.scoreOf(peer) <= BANNED_BELOW) this.cut(peer);
  }

  async stop(): Promise<void> {
    for (const id of [...this.#links.keys()]) this.cut(id);
    this.#listeners.clear();
  }
}

async function* iterate(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* chunks;
}
