/** Where an output ends, whatever its engine keeps to: stop sequences and the limit of bytes. Pure. */
import { concatBytes } from "../../core/bytes.ts";

/**
 * Takes pieces and gives those bytes on that are certainly part of the output: what could be the beginning of a stop
 * sequence, or of a UTF-8 character, waits. A stop sequence itself is left out.
 */
export class OutputLimits {
  readonly #stops: readonly Uint8Array[];
  readonly #maxBytes: number;
  #held: Uint8Array = new Uint8Array(0);
  #given = 0;
  #ended: "stop" | "length" | undefined;

  constructor(stop: readonly string[], maxBytes: number) {
    this.#stops = stop.map((sequence) => new TextEncoder().encode(sequence)).filter((bytes) => bytes.length > 0);
    this.#maxBytes = maxBytes;
  }

  /** Set once the output is complete: further pieces are not taken. */
  get ended(): "stop" | "length" | undefined {
    return this.#ended;
  }

  push(piece: Uint8Array): Uint8Array {
    if (this.#ended !== undefined) return new Uint8Array(0);
    const bytes = concatBytes(this.#held, piece);
    const stopAt = this.#firstStop(bytes);
    if (stopAt !== undefined) {
      this.#ended = "stop";
      return this.#give(bytes.subarray(0, stopAt));
    }
    const keep = Math.max(this.#possibleStop(bytes), openCharacter(bytes));
    this.#held = bytes.slice(bytes.length - keep);
    return this.#give(bytes.subarray(0, bytes.length - keep));
  }

  /** The rest, when the engine has ended. */
  flush(): Uint8Array {
    if (this.#ended !== undefined) return new Uint8Array(0);
    return this.#give(this.#held);
  }

  #give(bytes: Uint8Array): Uint8Array {
    const room = this.#maxBytes - this.#given;
    let length = bytes.length;
    if (length > room) {
      this.#ended = "length";
      length = room;
      while (length > 0 && isContinuation(bytes[length]!)) length--;
    }
    this.#given += length;
    return bytes.slice(0, length);
  }

  /** Where the one begins that ends first, as text comes: of several the longest. */
  #firstStop(bytes: Uint8Array): number | undefined {
    let first: { readonly start: number; readonly end: number } | undefined;
    for (const stop of this.#stops) {
      const start = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(stop);
      const end = start + stop.length;
      if (start === -1 || (first !== undefined && (end > first.end || (end === first.end && start > first.start))))
        continue;
      first = { start, end };
    }
    return first?.start;
  }

  /** Longest end of `bytes` that a stop sequence begins with. */
  #possibleStop(bytes: Uint8Array): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, bytes.length); length > longest; length--) {
        const from = bytes.length - length;
        if (stop.subarray(0, length).every((byte, i) => bytes[from + i] === byte)) longest = length;
      }
    }
    return longest;
  }
}

/** Bytes at the end that begin a UTF-8 character and do not end it. */
function openCharacter(bytes: Uint8Array): number {
  for (let length = 1; length <= Math.min(3, bytes.length); length++) {
    const byte = bytes[bytes.length - length]!;
    if (isContinuation(byte)) continue;
    const whole = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length < whole ? length : 0;
  }
  return 0;
}

const isContinuation = (byte: number): boolean => byte >= 0x80 && byte <= 0xbf;
