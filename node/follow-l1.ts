/** A node's view of L1, put together: the client, the watcher, and what the engine and the rollup RPC see of them. */
import { readL1Origin } from "../execution/block/l1-origin.ts";
import type { LevelStore } from "../execution/state/level-store.ts";
import type { L1Parameters } from "../genesis/l1.ts";
import type { Chain } from "./chain.ts";
import type { L1Config } from "./config.ts";
import type { L1Source } from "./engine/origins.ts";
import { L1Client } from "./l1/client.ts";
import { L1Watcher } from "./l1/watcher.ts";
import type { Logger } from "./log.ts";
import type { Clock } from "./ports.ts";

export interface FollowParts {
  readonly config: L1Config;
  readonly parameters: L1Parameters;
  readonly chain: Chain;
  readonly store: LevelStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onHalt: (error: Error) => void;
}

export interface FollowedL1 {
  readonly client: L1Client;
  readonly watcher: L1Watcher;
  readonly source: L1Source;
  stop(): Promise<void>;
}

export function followL1({ config, parameters, chain, store, clock, log, onHalt }: FollowParts): FollowedL1 {
  const client = new L1Client({ urls: config.urls, chainId: parameters.chainId, clock, log });
  const watcher = new L1Watcher({
    client,
    l1: parameters,
    store,
    clock,
    log,
    pollMs: config.pollMs,
    usedOrigin: () => readL1Origin(chain.headState),
    keepFrom: () => readL1Origin(chain.headState).number,
    onHalt,
  });
  return {
    client,
    watcher,
    source: {
      blocks: (number, limit) => watcher.finalBlocks(number, limit),
      onAdvance: (listener) => watcher.onAdvance(listener),
    },
    async stop() {
      client.stop();
      await watcher.stop();
    },
  };
}
