/** Processes that end at any moment: what is final stays, what was signed is never contradicted, the chain goes on. */
import { describe, expect, test } from "vitest";
import { decodeCertificate } from "../../consensus/codec.ts";
import { KIND } from "../../consensus/types.ts";
import { equalsBytes } from "../../core/bytes.ts";
import { Cluster, type Member } from "../testing/cluster.ts";
import { signed } from "../testing/world.ts";

const FOUR = { members: [0, 1, 2, 3] };
const IDS = ["0", "1", "2", "3"];
const heightOf = ({ chain }: Member): number => Number(chain.head.number);

/** Ends them all at this moment and starts them again, a second later. */
async function crashAll(cluster: Cluster): Promise<void> {
  const disks = IDS.map((id) => cluster.crash(id));
  await cluster.clock.pass(1_000);
  for (const [key, disk] of disks.entries()) await cluster.prepare(String(key), { key, disk });
  cluster.network.connectAll();
  await cluster.clock.run(Promise.all([...cluster.nodes.values()].map((node) => node.start())));
}

describe("the end of every process at once", () => {
  // A block takes about 20 ms from its proposal to its commit: two votes of 2 ms each, three ways of 5 ms.
  for (const offsetMs of [0, 3, 5, 8, 11, 14, 17, 21]) {
    test(`${offsetMs} ms into a block: no block is lost, none is doubled, nobody contradicts himself`, async () => {
      const cluster = await Cluster.start(FOUR);
      await cluster.reach(2);
      const tx = signed(0, 0n);
      expect(cluster.node("1").submit(tx)).toMatchObject({ ok: true });
      const proposed = new Promise<void>((resolve) => {
        for (const node of cluster.nodes.values()) {
          const { proposeOn } = node.chain;
          node.chain.proposeOn = (...args) => {
            resolve();
            return proposeOn(...args);
          };
        }
      });
      await cluster.clock.run(proposed);
      await cluster.clock.pass(offsetMs);
      const final = [...cluster.nodes.values()].map(({ chain }) => chain.head);
      await crashAll(cluster);
      const height = Math.max(...final.map(({ number }) => Number(number)));
      await cluster.reach(height + 4);
      for (const { chain, lines } of cluster.nodes.values()) {
        for (const { number, hash } of final) expect(chain.hashAt(number)).toEqual(hash);
        expect(lines.filter(({ level }) => level >= 50)).toEqual([]);
      }
      await cluster.end();
    });
  }
});

describe("a block that is notarized and not final when the processes end", () => {
  test("is executed again from the logs", async () => {
    const cluster = await Cluster.start(FOUR);
    await cluster.reach(2);
    const [first] = cluster.nodes.values();
    // Until everybody has signed to finalize the third block and nobody has heard of the others.
    const isNotarized = (): boolean =>
      IDS.every((key) => {
        const last = cluster.signedBy(Number(key)).at(-1)!;
        return last.kind === KIND.finalize && !first!.chain.isCommitted(last.block);
      });
    for (let i = 0; !isNotarized(); i++) {
      if (i > 5_000) throw new Error("no such moment");
      await cluster.clock.pass(1);
    }
    const { block } = cluster.signedBy(0).at(-1)!;
    expect([...cluster.nodes.values()].map(heightOf)).toEqual([2, 2, 2, 2]);
    const disks = IDS.map((id) => cluster.crash(id));
    for (const [key, disk] of disks.entries()) {
      // Certificates are not synced by themselves: one of these may have lost this one, and gets it from the others.
      const member = await cluster.prepare(String(key), { key, disk });
      await cluster.clock.run(member.engine.start());
      const certificates = disk.validator.durable.flatMap((record) =>
        record.type === "certificate" ? [record.certificate] : [],
      );
      const isKnown = certificates.some((certificate) => equalsBytes(certificate.block, block));
      expect(member.chain.has(block)).toBe(isKnown);
      expect(member.engine.block(block)).toBeDefined();
      expect(heightOf(member)).toBe(2);
    }
    await cluster.end();
  });

  test("and is final in the end", async () => {
    const cluster = await Cluster.start(FOUR);
    await cluster.reach(2);
    const [first] = cluster.nodes.values();
    const voted = () => cluster.signedBy(0).at(-1)!;
    while (voted().kind !== KIND.finalize || first!.chain.isCommitted(voted().block)) await cluster.clock.pass(1);
    const { block } = voted();
    await crashAll(cluster);
    await cluster.reach(5);
    for (const { chain } of cluster.nodes.values()) expect(chain.hashAt(3n)).toEqual(block);
    await cluster.end();
  });
});

describe("one process that ends", () => {
  test("again and again, at any moment: its key never contradicts itself", async () => {
    const cluster = await Cluster.start(FOUR);
    await cluster.reach(1);
    for (let round = 0; round < 8; round++) {
      await cluster.clock.pass(140 + 37 * round);
      const disk = cluster.crash("2");
      await cluster.add("2", { key: 2, disk });
    }
    await cluster.reach(heightOf(cluster.node("0")) + 4);
    expect(cluster.signedBy(2).length).toBeGreaterThan(8);
    await cluster.end();
  });

  test("between a finalize certificate and the commit: the block is committed at the start", async () => {
    const cluster = await Cluster.start(FOUR);
    await cluster.reach(2);
    const node = cluster.node("3");
    const [begun, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    node.disk.store.beforeWrite = () => {
      begun.resolve();
      return release.promise;
    };
    await cluster.clock.run(begun.promise);
    // Something is signed after the certificate came, so that it is on the disk.
    const before = node.validating!.signed.length;
    while (node.validating!.signed.length < before + 2) await cluster.clock.pass(1);
    const height = heightOf(node);
    const disk = cluster.crash("3");
    release.resolve();
    const back = await cluster.prepare("3", { key: 3, disk });
    await cluster.clock.run(back.start());
    await cluster.clock.pass(50);
    expect(heightOf(back)).toBeGreaterThan(height);
    const { block } = decodeCertificate(back.chain.certificate(back.chain.head.number)!);
    expect(block).toEqual(cluster.node("0").chain.hashAt(back.chain.head.number));
    cluster.network.connectAll();
    await cluster.reach(heightOf(back) + 3);
    await cluster.end();
  });
});

describe("a log that grows", () => {
  test("begins anew, and a restart from the new one contradicts nothing", async () => {
    const cluster = await Cluster.start(FOUR);
    const node = cluster.node("3");
    await cluster.reach(2);
    node.disk.validator.logBytes = 65 * 1024 * 1024;
    const records = node.disk.validator.durable.length;
    await cluster.reach(heightOf(node) + 1, [node]);
    await cluster.clock.pass(10);
    expect(node.disk.validator.rotations).toBe(1);
    expect(node.disk.validator.durable.length).toBeLessThan(records);
    expect(node.disk.validator.durable[0]).toMatchObject({ type: "tip", height: heightOf(node) });
    expect(node.engine.status.mode).toBe("validate");
    const disk = cluster.crash("3");
    await cluster.add("3", { key: 3, disk });
    await cluster.reach(heightOf(cluster.node("0")) + 4);
    await cluster.end();
  });

  test("with the votes that are on their way to the disk", async () => {
    const timing = { intervalMs: 20, heartbeatMs: 20, deltaMs: 250 };
    const cluster = await Cluster.start({ ...FOUR, timing });
    let node = cluster.node("3");
    let rotations = 0;
    for (let height = 2; height <= 20; height++) {
      node.disk.validator.syncMs = 12;
      node.disk.validator.logBytes = 65 * 1024 * 1024;
      await cluster.reach(height);
      expect(node.engine.status).toMatchObject({ mode: "validate", signingProblem: undefined });
      if (height % 3 !== 0) continue;
      rotations += node.disk.validator.rotations;
      const disk = cluster.crash("3");
      node = await cluster.add("3", { key: 3, disk });
    }
    expect(rotations).toBeGreaterThan(5);
    await cluster.reach(heightOf(cluster.node("0")) + 4);
    await cluster.end();
  });

  test("also while only the certificate of the last final block is known, not the block", async () => {
    const timing = { intervalMs: 20, heartbeatMs: 20, deltaMs: 250 };
    const cluster = await Cluster.start({ ...FOUR, timing });
    const node = cluster.node("3");
    await cluster.reach(2);
    // Blocks do not reach it, certificates do, and its disk is slow: events wait for it.
    node.net.handleTopic("block", () => "ignore");
    node.disk.validator.syncMs = 40;
    for (let height = 3; height <= 10; height++) {
      node.disk.validator.logBytes = 65 * 1024 * 1024;
      await cluster.reach(height);
    }
    expect(node.disk.validator.rotations).toBeGreaterThan(0);
    expect(node.engine.status).toMatchObject({ mode: "validate", signingProblem: undefined });
    await cluster.end();
  });
});
