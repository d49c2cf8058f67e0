/** What L1's newest blocks changed in the model, to be taken back when L1 replaces them. */

/** No L1 block below this many is ever replaced: L2 builds on it. */
const KEPT_BLOCKS = 8;

export class Journal {
  #blocks: { readonly number: bigint; readonly steps: (() => void)[] }[] = [];

  begin(number: bigint): void {
    this.#blocks = [...this.#blocks.slice(1 - KEPT_BLOCKS), { number, steps: [] }];
  }

  /** Does it, and remembers how it is undone. */
  do(change: () => void, undo: () => void): void {
    change();
    this.#blocks.at(-1)!.steps.push(undo);
  }

  /** Takes back the blocks above `number`, the last change first. */
  revertAbove(number: bigint): void {
    while ((this.#blocks.at(-1)?.number ?? 0n) > number) {
      for (const undo of this.#blocks.pop()!.steps.reverse()) undo();
    }
  }
}
