/** Opened corpora, shared by the answers that draw on them: the least recently used one that nobody uses is closed. */

import { createHash } from "node:crypto";
import type { CorpusEntry } from "./corpus.ts";

/** What is opened for a live set. */
export interface Closable {
  close(): void;
}

interface View<V> {
  readonly opening: Promise<V>;
  users: number;
}

export class CorpusViews<V extends Closable> {
  readonly #max: number;
  /** In the order of use, oldest first. */
  readonly #views = new Map<string, View<V>>();
  #lastOpening: Promise<unknown> = Promise.resolve();
  readonly #forgotten = new Set<View<V>>();
  #isClosed = false;

  /** `max`: views that stay open though nobody uses them. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Opens it unless it is open, one after the other, and keeps it open while `use` runs. */
  async use<R>(key: string, open: () => Promise<V>, use: (view: V) => Promise<R>): Promise<R> {
    if (this.#isClosed) throw new Error("the views are closed");
    const view = this.#views.get(key) ?? this.#open(key, open);
    // To the end: the newest.
    this.#views.delete(key);
    this.#views.set(key, view);
    view.users++;
    try {
      return await use(await view.opening);
    } finally {
      view.users--;
      this.#closeForgotten();
      this.#closeUnused(this.#isClosed ? 0 : this.#max);
    }
  }

  /** Opens anew the next time; those that use it now keep it. */
  forget(key: string): void {
    const view = this.#views.get(key);
    if (view === undefined) return;
    this.#views.delete(key);
    this.#forgotten.add(view);
    this.#closeForgotten();
  }

  /** Those in use close with their last user. */
  close(): void {
    this.#isClosed = true;
    this.#closeUnused(0);
  }

  #open(key: string, open: () => Promise<V>): View<V> {
    const opening = this.#lastOpening.then(open);
    const view: View<V> = { opening, users: 0 };
    this.#lastOpening = opening.catch(() => {
      if (this.#views.get(key) === view) this.#views.delete(key);
    });
    return view;
  }

  #closeForgotten(): void {
    for (const view of this.#forgotten) {
      if (view.users > 0) continue;
      this.#forgotten.delete(view);
      close(view);
    }
  }

  #closeUnused(keep: number): void {
    let excess = this.#views.size - keep;
    for (const [key, view] of this.#views) {
      if (excess <= 0) return;
      if (view.users > 0) continue;
      this.#views.delete(key);
      excess--;
      close(view);
    }
  }
}

/** One that could not be opened has nothing to close. */
function close({ opening }: View<Closable>): void {
  opening.then(
    (value) => value.close(),
    () => {},
  );
}

/** Ids and roots say all about the contents; two models over the same live set share a view. */
export function corpusKey(live: readonly Pick<CorpusEntry, "id" | "contentRoot">[]): string {
  const hash = createHash("sha256");
  for (const { id, contentRoot } of live) hash.update(`${id}:${contentRoot},`);
  return hash.digest("hex");
}
