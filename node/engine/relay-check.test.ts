import { describe, expect, test } from "vitest";
import { voteDigest } from "../../consensus/scheme.ts";
import { KIND, type Subject, type Vote } from "../../consensus/types.ts";
import { blsSign, blsVerifyEach } from "../../core/bls.ts";
import { testValidator } from "../../genesis/testing/validators.ts";
import { VirtualClock } from "../testing/clock.ts";
import { setOfMembers } from "../testing/cluster.ts";
import { RelayCheck } from "./relay-check.ts";

const DOMAIN = { chainId: 1n, l1Contract: new Uint8Array(20) };
const KEYS = [0, 1, 2, 3];
const SET = setOfMembers(...KEYS);
const subject = (view: number): Subject => ({
  kind: KIND.notarize,
  epoch: 0,
  view,
  parentView: view - 1,
  block: new Uint8Array(32).fill(view),
});

function vote(signer: number, view: number, signed = subject(view)): Vote {
  const signature = blsSign(testValidator(signer).secretKey, voteDigest(DOMAIN, SET.hash, signed));
  return { ...subject(view), signer, signature };
}

function setup(isCertified: (vote: Vote) => boolean = () => false) {
  const clock = new VirtualClock();
  /** How many signatures each check was of. */
  const checks: number[] = [];
  const check = new RelayCheck({
    clock,
    resolve({ signer, signature, ...rest }) {
      const validator = SET.validators[signer];
      return validator && { publicKey: validator.publicKey, digest: voteDigest(DOMAIN, SET.hash, rest), signature };
    },
    isCertified,
    verifyEach(digest, signed) {
      checks.push(signed.length);
      return blsVerifyEach(digest, signed);
    },
  });
  const judge = (...votes: Vote[]) => clock.run(Promise.all(votes.map((one) => check.judge(one))));
  return { clock, check, checks, judge };
}

describe("votes travel on", () => {
  test("after one check of all that came about the same", async () => {
    const { checks, judge } = setup();
    const votes = [...KEYS.map((signer) => vote(signer, 1)), vote(0, 2)];
    expect(await judge(...votes)).toEqual(Array(5).fill("accept"));
    expect(checks).toEqual([4, 1]);
  });

  test("unless forged: the others with them do", async () => {
    const { checks, judge } = setup();
    const forged = vote(2, 1, subject(9));
    expect(await judge(vote(0, 1), forged, vote(3, 1))).toEqual(["accept", "reject", "accept"]);
    expect(checks).toEqual([3, 1, 1, 1]);
  });

  test("and not when two errors cancel out in a sum", async () => {
    const { judge } = setup();
    const [one, two] = [vote(0, 1), vote(1, 1)];
    const swapped = [
      { ...one, signature: two.signature },
      { ...two, signature: one.signature },
    ];
    expect(await judge(...swapped)).toEqual(["reject", "reject"]);
  });

  test("nor from one who is in no set that is known", async () => {
    const { clock, judge } = setup();
    expect(await judge({ ...vote(0, 1), signer: 4 })).toEqual(["ignore"]);
    expect(clock.timers).toBe(0);
  });

  test("and not when a certificate says the same by then: nobody looks at them", async () => {
    const certified = new Set<number>();
    const { clock, check, checks } = setup(({ view }) => certified.has(view));
    const verdicts = [vote(0, 1), vote(1, 1), vote(2, 2)].map((one) => check.judge(one));
    certified.add(1);
    expect(await clock.run(Promise.all(verdicts))).toEqual(["ignore", "ignore", "accept"]);
    expect(checks).toEqual([1]);
  });

  test("those that come later are checked later", async () => {
    const { clock, check, checks, judge } = setup();
    await judge(vote(0, 1));
    const late = check.judge(vote(1, 1));
    expect(checks).toEqual([1]);
    expect(await clock.run(late)).toBe("accept");
    expect(checks).toEqual([1, 1]);
  });
});

test("a stop lets nothing wait, and nothing wait any more", async () => {
  const { clock, check, checks } = setup();
  const waiting = check.judge(vote(0, 1));
  check.stop();
  expect(await waiting).toBe("ignore");
  expect(await check.judge(vote(1, 1))).toBe("ignore");
  expect([clock.timers, checks]).toEqual([0, []]);
});
