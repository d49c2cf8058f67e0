/** The infinity-gram model as an engine: it continues the prompt's text in the corpus's own words. A token is a word. */
import { setImmediate } from "node:timers/promises";
import { keccak256 } from "../../core/crypto.ts";
import { continueByWords, INFINITY_GRAM, type InfinityGramOptions } from "../infinity-gram.ts";
import { countWords } from "../words.ts";
import type { Engine } from "./engine.ts";

const SLICE_MS = 10;

/** Of sampling it knows the seed alone: it draws from the corpus's own distribution. */
export function infinityGramEngine(options: InfinityGramOptions = INFINITY_GRAM, parallel = 2): Engine {
  return {
    description: { kind: "infinity-gram", ...options },
    parallel,
    readsPassages: false,
    async *generate({ prompt, corpus, maxTokens, maxBytes, seed, sampling }) {
      const bytes = new TextEncoder().encode(prompt.text);
      const draws = sampling.seed === undefined ? seed : keccak256(seed, new TextEncoder().encode(`${sampling.seed}`));
      const request = { prompt: bytes, words: maxTokens, maxBytes, seed: draws };
      const steps = continueByWords(corpus, request, options);
      let sliceStartMs = performance.now();
      for (let step = steps.next(); ; step = steps.next()) {
        if (step.done === true)
          return { finish: "length", promptTokens: countWords(bytes), completionTokens: step.value };
        yield step.value;
        // What was written goes out, and others get their turn.
        if (performance.now() - sliceStartMs > SLICE_MS) {
          await setImmediate();
          sliceStartMs = performance.now();
        }
      }
    },
  };
}
