/** The rules of docs/consensus.md, one by one. `ME` is validator 3 of four and leads the views 4, 8 and so on. */
import { describe, expect, test } from "vitest";
import {
  at,
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
import { block, certificateOf, finalize, forgedVote, notarize, nullify, setOf, voteOf } from "./testing/votes.ts";
import { MAX_PROPOSAL_CERTIFICATES } from "./types.ts";

const A = at(1, 1, "a");

describe("rule 1: the beginning", () => {
  test("is the view after the base, with nothing signed", () => {
    const node = new TestNode();
    expect([node.core.view, node.core.epoch, node.core.leader, node.core.signer]).toEqual([1, 0, 0, ME]);
    expect(node.core.finalized).toEqual(GENESIS);
    expect(node.first.map(({ type }) => type)).toEqual(["timer"]);
  });
});

describe("rule 2: leaders", () => {
  test("take turns, one a view, the same for everybody", () => {
    const node = new TestNode();
    const leaders = [node.core.leader];
    for (let view = 1; view <= 5; view++) {
      node.certificate(nullify(view));
      leaders.push(node.core.leader);
    }
    expect(leaders).toEqual([0, 1, 2, 3, 0, 1]);
  });
});

describe("rule 3: a leader", () => {
  /** At view 4, which it leads: `a` is notarized in view 1, the views 2 and 3 are skipped. */
  function leading(): TestNode {
    const node = new TestNode();
    node.notarized(1, "a", GENESIS);
    node.certificate(nullify(2));
    node.certificate(nullify(3));
    return node;
  }

  test("builds on the last notarized block, and shows why it may", () => {
    const node = new TestNode();
    node.notarized(1, "a", GENESIS);
    node.certificate(nullify(2));
    const effects = node.certificate(nullify(3));
    expect(only(effects, "build")).toEqual([{ type: "build", view: 4, height: 2, parent: A.block }]);
    const [vote] = only(node.step({ type: "built", view: 4, block: block("mine") }), "vote");
    expect(vote?.subject).toEqual(notarize(4, "mine", 1));
    expect(vote?.proposal).toMatchObject({ height: 2, parent: A.block });
    expect(vote?.proposal?.certificates.map(subjectOf)).toEqual([notarize(1, "a"), nullify(3), nullify(2)]);
  });

  test("shows a finalization where there is no notarization", () => {
    const node = new TestNode();
    node.proposal(proposalOf(FOUR, 3, "c", GENESIS, { certificates: [] }));
    node.certificate(finalize(3, "c", 0));
    const effects = [...node.until(TIMING.heartbeatMs), ...node.step({ type: "built", view: 4, block: block("d") })];
    expect(only(effects, "build")).toMatchObject([{ view: 4, height: 2 }]);
    const [vote] = only(effects, "vote").filter(({ proposal }) => proposal !== undefined);
    expect(vote?.proposal?.certificates.map(subjectOf)).toEqual([finalize(3, "c", 0)]);
  });

  test("proposes one block in a view, whatever else it is given", () => {
    const node = leading();
    node.step({ type: "built", view: 4, block: block("mine") });
    expect(signedIn(node.step({ type: "built", view: 4, block: block("other") }))).toEqual([]);
    expect(only(node.wait(10_000), "build")).toEqual([]);
  });

  test("does not propose what was built for a view that is over", () => {
    const node = leading();
    node.certificate(nullify(4));
    expect(signedIn(node.step({ type: "built", view: 4, block: block("late") }))).toEqual([]);
  });

  test("does not propose a block for which it did not ask", () => {
    const node = leading();
    expect(signedIn(node.step({ type: "built", view: 5, block: block("x") }))).toEqual([]);
    expect(signedIn(new TestNode().step({ type: "built", view: 1, block: block("x") }))).toEqual([]);
  });

  test("proposes a block on the parent it was built on, though another parent came up meanwhile", () => {
    const node = leading();
    // View 3 turns out to be notarized, too (rule 9), while a block on view 1's is being built.
    node.proposal(proposalOf(FOUR, 3, "c", A));
    node.certificate(notarize(3, "c", 1));
    const [vote] = only(node.step({ type: "built", view: 4, block: block("mine") }), "vote");
    expect(vote?.subject).toEqual(notarize(4, "mine", 1));
    expect(vote?.proposal).toMatchObject({ height: 2, parent: A.block });
  });

  test("gives the view up at once when nothing can be built", () => {
    const node = leading();
    expect(signedIn(node.step({ type: "build-failed", view: 4 }))).toEqual([nullify(4)]);
    expect(signedIn(node.step({ type: "built", view: 4, block: block("after all") }))).toEqual([]);
    expect(signedIn(leading().step({ type: "build-failed", view: 3 }))).toEqual([]);
  });

  test("shows the newest of very many skipped views", () => {
    const node = new TestNode();
    for (let view = 1; view < 100; view++) node.certificate(nullify(view));
    const [vote] = only(node.step({ type: "built", view: 100, block: block("mine") }), "vote");
    const views = vote?.proposal?.certificates.map(({ view }) => view) ?? [];
    expect(views).toHaveLength(MAX_PROPOSAL_CERTIFICATES);
    expect([views[0], views.at(-1)]).toEqual([99, 99 - MAX_PROPOSAL_CERTIFICATES + 1]);
  });

  test("is the only one who builds in its view", () => {
    const node = new TestNode();
    const effects = [1, 2, 4, 5, 6].flatMap((view) => [...node.wait(60_000), ...node.certificate(nullify(view))]);
    // View 4 came and went with the certificate of view 4, without that of view 3.
    expect(only([...effects, ...node.wait(60_000)], "build")).toEqual([]);
  });

  test("does not propose while it does not know what to build on", () => {
    const node = new TestNode();
    node.certificate(nullify(3)); // nothing is known of 1 and 2
    expect(only(node.wait(20_000), "build")).toEqual([]);
  });
});

describe("rule 4: a notarize vote", () => {
  test("is for the leader's first block, after it is validated", () => {
    const node = new TestNode({ isTrusting: false });
    const effects = node.proposal(proposalOf(FOUR, 1, "a", GENESIS));
    expect(only(effects, "validate")).toEqual([
      { type: "validate", view: 1, block: A.block, height: 1, parent: GENESIS.block },
    ]);
    expect(signedIn(effects)).toEqual([]);
    const valid = { type: "validated", view: 1, block: A.block, valid: true } as const;
    expect(signedIn(node.step({ ...valid, block: block("b") }))).toEqual([]);
    expect(signedIn(node.step({ ...valid, view: 2 }))).toEqual([]);
    expect(signedIn(node.step(valid))).toEqual([notarize(1, "a")]);
    expect(signedIn(node.step(valid))).toEqual([]);
  });

  test("does not come again with the proposal", () => {
    const node = new TestNode();
    const proposal = proposalOf(FOUR, 1, "a", GENESIS);
    expect(signedIn(node.proposal(proposal, "p0"))).toEqual([notarize(1, "a")]);
    const again = node.proposal(proposal, "p1");
    expect([...signedIn(again), ...only(again, "validate"), ...only(again, "blame")]).toEqual([]);
  });

  test("is not for a second block, and the two are evidence", () => {
    const node = new TestNode();
    node.proposal(proposalOf(FOUR, 1, "a", GENESIS));
    const effects = node.proposal(proposalOf(FOUR, 1, "b", GENESIS));
    expect(signedIn(effects)).toEqual([]);
    expect(only(effects, "validate")).toEqual([]);
    expect(only(effects, "evidence")).toMatchObject([{ evidence: { signer: 0, epoch: 0 } }]);
  });

  test("is for the first block also when the second came while the first was validated", () => {
    const node = new TestNode({ isTrusting: false });
    node.proposal(proposalOf(FOUR, 1, "a", GENESIS));
    node.proposal(proposalOf(FOUR, 1, "b", GENESIS));
    expect(signedIn(node.step({ type: "validated", view: 1, block: block("b"), valid: true }))).toEqual([]);
    expect(signedIn(node.step({ type: "validated", view: 1, block: A.block, valid: true }))).toEqual([
      notarize(1, "a"),
    ]);
  });

  test("is not for a block that is invalid: the view is given up", () => {
    const node = new TestNode({ isTrusting: false });
    node.proposal(proposalOf(FOUR, 1, "a", GENESIS));
    const effects = node.step({ type: "validated", view: 1, block: A.block, valid: false });
    expect(signedIn(effects)).toEqual([nullify(1)]);
    expect(signedIn(node.step({ type: "validated", view: 1, block: A.block, valid: true }))).toEqual([]);
  });

  test("is not given in a view that is not current", () => {
    const node = new TestNode({ isTrusting: false });
    expect(only(node.proposal(proposalOf(FOUR, 2, "b", A)), "validate")).toEqual([]);
    node.proposal(proposalOf(FOUR, 1, "a", GENESIS));
    node.certificate(nullify(1));
    expect(signedIn(node.step({ type: "validated", view: 1, block: A.block, valid: true }))).toEqual([]);
  });

  test("is not given after any other vote in the view", () => {
    const node = new TestNode();
    expect(signedIn(node.wait(10_000))).toEqual([nullify(1)]);
    expect(signedIn(node.proposal(proposalOf(FOUR, 1, "a", GENESIS)))).toEqual([]);
  });

  test("waits for the parent's notarization", () => {
    const node = new TestNode();
    node.certificate(nullify(1)); // view 2, which knows nothing of a
    const effects = node.proposal(proposalOf(FOUR, 2, "b", A));
    expect(only(effects, "validate")).toEqual([]);
    expect(signedIn(effects)).toEqual([]);
    const later = node.certificate(notarize(1, "a"));
    expect(signedIn(later)).toContainEqual(notarize(2, "b"));
  });

  test("waits for every skipped view's nullification", () => {
    const node = new TestNode();
    node.certificate(nullify(2)); // and of view 1 nothing is known
    const effects = node.proposal(proposalOf(FOUR, 3, "c", GENESIS));
    expect([...only(effects, "validate"), ...signedIn(effects)]).toEqual([]);
    expect(signedIn(node.certificate(nullify(1)))).toEqual([notarize(3, "c", 0)]);
  });

  test("takes what it needs from the proposal itself", () => {
    const node = new TestNode();
    const certificates = [
      certificateOf(FOUR, OTHERS, notarize(1, "a")),
      certificateOf(FOUR, OTHERS, nullify(3)),
      certificateOf(FOUR, OTHERS, nullify(2)),
    ];
    const effects = node.proposal(proposalOf(FOUR, 4, "d", A, { signer: ME, certificates }), "p");
    expect(node.core.view).toBe(4);
    expect(signedIn(effects)).toContainEqual(notarize(4, "d", 1));
  });

  test("believes no certificate in a proposal that is not a quorum's", () => {
    const forged = { ...certificateOf(FOUR, OTHERS, nullify(1)), signature: new Uint8Array(96) };
    const tooFew = certificateOf(FOUR, [0, 1], nullify(1));
    for (const certificate of [forged, tooFew]) {
      const node = new TestNode();
      node.certificate(nullify(2));
      const effects = node.proposal(proposalOf(FOUR, 3, "c", GENESIS, { certificates: [certificate] }), "liar");
      expect([...only(effects, "validate"), ...signedIn(effects)]).toEqual([]);
      // Whoever passed the proposal on may not have looked at them.
      expect(only(effects, "blame")).toEqual([]);
      expect(node.core.view).toBe(3);
    }
  });

  test("takes certificates from whoever brings the proposal a second time", () => {
    const node = new TestNode();
    node.certificate(nullify(2));
    const bare = proposalOf(FOUR, 3, "c", GENESIS);
    expect(signedIn(node.proposal(bare))).toEqual([]);
    const certificates = [certificateOf(FOUR, OTHERS, nullify(1))];
    expect(signedIn(node.proposal({ ...bare, certificates }))).toEqual([notarize(3, "c", 0)]);
  });

  test("is not for a block on another parent than the certified one, nor below what is final", () => {
    const node = new TestNode();
    node.notarized(1, "a", GENESIS);
    expect(signedIn(node.proposal(proposalOf(FOUR, 2, "b", at(1, 1, "x"))))).toEqual([nullify(2)]);
    const other = new TestNode();
    other.notarized(1, "a", GENESIS);
    other.certificate(finalize(1, "a"));
    expect(signedIn(other.proposal(proposalOf(FOUR, 2, "b", GENESIS)))).toEqual([nullify(2)]);
  });

  test("is not for a proposal of one who does not lead the view, or that its leader did not sign", () => {
    const node = new TestNode();
    const stranger = node.proposal(proposalOf(FOUR, 1, "a", GENESIS, { signer: 1 }), "liar");
    expect(signedIn(stranger)).toEqual([]);
    expect(only(stranger, "blame")).toMatchObject([{ peer: "liar", reason: expect.stringContaining("lead") }]);
    const forged = { ...proposalOf(FOUR, 1, "a", GENESIS), vote: forgedVote(FOUR, 0, notarize(1, "a")) };
    const effects = node.proposal(forged, "liar");
    expect(signedIn(effects)).toEqual([]);
    expect(only(effects, "blame")).toMatchObject([{ peer: "liar", reason: expect.stringContaining("sign") }]);
    // The real one is still heard.
    expect(signedIn(node.proposal(proposalOf(FOUR, 1, "a", GENESIS)))).toEqual([notarize(1, "a")]);
  });

  test("does not cover a second copy of the proposal that is not signed, or garbled: who sent it is blamed", () => {
    const node = new TestNode();
    const proposal = proposalOf(FOUR, 1, "a", GENESIS);
    node.proposal(proposal);
    const unsigned = { ...proposal, vote: forgedVote(FOUR, 0, notarize(1, "a")) };
    expect(only(node.proposal(unsigned, "liar"), "blame")).toMatchObject([{ peer: "liar" }]);
    const garbled = { ...proposal, parent: A.block };
    expect(only(node.proposal(garbled, "liar"), "blame")).toMatchObject([{ peer: "liar" }]);
  });

  test("a leader's forged vote that came first does not hide its proposal", () => {
    const node = new TestNode();
    node.vote(forgedVote(FOUR, 0, notarize(1, "b")), "liar");
    const effects = node.proposal(proposalOf(FOUR, 1, "a", GENESIS));
    expect(signedIn(effects)).toEqual([notarize(1, "a")]);
    expect(only(effects, "blame")).toMatchObject([{ peer: "liar" }]);
    expect(only(effects, "evidence")).toEqual([]);
  });
});

describe("rule 5: a quorum of notarize votes", () => {
  test("is passed on and logged; the node votes to finalize and goes on", () => {
    const node = new TestNode();
    node.proposal(proposalOf(FOUR, 1, "a", GENESIS)); // the leader's vote and the own one
    expect(node.core.view).toBe(1);
    const effects = node.votes(notarize(1, "a"), [1]);
    expect(sentCertificates(effects)).toEqual([notarize(1, "a")]);
    expect(only(effects, "log-certificate").map(({ certificate }) => subjectOf(certificate))).toEqual([
      notarize(1, "a"),
    ]);
    expect(signedIn(effects)).toEqual([finalize(1, "a")]);
    expect(node.core.view).toBe(2);
  });

  test("needs more than two thirds: of stakes 4, 2, 2, 1 the first and second are not enough", () => {
    const set = setOf([4n, 2n, 2n, 1n]);
    const node = new TestNode({ set, me: undefined });
    node.votes(notarize(1, "a"), [0, 1]);
    expect(node.core.view).toBe(1);
    node.votes(notarize(1, "a"), [3]);
    expect(node.core.view).toBe(2);
  });

  test("counts no signer twice", () => {
    const node = new TestNode();
    for (let i = 0; i < 5; i++) node.votes(notarize(1, "a"), [0, 1]);
    expect(node.core.view).toBe(1);
  });

  test("is believed from a peer's certificate, which is not passed on again", () => {
    const node = new TestNode();
    const effects = node.certificate(notarize(1, "a"));
    expect(signedIn(effects)).toEqual([finalize(1, "a")]);
    expect(sentCertificates(effects)).toEqual([]);
    expect(node.core.view).toBe(2);
  });

  test("brings no finalize vote from one who gave up on the view", () => {
    const node = new TestNode();
    node.wait(10_000);
    expect(signedIn(node.certificate(notarize(1, "a")))).toEqual([]);
    expect(node.core.view).toBe(2);
  });

  test("brings no finalize vote from one who voted for another block", () => {
    const node = new TestNode();
    node.proposal(proposalOf(FOUR, 1, "a", GENESIS));
    expect(signedIn(node.certificate(notarize(1, "b")))).toEqual([]);
    expect(node.core.view).toBe(2);
  });

  test("brings no finalize vote from one who saw the leader sign two blocks", () => {
    const node = new TestNode();
    node.proposal(proposalOf(FOUR, 1, "a", GENESIS));
    node.vote(voteOf(FOUR, 0, notarize(1, "b")));
    expect(signedIn(node.votes(notarize(1, "a"), [1, 2]))).toEqual([]);
    expect(node.core.view).toBe(2);
  });

  test("brings no finalize vote in a view that is known to be skipped", () => {
    const node = new TestNode();
    node.certificate(nullify(1));
    expect(signedIn(node.certificate(notarize(1, "a")))).toEqual([]);
  });

  test("brings a late finalize vote in a view left behind", () => {
    const node = new TestNode();
    node.certificate(notarize(5, "e", 0));
    expect(signedIn(node.certificate(notarize(2, "b", 0)))).toEqual([finalize(2, "b", 0)]);
  });
});

describe("rule 6: a view whose time is up", () => {
  test("is nullified, and never finalized afterwards", () => {
    const node = new TestNode();
    expect(signedIn(node.wait(10_000))).toEqual([nullify(1)]);
    node.votes(notarize(1, "a"));
    node.votes(finalize(1, "a"));
    expect(node.signed.filter(({ view }) => view === 1)).toEqual([nullify(1)]);
    expect(node.core.finalized).toEqual(A.view === 1 ? { ...A, height: -1 } : A);
  });

  test("is nullified after a notarize vote, too", () => {
    const node = new TestNode();
    node.proposal(proposalOf(FOUR, 1, "a", GENESIS));
    expect(signedIn(node.wait(10_000))).toEqual([nullify(1)]);
  });

  test("is not nullified after a finalize vote", () => {
    const node = new TestNode({ me: 0 });
    node.certificate(notarize(1, "a"));
    expect(node.signed).toEqual([finalize(1, "a")]);
    // The log restores the vote, not the certificate that led to it: the view is current again.
    const again = new TestNode({ me: 0, start: { votes: node.signed } });
    expect(again.core.view).toBe(1);
    again.wait(60_000);
    expect(again.signed).toEqual([finalize(1, "a")]);
  });
});

describe("rule 7: a quorum of nullify votes", () => {
  test("is passed on, logged, and ends the view", () => {
    const node = new TestNode();
    node.votes(nullify(1), [0, 1]);
    expect(node.core.view).toBe(1);
    const effects = node.votes(nullify(1), [2]);
    expect(sentCertificates(effects)).toEqual([nullify(1)]);
    expect(only(effects, "log-certificate")).toHaveLength(1);
    expect(node.core.view).toBe(2);
    expect(node.signed).toEqual([]);
  });
});

describe("rule 8: a quorum of finalize votes", () => {
  test("makes the block final, with its certificate", () => {
    const node = new TestNode();
    node.notarized(1, "a", GENESIS);
    const effects = node.votes(finalize(1, "a"), [0, 1]); // and the own one
    expect(only(effects, "finalize")).toMatchObject([{ tip: A, certificate: finalize(1, "a") }]);
    expect(sentCertificates(effects)).toEqual([finalize(1, "a")]);
    expect(node.core.finalized).toEqual(A);
    expect(subjectOf(node.core.finalization!)).toEqual(finalize(1, "a"));
  });

  test("makes ancestors final that had no quorum of their own", () => {
    const node = new TestNode();
    const b = node.notarized(2, "b", node.notarized(1, "a", GENESIS));
    const effects = node.votes(finalize(2, "b"), [0, 1]);
    expect(only(effects, "finalize")).toMatchObject([{ tip: b }]);
    expect(node.core.finalized).toEqual(b);
  });

  test("is made of late votes for a view long left", () => {
    const node = new TestNode();
    node.notarized(1, "a", GENESIS);
    for (let view = 2; view <= 40; view++) node.certificate(nullify(view));
    expect(only(node.votes(finalize(1, "a"), [0, 1]), "finalize")).toMatchObject([{ tip: A }]);
    expect(node.core.view).toBe(41);
  });

  test("comes before the notarization, and of a view ahead", () => {
    const node = new TestNode();
    const effects = node.certificate(finalize(9, "x", 3));
    expect(only(effects, "finalize")).toMatchObject([{ tip: undefined, certificate: finalize(9, "x", 3) }]);
    expect(node.core.view).toBe(10);
    // Sync finds out what it is.
    node.step({ type: "synced", epoch: 0, set: FOUR, base: GENESIS, tip: at(9, 5, "x") });
    expect(node.core.finalized).toEqual(at(9, 5, "x"));
  });

  test("is worth nothing when it is not of a quorum", () => {
    const node = new TestNode();
    const effects = node.certificate(finalize(1, "a"), [0, 1], "liar");
    expect(only(effects, "finalize")).toEqual([]);
    expect(only(effects, "blame")).toMatchObject([{ peer: "liar" }]);
  });
});

describe("rule 9: some hold a notarization of the view, others a nullification", () => {
  test("one who knows the nullification builds on the notarized block once it knows that, too", () => {
    const node = new TestNode();
    node.certificate(nullify(1));
    const certificates = [certificateOf(FOUR, OTHERS, notarize(1, "a"))];
    expect(signedIn(node.proposal(proposalOf(FOUR, 2, "b", A, { certificates })))).toContainEqual(notarize(2, "b"));
  });

  test("one who knows the notarization skips the view once it knows the nullification, too", () => {
    const node = new TestNode();
    node.notarized(1, "a", GENESIS);
    const certificates = [certificateOf(FOUR, OTHERS, nullify(1))];
    expect(signedIn(node.proposal(proposalOf(FOUR, 2, "b", GENESIS, { certificates })))).toEqual([notarize(2, "b", 0)]);
  });

  test("what is missing is asked for", () => {
    const node = new TestNode();
    node.certificate(nullify(2));
    node.proposal(proposalOf(FOUR, 3, "c", GENESIS));
    const [fetch] = only(node.wait(10_000), "fetch");
    expect(fetch).toMatchObject({ epoch: 0, views: [1, 2, 3] });
  });
});

describe("broken safety", () => {
  const conflicts = [
    ["two blocks notarized", notarize(1, "a"), notarize(1, "b")],
    ["a block notarized and another finalized", notarize(1, "a"), finalize(1, "b")],
    ["nullified and finalized", nullify(1), finalize(1, "a")],
    ["one block notarized and finalized on two parents", notarize(3, "a", 2), finalize(3, "a", 1)],
  ] as const;

  test.each(conflicts)("%s in a view: the node halts, whichever came first", (_, one, two) => {
    for (const [first, second] of [
      [one, two],
      [two, one],
    ] as const) {
      // A certificate that is final already is no longer looked at.
      if (first.kind === 3) continue;
      const node = new TestNode();
      node.certificate(first);
      const news = certificateOf(FOUR, OTHERS, second);
      expect(node.core.isNewCertificate(news)).toBe(true);
      const effects = node.certificate(second);
      expect(only(effects, "halt")).toHaveLength(1);
      expect(only(effects, "finalize")).toEqual([]);
      expect(node.proposal(proposalOf(FOUR, 2, "x", GENESIS))).toEqual([]);
      // Neither does it pass on what it hears, nor accuse anybody.
      expect([...node.votes(nullify(2)), ...node.votes(finalize(2, "b"))]).toEqual([]);
      expect(node.wait(60_000)).toEqual([]);
    }
  });

  test("nothing is signed or made final in the step that halts", () => {
    const node = new TestNode();
    node.certificate(nullify(1));
    const certificates = [finalize(1, "a"), notarize(2, "b"), finalize(2, "b")].map((subject) =>
      certificateOf(FOUR, OTHERS, subject),
    );
    const effects = node.proposal(proposalOf(FOUR, 3, "c", at(2, 2, "b"), { certificates }));
    expect(effects.map(({ type }) => type)).toEqual(["halt"]);
  });
});
