/** `network.json`: what tools need to reach a network, in the form that viem's chain definitions expect. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { getAddress } from "viem";
import {
  ATTRIBUTION_ADDRESS,
  DATANET_ADDRESS,
  MODELS_ADDRESS,
  PARAMETERS_ADDRESS,
  STAKERS_ESCROW_ADDRESS,
  TREASURY_ADDRESS,
} from "../core/addresses.ts";
import { bytesToHex } from "../core/bytes.ts";
import type { L1Parameters } from "../genesis/l1.ts";
import { MULTICALL3_ADDRESS } from "../genesis/predeploys.ts";
import { DataError, OperationError } from "./errors.ts";

const contract = (address: Uint8Array | string) => ({
  address: getAddress(typeof address === "string" ? address : bytesToHex(address)),
});

/** Written once the chain is there and the servers listen. */
export const NETWORK_FILE = "network.json";

export interface Endpoints {
  /** Undefined where JSON-RPC does not run. */
  readonly rpc: string | undefined;
  readonly graphql: string | undefined;
  readonly content: string | undefined;
  readonly host: string | undefined;
  readonly metrics: string | undefined;
}

/** `l1`: the L1 that the network is anchored to, and where it answers. */
export function describeNetwork(
  name: string,
  chainId: bigint,
  genesisHash: Uint8Array,
  endpoints: Endpoints,
  l1?: { readonly parameters: L1Parameters; readonly urls: readonly string[] },
) {
  return {
    id: Number(chainId),
    name: `OpenLedger ${name}`,
    nativeCurrency: { name: "OPEN", symbol: "OPEN", decimals: 18 },
    rpcUrls: {
      default: {
        http: endpoints.rpc === undefined ? [] : [endpoints.rpc],
        webSocket: endpoints.rpc === undefined ? [] : [endpoints.rpc.replace(/^http/, "ws")],
      },
    },
    contracts: {
      datanet: contract(DATANET_ADDRESS),
      models: contract(MODELS_ADDRESS),
      attribution: contract(ATTRIBUTION_ADDRESS),
      parameters: contract(PARAMETERS_ADDRESS),
      treasury: contract(TREASURY_ADDRESS),
      stakersEscrow: contract(STAKERS_ESCROW_ADDRESS),
      multicall3: { ...contract(MULTICALL3_ADDRESS), blockCreated: 0 },
      ...(l1 && contractsOnL1(l1.parameters)),
    },
    ...(l1 && { sourceId: Number(l1.parameters.chainId) }),
    testnet: true,
    openledger: {
      genesisHash: bytesToHex(genesisHash),
      graphql: endpoints.graphql,
      content: endpoints.content,
      modelHost: endpoints.host,
      metrics: endpoints.metrics,
      l1: l1 && describeL1(l1.parameters, l1.urls),
    },
  };
}

/** As viem's op-stack actions look for them: by the chain id of L1. */
function contractsOnL1({ chainId, portal, oracle, l1StandardBridge, l1Messenger }: L1Parameters) {
  const onL1 = (address: Uint8Array) => ({ [Number(chainId)]: contract(address) });
  return {
    portal: onL1(portal),
    l2OutputOracle: onL1(oracle),
    l1StandardBridge: onL1(l1StandardBridge),
    l1CrossDomainMessenger: onL1(l1Messenger),
  };
}

function describeL1(l1: L1Parameters, urls: readonly string[]) {
  const address = (bytes: Uint8Array) => getAddress(bytesToHex(bytes));
  return {
    chainId: Number(l1.chainId),
    urls,
    token: address(l1.token),
    portal: address(l1.portal),
    oracle: address(l1.oracle),
    inbox: address(l1.inbox),
    registry: address(l1.registry),
    systemConfig: address(l1.systemConfig),
    l1StandardBridge: address(l1.l1StandardBridge),
    l1CrossDomainMessenger: address(l1.l1Messenger),
    contracts: { multicall3: contract(MULTICALL3_ADDRESS) },
  };
}

export type NetworkDescription = ReturnType<typeof describeNetwork>;

/** Replaces the file atomically: a reader sees the old or the new one. Throws OperationError. */
export function writeNetworkFile(datadir: string, description: NetworkDescription): void {
  const file = join(datadir, NETWORK_FILE);
  try {
    writeFileSync(`${file}.tmp`, `${JSON.stringify(description, null, 2)}\n`);
    renameSync(`${file}.tmp`, file);
  } catch (error) {
    throw new OperationError(`${file} cannot be written: ${(error as Error).message}`, { cause: error });
  }
}

export function readNetworkFile(datadir: string): NetworkDescription {
  const file = join(datadir, NETWORK_FILE);
  try {
    return JSON.parse(readFileSync(file, "utf8")) as NetworkDescription;
  } catch (error) {
    throw new DataError(`${file} cannot be read; start the node once, or name its --datadir`, { cause: error });
  }
}
