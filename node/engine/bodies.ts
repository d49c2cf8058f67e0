/** Blocks as they came, before they are executed or final. Bounded: the oldest leave first. */
import { bytesToHex } from "../../core/bytes.ts";

const MOST_BLOCKS = 128;
const MOST_BYTES = 128 * 1024 * 1024;

export class Bodies {
  readonly #raws = new Map<string, Uint8Array>();
  #bytes = 0;

  /** Keeps a copy: what comes from the network shares memory with its message. */
  add(hash: Uint8Array, raw: Uint8Array): void {
    const key = bytesToHex(hash);
    if (this.#raws.has(key)) return;
    this.#raws.set(key, raw.slice());
    this.#bytes += raw.length;
    for (const oldest of this.#raws.keys()) {
      if (this.#raws.size <= MOST_BLOCKS && this.#bytes <= MOST_BYTES) return;
      this.#drop(oldest);
    }
  }

  get(hash: Uint8Array): Uint8Array | undefined {
    return this.#raws.get(bytesToHex(hash));
  }

  /** It is committed: the chain has it. */
  drop(hash: Uint8Array): void {
    this.#drop(bytesToHex(hash));
  }

  #drop(key: string): void {
    this.#bytes -= this.#raws.get(key)?.length ?? 0;
    this.#raws.delete(key);
  }
}
