/** Timers and pacing (rules 2 and 6), and what is said again while nothing moves. Interval 1 s, heartbeat 5 s, Δ 400 ms. */
import { describe, expect, test } from "vitest";
import type { ConsensusEffect } from "./events.ts";
import {
  FOUR,
  GENESIS,
  ME,
  OTHERS,
  only,
  proposalOf,
  sentCertificates,
  signedIn,
  subjectOf,
  TestNode,
  TIMING,
} from "./testing/node.ts";
import { block, certificateOf, finalize, forgedVote, notarize, nullify, voteOf } from "./testing/votes.ts";

const { intervalMs, heartbeatMs, deltaMs } = TIMING;
const includable = (node: TestNode, value: boolean) => node.step({ type: "includable", value });

/** In the given view after skipped ones: its leader is due at once. */
function inView(view: number): TestNode {
  const node = new TestNode();
  for (let skipped = 1; skipped < view; skipped++) node.certificate(nullify(skipped));
  return node;
}

/** When it first signs the subject, stepping from timer to timer. */
function momentOf(node: TestNode, kind: number, limitMs: number): number | undefined {
  while (node.timerAtMs <= limitMs) {
    if (signedIn(node.until(node.timerAtMs)).some((subject) => subject.kind === kind)) return node.nowMs;
  }
  return undefined;
}

describe("a leader proposes", () => {
  const builds = (effects: readonly ConsensusEffect[]) => only(effects, "build").length;
  /** Leads view 4 on a block proposed at 10 s, notarized at 10.1 s. */
  function leading(beforeEntering: (node: TestNode) => void = () => {}): TestNode {
    const node = new TestNode({ nowMs: 10_000 });
    for (const skipped of [1, 2]) node.certificate(nullify(skipped));
    node.proposal(proposalOf(FOUR, 3, "c", GENESIS));
    node.nowMs = 10_100;
    beforeEntering(node);
    node.votes(notarize(3, "c", 0));
    expect(node.core.view).toBe(4);
    return node;
  }

  test("at the heartbeat while there is nothing to include", () => {
    const node = leading();
    expect(node.timerAtMs).toBe(10_000 + heartbeatMs);
    expect(builds(node.until(14_999))).toBe(0);
    expect(builds(node.until(15_000))).toBe(1);
  });

  test("an interval after the last block when something waits", () => {
    const node = leading((early) => includable(early, true));
    expect(node.timerAtMs).toBe(10_000 + intervalMs);
    expect(builds(node.until(10_999))).toBe(0);
    expect(builds(node.until(11_000))).toBe(1);
  });

  test("as soon as something comes later than that", () => {
    const node = leading();
    node.until(12_345);
    expect(builds(includable(node, true))).toBe(1);
  });

  test("at the heartbeat again when what waited is gone", () => {
    const node = leading();
    includable(node, true);
    includable(node, false);
    expect(builds(node.until(14_999))).toBe(0);
    expect(builds(node.until(15_000))).toBe(1);
  });

  test("at once after a skipped view", () => {
    const node = inView(3);
    expect(builds(node.certificate(nullify(3)))).toBe(1);
  });
});

describe("a view's time is up", () => {
  test("2Δ after the leader was due when there is no proposal", () => {
    expect(momentOf(new TestNode(), 2, 60_000)).toBe(heartbeatMs + 2 * deltaMs);
    expect(momentOf(inView(3), 2, 60_000)).toBe(2 * deltaMs);
    const busy = new TestNode();
    includable(busy, true);
    expect(momentOf(busy, 2, 60_000)).toBe(intervalMs + 2 * deltaMs);
  });

  test("3Δ after that when there is one", () => {
    const node = inView(3);
    node.wait(deltaMs);
    node.proposal(proposalOf(FOUR, 3, "c", GENESIS));
    expect(momentOf(node, 2, 60_000)).toBe(3 * deltaMs);
    expect(node.signed).toEqual([notarize(3, "c", 0), nullify(3)]);
  });

  test("later and later while no view brings a block, up to 16 times", () => {
    // Views 1 to n are skipped; four leaders take turns.
    const spent = [3, 4, 8, 12, 16, 40].map((skipped) => {
      const node = inView(skipped + 1);
      // Leading is another matter: whoever leads has a proposal of its own.
      return node.core.leader === ME ? undefined : momentOf(node, 2, 60_000);
    });
    expect(spent).toEqual([undefined, 2, 4, 8, 16, 16].map((times) => times && times * 2 * deltaMs));
  });

  test("as fast as ever once a block was notarized", () => {
    const node = inView(13);
    node.certificate(notarize(13, "m", 0));
    includable(node, true);
    const started = node.nowMs;
    expect(momentOf(node, 2, 60_000)).toBe(started + intervalMs + 2 * deltaMs);
  });
});

describe("timers", () => {
  test("are set only when they change, and an early or stale one does no harm", () => {
    const node = new TestNode();
    expect(only(node.votes(nullify(1), [0, 1]), "timer")).toEqual([]);
    node.nowMs = 100;
    const early = node.step({ type: "timer" });
    expect(early).toEqual([{ type: "timer", atMs: heartbeatMs }]);
    expect(only(node.certificate(nullify(1)), "timer")).toEqual([{ type: "timer", atMs: 100 + 2 * deltaMs }]);
  });

  test("are always ahead, and something happens at each that is set for a reason", () => {
    const node = new TestNode();
    let last = -1;
    for (let i = 0; i < 200; i++) {
      expect(node.timerAtMs).toBeGreaterThan(last);
      last = node.timerAtMs;
      node.until(last);
    }
    // Waiting for an hour costs two messages a second at most.
    expect(last).toBeGreaterThan(200 * deltaMs);
  });
});

describe("while nothing moves", () => {
  test("own votes, certificates of the last views and the newest finalization are sent again, every 2Δ", () => {
    const node = new TestNode();
    node.notarized(1, "a", GENESIS);
    node.certificate(finalize(1, "a"));
    node.certificate(notarize(2, "b"));
    node.certificate(nullify(3));
    node.certificate(notarize(4, "d", 2));
    node.votes(nullify(5), [0]); // others say theirs themselves
    const due = node.nowMs + heartbeatMs;
    node.until(due + 3 * deltaMs - 1);
    const effects = node.wait(1);
    expect(sentCertificates(effects)).toEqual([notarize(2, "b"), nullify(3), notarize(4, "d", 2), finalize(1, "a")]);
    expect(only(effects, "send-vote").map(({ vote }) => subjectOf(vote))).toEqual([
      finalize(2, "b"),
      finalize(4, "d", 2),
      nullify(5),
    ]);
    expect(only(effects, "fetch")).toHaveLength(1);
    expect(only(node.wait(2 * deltaMs - 1), "fetch")).toHaveLength(0);
    expect(only(node.wait(1), "fetch")).toHaveLength(1);
  });

  test("what is repeated stays little, however many views are undecided", () => {
    const node = new TestNode();
    for (let view = 1; view <= 300; view++) node.certificate(notarize(view, `${view}`));
    const effects = node.wait(heartbeatMs + 3 * deltaMs);
    expect(only(effects, "send-certificate").length).toBeLessThanOrEqual(5);
    expect(only(effects, "send-vote").length).toBeLessThanOrEqual(5);
    expect(only(effects, "fetch")[0]!.views.length).toBeLessThanOrEqual(64);
  });

  test("votes that others forged in this node's name are not sent as its own", () => {
    const node = new TestNode();
    node.vote(forgedVote(FOUR, ME, nullify(1)), "liar");
    node.vote(forgedVote(FOUR, ME, finalize(1, "a")), "liar");
    // It contradicts nothing, so nothing else would make anybody look at it.
    node.vote(forgedVote(FOUR, ME, notarize(1, "b")), "liar");
    const repeated = [...node.wait(20_000), ...node.wait(20_000)];
    for (const { vote } of only(repeated, "send-vote")) expect(vote).toEqual(voteOf(FOUR, ME, nullify(1)));
    expect(only(repeated, "send-vote")).not.toEqual([]);
    expect(node.core.viewState(1).votes).toEqual([voteOf(FOUR, ME, nullify(1))]);
  });

  test("it stops when the view moves on", () => {
    const node = new TestNode();
    node.wait(heartbeatMs + 3 * deltaMs);
    const effects = node.certificate(nullify(1));
    expect(only(effects, "fetch")).toEqual([]);
    expect(only(node.wait(2 * deltaMs), "fetch")).toEqual([]);
  });
});

describe("one who only follows", () => {
  test("signs nothing, and knows all that is final", () => {
    const node = new TestNode({ me: undefined });
    expect(node.core.signer).toBeUndefined();
    const a = node.notarized(1, "a", GENESIS);
    const effects = node.votes(finalize(1, "a"));
    expect(only(effects, "finalize")).toMatchObject([{ tip: a }]);
    for (const skipped of [2, 3, 4, 5]) node.certificate(nullify(skipped));
    expect([...node.wait(60_000), ...effects].filter(({ type }) => type === "vote" || type === "build")).toEqual([]);
  });

  test("asks for what it missed", () => {
    const node = new TestNode({ me: undefined });
    expect(only(node.wait(heartbeatMs + 3 * deltaMs), "fetch")).toMatchObject([{ views: [1] }]);
  });
});

describe("told not to sign", () => {
  test("it signs nothing until it is told otherwise", () => {
    const node = new TestNode();
    node.step({ type: "signing", allowed: false });
    node.proposal(proposalOf(FOUR, 1, "a", GENESIS));
    node.votes(notarize(1, "a"));
    for (const skipped of [2, 3]) node.certificate(nullify(skipped));
    expect(only(node.wait(60_000), "build")).toEqual([]);
    expect(node.signed).toEqual([]);
    // Long late: it could lead, and has no patience left with the view.
    const effects = node.step({ type: "signing", allowed: true });
    expect(only(effects, "build")).toHaveLength(1);
    expect(signedIn(effects)).toEqual([finalize(1, "a"), nullify(4)]);
    // Told so again it has nothing to add.
    expect(signedIn(node.step({ type: "signing", allowed: true }))).toEqual([]);
  });

  test("it does not propose what it was building", () => {
    const node = inView(4);
    node.step({ type: "signing", allowed: false });
    expect(signedIn(node.step({ type: "built", view: 4, block: block("mine") }))).toEqual([]);
  });
});

test("certificates of others do not come back as votes: a view is repaired from them alone", () => {
  const node = new TestNode();
  const missing = [certificateOf(FOUR, OTHERS, nullify(1)), certificateOf(FOUR, OTHERS, notarize(2, "b", 0))];
  for (const certificate of missing) node.step({ type: "certificate", certificate, from: "peer" });
  expect(node.core.view).toBe(3);
  expect(node.core.viewState(1)).toEqual({ certificates: [missing[0]], votes: [] });
  expect(node.core.viewState(2).votes).toEqual([voteOf(FOUR, ME, finalize(2, "b", 0))]);
});
