/** A node's network from its configuration: identity and remembered peers are in its data directory. */
import { isIP } from "node:net";
import { join } from "node:path";
import type { P2pConfig } from "../config.ts";
import type { Logger } from "../log.ts";
import { loadIdentity } from "./identity.ts";
import { createLibp2pNetwork, type Libp2pNetwork } from "./network.ts";

export interface NetworkName {
  readonly chainId: bigint;
  readonly genesisHash: Uint8Array;
}

/** Throws UsageError for an address that is none, OperationError when it cannot listen. */
export async function connectPeers(
  config: P2pConfig,
  { chainId, genesisHash }: NetworkName,
  datadir: string,
  log: Logger,
): Promise<Libp2pNetwork> {
  const folder = join(datadir, "p2p");
  const { privateKey, peerId } = await loadIdentity(join(folder, "identity"));
  const network = await createLibp2pNetwork(
    {
      chainId,
      genesisHash,
      privateKey,
      listen: [multiaddrOf(config.address, config.port)],
      announce: config.announce,
      bootnodes: config.bootnodes,
      staticPeers: config.trusted,
      allowedPeers: config.allow,
      maxPeers: config.maxPeers,
      peersFile: join(folder, "peers.json"),
    },
    { log },
  );
  log.info({ peer: peerId, addresses: network.addresses }, "listening for peers");
  return network;
}

function multiaddrOf(address: string, port: number): string {
  const kind = isIP(address);
  return `/${kind === 4 ? "ip4" : kind === 6 ? "ip6" : "dns"}/${address}/tcp/${port}`;
}
