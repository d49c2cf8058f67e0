/**
 * Consensus of one proposer: a pure state machine with the same shape that a quorum protocol has. Events go in, effects
 * come out; whoever drives it carries them out and reports back. It knows a block only as an opaque id.
 *
 *   idle --(timer)--> proposing --(proposed)--> committing --(committed)--> idle
 *
 * Pace: a block at least every `heartbeatMs`; one that carries transactions as early as `intervalMs` after the last.
 * The leader's timer starts at the first includable transaction or at the heartbeat, whichever is first.
 */

export interface SoloConfig {
  readonly intervalMs: number;
  readonly heartbeatMs: number;
}

export interface SoloState {
  readonly phase: "idle" | "proposing" | "committing";
  /** Number of the last committed block. */
  readonly height: bigint;
  readonly committedAtMs: number;
  readonly includable: boolean;
}

export type SoloEvent =
  /** The pool now holds a transaction that the next block could include. */
  | { readonly type: "includable" }
  | { readonly type: "timer" }
  | { readonly type: "proposed"; readonly height: bigint; readonly blockId: Uint8Array }
  /** Assembly failed; the proposer tries again after an interval. */
  | { readonly type: "proposal-failed" }
  | { readonly type: "committed"; readonly height: bigint; readonly includable: boolean };

export type SoloEffect =
  /** Replaces the timer set before. */
  | { readonly type: "set-timer"; readonly atMs: number }
  /** Assemble a block on the last committed one and report `proposed` or `proposal-failed`. */
  | { readonly type: "propose"; readonly height: bigint }
  /** The block is final: commit it durably, then report `committed`. */
  | { readonly type: "finalize"; readonly height: bigint; readonly blockId: Uint8Array };

export interface SoloStep {
  readonly state: SoloState;
  readonly effects: readonly SoloEffect[];
}

const dueAtMs = (state: SoloState, config: SoloConfig): number =>
  state.committedAtMs + (state.includable ? config.intervalMs : config.heartbeatMs);

/** `height` is the last committed block; the first proposal comes after one interval or heartbeat. */
export function startSolo(height: bigint, config: SoloConfig, nowMs: number): SoloStep {
  const state: SoloState = { phase: "idle", height, committedAtMs: nowMs, includable: false };
  return { state, effects: [{ type: "set-timer", atMs: dueAtMs(state, config) }] };
}

/** An event that does not fit the phase is stale and changes nothing. */
export function stepSolo(before: SoloState, event: SoloEvent, config: SoloConfig, nowMs: number): SoloStep {
  // A clock that was set back must not keep the chain waiting until it has caught up: the pace counts from here.
  const state = nowMs < before.committedAtMs ? { ...before, committedAtMs: nowMs } : before;
  const unchanged: SoloStep = { state, effects: [] };
  switch (event.type) {
    case "includable": {
      if (state.includable) return unchanged;
      const next = { ...state, includable: true };
      return {
        state: next,
        effects: state.phase === "idle" ? [{ type: "set-timer", atMs: dueAtMs(next, config) }] : [],
      };
    }
    case "timer": {
      if (state.phase !== "idle") return unchanged;
      const atMs = dueAtMs(state, config);
      if (nowMs < atMs) return { state, effects: [{ type: "set-timer", atMs }] };
      return { state: { ...state, phase: "proposing" }, effects: [{ type: "propose", height: state.height + 1n }] };
    }
    case "proposed": {
      if (state.phase !== "proposing" || event.height !== state.height + 1n) return unchanged;
      const { height, blockId } = event;
      return { state: { ...state, phase: "committing" }, effects: [{ type: "finalize", height, blockId }] };
    }
    case "proposal-failed": {
      if (state.phase !== "proposing") return unchanged;
      const next: SoloState = { ...state, phase: "idle", committedAtMs: nowMs };
      return { state: next, effects: [{ type: "set-timer", atMs: nowMs + config.intervalMs }] };
    }
    case "committed": {
      if (state.phase !== "committing" || event.height !== state.height + 1n) return unchanged;
      const next: SoloState = {
        phase: "idle",
        height: event.height,
        committedAtMs: nowMs,
        includable: event.includable,
      };
      return { state: next, effects: [{ type: "set-timer", atMs: dueAtMs(next, config) }] };
    }
  }
}
