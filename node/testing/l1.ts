/** An L1 that a test's network is anchored to: nothing listens there. */
import { DEV_L1_CHAIN_ID, type L1Origin, type L1Parameters } from "../../genesis/l1.ts";

const address = (fill: number): Uint8Array => new Uint8Array(20).fill(fill);

export const testL1Parameters = (origin: L1Origin): L1Parameters => ({
  chainId: DEV_L1_CHAIN_ID,
  portal: address(0xa1),
  oracle: address(0xa2),
  inbox: address(0xa3),
  registry: address(0xa4),
  token: address(0xa5),
  systemConfig: address(0xa6),
  l1StandardBridge: address(0xa7),
  l1Messenger: address(0xa8),
  origin,
  finality: { depth: 2 },
  maxDriftSeconds: 600,
});
