/** The tracers by geth's names. What chooses one is plain data, which may go to another thread. */
import type { TraceBudget } from "./budget.ts";
import { CallTracer, type CallTracerConfig, type DescribeRevert } from "./call-tracer.ts";
import { FourByteTracer } from "./four-byte-tracer.ts";
import { MuxTracer } from "./mux-tracer.ts";
import { PrestateTracer, type PrestateTracerConfig } from "./prestate-tracer.ts";
import { StructLogger, type StructLoggerConfig } from "./struct-logger.ts";
import type { Tracer } from "./types.ts";

export type TracerChoice =
  /** What runs when no name is given. */
  | { readonly name: "structLogger"; readonly config: StructLoggerConfig }
  | { readonly name: "callTracer"; readonly config: CallTracerConfig }
  | { readonly name: "prestateTracer"; readonly config: PrestateTracerConfig }
  | { readonly name: "4byteTracer" }
  | { readonly name: "noopTracer" }
  | { readonly name: "muxTracer"; readonly tracers: readonly TracerChoice[] };

export function createTracer(choice: TracerChoice, budget: TraceBudget, describeRevert: DescribeRevert): Tracer {
  switch (choice.name) {
    case "structLogger":
      return new StructLogger(choice.config, budget);
    case "callTracer":
      return new CallTracer(choice.config, budget, describeRevert);
    case "prestateTracer":
      return new PrestateTracer(choice.config, budget);
    case "4byteTracer":
      return new FourByteTracer(budget);
    case "noopTracer":
      return { result: () => ({}) };
    case "muxTracer": {
      const tracers = choice.tracers.map((each) => [each.name, createTracer(each, budget, describeRevert)] as const);
      return new MuxTracer(new Map(tracers));
    }
  }
}
