/** GraphQL over WebSocket, protocol graphql-transport-ws: queries and subscriptions, under the rules of HTTP's. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type ExecutionArgs, GraphQLError } from "graphql/index.js";
import { CloseCode, handleProtocols, makeServer } from "graphql-ws";
import type { YogaServerInstance } from "graphql-yoga";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import type { PersistedOperations } from "./persisted-operations.ts";
import type { IndexerLog } from "./store.ts";

export interface WebSocketOptions {
  readonly yoga: YogaServerInstance<object, object>;
  readonly operations: PersistedOperations;
  /** Undefined when the client may ask now, otherwise the milliseconds until then. */
  readonly waitOf: (request: IncomingMessage) => number | undefined;
  /** Runs a query; undefined when there is no room for one more. */
  readonly admit: <T>(run: () => Promise<T>) => Promise<T> | undefined;
  readonly maxSockets: number;
  readonly maxMessageBytes: number;
  readonly heartbeatMs: number;
  readonly log: IndexerLog | undefined;
}

export interface WebSocketEndpoint {
  /** Precondition: Host and Origin are allowed. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Says goodbye to all, and cuts those off that do not answer within `graceMs`. */
  close(graceMs: number): Promise<void>;
}

type Enveloped = ReturnType<YogaServerInstance<object, object>["getEnveloped"]>;

/** Operations that one socket may have open. */
const MAX_OPERATIONS = 100;

export function createWebSocketEndpoint(options: WebSocketOptions): WebSocketEndpoint {
  const { yoga, operations, waitOf, admit, maxSockets, maxMessageBytes, heartbeatMs, log } = options;
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
    handleProtocols,
  });
  /** The functions of yoga's plugins that prepared an operation run it too. */
  const prepared = new WeakMap<object, Enveloped>();
  const of = (args: object): Enveloped => prepared.get(args) as Enveloped;

  const server = makeServer<Record<string, never>, { request: IncomingMessage }>({
    async onSubscribe({ extra, subscriptions }, _id, payload) {
      const waitMs = waitOf(extra.request);
      if (waitMs !== undefined)
        return [limited(`too many requests: ask again in ${Math.ceil(waitMs)} ms`, "RATE_LIMITED")];
      if (Object.keys(subscriptions).length > MAX_OPERATIONS) {
        return [limited(`more than ${MAX_OPERATIONS} operations on one socket`, "TOO_MANY_OPERATIONS")];
      }
      try {
        const query = operations.textOf(payload) as string;
        const enveloped = yoga.getEnveloped({ params: { ...payload, query } });
        const document = enveloped.parse(query);
        const errors = enveloped.validate(enveloped.schema, document);
        if (errors.length > 0) return errors as GraphQLError[];
        const args: ExecutionArgs = {
          schema: enveloped.schema,
          document,
          contextValue: await enveloped.contextFactory(),
          variableValues: payload.variables ?? undefined,
          operationName: payload.operationName ?? undefined,
        };
        prepared.set(args, enveloped);
        return args;
      } catch (error) {
        if (error instanceof GraphQLError) return [error];
        throw error;
      }
    },
    async execute(args) {
      const result = await admit(async () => await of(args).execute(args));
      return result ?? { errors: [limited("too many requests at once", "BUSY")] };
    },
    subscribe: (args) => of(args).subscribe(args),
  });

  sockets.on("connection", (socket: WebSocket, request: IncomingMessage) => {
    const fail = (err: unknown): void => {
      log?.error({ err }, "GraphQL over WebSocket failed");
      socket.close(CloseCode.InternalServerError, "the operation failed");
    };
    const closed = server.opened(
      {
        protocol: socket.protocol,
        // Resolves when the message has left, so that a client that does not read is waited for.
        send: (text) =>
          new Promise((resolve) => {
            if (socket.readyState === socket.OPEN) socket.send(text, () => resolve());
            else resolve();
          }),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (handle) => socket.on("message", (data: RawData) => void handle(data.toString()).catch(fail)),
      },
      { request },
    );
    let isAlive = true;
    const heartbeat = setInterval(() => {
      if (!isAlive) return socket.terminate();
      isAlive = false;
      socket.ping();
    }, heartbeatMs);
    socket.on("pong", () => {
      isAlive = true;
    });
    // A message that is too long or malformed: ws closes the socket with the right code itself.
    socket.on("error", () => {});
    socket.once("close", (code, reason) => {
      clearInterval(heartbeat);
      void closed(code, reason.toString());
    });
  });

  return {
    upgrade(request, socket, head) {
      if (sockets.clients.size >= maxSockets) return refuseUpgrade(socket, "503 Service Unavailable");
      sockets.handleUpgrade(request, socket, head, (accepted) => sockets.emit("connection", accepted, request));
    },
    async close(graceMs) {
      const gone = [...sockets.clients].map((socket) => new Promise((resolve) => socket.once("close", resolve)));
      for (const socket of sockets.clients) socket.close(1001, "the server is stopping");
      const forced = setTimeout(() => {
        for (const socket of sockets.clients) socket.terminate();
      }, graceMs);
      await Promise.all(gone);
      clearTimeout(forced);
      sockets.close();
    },
  };
}

/** `status` as in "403 Forbidden". */
export function refuseUpgrade(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

const limited = (message: string, code: string): GraphQLError => new GraphQLError(message, { extensions: { code } });
