/** GraphQL over HTTP: reads the index file through connections of its own, so that the writer never waits for a query. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { renderGraphiQL } from "@graphql-yoga/render-graphiql";
import { type ExecutionResult, GraphQLError, parse } from "graphql/index.js";
import { createYoga, type Plugin } from "graphql-yoga";
import type { Kysely } from "kysely";
import { isHostAllowed } from "../core/host-header.ts";
import { openReader } from "./database.ts";
import { aliasLimit, DEFAULT_LIMITS, findExcess, type QueryLimits } from "./limits.ts";
import { Reader } from "./loaders.ts";
import { schema } from "./schema.ts";
import type { GraphqlContext } from "./schema-builder.ts";
import type { Indexer, IndexerLog } from "./store.ts";
import type { Database } from "./tables.ts";

export interface GraphqlServerOptions {
  /** A started indexer: its file is there. */
  readonly indexer: Pick<Indexer, "location" | "status">;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /**
   * Host names that requests may name besides localhost, `host` and addresses: DNS rebinding needs a name, which a web
   * page's owner points here. "*" allows all.
   */
  readonly allowedHosts?: readonly string[];
  /** Origins of web pages that may read the answers. None by default, "*" for all. */
  readonly corsOrigins?: readonly string[];
  readonly limits?: Partial<QueryLimits>;
  readonly timeoutMs?: number;
  readonly log?: IndexerLog;
}

export interface GraphqlServer {
  /** Of the GraphQL endpoint, which also serves GraphiQL to browsers. */
  readonly url: string;
  readonly port: number;
  /** Refuses new requests, finishes those in hand (at most a second) and closes the file. */
  close(): Promise<void>;
}

const ENDPOINT = "/graphql";
const MAX_BODY_BYTES = 100_000;
const MAX_REQUESTS = 256;
const READ_CONNECTIONS = 4;
const TIMEOUT_MS = 10_000;
const CLOSE_MS = 1_000;

const EXAMPLE_QUERY = `# Where does an output come from, and who was paid for it?
query Lineage {
  _meta { block { number timestamp } hasIndexingErrors }
  lineage(output: "1") {
    root { outputRoot fee coveredBytes outputBytes model { name parent { name } } }
    attributions {
      weight
      weightPpm
      licence
      paid
      contributor { address }
      contribution { id uri datanet { name } }
    }
    truncated
    asOf { number }
  }
  inferences(first: 5, order: NEWEST) { totalCount nodes { id state fee } }
}
`;

/** Rejects when the port cannot be bound (Node's EADDRINUSE, EACCES). */
export async function createGraphqlServer(options: GraphqlServerOptions): Promise<GraphqlServer> {
  const { indexer, host, port, log } = options;
  const readers = openReader(indexer.location, { connections: READ_CONNECTIONS });
  const yoga = createYoga<object, object>({
    schema,
    graphqlEndpoint: ENDPOINT,
    // The page is served from here: the one yoga has by default fetches its scripts from a public server.
    renderGraphiQL,
    graphiql: { defaultQuery: EXAMPLE_QUERY, title: "OpenLedger lineage" },
    landingPage: false,
    multipart: false,
    cors: corsOf(options.corsOrigins ?? []),
    // Never a stack in an answer, whatever the environment.
    maskedErrors: { isDev: false },
    logging: yogaLog(log),
    plugins: [limitsPlugin({ ...DEFAULT_LIMITS, ...options.limits }), snapshotPlugin(readers, options)],
  });
  const hosts = [host, ...(options.allowedHosts ?? [])];
  let open = 0;
  const server = createServer({ connectionsCheckingInterval: 5_000 }, (request, response) => {
    if (open >= MAX_REQUESTS) return refuse(response, 503, "too many requests at once");
    open += 1;
    response.once("close", () => {
      open -= 1;
    });
    serve(request, response).catch((error: unknown) => {
      // The client went away: there is nobody to answer.
      if (response.destroyed) return;
      log?.error({ err: error }, "GraphQL request failed");
      if (!response.headersSent) refuse(response, 500, "the request failed");
      else response.destroy();
    });
  });
  server.requestTimeout = options.timeoutMs ?? TIMEOUT_MS;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!isHostAllowed(request.headers.host, hosts)) {
      return refuse(response, 403, `host ${request.headers.host} is not allowed; see --http.vhosts`);
    }
    const body = await readBody(request);
    if (body === undefined) return refuse(response, 413, `the body is larger than ${MAX_BODY_BYTES} bytes`);
    const { method = "GET" } = request;
    const url = URL.parse(request.url ?? "/", `http://${request.headers.host}`);
    if (url === null) return refuse(response, 400, "malformed URL");
    const answer = await yoga.fetch(url, {
      method,
      headers: headersOf(request),
      ...(method === "GET" || method === "HEAD" ? {} : { body }),
    });
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(Buffer.from(await answer.arrayBuffer()));
  }

  try {
    await listen(server, host, port);
  } catch (error) {
    await readers.destroy();
    throw error;
  }
  const bound = (server.address() as AddressInfo).port;
  return {
    url: `http://${bracketed(host)}:${bound}${ENDPOINT}`,
    port: bound,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const forced = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
      await closed;
      clearTimeout(forced);
      await readers.destroy();
    },
  };
}

function limitsPlugin(limits: QueryLimits): Plugin {
  return {
    onParse: ({ setParseFn }) => {
      setParseFn((source, options) => parse(source, { ...options, maxTokens: limits.maxTokens }));
    },
    onValidate: ({ addValidationRule }) => addValidationRule(aliasLimit(limits.maxAliases)),
    onExecute: ({ args, setResultAndStopExecution }) => {
      const excess = findExcess(args, limits);
      if (excess !== undefined) setResultAndStopExecution({ errors: [excess] });
    },
  };
}

/** One read transaction a request: all of an answer is of one block, which `_meta` names. */
function snapshotPlugin(
  readers: Kysely<Database>,
  { indexer, timeoutMs = TIMEOUT_MS }: Pick<GraphqlServerOptions, "indexer" | "timeoutMs">,
): Plugin {
  return {
    onExecute: ({ executeFn, setExecuteFn }) => {
      setExecuteFn(async (args): Promise<ExecutionResult> => {
        const snapshot = await readers.startTransaction().execute();
        try {
          const context: GraphqlContext = {
            reader: new Reader(snapshot, timeoutMs),
            hasIndexingErrors: indexer.status().error !== undefined,
          };
          return await executeFn({ ...args, contextValue: { ...args.contextValue, ...context } });
        } finally {
          await snapshot.rollback().execute();
        }
      });
    },
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Undefined when the body exceeds the limit; what follows is left unread. Rejects when the client goes away. */
function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  if (Number(request.headers["content-length"] ?? 0) > MAX_BODY_BYTES) return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let length = 0;
    request.on("data", (part: Buffer) => {
      length += part.length;
      if (length <= MAX_BODY_BYTES) parts.push(part);
      else {
        request.pause();
        resolve(undefined);
      }
    });
    request.once("end", () => resolve(Buffer.concat(parts)));
    request.once("error", reject);
  });
}

function headersOf(request: IncomingMessage): [string, string][] {
  return Object.entries(request.headersDistinct).flatMap(([name, values]) =>
    (values ?? []).map((value): [string, string] => [name, value]),
  );
}

const bracketed = (host: string): string => (host.includes(":") ? `[${host}]` : host);

function corsOf(origins: readonly string[]) {
  return origins.length === 0 ? (false as const) : { origin: [...origins], methods: ["GET", "POST"] };
}

function refuse(response: ServerResponse, status: number, message: string): void {
  // The rest of a refused request is not read.
  response.writeHead(status, { "content-type": "application/json", connection: "close" });
  response.end(JSON.stringify({ errors: [{ message }] }));
}

/** Errors that clients get masked stay visible here; the rest of yoga's chatter does not. */
function yogaLog(log: IndexerLog | undefined) {
  const silent = (): void => {};
  const error = (...parts: unknown[]): void => {
    for (const part of parts) {
      if (part instanceof GraphQLError && part.originalError === undefined) continue;
      log?.error({ err: part }, "GraphQL resolver failed");
    }
  };
  return { debug: silent, info: silent, warn: silent, error };
}
