/** How many bytes the traces of one request may take as JSON. */

/** The trace is longer than was allowed. */
export class TraceTooLarge extends Error {}

export class TraceBudget {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Called before something is kept. Throws TraceTooLarge. */
  spend(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#maxBytes) throw new TraceTooLarge(`the trace is larger than ${this.#maxBytes} bytes`);
  }

  /** Bytes as hex in JSON. */
  spendHex(data: Uint8Array): void {
    this.spend(2 * data.length + HEX_OVERHEAD);
  }
}

/** "0x", quotes, a comma. */
const HEX_OVERHEAD = 5;
