/** The two chains of a bridged network as viem's op-stack actions take them, from network.json. */
import { type Address, type Chain, defineChain } from "viem";
import { chainConfig } from "viem/op-stack";
import { OperationError } from "../errors.ts";
import type { NetworkDescription } from "../network.ts";

export interface BridgedNetwork {
  readonly l1: Chain;
  readonly l2: ReturnType<typeof l2Chain>;
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
    l2: l2Chain(network),
    l1Url,
    l2Url,
    token: l1.token,
    portal: l1.portal,
  };
}

const l2Chain = (network: NetworkDescription) =>
  defineChain({
    ...chainConfig,
    id: network.id,
    name: network.name,
    nativeCurrency: network.nativeCurrency,
    rpcUrls: network.rpcUrls,
    sourceId: network.openledger.l1?.chainId,
    blockTime: 1_000,
    contracts: {
      ...network.contracts,
      ...chainConfig.contracts,
      portal: l1Contract(network, "portal"),
      l2OutputOracle: l1Contract(network, "oracle"),
      l1StandardBridge: l1Contract(network, "l1StandardBridge"),
    },
  });

function l1Contract(network: NetworkDescription, name: "portal" | "oracle" | "l1StandardBridge") {
  const { l1 } = network.openledger;
  return l1 === undefined ? {} : { [l1.chainId]: { address: l1[name] } };
}
