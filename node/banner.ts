/** What `openledger devnet` shows once it runs. */
import { formatEther } from "viem";
import { DEVNET_ACCOUNTS, DEVNET_MNEMONIC, devnetAccount, privateKeyOf } from "./accounts.ts";
import type { NetworkDescription } from "./network.ts";

export function banner(network: NetworkDescription, datadir: string, validators: number, balanceWei: bigint): string {
  const { graphql, content, modelHost, metrics, l1 } = network.openledger;
  const endpoints: readonly (readonly [string, string | number | undefined])[] = [
    ["JSON-RPC", network.rpcUrls.default.http[0]],
    ["WebSocket", network.rpcUrls.default.webSocket[0]],
    ["GraphQL", graphql],
    ["Content store", content],
    ["Model host", modelHost],
    ["Metrics", metrics],
    ["L1", l1?.urls[0]],
    ["Chain id", network.id],
    ["Validators", validators],
    ["Data", datadir],
  ];
  const rows = endpoints
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `   ${name.padEnd(16)}${value}`);
  const accounts = Array.from({ length: DEVNET_ACCOUNTS }, (_, i) => {
    const account = devnetAccount(i);
    return `   (${i}) ${account.address}  ${privateKeyOf(account)}`;
  });
  return `
OpenLedger devnet

${rows.join("\n")}

Accounts, prefunded with ${formatEther(balanceWei)} OPEN each. Their keys are public: never use them elsewhere.
${accounts.join("\n")}
   Mnemonic        ${DEVNET_MNEMONIC}

Ready. Try: npm run demo${l1 === undefined ? "" : "\n       npx openledger bridge deposit --amount 25 --account 1"}
`;
}
