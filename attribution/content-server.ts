/**
 * The content store over HTTP. CORS is off: no page of another origin can read or put. What leaves has been checked
 * against its root; limits are in content-limits.ts, the user's guide in docs/content.md.
 *
 *   PUT  /content                          body = the bytes   -> 201 (200 when it was there) {root, size}
 *   GET  /content/:root                    Range, If-Range, If-Match, If-None-Match -> the bytes; HEAD too
 *   GET  /content/:root/proof?first=&last= chunks of 256 bytes -> {root, size, first, last, data, siblings}
 *   GET  /content?after=:root&limit=n      roots in order     -> {items: [{root, size}], next}
 *
 * Contents of permissioned Datanets are given to granted accounts, whose requests are signed (content-request.ts).
 * Errors: {"error": {"code", "message"}}; 429 and 503 say in Retry-After when to come again.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { bytesToHex, type Hex } from "../core/bytes.ts";
import { contentRoot } from "../core/content.ts";
import { type ContentAccess, gatekeeper } from "./content-access.ts";
import { Clients, clientOf, isLoopback } from "./content-clients.ts";
import type { ContentFile } from "./content-file.ts";
import { type ContentServerLimits, SERVER_LIMITS } from "./content-limits.ts";
import { pacedBody, pacedWriter } from "./content-pace.ts";
import { namesTag, selectRange } from "./content-range.ts";
import { type ContentSource, type ContentStore, ContentStoreError, parseRoot } from "./content-store.ts";
import { createHttpServer, HttpError, type HttpServer, type ServerOptions, sendJson } from "./http.ts";

export interface ContentServerOptions extends ServerOptions {
  readonly store: ContentStore;
  /** Over the defaults of content-limits.ts. */
  readonly limits?: Partial<ContentServerLimits>;
  /** Who may read what; without it everybody everything. */
  readonly access?: ContentAccess | undefined;
  /** Whether contents may be put; default true. */
  readonly takesUploads?: boolean;
  /** Further endpoints, asked where this server has none: true when it answered. */
  readonly routes?: (request: IncomingMessage, response: ServerResponse, url: URL) => Promise<boolean>;
}

export function createContentServer(options: ContentServerOptions): HttpServer {
  const { store, takesUploads = true } = options;
  const gate = gatekeeper(options.access);
  const limits = { ...SERVER_LIMITS, ...options.limits };
  const clients = new Clients(limits);
  const underWay = { uploads: 0, reads: 0 };

  /** Holds a place of the kind, and one of the client's, while it works. */
  async function bounded<T>(kind: keyof typeof underWay, client: string, work: () => Promise<T>): Promise<T> {
    if (underWay[kind] >= limits[kind]) throw busy(503, "too many requests under way; try again", 1);
    if (!clients.enter(client)) throw busy(429, "too many requests of yours under way; try again", 1);
    underWay[kind]++;
    try {
      return await work();
    } catch (error) {
      throw translate(error);
    } finally {
      underWay[kind]--;
      clients.leave(client);
    }
  }

  async function put(request: IncomingMessage, response: ServerResponse, client: string): Promise<void> {
    if (!takesUploads) throw new HttpError(403, "no-uploads", "this store takes no uploads");
    await bounded("uploads", client, async () => {
      const body = pacedBody(request, limits.pace, (bytes) => clients.charge(client, bytes));
      const { created, root, size } = await store.putStream(body, { size: announcedLength(request) });
      sendJson(response, created ? 201 : 200, { root, size });
    });
  }

  function get(request: IncomingMessage, response: ServerResponse, client: string, root: Hex): Promise<void> {
    return bounded("reads", client, async () => {
      const isPublic = await gate.admit(request, root);
      await withFile(root, async (file) => {
        const etag = `"${root}"`;
        const headers = {
          etag,
          "accept-ranges": "bytes",
          "cache-control": isPublic ? "public, max-age=31536000, immutable" : "private, no-store",
          "x-content-type-options": "nosniff",
        };
        const { "if-match": ifMatch, "if-none-match": ifNoneMatch, "if-range": ifRange, range } = request.headers;
        if (ifMatch !== undefined && !namesTag(ifMatch, etag, false)) {
          throw new HttpError(412, "precondition-failed", `the tag of this content is ${etag}`);
        }
        if (ifNoneMatch !== undefined && namesTag(ifNoneMatch, etag, true)) {
          response.writeHead(304, headers).end();
          return;
        }
        // Ranges are of GET alone (RFC 9110 section 14.2).
        const selected = selectRange(request.method === "GET" ? range : undefined, ifRange as string, file.size, etag);
        if (selected.type === "unsatisfiable") {
          const message = `this content has ${file.size} bytes`;
          throw new HttpError(416, "bad-range", message, { "content-range": `bytes */${file.size}` });
        }
        const [start, end] = selected.type === "part" ? [selected.start, selected.end] : [0, file.size];
        const all = { ...headers, "content-type": "application/octet-stream", "content-length": end - start };
        if (selected.type === "part") {
          const part = { ...all, "content-range": `bytes ${start}-${end - 1}/${file.size}` };
          await send(response, client, 206, part, file.bytes(start, end));
        } else if (request.method === "HEAD") {
          response.writeHead(200, all).end();
        } else {
          await send(response, client, 200, all, file.bytes(start, end));
        }
      });
    });
  }

  /** The head is sent when the first piece has been checked. A later one that is damaged breaks the connection off. */
  async function send(
    response: ServerResponse,
    client: string,
    status: number,
    headers: Readonly<Record<string, string | number>>,
    pieces: AsyncGenerator<Uint8Array, void>,
  ): Promise<void> {
    const write = pacedWriter(response, limits.pace);
    for await (const piece of pieces) {
      if (!response.headersSent) response.writeHead(status, headers);
      clients.charge(client, piece.length);
      if (!(await write(piece))) return;
    }
    response.end();
  }

  function prove(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    client: string,
    root: Hex,
  ): Promise<void> {
    const first = naturalNumber("first", url.searchParams.get("first"));
    const last = naturalNumber("last", url.searchParams.get("last"));
    return bounded("reads", client, async () => {
      await gate.admit(request, root);
      await withFile(root, async (file) => {
        if (first > last || last >= file.chunks) {
          throw new HttpError(400, "bad-chunks", `chunks ${first} to ${last}: this content has ${file.chunks} chunks`);
        }
        if (last - first >= limits.maxProofChunks) {
          throw new HttpError(400, "bad-chunks", `a proof has at most ${limits.maxProofChunks} chunks`);
        }
        const { data, siblings } = await file.range(first, last);
        clients.charge(client, data.length * 2);
        sendJson(response, 200, {
          root,
          size: file.size,
          first,
          last,
          data: bytesToHex(data),
          siblings: siblings.map(bytesToHex),
        });
      });
    });
  }

  async function list(response: ServerResponse, url: URL, client: string): Promise<void> {
    const cursor = url.searchParams.get("after");
    const after = cursor === null ? undefined : rootFrom(cursor);
    const limit = naturalNumber("limit", url.searchParams.get("limit") ?? "100");
    const { maxPage } = limits;
    if (limit < 1 || limit > maxPage) throw new HttpError(400, "bad-limit", `limit ${limit} is not 1 to ${maxPage}`);
    const { items, next } = await store.list(after, limit);
    // What its contributor has not revealed yet must not be found out from here.
    const shown = isLoopback(client) ? items : items.filter(({ root }) => gate.isListed(root));
    sendJson(response, 200, { items: shown, next: next ?? null });
  }

  async function withFile(root: Hex, work: (file: ContentFile) => Promise<void>): Promise<void> {
    const file = await store.file(root);
    if (file === undefined) throw unknownContent(root);
    try {
      await work(file);
    } finally {
      await file.close();
    }
  }

  /** Undefined when there is no such endpoint. */
  function endpoint(request: IncomingMessage, response: ServerResponse, url: URL, client: string) {
    const [first, name, what, ...rest] = url.pathname.split("/").slice(1);
    const reads = request.method === "GET" || request.method === "HEAD";
    if (first !== "content" || rest.length > 0) return undefined;
    if (name === undefined) {
      if (request.method === "PUT") return () => put(request, response, client);
      if (reads) return () => list(response, url, client);
    } else if (what === undefined) {
      if (reads) return () => get(request, response, client, rootFrom(name));
    } else if (what === "proof") {
      if (reads) return () => prove(request, response, url, client, rootFrom(name));
    } else return undefined;
    return () => {
      throw new HttpError(405, "method-not-allowed", `${request.method} is not answered at ${url.pathname}`);
    };
  }

  const handler = async (request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> => {
    const client = clientOf(request.socket.remoteAddress);
    const waitSeconds = clients.admit(client);
    if (waitSeconds !== undefined) throw busy(429, `too many requests; try again in ${waitSeconds} s`, waitSeconds);
    const own = endpoint(request, response, url, client);
    if (own !== undefined) return own();
    if (await options.routes?.(request, response, url)) return;
    throw new HttpError(404, "not-found", "this server knows /content, /content/:root and /content/:root/proof");
  };
  // Uploads have a pace to keep instead of a time in which they have to be over.
  return createHttpServer(handler, { requestTimeoutMs: 0, ...options });
}

function rootFrom(text: string): Hex {
  const root = parseRoot(text);
  if (root === undefined) throw new HttpError(400, "bad-root", "a content root is 0x and 64 hex digits");
  return root;
}

function naturalNumber(name: string, text: string | null): number {
  if (text === null || !/^\d{1,9}$/.test(text)) {
    throw new HttpError(400, `bad-${name}`, `${name} must be a natural number, not ${JSON.stringify(text)}`);
  }
  return Number(text);
}

function announcedLength({ headers }: IncomingMessage): number | undefined {
  const length = headers["content-length"];
  return length === undefined ? undefined : Number(length);
}

const unknownContent = (root: Hex) => new HttpError(404, "unknown-content", `the store does not hold ${root}`);

const busy = (status: 429 | 503, message: string, seconds: number) =>
  new HttpError(status, status === 429 ? "rate-limited" : "busy", message, { "retry-after": String(seconds) });

function translate(error: unknown): unknown {
  if (!(error instanceof ContentStoreError)) return error;
  const status = { empty: 400, mismatch: 400, "too-large": 413, full: 507, damaged: 500, format: 500 }[error.code];
  return new HttpError(status, error.code, error.message);
}

/**
 * A content server as a source. Nothing is trusted: bytes that do not hash to the root count as absent, and no more
 * than `maxItemBytes` are read.
 */
export function httpContentSource(baseUrl: string, maxItemBytes: number, timeoutMs = 30_000): ContentSource {
  return {
    async get(root) {
      const response = await fetch(new URL(`/content/${root}`, baseUrl), {
        signal: AbortSignal.timeout(timeoutMs),
        redirect: "error",
      });
      if (response.status === 404) {
        await response.body?.cancel();
        return undefined;
      }
      if (!response.ok) throw new Error(`content store ${baseUrl} answered ${response.status} for ${root}`);
      const chunks: Uint8Array[] = [];
      let length = 0;
      for await (const chunk of response.body ?? []) {
        length += chunk.length;
        if (length > maxItemBytes) return undefined;
        chunks.push(chunk);
      }
      const bytes = new Uint8Array(Buffer.concat(chunks));
      return bytes.length > 0 && bytesToHex(contentRoot(bytes)) === root ? bytes : undefined;
    },
  };
}
