/** The catalog follows a real chain with real Datanets. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytesToHex, type Hex } from "../../core/bytes.ts";
import { contentRoot } from "../../core/content.ts";
import { until } from "../p2p/testing/nodes.ts";
import { testLog } from "../testing/world.ts";
import { Catalog } from "./catalog.ts";
import { type FollowedChain, Follower } from "./follower.ts";
import { ACCOUNTS, DatanetChain } from "./testing/datanet-chain.ts";

const text = (words: string): Uint8Array => new TextEncoder().encode(words);
const rootOf = (words: string): Hex => bytesToHex(contentRoot(text(words)));

let directory: string;
let file: string;
const closers: (() => unknown)[] = [];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "catalog-"));
  file = join(directory, "catalog.sqlite");
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  await rm(directory, { recursive: true, force: true });
});

async function follow(chain: FollowedChain) {
  const catalog = Catalog.open(file);
  const { log, lines } = testLog();
  const follower = new Follower({ chain, catalog, log });
  follower.start();
  const stop = async () => {
    await follower.stop();
    catalog.close();
  };
  closers.push(stop);
  return {
    catalog,
    lines,
    stop() {
      closers.splice(closers.indexOf(stop), 1);
      return stop();
    },
  };
}

const seen = (catalog: Catalog, contributions: number) =>
  until(() => catalog.counts.contributions === contributions, `${contributions} contributions are known`);

describe("the catalog", () => {
  it("follows events, from its cursor after a restart, and is filled from the state where it has none", async () => {
    const world = await DatanetChain.open();
    const { chain } = world;
    const first = await follow(chain);
    const open = await world.createDatanet();
    await world.contribute(open, text("one"));
    await world.contribute(open, text("two"), { accept: false });
    await seen(first.catalog, 2);
    await first.stop();
    await world.send(0, "acceptContribution", [2n, 1]);
    await world.contribute(open, text("three"));
    await world.send(1, "withdrawConsent", [1n]);

    const blocks: bigint[] = [];
    const watched: FollowedChain = {
      get head() {
        return chain.head;
      },
      block(number) {
        blocks.push(number);
        return chain.block(number);
      },
      onCommit: (listener) => chain.onCommit(listener),
      call: (request, block) => chain.call(request, block),
    };
    const second = await follow(watched);
    const expected = [rootOf("two"), rootOf("three")];
    const accepted = (catalog: Catalog) => catalog.accepted(0, 10).map(({ root }) => root);
    await until(() => accepted(second.catalog).length === 2 && second.catalog.counts.contributions === 3, "caught up");
    expect(accepted(second.catalog)).toEqual(expected);
    expect(blocks.every((number) => number > 0n)).toBe(true);
    await second.stop();

    // Another one is filled from the state, without old blocks.
    await rm(file);
    const young: FollowedChain = {
      ...watched,
      head: chain.head,
      block: (number) => (number < chain.head.number ? undefined : chain.block(number)),
    };
    const third = await follow(young);
    await until(() => third.catalog.cursor !== undefined, "filled");
    expect(accepted(third.catalog)).toEqual(expected);
    expect(third.catalog.accepted(0, 10, 2n)).toEqual([]);
    expect(third.catalog.counts).toEqual({ datanets: 1, contributions: 3 });
    await third.stop();
  });

  it("of another chain, and one that is damaged, is made anew", async () => {
    const world = await DatanetChain.open();
    await world.createDatanet();
    await world.contribute(1n, text("here"));
    const first = await follow(world.chain);
    await seen(first.catalog, 1);
    await first.stop();
    const other = await DatanetChain.open();
    await other.createDatanet("permissioned");
    await other.createDatanet();
    await other.contribute(2n, text("there"));
    await other.contribute(2n, text("and there"));
    const second = await follow(other.chain);
    await seen(second.catalog, 2);
    expect(second.catalog.visibility(rootOf("here"))).toEqual({ type: "unlisted" });
    expect(second.lines.map(({ msg }) => msg)).toContain("the catalog of contents is not of this chain: made anew");
    await second.stop();
    await writeFile(file, "no database at all, whatever its name says");
    const third = await follow(other.chain);
    await seen(third.catalog, 2);
    await third.stop();
  });

  it("lets nobody open a content by naming its root, but the one who was first", async () => {
    const world = await DatanetChain.open();
    const closed = await world.createDatanet("permissioned");
    await world.send(0, "setContributor", [closed, ACCOUNTS[1], true]);
    await world.contribute(closed, text("secret"));
    await world.contribute(closed, text("own"));
    const open = await world.createDatanet();
    await world.contribute(open, text("free"));
    await world.contribute(open, text("secret"), { account: 2 });
    await world.contribute(open, text("own"));
    await world.contribute(closed, text("free"));
    const { catalog } = await follow(world.chain);
    await seen(catalog, 6);
    const granted = { type: "granted", contributions: [{ datanetId: closed, contributor: ACCOUNTS[1] }] };
    expect(catalog.visibility(rootOf("secret"))).toEqual(granted);
    expect(catalog.visibility(rootOf("own"))).toEqual({ type: "public" });
    expect(catalog.visibility(rootOf("free"))).toEqual({ type: "public" });
    expect(catalog.visibility(rootOf("nowhere"))).toEqual({ type: "unlisted" });
  });
});
