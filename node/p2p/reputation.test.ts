import { describe, expect, it } from "vitest";
import { FakeClock } from "../testing/world.ts";
import { MAX_REMEMBERED } from "./limits.ts";
import { BAN_SCORE, PENALTY, Reputation } from "./reputation.ts";

function setup() {
  const clock = new FakeClock();
  return { clock, reputation: new Reputation({ clock, banMs: () => 600_000 }) };
}

const pass = (clock: FakeClock, ms: number) => clock.setMs(clock.nowMs() + ms);

describe("reputation", () => {
  it("bans whoever is reported again and again, for a time", () => {
    const { clock, reputation } = setup();
    const reports = Math.ceil(-BAN_SCORE / PENALTY.reported);
    for (let report = 1; report < reports; report++) expect(reputation.penalize("a", PENALTY.reported)).toBe(false);
    expect(reputation.isBanned("a")).toBe(false);
    expect(reputation.penalize("a", PENALTY.reported)).toBe(true);
    expect([reputation.isBanned("a"), reputation.isBanned("b"), reputation.bans, reputation.bannedNow]).toEqual([
      true,
      false,
      1,
      1,
    ]);
    pass(clock, 599_999);
    expect(reputation.isBanned("a")).toBe(true);
    pass(clock, 1);
    expect([reputation.isBanned("a"), reputation.score("a"), reputation.bannedNow]).toEqual([false, 0, 0]);
  });

  it("forgives: points halve in two minutes and end", () => {
    const { clock, reputation } = setup();
    reputation.penalize("a", 40);
    pass(clock, 120_000);
    expect(reputation.score("a")).toBeCloseTo(-20);
    pass(clock, 120_000 * 5);
    expect(reputation.score("a")).toBe(0);
  });

  it("adds up single points that come a moment apart", () => {
    const { clock, reputation } = setup();
    for (let i = 0; i < -BAN_SCORE + 5 && !reputation.isBanned("a"); i++) {
      reputation.penalize("a", PENALTY.rate);
      pass(clock, 5);
    }
    expect(reputation.isBanned("a")).toBe(true);
  });

  it("a ban that is given twice counts once", () => {
    const { reputation } = setup();
    reputation.ban("a");
    reputation.ban("a");
    expect(reputation.bans).toBe(1);
  });

  it("remembers a bounded number, the latest", () => {
    const { reputation } = setup();
    for (let index = 0; index <= MAX_REMEMBERED; index++) reputation.ban(`peer ${index}`);
    expect(reputation.bannedNow).toBe(MAX_REMEMBERED);
    expect(reputation.isBanned("peer 0")).toBe(false);
    expect(reputation.isBanned(`peer ${MAX_REMEMBERED}`)).toBe(true);
  });
});
