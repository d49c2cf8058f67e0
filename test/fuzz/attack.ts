/**
 * Frames over real sockets, by peers that take a new identity when the node throws them out. Each kind of attack runs by
 * itself; all of them share the connections that one host may open in a second.
 */
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { RPC } from "@libp2p/gossipsub/message";
import type { Connection, Stream } from "@libp2p/interface";
import { encodeVote } from "../../consensus/codec.ts";
import type { Libp2pNetwork } from "../../node/p2p/network.ts";
import { encodePayload } from "../../node/p2p/payload.ts";
import { frame, STATUS, TRAILER, u32 } from "../../node/p2p/request-frames.ts";
import { until } from "../../node/p2p/testing/nodes.ts";
import { dataFrame, gossipFrame, messageFrame, RawPeer, type RawPeerOptions } from "../../node/p2p/testing/raw-peer.ts";
import { PROTOCOLS, type Protocol, RequestError, TOPICS } from "../../node/p2p/types.ts";
import type { Random } from "../sim/random.ts";
import { ANSWERS, formatOf, GOSSIP_RPC, PAYLOAD, REQUESTS, vote } from "./formats.ts";
import { concat, mutate, noise, randomBytes } from "./mutate.ts";

export const ATTACKS = ["gossip", "requests", "answers", "muxer", "handshake"] as const;
export type Attack = (typeof ATTACKS)[number];

export interface AttackResult {
  readonly frames: Record<Attack, number>;
  identities: number;
  /** Identities that did what bans a peer, often enough, and were not thrown out. */
  unpunished: number;
  readonly surprises: string[];
}

/** Frames of one identity: by then it is out, or it will never be. */
const MOST_OF_ONE = 5_000;
const BURST = 16;
/** Shares of an identity's gossip that are well formed. */
const CARE = [0, 0.5, 0.9, 0.98];
/** The node takes 25 connections a second from one host; the honest peer is one too. */
const CONNECT_MS = 60;

export class Attackers {
  readonly result: AttackResult = {
    frames: { gossip: 0, requests: 0, answers: 0, muxer: 0, handshake: 0 },
    identities: 0,
    unpunished: 0,
    surprises: [],
  };
  readonly #node: Libp2pNetwork;
  readonly #random: Random;
  readonly #goals: Readonly<Record<Attack, number>>;
  #connected: Promise<unknown> = Promise.resolve();
  #isStopped = false;

  constructor(node: Libp2pNetwork, random: Random, goals: Readonly<Record<Attack, number>>) {
    this.#node = node;
    this.#random = random;
    this.#goals = goals;
  }

  get frames(): number {
    return ATTACKS.reduce((sum, attack) => sum + this.result.frames[attack], 0);
  }

  /** Resolves when every kind has sent what it should. */
  async run(): Promise<void> {
    const attacks: Readonly<Record<Attack, () => Promise<void>>> = {
      gossip: () => this.#gossip(),
      requests: () => this.#requests(),
      answers: () => this.#answers(),
      muxer: () => this.#muxer(),
      handshake: () => this.#handshake(),
    };
    await Promise.all(
      ATTACKS.map(async (attack) => {
        while (!this.#isStopped && this.result.frames[attack] < this.#goals[attack]) await attacks[attack]();
      }),
    );
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** One identity: frames until it is thrown out. */
  async #gossip(): Promise<void> {
    await this.#as({}, async (raw, connection) => {
      const stream = await raw.openGossip(connection);
      let sent = 0;
      // Who sends only garbage is out after a handful; who mixes it with what may be true lasts longer.
      const care = this.#random.pick(CARE);
      while (connection.status === "open" && stream.status === "open" && sent < MOST_OF_ONE) {
        for (let index = 0; index < BURST; index++) stream.send(this.#gossipFrame(care));
        sent += BURST;
        this.#sent("gossip", BURST);
        await drained(stream);
      }
      return this.#isLeftAlone(raw, connection, "gossip", sent);
    });
  }

  #gossipFrame(care: number): Uint8Array {
    const random = this.#random;
    if (random.chance(care)) return dataFrame("vote", anyVote(random));
    const topic = random.pick(TOPICS);
    const { samples } = formatOf(topic);
    // Breaks the framing, which ends the connection.
    if (random.chance(0.02)) return noise(random, 64);
    switch (random.below(8)) {
      case 0:
        return gossipFrame(noise(random, 1_000));
      case 1:
      case 2:
        return gossipFrame(mutate(GOSSIP_RPC.samples, random));
      case 3:
        return messageFrame(topic, mutate(PAYLOAD.samples, random));
      case 4:
        return messageFrame(random.chance(0.9) ? topic : "/elsewhere/1", encodePayload(noise(random, 500)));
      case 5: {
        const subscriptions = [{ topic: noiseText(random), subscribe: random.chance(0.5) }];
        return gossipFrame(RPC.encode({ subscriptions, messages: [] }));
      }
      default:
        return messageFrame(topic, encodePayload(mutate(samples, random)));
    }
  }

  async #requests(): Promise<void> {
    await this.#as({}, async (raw, connection) => {
      await raw.openGossip(connection);
      let sent = 0;
      while (connection.status === "open" && sent < MOST_OF_ONE && !this.#isStopped) {
        const stream = await raw.openRequest(connection, this.#random.pick(PROTOCOLS));
        sent++;
        this.#sent("requests", 1);
        const bytes = this.#request();
        if (bytes.length > 0) stream.send(bytes);
        if (this.#random.chance(0.1)) stream.abort(new Error("the asker leaves"));
        else {
          await stream.close();
          // Whatever comes is read, or not.
          if (this.#random.chance(0.5)) stream.addEventListener("message", () => undefined);
        }
        await turn();
      }
      return this.#isLeftAlone(raw, connection, "requests", sent);
    });
  }

  #request(): Uint8Array {
    const random = this.#random;
    const { samples } = random.pick(REQUESTS);
    const whole = frame(random.chance(0.2) ? noise(random, 2_000) : mutate(samples, random));
    if (random.chance(0.6)) return whole;
    return random.chance(0.5) ? noise(random, 64) : mutate([whole], random);
  }

  /** The node asks, and the attacker lies. */
  async #answers(): Promise<void> {
    const serve: RawPeerOptions["serve"] = (protocol, stream) => {
      try {
        const bytes = this.#answer(protocol);
        if (bytes.length > 0) stream.send(bytes);
        if (this.#random.chance(0.1)) stream.abort(new Error("the answerer leaves"));
        else void stream.close().catch(() => undefined);
      } catch {
        // The node left first.
      }
    };
    await this.#as({ serve }, async (raw, connection) => {
      await raw.openGossip(connection);
      await until(() => this.#isPeer(raw) || connection.status !== "open", "the node knows the attacker");
      let asked = 0;
      while (this.#isPeer(raw) && asked < MOST_OF_ONE && !this.#isStopped) {
        asked++;
        this.#sent("answers", 1);
        try {
          for await (const _ of this.#node.request(raw.id, this.#random.pick(PROTOCOLS), new Uint8Array(8)));
        } catch (error) {
          if (!(error instanceof RequestError)) this.#surprise("request", error);
        }
      }
      return this.#isLeftAlone(raw, connection, "answers", asked);
    });
  }

  #answer(protocol: Protocol): Uint8Array {
    const random = this.#random;
    const chunks = Array.from({ length: random.below(3) }, () => frame(mutate(random.pick(ANSWERS).samples, random)));
    const trailer = u32(random.chance(0.7) ? TRAILER.complete : random.pick([TRAILER.failed, random.bits()]));
    const status = random.chance(0.8) ? STATUS.ok : random.below(256);
    const whole = concat(Uint8Array.of(status), ...chunks, trailer);
    if (protocol === "peers" || random.chance(0.5)) return whole;
    return random.chance(0.5) ? mutate([whole], random) : noise(random, 500);
  }

  /** Below the streams: frames of yamux that are none. */
  async #muxer(): Promise<void> {
    await this.#as({}, async (raw, connection) => {
      if (this.#random.chance(0.5)) await raw.openGossip(connection);
      let sent = 0;
      while (connection.status === "open" && sent < MOST_OF_ONE) {
        muxerOf(connection).maConn.send(this.#yamuxFrame());
        sent++;
        this.#sent("muxer", 1);
        await turn();
      }
      // A connection that breaks is no reason for a ban.
      return false;
    });
  }

  #yamuxFrame(): Uint8Array {
    const random = this.#random;
    if (random.chance(0.2)) return noise(random, 64);
    const header = new Uint8Array(12);
    const view = new DataView(header.buffer);
    view.setUint8(0, random.chance(0.95) ? 0 : random.below(256));
    view.setUint8(1, random.chance(0.95) ? random.below(4) : random.below(256));
    view.setUint16(2, random.chance(0.9) ? random.below(16) : random.bits() & 0xffff);
    view.setUint32(4, random.chance(0.8) ? random.below(9) : random.bits());
    const body = noise(random, 64);
    view.setUint32(8, random.chance(0.8) ? body.length : random.bits());
    return concat(header, body);
  }

  /** Before anything is encrypted. */
  async #handshake(): Promise<void> {
    await this.#mayConnect();
    const { port } = new URL(`tcp://${this.#node.addresses[0]!.split("/").slice(2, 5).join(":").replace(":tcp", "")}`);
    const socket = connectTcp(Number(port), "127.0.0.1");
    socket.on("error", () => undefined);
    await once(socket, "connect").catch(() => undefined);
    this.#sent("handshake", 1);
    const random = this.#random;
    const hello = concat(line("/multistream/1.0.0\n"), line(random.chance(0.7) ? "/noise\n" : "/plaintext/2.0.0\n"));
    const bytes = random.chance(0.2) ? noise(random, 500) : mutate([hello], random);
    socket.write(random.chance(0.5) ? bytes : concat(hello, randomBytes(random, 2 + random.below(200))));
    await turn();
    // Some are left to the node's own time limit.
    if (random.chance(0.9)) socket.destroy();
    else socket.unref();
  }

  /** Connects as somebody new and leaves after `attack`, which says whether this identity got away with it. */
  async #as(
    options: RawPeerOptions,
    attack: (raw: RawPeer, connection: Connection) => Promise<boolean>,
  ): Promise<void> {
    await this.#mayConnect();
    const raw = await RawPeer.start(options);
    this.result.identities++;
    try {
      const connection = await raw.connect(this.#node.addresses[0]!);
      const isUnpunished = await attack(raw, connection).catch(() => false);
      if (isUnpunished && !this.#isStopped) this.result.unpunished++;
    } catch {
      // Not let in: as it should be when there are too many.
    } finally {
      await raw.stop();
    }
  }

  /** Waits for its turn. */
  #mayConnect(): Promise<unknown> {
    this.#connected = this.#connected.then(() => sleep(CONNECT_MS));
    return this.#connected;
  }

  /** The node has had all the time that it needs to read what was sent, and did nothing about it. */
  async #isLeftAlone(raw: RawPeer, connection: Connection, attack: Attack, frames: number): Promise<boolean> {
    try {
      await until(() => connection.status !== "open", "the attacker is thrown out");
      return false;
    } catch {
      const score = this.#node.peers.find(({ id }) => id === raw.id)?.score;
      this.#surprise(attack, new Error(`${raw.id} sent ${frames} frames, has score ${score}, and is still there`));
      return !this.#isStopped;
    }
  }

  #isPeer(raw: RawPeer): boolean {
    return this.#node.peers.some(({ id }) => id === raw.id);
  }

  #sent(attack: Attack, frames: number): void {
    this.result.frames[attack] += frames;
  }

  #surprise(what: string, error: unknown): void {
    if (this.result.surprises.length < 20) this.result.surprises.push(`${what}: ${(error as Error).stack ?? error}`);
  }
}

/** Until what was sent has left. */
async function drained(stream: Stream): Promise<void> {
  await turn();
  while (stream.status === "open" && stream.writableNeedsDrain) await turn();
}

const muxerOf = (connection: Connection) =>
  (connection as unknown as { muxer: { maConn: { send(bytes: Uint8Array): boolean } } }).muxer;

const line = (text: string): Uint8Array => concat(Uint8Array.of(text.length), new Uint8Array(Buffer.from(text)));

/** Well formed, new, and nothing that a node can judge without the validators' keys. */
const anyVote = (random: Random): Uint8Array =>
  encodeVote({
    ...vote(1 + random.below(2 ** 30)),
    block: randomBytes(random, 32),
    signature: randomBytes(random, 96),
  });

const noiseText = (random: Random): string => Buffer.from(noise(random, 200)).toString("latin1");
