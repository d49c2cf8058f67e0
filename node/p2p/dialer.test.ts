import { describe, expect, it } from "vitest";
import { VirtualClock } from "../testing/clock.ts";
import { Dialer, type DialerOptions } from "./dialer.ts";
import { MAX_LEARNED_PEERS } from "./limits.ts";

/** Peers answer or not as told; a tick each second. */
function setup(options: Partial<DialerOptions> = {}) {
  const clock = new VirtualClock(0);
  const dials: { readonly id: string; readonly atMs: number }[] = [];
  const connected = new Set<string>();
  const reachable = new Set<string>();
  const forgotten: string[] = [];
  const dialer = new Dialer({
    clock,
    random: () => 0.5,
    wantedPeers: 4,
    dialledPeers: () => connected.size,
    mayDial: () => true,
    dial: async (id) => {
      dials.push({ id, atMs: clock.nowMs() });
      if (!reachable.has(id)) throw new Error("nobody there");
      connected.add(id);
      dialer.connected(id);
    },
    onForgotten: (id) => forgotten.push(id),
    ...options,
  });
  const hangUp = (id: string) => {
    connected.delete(id);
    dialer.disconnected(id);
  };
  /** Lets seconds pass. */
  const pass = async (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      dialer.tick();
      await clock.pass(1_000);
    }
  };
  return { clock, dialer, dials, connected, reachable, forgotten, hangUp, pass };
}

describe("dialer", () => {
  it("tries a static peer for ever, later and later, at most every five seconds", async () => {
    const { dialer, dials, pass } = setup();
    dialer.add("static", "a", []);
    await pass(60);
    const gaps = dials.slice(1).map(({ atMs }, index) => (atMs - dials[index]!.atMs) / 1_000);
    expect(gaps.slice(0, 5)).toEqual([1, 1, 2, 4, 5]);
    expect(gaps.slice(5).every((gap) => gap === 5)).toBe(true);
    expect(dials.length).toBeLessThan(18);
  });

  it("jitter spreads the attempts", async () => {
    for (const [random, second] of [
      [0, 3],
      [0.999, 8],
    ] as const) {
      const { dialer, dials, pass } = setup({ random: () => random });
      dialer.add("static", "a", []);
      await pass(200);
      expect((dials.at(-1)!.atMs - dials.at(-2)!.atMs) / 1_000).toBe(second);
    }
  });

  it("a static peer that returns is dialled again soon after a good connection ended", async () => {
    const { dialer, dials, reachable, hangUp, pass } = setup();
    reachable.add("a");
    dialer.add("static", "a", []);
    await pass(20);
    expect(dials).toHaveLength(1);
    hangUp("a");
    await pass(2);
    expect(dials).toHaveLength(2);
  });

  it("a peer that hangs up at once does not make the node dial without end", async () => {
    const { dialer, dials, reachable, connected, hangUp, pass } = setup();
    reachable.add("a");
    dialer.add("static", "a", []);
    for (let second = 0; second < 60; second++) {
      await pass(1);
      if (connected.has("a")) hangUp("a");
    }
    expect(dials.length).toBeLessThan(20);
  });

  it("dials entries, then those met, then those heard of, until there are enough", async () => {
    const { dialer, dials, reachable, pass } = setup();
    for (const id of ["h1", "h2", "k1", "b1", "s1", "k2"]) reachable.add(id);
    dialer.add("learned", "h1", []);
    dialer.add("learned", "h2", []);
    dialer.add("known", "k1", []);
    dialer.add("known", "k2", []);
    dialer.add("boot", "b1", []);
    dialer.add("static", "s1", []);
    await pass(30);
    expect(dials.map(({ id }) => id)).toEqual(["s1", "b1", "k1", "k2"]);
    expect(dialer.wantsPeers).toBe(false);
  });

  it("static peers are dialled even when there are enough", async () => {
    const { dialer, dials, connected, pass } = setup();
    for (const id of ["1", "2", "3", "4"]) connected.add(id);
    dialer.add("boot", "b", []);
    dialer.add("static", "s", []);
    await pass(1);
    expect(dials.map(({ id }) => id)).toEqual(["s"]);
  });

  it("forgets those heard of after three failures, and never more than a few are kept", async () => {
    const { dialer, forgotten, pass } = setup();
    for (let index = 0; index < MAX_LEARNED_PEERS + 10; index++) {
      expect(dialer.add("learned", `${index}`, [])).toBe(index < MAX_LEARNED_PEERS);
    }
    await pass(600);
    expect(forgotten).toHaveLength(MAX_LEARNED_PEERS);
    expect(dialer.add("learned", "another", [])).toBe(true);
  });

  it("does not dial whom it may not", async () => {
    const { dialer, dials, pass } = setup({ mayDial: (id) => id !== "banned" });
    dialer.add("static", "banned", []);
    dialer.add("static", "fine", []);
    await pass(1);
    expect(dials.map(({ id }) => id)).toEqual(["fine"]);
  });

  it("a peer of another network is left alone for long", async () => {
    const { dialer, dials, reachable, forgotten, pass } = setup();
    reachable.add("s").add("k");
    dialer.add("static", "s", []);
    dialer.add("known", "k", []);
    await pass(1);
    dialer.useless("s");
    dialer.useless("k");
    expect(forgotten).toEqual(["k"]);
    const before = dials.length;
    await pass(5);
    expect(dials.length).toBe(before);
    await pass(1);
    expect(dials.length).toBe(before + 1);
  });

  it("a link that was cut on purpose is dialled at the next tick", async () => {
    const { dialer, dials, connected, reachable, pass } = setup();
    reachable.add("a");
    dialer.redial("a", ["/ip4/127.0.0.1/tcp/1"]);
    await pass(1);
    expect(dials).toHaveLength(1);
    connected.delete("a");
    dialer.redial("a", []);
    await pass(1);
    expect(dials).toHaveLength(2);
  });
});
