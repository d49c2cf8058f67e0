/** An engine's pieces become an output within its limits. */
import { concatBytes } from "../../core/bytes.ts";
import { type Engine, EngineError, type Finished, type Generation } from "./engine.ts";
import { OutputLimits } from "./output-limits.ts";

/** Gets pieces of the output as they come; generation waits for it. */
export type PieceListener = (piece: Uint8Array) => void | Promise<void>;

/** Nothing was written. `isLimit`: because of a limit. */
export class EmptyOutputError extends Error {
  readonly isLimit: boolean;
  constructor(isLimit: boolean) {
    super("the engine gave no output; ask again, or otherwise");
    this.name = "EmptyOutputError";
    this.isLimit = isLimit;
  }
}

export interface Written {
  readonly output: Uint8Array;
  readonly finished: Finished;
}

/** Throws EmptyOutputError, EngineError, and what the listener throws. */
export async function writeOutput(engine: Engine, generation: Generation, onPiece: PieceListener): Promise<Written> {
  const limits = new OutputLimits(generation.stop, generation.maxBytes);
  const pieces: Uint8Array[] = [];
  const emit = async (piece: Uint8Array): Promise<void> => {
    if (piece.length === 0) return;
    pieces.push(piece);
    await onPiece(piece);
  };
  const source = engine.generate(generation);
  let finished: Finished | undefined;
  try {
    while (finished === undefined && limits.ended === undefined) {
      const next = await source.next();
      if (generation.signal.aborted) throw new EngineError("the generation was ended");
      if (next.done === true) finished = next.value;
      await emit(next.done === true ? limits.flush() : limits.push(next.value));
    }
  } finally {
    // Ends what the engine holds open.
    if (finished === undefined) await source.return({ finish: "length" });
  }
  const finish = limits.ended ?? finished?.finish ?? "length";
  if (pieces.length === 0) throw new EmptyOutputError(finish === "length");
  return { output: concatBytes(...pieces), finished: { ...finished, finish } };
}
