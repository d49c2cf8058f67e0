/**
 * The content store over HTTP. CORS is off: no page of another origin can read or put.
 *
 *   PUT  /content                      body = the bytes       -> 201 (200 when it was there) {root, size}
 *   GET  /content/:root                                       -> the bytes; HEAD too
 *   GET  /content/:root/proof?chunk=i                         -> {root, size, chunk, bytes, siblings}
 *   GET  /content?after=:root&limit=n  roots in order         -> {items: [{root, size}], next}
 *
 * Errors: {"error": {"code", "message"}}.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { bytesToHex, type Hex } from "../core/bytes.ts";
import { CHUNK_BYTES, ContentTree, chunkCount, contentRoot } from "../core/content.ts";
import { type ContentSource, type ContentStore, ContentStoreError, parseRoot } from "./content-store.ts";
import { createHttpServer, HttpError, type HttpServer, readBody, type ServerOptions, sendJson } from "./http.ts";

export interface ContentServerOptions extends ServerOptions {
  readonly store: ContentStore;
  readonly limits?: {
    /** Items a page; default 1,000. */
    readonly maxPage?: number;
    /** Uploads and proofs under way at once; default 8. */
    readonly maxConcurrent?: number;
  };
}

export function createContentServer(options: ContentServerOptions): HttpServer {
  const { store } = options;
  const { maxPage = 1_000, maxConcurrent = 8 } = options.limits ?? {};
  let underWay = 0;

  /** Whole contents are held in memory while they are read or hashed: that many and no more. */
  async function bounded<T>(work: () => Promise<T>): Promise<T> {
    if (underWay >= maxConcurrent) throw new HttpError(503, "busy", "too many requests under way; try again");
    underWay++;
    try {
      return await work();
    } catch (error) {
      throw translate(error);
    } finally {
      underWay--;
    }
  }

  async function put(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await bounded(async () => {
      const bytes = await readBody(request, store.limits.maxItemBytes);
      const { created, root, size } = await store.put(bytes);
      sendJson(response, created ? 201 : 200, { root, size });
    });
  }

  async function get(request: IncomingMessage, response: ServerResponse, root: Hex): Promise<void> {
    const headers = {
      "content-type": "application/octet-stream",
      "x-content-type-options": "nosniff",
      etag: `"${root}"`,
    };
    if (request.method === "HEAD") {
      const size = await store.size(root);
      if (size === undefined) throw unknownContent(root);
      response.writeHead(200, { ...headers, "content-length": size }).end();
      return;
    }
    const bytes = await bounded(() => stored(root));
    response.writeHead(200, { ...headers, "content-length": bytes.length }).end(bytes);
  }

  async function prove(response: ServerResponse, root: Hex, chunkText: string | null): Promise<void> {
    const bytes = await bounded(() => stored(root));
    const chunk = naturalNumber("chunk", chunkText);
    const chunks = chunkCount(bytes.length);
    if (chunk >= chunks) throw new HttpError(400, "bad-chunk", `chunk ${chunk}: this content has ${chunks} chunks`);
    sendJson(response, 200, {
      root,
      size: bytes.length,
      chunk,
      bytes: bytesToHex(bytes.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES)),
      siblings: new ContentTree(bytes).proof(chunk).map(bytesToHex),
    });
  }

  async function list(response: ServerResponse, url: URL): Promise<void> {
    const cursor = url.searchParams.get("after");
    const after = cursor === null ? undefined : rootFrom(cursor);
    const limit = naturalNumber("limit", url.searchParams.get("limit") ?? "100");
    if (limit < 1 || limit > maxPage) throw new HttpError(400, "bad-limit", `limit ${limit} is not 1 to ${maxPage}`);
    const { items, next } = await store.list(after, limit);
    sendJson(response, 200, { items, next: next ?? null });
  }

  async function stored(root: Hex): Promise<Uint8Array> {
    const bytes = await store.get(root);
    if (bytes === undefined) throw unknownContent(root);
    return bytes;
  }

  return createHttpServer(async (request, response, url) => {
    const path = url.pathname.split("/").slice(1);
    const reads = request.method === "GET" || request.method === "HEAD";
    if (path[0] !== "content" || path.length > 3 || (path.length === 3 && path[2] !== "proof")) {
      throw new HttpError(404, "not-found", "this server knows /content, /content/:root and /content/:root/proof");
    }
    if (path[1] === undefined) {
      if (request.method === "PUT") return put(request, response);
      if (reads) return list(response, url);
    } else if (reads) {
      const root = rootFrom(path[1]);
      return path.length === 3 ? prove(response, root, url.searchParams.get("chunk")) : get(request, response, root);
    }
    throw new HttpError(405, "method-not-allowed", `${request.method} is not answered at ${url.pathname}`);
  }, options);
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

const unknownContent = (root: Hex) => new HttpError(404, "unknown-content", `the store does not hold ${root}`);

function translate(error: unknown): unknown {
  if (!(error instanceof ContentStoreError)) return error;
  const status = { empty: 400, "too-large": 413, full: 507, damaged: 500, format: 500 }[error.code];
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
