/** What one content store is asked, over HTTP. Nothing that it says is believed before it is checked. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Hex, hexToBytes } from "../../core/bytes.ts";
import { CHUNK_BYTES, verifyContentRange } from "../../core/content.ts";
import { OperationError } from "../errors.ts";

/** Without a byte for so long the store counts as gone. */
const IDLE_MS = 30_000;
/** A store that says when to come again is asked so often, and waited for no longer than this each time. */
const RETRIES = 5;
const MAX_WAIT_SECONDS = 60;
/** Chunks of one proof; the server's own bound is the same. */
const PROOF_CHUNKS = 1_024;
const MAX_JSON_BYTES = 4 * 1024 * 1024;

/** Headers that show who asks; `range` is the Range header or "". */
export type Authorize = (method: string, url: URL, range: string) => Promise<Readonly<Record<string, string>>>;

export interface StoreClient {
  readonly url: string;
  readonly authorize?: Authorize | undefined;
}

/** What the store answered instead of the thing. */
export class StoreRefusal extends OperationError {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** An answer whose body is still to come, and what has to be called whenever a part of it has. */
export interface Answer {
  readonly response: Response;
  readonly alive: () => void;
}

/** Throws StoreRefusal, or OperationError when nobody answers. */
export async function ask(
  store: StoreClient,
  path: string,
  init: RequestInit & { range?: string } = {},
): Promise<Answer> {
  const url = new URL(path, store.url);
  for (let tries = 1; ; tries++) {
    const { range, ...rest } = init;
    const headers = { ...(await store.authorize?.(init.method ?? "GET", url, range ?? "")), ...(range && { range }) };
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(new Error(`${store.url} is silent`)), IDLE_MS);
    // An upload takes its time before anything is answered.
    if (init.body !== undefined) clearTimeout(timer);
    timer.unref();
    let response: Response;
    try {
      response = await fetch(url, {
        redirect: "error",
        ...rest,
        headers: { ...headers, ...(init.headers as Record<string, string>) },
        signal: controller.signal,
      });
    } catch (error) {
      clearTimeout(timer);
      throw new OperationError(`no content store answers at ${store.url}`, { cause: error });
    }
    if (response.ok) return { response, alive: () => void timer.refresh() };
    const wait = Number(response.headers.get("retry-after"));
    const message = await errorOf(response);
    clearTimeout(timer);
    if (![429, 503].includes(response.status) || tries > RETRIES)
      throw new StoreRefusal(response.status, `${store.url}: ${message}`);
    await sleep(Math.min(Math.max(1, wait || 1), MAX_WAIT_SECONDS) * 1_000);
  }
}

async function errorOf(response: Response): Promise<string> {
  const text = new TextDecoder().decode(await bodyOf({ response, alive() {} }, 10_000).catch(() => new Uint8Array(0)));
  try {
    return `${response.status} ${(JSON.parse(text) as { error: { message: string } }).error.message}`;
  } catch {
    return `${response.status} ${text.slice(0, 200).replaceAll(/\s+/g, " ").trim()}`;
  }
}

async function bodyOf({ response, alive }: Answer, limitBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    alive();
    length += part.length;
    if (length > limitBytes) throw new OperationError(`the answer is longer than ${limitBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

async function json<T>(store: StoreClient, path: string, init?: RequestInit): Promise<T> {
  const text = new TextDecoder().decode(await bodyOf(await ask(store, path, init), MAX_JSON_BYTES));
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new OperationError(`${store.url} answered no JSON`, { cause: error });
  }
}

/** Root that the store gives the bytes. */
export async function putContent(store: StoreClient, body: Blob): Promise<string> {
  return (await json<{ root: string }>(store, "/content", { method: "PUT", body })).root;
}

export interface Listed {
  readonly root: string;
  readonly size: number;
}

export async function* listContents(store: StoreClient): AsyncGenerator<Listed, void> {
  for (let after = ""; ; ) {
    const { items, next } = await json<{ items: Listed[]; next: string | null }>(store, `/content?limit=500${after}`);
    yield* items;
    if (next === null) return;
    after = `&after=${next}`;
  }
}

/** Bytes [start, end) of a content, cut at its end, each proven. Throws OperationError for a proof that is none. */
export async function* provenBytes(store: StoreClient, root: Hex, start: number, end: number) {
  // How long the content is, any proof tells.
  const { size } = await proof(store, root, 0, 0);
  if (start >= size) throw new OperationError(`the content has ${size} bytes, none of them at ${start}`);
  const to = Math.min(end, size);
  const chunks = Math.ceil(to / CHUNK_BYTES);
  for (let first = Math.floor(start / CHUNK_BYTES); first < chunks; first += PROOF_CHUNKS) {
    const { data } = await proof(store, root, first, Math.min(first + PROOF_CHUNKS, chunks) - 1);
    const at = first * CHUNK_BYTES;
    yield data.subarray(Math.max(0, start - at), to - at);
  }
}

async function proof(store: StoreClient, root: Hex, first: number, last: number) {
  type Proof = { size: number; data: Hex; siblings: Hex[] };
  const answer = await json<Proof>(store, `/content/${root}/proof?first=${first}&last=${last}`);
  try {
    const { size } = answer;
    const data = hexToBytes(answer.data);
    const isAll = data.length === Math.min(size, (last + 1) * CHUNK_BYTES) - first * CHUNK_BYTES;
    const range = { first, data, siblings: answer.siblings.map(hexToBytes) };
    if (isAll && verifyContentRange(hexToBytes(root), size, range)) return { size, data };
  } catch {
    // Not even the form of one: said below.
  }
  throw new OperationError(`${store.url} sent what is not chunk ${first} to ${last} of ${root}`);
}
