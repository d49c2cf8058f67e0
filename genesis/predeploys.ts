/** Contracts that every network has from its first block; predeploys.json names source and licence of each. */
import { type Hex, hexToBytes } from "../core/bytes.ts";
import predeploys from "./predeploys.json" with { type: "json" };
import type { GenesisAccount } from "./schema.ts";

export const PREDEPLOYS: readonly GenesisAccount[] = predeploys.map((predeploy) => ({
  address: hexToBytes(predeploy.address as Hex),
  balanceWei: 0n,
  nonce: BigInt(predeploy.nonce),
  code: hexToBytes(predeploy.code as Hex),
  storage: [],
}));

export const MULTICALL3_ADDRESS = "0xca11bde05977b3631167028862be2a173976ca11";
