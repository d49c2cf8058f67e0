import type { Stream } from "@libp2p/interface";
import { afterEach, describe, expect, it } from "vitest";
import type { Libp2pNetwork } from "./network.ts";
import { isLinked, listen, Nodes, until } from "./testing/nodes.ts";
import { dataFrame, RawPeer } from "./testing/raw-peer.ts";

const nodes = new Nodes();
const raws: RawPeer[] = [];
afterEach(async () => {
  await Promise.all(raws.splice(0).map((raw) => raw.stop()));
  await nodes.stop();
});

/** A tick is 100 ms. */
const TICKS = { missing: 5, silent: 1_000, stuck: 1_000, announce: 5 };

const gossipStream = (node: Libp2pNetwork, direction: "inbound" | "outbound"): Stream =>
  node.libp2p
    .getConnections()[0]!
    .streams.find((stream) => stream.direction === direction && stream.protocol.startsWith("/meshsub"))!;

async function publishUntilHeard(from: Libp2pNetwork, heard: readonly unknown[]): Promise<void> {
  const before = heard.length;
  let count = 0;
  await until(() => {
    void from.publish("vote", new Uint8Array(Buffer.from(`vote ${count++}`)));
    return heard.length > before;
  }, "a vote comes through");
}

/** Connected and subscribed, with a gossip stream of its own. */
async function attach(node: Libp2pNetwork): Promise<{ raw: RawPeer; gossip: Stream }> {
  const raw = await RawPeer.start();
  raws.push(raw);
  const gossip = await raw.openGossip(await raw.connect(node.addresses[0]!));
  await until(() => node.subscribers("vote").includes(raw.id), "raw peer is linked");
  return { raw, gossip };
}

describe("links", () => {
  it("a stream that breaks is opened again, and the connection stays", async () => {
    const [a, b] = (await nodes.startMesh(2, { tuning: { linkTicks: TICKS } })) as [Libp2pNetwork, Libp2pNetwork];
    const [heardByA, heardByB] = [listen(a, "vote"), listen(b, "vote")];
    await publishUntilHeard(a, heardByB);
    await publishUntilHeard(b, heardByA);
    const connection = a.libp2p.getConnections()[0]!;
    gossipStream(a, "outbound").abort(new Error("broken by the test"));
    await publishUntilHeard(a, heardByB);
    gossipStream(a, "inbound").abort(new Error("broken by the test"));
    await publishUntilHeard(b, heardByA);
    expect(a.libp2p.getConnections()).toEqual([connection]);
    expect([a.stats.deafLinks, b.stats.deafLinks]).toEqual([0, 0]);
  });

  it("a peer whose stream ended while the connection stays is cut, and is heard when it returns", async () => {
    const a = await nodes.start({ tuning: { linkTicks: TICKS } });
    const heard = listen(a, "vote");
    const { raw, gossip } = await attach(a);
    gossip.send(dataFrame("vote", Uint8Array.of(1)));
    await until(() => heard.length === 1, "a vote");
    await gossip.close();
    await until(() => raw.connections.length === 0, "the link is cut");
    expect(a.stats.deafLinks).toBe(1);
    const again = await raw.openGossip(await raw.connect(a.addresses[0]!));
    again.send(dataFrame("vote", Uint8Array.of(2)));
    await until(() => heard.length === 2, "another vote");
  });

  it("a peer that was dialled is dialled again after its link was cut", async () => {
    const raw = await RawPeer.start({ listens: true });
    raws.push(raw);
    const a = await nodes.start({ staticPeers: [raw.address], tuning: { linkTicks: TICKS } });
    // It never opens a stream of its own.
    await until(() => a.stats.deafLinks === 1, "the link is cut");
    await until(() => a.peers.length === 1, "it is there again");
    expect(a.peers[0]).toMatchObject({ id: raw.id, direction: "outbound" });
  });

  it("a peer that says nothing, not even what it subscribes to, is cut", async () => {
    const a = await nodes.start({ tuning: { linkTicks: { ...TICKS, silent: 5 } } });
    const { raw } = await attach(a);
    await until(() => raw.connections.length === 0, "the link is cut");
    expect(a.stats.deafLinks).toBe(1);
  });

  it("honest nodes that have nothing to say are never silent", async () => {
    const linkTicks = { ...TICKS, silent: 8, announce: 2 };
    const [a, b] = (await nodes.startMesh(2, { tuning: { linkTicks } })) as [Libp2pNetwork, Libp2pNetwork];
    let announcements = 0;
    const received = a.libp2p.services.gossip;
    received.addEventListener("subscription-change", () => {
      announcements++;
    });
    await until(() => announcements >= 10, "twice as long as silence may last");
    expect([a.stats.deafLinks, b.stats.deafLinks]).toEqual([0, 0]);
  });

  it("a peer that does not read is cut", async () => {
    const a = await nodes.start({ tuning: { linkTicks: { ...TICKS, stuck: 5 } } });
    const raw = await RawPeer.start();
    raws.push(raw);
    await raw.libp2p.unhandle("/meshsub/1.2.0");
    const streams: Stream[] = [];
    await raw.libp2p.handle("/meshsub/1.2.0", (stream) => {
      stream.pause();
      streams.push(stream);
    });
    await raw.openGossip(await raw.connect(a.addresses[0]!));
    await until(() => isLinked(a, 1), "linked");
    let count = 0;
    await until(() => {
      void a.publish("block", crypto.getRandomValues(new Uint8Array(65_536)));
      count++;
      return raw.connections.length === 0;
    }, "the link is cut");
    expect(streams).toHaveLength(1);
    expect(count).toBeGreaterThan(4);
  });
});
