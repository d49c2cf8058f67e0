import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type SoloEffect, type SoloEvent, type SoloState, startSolo, stepSolo } from "./solo.ts";

const config = { intervalMs: 1_000, heartbeatMs: 5_000 };
const id = new Uint8Array(32).fill(1);

function only<T extends SoloEffect["type"]>(effects: readonly SoloEffect[], type: T): Extract<SoloEffect, { type: T }> {
  expect(effects.map((effect) => effect.type)).toEqual([type]);
  return effects[0] as Extract<SoloEffect, { type: T }>;
}

describe("solo consensus", () => {
  it("beats when idle and goes at the interval once a transaction waits", () => {
    const start = startSolo(7n, config, 100);
    expect(only(start.effects, "set-timer").atMs).toBe(5_100);
    const woken = stepSolo(start.state, { type: "includable" }, config, 200);
    expect(only(woken.effects, "set-timer").atMs).toBe(1_100);
    const due = stepSolo(woken.state, { type: "timer" }, config, 1_100);
    expect(only(due.effects, "propose").height).toBe(8n);
    const proposed = stepSolo(due.state, { type: "proposed", height: 8n, blockId: id }, config, 1_150);
    expect(only(proposed.effects, "finalize").blockId).toBe(id);
    const done = stepSolo(proposed.state, { type: "committed", height: 8n, includable: false }, config, 1_200);
    expect(only(done.effects, "set-timer").atMs).toBe(6_200);
  });

  it("sets the timer again when it fires early, and retries a failed proposal after an interval", () => {
    const start = startSolo(0n, config, 0);
    expect(only(stepSolo(start.state, { type: "timer" }, config, 10).effects, "set-timer").atMs).toBe(5_000);
    const due = stepSolo(start.state, { type: "timer" }, config, 5_000);
    const failed = stepSolo(due.state, { type: "proposal-failed" }, config, 5_500);
    expect(only(failed.effects, "set-timer").atMs).toBe(6_500);
  });

  it("goes on within a heartbeat or an interval after the clock was set back", () => {
    const start = startSolo(0n, config, 1_000_000);
    const early = stepSolo(start.state, { type: "timer" }, config, 400);
    expect(only(early.effects, "set-timer").atMs).toBe(5_400);
    expect(only(stepSolo(early.state, { type: "timer" }, config, 5_400).effects, "propose").height).toBe(1n);
    expect(only(stepSolo(start.state, { type: "includable" }, config, 400).effects, "set-timer").atMs).toBe(1_400);
  });

  it("under any order of events: heights rise by one, nothing is finalized twice, idle always has a timer", () => {
    const event: fc.Arbitrary<SoloEvent["type"]> = fc.constantFrom(
      "includable",
      "timer",
      "proposed",
      "proposal-failed",
      "committed",
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(event, fc.nat(4_000), fc.bigInt(0n, 4n)), { maxLength: 60 }), (events) => {
        let state: SoloState = startSolo(0n, config, 0).state;
        let nowMs = 0;
        let finalized = 0n;
        for (const [type, elapsedMs, offset] of events) {
          nowMs += elapsedMs;
          const height = state.height + offset;
          const before = state;
          const step = stepSolo(
            state,
            { type, height, blockId: id, includable: offset > 2n } as SoloEvent,
            config,
            nowMs,
          );
          state = step.state;
          for (const effect of step.effects) {
            if (effect.type === "finalize") {
              expect(effect.height).toBe(finalized + 1n);
              finalized = effect.height;
            }
          }
          expect(state.height - before.height).toBeLessThanOrEqual(1n);
          expect(state.height).toBeLessThanOrEqual(finalized);
          const becameIdle = state.phase === "idle" && before.phase !== "idle";
          if (becameIdle) expect(step.effects.some((effect) => effect.type === "set-timer")).toBe(true);
        }
      }),
    );
  });
});
