/** Corpus indexes in memory: least recently used ones leave when the bytes exceed the bound. One build at a time. */
import { type CorpusDocument, type CorpusIndex, indexBytes } from "./corpus-index.ts";
import type { BuildIndex } from "./index-worker.ts";

export class IndexCache {
  readonly #build: BuildIndex;
  readonly #maxBytes: number;
  /** In the order of use, oldest first. */
  readonly #ready = new Map<string, CorpusIndex>();
  readonly #building = new Map<string, Promise<CorpusIndex>>();
  #lastBuild: Promise<unknown> = Promise.resolve();
  #bytes = 0;

  constructor(build: BuildIndex, maxBytes: number) {
    this.#build = build;
    this.#maxBytes = maxBytes;
  }

  /** Bytes that the indexes hold. */
  get bytes(): number {
    return this.#bytes;
  }

  /** `load` runs only when the index is neither there nor being built. Concurrent calls share one build. */
  async get(key: string, load: () => Promise<CorpusDocument[]>): Promise<CorpusIndex> {
    const ready = this.#ready.get(key);
    if (ready !== undefined) {
      this.#ready.delete(key);
      this.#ready.set(key, ready);
      return ready;
    }
    const underWay = this.#building.get(key);
    if (underWay !== undefined) return underWay;
    const building = this.#lastBuild.then(async () => this.#keep(key, await this.#build(await load())));
    this.#lastBuild = building.catch(() => {});
    this.#building.set(key, building);
    try {
      return await building;
    } finally {
      this.#building.delete(key);
    }
  }

  /** The newest stays even when it alone is above the bound: it is in use. */
  #keep(key: string, index: CorpusIndex): CorpusIndex {
    this.#ready.set(key, index);
    this.#bytes += indexBytes(index);
    for (const [oldest, dropped] of this.#ready) {
      if (this.#bytes <= this.#maxBytes || oldest === key) break;
      this.#ready.delete(oldest);
      this.#bytes -= indexBytes(dropped);
    }
    return index;
  }
}
