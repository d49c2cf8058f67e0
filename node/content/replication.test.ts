/** Contents between nodes over real connections. */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ContentStore } from "../../attribution/content-store.ts";
import { bytesToHex, type Hex } from "../../core/bytes.ts";
import { contentRoot } from "../../core/content.ts";
import type { Libp2pNetwork } from "../p2p/network.ts";
import { collect, failure, Nodes, until } from "../p2p/testing/nodes.ts";
import { systemClock } from "../ports.ts";
import { testLog } from "../testing/world.ts";
import { type Contents, openContents } from "./contents.ts";
import { decodeRangeRequest, encodeHave, encodeHaveRequest, encodeRange, encodeRangeRequest } from "./messages.ts";
import { ACCOUNTS, DatanetChain } from "./testing/datanet-chain.ts";

const noise = (length: number, seed: number): Uint8Array => {
  const parts: Buffer[] = [];
  for (let i = 0; i * 32 < length; i++) parts.push(createHash("sha256").update(`${seed} ${i}`).digest());
  return new Uint8Array(Buffer.concat(parts).subarray(0, length));
};
const rootOf = (bytes: Uint8Array): Hex => bytesToHex(contentRoot(bytes));

const nodes = new Nodes();
const closers: (() => unknown)[] = [];
let directory: string;
let world: DatanetChain;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "contents-"));
  world = await DatanetChain.open();
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  await nodes.stop();
  await rm(directory, { recursive: true, force: true });
});

async function open(name: string, network: Libp2pNetwork, replicate: "all" | readonly bigint[] = []) {
  const { log, lines } = testLog();
  const limits = { maxItemBytes: 2 ** 20, maxTotalBytes: 2 ** 24 };
  const config = { replicate, takesUploads: true, servesReports: false, limits };
  const path = join(directory, name);
  const contents = await openContents({
    chain: world.chain,
    directory: path,
    config,
    isServed: replicate.length === 0,
    network,
    clock: systemClock,
    log,
  });
  closers.push(() => contents.close());
  return { ...contents, lines };
}

const holds = async ({ store }: Contents, content: Uint8Array): Promise<boolean> => {
  const found = await store.get(rootOf(content));
  return found !== undefined && Buffer.compare(found, content) === 0;
};

/** Looks again and again: nothing tells when a file is there. The test's own time limit ends it. */
async function arrived(contents: Contents, content: Uint8Array): Promise<void> {
  while ((await contents.store.size(rootOf(content))) === undefined) await sleep(10);
  expect(await holds(contents, content)).toBe(true);
}

it("nodes bring what they are to hold of open Datanets, and nothing else", async () => {
  const [a, b, c] = (await nodes.startMesh(3)) as [Libp2pNetwork, Libp2pNetwork, Libp2pNetwork];
  const [large, small, secret, withdrawn, other, early] = [600_000, 300, 301, 302, 303, 304].map(noise) as Uint8Array[];
  const first = await world.createDatanet();
  const second = await world.createDatanet();
  const closed = await world.createDatanet("permissioned");
  await world.send(0, "setContributor", [closed, ACCOUNTS[1], true]);
  const holder = await open("a", a);
  for (const content of [large, small, secret, withdrawn, other, early]) await holder.store.put(content!);
  await world.contribute(first, early!);
  await world.contribute(closed, secret!);
  await world.contribute(first, withdrawn!);
  await world.send(1, "withdrawConsent", [3n]);
  const all = await open("b", b, "all");
  const one = await open("c", c, [first]);
  await arrived(all, early!);
  await world.contribute(second, other!);
  await world.contribute(first, large!);
  // Its contributor says another size: it is no contribution that could be proven.
  await world.contribute(second, small!, { size: 299 });
  await arrived(one, large!);
  await arrived(all, large!);
  await arrived(all, other!);
  await until(() => all.lines.some(({ msg }) => /of another size/.test(msg)), "the wrong size is found out");
  for (const content of [small, secret, withdrawn]) {
    expect(await all.store.size(rootOf(content!))).toBeUndefined();
    expect(await one.store.size(rootOf(content!))).toBeUndefined();
  }
  expect(await one.store.size(rootOf(other!))).toBeUndefined();

  // Asked all the same.
  const ask = encodeHaveRequest([secret!, large!].map(contentRoot));
  expect(await collect(b.request(a.id, "content-have", ask))).toEqual([encodeHave([false, true])]);
  const range = encodeRangeRequest({ root: contentRoot(secret!), first: 0, count: 1 });
  expect(await failure(collect(b.request(a.id, "content-range", range)))).toMatchObject({ code: "refused" });
  expect(a.peers.every(({ score }) => score === 0)).toBe(true);
  expect(b.peers.every(({ score }) => score === 0)).toBe(true);
  // What cannot be asked is held against who asks it.
  await failure(collect(b.request(a.id, "content-range", Uint8Array.of(1, 2, 3))));
  await until(() => a.peers.some(({ id, score }) => id === b.id && score < 0), "b is penalized");
});

it("a peer that lies gives nothing and is penalized; one that stops in the middle is replaced", async () => {
  const [own, liar, quitter] = (await nodes.startMesh(3)) as Libp2pNetwork[];
  const content = noise(700_000, 1);
  await world.createDatanet();
  await world.contribute(1n, content);
  const everything = (network: Libp2pNetwork) => network.handleRequest("content-have", () => [encodeHave([true])]);
  everything(liar!);
  liar!.handleRequest("content-range", (payload) => {
    const { first, count } = decodeRangeRequest(payload);
    const data = noise(Math.min(count * 256, content.length - first * 256), 2);
    return [encodeRange({ length: content.length, data, siblings: [] })];
  });
  everything(quitter!);
  const complete = await ContentStore.open(join(directory, "quitter"));
  await complete.put(content);
  quitter!.handleRequest("content-range", async function* (payload) {
    const { root, first, count } = decodeRangeRequest(payload);
    if (first > 0) throw new Error("no more");
    const file = (await complete.file(bytesToHex(root)))!;
    yield encodeRange({ length: file.size, ...(await file.range(first, count - 1)) });
    await file.close();
  });
  const contents = await open("own", own!, "all");
  // Banned after a few tries, so that it may be gone by now.
  const scoreOf = (network: Libp2pNetwork) => own!.peers.find(({ id }) => id === network.id)?.score ?? -100;
  await until(() => scoreOf(liar!) < 0, "the liar is penalized");
  expect(await contents.store.size(rootOf(content))).toBeUndefined();
  // Somebody who has all of it joins, and is asked at once.
  const newcomer = await nodes.start({ staticPeers: own!.addresses });
  const honest = await open("newcomer", newcomer);
  await honest.store.put(content);
  await arrived(contents, content);
  expect([scoreOf(quitter!), scoreOf(newcomer)]).toEqual([0, 0]);
});

it("stops at once, also while a peer lets it wait", async () => {
  const [own, silent] = (await nodes.startMesh(2)) as [Libp2pNetwork, Libp2pNetwork];
  const content = noise(1_000, 3);
  await world.createDatanet();
  await world.contribute(1n, content);
  silent.handleRequest("content-have", () => [encodeHave([true])]);
  const asked = Promise.withResolvers<void>();
  silent.handleRequest("content-range", async function* () {
    asked.resolve();
    yield await new Promise<Uint8Array>(() => {});
  });
  const contents = await open("own", own, "all");
  await asked.promise;
  // Without the end of the request, which is half a minute away.
  await contents.close();
  closers.pop();
  expect(contents.lines.filter(({ level }) => level >= 40)).toEqual([]);
});
