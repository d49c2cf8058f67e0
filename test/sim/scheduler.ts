/** Simulated time: a binary heap of actions by moment. Actions of one moment run in the order they were scheduled. */
interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly action: () => void;
}

export class Scheduler {
  readonly #heap: Entry[] = [];
  #order = 0;
  #nowMs = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Actions that wait. */
  get size(): number {
    return this.#heap.length;
  }

  /** A moment that has passed means now. */
  at(atMs: number, action: () => void): void {
    const entry = { atMs: Math.max(atMs, this.#nowMs), order: this.#order++, action };
    const heap = this.#heap;
    let hole = heap.length;
    heap.push(entry);
    while (hole > 0) {
      const above = (hole - 1) >> 1;
      if (!isBefore(entry, heap[above] as Entry)) break;
      heap[hole] = heap[above] as Entry;
      hole = above;
    }
    heap[hole] = entry;
  }

  after(delayMs: number, action: () => void): void {
    this.at(this.#nowMs + delayMs, action);
  }

  /** Runs everything that is due up to `endMs`, that moment included. */
  run(endMs: number): void {
    for (let first = this.#heap[0]; first !== undefined && first.atMs <= endMs; first = this.#heap[0]) {
      this.#nowMs = first.atMs;
      this.#removeFirst();
      first.action();
    }
    this.#nowMs = endMs;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop() as Entry;
    const size = heap.length;
    if (size === 0) return;
    let hole = 0;
    for (;;) {
      let below = 2 * hole + 1;
      if (below >= size) break;
      if (below + 1 < size && isBefore(heap[below + 1] as Entry, heap[below] as Entry)) below++;
      if (!isBefore(heap[below] as Entry, last)) break;
      heap[hole] = heap[below] as Entry;
      hole = below;
    }
    heap[hole] = last;
  }
}

const isBefore = (a: Entry, b: Entry): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
