/** HTTP as GraphQL needs it: bounded bodies, answers whole or streamed, refusals that say why. */

import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";

/** A client that takes nothing for so long is cut off. */
const STALLED_MS = 30_000;

/** What is streamed as it comes: events, and parts of an answer. */
const STREAMS = /^(text\/event-stream|multipart\/mixed)/;

export function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Undefined when the body exceeds the limit; what follows is left unread. Rejects when the client goes away. */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let length = 0;
    request.on("data", (part: Buffer) => {
      length += part.length;
      if (length <= maxBytes) parts.push(part);
      else {
        request.pause();
        resolve(undefined);
      }
    });
    request.once("end", () => resolve(Buffer.concat(parts)));
    request.once("error", reject);
  });
}

export function headersOf(request: IncomingMessage): [string, string][] {
  return Object.entries(request.headersDistinct).flatMap(([name, values]) =>
    (values ?? []).map((value): [string, string] => [name, value]),
  );
}

export const isStream = (answer: Response): boolean => STREAMS.test(answer.headers.get("content-type") ?? "");

export async function sendWhole(response: ServerResponse, answer: Response): Promise<void> {
  const body = Buffer.from(await answer.arrayBuffer());
  response.writeHead(answer.status, { ...Object.fromEntries(answer.headers), "content-length": body.length });
  response.end(body);
}

/** As fast as the client reads. When it goes away, what produces the stream is told. */
export async function sendStream(response: ServerResponse, answer: Response): Promise<void> {
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  const reader = answer.body?.getReader();
  if (reader === undefined) return void response.end();
  response.once("close", () => void reader.cancel().catch(() => {}));
  response.setTimeout(STALLED_MS, () => {
    if (response.writableNeedDrain) response.destroy();
  });
  for (;;) {
    const { done, value } = await reader.read();
    if (done || response.destroyed) break;
    if (!response.write(value)) await Promise.race([once(response, "drain"), once(response, "close")]);
  }
  response.end();
}

/** An error in GraphQL's form, from before GraphQL. */
export function refuse(
  response: ServerResponse,
  status: number,
  message: string,
  code: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  // The rest of a refused request is not read.
  response.writeHead(status, { "content-type": "application/json", connection: "close", ...headers });
  response.end(JSON.stringify({ errors: [{ message, extensions: { code } }] }));
}
