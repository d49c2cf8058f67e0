/** Engines of several validators together: whole nodes, real signatures, a network in memory. */
import { describe, expect, test } from "vitest";
import { verifyCertificate } from "../../consensus/certificates.ts";
import { decodeCertificate } from "../../consensus/codec.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { Cluster } from "../testing/cluster.ts";
import { TEST_SCHEME, testDomain } from "../testing/node.ts";
import { signed } from "../testing/world.ts";

describe("four validators", () => {
  test("finalize blocks together, each with a certificate", async () => {
    const cluster = await Cluster.start({ members: [0, 1, 2, 3] });
    await cluster.reach(6);
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
    await cluster.end();
  });
});
