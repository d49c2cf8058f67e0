/** JSON-RPC over HTTP POST and WebSocket on one port. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { isHostAllowed } from "../../core/host-header.ts";
import type { Listener } from "../config.ts";
import { closeServer, listen } from "../http.ts";
import { type AccessRules, isOriginAllowed } from "./access.ts";
import type { RpcLog } from "./context.ts";
import { RPC_ERROR } from "./errors.ts";
import { errorText, type Rpc } from "./rpc.ts";
import { createWebSocketEndpoint } from "./websocket.ts";

export interface RpcServerOptions {
  readonly rpc: Rpc;
  readonly listener: Listener;
  readonly access: AccessRules;
  readonly log: RpcLog;
  readonly maxConnections?: number;
  readonly readTimeoutMs?: number;
  readonly writeTimeoutMs?: number;
  readonly idleTimeoutMs?: number;
  readonly pingIntervalMs?: number;
}

export interface RpcServer {
  readonly port: number;
  /** Stops accepting, lets answers finish for a moment, then cuts the rest. Does not close the `Rpc`. */
  close(graceMs?: number): Promise<void>;
}

const CONTENT_TYPES = new Set(["application/json", "application/json-rpc", "application/jsonrequest"]);
/** Times the limit of a body up to which the rest of one is read all the same. */
const MOST_DISCARDED = 4;
const GREETING = "OpenLedger JSON-RPC: POST a JSON-RPC 2.0 request, or open a WebSocket here.\n";

/** Throws OperationError when the port cannot be had. */
export async function startRpcServer(options: RpcServerOptions): Promise<RpcServer> {
  const { rpc, access, log } = options;
  const webSockets = createWebSocketEndpoint(rpc, access, options.pingIntervalMs ?? 30_000, log);
  // Clients that offer "Upgrade: h2c" (Java's do) mean a plain request.
  const shouldUpgradeCallback = ({ headers }: IncomingMessage) => headers.upgrade?.toLowerCase() === "websocket";
  const server: Server = createServer(
    { shouldUpgradeCallback, connectionsCheckingInterval: 5_000 },
    (request, response) => {
      serve(request, response, options).catch((err: unknown) => {
        // The client went away in the middle of its request.
        log.debug({ err }, "request failed");
        response.destroy();
      });
    },
  );
  server.maxConnections = options.maxConnections ?? 500;
  server.requestTimeout = options.readTimeoutMs ?? 30_000;
  server.headersTimeout = server.requestTimeout;
  server.keepAliveTimeout = options.idleTimeoutMs ?? 120_000;
  server.on("upgrade", (request, socket, head) => webSockets.upgrade(request, socket, head));
  const port = await listen(server, options.listener, "http");
  return {
    port,
    async close(graceMs = 2_000) {
      webSockets.close(graceMs);
      await closeServer(server, graceMs);
    },
  };
}

async function serve(request: IncomingMessage, response: ServerResponse, options: RpcServerOptions): Promise<void> {
  const { rpc, access } = options;
  const { host, origin } = request.headers;
  if (!isHostAllowed(host, access.vhosts)) {
    reply(response, 403, "text/plain", "invalid host specified\n");
    return;
  }
  if (access.origins.length > 0) response.setHeader("Vary", "Origin");
  if (origin !== undefined && isOriginAllowed(origin, access)) {
    response.setHeader("Access-Control-Allow-Origin", access.origins.includes("*") ? "*" : origin);
    response.setHeader("Access-Control-Allow-Methods", "POST, GET");
    response.setHeader("Access-Control-Allow-Headers", "Content-Type");
    response.setHeader("Access-Control-Max-Age", "600");
  }
  switch (request.method) {
    case "OPTIONS":
      response.writeHead(204).end();
      return;
    case "GET":
    case "HEAD":
      reply(response, 200, "text/plain", GREETING);
      return;
    case "POST":
      break;
    default:
      reply(response, 405, "text/plain", "method not allowed: use POST\n");
      return;
  }
  // A web page can send other types without asking first (CORS), so they are refused.
  const contentType = request.headers["content-type"]?.split(";")[0]?.trim().toLowerCase() ?? "";
  if (!CONTENT_TYPES.has(contentType)) {
    reply(response, 415, "text/plain", "invalid content type, only application/json is supported\n");
    return;
  }
  const body = await readBody(request, rpc.limits.requestBytes);
  if (body === undefined) {
    response.setHeader("Connection", "close");
    const message = `request body too large: the limit is ${rpc.limits.requestBytes} bytes`;
    reply(response, 413, "application/json", errorText(RPC_ERROR.invalidRequest, message));
    return;
  }
  const session = rpc.openSession();
  const answer = await rpc.handleText(body.toString("utf8"), session);
  response.setTimeout(options.writeTimeoutMs ?? 30_000, () => response.destroy());
  reply(response, 200, "application/json", answer ?? "");
}

function reply(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, { "Content-Type": contentType, "Content-Length": Buffer.byteLength(body) });
  response.end(body);
}

/**
 * Undefined when it is longer than `limit`. What is only a few times too long is read to its end and thrown away: who is
 * still writing when the connection closes sees a reset in place of the answer. Rejects when the client goes away.
 */
function readBody(request: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  const most = MOST_DISCARDED * limit;
  if (Number(request.headers["content-length"] ?? 0) > most) return Promise.resolve(undefined);
  const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>();
  const chunks: Buffer[] = [];
  let size = 0;
  request.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size <= limit) chunks.push(chunk);
    else chunks.length = 0;
    if (size <= most) return;
    request.pause();
    resolve(undefined);
  });
  request.on("end", () => resolve(size > limit ? undefined : Buffer.concat(chunks, size)));
  request.on("error", reject);
  return promise;
}
