/** What Ethereum's system calls write at the start of a block. Without the contract's code nothing is written. */
import { bigIntToFixed, hexToBytes } from "../../core/bytes.ts";
import type { Header } from "../../core/chain.ts";
import type { StateLayer } from "../state/types.ts";
import { hasCode } from "../tx/validate.ts";

/** EIP-2935: ring of block hashes. */
export const HISTORY_ADDRESS = hexToBytes("0x0000f90827f1c53a10cb7a02335b175320002935");
export const HISTORY_WINDOW = 8_191n;
/** EIP-4788: ring of timestamps, then of beacon block roots. */
export const BEACON_ROOTS_ADDRESS = hexToBytes("0x000f3df6d732807ef1319fb7b8bb8522d0beac02");
const BEACON_ROOTS_WINDOW = 8_191n;

export function writeSystemState(
  layer: StateLayer,
  header: Pick<Header, "number" | "parentHash" | "timestamp" | "parentBeaconBlockRoot">,
): void {
  writeParentHash(layer, header);
  writeBeaconRoot(layer, header);
}

/** EIP-2935. */
export function writeParentHash(layer: StateLayer, header: Pick<Header, "number" | "parentHash">): void {
  if (!isDeployed(layer, HISTORY_ADDRESS)) return;
  layer.setStorage(HISTORY_ADDRESS, slot((header.number - 1n) % HISTORY_WINDOW), header.parentHash);
}

/** EIP-4788. */
export function writeBeaconRoot(layer: StateLayer, header: Pick<Header, "timestamp" | "parentBeaconBlockRoot">): void {
  if (!isDeployed(layer, BEACON_ROOTS_ADDRESS)) return;
  const at = header.timestamp % BEACON_ROOTS_WINDOW;
  layer.setStorage(BEACON_ROOTS_ADDRESS, slot(at), slot(header.timestamp));
  layer.setStorage(BEACON_ROOTS_ADDRESS, slot(at + BEACON_ROOTS_WINDOW), header.parentBeaconBlockRoot);
}

const slot = (value: bigint): Uint8Array => bigIntToFixed(value, 32);

function isDeployed(layer: StateLayer, address: Uint8Array): boolean {
  const account = layer.account(address);
  return account !== undefined && hasCode(account);
}
