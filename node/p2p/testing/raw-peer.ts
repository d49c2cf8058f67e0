/** A peer without our code above libp2p: it writes the bytes that it is told to. It has the protocols of the network. */
import { RPC } from "@libp2p/gossipsub/message";
import { identify } from "@libp2p/identify";
import type { Connection, Libp2p, Stream } from "@libp2p/interface";
import { noise } from "@libp2p/noise";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import { createIdentity } from "../identity.ts";
import { namesOf } from "../names.ts";
import { encodePayload } from "../payload.ts";
import { type PeerId, PROTOCOLS, type Protocol, TOPICS, type Topic } from "../types.ts";
import { GENESIS_HASH } from "./nodes.ts";

const MESHSUB = "/meshsub/1.2.0";

export const NAMES = namesOf(161_299n, GENESIS_HASH);

export interface RawPeerOptions {
  /** Answers the requests; default: breaks the stream. */
  readonly serve?: (protocol: Protocol, stream: Stream) => void;
  /** What it says on connecting and the frames that come to it. */
  readonly onGossip?: (rpc: RPC, bytes: number) => void;
  readonly listens?: boolean;
}

export class RawPeer {
  readonly id: PeerId;
  readonly libp2p: Libp2p;

  private constructor(libp2p: Libp2p) {
    this.libp2p = libp2p;
    this.id = libp2p.peerId.toString();
  }

  static async start({ serve, onGossip, listens = false }: RawPeerOptions = {}): Promise<RawPeer> {
    const { privateKey } = await createIdentity();
    const libp2p = await createLibp2p({
      privateKey,
      addresses: { listen: listens ? ["/ip4/127.0.0.1/tcp/0"] : [] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      connectionMonitor: { enabled: false },
      services: { identify: identify() },
    });
    for (const protocol of PROTOCOLS) {
      await libp2p.handle(NAMES.protocol(protocol), (stream) => {
        if (serve === undefined) stream.abort(new Error("nothing to say"));
        else serve(protocol, stream);
      });
    }
    await libp2p.handle(MESHSUB, (stream) => void readGossip(stream, onGossip));
    return new RawPeer(libp2p);
  }

  get address(): string {
    return this.libp2p.getMultiaddrs()[0]!.toString();
  }

  connect(address: string): Promise<Connection> {
    return this.libp2p.dial(multiaddr(address));
  }

  get connections(): readonly Connection[] {
    return this.libp2p.getConnections();
  }

  /** A gossip stream to the peer, on which all topics are subscribed. */
  async openGossip(connection: Connection): Promise<Stream> {
    const stream = await connection.newStream(MESHSUB);
    const subscriptions = TOPICS.map((topic) => ({ topic: NAMES.topic(topic), subscribe: true }));
    stream.send(gossipFrame(RPC.encode({ subscriptions, messages: [] })));
    return stream;
  }

  openRequest(connection: Connection, protocol: Protocol): Promise<Stream> {
    return connection.newStream(NAMES.protocol(protocol));
  }

  async stop(): Promise<void> {
    await this.libp2p.stop();
  }
}

/** With its length as a varint in front. */
export function gossipFrame(rpc: Uint8Array): Uint8Array {
  const length: number[] = [];
  for (let left = rpc.length; ; left = Math.floor(left / 128)) {
    length.push(left >= 128 ? (left % 128) + 128 : left);
    if (left < 128) break;
  }
  return new Uint8Array(Buffer.concat([Uint8Array.from(length), rpc]));
}

/** One message as gossipsub sends it; `payload` as it travels. */
export const messageFrame = (
  topic: Topic | string,
  payload: Uint8Array,
  fields: Partial<RPC.Message> = {},
): Uint8Array => {
  const name = (TOPICS as readonly string[]).includes(topic) ? NAMES.topic(topic as Topic) : topic;
  return gossipFrame(RPC.encode({ subscriptions: [], messages: [{ topic: name, data: payload, ...fields }] }));
};

export const dataFrame = (topic: Topic, data: Uint8Array): Uint8Array => messageFrame(topic, encodePayload(data));

async function readGossip(stream: Stream, onGossip: RawPeerOptions["onGossip"]): Promise<void> {
  let held = Buffer.alloc(0);
  try {
    for await (const data of stream) {
      held = Buffer.concat([held, data.subarray()]);
      for (;;) {
        const header = readVarint(held);
        if (header === undefined || held.length < header.bytes + header.value) break;
        const rpc = held.subarray(header.bytes, header.bytes + header.value);
        onGossip?.(RPC.decode(rpc), rpc.length);
        held = held.subarray(header.bytes + header.value);
      }
    }
  } catch {
    // The connection ended.
  }
}

function readVarint(bytes: Uint8Array): { value: number; bytes: number } | undefined {
  let value = 0;
  for (let at = 0; at < Math.min(bytes.length, 5); at++) {
    value += (bytes[at]! & 127) * 128 ** at;
    if (bytes[at]! < 128) return { value, bytes: at + 1 };
  }
  return undefined;
}
