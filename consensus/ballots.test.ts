import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { blsAggregate, blsPublicKey, blsSecretKey, blsSign, blsVerify } from "../core/bls.ts";
import { type BallotOutcome, Ballots, isSlashable } from "./ballots.ts";
import { isSameSubject, signersOf, verifyCertificate } from "./certificates.ts";
import { voteDigest } from "./scheme.ts";
import { DOMAIN, finalize, forgedVote, moved, notarize, nullify, rulesOf, setOf, voteOf } from "./testing/votes.ts";
import { KIND, type Subject, type Vote } from "./types.ts";
import { isQuorum, type ValidatorSet, validatorSet } from "./validators.ts";

const VIEW = 5;
const A = notarize(VIEW, "a");
const B = notarize(VIEW, "b");
const FINAL_A = finalize(VIEW, "a");
const FINAL_B = finalize(VIEW, "b");
const NULL = nullify(VIEW);

const FOUR = setOf([1n, 1n, 1n, 1n]);

/** Ballots of a set and the peers' names: the vote of validator i comes from peer "p<i>" unless said otherwise. */
function ballotsOf(set: ValidatorSet) {
  const rules = rulesOf(set);
  const ballots = new Ballots(rules);
  const add = (vote: Vote, from: string | undefined = `p${vote.signer}`, isVerified = false, mayCertify = true) =>
    ballots.add(vote, from, isVerified, mayCertify);
  const problemOf = ({ certificate }: BallotOutcome) =>
    certificate === undefined ? "none" : verifyCertificate(certificate, set, DOMAIN, rules.scheme);
  return { ballots, add, problemOf, rules };
}
const NOTHING = { evidence: [], forgers: [] };

describe("counting", () => {
  test("a quorum's votes become its certificate, once, with one check", () => {
    const { add, ballots, rules } = ballotsOf(FOUR);
    expect(add(voteOf(FOUR, 0, A))).toEqual(NOTHING);
    expect(add(voteOf(FOUR, 3, A))).toEqual(NOTHING);
    expect(rules.scheme.verifications).toBe(0);
    const outcome = add(voteOf(FOUR, 1, A));
    expect(rules.scheme.verifications).toBe(1);
    expect(outcome).toMatchObject({ ...NOTHING, certificate: A });
    expect(signersOf(outcome.certificate!.bitmap, 4)).toEqual([0, 1, 3]);
    expect(verifyCertificate(outcome.certificate!, FOUR, DOMAIN, rules.scheme)).toBeUndefined();
    expect(add(voteOf(FOUR, 2, A))).toEqual(NOTHING);
    expect(ballots.size).toBe(4);
  });

  test("exactly two thirds of the stake is not enough, whoever holds them", () => {
    // 30 in all: more than 20 is a quorum.
    const set = setOf([11n, 9n, 7n, 2n, 1n]);
    const { add, problemOf } = ballotsOf(set);
    for (const signer of [0, 2, 3]) expect(add(voteOf(set, signer, A))).toEqual(NOTHING); // 20
    expect(problemOf(add(voteOf(set, 4, A)))).toBeUndefined(); // 21
    const other = ballotsOf(set);
    expect(other.add(voteOf(set, 0, NULL))).toEqual(NOTHING);
    expect(other.add(voteOf(set, 1, NULL))).toEqual(NOTHING); // 20
    expect(other.problemOf(other.add(voteOf(set, 3, NULL)))).toBeUndefined();
  });

  test("a validator counts once, however often and in whatever words its vote comes", () => {
    const { add, ballots, problemOf } = ballotsOf(FOUR);
    const vote = voteOf(FOUR, 0, A);
    for (let i = 0; i < 5; i++) expect(add({ ...vote, signature: vote.signature.slice() }, `p${i}`)).toEqual(NOTHING);
    expect(add(voteOf(FOUR, 1, A))).toEqual(NOTHING);
    // The same subject with another signature is a forgery: signatures are unique.
    expect(add(forgedVote(FOUR, 0, A), "liar")).toEqual({ evidence: [], forgers: ["liar"] });
    expect(ballots.size).toBe(2);
    expect(problemOf(add(voteOf(FOUR, 2, A)))).toBeUndefined();
  });

  test("votes on different subjects do not add up", () => {
    const { add } = ballotsOf(FOUR);
    const subjects = [A, B, notarize(VIEW, "a", VIEW - 2), FINAL_A];
    for (const [signer, subject] of subjects.entries()) expect(add(voteOf(FOUR, signer, subject))).toEqual(NOTHING);
    const two = ballotsOf(FOUR);
    two.add(voteOf(FOUR, 0, NULL));
    two.add(voteOf(FOUR, 1, NULL));
    expect(two.add(voteOf(FOUR, 2, FINAL_A))).toEqual(NOTHING);
  });

  test("nothing is certified when it may not be; the votes are kept", () => {
    const { add, ballots, rules } = ballotsOf(FOUR);
    for (const signer of [0, 1, 2, 3]) {
      expect(add(voteOf(FOUR, signer, A), "p", false, false)).toEqual(NOTHING);
    }
    expect(ballots.votes).toHaveLength(4);
    expect(rules.scheme.verifications).toBe(0);
    expect(ballots.votesOf(2)).toEqual([voteOf(FOUR, 2, A)]);
    expect(ballots.votesOf(9)).toEqual([]);
  });

  test("a lone validator is a quorum", () => {
    const one = setOf([5n]);
    const { add, problemOf } = ballotsOf(one);
    expect(problemOf(add(voteOf(one, 0, A)))).toBeUndefined();
  });
});

describe("forgeries", () => {
  const ten = setOf(Array(10).fill(1n));

  test("are found among votes that reach a quorum, and only they are dropped", () => {
    const { add, ballots, problemOf } = ballotsOf(ten);
    for (const signer of [0, 1, 2, 3, 4]) add(voteOf(ten, signer, A));
    add(forgedVote(ten, 5, A, 3n), "liar");
    const outcome = add(voteOf(ten, 6, A)); // 7 of 10, one of them forged
    expect(outcome).toEqual({ evidence: [], forgers: ["liar"] });
    expect(ballots.size).toBe(6);
    // The one in whose name it was forged is heard.
    expect(problemOf(add(voteOf(ten, 5, A)))).toBeUndefined();
  });

  test("do not stop a quorum of honest votes that is there without them", () => {
    const { add, problemOf } = ballotsOf(ten);
    for (const signer of [0, 1, 2]) add(forgedVote(ten, signer, A, 10n ** BigInt(signer)), `liar${signer}`);
    for (const signer of [3, 4, 5]) add(voteOf(ten, signer, A));
    expect(add(voteOf(ten, 6, A)).forgers).toEqual(["liar0", "liar1", "liar2"]);
    for (const signer of [7, 8, 0])
      expect(problemOf(add(voteOf(ten, signer, A)))).toBe(signer === 0 ? undefined : "none");
    const late = ballotsOf(FOUR);
    late.add(forgedVote(FOUR, 0, A), "liar");
    late.add(voteOf(FOUR, 1, A), "p", false, false);
    late.add(voteOf(FOUR, 2, A), "p", false, false);
    const outcome = late.add(voteOf(FOUR, 3, A));
    expect(outcome.forgers).toEqual(["liar"]);
    expect(signersOf(outcome.certificate!.bitmap, 4)).toEqual([1, 2, 3]);
    expect(late.problemOf(outcome)).toBeUndefined();
  });

  test("that are no point of the group are found like others", () => {
    const { add, problemOf } = ballotsOf(FOUR);
    add({ ...voteOf(FOUR, 0, A), signature: new Uint8Array(96) }, "liar");
    add(voteOf(FOUR, 1, A));
    expect(add(voteOf(FOUR, 2, A)).forgers).toEqual(["liar"]);
    expect(problemOf(add(voteOf(FOUR, 0, A)))).toBeUndefined();
  });

  test("cost a few checks, not one for each vote", () => {
    const hundred = setOf(Array(100).fill(1n));
    const { add, rules } = ballotsOf(hundred);
    add(forgedVote(hundred, 42, A), "liar");
    for (let signer = 43; signer < 43 + 66; signer++) add(voteOf(hundred, signer % 100, A));
    expect(rules.scheme.verifications).toBeGreaterThan(1);
    expect(rules.scheme.verifications).toBeLessThanOrEqual(1 + 2 * 7);
  });

  test("whose errors cancel out make a valid certificate, but no evidence against those in whose name they are", () => {
    const { add, problemOf } = ballotsOf(FOUR);
    const shifted = (signer: number, offset: bigint): Vote => {
      const vote = voteOf(FOUR, signer, A);
      return { ...vote, signature: moved(vote.signature, offset) };
    };
    add(shifted(0, 7n), "liar");
    add(shifted(1, -7n), "liar");
    const outcome = add(voteOf(FOUR, 2, A));
    expect(problemOf(outcome)).toBeUndefined();
    expect(outcome.forgers).toEqual([]);
    // The share above is not what validator 0 signed, so its vote for another block proves nothing against it.
    expect(add(voteOf(FOUR, 0, B), "honest")).toEqual({ evidence: [], forgers: ["liar"] });
  });

  test("whose errors cancel out inside a half, and others, leave a valid sum", () => {
    const { add, problemOf, ballots } = ballotsOf(ten);
    const shifted = (signer: number, offset: bigint): Vote => {
      const vote = voteOf(ten, signer, A);
      return { ...vote, signature: moved(vote.signature, offset) };
    };
    add(shifted(0, 5n), "liar0");
    add(shifted(1, -5n), "liar1");
    for (const signer of [2, 3, 4, 5]) add(voteOf(ten, signer, A));
    expect(add(shifted(6, 9n), "liar6")).toEqual({ evidence: [], forgers: ["liar6"] });
    expect(ballots.size).toBe(6);
    expect(problemOf(add(voteOf(ten, 6, A)))).toBeUndefined();
    // Across halves both are found.
    const other = ballotsOf(ten);
    other.add(shifted(0, 5n), "liar0");
    for (const signer of [1, 2, 3, 4]) other.add(voteOf(ten, signer, A));
    other.add(shifted(5, -5n), "liar5");
    expect(other.add(shifted(6, 9n), "liar6").forgers).toEqual(["liar0", "liar5", "liar6"]);
  });

  test("keep nobody's place and cannot crowd anybody out", () => {
    const { add, ballots, problemOf } = ballotsOf(FOUR);
    for (let i = 1; i <= 50; i++) {
      for (const [signer, subject] of [A, B, NULL, FINAL_A].entries()) {
        add(forgedVote(FOUR, signer, { ...subject, block: subject.kind === 2 ? subject.block : A.block }, BigInt(i)));
      }
    }
    expect(ballots.size).toBeLessThanOrEqual(3 * 4);
    add(voteOf(FOUR, 0, A));
    add(voteOf(FOUR, 1, A));
    expect(problemOf(add(voteOf(FOUR, 2, A)))).toBeUndefined();
  });

  test("blame who brought them, never the one who brought the truth, and not the node itself", () => {
    const { add } = ballotsOf(FOUR);
    add(forgedVote(FOUR, 0, A), "liar");
    expect(add(voteOf(FOUR, 0, B), "honest")).toEqual({ evidence: [], forgers: ["liar"] });
    expect(add(forgedVote(FOUR, 0, A, 2n), "liar2")).toEqual({ evidence: [], forgers: ["liar2"] });
    const { ballots } = ballotsOf(FOUR);
    ballots.add(forgedVote(FOUR, 0, A), undefined, false, true);
    expect(ballots.add(voteOf(FOUR, 0, B), undefined, true, true)).toEqual(NOTHING);
    expect(ballots.votes).toEqual([voteOf(FOUR, 0, B)]);
  });
});

describe("what no honest validator signs", () => {
  const OTHER_PARENT = notarize(VIEW, "a", VIEW - 3);
  const slashable: [string, Subject, Subject][] = [
    ["notarize, notarize", A, B],
    ["notarize, notarize on another parent", A, OTHER_PARENT],
    ["finalize, finalize", FINAL_A, FINAL_B],
    ["nullify, finalize", NULL, FINAL_A],
    ["notarize, finalize of another block", A, FINAL_B],
    ["notarize, finalize on another parent", OTHER_PARENT, FINAL_A],
  ];
  const honest: [string, Subject, Subject][] = [
    ["a vote twice", A, { ...A }],
    ["notarize, finalize of its block", A, FINAL_A],
    ["notarize, nullify", A, NULL],
    ["nullify twice", NULL, { ...NULL }],
    ["finalize in two views", FINAL_A, finalize(VIEW + 1, "a")],
    ["notarize in two views", A, notarize(VIEW + 1, "b")],
    ["nullify, then finalize in another view", NULL, finalize(VIEW + 1, "b")],
  ];

  test.each(slashable)("%s: evidence in either order, that stands alone", (_, one, two) => {
    for (const [first, second] of [
      [one, two],
      [two, one],
    ] as const) {
      expect(isSlashable(first, second)).toBe(true);
      const { add, rules } = ballotsOf(FOUR);
      expect(add(voteOf(FOUR, 2, first))).toEqual(NOTHING);
      const { evidence, forgers } = add(voteOf(FOUR, 2, second));
      expect(forgers).toEqual([]);
      expect(evidence).toEqual([
        { epoch: 0, signer: 2, first: voteOf(FOUR, 2, first), second: voteOf(FOUR, 2, second) },
      ]);
      for (const vote of [evidence[0]!.first, evidence[0]!.second]) {
        const digest = voteDigest(DOMAIN, FOUR.hash, vote);
        expect(rules.scheme.verify([FOUR.validators[2]!.publicKey], digest, vote.signature)).toBe(true);
      }
    }
  });

  test.each(honest)("%s: no evidence", (_, one, two) => {
    for (const [first, second] of [
      [one, two],
      [two, one],
    ] as const) {
      expect(isSlashable(first, second)).toBe(false);
      if (first.view !== second.view) continue; // Ballots are of one view.
      const { add } = ballotsOf(FOUR);
      add(voteOf(FOUR, 2, first));
      expect(add(voteOf(FOUR, 2, second))).toEqual(NOTHING);
    }
  });

  test("two validators do not contradict each other", () => {
    const { add } = ballotsOf(FOUR);
    add(voteOf(FOUR, 0, A));
    expect(add(voteOf(FOUR, 1, B))).toEqual(NOTHING);
  });

  test.each(slashable)("%s, one of them forged: no evidence, and the forger is found", (_, one, two) => {
    const first = ballotsOf(FOUR);
    first.add(forgedVote(FOUR, 2, one), "liar");
    expect(first.add(voteOf(FOUR, 2, two), "honest")).toEqual({ evidence: [], forgers: ["liar"] });
    expect(first.ballots.votesOf(2)).toEqual([voteOf(FOUR, 2, two)]);
    const second = ballotsOf(FOUR);
    second.add(voteOf(FOUR, 2, one), "honest");
    expect(second.add(forgedVote(FOUR, 2, two), "liar")).toEqual({ evidence: [], forgers: ["liar"] });
    expect(second.ballots.votesOf(2)).toEqual([voteOf(FOUR, 2, one)]);
  });

  test("one piece of evidence against a validator in a view, and its first vote still counts", () => {
    const { add, ballots, problemOf, rules } = ballotsOf(FOUR);
    add(voteOf(FOUR, 0, A));
    expect(ballots.wants(voteOf(FOUR, 0, B))).toBe(true);
    expect(add(voteOf(FOUR, 0, B)).evidence).toHaveLength(1);
    expect(add(voteOf(FOUR, 0, FINAL_B)).evidence).toHaveLength(0);
    // The rest of what it signs is not even looked at.
    const { verifications } = rules.scheme;
    for (const name of ["c", "d", "e"]) {
      const more = voteOf(FOUR, 0, notarize(VIEW, name));
      expect(ballots.wants(more)).toBe(false);
      expect(add(more)).toEqual(NOTHING);
    }
    expect(rules.scheme.verifications).toBe(verifications);
    add(voteOf(FOUR, 1, A));
    expect(problemOf(add(voteOf(FOUR, 2, A)))).toBeUndefined();
  });

  test("is found in votes that came after the certificate, too", () => {
    const { add } = ballotsOf(FOUR);
    for (const signer of [0, 1, 2]) add(voteOf(FOUR, signer, FINAL_A));
    expect(add(voteOf(FOUR, 1, NULL), "p", false, false).evidence).toHaveLength(1);
  });
});

test("a vote that was checked is not checked again", () => {
  const { add, ballots, rules } = ballotsOf(FOUR);
  add(voteOf(FOUR, 0, A), "p", true);
  add(voteOf(FOUR, 1, A));
  add(voteOf(FOUR, 1, A), "p", true); // the same, checked meanwhile
  rules.scheme.verifications = 0;
  add(voteOf(FOUR, 0, B), "p", true);
  add(voteOf(FOUR, 1, B), "p", true);
  expect(rules.scheme.verifications).toBe(0);
  expect(ballots.has(voteOf(FOUR, 0, A))).toBe(true);
  expect(ballots.has(voteOf(FOUR, 0, B))).toBe(false);
  expect(ballots.has(forgedVote(FOUR, 0, A))).toBe(false);
  expect(ballots.has(voteOf(FOUR, 3, A))).toBe(false);
});

/** What `Ballots` has to come to, by the plainest means: every signature is checked at once, forgeries count for nothing. */
class NaiveBallots {
  readonly #set: ValidatorSet;
  readonly #kept: Vote[] = [];
  readonly #accused = new Set<number>();
  readonly #certified: Subject[] = [];

  constructor(set: ValidatorSet) {
    this.#set = set;
  }

  add(vote: Vote): { readonly certified: Subject | undefined; readonly accused: number | undefined } {
    const genuine = voteOf(this.#set, vote.signer, vote).signature;
    const nothing = { certified: undefined, accused: undefined };
    if (genuine.join() !== vote.signature.join()) return nothing;
    const own = this.#kept.filter(({ signer }) => signer === vote.signer);
    if (own.some((kept) => isSameSubject(kept, vote))) return nothing;
    let accused: number | undefined;
    if (!this.#accused.has(vote.signer) && own.some((kept) => isSlashable(kept, vote))) {
      accused = vote.signer;
      this.#accused.add(accused);
    }
    if (own.some(({ kind }) => kind === vote.kind)) return { certified: undefined, accused };
    this.#kept.push(vote);
    const stake = this.#kept
      .filter((kept) => isSameSubject(kept, vote))
      .reduce((sum, { signer }) => sum + this.#set.validators[signer]!.stake, 0n);
    if (!isQuorum(stake, this.#set) || this.#certified.some((subject) => isSameSubject(subject, vote))) {
      return { certified: undefined, accused };
    }
    this.#certified.push(vote);
    return { certified: vote, accused };
  }
}

test("whatever arrives, the same is certified and the same validators are accused as if every vote were checked", () => {
  const arrivals = fc.array(
    fc.record({
      signer: fc.nat(6),
      // Mostly one subject, so that quorums come about.
      subject: fc.oneof({ weight: 4, arbitrary: fc.constant(A) }, fc.constantFrom(A, B, NULL, FINAL_A, FINAL_B)),
      isForged: fc.boolean(),
    }),
    { maxLength: 60 },
  );
  const stakes = fc.array(fc.bigInt({ min: 1n, max: 9n }), { minLength: 7, maxLength: 7 });
  fc.assert(
    fc.property(stakes, arrivals, (list, votes) => {
      const set = setOf(list);
      const { ballots, add, problemOf, rules } = ballotsOf(set);
      const model = new NaiveBallots(set);
      const isGenuine = (vote: Vote) =>
        rules.scheme.verify(
          [set.validators[vote.signer]!.publicKey],
          voteDigest(DOMAIN, set.hash, vote),
          vote.signature,
        );
      votes.forEach(({ signer, subject, isForged }, i) => {
        // Each forgery is off by another power of three: no sum of them is zero.
        const vote = isForged ? forgedVote(set, signer, subject, 3n ** BigInt(i)) : voteOf(set, signer, subject);
        const outcome = add(vote, isForged ? "liar" : "honest");
        const expected = model.add(vote);
        expect(outcome.evidence.map((found) => found.signer)).toEqual(
          expected.accused === undefined ? [] : [expected.accused],
        );
        expect(outcome.forgers).not.toContain("honest");
        for (const { first, second, signer: accused } of outcome.evidence) {
          expect([first.signer, second.signer]).toEqual([accused, accused]);
          expect(isSlashable(first, second) && isGenuine(first) && isGenuine(second)).toBe(true);
        }
        if (expected.certified === undefined) expect(outcome.certificate).toBeUndefined();
        else {
          expect(isSameSubject(outcome.certificate!, expected.certified)).toBe(true);
          expect(problemOf(outcome)).toBeUndefined();
        }
        expect(ballots.size).toBeLessThanOrEqual(3 * 7);
      });
    }),
    { numRuns: 300 },
  );
});

test("with real signatures: optimistic sum, bisection, evidence", () => {
  const secretKeys = Array.from({ length: 7 }, (_, i) => blsSecretKey(new Uint8Array(32).fill(i + 1)));
  const set = validatorSet(
    secretKeys.map((key, i) => ({ address: new Uint8Array(20).fill(i), publicKey: blsPublicKey(key), stake: 3n })),
  );
  const scheme = { verify: blsVerify, aggregate: blsAggregate };
  const ballots = new Ballots({ set, domain: DOMAIN, scheme });
  const signed = (signer: number, subject: Subject, by = signer): Vote => ({
    ...subject,
    signer,
    signature: blsSign(secretKeys[by]!, voteDigest(DOMAIN, set.hash, subject)),
  });
  const add = (vote: Vote, from: string) => ballots.add(vote, from, false, true);
  const infinity = Uint8Array.from({ length: 96 }, (_, i) => (i === 0 ? 0xc0 : 0));
  add(signed(0, A), "p0");
  add(signed(1, A, 2), "liar1"); // another validator's signature
  add({ ...signed(2, A), signature: infinity }, "liar2");
  add({ ...signed(3, A), signature: new Uint8Array(96).fill(0xff) }, "liar3");
  expect(add(signed(4, A), "p4")).toEqual({ evidence: [], forgers: ["liar1", "liar2", "liar3"] });
  for (const signer of [1, 2]) expect(add(signed(signer, A), "honest")).toEqual(NOTHING);
  const { certificate } = add(signed(3, A), "honest");
  expect(signersOf(certificate!.bitmap, 7)).toEqual([0, 1, 2, 3, 4]);
  expect(verifyCertificate(certificate!, set, DOMAIN, scheme)).toBeUndefined();
  expect(add(signed(3, B), "p3").evidence).toMatchObject([{ signer: 3, first: { kind: KIND.notarize } }]);
});
