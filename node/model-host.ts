/** Wires a model host to this node: the chain through its own JSON-RPC, contents through its own store. */
import { createPublicClient, type Hex, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { accountSigner } from "../attribution/answer.ts";
import { AnswerLog } from "../attribution/answer-log.ts";
import type { ContentSource } from "../attribution/content-store.ts";
import { openFromShards } from "../attribution/corpus.ts";
import { createModelHost } from "../attribution/model-host.ts";
import { createModelServer } from "../attribution/model-server.ts";
import { ShardStore } from "../attribution/shard-store.ts";
import { viemChainReader } from "../attribution/viem-chain-reader.ts";
import type { Listener } from "./config.ts";
import { listenError } from "./http.ts";
import type { Logger } from "./log.ts";

export interface ModelHostParts {
  readonly listener: Listener;
  /** Host names to accept besides its address. */
  readonly vhosts: readonly string[];
  /** Signs answers. */
  readonly privateKey: Hex;
  readonly chainId: bigint;
  readonly rpcUrl: string;
  readonly content: ContentSource;
  /** Directory of the signed answers. */
  readonly answers: string;
  /** Directory of the index. */
  readonly shards: string;
  readonly log: Logger;
}

export interface RunningModelHost {
  readonly url: string;
  close(): Promise<void>;
}

export async function startModelHost(parts: ModelHostParts): Promise<RunningModelHost> {
  const { listener, chainId, log } = parts;
  const chain = viemChainReader(createPublicClient({ transport: http(parts.rpcUrl, { batch: true }) }));
  const shards = await ShardStore.open(parts.shards);
  const modelHost = createModelHost({
    openCorpus: openFromShards(shards),
    chain,
    content: parts.content,
    signer: accountSigner(privateKeyToAccount(parts.privateKey)),
    answers: await AnswerLog.open(parts.answers, chainId),
  });
  const server = createModelServer({
    modelHost,
    chain,
    host: listener.address,
    port: listener.port,
    allowedHosts: parts.vhosts,
    onError: (err) => log.error({ err }, "model host request failed"),
  });
  const url = await server.listen().catch((error: unknown) => {
    throw listenError(error, listener, "host");
  });
  return {
    url,
    async close() {
      modelHost.close();
      await server.close();
      await shards.close();
    },
  };
}
