import type { Stream } from "@libp2p/interface";
import { afterEach, describe, expect, it } from "vitest";
import type { Libp2pNetwork } from "./network.ts";
import { frame, STATUS, TRAILER, u32 } from "./request-frames.ts";
import { collect, Nodes, until } from "./testing/nodes.ts";
import { RawPeer } from "./testing/raw-peer.ts";

const nodes = new Nodes();
const raws: RawPeer[] = [];
afterEach(async () => {
  await Promise.all([nodes.stop(), ...raws.splice(0).map((raw) => raw.stop())]);
});

const linkTicks = { missing: 1_000, silent: 1_000, stuck: 1_000, announce: 1_000 };

/** A node that asks a peer for others, and is told this. */
async function askLiar(chunks: readonly Uint8Array[]): Promise<{ node: Libp2pNetwork; raw: RawPeer }> {
  let isAsked = false;
  const serve = (stream: Stream) => {
    isAsked = true;
    const parts = [Uint8Array.of(STATUS.ok), ...chunks.map(frame), u32(TRAILER.complete)];
    stream.send(new Uint8Array(Buffer.concat(parts)));
    void stream.close().catch(() => undefined);
  };
  const raw = await RawPeer.start({ listens: true, serve: (_, stream) => serve(stream) });
  raws.push(raw);
  const node = await nodes.start({ staticPeers: [raw.address], tuning: { linkTicks } });
  await until(() => isAsked, "it was asked");
  return { node, raw };
}

const entry = (id: string, record: Uint8Array) =>
  new Uint8Array(Buffer.concat([Uint8Array.of(id.length), Buffer.from(id), record]));

/** What a node tells of its only other peer. */
async function recordOf(node: Libp2pNetwork, other: Libp2pNetwork): Promise<Uint8Array> {
  const asker = await nodes.start({ staticPeers: node.addresses, wantedPeers: 0 });
  await until(() => node.peers.length === 2 && asker.peers.length === 1, "connected");
  const chunks = await collect(asker.request(node.id, "peers", new Uint8Array(0)));
  expect(chunks).toHaveLength(1);
  const [chunk] = chunks;
  expect(Buffer.from(chunk!.subarray(1, 1 + chunk![0]!)).toString()).toBe(other.id);
  return chunk!.subarray(1 + chunk![0]!);
}

describe("discovery", () => {
  it("tells of peers by the records that they signed", async () => {
    const [a, b] = (await nodes.startMesh(2, { wantedPeers: 0 })) as [Libp2pNetwork, Libp2pNetwork];
    const record = await recordOf(a, b);
    const { node } = await askLiar([entry(b.id, record)]);
    await until(() => node.peers.some(({ id }) => id === b.id), "it is dialled");
  });

  it("a record under another's name, or none at all, is held against whoever told it", async () => {
    const [a, b] = (await nodes.startMesh(2, { wantedPeers: 0 })) as [Libp2pNetwork, Libp2pNetwork];
    const record = await recordOf(a, b);
    const spoilt = record.slice();
    spoilt[spoilt.length - 1]! ^= 1;
    for (const lie of [entry(a.id, record), entry(b.id, spoilt), entry("nobody", record), new Uint8Array(0)]) {
      const { node, raw } = await askLiar([lie]);
      await until(() => node.peers[0]!.score < -15, "scored");
      expect(node.peers.map(({ id }) => id)).toEqual([raw.id]);
      await node.stop();
    }
  });
});
