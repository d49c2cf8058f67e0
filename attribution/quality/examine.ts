/** Everything that a content alone says, and what is compared of it. Deterministic. */
import { bytesToHex, type Hex } from "../../core/bytes.ts";
import { contentRoot } from "../../core/content.ts";
import { findPersonalData, type PersonalData } from "./personal-data.ts";
import { type Sketch, sketchOf } from "./sketch.ts";
import { type SpamScore, spamScore } from "./spam.ts";
import { wordsOf } from "./words.ts";

export interface Examination {
  readonly contentRoot: Hex;
  /** Bytes. */
  readonly size: number;
  readonly sketch: Sketch;
  readonly personalData: PersonalData;
  readonly spam: SpamScore;
}

/** Precondition: at least one byte. Memory while it runs: some 5 bytes a byte. */
export function examine(content: Uint8Array): Examination {
  const words = wordsOf(content);
  const sketch = sketchOf(words);
  return {
    contentRoot: bytesToHex(contentRoot(content)),
    size: content.length,
    sketch,
    personalData: findPersonalData(content),
    spam: spamScore(content, words, sketch),
  };
}
