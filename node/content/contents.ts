/** A node's contents: the store, and where it runs the catalog of what the chain knows, and the exchange with peers. */
import { join } from "node:path";
import type { ContentAccess } from "../../attribution/content-access.ts";
import { ContentStore } from "../../attribution/content-store.ts";
import type { ContentsConfig } from "../config.ts";
import type { Logger } from "../log.ts";
import type { Network } from "../p2p/types.ts";
import type { Clock } from "../ports.ts";
import { contentAccess } from "./access.ts";
import { Catalog } from "./catalog.ts";
import { type FollowedChain, Follower } from "./follower.ts";
import { Replicator } from "./replicator.ts";
import { serveContents } from "./serve.ts";

export interface ContentsParts {
  readonly chain: FollowedChain & { readonly chainId: bigint };
  readonly directory: string;
  readonly config: ContentsConfig | undefined;
  /** Whether the store is served over HTTP: then the catalog runs, and peers are answered. */
  readonly isServed: boolean;
  /** Undefined: alone. */
  readonly network: Network | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Contents {
  readonly store: ContentStore;
  /** Undefined where contents are neither served nor replicated. */
  readonly access: ContentAccess | undefined;
  close(): Promise<void>;
}

export async function openContents(parts: ContentsParts): Promise<Contents> {
  const { chain, directory, config, isServed, network, clock, log } = parts;
  const store = await ContentStore.open(directory, config?.limits);
  const datanets = config?.replicate ?? [];
  const replicates = network !== undefined && datanets.length > 0;
  if (!isServed && !replicates) return { store, access: undefined, close: async () => {} };

  const catalog = Catalog.open(join(directory, "catalog.sqlite"));
  const follower = new Follower({ chain, catalog, log });
  if (network !== undefined) serveContents({ network, store, isPublic: (root) => catalog.isPublic(root) });
  const replicator = replicates ? new Replicator({ catalog, store, network, clock, log, datanets }) : undefined;
  follower.onChange(() => replicator?.wake());
  follower.start();
  replicator?.start();
  return {
    store,
    access: contentAccess(chain, catalog),
    async close() {
      await replicator?.stop();
      await follower.stop();
      catalog.close();
    },
  };
}
