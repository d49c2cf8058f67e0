import { randomBytes } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import { RPC } from "@libp2p/gossipsub/message";
import type { Stream } from "@libp2p/interface";
import { afterEach, describe, expect, it } from "vitest";
import { messageId } from "./gossipsub.ts";
import { MAX_GOSSIP_FRAME, TOPIC_LIMITS } from "./limits.ts";
import type { Libp2pNetwork } from "./network.ts";
import { encodePayload } from "./payload.ts";
import { failure, isLinked, listen, Nodes, until } from "./testing/nodes.ts";
import { dataFrame, gossipFrame, messageFrame, NAMES, RawPeer, type RawPeerOptions } from "./testing/raw-peer.ts";
import { TOPICS, type Verdict } from "./types.ts";

const nodes = new Nodes();
const raws: RawPeer[] = [];
afterEach(async () => {
  await Promise.all(raws.splice(0).map((raw) => raw.stop()));
  await nodes.stop();
});

const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const texts = (heard: readonly { data: Uint8Array }[]) => heard.map(({ data }) => Buffer.from(data).toString());

/** A raw peer on the node, and its gossip stream. */
async function attach(node: Libp2pNetwork, options: RawPeerOptions = {}): Promise<{ raw: RawPeer; gossip: Stream }> {
  const raw = await RawPeer.start(options);
  raws.push(raw);
  const connection = await raw.connect(node.addresses[0]!);
  const gossip = await raw.openGossip(connection);
  await until(
    () => isLinked(node, node.peers.length) && node.subscribers("vote").includes(raw.id),
    "raw peer is linked",
  );
  return { raw, gossip };
}

const scoreOf = (node: Libp2pNetwork, id: string) => node.peers.find((peer) => peer.id === id)?.score;
const isGone = (node: Libp2pNetwork, id: string) => () => node.peers.every((peer) => peer.id !== id);

describe("gossip", () => {
  it("reaches everybody once, on every topic, without an echo", async () => {
    const all = await nodes.startMesh(4);
    for (const topic of TOPICS) {
      const heard = all.map((node) => listen(node, topic));
      const sent = await Promise.all(all.map((node, index) => node.publish(topic, bytes(`${topic} ${index}`))));
      expect(sent).toEqual([3, 3, 3, 3]);
      await until(() => heard.every((messages) => messages.length >= 3), "three messages each");
      for (const [index, messages] of heard.entries()) {
        expect(texts(messages).sort()).toEqual([0, 1, 2, 3].filter((i) => i !== index).map((i) => `${topic} ${i}`));
        expect(messages.map(({ from }) => from)).not.toContain(all[index]!.id);
      }
    }
    const { in: received, out } = all[0]!.stats.topics.vote;
    expect(received.messages).toBeGreaterThanOrEqual(3);
    expect(out.messages).toBeGreaterThanOrEqual(3);
    expect(out.bytes).toBeGreaterThan(0);
  });

  it("travels on only when it was accepted, however long that takes", async () => {
    const alone = { wantedPeers: 0 };
    const b = await nodes.start(alone);
    const a = await nodes.start({ ...alone, staticPeers: b.addresses });
    const c = await nodes.start({ ...alone, staticPeers: b.addresses });
    await until(() => isLinked(b, 2) && isLinked(a, 1) && isLinked(c, 1), "a line of three");
    const heardByC = listen(c, "tx");
    let answer: (verdict: Verdict) => void = () => {};
    let asked = 0;
    b.handleTopic("tx", (data) => {
      const text = Buffer.from(data).toString();
      if (text === "throws") throw new Error("on purpose");
      if (text !== "waits") return text as Verdict;
      asked++;
      return new Promise((resolve) => {
        answer = resolve;
      });
    });
    for (const text of ["ignore", "throws", "waits"]) await a.publish("tx", bytes(text));
    await until(() => asked === 1, "the handler has it");
    await a.publish("tx", bytes("accept"));
    await until(() => heardByC.length > 0, "what was accepted at once");
    expect(texts(heardByC)).toEqual(["accept"]);
    answer("accept");
    await until(() => heardByC.length > 1, "what was accepted in the end");
    expect(texts(heardByC)).toEqual(["accept", "waits"]);
    expect(b.stats.topics.tx).toMatchObject({ ignored: 2, rejected: 0, dropped: 0 });
    expect(scoreOf(b, a.id)).toBe(0);
  });

  it("to nobody is no error, and may be sent when somebody is there; again goes out again", async () => {
    const a = await nodes.start();
    const vote = bytes("vote");
    expect(await a.publish("vote", vote)).toBe(0);
    const b = await nodes.start({ staticPeers: a.addresses });
    const heard = listen(b, "vote");
    await until(() => isLinked(a, 1), "linked");
    expect(await a.publish("vote", vote)).toBe(1);
    await until(() => heard.length === 1, "the vote");
    expect(await a.publish("vote", vote)).toBe(1);
    // What came from others is not repeated.
    expect(await b.publish("vote", vote)).toBe(0);
    await a.publish("vote", bytes("another"));
    await until(() => heard.length > 1, "what was sent after the repetition");
    expect(texts(heard)).toEqual(["vote", "another"]);
  });

  it("takes what the topic allows, up to the last byte, and refuses more", async () => {
    const [a, b] = (await nodes.startMesh(2)) as [Libp2pNetwork, Libp2pNetwork];
    for (const topic of TOPICS) {
      const heard = listen(b, topic);
      const { maxBytes } = TOPIC_LIMITS[topic];
      expect(await a.publish(topic, randomBytes(maxBytes))).toBe(1);
      expect(await failure(a.publish(topic, randomBytes(maxBytes + 1)))).toBeInstanceOf(RangeError);
      await until(() => heard.length === 1, `the largest ${topic}`);
      expect(heard[0]!.data).toHaveLength(maxBytes);
    }
    // Several in a row, more than libp2p would send in one frame.
    const heard = listen(b, "block");
    const sent = await Promise.all([1, 2, 3].map(() => a.publish("block", randomBytes(TOPIC_LIMITS.block.maxBytes))));
    expect(sent).toEqual([1, 1, 1]);
    await until(() => heard.length === 3, "three blocks");
  });

  it("answers a peer that asks for several blocks in frames that libp2p sends", async () => {
    const a = await nodes.start();
    const wanted: RPC.Message[] = [];
    const frames: number[] = [];
    const { gossip } = await attach(a, {
      onGossip: (rpc, length) => {
        wanted.push(...rpc.messages);
        frames.push(length);
      },
    });
    const blocks = [1, 2, 3].map(() => new Uint8Array(randomBytes(3 * 1024 * 1024)));
    for (const block of blocks) await a.publish("block", block);
    await until(() => wanted.length === 3, "published blocks");
    const ids = blocks.map((block) => messageId(NAMES.topic("block"), block));
    const control = { ihave: [], iwant: [{ messageIDs: ids }], graft: [], prune: [], idontwant: [] };
    gossip.send(gossipFrame(RPC.encode({ subscriptions: [], messages: [], control })));
    await until(() => wanted.length === 6, "blocks that were asked for");
    expect(Math.max(...frames)).toBeLessThan(MAX_GOSSIP_FRAME);
  });

  it("a handler is not given more than it may have in work", async () => {
    const a = await nodes.start();
    const { gossip } = await attach(a);
    let atOnce = 0;
    const release: (() => void)[] = [];
    a.handleTopic("block", () => {
      atOnce++;
      return new Promise((resolve) => {
        release.push(() => resolve("ignore"));
      });
    });
    const places = TOPIC_LIMITS.block.inFlight / 2;
    for (let index = 0; index < places + 5; index++) gossip.send(dataFrame("block", bytes(`block ${index}`)));
    await until(() => a.stats.topics.block.dropped === 5, "five found no place");
    expect(atOnce).toBe(places);
    for (const answer of release) answer();
    gossip.send(dataFrame("block", bytes("after")));
    await until(() => atOnce === places + 1, "there is room again");
    for (const answer of release) answer();
  });
});

describe("a peer that misbehaves", () => {
  it("is out of the mesh after a rejected message, and banned after a dozen", async () => {
    const [a, b] = (await nodes.startMesh(2)) as [Libp2pNetwork, Libp2pNetwork];
    const { raw, gossip } = await attach(a);
    listen(a, "vote", "reject");
    gossip.send(dataFrame("vote", bytes("wrong 0")));
    await until(() => scoreOf(a, raw.id)! < 0, "its score is below zero");
    await until(() => !a.meshPeers("vote").includes(raw.id), "it left the mesh");
    expect(a.meshPeers("vote")).toContain(b.id);
    for (let index = 1; index < 12; index++) gossip.send(dataFrame("vote", bytes(`wrong ${index}`)));
    await until(isGone(a, raw.id), "it is disconnected");
    expect(a.stats).toMatchObject({ bans: 1, banned: 1 });
    expect(a.stats.topics.vote.rejected).toBe(12);
    // Dialling is refused or cut at once: it does not come back.
    await raw.connect(a.addresses[0]!).catch(() => undefined);
    await until(() => raw.connections.length === 0, "it stays out");
    expect(scoreOf(a, b.id)).toBe(0);
  });

  it("is banned after a dozen that it spread over all topics", async () => {
    const a = await nodes.start();
    const { gossip } = await attach(a);
    for (const topic of TOPICS) listen(a, topic, "reject");
    for (let index = 0; index < 12; index++) gossip.send(dataFrame(TOPICS[index % 4]!, bytes(`wrong ${index}`)));
    await until(() => a.stats.bans === 1, "banned");
  });

  it("a score does not get better by reconnecting", async () => {
    const a = await nodes.start();
    const { raw, gossip } = await attach(a);
    listen(a, "vote", "reject");
    for (let index = 0; index < 2; index++) gossip.send(dataFrame("vote", bytes(`wrong ${index}`)));
    await until(() => scoreOf(a, raw.id)! <= -30, "two are counted");
    await raw.connections[0]!.close();
    await until(isGone(a, raw.id), "it left");
    const connection = await raw.connect(a.addresses[0]!);
    await raw.openGossip(connection);
    await until(() => scoreOf(a, raw.id) !== undefined, "it is back");
    // gossipsub remembers what it computed for a moment longer.
    a.libp2p.services.gossip.score.scoreCache.clear();
    expect(scoreOf(a, raw.id)).toBeLessThan(-25);
  });

  it.each([
    ["a bomb", "block", messagePayload(1, 1_000, zstdCompressSync(new Uint8Array(64 << 20)))],
    ["a length above the limit", "vote", messagePayload(1, 513, new Uint8Array(20))],
    ["an unknown encoding", "vote", messagePayload(7, 1, new Uint8Array(1))],
    ["nothing at all", "vote", new Uint8Array(0)],
  ] as const)("%s is rejected before a handler sees it", async (_, topic, payload) => {
    const a = await nodes.start();
    const heard = listen(a, topic);
    const { raw, gossip } = await attach(a);
    gossip.send(messageFrame(topic, payload));
    await until(() => a.stats.topics[topic].rejected === 1, "rejected");
    await until(() => scoreOf(a, raw.id)! < 0, "scored");
    expect(heard).toEqual([]);
  });

  it.each([
    ["a payload longer than any that decodes", messageFrame("vote", new Uint8Array(518))],
    ["a foreign topic", messageFrame("/elsewhere/vote/1", encodePayload(bytes("x")))],
    ["a signed message", messageFrame("vote", encodePayload(bytes("x")), { signature: bytes("s"), key: bytes("k") })],
    ["an author", messageFrame("vote", encodePayload(bytes("x")), { from: bytes("me") })],
    ["a frame that does not decode", gossipFrame(Uint8Array.of(0x12, 0x7f, 1))],
  ])("%s is counted against it", async (_, frame) => {
    const a = await nodes.start();
    const heard = listen(a, "vote");
    const { raw, gossip } = await attach(a);
    gossip.send(frame);
    await until(() => scoreOf(a, raw.id)! < -15, "scored");
    for (let index = 0; index < 4; index++) gossip.send(frame);
    await until(() => a.stats.bans === 1, "five of them ban it");
    await until(isGone(a, raw.id), "and disconnect it");
    expect(heard).toEqual([]);
  });

  it("a frame above the limit ends the connection", async () => {
    const a = await nodes.start();
    const { raw, gossip } = await attach(a);
    gossip.send(Uint8Array.of(0xff, 0xff, 0xff, 0x7f));
    await until(() => raw.connections.length === 0, "disconnected");
    expect(a.stats).toMatchObject({ garbage: 1, deafLinks: 1 });
  });

  it("more than its rate is dropped unseen, and bans it in the end", async () => {
    const a = await nodes.start({ tuning: { rates: { vote: { perSecond: 1, burst: 10 } } } });
    const heard = listen(a, "vote");
    const { gossip } = await attach(a);
    for (let index = 0; index < 150; index++) gossip.send(dataFrame("vote", bytes(`vote ${index}`)));
    await until(() => a.stats.bans === 1, "banned");
    expect(heard.length).toBeGreaterThanOrEqual(10);
    expect(heard.length).toBeLessThan(20);
    expect(a.stats.topics.vote.dropped).toBeGreaterThanOrEqual(90);
  });
});

function messagePayload(encoding: number, length: number, body: Uint8Array): Uint8Array {
  const payload = new Uint8Array(5 + body.length);
  payload[0] = encoding;
  new DataView(payload.buffer).setUint32(1, length);
  payload.set(body, 5);
  return payload;
}
