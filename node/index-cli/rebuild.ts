/**
 * Builds an index anew beside the one in use, from another process: the node and the servers go on meanwhile. In
 * PostgreSQL it takes the old one's place at once; a file is taken by the node when it starts the next time.
 */
import { besideIndex, replaceIndex } from "../../indexer/database.ts";
import { printableLocation } from "../../indexer/location.ts";
import { createIndexer } from "../../indexer/store.ts";
import { OperationError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { rpcSource } from "./rpc-source.ts";

/** Returns what to tell the user. Throws OperationError. */
export async function rebuildIndex(location: string, rpc: string, log: Logger): Promise<string> {
  const source = await rpcSource(rpc);
  const beside = await besideIndex(location);
  const indexer = createIndexer({ source, location: beside, log });
  try {
    await indexer.start();
    await indexer.caughtUp();
  } catch (error) {
    throw new OperationError(`the index cannot be rebuilt: ${(error as Error).message}`, { cause: error });
  } finally {
    await indexer.stop();
  }
  const use = (await replaceIndex(location)) === "now" ? "in use" : "the node takes it when it starts the next time";
  return `${printableLocation(location)} is rebuilt up to block ${source.head.number}: ${use}`;
}
