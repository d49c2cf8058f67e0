/** viem clients of a devnet with an L1, with the op-stack actions as they are. */
import { createPublicClient, createWalletClient, type HDAccount, http } from "viem";
import { publicActionsL1, publicActionsL2, walletActionsL1, walletActionsL2 } from "viem/op-stack";
import { bridgedNetwork } from "../../node/bridge-cli/chains.ts";
import type { Devnet } from "./devnet-process.ts";

export function bridgedClients(devnet: Devnet, account: HDAccount) {
  const { l1, l2, l1Url, l2Url, ...contracts } = bridgedNetwork(devnet.network);
  const options = { pollingInterval: 200 };
  return {
    ...contracts,
    chain: l2,
    l1: createPublicClient({ chain: l1, transport: http(l1Url, { timeout: 60_000 }), ...options }).extend(
      publicActionsL1(),
    ),
    l2: createPublicClient({ chain: l2, transport: http(l2Url, { timeout: 60_000 }), ...options }).extend(
      publicActionsL2(),
    ),
    walletL1: createWalletClient({
      chain: l1,
      account,
      transport: http(l1Url, { timeout: 60_000 }),
      ...options,
    }).extend(walletActionsL1()),
    walletL2: createWalletClient({
      chain: l2,
      account,
      transport: http(l2Url, { timeout: 60_000 }),
      ...options,
    }).extend(walletActionsL2()),
  };
}
