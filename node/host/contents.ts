/** A host keeps what it read: it is liable for the data of its models, whatever becomes of the stores they came from. */
import { type ContentSource, type ContentStore, ContentStoreError } from "../../attribution/content-store.ts";
import type { Hex } from "../../core/bytes.ts";
import { type Authorize, ask, StoreRefusal } from "../data-cli/store-client.ts";

/**
 * Its own store first, then the servers in their order; what a server gave is kept. `authorize` signs for contents that
 * are not for everybody, where a server asks for it. Rejects when no server has it, and one of them could not say so.
 */
export function keptContents(store: ContentStore, urls: readonly string[], authorize?: Authorize): ContentSource {
  async function fetchFrom(url: string, root: Hex): Promise<void> {
    const path = `/content/${root}`;
    const { response, alive } = await ask({ url }, path).catch((error: unknown) => {
      if (authorize === undefined || !(error instanceof StoreRefusal) || error.status !== 401) throw error;
      return ask({ url, authorize }, path);
    });
    await store.putStream(watched(response, alive), { root });
  }

  return {
    async get(root) {
      const kept = await store.get(root).catch((error: unknown) => {
        // Damaged on disk: fetched again, which mends it.
        if (error instanceof ContentStoreError && error.code === "damaged") return undefined;
        throw error;
      });
      if (kept !== undefined) return kept;
      let failure: unknown;
      for (const url of urls) {
        try {
          await fetchFrom(url, root);
          return await store.get(root);
        } catch (error) {
          if (!(error instanceof StoreRefusal) || error.status !== 404) failure = error;
        }
      }
      if (failure !== undefined) throw failure;
      return undefined;
    },
  };
}

async function* watched(response: Response, alive: () => void): AsyncGenerator<Uint8Array> {
  for await (const bytes of response.body ?? []) {
    alive();
    yield bytes;
  }
}
