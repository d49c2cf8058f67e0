/** What the content server and the model server share: bounded bodies, JSON answers, the Host check. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { isHostAllowed } from "../core/host-header.ts";

/** Answered as `{"error": {"code", "message"}}`. The message names the thing, the value and the remedy. */
export class HttpError extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;
  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = "HttpError";
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

export type Handler = (request: IncomingMessage, response: ServerResponse, url: URL) => Promise<void>;

export interface ServerOptions {
  /** Address to listen on; default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /**
   * Names that the Host header may carry besides `localhost`, `host` and IP addresses (core/host-header.ts). "*" allows
   * all, for a server behind a proxy that checks.
   */
  readonly allowedHosts?: readonly string[];
  /** For a whole request to arrive; default 30 s. 0: the handler sees to it. */
  readonly requestTimeoutMs?: number;
  /** Failures that are nobody's request: the answer says only "internal". */
  readonly onError?: (error: unknown) => void;
}

export interface HttpServer {
  /** For a caller that listens and closes by its own means. */
  readonly server: Server;
  /** Resolves with the URL. Rejects with the operating system's error. */
  listen(): Promise<string>;
  close(): Promise<void>;
}

export function createHttpServer(handler: Handler, options: ServerOptions): HttpServer {
  const { host = "127.0.0.1", port = 0, allowedHosts = [], requestTimeoutMs = 30_000 } = options;
  const names = [host, ...allowedHosts];
  const server = createServer({
    requestTimeout: requestTimeoutMs,
    headersTimeout: 10_000,
    connectionsCheckingInterval: 5_000,
    maxHeaderSize: 8192,
  });
  server.maxConnections = 256;
  server.on("request", (request, response) => {
    answer(request, response).catch((error: unknown) => fail(request, response, error));
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const header = request.headers.host;
    if (!isHostAllowed(header, names)) {
      throw new HttpError(403, "host-refused", `host ${JSON.stringify(header)} is not allowed; see --http.vhosts`);
    }
    const base = "http://localhost";
    if (!URL.canParse(request.url ?? "", base)) throw new HttpError(400, "bad-url", "the request's URL cannot be read");
    await handler(request, response, new URL(request.url ?? "", base));
  }

  function fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const known = error instanceof HttpError;
    if (!known) options.onError?.(error);
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const failure = known ? error : new HttpError(500, "internal", "the server failed; see its log");
    const { status, code, message } = failure;
    for (const [name, value] of Object.entries(failure.headers)) response.setHeader(name, value);
    if (!request.complete) {
      // The client may still be sending: swallow a little so that it gets to read the answer, then cut.
      response.setHeader("connection", "close");
      request.resume();
      setTimeout(() => request.destroy(), 1_000).unref();
    }
    sendJson(response, status, { error: { code, message } });
  }

  return {
    server,
    async listen() {
      server.listen(port, host);
      await once(server, "listening");
      const address = server.address() as AddressInfo;
      return `http://${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}`;
    },
    async close() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Reads the whole body. Throws HttpError 413 as soon as it is known to be longer than `limitBytes`, 408 after `timeMs`. */
export function readBody(request: IncomingMessage, limitBytes: number, timeMs = 30_000): Promise<Uint8Array> {
  const tooLarge = () => new HttpError(413, "too-large", `the body is longer than the limit of ${limitBytes} bytes`);
  if (Number(request.headers["content-length"] ?? 0) > limitBytes) return Promise.reject(tooLarge());
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const stop = (error: HttpError) => {
      clearTimeout(timer);
      request.removeAllListeners("data");
      chunks.length = 0;
      reject(error);
    };
    const timer = setTimeout(
      () => stop(new HttpError(408, "too-slow", `the body takes longer than ${timeMs} ms`)),
      timeMs,
    );
    request.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > limitBytes) stop(tooLarge());
      else chunks.push(chunk);
    });
    request.on("end", () => {
      clearTimeout(timer);
      resolve(new Uint8Array(Buffer.concat(chunks)));
    });
    request.on("error", () => stop(new HttpError(400, "aborted", "the request ended before its body did")));
  });
}

/** bigint becomes a decimal string. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? item.toString() : item));
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "x-content-type-options": "nosniff",
  });
  response.end(response.req.method === "HEAD" ? undefined : body);
}
