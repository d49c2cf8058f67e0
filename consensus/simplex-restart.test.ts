/** A restart begins with what the log restores: whatever that is, a vote is never contradicted. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isSlashable } from "./ballots.ts";
import { isSameSubject } from "./certificates.ts";
import type { ConsensusEffect, ConsensusEvent } from "./events.ts";
import { at, FOUR, GENESIS, ME, OTHERS, only, proposalOf, signedIn, TestNode } from "./testing/node.ts";
import { block, certificateOf, finalize, notarize, nullify, setOf, voteOf } from "./testing/votes.ts";
import { baseView, type Certificate, KIND, type Subject } from "./types.ts";

const A = at(1, 1, "a");
const certificate = (subject: Subject) => certificateOf(FOUR, OTHERS, subject);

describe("a restart", () => {
  test("says again what was said in undecided views, once each, and sets the timer", () => {
    const votes = [nullify(1), notarize(2, "b", 0), finalize(2, "b", 0), notarize(2, "b", 0), nullify(3), nullify(3)];
    const node = new TestNode({ start: { votes } });
    expect(signedIn(node.first)).toEqual([nullify(1), notarize(2, "b", 0), finalize(2, "b", 0), nullify(3)]);
    expect(only(node.first, "timer")).toHaveLength(1);
    expect(node.core.openRecords().votes).toEqual(signedIn(node.first));
  });

  test("is in the view of the last vote, or after the last certificate", () => {
    expect(new TestNode({ start: { votes: [nullify(5), nullify(3)] } }).core.view).toBe(5);
    const start = { votes: [nullify(3)], certificates: [certificate(nullify(6))] };
    expect(new TestNode({ start }).core.view).toBe(7);
    expect(new TestNode({ start: { tip: at(9, 4, "x"), votes: [nullify(3)] } }).core.view).toBe(10);
  });

  test("gives up no view that was finalized, and finalizes none that was given up", () => {
    const finalizing = new TestNode({ start: { votes: [notarize(1, "a"), finalize(1, "a")] } });
    finalizing.wait(60_000);
    expect(finalizing.signed.filter(({ kind }) => kind === KIND.nullify)).toEqual([]);
    const givenUp = new TestNode({ start: { votes: [nullify(1)] } });
    givenUp.certificate(notarize(1, "a"));
    expect(givenUp.signed).toEqual([nullify(1)]);
  });

  test("notarizes no second block, not even as the leader", () => {
    const follower = new TestNode({ start: { votes: [notarize(1, "a")] } });
    follower.proposal(proposalOf(FOUR, 1, "b", GENESIS));
    follower.certificate(notarize(1, "b"));
    expect(follower.signed).toEqual([notarize(1, "a")]);
    const leader = new TestNode({ me: 0, start: { votes: [notarize(1, "mine")] } });
    expect(only(leader.wait(20_000), "build")).toEqual([]);
    expect(leader.signed).toEqual([notarize(1, "mine"), nullify(1)]);
  });

  test("notarizes nothing in a view in which it finalized", () => {
    const node = new TestNode({ start: { votes: [finalize(1, "a")] } });
    expect(signedIn(node.proposal(proposalOf(FOUR, 1, "b", GENESIS)))).toEqual([]);
    expect(signedIn(node.proposal(proposalOf(FOUR, 1, "a", GENESIS)))).toEqual([]);
  });

  test("finalizes what it notarized when the certificate is in the log, and the vote is not", () => {
    const node = new TestNode({ start: { votes: [notarize(1, "a")], certificates: [certificate(notarize(1, "a"))] } });
    expect(signedIn(node.first)).toEqual([notarize(1, "a"), finalize(1, "a")]);
  });

  test("commits what is final in the log, and not in the chain", () => {
    const start = {
      certificates: [certificate(notarize(1, "a")), certificate(finalize(1, "a"))],
      blocks: [{ block: A.block, height: 1 }],
    };
    const node = new TestNode({ start });
    expect(only(node.first, "finalize")).toMatchObject([{ tip: A }]);
    expect([node.core.view, node.core.finalized]).toEqual([2, A]);
    const without = new TestNode({ start: { certificates: start.certificates } });
    expect(only(without.first, "finalize")).toMatchObject([{ tip: undefined }]);
  });

  test("builds on a block whose height only the log knows", () => {
    const start = {
      certificates: [certificate(notarize(3, "c", 0))],
      blocks: [{ block: block("c"), height: 1 }],
    };
    expect(only(new TestNode({ start }).wait(10_000), "build")).toMatchObject([{ view: 4, height: 2 }]);
    const { certificates } = start;
    expect(only(new TestNode({ start: { certificates } }).wait(10_000), "build")).toEqual([]);
  });

  test("leaves out what is of another epoch", () => {
    const base = at(baseView(1), 9, "nine");
    const start = {
      epoch: 1,
      set: setOf([1n, 1n, 1n, 1n]),
      base,
      tip: base,
      votes: [nullify(7), nullify(baseView(2) + 1)],
      certificates: [certificate(nullify(7))],
    };
    const node = new TestNode({ start });
    expect(node.signed).toEqual([]);
    expect(node.core.view).toBe(baseView(1) + 1);
    expect(node.core.openRecords()).toEqual({ votes: [], certificates: [] });
  });

  test("of a lone validator finishes the block it had promised", () => {
    const set = setOf([1n]);
    const start = { set, votes: [notarize(1, "a")], blocks: [{ block: A.block, height: 1 }] };
    const node = new TestNode({ set, me: 0, start });
    expect(only(node.first, "finalize")).toMatchObject([{ tip: A }]);
    expect(node.core.finalized).toEqual(A);
  });

  test("signs nothing before it may, keeps its promises all the same, and then makes them known", () => {
    const node = new TestNode({ start: { votes: [nullify(1)], maySign: false } });
    node.certificate(notarize(1, "a"));
    node.proposal(proposalOf(FOUR, 2, "b", A));
    node.wait(60_000);
    expect(node.signed).toEqual([]);
    expect(node.core.openRecords().votes).toEqual([nullify(1)]);
    expect(signedIn(node.step({ type: "signing", allowed: true }))).toEqual([nullify(1), notarize(2, "b"), nullify(2)]);
  });

  test("as an observer keeps the promises, and repeats none", () => {
    const node = new TestNode({ me: undefined, start: { votes: [nullify(1)] } });
    expect(signedIn(node.first)).toEqual([]);
    expect(node.core.openRecords().votes).toEqual([nullify(1)]);
  });
});

describe("what a new log has to begin with", () => {
  test("is every own vote and certificate above what is final", () => {
    const node = new TestNode();
    const a = node.notarized(1, "a", GENESIS);
    node.certificate(nullify(2));
    node.notarized(3, "c", a);
    expect(node.core.openRecords().votes).toEqual(node.signed);
    expect(node.core.openRecords().certificates.map(({ kind, view }) => [kind, view])).toEqual([
      [KIND.notarize, 1],
      [KIND.nullify, 2],
      [KIND.notarize, 3],
    ]);
    expect(node.core.openBlocks()).toContainEqual(block("c"));
    node.certificate(finalize(3, "c", 1));
    expect(node.core.openRecords()).toEqual({ votes: [], certificates: [] });
    expect(node.core.openBlocks()).toEqual([]);
  });

  test("is the votes of very old undecided views, too", () => {
    const node = new TestNode();
    node.notarized(1, "a", GENESIS);
    for (let view = 2; view <= 300; view++) node.certificate(nullify(view));
    expect(node.core.openRecords().votes).toEqual([notarize(1, "a"), finalize(1, "a")]);
    expect(node.core.openBlocks()).toContainEqual(A.block);
  });
});

/** What may happen to a validator, its keys apart: all the others lie together, and the clock jumps. */
type Happening =
  | { readonly what: "proposal"; readonly view: number; readonly name: string; readonly parentView: number }
  | { readonly what: "certificate"; readonly subject: Subject }
  | { readonly what: "vote"; readonly subject: Subject; readonly signer: number }
  | { readonly what: "validated"; readonly view: number; readonly name: string; readonly valid: boolean }
  | { readonly what: "built"; readonly view: number; readonly name: string }
  | { readonly what: "build-failed"; readonly view: number }
  | { readonly what: "wait"; readonly ms: number }
  | { readonly what: "signing"; readonly allowed: boolean }
  | { readonly what: "restart"; readonly certificates: number; readonly blocks: number };

const views = fc.integer({ min: 1, max: 6 });
const names = fc.constantFrom("a", "b", "c");
const subjects = fc
  .tuple(fc.constantFrom(...Object.values(KIND)), views, names, fc.nat(5))
  .map(
    ([kind, view, name, before]): Subject =>
      kind === KIND.nullify ? nullify(view) : { ...notarize(view, name, before % view), kind },
  );
const happenings: fc.Arbitrary<Happening> = fc.oneof(
  fc
    .tuple(views, names, fc.nat(5))
    .map(([view, name, before]): Happening => ({ what: "proposal", view, name, parentView: before % view })),
  subjects.map((subject): Happening => ({ what: "certificate", subject })),
  fc
    .tuple(subjects, fc.constantFrom(...OTHERS))
    .map(([subject, signer]): Happening => ({ what: "vote", subject, signer })),
  fc
    .tuple(views, names, fc.boolean())
    .map(([view, name, valid]): Happening => ({ what: "validated", view, name, valid })),
  fc.tuple(views, names).map(([view, name]): Happening => ({ what: "built", view, name })),
  views.map((view): Happening => ({ what: "build-failed", view })),
  fc.constantFrom(100, 1_500, 9_000).map((ms): Happening => ({ what: "wait", ms })),
  fc.boolean().map((allowed): Happening => ({ what: "signing", allowed })),
  fc.tuple(fc.nat(), fc.nat()).map(([certificates, blocks]): Happening => ({ what: "restart", certificates, blocks })),
);

/** Runs it and returns everything that was ever asked to be signed. */
function live(story: readonly Happening[], me: number): readonly Subject[] {
  const signed: Subject[] = [];
  const log: Certificate[] = [];
  const heights = new Map<string, number>();
  let node = new TestNode({ me, isTrusting: false });

  const happen = (happening: Happening): readonly ConsensusEffect[] => {
    switch (happening.what) {
      case "proposal": {
        const { view, name, parentView } = happening;
        const parent = node.core.viewState(parentView).certificates.find(({ kind }) => kind !== KIND.nullify);
        const on = parentView === 0 ? GENESIS : { view: parentView, height: 0, block: parent?.block ?? block("a") };
        const height = heights.get(name) ?? parentView + 1;
        heights.set(name, height);
        return node.proposal({ ...proposalOf(FOUR, view, name, on), height });
      }
      case "certificate":
        return node.certificate(happening.subject);
      case "vote":
        return node.vote(voteOf(FOUR, happening.signer, happening.subject));
      case "validated":
      case "built":
        return node.step({ ...happening, type: happening.what, block: block(happening.name) } as ConsensusEvent);
      case "build-failed":
        return node.step({ type: "build-failed", view: happening.view });
      case "wait":
        return node.wait(happening.ms);
      case "signing":
        return node.step({ type: "signing", allowed: happening.allowed });
      case "restart": {
        signed.push(...node.signed);
        // Every vote is durable before it is signed; certificates and blocks may be lost.
        const certificates = log.filter((_, i) => ((happening.certificates >> (i % 31)) & 1) === 1);
        const known = [...heights].filter((_, i) => ((happening.blocks >> i) & 1) === 1);
        const blocks = known.map(([name, height]) => ({ block: block(name), height }));
        const start = { votes: [...signed], certificates, blocks };
        node = new TestNode({ me, isTrusting: false, start, nowMs: node.nowMs });
        return node.first;
      }
    }
  };
  for (const happening of story) {
    log.push(...only(happen(happening), "log-certificate").map(({ certificate }) => certificate));
  }
  return [...signed, ...node.signed];
}

test("no two votes that it ever signs contradict each other, whatever happens and whatever a restart restores", () => {
  fc.assert(
    fc.property(fc.array(happenings, { maxLength: 40, size: "max" }), fc.constantFrom(0, 1, ME), (story, me) => {
      const signed = live(story, me);
      const distinct = signed.filter((one, i) => signed.findIndex((other) => isSameSubject(one, other)) === i);
      for (const one of distinct) {
        for (const other of distinct) if (one !== other) expect(isSlashable(one, other)).toBe(false);
      }
    }),
    { numRuns: 1_000 },
  );
});
