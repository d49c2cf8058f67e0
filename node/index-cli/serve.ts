/** Runs `openledger serve` until a signal. */
import { printableLocation } from "../../indexer/location.ts";
import { createGraphqlServer } from "../../indexer/server.ts";
import { serveOptions } from "../commands/serve.ts";
import { graphqlConfig, logFormat, readOptions } from "../config.ts";
import { EXIT } from "../errors.ts";
import { graphqlOptions } from "../graphql.ts";
import { listenError } from "../http.ts";
import { createLog } from "../log.ts";
import { signalled } from "../signals.ts";
import { indexLocation } from "./cli.ts";

/** Resolves to the exit code. Throws UsageError, OperationError. */
export async function runServe(args: readonly string[]): Promise<number> {
  const values = readOptions(args, process.env, serveOptions);
  const config = graphqlConfig(values);
  const location = indexLocation(values);
  const log = createLog(values["log.level"] as string, logFormat(values));
  const ending = signalled(log);
  const vhosts = (values["http.vhosts"] ?? []) as readonly string[];
  const server = await createGraphqlServer(graphqlOptions(config, location, vhosts, log)).catch((error: unknown) => {
    throw listenError(error, config, "graphql");
  });
  log.info({ graphql: server.url, index: printableLocation(location) }, "ready");
  process.send?.({ type: "ready", graphql: server.url });
  await ending;
  await server.close();
  return EXIT.ok;
}
