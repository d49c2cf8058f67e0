import fc from "fast-check";
import { expect, test } from "vitest";
import { VirtualClock } from "../testing/clock.ts";
import { SteadyClock } from "./steady-clock.ts";

test("goes with a clock that goes forward, by steps too", async () => {
  const clock = new VirtualClock(1_000);
  const steady = new SteadyClock(clock);
  await clock.pass(10);
  expect(steady.nowMs()).toBe(1_010);
  clock.setMs(5_000);
  expect(steady.nowMs()).toBe(5_000);
});

test("stands where the clock is set back, and goes on from there", async () => {
  const clock = new VirtualClock(10_000);
  const steady = new SteadyClock(clock);
  clock.setMs(4_000);
  expect(steady.nowMs()).toBe(10_000);
  await clock.pass(50);
  expect(steady.nowMs()).toBe(10_050);
  clock.setMs(1_000);
  expect(steady.nowMs()).toBe(10_050);
});

test("a moment comes after as long as it is away, before and after the clock was set", async () => {
  const clock = new VirtualClock(10_000);
  const steady = new SteadyClock(clock);
  const calls: string[] = [];
  steady.at(10_100, () => calls.push("before"));
  clock.setMs(2_000);
  steady.at(10_200, () => calls.push("after"));
  const cancel = steady.at(10_150, () => calls.push("never"));
  cancel();
  await clock.pass(99);
  expect(calls).toEqual([]);
  await clock.pass(1);
  expect(calls).toEqual(["before"]);
  await clock.pass(99);
  expect(calls).toEqual(["before"]);
  await clock.pass(1);
  expect(calls).toEqual(["before", "after"]);
});

test("never goes back, however the clock is set", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(100_000)), (moments) => {
      const clock = new VirtualClock(50_000);
      const steady = new SteadyClock(clock);
      let lastMs = steady.nowMs();
      for (const moment of moments) {
        const movedMs = moment - clock.nowMs();
        clock.setMs(moment);
        expect(steady.nowMs() - lastMs).toBe(Math.max(0, movedMs));
        lastMs = steady.nowMs();
      }
    }),
  );
});
