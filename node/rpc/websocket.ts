/** JSON-RPC over WebSocket: one session a connection, with notifications. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import { isHostAllowed } from "../../core/host-header.ts";
import { type AccessRules, isOriginAllowed } from "./access.ts";
import type { RpcLog } from "./context.ts";
import type { Rpc } from "./rpc.ts";

/** Requests of one connection that run at the same time; reading pauses beyond. */
const MAX_IN_FLIGHT = 16;
/** Unsent bytes above which reading pauses, and above which a subscriber that does not read is cut off. */
const PAUSE_BYTES = 1024 * 1024;
const CUT_OFF_BYTES = 16 * 1024 * 1024;

export interface WebSocketEndpoint {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Says goodbye to all, and cuts those off that do not answer within `graceMs`. */
  close(graceMs: number): void;
}

export function createWebSocketEndpoint(
  rpc: Rpc,
  access: AccessRules,
  pingIntervalMs: number,
  log: RpcLog,
): WebSocketEndpoint {
  const server = new WebSocketServer({ noServer: true, maxPayload: rpc.limits.requestBytes, perMessageDeflate: false });
  const silent = new WeakSet<WebSocket>();
  const pings = setInterval(() => {
    for (const socket of server.clients) {
      if (silent.has(socket)) socket.terminate();
      else if (!socket.isPaused) {
        silent.add(socket);
        socket.ping();
      }
    }
  }, pingIntervalMs);
  pings.unref();

  server.on("connection", (socket: WebSocket, { socket: stream }: IncomingMessage) => {
    let isCorked = false;
    /** What a turn of the event loop has to say goes out in one write: a write costs more than what is in it. */
    const cork = () => {
      if (isCorked) return;
      isCorked = true;
      stream.cork();
      setImmediate(() => {
        isCorked = false;
        stream.uncork();
      });
    };
    const session = rpc.openSession((text) => {
      if (socket.bufferedAmount > CUT_OFF_BYTES) socket.terminate();
      else if (socket.readyState === socket.OPEN) {
        cork();
        socket.send(text);
      }
    });
    let inFlight = 0;
    const balance = () => {
      if (socket.readyState !== socket.OPEN) return;
      if (inFlight >= MAX_IN_FLIGHT || socket.bufferedAmount > PAUSE_BYTES) socket.pause();
      else socket.resume();
    };
    const answer = async (data: RawData): Promise<void> => {
      inFlight++;
      balance();
      const text = await rpc.handleText(data.toString(), session);
      inFlight--;
      if (text !== undefined && socket.readyState === socket.OPEN) socket.send(text, balance);
      balance();
    };
    socket.on("pong", () => silent.delete(socket));
    socket.on("message", (data) => {
      silent.delete(socket);
      void answer(data);
    });
    // A frame over the limit or a broken one: ws closes the connection with the right code itself.
    socket.on("error", (err) => log.debug({ err }, "websocket failed"));
    socket.on("close", () => rpc.closeSession(session));
  });

  return {
    upgrade(request, socket, head) {
      if (!isHostAllowed(request.headers.host, access.vhosts) || !isOriginAllowed(request.headers.origin, access)) {
        socket.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        return;
      }
      server.handleUpgrade(request, socket, head, (accepted) => server.emit("connection", accepted, request));
    },
    close(graceMs) {
      clearInterval(pings);
      for (const socket of server.clients) socket.close(1001, "the node is stopping");
      setTimeout(() => {
        for (const socket of server.clients) socket.terminate();
      }, graceMs).unref();
      server.close();
    },
  };
}
