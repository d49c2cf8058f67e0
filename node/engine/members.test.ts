/** Validators that come and go, those that may not sign, those that only follow, and changes of the set. */
import { describe, expect, test } from "vitest";
import { signersOf } from "../../consensus/certificates.ts";
import { decodeCertificate } from "../../consensus/codec.ts";
import { KIND } from "../../consensus/types.ts";
import { CLUSTER_TIMING, Cluster, type Member, setOfMembers } from "../testing/cluster.ts";
import { signed } from "../testing/world.ts";

const FOUR = { members: [0, 1, 2, 3] };
const heightOf = ({ chain }: Member): number => Number(chain.head.number);

describe("one of four that is gone", () => {
  test("does not stop the others; it catches up when it is back, and signs again", async () => {
    const cluster = await Cluster.start(FOUR);
    await cluster.reach(2);
    const disk = await cluster.stop("3");
    const [first] = cluster.nodes.values();
    await cluster.reach(heightOf(first!) + 6);
    for (const { engine } of cluster.nodes.values()) expect(engine.status.nullifications).toBeGreaterThan(0);
    const before = cluster.signedBy(3).length;
    const back = await cluster.add("3", { key: 3, disk });
    await cluster.reach(heightOf(first!) + 8);
    expect(cluster.signedBy(3).length).toBeGreaterThan(before);
    expect(back.engine.status).toMatchObject({ mode: "validate", signingProblem: undefined });
    // It leads again.
    const nullified = first!.engine.status.nullifications;
    await cluster.reach(heightOf(first!) + 4);
    expect(first!.engine.status.nullifications).toBe(nullified);
    await cluster.end();
  });

  test("and its links only: it goes on from where it was", async () => {
    const cluster = await Cluster.start(FOUR);
    const [cut, ...others] = ["3", "0", "1", "2"].map((id) => cluster.node(id));
    await cluster.reach(2);
    for (const { id } of others) cluster.network.disconnect("3", id);
    const alone = heightOf(cut!);
    await cluster.reach(alone + 5, others);
    expect(heightOf(cut!)).toBeLessThanOrEqual(alone + 1);
    // Given to one who cannot tell anybody.
    const tx = signed(0, 0n);
    expect(cut!.submit(tx)).toMatchObject({ ok: true });
    await cluster.reach(alone + 6, others);
    cluster.network.connectAll();
    await cluster.reach(alone + 14);
    for (const { chain } of cluster.nodes.values()) expect(chain.transaction(tx.hash)).toBeDefined();
    await cluster.end();
  });

  test("or hears nothing while an epoch ends: the first word of the next one tells it that it is behind", async () => {
    const timing = { ...CLUSTER_TIMING, heartbeatMs: 200 };
    const cluster = await Cluster.start({ ...FOUR, epochBlocks: 4, timing });
    const node = cluster.node("3");
    const startMs = cluster.clock.nowMs();
    // Between two polls of sync, which would find it out too, but later.
    await cluster.clock.pass(5_200);
    const topics = (["block", "vote", "cert"] as const).map((topic) => [topic, node.net.topic(topic)] as const);
    for (const [topic] of topics) node.net.handleTopic(topic, () => "ignore");
    await cluster.clock.pass(2_500);
    const others = heightOf(cluster.node("0"));
    expect(node.engine.status.epoch).toBeLessThan(cluster.node("0").engine.status.epoch);
    for (const [topic, handler] of topics) node.net.handleTopic(topic, handler);
    await cluster.reach(others, [node]);
    expect(cluster.clock.nowMs() - startMs).toBeLessThan(9_500);
    await cluster.end();
  });

  test("two that are gone stop the chain; it goes on with the first that is back", async () => {
    const cluster = await Cluster.start(FOUR);
    await cluster.reach(2);
    const [disk] = [await cluster.stop("3"), await cluster.stop("2")];
    await cluster.clock.pass(3_000);
    const [first] = cluster.nodes.values();
    const height = heightOf(first!);
    await cluster.clock.pass(20_000);
    expect(heightOf(first!)).toBe(height);
    await cluster.add("3", { key: 3, disk });
    await cluster.reach(height + 4);
    await cluster.end();
  });
});

describe("who signs at the start", () => {
  test("nobody who has not heard what the others have", async () => {
    const cluster = await Cluster.start(FOUR);
    await cluster.reach(3);
    const disk = await cluster.stop("3");
    await cluster.reach(6);
    const { view } = cluster.node("0").engine;
    const before = cluster.signedBy(3).length;
    const node = await cluster.prepare("3", { key: 3, disk });
    await cluster.clock.run(node.start());
    await cluster.clock.pass(20_000);
    expect(cluster.signedBy(3)).toHaveLength(before);
    cluster.network.connectAll();
    await cluster.reach(heightOf(cluster.node("0")) + 4);
    const [next] = cluster.signedBy(3).slice(before);
    // Not a word about what was decided meanwhile.
    expect(next!.view).toBeGreaterThanOrEqual(view);
    await cluster.end();
  });

  test("one who is all there is, peers or none", async () => {
    const cluster = await Cluster.start({ members: [0] });
    await cluster.reach(2);
    const full = await cluster.add("full");
    await cluster.reach(5);
    expect(full.engine.status.mode).toBe("follow");
    await cluster.end();
  });
});

describe("one that may not sign", () => {
  test("its guard refuses: nothing leaves, and it follows", async () => {
    const cluster = await Cluster.start(FOUR);
    const node = cluster.node("3");
    await cluster.reach(2);
    node.disk.validator.refuses = () => true;
    const before = node.validating!.signed.length;
    await cluster.reach(heightOf(node) + 4);
    expect(node.validating!.signed).toHaveLength(before);
    expect(node.engine.status.mode).toBe("validate");
    expect(node.lines.some(({ msg, level }) => msg === "vote refused by the signer guard" && level === 50)).toBe(true);
    await cluster.end();
  });

  test("its guard refuses one kind: the others leave", async () => {
    const cluster = await Cluster.start(FOUR);
    const node = cluster.node("3");
    await cluster.reach(1);
    node.disk.validator.refuses = ({ kind }) => kind === KIND.finalize;
    const before = node.validating!.signed.length;
    await cluster.reach(heightOf(node) + 4);
    const kinds = new Set(node.validating!.signed.slice(before).map(({ kind }) => kind));
    expect([...kinds]).toEqual([KIND.notarize]);
    await cluster.end();
  });

  test("its disk fails: not one signature more, and it follows", async () => {
    const cluster = await Cluster.start(FOUR);
    const node = cluster.node("3");
    await cluster.reach(2);
    node.disk.validator.failure = new Error("no space left on device");
    const before = node.validating!.signed.length;
    await cluster.reach(heightOf(node) + 4);
    node.disk.validator.failure = undefined;
    await cluster.reach(heightOf(node) + 4);
    expect(node.validating!.signed).toHaveLength(before);
    expect(node.engine.status.mode).toBe("observe");
    expect(node.engine.status.signingProblem).toContain("no space left on device");
    expect(node.lines.filter(({ msg }) => msg === "this validator does not sign")).toHaveLength(1);
    await cluster.end();
  });

  test("it only observes, and says why", async () => {
    const cluster = await Cluster.start({ members: [0, 1, 2, 3] });
    const disk = await cluster.stop("3");
    const node = await cluster.add("3", { key: 3, disk, reasons: ["the log is missing", "the key was imported"] });
    await cluster.reach(4);
    expect(node.validating!.signed).toEqual([]);
    expect(node.engine.status).toMatchObject({
      mode: "observe",
      signingProblem: "the log is missing; the key was imported",
      validatorIndex: 3,
      votesCast: 0,
    });
    await cluster.end();
  });
});

describe("one without a key", () => {
  test("follows block by block, and passes transactions on", async () => {
    const cluster = await Cluster.start(FOUR);
    const node = await cluster.add("full");
    await cluster.reach(3);
    const tx = signed(0, 0n);
    expect(node.submit(tx)).toMatchObject({ ok: true });
    await cluster.reach(heightOf(node) + 3);
    expect(node.chain.transaction(tx.hash)).toBeDefined();
    expect(node.engine.status).toMatchObject({ mode: "follow", validatorIndex: undefined, votesCast: 0 });
    // From consensus, not by asking for blocks that it missed.
    expect(node.engine.status.finalizations).toBeGreaterThan(3);
    await cluster.end();
  });

  test("that comes late syncs first, then follows", async () => {
    const cluster = await Cluster.start({ ...FOUR, epochBlocks: 8 });
    await cluster.reach(20);
    const node = await cluster.add("full");
    await cluster.reach(22);
    expect(node.lines.some(({ msg }) => msg === "synced")).toBe(true);
    expect(node.engine.status.epoch).toBe(2);
    await cluster.reach(26);
    expect(node.engine.status.finalizations).toBeGreaterThan(0);
    await cluster.end();
  });
});

describe("epochs", () => {
  test("a fifth joins, one leaves, and who left signs nothing any more", async () => {
    const epochBlocks = 5;
    const cluster = await Cluster.start({
      members: [0, 1, 2, 3],
      epochBlocks,
      // In force from epoch 2 and 3 on.
      changes: [
        { block: 6n, set: setOfMembers(0, 1, 2, 3, 4) },
        { block: 11n, set: setOfMembers(4, 3, 2, 1) },
      ],
    });
    const fifth = await cluster.add("4", { key: 4 });
    expect(fifth.engine.status).toMatchObject({ mode: "validate", validatorIndex: undefined });
    await cluster.reach(27);
    const { chain } = fifth;
    const sets = [
      [0, 1, 2, 3],
      [0, 1, 2, 3],
      [0, 1, 2, 3, 4],
      [4, 3, 2, 1],
      [4, 3, 2, 1],
      [4, 3, 2, 1],
    ];
    for (const [epoch, members] of sets.entries()) {
      expect(chain.validatorSet(epoch)?.hash).toEqual(setOfMembers(...members).hash);
    }
    for (let number = 1; number <= 27; number++) {
      const certificate = chain.certificate(BigInt(number));
      if (certificate === undefined) continue;
      const { epoch, bitmap } = decodeCertificate(certificate);
      expect(epoch).toBe(Math.floor(number / epochBlocks));
      expect(signersOf(bitmap, sets[epoch]!.length)).toBeDefined();
    }
    // The last block of an epoch is finalized by itself.
    for (const last of [4n, 9n, 14n, 19n, 24n]) expect(chain.certificate(last)).toBeDefined();
    const epochsOf = (key: number) => [...new Set(cluster.signedBy(key).map(({ epoch }) => epoch))];
    expect(epochsOf(0)).toEqual([0, 1, 2]);
    expect(epochsOf(1)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(epochsOf(4)).toEqual([2, 3, 4, 5]);
    expect(fifth.engine.status.validatorIndex).toBe(0);
    expect(cluster.node("0").engine.status).toMatchObject({ mode: "validate", validatorIndex: undefined, epoch: 5 });
    await cluster.end();
  });

  test("with one gone across the change: it comes back into another epoch and another place", async () => {
    const cluster = await Cluster.start({
      members: [0, 1, 2, 3],
      epochBlocks: 4,
      changes: [{ block: 1n, set: setOfMembers(3, 2, 1, 0) }],
    });
    await cluster.reach(1);
    const disk = await cluster.stop("3");
    await cluster.reach(9);
    const back = await cluster.add("3", { key: 3, disk });
    await cluster.reach(14);
    expect(back.engine.status).toMatchObject({ validatorIndex: 0, epoch: 3 });
    expect(cluster.signedBy(3).at(-1)!.epoch).toBeGreaterThanOrEqual(2);
    await cluster.end();
  });
});
