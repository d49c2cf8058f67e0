/** GraphQL over HTTP, Server-Sent Events and WebSocket: reads the index through connections of its own, wherever it is. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { createYoga } from "graphql-yoga";
import { isHostAllowed } from "../core/host-header.ts";
import type { Rate } from "../core/token-bucket.ts";
import { openReader } from "./database.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { PersistedOperations } from "./persisted-operations.ts";
import { schema } from "./schema.ts";
import { ClientRates, clientOf } from "./server-clients.ts";
import { masked } from "./server-errors.ts";
import { EXAMPLE_QUERIES } from "./server-examples.ts";
import { healthOf, isHealthPath } from "./server-health.ts";
import { headersOf, isStream, listen, readBody, refuse, sendStream, sendWhole } from "./server-http.ts";
import { type GraphqlServer, type GraphqlServerOptions, TIMEOUT_MS } from "./server-options.ts";
import {
  limitsPlugin,
  persistedPlugin,
  requestPlugin,
  slowLogPlugin,
  snapshotPlugin,
  subscribePlugin,
  yogaLog,
} from "./server-plugins.ts";
import { createWebSocketEndpoint, refuseUpgrade } from "./server-websocket.ts";
import { MAX_REPLAY_BLOCKS } from "./subscription-topics.ts";
import { EventFeed } from "./subscriptions.ts";

export type { GraphqlServer, GraphqlServerOptions };

const ENDPOINT = "/graphql";
const MAX_BODY_BYTES = 100_000;
const MAX_REQUESTS = 256;
const CONNECTIONS = 4;
const CLOSE_MS = 1_000;
const SLOW_MS = 1_000;
/** A page of a busy application at once, and a steady stream after that. */
const RATE: Rate = { perSecond: 50, burst: 500 };
const MAX_SUBSCRIBERS = 100;
/** Sockets of those that only query, or come and go. */
const SPARE_SOCKETS = 100;
const MAX_UNREAD = 256;
const POLL_MS = 100;
const RETRY_MS = 1_000;
const HEARTBEAT_MS = 12_000;

/** Rejects when the port cannot be bound (Node's EADDRINUSE, EACCES), or the listed operations cannot be read. */
export async function createGraphqlServer(options: GraphqlServerOptions): Promise<GraphqlServer> {
  const { host, log, timeoutMs = TIMEOUT_MS, maxSubscribers = MAX_SUBSCRIBERS, trustsProxy = false } = options;
  const { rate = RATE, corsOrigins = [] } = options;
  const operations = new PersistedOperations(options.operations);
  const readersOf = (connections: number) =>
    openReader(options.location, { connections, statementTimeoutMs: Math.max(1, timeoutMs) });
  const readers = readersOf(options.connections ?? CONNECTIONS);
  // Of its own, so that queries do not keep subscribers waiting.
  const feedReader = readersOf(1);
  const feed = new EventFeed({
    readers: feedReader,
    timeoutMs,
    pollMs: options.pollMs ?? POLL_MS,
    maxSubscribers,
    maxUnread: MAX_UNREAD,
    maxReplayBlocks: MAX_REPLAY_BLOCKS,
    retryMs: RETRY_MS,
    log,
  });
  const yoga = createYoga<object, object>({
    schema,
    graphqlEndpoint: ENDPOINT,
    // The page is served from here: the one yoga has by default fetches its scripts from a public server. It is large,
    // so it is loaded when somebody asks for it.
    renderGraphiQL: async (page) => (await import("@graphql-yoga/render-graphiql")).renderGraphiQL(page),
    graphiql: { defaultQuery: EXAMPLE_QUERIES, title: "OpenLedger lineage" },
    landingPage: false,
    multipart: false,
    cors: corsOrigins.length === 0 ? false : { origin: [...corsOrigins], methods: ["GET", "POST"] },
    // Never a stack in an answer, whatever the environment.
    maskedErrors: { isDev: false, maskError: masked },
    logging: yogaLog(log),
    plugins: [
      requestPlugin(),
      persistedPlugin(operations),
      slowLogPlugin(options.slowMs ?? SLOW_MS, log),
      limitsPlugin({ ...DEFAULT_LIMITS, ...options.limits }),
      snapshotPlugin(readers, timeoutMs, log),
      subscribePlugin(feed),
    ],
  });
  const hosts = [host, ...(options.allowedHosts ?? [])];
  const rates = new ClientRates(rate.perSecond === Number.POSITIVE_INFINITY ? undefined : rate);
  const waitOf = (request: IncomingMessage) => rates.take(clientOf(request, trustsProxy));
  const busy = new Set<Promise<unknown>>();
  /** Undefined when there is no room. A query counts until it has ended, also when its client has gone. */
  const admit = <T>(run: () => Promise<T>): Promise<T> | undefined => {
    if (busy.size >= MAX_REQUESTS) return undefined;
    const running = run();
    busy.add(running);
    const leave = () => void busy.delete(running);
    running.then(leave, leave);
    return running;
  };
  const webSockets = createWebSocketEndpoint({
    yoga,
    operations,
    waitOf,
    admit,
    maxSockets: maxSubscribers + SPARE_SOCKETS,
    maxMessageBytes: MAX_BODY_BYTES,
    heartbeatMs: options.heartbeatMs ?? HEARTBEAT_MS,
    log,
  });
  // Clients that offer "Upgrade: h2c" (Java's do) mean a plain request.
  const shouldUpgradeCallback = ({ headers }: IncomingMessage) => headers.upgrade?.toLowerCase() === "websocket";
  const server = createServer({ shouldUpgradeCallback, connectionsCheckingInterval: 5_000 }, (request, response) => {
    serve(request, response).catch((error: unknown) => {
      // The client went away: there is nobody to answer.
      if (response.destroyed) return;
      log?.error({ err: error }, "GraphQL request failed");
      if (!response.headersSent) refuse(response, 500, "the request failed", "INTERNAL_SERVER_ERROR");
      else response.destroy();
    });
  });
  server.requestTimeout = Math.max(1, timeoutMs);
  server.on("upgrade", upgrade);

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!isHostAllowed(request.headers.host, hosts)) {
      return refuse(response, 403, `host ${request.headers.host} is not allowed; see --http.vhosts`, "FORBIDDEN");
    }
    const url = URL.parse(request.url ?? "/", `http://${request.headers.host}`);
    if (url === null) return refuse(response, 400, "malformed URL", "BAD_REQUEST");
    if (isHealthPath(url.pathname)) {
      const { status, body } = await healthOf(url.pathname, readers);
      response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
      response.end(JSON.stringify(body));
      return;
    }
    const waitMs = waitOf(request);
    if (waitMs !== undefined) return refuseRate(response, waitMs);
    const body = await readBody(request, MAX_BODY_BYTES);
    if (body === undefined) {
      return refuse(response, 413, `the body is larger than ${MAX_BODY_BYTES} bytes`, "TOO_LARGE");
    }
    const { method = "GET" } = request;
    const hasBody = method !== "GET" && method !== "HEAD";
    const init = { method, headers: headersOf(request), ...(hasBody && { body }) };
    const answer = await admit(async () => await yoga.fetch(url, init));
    if (answer === undefined) return refuse(response, 503, "too many requests at once", "BUSY");
    await (isStream(answer) ? sendStream(response, answer) : sendWhole(response, answer));
  }

  function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // A socket that fails before it is a WebSocket: there is nobody to tell.
    socket.on("error", () => {});
    const { host: name, origin } = request.headers;
    const path = URL.parse(request.url ?? "/", "http://localhost")?.pathname;
    if (path !== ENDPOINT) refuseUpgrade(socket, "404 Not Found");
    // Browsers let every page open a WebSocket, so that the server has to look where the page is from.
    else if (!isHostAllowed(name, hosts) || !isOriginAllowed(origin, name, corsOrigins)) {
      refuseUpgrade(socket, "403 Forbidden");
    } else if (waitOf(request) !== undefined) refuseUpgrade(socket, "429 Too Many Requests");
    else webSockets.upgrade(request, socket, head);
  }

  try {
    await listen(server, host, options.port);
  } catch (error) {
    await feed.close();
    await Promise.all([readers.destroy(), feedReader.destroy()]);
    throw error;
  }
  const bound = (server.address() as AddressInfo).port;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${bound}${ENDPOINT}`,
    port: bound,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await feed.close();
      await webSockets.close(CLOSE_MS);
      server.closeIdleConnections();
      const forced = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
      await closed;
      clearTimeout(forced);
      await Promise.race([Promise.allSettled(busy), delay(CLOSE_MS, undefined, { ref: false })]);
      await Promise.all([readers.destroy(), feedReader.destroy()]);
    },
  };
}

/** Programs send no Origin; the page of this server itself (GraphiQL) has its own host as origin. */
function isOriginAllowed(origin: string | undefined, host: string | undefined, allowed: readonly string[]): boolean {
  if (origin === undefined || allowed.includes("*") || allowed.includes(origin)) return true;
  return URL.parse(origin)?.host === host;
}

function refuseRate(response: ServerResponse, waitMs: number): void {
  const seconds = Math.ceil(waitMs / 1_000);
  refuse(response, 429, `too many requests: ask again in ${seconds} s`, "RATE_LIMITED", {
    "retry-after": String(seconds),
  });
}
