/** A host keeps what it read: it is liable for the data of its models, whatever becomes of the stores they came from. */
import { httpContentSource } from "../../attribution/content-server.ts";
import { type ContentSource, type ContentStore, ContentStoreError } from "../../attribution/content-store.ts";

/** The store first, then the servers in their order; what a server gave is put into the store. */
export function keptContents(store: ContentStore, urls: readonly string[]): ContentSource {
  const servers = urls.map((url) => httpContentSource(url, store.limits.maxItemBytes));
  return {
    async get(root) {
      const kept = await store.get(root).catch((error: unknown) => {
        // Damaged on disk: fetched again, which mends it.
        if (error instanceof ContentStoreError && error.code === "damaged") return undefined;
        throw error;
      });
      if (kept !== undefined) return kept;
      let failure: unknown;
      for (const server of servers) {
        try {
          const bytes = await server.get(root);
          if (bytes === undefined) continue;
          await store.put(bytes);
          return bytes;
        } catch (error) {
          failure = error;
        }
      }
      if (failure !== undefined) throw failure;
      return undefined;
    },
  };
}
