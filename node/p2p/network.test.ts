import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { createIdentity } from "./identity.ts";
import { isLinked, Nodes, until } from "./testing/nodes.ts";
import type { Network } from "./types.ts";

const nodes = new Nodes();
const directories: string[] = [];
afterEach(async () => {
  await nodes.stop();
  await Promise.all(directories.splice(0).map((directory) => rm(directory, { recursive: true })));
});

async function file(name: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "network-"));
  directories.push(directory);
  return join(directory, name);
}

const ids = (node: { peers: readonly { id: string }[] }) => node.peers.map(({ id }) => id).sort();

describe("connections", () => {
  it("two that dial each other keep one connection, and hear each other", async () => {
    const address = (port: number, peerId: string) => `/ip4/127.0.0.1/tcp/${port}/p2p/${peerId}`;
    const startBoth = async () => {
      // Ports that were free a moment ago, so that each can know the other beforehand.
      const [portA, portB] = [await freePort(), await freePort()];
      const [keyA, keyB] = [await createIdentity(), await createIdentity()];
      return Promise.all([
        nodes.start({
          privateKey: keyA.privateKey,
          listen: [`/ip4/127.0.0.1/tcp/${portA}`],
          staticPeers: [address(portB, keyB.peerId)],
        }),
        nodes.start({
          privateKey: keyB.privateKey,
          listen: [`/ip4/127.0.0.1/tcp/${portB}`],
          staticPeers: [address(portA, keyA.peerId)],
        }),
      ]);
    };
    // Somebody else may have taken one since.
    const [a, b] = await startBoth().catch(startBoth);
    await until(() => {
      const connections = [a, b].map((node) => node.libp2p.getConnections());
      return connections.every(({ length }) => length === 1) && isLinked(a, 1) && isLinked(b, 1);
    }, "one connection, linked");
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      let isHeard = false;
      to.handleTopic("vote", () => {
        isHeard = true;
        return "accept";
      });
      let count = 0;
      await until(() => {
        void from.publish("vote", Uint8Array.of(count++, from === a ? 1 : 2));
        return isHeard;
      }, "heard");
    }
  });

  it("onPeer tells of each peer once it can be asked", async () => {
    const a = await nodes.start();
    const told: string[] = [];
    const unsubscribe = a.onPeer((id) => told.push(id));
    const b = await nodes.start({ staticPeers: a.addresses });
    await until(() => told.length === 1, "told");
    expect(told).toEqual([b.id]);
    expect(a.peers[0]).toMatchObject({ id: b.id, direction: "inbound", score: 0 });
    expect(b.peers[0]).toMatchObject({ id: a.id, direction: "outbound", address: a.addresses[0] });
    unsubscribe();
    const c = await nodes.start({ staticPeers: a.addresses });
    await until(() => ids(a).includes(c.id), "another peer");
    expect(told).toEqual([b.id]);
  });

  it("nodes of another chain or another genesis are no peers", async () => {
    const a = await nodes.start();
    const others = [
      await nodes.start({ staticPeers: a.addresses, chainId: 1n }),
      await nodes.start({ staticPeers: a.addresses, genesisHash: new Uint8Array(32) }),
    ];
    const b = await nodes.start({ staticPeers: a.addresses });
    await until(() => isLinked(b, 1), "a node of this network");
    await until(() => others.every((node) => node.libp2p.getConnections().length === 0), "the others are cut");
    expect(ids(a)).toEqual([b.id]);
    expect(others.map(ids)).toEqual([[], []]);
  });

  it("only those on the allow-list may connect, in either direction", async () => {
    const friend = await createIdentity();
    const stranger = await nodes.start();
    const a = await nodes.start({ allowedPeers: [friend.peerId], bootnodes: stranger.addresses });
    const rejected = await nodes.start({ staticPeers: a.addresses });
    const b = await nodes.start({ privateKey: friend.privateKey, staticPeers: a.addresses });
    await until(() => isLinked(a, 1), "the friend");
    expect(ids(a)).toEqual([b.id]);
    expect([stranger.peers, rejected.peers]).toEqual([[], []]);
  });

  it("there are never more than the maximum, except for static peers", async () => {
    const trusted = await nodes.start();
    const a = await nodes.start({ maxPeers: 2 });
    const inbound: Network[] = [];
    for (let index = 0; index < 4; index++) {
      inbound.push(await nodes.start({ staticPeers: a.addresses, wantedPeers: 0 }));
    }
    await until(() => a.peers.length === 2, "two");
    await until(() => inbound.filter(({ peers }) => peers.length === 1).length === 2, "two are in");
    expect(a.libp2p.getConnections()).toHaveLength(2);
    const b = await nodes.start({ maxPeers: 1, staticPeers: [...trusted.addresses, ...a.addresses], wantedPeers: 0 });
    await until(() => ids(b).includes(trusted.id), "its static peer");
  });

  it("reports ban a peer, until the ban ends", async () => {
    const [a, b] = await nodes.startMesh(2, { tuning: { banMs: 1_500 } });
    for (let report = 0; report < 3; report++) a!.penalize(b!.id, "lies");
    expect(a!.peers[0]!.score).toBeLessThan(-70);
    a!.penalize(b!.id, "lies");
    await until(() => a!.peers.length === 0 && b!.peers.length === 0, "disconnected");
    expect(a!.stats).toMatchObject({ peers: 0, banned: 1, bans: 1 });
    await until(() => a!.peers.length === 1, "it may return");
    expect(a!.stats).toMatchObject({ peers: 1, banned: 0, bans: 1 });
    expect(a!.peers[0]!.score).toBe(0);
  });

  it("addresses that are none, and a port that is taken, are named", async () => {
    await expect(nodes.start({ bootnodes: ["/ip4/127.0.0.1/tcp/1"] })).rejects.toThrow(
      'bootnode: "/ip4/127.0.0.1/tcp/1" is no peer address',
    );
    await expect(nodes.start({ staticPeers: ["x"] })).rejects.toThrow('static peer: "x" is no peer address');
    await expect(nodes.start({ allowedPeers: ["x"] })).rejects.toThrow('allowed peer: "x" is no peer id');
    await expect(nodes.start({ listen: ["x"] })).rejects.toThrow('listening address: "x" is no address');
    const a = await nodes.start();
    const taken = a.addresses[0]!.replace(/\/p2p\/.*/, "");
    await expect(nodes.start({ listen: [taken] })).rejects.toThrow(`cannot listen for peers on ${taken}`);
  });

  it("a node that is stopped does nothing any more, and may be stopped again", async () => {
    const [a, b] = await nodes.startMesh(2);
    await a!.stop();
    await a!.stop();
    await until(() => b!.peers.length === 0, "the other one notices");
    expect(await a!.publish("vote", Uint8Array.of(1))).toBe(0);
    await expect(a!.request(b!.id, "status", new Uint8Array(0))[Symbol.asyncIterator]().next()).rejects.toThrow(
      "stopped",
    );
    expect(a!.peers).toEqual([]);
  });

  it("nothing of a stopped network keeps the process alive", async () => {
    const script = `
      import { Nodes } from ${JSON.stringify(new URL("./testing/nodes.ts", import.meta.url).href)};
      const nodes = new Nodes();
      await nodes.startMesh(2);
      await nodes.stop();
    `;
    // Ends only when nothing is left to wait for.
    const { stderr } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script]);
    expect(stderr).toBe("");
  });
});

describe("finding peers", () => {
  it("two that know only the same bootnode find each other", async () => {
    const boot = await nodes.start();
    const b = await nodes.start({ bootnodes: boot.addresses });
    const c = await nodes.start({ bootnodes: boot.addresses });
    await until(() => ids(b).includes(c.id) && ids(c).includes(b.id), "they found each other");
    expect(ids(b)).toEqual([boot.id, c.id].sort());
  });

  it("whoever has enough peers looks for no more", async () => {
    const boot = await nodes.start({ wantedPeers: 0 });
    const b = await nodes.start({ bootnodes: boot.addresses, wantedPeers: 1 });
    const c = await nodes.start({ bootnodes: boot.addresses, wantedPeers: 1 });
    await until(() => boot.peers.length === 2, "both are at the bootnode");
    const d = await nodes.start({ bootnodes: boot.addresses, wantedPeers: 3 });
    await until(() => [d.peers, b.peers, c.peers].map(({ length }) => length).join() === "3,2,2", "it finds all");
    expect([ids(b), ids(c)]).toEqual([[boot.id, d.id].sort(), [boot.id, d.id].sort()]);
  });

  it("a node that starts again dials those it met, without its bootnode", async () => {
    const peersFile = await file("peers.json");
    const { privateKey } = await createIdentity();
    const boot = await nodes.start();
    const b = await nodes.start({ bootnodes: boot.addresses });
    const first = await nodes.start({ privateKey, bootnodes: boot.addresses, peersFile });
    await until(() => first.peers.length === 2, "it knows two");
    await first.stop();
    const saved = JSON.parse(await readFile(peersFile, "utf8"));
    expect(saved.peers.map(({ id }: { id: string }) => id).sort()).toEqual([boot.id, b.id].sort());
    await boot.stop();
    const second = await nodes.start({ privateKey, peersFile });
    await until(() => ids(second).includes(b.id), "it met an old friend");
  });

  it("a damaged peers file does not keep a node from starting", async () => {
    const peersFile = await file("peers.json");
    await writeFile(peersFile, "{ damaged");
    const a = await nodes.start({ peersFile });
    expect(a.peers).toEqual([]);
  });

  it("a static peer that comes back is found again", async () => {
    const port = await freePort();
    const { privateKey } = await createIdentity();
    const config = { privateKey, listen: [`/ip4/127.0.0.1/tcp/${port}`] };
    const first = await nodes.start(config);
    const a = await nodes.start({ staticPeers: first.addresses });
    await until(() => isLinked(a, 1), "linked");
    await first.stop();
    await until(() => a.peers.length === 0, "gone");
    const second = await nodes.start(config);
    await until(() => isLinked(a, 1) && isLinked(second, 1), "linked again");
  });
});

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
