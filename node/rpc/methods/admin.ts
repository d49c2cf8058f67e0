/** What an operator asks a node about itself. Offered only where `--http.api` names it: it tells of peers and paths. */
import { bytesToHex } from "../../../core/bytes.ts";
import type { Network } from "../../p2p/types.ts";
import { type Methods, method } from "../context.ts";
import { toQuantity } from "../format.ts";

export interface AdminParts {
  /** Undefined: alone. */
  readonly network: () => NetworkView | undefined | Promise<NetworkView | undefined>;
  readonly datadir: string;
}

/** Plain data. */
export type NetworkView = Pick<Network, "id" | "addresses" | "peers">;

/** geth's shapes; ids and addresses are libp2p's. */
export function admin(parts: AdminParts): Methods {
  return {
    admin_nodeInfo: method([], async ({ chain, clientVersion }) => {
      const network = await parts.network();
      const [listenAddr] = network?.addresses ?? [];
      return {
        id: network?.id ?? null,
        name: clientVersion,
        ...(listenAddr !== undefined && { listenAddr }),
        addresses: network?.addresses ?? [],
        protocols: {
          openledger: {
            network: Number(chain.chainId),
            genesis: bytesToHex(chain.genesisHash),
            head: bytesToHex(chain.head.hash),
            number: toQuantity(chain.head.number),
          },
        },
      };
    }),
    admin_peers: method([], async () =>
      ((await parts.network())?.peers ?? []).map(({ id, address, direction, score }) => ({
        id,
        network: { remoteAddress: address, inbound: direction === "inbound" },
        protocols: { openledger: { score } },
      })),
    ),
    admin_datadir: method([], () => parts.datadir),
  };
}
