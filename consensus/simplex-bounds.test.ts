/** What peers may send: memory stays bounded, liars are named, what is new is told from what is not. */
import { describe, expect, test } from "vitest";
import { at, FOUR, GENESIS, ME, OTHERS, only, proposalOf, signedIn, TestNode } from "./testing/node.ts";
import { certificateOf, finalize, forgedVote, notarize, nullify, voteOf } from "./testing/votes.ts";
import { FUTURE_VIEWS, PAST_VIEWS, UNDECIDED_VIEWS } from "./views.ts";

/** Everything forged that a peer could think of for a view: each validator, each kind, several blocks. */
function flood(node: TestNode, view: number): void {
  const subjects = [nullify(view), ...["a", "b"].flatMap((name) => [notarize(view, name), finalize(view, name)])];
  for (const signer of [0, 1, 2, 3, 4, 99, 65_535]) {
    for (const [i, subject] of subjects.entries()) {
      const vote = forgedVote(FOUR, signer % 4, subject, BigInt(view * 10 + i));
      node.vote({ ...vote, signer }, "flooder");
    }
  }
}
const MOST_VOTES_A_VIEW = 3 * 4;

describe("memory", () => {
  test("votes and proposals of far views are not kept", () => {
    const node = new TestNode();
    for (let view = 1; view <= 5_000; view++) {
      flood(node, view);
      const proposal = proposalOf(FOUR, view, "x", GENESIS);
      node.proposal(proposal, "flooder");
    }
    expect(node.core.size.rounds).toBeLessThanOrEqual(FUTURE_VIEWS + 1);
    expect(node.core.size.votes).toBeLessThanOrEqual((FUTURE_VIEWS + 1) * MOST_VOTES_A_VIEW);
  });

  test("nor of final views", () => {
    const node = new TestNode();
    node.step({ type: "synced", epoch: 0, set: FOUR, base: GENESIS, tip: at(1_000, 500, "x") });
    for (let view = 1; view <= 1_000; view++) flood(node, view);
    expect(node.core.size.rounds).toBeLessThanOrEqual(PAST_VIEWS + 1);
  });

  test("nor of views that were undecided for very long", () => {
    const node = new TestNode();
    for (let view = 1; view <= 2_000; view++) node.certificate(nullify(view));
    for (let view = 1; view <= 2_000; view++) flood(node, view);
    expect(node.core.size.votes).toBeLessThanOrEqual((UNDECIDED_VIEWS + FUTURE_VIEWS + 1) * MOST_VOTES_A_VIEW);
  });

  test("does not grow over a long life", () => {
    const node = new TestNode({ me: undefined });
    let tip = GENESIS;
    for (let view = 1; view <= 500; view++) {
      tip = node.notarized(view, `${view}`, tip);
      node.votes(finalize(view, `${view}`));
      expect(node.core.size.rounds).toBeLessThanOrEqual(PAST_VIEWS + 2);
    }
    expect(node.core.finalized.height).toBe(500);
    expect(node.core.size.votes).toBeLessThanOrEqual((PAST_VIEWS + 2) * MOST_VOTES_A_VIEW);
  });

  test("certificates that nobody signed begin no round", () => {
    const node = new TestNode();
    const { rounds } = node.core.size;
    for (let view = 100; view < 200; view++) node.certificate(nullify(view), [0, 1], "liar");
    expect(node.core.size.rounds).toBe(rounds);
  });

  test("signers that the set does not have are not counted", () => {
    const node = new TestNode();
    const vote = voteOf(FOUR, 0, nullify(1));
    for (const signer of [4, 5, 300]) expect(node.vote({ ...vote, signer })).toEqual([]);
    expect(node.core.size.votes).toBe(0);
  });
});

describe("blame", () => {
  test("falls on who sent a vote that its validator did not sign, once that is known", () => {
    const node = new TestNode({ me: undefined });
    expect(only(node.vote(forgedVote(FOUR, 0, nullify(1)), "liar"), "blame")).toEqual([]);
    node.vote(voteOf(FOUR, 1, nullify(1)), "p1");
    const effects = node.vote(voteOf(FOUR, 2, nullify(1)), "p2");
    expect(only(effects, "blame")).toMatchObject([{ peer: "liar" }]);
    expect(node.core.view).toBe(1);
    node.vote(voteOf(FOUR, 0, nullify(1)), "p0");
    expect(node.core.view).toBe(2);
  });

  test("falls on who sent a certificate that shows nothing", () => {
    const node = new TestNode();
    const good = certificateOf(FOUR, OTHERS, nullify(1));
    for (const certificate of [
      { ...good, signature: new Uint8Array(96) },
      { ...good, bitmap: Uint8Array.of(0x0f) },
      { ...good, bitmap: Uint8Array.of(0x17) },
      { ...good, bitmap: Uint8Array.of(7, 0) },
      { ...good, view: 2 },
      certificateOf(FOUR, [0, 1], nullify(1)),
    ]) {
      const effects = node.step({ type: "certificate", certificate, from: "liar" });
      expect(only(effects, "blame")).toMatchObject([{ peer: "liar" }]);
    }
    expect(node.core.view).toBe(1);
  });

  test("does not fall on who is early, late, in another epoch, or says what is known", () => {
    const node = new TestNode();
    node.notarized(1, "a", GENESIS);
    node.certificate(finalize(1, "a"));
    const late = [
      ...node.votes(nullify(900)),
      ...node.votes({ ...nullify(1), epoch: 7 }),
      ...node.certificate(notarize(1, "a")),
      ...node.certificate({ ...nullify(3), epoch: 7 }),
      ...node.proposal(proposalOf(FOUR, 1, "a", GENESIS)),
      ...node.proposal(proposalOf(FOUR, 900, "z", GENESIS)),
    ];
    expect(late).toEqual([]);
  });
});

describe("evidence", () => {
  test("is found in late votes, as long as the view is within the window", () => {
    const node = new TestNode();
    node.notarized(1, "a", GENESIS);
    node.votes(finalize(1, "a"), [0, 1]);
    expect(node.core.finalized.view).toBe(1);
    const contradiction = voteOf(FOUR, 1, nullify(1));
    expect(node.core.isNews(contradiction)).toBe(true);
    expect(only(node.vote(contradiction), "evidence")).toMatchObject([{ evidence: { signer: 1 } }]);
    const later = new TestNode();
    later.notarized(1, "a", GENESIS);
    later.certificate(finalize(1, "a"));
    later.certificate(finalize(PAST_VIEWS, "x"));
    expect(only(later.vote(voteOf(FOUR, 1, notarize(1, "b"))), "evidence")).toHaveLength(1);
    later.certificate(finalize(PAST_VIEWS + 1, "y"));
    expect(later.core.isNews(voteOf(FOUR, 0, notarize(1, "b")))).toBe(false);
    expect(later.vote(voteOf(FOUR, 0, notarize(1, "b")))).toEqual([]);
  });

  test("is told once for a validator in a view, however much more it signs", () => {
    const node = new TestNode();
    node.vote(voteOf(FOUR, 1, notarize(1, "a")));
    expect(only(node.vote(voteOf(FOUR, 1, notarize(1, "b"))), "evidence")).toHaveLength(1);
    for (const name of ["c", "d", "e"]) {
      const more = voteOf(FOUR, 1, notarize(1, name));
      expect(node.core.isNews(more)).toBe(false);
      expect(node.vote(more)).toEqual([]);
    }
  });

  test("is not made of forgeries", () => {
    const node = new TestNode();
    node.vote(voteOf(FOUR, 1, notarize(1, "a")));
    const effects = node.vote(forgedVote(FOUR, 1, notarize(1, "b")), "liar");
    expect(only(effects, "evidence")).toEqual([]);
    expect(only(effects, "blame")).toMatchObject([{ peer: "liar" }]);
  });

  test("is there against a leader that proposes twice, and the view is not finalized by those who saw it", () => {
    const node = new TestNode();
    node.proposal(proposalOf(FOUR, 1, "a", GENESIS));
    const effects = node.proposal(proposalOf(FOUR, 1, "b", GENESIS));
    expect(only(effects, "evidence")).toMatchObject([{ evidence: { signer: 0 } }]);
    expect(signedIn(node.votes(notarize(1, "a"), [1, 2]))).toEqual([]);
  });
});

describe("news", () => {
  test("is a vote that is not known yet, timely, of this epoch and of one in the set", () => {
    const node = new TestNode();
    const vote = voteOf(FOUR, 0, nullify(1));
    expect(node.core.isNews(vote)).toBe(true);
    node.vote(vote);
    expect(node.core.isNews(vote)).toBe(false);
    // The same in other words may be the true one: the first was not looked at.
    expect(node.core.isNews(forgedVote(FOUR, 0, nullify(1)))).toBe(true);
    expect(node.core.isNews({ ...vote, signer: 4 })).toBe(false);
    expect(node.core.isNews({ ...vote, epoch: 1 })).toBe(false);
    expect(node.core.isNews(voteOf(FOUR, 0, nullify(1 + FUTURE_VIEWS)))).toBe(true);
    expect(node.core.isNews(voteOf(FOUR, 0, nullify(2 + FUTURE_VIEWS)))).toBe(false);
  });

  test("is a certificate of an open view that is not known yet, however far ahead", () => {
    const node = new TestNode();
    const isNews = (subject: Parameters<typeof certificateOf>[2]) =>
      node.core.isNewCertificate(certificateOf(FOUR, OTHERS, subject));
    expect(isNews(nullify(1))).toBe(true);
    node.certificate(nullify(1));
    expect([isNews(nullify(1)), isNews(notarize(1, "a")), isNews(notarize(10 ** 6, "z"))]).toEqual([false, true, true]);
    node.certificate(notarize(5, "e", 0));
    expect([isNews(notarize(5, "e", 0)), isNews(notarize(5, "f", 0))]).toEqual([false, true]);
    node.certificate(finalize(5, "e", 0));
    expect([isNews(nullify(4)), isNews(finalize(5, "e", 0)), isNews(nullify(6))]).toEqual([false, false, true]);
    expect(isNews({ ...nullify(7), epoch: 1 })).toBe(false);
  });

  test("is a proposal whose vote came before it, and one that may bring what another left out", () => {
    const node = new TestNode();
    const proposal = proposalOf(FOUR, 1, "a", GENESIS);
    node.vote(proposal.vote);
    expect(node.core.isNews(proposal.vote)).toBe(false);
    expect(node.core.isNewProposal(proposal)).toBe(true);
    expect(signedIn(node.proposal(proposal))).toEqual([notarize(1, "a")]);
    expect(node.core.isNewProposal(proposal)).toBe(false);
    expect(node.core.isNewProposal(proposalOf(FOUR, 1, "b", GENESIS))).toBe(true);
    const waiting = proposalOf(FOUR, 2, "c", GENESIS);
    node.proposal(waiting);
    expect(node.core.isNewProposal(waiting)).toBe(true);
    expect(node.core.isNewProposal(proposalOf(FOUR, 2 + FUTURE_VIEWS, "z", GENESIS))).toBe(false);
    node.certificate(finalize(3, "x", 0));
    expect(node.core.isNewProposal(waiting)).toBe(false);
  });
});

test("whoever else votes in this node's name does not keep its own vote from counting", () => {
  const node = new TestNode();
  node.vote(forgedVote(FOUR, ME, notarize(1, "a")), "liar");
  node.votes(notarize(1, "a"), [0]);
  node.proposal(proposalOf(FOUR, 1, "a", GENESIS)); // and votes for it
  node.votes(notarize(1, "a"), [1]);
  expect(node.core.view).toBe(2);
});
