/** GraphQL as an operator configures it: for a node's own server and for `openledger serve`. */
import type { GraphqlServerOptions } from "../indexer/server-options.ts";
import type { GraphqlConfig } from "./config.ts";
import type { Logger } from "./log.ts";

/** A client may ask for ten seconds' worth at once. */
const BURST_SECONDS = 10;

/** `location` is the index's, `vhosts` are host names that requests may name. */
export function graphqlOptions(
  config: GraphqlConfig,
  location: string,
  vhosts: readonly string[],
  log: Logger,
): GraphqlServerOptions {
  const perSecond = config.requestsPerSecond ?? Number.POSITIVE_INFINITY;
  return {
    location,
    host: config.address,
    port: config.port,
    allowedHosts: vhosts,
    corsOrigins: config.corsOrigins,
    rate: { perSecond, burst: perSecond * BURST_SECONDS },
    maxSubscribers: config.maxSubscribers,
    operations: config.operations,
    trustsProxy: config.trustsProxy,
    log: log.child({ module: "graphql" }),
  };
}
