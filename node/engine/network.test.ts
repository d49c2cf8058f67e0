/** Engines of several validators together: whole nodes, real signatures, a network in memory. */
import { describe, expect, test } from "vitest";
import { verifyCertificate } from "../../consensus/certificates.ts";
import { decodeCertificate } from "../../consensus/codec.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { SENDERS } from "../../execution/testing/world.ts";
import { seededRandom } from "../../test/helpers/random.ts";
import { Cluster } from "../testing/cluster.ts";
import { TEST_SCHEME, testDomain } from "../testing/node.ts";
import { signed } from "../testing/world.ts";

describe("four validators", () => {
  test("finalize blocks together, each with a certificate", async () => {
    const cluster = await Cluster.start({ members: [0, 1, 2, 3] });
    const published = new Set<string>();
    for (const { id, net } of cluster.nodes.values()) {
      const { publish } = net;
      net.publish = (topic, data) => {
        published.add(`${topic} of ${id}`);
        return publish.call(net, topic, data);
      };
    }
    await cluster.reach(6);
    for (const topic of ["block", "vote", "cert"]) {
      for (const id of cluster.nodes.keys()) expect(published).toContain(`${topic} of ${id}`);
    }
    for (const { chain, engine, lines, net } of cluster.nodes.values()) {
      for (let number = 1n; number <= 6n; number++) {
        const certificate = decodeCertificate(chain.certificate(number)!);
        expect(certificate.block).toEqual(chain.hashAt(number));
        expect(
          verifyCertificate(certificate, chain.validatorSet(0)!, testDomain(cluster.genesis), TEST_SCHEME),
        ).toBeUndefined();
      }
      expect(engine.status).toMatchObject({ mode: "validate", nullifications: 0, evidence: 0, peers: 3 });
      expect(lines.filter(({ level }) => level >= 40)).toEqual([]);
      expect(net.penalties).toEqual([]);
    }
    await cluster.end();
  });

  test("a transaction that one of them was given is in one block of all of them, whoever leads", async () => {
    const cluster = await Cluster.start({ members: [0, 1, 2, 3] });
    const tellers: string[] = [];
    for (const { id, net } of cluster.nodes.values()) {
      const { publish } = net;
      net.publish = (topic, data) => {
        if (topic === "tx") tellers.push(id);
        return publish.call(net, topic, data);
      };
    }
    const transactions = [signed(0, 0n), signed(0, 1n), signed(1, 0n)];
    for (const tx of transactions) expect(cluster.node("2").submit(tx)).toMatchObject({ ok: true });
    await cluster.reach(5);
    for (const { chain, mempool } of cluster.nodes.values()) {
      const included: string[] = [];
      for (let number = 1n; number <= 5n; number++) {
        included.push(...chain.block(number)!.transactions.map(({ hash }) => bytesToHex(hash)));
      }
      expect(included.sort()).toEqual(transactions.map(({ hash }) => bytesToHex(hash)).sort());
      expect(mempool.counts).toMatchObject({ pending: 0, queued: 0 });
    }
    // No echo: who hears of them does not tell of them.
    expect(tellers).toEqual(["2"]);
    await cluster.end();
  });

  test("build on blocks that are notarized and not final yet, when the pace is faster than the network", async () => {
    const timing = { intervalMs: 20, heartbeatMs: 20, deltaMs: 1_000 };
    const cluster = await Cluster.start({ members: [0, 1, 2, 3], timing, delayMs: () => 40 });
    let onUnfinal = 0;
    for (const { chain } of cluster.nodes.values()) {
      const { proposeOn } = chain;
      chain.proposeOn = (parent, input) => {
        if (!chain.isCommitted(parent)) onUnfinal++;
        return proposeOn(parent, input);
      };
    }
    for (let nonce = 0n; nonce < 30n; nonce++) {
      expect(cluster.node(String(nonce % 4n)).submit(signed(0, nonce))).toMatchObject({ ok: true });
      await cluster.clock.pass(25);
    }
    await cluster.reach(Number(cluster.node("0").chain.head.number) + 6);
    expect(onUnfinal).toBeGreaterThan(5);
    for (const { chain, engine, mempool } of cluster.nodes.values()) {
      expect(chain.headState.account(SENDERS[0]!)?.nonce).toBe(30n);
      expect(mempool.counts).toMatchObject({ pending: 0, queued: 0 });
      expect(engine.status.nullifications).toBe(0);
      expect(chain.unfinalized.blocks).toBeLessThan(10);
      // Three ways through the network and the disk.
      expect(engine.status.commitLatency.p50Ms).toBeLessThan(3 * 40 + 20);
      expect(engine.status.commitLatency.count).toBeGreaterThan(10);
    }
    await cluster.end();
  });

  for (const seed of [1, 2, 3]) {
    test(`on a network that loses a tenth and delays the rest, seed ${seed}`, async () => {
      const random = seededRandom(seed);
      const delayMs = () => (random() < 0.1 ? undefined : Math.floor(1 + 60 * random()));
      const timing = { intervalMs: 50, heartbeatMs: 200, deltaMs: 150 };
      const cluster = await Cluster.start({ members: [0, 1, 2, 3], epochBlocks: 10, timing, delayMs });
      const node = cluster.node("3");
      node.disk.validator.syncMs = 30;
      for (let nonce = 0n; nonce < 10n; nonce++) {
        expect(cluster.node("1").submit(signed(0, nonce))).toMatchObject({ ok: true });
        await cluster.clock.pass(100);
      }
      await cluster.reach(25);
      for (const { engine, lines } of cluster.nodes.values()) {
        expect(engine.status).toMatchObject({ mode: "validate", signingProblem: undefined, evidence: 0 });
        expect(lines.filter(({ level }) => level >= 50)).toEqual([]);
      }
      await cluster.end();
    });
  }
});
