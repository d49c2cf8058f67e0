/** An index over a synthetic chain, served as a node serves it: what the tests of this folder ask. */
import { createGraphqlServer } from "../../indexer/server.ts";
import { createIndexer } from "../../indexer/store.ts";
import type { FakeChain } from "../../indexer/testing/fake-chain.ts";
import { standardChain } from "../../indexer/testing/histories.ts";
import type { Ledger } from "../../indexer/testing/ledger.ts";
import { SQLITE } from "../../indexer/testing/stores.ts";

export interface LiveIndex {
  readonly url: string;
  readonly port: number;
  readonly chain: FakeChain;
  readonly ledger: Ledger;
  /** Stops the server, as an operator does, and starts another on its port. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** `history`: by default one in which everything happens once. */
export async function liveIndex({ chain, ledger } = standardChain()): Promise<LiveIndex> {
  const location = await SQLITE.newLocation();
  const indexer = createIndexer({ source: chain, location });
  await indexer.start();
  await indexer.caughtUp();
  const serve = (port: number) => createGraphqlServer({ location, host: "127.0.0.1", port, pollMs: 5 });
  let server = await serve(0);
  const { url, port } = server;
  return {
    url,
    port,
    chain,
    ledger,
    async restart() {
      await server.close();
      server = await serve(port);
    },
    async close() {
      await server.close();
      await indexer.stop();
    },
  };
}
