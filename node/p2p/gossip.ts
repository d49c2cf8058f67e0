/**
 * Topics over gossipsub. Between the wire and a handler stand, in this order: the frame's length, the peer's rates, the
 * message's length, decompression within its bound, the seen cache, and room for one more message in work.
 */
import type { PeerId as Libp2pPeerId } from "@libp2p/interface";
import type { Logger } from "../log.ts";
import type { Clock } from "../ports.ts";
import { type Gossipsub, messageId, messageIdToString, type Rpc, type RpcMessage } from "./gossipsub.ts";
import { GOSSIP_BYTES, GOSSIP_FRAMES, MAX_REMEMBERED, MAX_SEEN, TOPIC_LIMITS, type TopicLimits } from "./limits.ts";
import type { Names } from "./names.ts";
import { PAYLOAD_HEADER_BYTES } from "./payload.ts";
import { PeerBuckets } from "./peer-buckets.ts";
import { Places } from "./places.ts";
import { PENALTY } from "./reputation.ts";
import type { Counters } from "./stats.ts";
import { type MessageHandler, type PeerId, TOPICS, type Topic, type Verdict } from "./types.ts";

/** Messages that a peer asked for travel in frames of about this size. */
const ANSWER_FRAME_BYTES = 512 * 1_024;
const ANSWER_FRAME_MESSAGES = 256;

export interface GossipParts {
  readonly service: Gossipsub;
  readonly names: Names;
  readonly clock: Clock;
  readonly log: Logger;
  readonly counters: Counters;
  readonly rates: Readonly<Record<Topic, TopicLimits["rate"]>>;
  readonly penalize: (peer: PeerId, points: number, reason: string) => void;
  /** A frame came, whatever is in it. */
  readonly onFrame: (peer: PeerId) => void;
  /** What came on the stream cannot be read on. */
  readonly onBrokenStream: (peer: PeerId) => void;
}

export class Gossip {
  readonly #parts: GossipParts;
  readonly #handlers = new Map<Topic, MessageHandler>();
  readonly #messages: ReadonlyMap<Topic, PeerBuckets>;
  readonly #bytes = new PeerBuckets(GOSSIP_BYTES, MAX_REMEMBERED);
  readonly #frames = new PeerBuckets(GOSSIP_FRAMES, MAX_REMEMBERED);
  readonly #inWork: ReadonlyMap<Topic, Places>;

  constructor(parts: GossipParts) {
    this.#parts = parts;
    this.#messages = new Map(TOPICS.map((topic) => [topic, new PeerBuckets(parts.rates[topic], MAX_REMEMBERED)]));
    this.#inWork = new Map(
      TOPICS.map((topic) => [
        topic,
        new Places({ peer: TOPIC_LIMITS[topic].inFlight / 2, all: TOPIC_LIMITS[topic].inFlight }),
      ]),
    );
    this.#hook();
  }

  /** Precondition: the service is started. */
  subscribe(): void {
    const { service, names } = this.#parts;
    service.addEventListener("gossipsub:message", ({ detail: { msg, msgId, propagationSource } }) => {
      void this.#judge(names.topicOf(msg.topic)!, msg.data, msgId, propagationSource.toString());
    });
    for (const name of names.topics) service.subscribe(name);
  }

  handle(topic: Topic, handler: MessageHandler): void {
    this.#handlers.set(topic, handler);
  }

  /**
   * What this node published before goes out again: those who have it drop it. What came from others is not repeated, and
   * neither that nor the lack of peers is an error.
   */
  async publish(topic: Topic, data: Uint8Array): Promise<number> {
    const { service, names } = this.#parts;
    const { maxBytes } = TOPIC_LIMITS[topic];
    if (data.length > maxBytes) {
      throw new RangeError(`a message of ${data.length} bytes on topic ${topic}, at most ${maxBytes} are allowed`);
    }
    const name = names.topic(topic);
    // Without this, a vote that is sent again after a partition would stay here for as long as the seen cache lasts.
    const id = messageIdToString(messageId(name, data));
    if (service.publishedMessageIds.entries.has(id)) service.seenCache.entries.delete(id);
    try {
      const { recipients } = await service.publish(name, data);
      return recipients.length;
    } catch (error) {
      if ((error as Error).message === "PublishError.NoPeersSubscribedToTopic") return 0;
      throw error;
    }
  }

  /** Keeps bounded what gossipsub bounds only by time. To be called about once a second. */
  trim(isConnected: (peer: PeerId) => boolean): void {
    const { service } = this.#parts;
    trimOldest(service.seenCache.entries);
    trimOldest(service.publishedMessageIds.entries);
    const { queue, records } = service.score.deliveryRecords;
    while (queue.length > MAX_SEEN) records.delete(queue.shift()!.msgId);
    // libp2p tells gossipsub of a disconnect only when it knows the peer's protocols.
    for (const [id, peer] of service.peers) if (!isConnected(id)) service.removePeer(peer);
  }

  async #judge(topic: Topic, data: Uint8Array, id: string, from: PeerId): Promise<void> {
    const { service, counters, log } = this.#parts;
    const places = this.#inWork.get(topic)!;
    const handler = this.#handlers.get(topic);
    let verdict: Verdict = "ignore";
    if (!places.take(from)) counters.topics[topic].dropped++;
    else {
      try {
        verdict = (await handler?.(data, from)) ?? "ignore";
      } catch (error) {
        log.warn({ err: error, topic, peer: from }, "message handler failed");
      } finally {
        places.giveBack(from);
      }
    }
    if (verdict === "reject") {
      counters.topics[topic].rejected++;
      log.debug({ topic, peer: from }, "message rejected");
    }
    if (verdict === "ignore") counters.topics[topic].ignored++;
    service.reportMessageValidationResult(id, from, verdict);
  }

  /** Puts our own steps around gossipsub's. */
  #hook(): void {
    const { service, names } = this.#parts;
    service.pipePeerReadStream = (from, frames) => this.#readStream(from, frames);
    const handleRpc = service.handleReceivedRpc.bind(service);
    service.handleReceivedRpc = (from, rpc) => {
      const id = from.toString();
      rpc.messages = rpc.messages.filter((message) => this.#admits(id, message));
      return handleRpc(from, rpc);
    };
    const markInvalid = service.score.markInvalidMessageDelivery.bind(service.score);
    service.score.markInvalidMessageDelivery = (from, name) => {
      markInvalid(from, name);
      this.#parts.penalize(from, PENALTY.invalid, `${names.topicOf(name)}: invalid message`);
    };
    const sendRpc = service.sendRpc.bind(service);
    service.sendRpc = (peer, rpc) => {
      const isSent = sendRpc(peer, rpc);
      if (isSent) this.#countSent(rpc, 1);
      return isSent;
    };
    const sendRpcInBatch = service.sendRpcInBatch.bind(service);
    service.sendRpcInBatch = (peers, rpc) => {
      sendRpcInBatch(peers, rpc);
      this.#countSent(rpc, peers.size);
    };
    const handleIWant = service.handleIWant.bind(service);
    service.handleIWant = (peer, wanted) => {
      const [last = [], ...others] = split(handleIWant(peer, wanted)).reverse();
      for (const messages of others) service.sendRpc(peer, { messages, subscriptions: [] });
      return last;
    };
  }

  /** As gossipsub's own, but garbage has its price, and the end of the stream is noticed. */
  async #readStream(from: Libp2pPeerId, frames: AsyncIterable<{ byteLength: number; subarray(): Uint8Array }>) {
    const { service, clock, counters, log, penalize, onFrame, onBrokenStream } = this.#parts;
    const id = from.toString();
    const stream = service.streamsInbound.get(id);
    try {
      for await (const frame of frames) {
        onFrame(id);
        const nowMs = clock.nowMs();
        const isInRate = this.#frames.take(id, 1, nowMs) && this.#bytes.take(id, frame.byteLength, nowMs);
        if (!isInRate) {
          penalize(id, PENALTY.rate, "too much gossip");
          continue;
        }
        let rpc: Rpc;
        try {
          rpc = service.decodeRpc(frame.subarray());
        } catch (error) {
          counters.garbage++;
          penalize(id, PENALTY.garbage, `gossip: ${(error as Error).message}`);
          continue;
        }
        service.handleReceivedRpc(from, rpc).catch((error) => log.debug({ err: error, peer: id }, "gossip failed"));
      }
    } catch (error) {
      const { name, message } = error as Error;
      log.debug({ err: error, peer: id }, "gossip stream broke");
      // What the framing throws: it-length-prefixed's errors for a length that is none or too long.
      if (name.startsWith("Invalid")) {
        counters.garbage++;
        penalize(id, PENALTY.garbage, `gossip: ${message}`);
        onBrokenStream(id);
      }
    }
    // Where the peer ended it, our end would keep its place among the streams that a peer may open.
    await stream?.close().catch(() => undefined);
    if (service.streamsInbound.get(id) === stream) service.streamsInbound.delete(id);
  }

  #admits(from: PeerId, message: RpcMessage): boolean {
    const { names, counters, clock, penalize } = this.#parts;
    const topic = names.topicOf(message.topic);
    if (topic === undefined) {
      penalize(from, PENALTY.garbage, "gossip on a foreign topic");
      return false;
    }
    const bytes = message.data?.length ?? 0;
    const counter = counters.topics[topic];
    counter.in.messages++;
    counter.in.bytes += bytes;
    if (!this.#messages.get(topic)!.take(from, 1, clock.nowMs())) {
      counter.dropped++;
      penalize(from, PENALTY.rate, `${topic}: too many messages`);
      return false;
    }
    if (bytes > TOPIC_LIMITS[topic].maxBytes + PAYLOAD_HEADER_BYTES) {
      counter.dropped++;
      penalize(from, PENALTY.garbage, `${topic}: ${bytes} bytes`);
      return false;
    }
    if (message.from ?? message.seqno ?? message.signature ?? message.key) {
      counter.dropped++;
      penalize(from, PENALTY.garbage, `${topic}: signed`);
      return false;
    }
    return true;
  }

  #countSent({ messages }: Rpc, peers: number): void {
    const { counters, names } = this.#parts;
    for (const { topic: name, data } of messages) {
      const topic = names.topicOf(name);
      if (topic === undefined) continue;
      counters.topics[topic].out.messages += peers;
      counters.topics[topic].out.bytes += peers * (data?.length ?? 0);
    }
  }
}

/** Up to three blocks may have been asked for at once: more than libp2p sends in one frame. */
function split(messages: readonly RpcMessage[]): RpcMessage[][] {
  const frames: RpcMessage[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const message of messages) {
    const size = message.data?.length ?? 0;
    if (bytes + size > ANSWER_FRAME_BYTES || frames.at(-1)!.length === ANSWER_FRAME_MESSAGES) {
      frames.push([]);
      bytes = 0;
    }
    frames.at(-1)!.push(message);
    bytes += size;
  }
  return frames;
}

function trimOldest(entries: Map<string, unknown>): void {
  for (const key of entries.keys()) {
    if (entries.size <= MAX_SEEN) return;
    entries.delete(key);
  }
}
