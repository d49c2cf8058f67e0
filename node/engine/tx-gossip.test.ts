import { describe, expect, test } from "vitest";
import { bytesToHex } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import { Mempool } from "../../execution/mempool.ts";
import { KEYS } from "../../execution/testing/world.ts";
import { signTransaction } from "../../execution/tx/sign.ts";
import { Chain } from "../chain.ts";
import type { Network } from "../p2p/types.ts";
import { VirtualClock } from "../testing/clock.ts";
import { FakeNetwork, type FakeNode } from "../testing/network.ts";
import { CHAIN_ID, FakeStore, RECIPIENT, rich, signed, testGenesis, testLog } from "../testing/world.ts";
import { decodeTransactions, encodeTransactions } from "./messages.ts";
import { TxGossip, type TxGossipParts } from "./tx-gossip.ts";

const GENESIS = testGenesis([0, 1, 2].map((index) => rich(index)));

class World {
  readonly clock = new VirtualClock();
  readonly network = new FakeNetwork({ clock: this.clock });

  /** Pool and gossip on a chain that stays at genesis; what it publishes, and what it says of what it hears. */
  async join(id: string, senders?: TxGossipParts["senders"]) {
    const node = this.network.join(id);
    const published: Uint8Array[] = [];
    const verdicts: string[] = [];
    const { clock } = this;
    const chain = await Chain.open(new FakeStore(), GENESIS, []);
    const mempool = new Mempool({ next: { baseFeePerGas: chain.nextBaseFee(), gasLimit: GENESIS.gasLimit } });
    const gossip = new TxGossip({
      network: spied(node, published, verdicts),
      mempool,
      chainId: CHAIN_ID,
      headState: () => chain.headState,
      clock,
      log: testLog().log,
      senders,
    });
    const hear = (data: Uint8Array) => node.topic("tx")(data, "nobody");
    return { id, node, published, verdicts, mempool, gossip, hear };
  }

  /** A peer that says what it likes. */
  stranger(listener: string): FakeNode {
    const node = this.network.join("stranger");
    this.network.connect("stranger", listener);
    return node;
  }
}

function spied(node: FakeNode, published: Uint8Array[], verdicts: string[]): Network {
  const { publish, handleTopic } = node;
  node.publish = (topic, data) => {
    published.push(data);
    return publish.call(node, topic, data);
  };
  node.handleTopic = (topic, handler) =>
    handleTopic.call(node, topic, async (data, from) => {
      const verdict = await handler(data, from);
      verdicts.push(verdict);
      return verdict;
    });
  return node;
}

const hashes = (transactions: readonly Pick<Transaction, "raw">[]): string[] =>
  transactions.map(({ raw }) => bytesToHex(raw)).sort();
const contentOf = (message: Uint8Array): string[] => decodeTransactions(message).map(bytesToHex).sort();
const has = (mempool: Mempool, tx: Transaction): boolean => mempool.get(tx.hash) !== undefined;

describe("messages whose senders are recovered elsewhere", () => {
  /** Senders that come when the test says so, one for each large message. */
  async function waiting() {
    const recovered: (() => void)[] = [];
    const recover = (envelopes: readonly Uint8Array[]) => {
      if (envelopes.length < 2) return undefined;
      const { promise, resolve } = Promise.withResolvers<void>();
      recovered.push(resolve);
      return promise;
    };
    const node = await new World().join("a", { recover });
    const hear = (...transactions: Pick<Transaction, "raw">[]) => {
      const raws = transactions.map(({ raw }) => raw);
      return node.hear(encodeTransactions(raws, 0));
    };
    return { ...node, hear, recovered };
  }

  test("are taken in the order in which they came, and small ones do not overtake", async () => {
    const { hear, recovered, mempool, gossip } = await waiting();
    const verdicts = [
      hear(signed(0, 0n), signed(0, 1n)),
      hear(signed(0, 2n), signed(0, 3n)),
      hear(signed(0, 4n)),
      hear(signed(1, 0n), { raw: Uint8Array.of(2) }),
    ];
    const added: bigint[] = [];
    mempool.onPending(({ nonce }) => void added.push(nonce));
    recovered[2]!();
    recovered[1]!();
    await new Promise((resolve) => setImmediate(resolve));
    expect(mempool.counts.pending).toBe(0);
    recovered[0]!();
    expect(await Promise.all(verdicts)).toEqual(["accept", "accept", "accept", "reject"]);
    expect(added).toEqual([0n, 1n, 2n, 3n, 4n, 0n]);
    const small = hear(signed(0, 5n));
    expect(mempool.counts.pending).toBe(7); // nothing waits: at once
    expect(await small).toBe("accept");
    const late = hear(signed(0, 6n), signed(0, 7n));
    gossip.stop();
    recovered[3]!();
    expect(await late).toBe("ignore");
  });

  test("when too many wait, the next one is not kept waiting", async () => {
    const { hear, recovered, mempool } = await waiting();
    const verdicts = Array.from({ length: 256 }, () => hear(signed(0, 0n), signed(0, 1n)));
    expect(await hear(signed(1, 0n))).toBe("accept");
    for (const resolve of recovered) resolve();
    expect((await Promise.all(verdicts)).filter((verdict) => verdict === "accept")).toHaveLength(1);
    expect(mempool.counts.pending).toBe(3);
  });
});

describe("what is submitted here", () => {
  test("travels together when it comes together, once", async () => {
    const world = new World();
    const [a, b] = [await world.join("a"), await world.join("b")];
    world.network.connectAll();
    await world.clock.pass(1);
    const first = [signed(0, 0n), signed(0, 1n), signed(1, 0n)];
    for (const tx of first) expect(a.gossip.submit(tx)).toMatchObject({ ok: true, pending: true });
    await world.clock.pass(100);
    expect(a.published.map(contentOf)).toEqual([hashes(first)]);
    const later = signed(2, 0n);
    a.gossip.submit(later);
    await world.clock.pass(100);
    expect(a.published.slice(1).map(contentOf)).toEqual([hashes([later])]);
    expect(b.verdicts).toEqual(["accept", "accept"]);
    expect([...first, later].every((tx) => has(b.mempool, tx))).toBe(true);
    // No echo.
    expect([b.published, a.verdicts, world.clock.timers]).toEqual([[], [], 0]);
  });

  test("does not travel when the pool refuses it", async () => {
    const world = new World();
    const a = await world.join("a");
    a.gossip.submit(signed(0, 0n));
    expect(a.gossip.submit(signed(0, 0n))).toMatchObject({ ok: false, code: "already-known" });
    expect(a.gossip.submit(signed(1, 0n, { value: 10n ** 19n }))).toMatchObject({ ok: false });
    await world.clock.pass(100);
    expect(a.published.map(contentOf)).toEqual([hashes([signed(0, 0n)])]);
  });

  test("travels in messages of bounded size", async () => {
    const world = new World();
    const a = await world.join("a");
    const large = [0, 1, 2].map((index) =>
      signed(index, 0n, { data: new Uint8Array(60_000), gasLimit: 1_000_000n, value: 0n }),
    );
    for (const tx of large) expect(a.gossip.submit(tx)).toMatchObject({ ok: true });
    await world.clock.pass(100);
    expect(a.published.map((message) => decodeTransactions(message).length)).toEqual([2, 1]);
    for (const message of a.published) expect(message.length).toBeLessThan(130 * 1024);
    expect(a.published.flatMap(contentOf).sort()).toEqual(hashes(large));
  });

  test("is told again to a peer that comes later, as long as it waits; those who have it do not mind", async () => {
    const world = new World();
    const [a, b, c] = [await world.join("a"), await world.join("b"), await world.join("c")];
    world.network.connect("a", "b");
    const [kept, gone] = [signed(0, 0n), signed(1, 0n)];
    a.gossip.submit(kept);
    a.gossip.submit(gone);
    await world.clock.pass(100);
    a.mempool.drop(gone.hash, world.clock.nowMs());
    world.network.connect("c", "a");
    await world.clock.pass(100);
    expect(a.published.slice(1).map(contentOf)).toEqual([hashes([kept])]);
    expect([has(c.mempool, kept), has(c.mempool, gone)]).toEqual([true, false]);
    expect([b.verdicts, c.verdicts]).toEqual([["accept", "ignore"], ["accept"]]);
    expect([b.published, c.published]).toEqual([[], []]);
  });

  test("but not what others submitted", async () => {
    const world = new World();
    const [a, b, c] = [await world.join("a"), await world.join("b"), await world.join("c")];
    world.network.connect("a", "b");
    a.gossip.submit(signed(0, 0n));
    await world.clock.pass(100);
    expect(has(b.mempool, signed(0, 0n))).toBe(true);
    world.network.connect("b", "c");
    await world.clock.pass(100);
    expect([b.published, c.verdicts]).toEqual([[], []]);
  });

  test("of many, the newest are told again", async () => {
    const world = new World();
    const [a, c] = [await world.join("a"), await world.join("c")];
    const transactions: Transaction[] = [];
    for (let i = 0; i < 1_100; i++) transactions.push(signed(i % 3, BigInt(Math.floor(i / 3))));
    for (const tx of transactions) expect(a.gossip.submit(tx)).toMatchObject({ ok: true });
    await world.clock.pass(100);
    const before = a.published.length;
    world.network.connect("c", "a");
    await world.clock.pass(100);
    const again = a.published.slice(before).flatMap(contentOf);
    expect(again.sort()).toEqual(hashes(transactions.slice(-1_024)));
    expect(c.mempool.counts.pending + c.mempool.counts.queued).toBeGreaterThan(0);
  });

  test("stays here after the stop, and sets no timer", async () => {
    const world = new World();
    const a = await world.join("a");
    a.gossip.submit(signed(0, 0n));
    a.gossip.stop();
    expect(a.gossip.submit(signed(1, 0n))).toMatchObject({ ok: true });
    expect(world.clock.timers).toBe(0);
    await world.clock.pass(100);
    expect(a.published).toEqual([]);
  });
});

describe("what comes from others", () => {
  test("is passed on by gossip when it is new, and comes back to nobody", async () => {
    const world = new World();
    const [a, b, c] = [await world.join("a"), await world.join("b"), await world.join("c")];
    world.network.connect("a", "b");
    world.network.connect("b", "c");
    const tx = signed(0, 0n);
    a.gossip.submit(tx);
    await world.clock.pass(100);
    expect([b, c].map(({ mempool }) => has(mempool, tx))).toEqual([true, true]);
    expect([a.verdicts, b.verdicts, c.verdicts]).toEqual([[], ["accept"], ["accept"]]);
    expect([a, b, c].map(({ published }) => published.length)).toEqual([1, 0, 0]);
  });

  test("is ignored when nothing of it is new, or the pool refuses it; one new one is enough", async () => {
    const world = new World();
    const a = await world.join("a");
    const stranger = world.stranger("a");
    const poor = signed(1, 0n, { value: 10n ** 19n });
    const [one, two] = [signed(0, 0n), signed(0, 1n)];
    for (const [salt, batch] of [[one], [one], [poor], [one, poor, two], [one, two, two]].entries()) {
      const raws = batch.map(({ raw }) => raw);
      await stranger.publish("tx", encodeTransactions(raws, salt));
      await world.clock.pass(10);
    }
    expect(a.verdicts).toEqual(["accept", "ignore", "ignore", "accept", "ignore"]);
    expect(a.node.scoreOf("stranger")).toBe(0);
  });

  test("costs its sender when it is no message of this chain", async () => {
    const { raw } = signed(0, 0n);
    const wrong: Uint8Array[] = [
      new Uint8Array(0),
      new Uint8Array(4),
      encodeTransactions([], 0),
      encodeTransactions([raw], 0).subarray(0, -1),
      encodeTransactions([raw, Uint8Array.of(9)], 0),
      encodeTransactions([ofAnotherChain()], 0),
      // A signature each: too many are not looked at.
      encodeTransactions(Array(2_049).fill(raw), 0),
    ];
    for (const message of wrong) {
      const world = new World();
      const a = await world.join("a");
      await world.stranger("a").publish("tx", message);
      await world.clock.pass(10);
      expect(a.verdicts).toEqual(["reject"]);
      expect(a.node.scoreOf("stranger")).toBeLessThan(0);
    }
  });

  test("shares no memory with its message", async () => {
    const world = new World();
    const a = await world.join("a");
    const { raw, hash } = signed(0, 0n);
    const message = encodeTransactions([raw], 0);
    expect(await a.hear(message)).toBe("accept");
    message.fill(0);
    expect(a.mempool.get(hash)?.raw).toEqual(raw);
  });
});

function ofAnotherChain(): Uint8Array {
  const { nonce, gasLimit, maxFeePerGas, maxPriorityFeePerGas, value, data } = signed(0, 0n);
  const fields = { type: 2, nonce, gasLimit, maxFeePerGas, maxPriorityFeePerGas, value, data, to: RECIPIENT } as const;
  return signTransaction({ ...fields, chainId: 1n, accessList: [], authorizationList: [] }, KEYS[0]!);
}
