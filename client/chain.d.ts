import type { Address, Chain } from "viem";
import type { chainConfig } from "viem/op-stack";

/** What `openledger network --json` prints, as far as a chain definition needs it. */
export interface OpenledgerNetwork {
  readonly id: number;
  readonly name: string;
  readonly nativeCurrency: Chain["nativeCurrency"];
  readonly rpcUrls: Chain["rpcUrls"];
  readonly sourceId?: number | undefined;
  readonly testnet?: boolean | undefined;
  readonly contracts: { readonly [name: string]: unknown };
}

type OnL1 = { readonly [chainId: number]: { readonly address: Address } };

export declare function openledgerChain(network: OpenledgerNetwork): Omit<
  Chain,
  "contracts" | "formatters" | "serializers"
> & {
  readonly formatters: (typeof chainConfig)["formatters"];
  readonly serializers: (typeof chainConfig)["serializers"];
  readonly contracts: (typeof chainConfig)["contracts"] & {
    readonly multicall3: { readonly address: Address };
    readonly portal: OnL1;
    readonly l2OutputOracle: OnL1;
    readonly l1StandardBridge: OnL1;
    readonly l1CrossDomainMessenger: OnL1;
  };
};
