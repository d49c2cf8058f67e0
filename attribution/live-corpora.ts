/** A host's corpora: which contributions a request draws on, opened and shared, with retrieval where it is wanted. */
import { equalsBytes, hexToBytes } from "../core/bytes.ts";
import { contentRoot } from "../core/content.ts";
import { type AcceptedContribution, type ChainReader, liveContributions } from "./chain-reader.ts";
import type { ContentSource } from "./content-store.ts";
import type { Corpus, CorpusEntry, OpenCorpus } from "./corpus.ts";
import { type Closable, CorpusViews, corpusKey } from "./corpus-views.ts";
import type { Passage } from "./engines/engine.ts";
import { checkCorpus, fromChain } from "./host-checks.ts";
import type { ModelHostLimits } from "./model-host-limits.ts";
import { Refusal } from "./refusal.ts";
import { PassageIndex } from "./retrieval.ts";
import { ShardDamagedError } from "./shard-layout.ts";

interface OpenView extends Closable {
  readonly corpus: Corpus;
  /** Undefined where nobody reads passages. */
  readonly passages: PassageIndex | undefined;
}

export interface LiveCorpora {
  /** Contributions of the model that are live for a request of this block. Throws Refusal. */
  live(modelId: bigint, requestedAt: bigint): Promise<readonly AcceptedContribution[]>;
  /** Keeps the corpus over them open while `use` runs. Throws Refusal. */
  use<R>(live: readonly AcceptedContribution[], use: (view: OpenView) => Promise<R>): Promise<R>;
  /** Passages for the prompt, best first. Throws Refusal. */
  retrieve(view: OpenView, query: string): Promise<Passage[]>;
  close(): void;
}

export function createLiveCorpora(
  chain: ChainReader,
  content: ContentSource,
  openCorpus: OpenCorpus,
  limits: ModelHostLimits,
): LiveCorpora {
  const views = new CorpusViews<OpenView>(limits.maxOpenCorpora);

  /** Checked against the root, whatever the source promises. */
  async function read({ id, contentRoot: root, size }: CorpusEntry): Promise<Uint8Array> {
    const bytes = await content.get(root).catch((error: unknown) => {
      const message = `content ${root} of contribution ${id} cannot be read: ${(error as Error).message}`;
      throw new Refusal("content-unavailable", message, { cause: error });
    });
    if (bytes?.length !== size || !equalsBytes(contentRoot(bytes), hexToBytes(root))) {
      throw new Refusal("content-unavailable", `content ${root} of contribution ${id} is not in the content store`);
    }
    return bytes;
  }

  async function open(live: readonly AcceptedContribution[]): Promise<OpenView> {
    const corpus = await openCorpus(live, read);
    const passages = limits.passages > 0 ? await openPassages(live) : undefined;
    return { corpus, passages, close: () => corpus.close() };
  }

  async function openPassages(live: readonly AcceptedContribution[]): Promise<PassageIndex> {
    try {
      return await PassageIndex.build(live, read);
    } catch (error) {
      if (error instanceof RangeError) throw new Refusal("corpus-too-large", error.message, { cause: error });
      throw error;
    }
  }

  return {
    async live(modelId, requestedAt) {
      const live = await fromChain(liveContributions(chain, modelId, requestedAt));
      checkCorpus(modelId, live, limits);
      return live;
    },
    async use(live, use) {
      const key = corpusKey(live);
      try {
        return await views.use(key, () => open(live), use);
      } catch (error) {
        if (!(error instanceof ShardDamagedError)) throw error;
        // The shard store builds it again for the next view.
        views.forget(key);
        throw new Refusal("index-damaged", "the index of the model's data was damaged; ask again", { cause: error });
      }
    },
    async retrieve({ passages }, query) {
      if (passages === undefined) return [];
      const decoder = new TextDecoder();
      return Promise.all(
        passages.search(query, limits.passages).map(async ({ entry, ...citation }) => {
          const bytes = await read(entry);
          const { offset, length } = citation;
          return { ...citation, text: decoder.decode(bytes.subarray(offset, offset + length)) };
        }),
      );
    },
    close: () => views.close(),
  };
}
