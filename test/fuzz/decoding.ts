/** Frames straight to the decoders: most of them, because the way there over a socket is a thousand times slower. */
import type { Random } from "../sim/random.ts";
import { FORMATS, type Format } from "./formats.ts";
import { mutate, noise } from "./mutate.ts";

/** Longest random bytes; what grows with length is found with less. */
const MAX_NOISE = 4_096;

export interface DecodingResult {
  frames: number;
  /** Those that are valid after all. */
  accepted: number;
  /** Errors that nobody expects, and values with two encodings. */
  readonly surprises: string[];
}

const MOST_SURPRISES = 20;

export function decodeFrames(count: number, random: Random, result: DecodingResult, formats = FORMATS): void {
  for (let index = 0; index < count; index++) {
    const format = random.pick(formats);
    const bytes = random.chance(0.2) ? noise(random, MAX_NOISE) : mutate(format.samples, random);
    result.frames++;
    const surprise = surpriseOf(format, bytes, result);
    if (surprise !== undefined && result.surprises.length < MOST_SURPRISES) {
      result.surprises.push(`${format.name}: ${surprise}: ${Buffer.from(bytes).toString("hex").slice(0, 2_000)}`);
    }
  }
}

function surpriseOf({ decode, errors }: Format, bytes: Uint8Array, result: DecodingResult): string | undefined {
  try {
    const encoded = decode(bytes);
    result.accepted++;
    return encoded === undefined || Buffer.compare(encoded, bytes) === 0 ? undefined : "is encoded differently";
  } catch (error) {
    return errors.some((type) => error instanceof type) ? undefined : `${(error as Error).stack ?? error}`;
  }
}
