/** Epochs of ten blocks: epoch 0 ends with height 9. Its last block is proposed until it is final, then others take over. */
import { describe, expect, test } from "vitest";
import {
  at,
  FOUR,
  GENESIS,
  ME,
  OTHERS,
  only,
  proposalOf,
  signedIn,
  TestNode,
  type TestNodeOptions,
  TIMING,
} from "./testing/node.ts";
import { block, certificateOf, finalize, notarize, nullify, setOf, voteOf } from "./testing/votes.ts";
import { baseView, type Tip } from "./types.ts";
import { validatorSet } from "./validators.ts";

const EPOCH = { epochBlocks: 10 };
/** Final in view 20, at the height before the last of epoch 0. */
const BEFORE = at(20, 8, "before last");
const LAST = at(21, 9, "last");
/** Of other keys with other stakes: the own one is the first of three, and the second alone is more than two thirds. */
const NEXT = validatorSet([
  { ...FOUR.validators[ME]!, stake: 1n },
  { ...setOf([1n], "new").validators[0]!, stake: 5n },
  { ...FOUR.validators[0]!, stake: 1n },
]);
const BASE_1 = { ...LAST, view: baseView(1) };
const V1 = baseView(1) + 1;

const nodeAt = (tip: Tip, options: TestNodeOptions = {}) =>
  new TestNode({ ...EPOCH, start: { base: GENESIS, tip }, ...options });

/** The last block is notarized in view 21, and not final. */
function withLastNotarized(options: TestNodeOptions = {}): TestNode {
  const node = nodeAt(BEFORE, options);
  node.notarized(21, "last", BEFORE);
  expect(node.core.view).toBe(22);
  return node;
}

/** The next epoch has begun, with the next set. */
function inNextEpoch(options: TestNodeOptions = {}): TestNode {
  const node = withLastNotarized(options);
  node.certificate(finalize(21, "last"));
  node.step({ type: "epoch", epoch: 1, set: NEXT, base: BASE_1 });
  return node;
}

describe("the last block of an epoch", () => {
  test("is extended by nothing: a block on it is invalid", () => {
    const node = withLastNotarized();
    const effects = node.proposal(proposalOf(FOUR, 22, "beyond", LAST));
    expect(only(effects, "validate")).toEqual([]);
    expect(signedIn(effects)).toEqual([nullify(22)]);
  });

  test("is proposed again, on itself, and may be notarized again", () => {
    const node = withLastNotarized();
    const effects = node.proposal(proposalOf(FOUR, 22, "last", LAST, { again: true }));
    expect(only(effects, "validate")).toMatchObject([{ height: 9, block: LAST.block, parent: LAST.block }]);
    expect(signedIn(effects)).toEqual([notarize(22, "last", 21)]);
    node.votes(notarize(22, "last", 21));
    const final = node.votes(finalize(22, "last", 21));
    expect(only(final, "finalize")).toMatchObject([{ tip: { ...LAST, view: 22 } }]);
  });

  test("is proposed again by its leader, after Δ, without building anything", () => {
    // Validator 3 leads view 24.
    const node = withLastNotarized();
    for (const skipped of [22, 23]) node.certificate(nullify(skipped));
    expect(only(node.wait(TIMING.deltaMs - 1), "vote")).toEqual([]);
    const effects = node.wait(1);
    expect(only(effects, "build")).toEqual([]);
    expect(only(effects, "vote")).toMatchObject([
      {
        subject: notarize(24, "last", 21),
        proposal: {
          height: 9,
          parent: LAST.block,
          certificates: [notarize(21, "last"), nullify(23), nullify(22)],
        },
      },
    ]);
  });

  test("is not proposed again once it is final", () => {
    const node = withLastNotarized();
    for (const skipped of [22, 23]) node.certificate(nullify(skipped));
    node.certificate(finalize(21, "last"));
    expect(only(node.wait(60_000), "vote")).toEqual([]);
  });

  test("may be another one where it was not notarized", () => {
    const node = nodeAt(BEFORE);
    node.certificate(nullify(21));
    expect(signedIn(node.proposal(proposalOf(FOUR, 22, "other last", BEFORE)))).toEqual([
      notarize(22, "other last", 20),
    ]);
  });

  test("and no other is proposed again", () => {
    const node = nodeAt(at(15, 5, "middle"));
    const next = node.notarized(16, "next", at(15, 5, "middle"));
    const effects = node.proposal(proposalOf(FOUR, 17, "next", next, { again: true }), "liar");
    expect(only(effects, "blame")).toMatchObject([{ peer: "liar" }]);
    expect([...only(effects, "validate"), ...signedIn(effects)]).toEqual([]);
    // Nor is it when its leader says that it were the last.
    const lie = { ...proposalOf(FOUR, 18, "next", next, { again: true }), height: 9 };
    const other = nodeAt(at(15, 5, "middle"));
    other.notarized(16, "next", at(15, 5, "middle"));
    other.certificate(nullify(17));
    expect(signedIn(other.proposal(lie))).toEqual([nullify(18)]);
  });
});

describe("what a proposal says of its parent is not signed", () => {
  test("a block that somebody said to stand on itself is not held against its leader", () => {
    const node = nodeAt(BEFORE);
    const proposal = proposalOf(FOUR, 21, "last", BEFORE);
    expect(signedIn(node.proposal({ ...proposal, parent: proposal.vote.block }, "liar"))).toEqual([]);
    expect(signedIn(node.proposal(proposal))).toEqual([notarize(21, "last")]);
    const other = nodeAt(at(15, 5, "middle"));
    const middle = proposalOf(FOUR, 16, "next", at(15, 5, "middle"));
    expect(signedIn(other.proposal({ ...middle, parent: middle.vote.block }, "liar"))).toEqual([]);
    expect(signedIn(other.proposal(middle))).toEqual([notarize(16, "next")]);
  });

  test("nor is a block proposed again that somebody said to stand on its first parent", () => {
    const node = withLastNotarized();
    const again = proposalOf(FOUR, 22, "last", LAST, { again: true });
    expect(signedIn(node.proposal({ ...again, parent: BEFORE.block }, "liar"))).toEqual([]);
    expect(signedIn(node.proposal(again))).toEqual([notarize(22, "last", 21)]);
  });
});

describe("between two epochs", () => {
  test("there is nothing to wait for, and nothing to sign, until the next set is known", () => {
    const node = withLastNotarized();
    node.certificate(finalize(21, "last"));
    expect(node.timerAtMs).toBe(Number.POSITIVE_INFINITY);
    node.step({ type: "includable", value: true });
    expect(node.wait(3_600_000)).toEqual([]);
  });

  test("blocks of the next epoch wait for it", () => {
    const node = withLastNotarized();
    node.certificate(finalize(21, "last"));
    expect(node.proposal(proposalOf(NEXT, V1, "first", BASE_1))).toEqual([]);
    expect(node.core.size.rounds).toBeLessThanOrEqual(3);
  });
});

describe("the next epoch", () => {
  test("begins at its base view with the next set, its leaders and its quorums", () => {
    const node = inNextEpoch();
    expect([node.core.epoch, node.core.view, node.core.signer, node.core.leader]).toEqual([1, V1, 0, 0]);
    expect(node.core.finalized).toEqual(BASE_1);
    expect(node.core.set).toBe(NEXT);
    expect(node.core.finalization).toBeUndefined();
    // Two of three validators, with two of seven of the stake, are no quorum; the one with five is.
    node.votes(nullify(V1), [0, 2]);
    expect(node.core.view).toBe(V1);
    node.votes(nullify(V1), [1]);
    expect(node.core.view).toBe(V1 + 1);
  });

  test("builds on the last block of the epoch before, without a certificate of it", () => {
    const node = inNextEpoch();
    const effects = node.wait(TIMING.heartbeatMs);
    expect(only(effects, "build")).toEqual([{ type: "build", view: V1, height: 10, parent: LAST.block }]);
    const [vote] = only(node.step({ type: "built", view: V1, block: block("first") }), "vote");
    expect(vote).toMatchObject({
      signer: 0,
      subject: notarize(V1, "first", baseView(1)),
      proposal: { height: 10, parent: LAST.block, certificates: [] },
    });
  });

  test("counts no vote and no certificate of the old set, and of the old epoch", () => {
    const node = inNextEpoch();
    for (const view of [22, V1]) {
      for (const signer of [0, 1, 2]) {
        // Signed by the old set, in the old epoch's name or the new one's.
        const vote = voteOf(FOUR, signer, nullify(view));
        expect(node.vote({ ...vote, epoch: view === 22 ? 0 : 1 })).toEqual(
          expect.not.arrayContaining([expect.objectContaining({ type: "send-certificate" })]),
        );
      }
    }
    const old = certificateOf(FOUR, OTHERS, nullify(22));
    for (const certificate of [old, { ...old, epoch: 1, view: V1 }, certificateOf(FOUR, OTHERS, nullify(V1))]) {
      node.step({ type: "certificate", certificate, from: "replayer" });
    }
    expect(node.core.view).toBe(V1);
    expect(node.core.finalized).toEqual(BASE_1);
    expect(node.core.isNews(voteOf(FOUR, 0, nullify(22)))).toBe(false);
    expect(node.core.isNewCertificate(old)).toBe(false);
  });

  test("certificates of an old epoch in a proposal skip no view of this one", () => {
    const node = inNextEpoch();
    node.certificate(nullify(V1 + 1), [1]);
    const old = { ...certificateOf(FOUR, OTHERS, nullify(22)), epoch: 1, view: V1 };
    const effects = node.proposal(proposalOf(NEXT, V1 + 2, "x", BASE_1, { certificates: [old] }));
    expect([...only(effects, "validate"), ...signedIn(effects)]).toEqual([]);
  });

  test("is not entered twice, and no earlier one is", () => {
    const node = inNextEpoch();
    node.certificate(nullify(V1), [1]);
    node.step({ type: "epoch", epoch: 1, set: FOUR, base: BASE_1 });
    node.step({ type: "epoch", epoch: 0, set: FOUR, base: GENESIS });
    node.step({ type: "synced", epoch: 0, set: FOUR, base: GENESIS, tip: BEFORE });
    expect([node.core.epoch, node.core.view]).toEqual([1, V1 + 1]);
    expect(node.core.set).toBe(NEXT);
  });

  test("does without those who are not in its set", () => {
    const node = inNextEpoch({ me: 1 });
    expect(node.core.signer).toBeUndefined();
    node.signed.length = 0;
    node.wait(60_000);
    expect(node.signed).toEqual([]);
  });

  test("holds its own heights only", () => {
    const node = inNextEpoch();
    const early = { ...proposalOf(NEXT, V1, "x", BASE_1), height: 9 };
    expect(signedIn(node.proposal(early))).toEqual([nullify(V1)]);
  });

  test("may be far ahead for one who was away", () => {
    const node = withLastNotarized();
    const base = at(baseView(5), 49, "base");
    const tip = at(baseView(5) + 77, 53, "tip");
    node.step({ type: "synced", epoch: 5, set: NEXT, base, tip });
    expect([node.core.epoch, node.core.view]).toEqual([5, baseView(5) + 78]);
    expect(node.core.finalized).toEqual(tip);
    // What it was building in the old epoch is of no use.
    expect(signedIn(node.step({ type: "built", view: 22, block: block("old") }))).toEqual([]);
  });
});

test("an epoch of one block is its last: it is built on the base and proposed until it is final", () => {
  const base = at(baseView(7), 6, "six");
  const node = new TestNode({ epochBlocks: 1, start: { base, tip: base } });
  const view = baseView(7) + 1;
  const seven = node.notarized(view, "seven", base);
  expect(signedIn(node.proposal(proposalOf(FOUR, view + 1, "eight", seven)))).toEqual([nullify(view + 1)]);
  node.certificate(finalize(view, "seven"));
  expect(node.timerAtMs).toBe(Number.POSITIVE_INFINITY);
});

describe("synced", () => {
  test("moves on to what was committed, in the same epoch", () => {
    const node = new TestNode();
    node.certificate(nullify(1));
    node.step({ type: "synced", epoch: 0, set: FOUR, base: GENESIS, tip: at(30, 7, "x") });
    expect([node.core.view, node.core.finalized]).toEqual([31, at(30, 7, "x")]);
  });

  test("does not move back", () => {
    const node = nodeAt(at(30, 7, "x"));
    node.step({ type: "synced", epoch: 0, set: FOUR, base: GENESIS, tip: at(12, 3, "y") });
    expect([node.core.view, node.core.finalized]).toEqual([31, at(30, 7, "x")]);
  });
});
