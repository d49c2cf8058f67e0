import { describe, expect, test } from "vitest";
import { at, FOUR, GENESIS, OTHERS, proposalOf } from "./testing/node.ts";
import { block, certificateOf, finalize, notarize, nullify, rulesOf, voteOf } from "./testing/votes.ts";
import { baseView, type Subject, type Tip } from "./types.ts";
import { type EpochStart, FUTURE_VIEWS, PAST_VIEWS, UNDECIDED_VIEWS, Views } from "./views.ts";

const viewsOf = (start: Partial<EpochStart> = {}) => {
  const base = start.base ?? GENESIS;
  return new Views({ epoch: 0, rules: rulesOf(FOUR), base, tip: base, heights: [], ...start });
};

/** Keeps the certificate of everybody else on each subject, and moves on. */
function know(views: Views, ...subjects: Subject[]): void {
  for (const subject of subjects) views.at(subject.view).keep(certificateOf(FOUR, OTHERS, subject));
  views.advance();
}

function propose(views: Views, view: number, name: string, on: Tip): Tip {
  views.at(view).proposal = proposalOf(FOUR, view, name, on);
  return at(view, on.height + 1, name);
}

describe("the current view", () => {
  test("begins after what is final", () => {
    expect(viewsOf().current).toBe(1);
    expect(viewsOf({ tip: at(40, 9, "tip") }).current).toBe(41);
    const base = at(baseView(3), 299, "base");
    expect(viewsOf({ epoch: 3, base, tip: base }).current).toBe(baseView(3) + 1);
  });

  test.each([notarize(1, "a"), nullify(1), finalize(1, "a")])(
    "moves on with a certificate of kind $kind",
    (subject) => {
      const views = viewsOf();
      know(views, subject);
      expect(views.current).toBe(2);
      expect(views.advance()).toBe(false);
    },
  );

  test("jumps past views of which nothing is known, and never back", () => {
    const views = viewsOf();
    know(views, notarize(7, "g", 3));
    expect(views.current).toBe(8);
    know(views, nullify(2));
    expect(views.current).toBe(8);
    views.finalized = at(20, 5, "x");
    expect(views.advance()).toBe(true);
    expect(views.current).toBe(21);
  });

  test("counts how long no block was notarized", () => {
    const views = viewsOf();
    know(views, notarize(1, "a"), nullify(2), nullify(3));
    expect([views.current, views.lastNotarized]).toEqual([4, 1]);
    know(views, finalize(4, "d", 1));
    expect([views.current, views.lastNotarized]).toEqual([5, 4]);
    const fresh = viewsOf();
    know(fresh, nullify(1));
    expect(fresh.lastNotarized).toBe(0);
  });
});

describe("the parent of the current view's block", () => {
  test("is what is final, where nothing came after it", () => {
    expect(viewsOf().parent).toEqual(GENESIS);
    expect(viewsOf({ tip: at(9, 4, "tip") }).parent).toEqual(at(9, 4, "tip"));
  });

  test("is the highest notarized block after which everything was skipped (rule 3)", () => {
    const views = viewsOf();
    const a = propose(views, 1, "a", GENESIS);
    know(views, notarize(1, "a"));
    expect(views.parent).toEqual(a);
    know(views, nullify(2), nullify(3));
    expect(views.parent).toEqual(a);
  });

  test("is not known while a view between is undecided, or the block's height is unknown", () => {
    const views = viewsOf();
    know(views, notarize(1, "a"));
    expect(views.parent).toBeUndefined();
    propose(views, 1, "a", GENESIS);
    expect(views.parent?.height).toBe(1);
    know(views, nullify(3));
    expect(views.parent).toBeUndefined();
    know(views, nullify(2));
    expect(views.parent?.view).toBe(1);
  });

  test("is the block of a view that was nullified too, when its notarization comes late (rule 9)", () => {
    const views = viewsOf();
    propose(views, 1, "a", GENESIS);
    know(views, nullify(1));
    expect(views.parent).toEqual(GENESIS);
    know(views, notarize(1, "a"));
    expect(views.parent).toEqual(at(1, 1, "a"));
  });
});

describe("heights", () => {
  test("come from what is final, from proposals and from the log", () => {
    const views = viewsOf({ tip: at(5, 3, "tip"), heights: [{ block: block("logged"), height: 4 }] });
    propose(views, 7, "p", at(5, 3, "tip"));
    expect(views.heightOf(0, block("genesis"))).toBe(0);
    expect(views.heightOf(5, block("tip"))).toBe(3);
    expect(views.heightOf(7, block("p"))).toBe(4);
    expect(views.heightOf(7, block("q"))).toBeUndefined();
    expect(views.heightOf(6, block("logged"))).toBe(4);
    views.finalized = { ...views.finalized, height: -1 };
    expect(views.heightOf(5, block("tip"))).toBeUndefined();
  });
});

describe("a proposal (rule 4)", () => {
  const standing = (views: Views, view: number, on: Tip) => views.standingOf(proposalOf(FOUR, view, "new", on));

  test("stands on what is notarized or final", () => {
    const views = viewsOf();
    expect(standing(views, 1, GENESIS)).toBe("sound");
    const a = propose(views, 1, "a", GENESIS);
    expect(standing(views, 2, a)).toBe("unknown");
    know(views, notarize(1, "a"));
    expect(standing(views, 2, a)).toBe("sound");
    views.finalized = a;
    expect(standing(views, 2, a)).toBe("sound");
  });

  test("does not stand on another block than the one certified there, nor below what is final", () => {
    const views = viewsOf();
    const a = propose(views, 1, "a", GENESIS);
    know(views, notarize(1, "a"));
    expect(standing(views, 2, at(1, 1, "b"))).toBe("unsound");
    expect(standing(views, 2, at(0, 0, "other genesis"))).toBe("unsound");
    know(views, nullify(2));
    views.finalized = a;
    expect(standing(views, 3, GENESIS)).toBe("unsound");
  });

  test("needs every view that it skips nullified", () => {
    const views = viewsOf();
    know(views, nullify(1), nullify(3));
    expect(standing(views, 4, GENESIS)).toBe("unknown");
    know(views, notarize(2, "b", 0));
    expect(standing(views, 4, GENESIS)).toBe("unknown");
    know(views, nullify(2));
    expect(standing(views, 4, GENESIS)).toBe("sound");
  });
});

describe("what is asked for", () => {
  test("is the current view, the one before, and nullifications that a proposal needs", () => {
    const views = viewsOf();
    expect(views.missing()).toEqual([1]);
    know(views, notarize(1, "a"), nullify(4), nullify(6));
    // 1 is known, but not nullified: that may be what others build on.
    expect(views.missing()).toEqual([1, 2, 3, 5, 6, 7]);
    propose(views, 7, "p", at(3, 2, "c"));
    expect(views.missing()).toEqual([3, 5, 6, 7]);
  });

  test("is bounded, the newest first, and nothing that is final", () => {
    const views = viewsOf();
    know(views, notarize(10_000, "z"));
    expect(views.missing()).toHaveLength(64);
    expect(views.missing().at(-1)).toBe(10_001);
    expect(views.missing()[0]).toBe(10_001 - 63);
    views.finalized = at(10_000, 50, "z");
    expect(views.missing()).toEqual([10_001]);
  });
});

describe("memory", () => {
  test("votes count from a little behind what is final to a little ahead of the current view", () => {
    const views = viewsOf({ tip: at(100, 50, "tip") });
    const timely = (view: number, epoch = 0) => views.isTimely({ ...nullify(view), epoch });
    expect([timely(101 + FUTURE_VIEWS), timely(102 + FUTURE_VIEWS)]).toEqual([true, false]);
    expect([timely(101 - PAST_VIEWS), timely(100 - PAST_VIEWS)]).toEqual([true, false]);
    expect(timely(101, 1)).toBe(false);
  });

  test("a round long past is forgotten", () => {
    const views = viewsOf();
    for (let view = 1; view <= 200; view++) {
      views.at(view).ballots.add(voteOf(FOUR, 0, nullify(view)), "p", false, false);
      know(views, notarize(view, `${view}`));
      views.finalized = at(view, view, `${view}`);
      views.advance();
      expect(views.size.rounds).toBeLessThanOrEqual(PAST_VIEWS + 1);
      expect(views.size.votes).toBeLessThanOrEqual(PAST_VIEWS + 1);
    }
    know(views, nullify(201));
    expect(views.get(200 - PAST_VIEWS)).toBeUndefined();
    expect(views.get(201 - PAST_VIEWS)).toBeDefined();
  });

  test("an undecided view long past keeps its certificates and own votes, not the votes of others", () => {
    const views = viewsOf();
    const round = views.at(1);
    round.ballots.add(voteOf(FOUR, 0, nullify(1)), "p", false, false);
    round.sign(notarize(1, "a"));
    round.isEquivocated = true;
    propose(views, 1, "a", GENESIS);
    know(views, notarize(1, "a"));
    for (let view = 2; view <= UNDECIDED_VIEWS + 3; view++) know(views, nullify(view));
    const kept = views.get(1)!;
    expect(kept.ballots.size).toBe(0);
    expect(kept.certificates).toHaveLength(1);
    expect(kept.signed).toEqual([notarize(1, "a")]);
    expect(kept.isEquivocated).toBe(true);
    // Without its height nobody could build on it, and nobody ever would.
    expect(views.parent).toEqual(at(1, 1, "a"));
  });

  test("open rounds come in order, without what is final", () => {
    const views = viewsOf();
    for (const view of [5, 2, 9]) views.at(view);
    expect(views.open.map(({ view }) => view)).toEqual([2, 5, 9]);
    views.finalized = at(5, 2, "x");
    expect(views.open.map(({ view }) => view)).toEqual([9]);
  });
});

test("a peer who asks gets certificates, and votes of one validator only", () => {
  const views = viewsOf();
  for (const signer of [0, 1]) views.at(1).ballots.add(voteOf(FOUR, signer, nullify(1)), "p", false, false);
  know(views, nullify(1));
  const certificates = [certificateOf(FOUR, OTHERS, nullify(1))];
  expect(views.stateOf(1, 1)).toEqual({ certificates, votes: [voteOf(FOUR, 1, nullify(1))] });
  expect(views.stateOf(1, undefined)).toEqual({ certificates, votes: [] });
  expect(views.stateOf(77, 1)).toEqual({ certificates: [], votes: [] });
});
