/** The infinity-gram model as an engine: it continues the prompt's text in the corpus's own words. A token is a word. */
import { keccak256 } from "../../core/crypto.ts";
import { continueText, INFINITY_GRAM, type InfinityGramOptions } from "../infinity-gram.ts";
import { countWords } from "../words.ts";
import type { Engine } from "./engine.ts";

const NEWLINE = 0x0a;
const SPACE = 0x20;

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
      const { output, words } = continueText(corpus, request, options);
      yield* byWords(output);
      return { finish: "length", promptTokens: countWords(bytes), completionTokens: words };
    },
  };
}

/** Each piece ends with the white space after a word. */
function* byWords(output: Uint8Array): Generator<Uint8Array> {
  const isSpace = (byte: number | undefined) => byte === SPACE || byte === NEWLINE;
  let from = 0;
  for (let at = 1; at <= output.length; at++) {
    if (at < output.length && !(isSpace(output[at - 1]) && !isSpace(output[at]))) continue;
    yield output.subarray(from, at);
    from = at;
  }
}
