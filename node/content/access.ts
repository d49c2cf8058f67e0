/** Who may read a content, from the catalog and the state of the head's block. */
import type { ContentAccess } from "../../attribution/content-access.ts";
import type { ChainApi } from "../chain-api.ts";
import type { Catalog } from "./catalog.ts";
import { type CalledChain, reader } from "./follower.ts";

/** Granted are a Datanet's owner, curators and builders, and of a contribution its contributor. */
export function contentAccess(
  chain: Pick<ChainApi, "chainId" | "head" | "block"> & CalledChain,
  catalog: Catalog,
): ContentAccess {
  return {
    chainId: chain.chainId,
    visibility: (root) => catalog.visibility(root).type,
    async isGranted(root, account) {
      const visibility = catalog.visibility(root);
      if (visibility.type !== "granted") return visibility.type === "public";
      const { contributions } = visibility;
      if (contributions.some(({ contributor }) => contributor === account)) return true;
      const block = chain.block(chain.head.number);
      if (block === undefined) throw new Error(`the chain has no block ${chain.head.number}`);
      const read = reader(chain, block);
      for (const datanetId of new Set(contributions.map((contribution) => contribution.datanetId))) {
        const { owner } = await read("datanet", [datanetId]);
        if (owner.toLowerCase() === account) return true;
        if (await read("isBuilder", [datanetId, account])) return true;
        if (await read("isCurator", [datanetId, account])) return true;
      }
      return false;
    },
  };
}
