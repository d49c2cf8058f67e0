/** Several tracers on one run: geth's muxTracer. */
import type { Log } from "../../core/chain.ts";
import type { StateReader } from "../state/types.ts";
import type { FrameEntry, FrameExit, Json, Step, TracedMessage, TracedOutcome, Tracer } from "./types.ts";

export class MuxTracer implements Tracer {
  readonly #tracers: ReadonlyMap<string, Tracer>;

  constructor(tracers: ReadonlyMap<string, Tracer>) {
    this.#tracers = tracers;
  }

  start(message: TracedMessage, state: StateReader): void {
    for (const tracer of this.#tracers.values()) tracer.start?.(message, state);
  }

  enter(frame: FrameEntry): void {
    for (const tracer of this.#tracers.values()) tracer.enter?.(frame);
  }

  step(step: Step): void {
    for (const tracer of this.#tracers.values()) tracer.step?.(step);
  }

  touch(address: Uint8Array, slot: Uint8Array | undefined): void {
    for (const tracer of this.#tracers.values()) tracer.touch?.(address, slot);
  }

  log(log: Log): void {
    for (const tracer of this.#tracers.values()) tracer.log?.(log);
  }

  exit(exit: FrameExit): void {
    for (const tracer of this.#tracers.values()) tracer.exit?.(exit);
  }

  end(outcome: TracedOutcome): void {
    for (const tracer of this.#tracers.values()) tracer.end?.(outcome);
  }

  result(): Json {
    return Object.fromEntries([...this.#tracers].map(([name, tracer]) => [name, tracer.result()]));
  }
}
