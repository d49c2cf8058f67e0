/**
 * The network as the rest of the node sees it: topics that everybody hears, and requests to one peer. libp2p stands
 * behind it in production, a seeded scheduler in the simulator.
 */

export const TOPICS = ["block", "vote", "cert", "tx"] as const;
export type Topic = (typeof TOPICS)[number];

/** `reject` costs the sender its score; `ignore` only keeps the message from travelling on. */
export type Verdict = "accept" | "ignore" | "reject";

/** Opaque name of a peer. */
export type PeerId = string;

export interface Peer {
  readonly id: PeerId;
  readonly address: string;
  readonly direction: "inbound" | "outbound";
  /** 0 is neutral; below it the peer misbehaved. */
  readonly score: number;
}

/** May take its time: the message travels on only after its verdict. Throwing counts as `ignore`. */
export type MessageHandler = (data: Uint8Array, from: PeerId) => Verdict | Promise<Verdict>;

/** Requests that peers answer. The answer is a list of chunks, each bounded, the whole bounded. */
export const PROTOCOLS = [
  "status",
  "blocks-by-range",
  "blocks-by-hash",
  "certificates",
  "epochs",
  "state",
  "peers",
  "content-have",
  "content-range",
] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** Throwing ends the answer with an error; the token bucket of the asking peer was charged before. */
export type RequestHandler = (payload: Uint8Array, from: PeerId) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export class RequestError extends Error {
  /** `busy`: the peer's token bucket is empty, ask later. `bad`: what came broke the protocol. */
  readonly code: "timeout" | "closed" | "busy" | "refused" | "bad";
  constructor(code: RequestError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "RequestError";
    this.code = code;
  }
}

/** Messages and bytes as they travel. */
export interface Traffic {
  readonly messages: number;
  readonly bytes: number;
}

/** Counters count from the start. */
export interface NetworkStats {
  /** Connected now, and banned now. */
  readonly peers: number;
  readonly banned: number;
  readonly bans: number;
  readonly topics: Readonly<
    Record<
      Topic,
      {
        readonly in: Traffic;
        readonly out: Traffic;
        readonly rejected: number;
        readonly ignored: number;
        /** Unseen: above the rate or the size, or too many were in work. */
        readonly dropped: number;
      }
    >
  >;
  /** Gossip frames that do not decode. */
  readonly garbage: number;
  /** Connections renewed because gossip no longer came through. */
  readonly deafLinks: number;
  readonly requests: {
    readonly asked: number;
    readonly served: number;
    readonly bytesServed: number;
    readonly busy: number;
    readonly refused: number;
    /** Answers that broke off, and requests of our own that failed. */
    readonly failed: number;
    /** Requests that were none. */
    readonly bad: number;
  };
}

export interface Network {
  readonly id: PeerId;
  /** Where others reach this node, with its id; for the log and for tests. */
  readonly addresses?: readonly string[];
  readonly stats?: NetworkStats;
  readonly peers: readonly Peer[];
  /** Called when a peer is ready to be asked. Returns the unsubscriber. */
  onPeer(listener: (peer: PeerId) => void): () => void;
  /**
   * To everybody on the topic. Resolves to the number of peers it was handed to: 0 without peers is no error, and neither
   * is a message that is known already. What this node published before is handed to its peers again; those who have it
   * drop it and do not pass it on. Does not come back to the own handler. Throws RangeError when it is larger than the
   * topic allows.
   */
  publish(topic: Topic, data: Uint8Array): Promise<number>;
  /** One handler a topic. */
  handleTopic(topic: Topic, handler: MessageHandler): void;
  handleRequest(protocol: Protocol, handler: RequestHandler): void;
  /** Chunks of the answer. Throws RequestError. Ends by itself after the protocol's time limit. */
  request(peer: PeerId, protocol: Protocol, payload: Uint8Array): AsyncIterable<Uint8Array>;
  /** What the peer did no honest one does; enough of it disconnects and bans it for a time. */
  penalize(peer: PeerId, reason: string): void;
  stop(): Promise<void>;
}
