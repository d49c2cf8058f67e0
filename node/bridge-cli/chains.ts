/** The two chains of a bridged network as viem's op-stack actions take them, from network.json. */
import { type Address, type Chain, defineChain } from "viem";
import { openledgerChain } from "../../client/chain.js";
import { OperationError } from "../errors.ts";
import type { NetworkDescription } from "../network.ts";

export interface BridgedNetwork {
  readonly l1: Chain;
  readonly l2: ReturnType<typeof openledgerChain>;
  readonly l1Url: string;
  readonly l2Url: string;
  /** OPEN on L1. */
  readonly token: Address;
  readonly portal: Address;
}

/** Throws OperationError when the network has no L1 or serves no JSON-RPC. */
export function bridgedNetwork(network: NetworkDescription): BridgedNetwork {
  const { l1 } = network.openledger;
  if (l1 === undefined) throw new OperationError("this network has no L1");
  const [l1Url] = l1.urls;
  const [l2Url] = network.rpcUrls.default.http;
  if (l1Url === undefined)
    throw new OperationError("network.json names no endpoint of L1: start the node with --l1.urls");
  if (l2Url === undefined) throw new OperationError("this node serves no JSON-RPC");
  const ether = { name: "Ether", symbol: "ETH", decimals: 18 };
  const rpcUrls = { default: { http: l1.urls } };
  return {
    l1: defineChain({
      id: l1.chainId,
      name: `L1 of ${network.name}`,
      nativeCurrency: ether,
      rpcUrls,
      contracts: l1.contracts,
    }),
    l2: openledgerChain(network),
    l1Url,
    l2Url,
    token: l1.token,
    portal: l1.portal,
  };
}
