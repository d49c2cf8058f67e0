/**
 * The network as a chain definition of viem, which its op-stack actions take as `chain` and as `targetChain`.
 *
 *   import { openledgerChain } from "openledger/chain";
 *   const chain = openledgerChain(JSON.parse(readFileSync("network.json", "utf8")));
 *
 * `network`: what `openledger network --json` prints.
 */
import { defineChain } from "viem";
import { chainConfig } from "viem/op-stack";

/** @type {typeof import("./chain.d.ts").openledgerChain} */
export function openledgerChain(network) {
  const { id, name, nativeCurrency, rpcUrls, contracts, sourceId, testnet } = network;
  return defineChain({
    ...chainConfig,
    id,
    name,
    nativeCurrency,
    rpcUrls,
    sourceId,
    testnet,
    // What viem waits between looks at the chain follows from it.
    blockTime: 1_000,
    // Which ones the network has is for its file to say.
    contracts: /** @type {any} */ ({ ...chainConfig.contracts, ...contracts }),
  });
}
