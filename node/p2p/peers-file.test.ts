import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { testLog } from "../testing/world.ts";
import { createIdentity } from "./identity.ts";
import { MAX_KNOWN_PEERS } from "./limits.ts";
import { PeersFile } from "./peers-file.ts";

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "peers-"));
  path = join(directory, "peers.json");
});
afterEach(() => rm(directory, { recursive: true }));

async function peer(port: number, seenMs: number) {
  const { peerId: id } = await createIdentity();
  return { id, addresses: [`/ip4/127.0.0.1/tcp/${port}/p2p/${id}`], seenMs };
}

describe("peers file", () => {
  it("keeps peers, those seen last first", async () => {
    const file = new PeersFile(path, testLog().log);
    await file.load();
    const [old, young] = [await peer(1, 1_000), await peer(2, 2_000)];
    file.note(old);
    file.note(young);
    await file.save();
    const again = new PeersFile(path, testLog().log);
    await again.load();
    expect(again.peers).toEqual([young, old]);
    expect(await readdir(directory)).toEqual(["peers.json"]);
  });

  it("puts an address that worked last in front, and keeps four", async () => {
    const file = new PeersFile(undefined, testLog().log);
    const { id } = await peer(1, 0);
    for (let port = 1; port <= 6; port++) {
      file.note({ id, addresses: [`/ip4/127.0.0.1/tcp/${port}/p2p/${id}`], seenMs: port });
    }
    expect(file.peers[0]!.addresses.map((address) => address.split("/")[4])).toEqual(["6", "5", "4", "3"]);
  });

  it("is bounded", async () => {
    const file = new PeersFile(undefined, testLog().log);
    const first = await peer(1, 0);
    file.note(first);
    for (let index = 1; index <= MAX_KNOWN_PEERS; index++) file.note(await peer(1, index));
    expect(file.peers).toHaveLength(MAX_KNOWN_PEERS);
    expect(file.peers.map(({ id }) => id)).not.toContain(first.id);
  });

  it("a damaged file is ignored with a warning, and replaced by the next save", async () => {
    const good = await peer(1, 1);
    const damaged = [
      "",
      "{",
      "null",
      JSON.stringify({ version: 2, peers: [good] }),
      JSON.stringify({ version: 1, peers: [{ ...good, seenMs: "yesterday" }] }),
      JSON.stringify({ version: 1, peers: [{ ...good, addresses: ["nowhere"] }] }),
      JSON.stringify({ version: 1, peers: [{ ...good, id: (await peer(1, 1)).id }] }),
      JSON.stringify({ version: 1, peers: [null] }),
    ];
    for (const text of damaged) {
      await writeFile(path, text);
      const { log, lines } = testLog();
      const file = new PeersFile(path, log);
      await file.load();
      expect(file.peers).toEqual([]);
      expect(lines.map(({ msg }) => msg)).toEqual(["peers file ignored"]);
      file.note(good);
      await file.save();
      expect(JSON.parse(await readFile(path, "utf8"))).toEqual({ version: 1, peers: [good] });
    }
  });

  it("a directory that is gone is a warning", async () => {
    const { log, lines } = testLog();
    const file = new PeersFile(join(directory, "no", "peers.json"), log);
    file.note(await peer(1, 1));
    await file.save();
    expect(lines.map(({ msg }) => msg)).toEqual(["peers file not written"]);
  });
});
