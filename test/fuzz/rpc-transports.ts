/** Ways to send: over HTTP and WebSocket as clients do, and as nobody should. */
import { once } from "node:events";
import { Agent, request as httpRequest } from "node:http";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocket } from "ws";
import type { Random } from "../sim/random.ts";

export interface Answer {
  /** 0 without one: the server closed the connection. 101 for a frame. 599 when nobody listens. */
  readonly status: number;
  readonly text: string;
}

/** No server answers later: its own limits end everything before. */
const PATIENCE_MS = 60_000;
const CLOSED: Answer = { status: 0, text: "" };
const NOBODY: Answer = { status: 599, text: "nobody listens" };

export interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

const JSON_TYPE = { "content-type": "application/json" };

export class HttpClient {
  readonly #agent: Agent;
  readonly #port: number;

  /** Without `keepAlive` each request has a connection of its own. */
  constructor(port: number, keepAlive = true) {
    this.#port = port;
    this.#agent = new Agent({ keepAlive });
  }

  send({ method = "POST", path = "/", headers = JSON_TYPE, body }: Sent): Promise<Answer> {
    return new Promise((resolve) => {
      const options = {
        host: "127.0.0.1",
        port: this.#port,
        method,
        path,
        headers,
        agent: this.#agent,
        timeout: PATIENCE_MS,
      };
      const request = httpRequest(options, (response) => {
        const parts: Buffer[] = [];
        const end = () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString("utf8") });
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("end", end);
        response.on("error", end);
      });
      request.on("timeout", () => request.destroy());
      // A refused body is not read, so that sending it may fail; a server that is gone is another matter.
      request.on("error", ({ code }: NodeJS.ErrnoException) => resolve(code === "ECONNREFUSED" ? NOBODY : CLOSED));
      request.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** One connection, one request at a time; notifications between the answers are counted. */
export class SocketClient {
  notifications = 0;
  requests = 0;
  readonly #socket: WebSocket;
  #waiting: PromiseWithResolvers<Answer> | undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data) => {
      const text = String(data);
      if (text.startsWith('{"jsonrpc":"2.0","method":"eth_subscription"')) this.notifications++;
      else this.#answer({ status: 101, text });
    });
    socket.on("close", () => this.#answer(CLOSED));
    socket.on("error", () => this.#answer(CLOSED));
  }

  /** Undefined when nobody listens. */
  static async open(port: number): Promise<SocketClient | undefined> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`);
    try {
      await once(socket, "open");
    } catch {
      return undefined;
    }
    return new SocketClient(socket);
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  async send(text: string, isBinary: boolean): Promise<Answer> {
    if (!this.isOpen) return CLOSED;
    const waiting = Promise.withResolvers<Answer>();
    this.#waiting = waiting;
    this.requests++;
    this.#socket.send(isBinary ? Buffer.from(text) : text, { binary: isBinary });
    return Promise.race([waiting.promise, delay(PATIENCE_MS, CLOSED, { ref: false })]);
  }

  close(): void {
    this.#socket.terminate();
  }

  #answer(answer: Answer): void {
    this.#waiting?.resolve(answer);
    this.#waiting = undefined;
  }
}

/** HTTP, but not as JSON-RPC wants it. */
export function oddRequest(body: string, random: Random): Sent {
  return random.pick<() => Sent>([
    () => ({ method: random.pick(["GET", "HEAD", "OPTIONS"]), headers: {}, body: "" }),
    () => ({ method: random.pick(["PUT", "DELETE", "PATCH", "TRACE"]), body }),
    () => ({ path: random.pick(["/x", "//", "/../..", "/?a=1", `/${"a".repeat(10_000)}`]), body }),
    () => ({
      headers: {
        "content-type": random.pick(["text/plain", "", "a/b", "application/json; charset=x", "multipart/form-data"]),
      },
      body,
    }),
    () => ({ headers: { ...JSON_TYPE, host: random.pick(["evil.example", "localhost", "[::1]", "@", "a b"]) }, body }),
    () => ({ headers: { ...JSON_TYPE, origin: random.pick(["http://evil.example", "null", ""]) }, body }),
    () => ({ headers: { ...JSON_TYPE, "content-encoding": random.pick(["gzip", "br", "x"]) }, body }),
    () => ({ headers: { ...JSON_TYPE, "x-long": "a".repeat(random.pick([1_000, 20_000])) }, body }),
    () => ({ headers: { ...JSON_TYPE, upgrade: random.pick(["h2c", "websocket", "x"]), connection: "upgrade" }, body }),
    () => ({ headers: { ...JSON_TYPE, expect: "100-continue" }, body }),
    () => ({ body: " ".repeat(random.pick([1_000_000, 5 * 2 ** 20 + 1, 8 * 2 ** 20])) }),
  ])();
}

const UPGRADE =
  "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/** Bytes that are no HTTP, or no frames of WebSocket. */
export function rawBytes(body: string, random: Random): Buffer {
  const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, () => random.below(256)));
  const post = (headers: string, content = body): Buffer =>
    Buffer.from(`POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${headers}\r\n\r\n${content}`);
  return random.pick<() => Buffer>([
    () => noise(random.pick([1, 100, 10_000])),
    () => Buffer.from("GET / HTTP/9.9\r\n\r\n"),
    () => post("Content-Length: 5"),
    () => post("Content-Length: -1"),
    () => post(`Content-Length: ${body.length + 1_000}`),
    () => post("Content-Length: 99999999999999999999"),
    () => post("Content-Length: 3\r\nTransfer-Encoding: chunked"),
    () => post("Transfer-Encoding: chunked", "zz\r\n"),
    () => post("Transfer-Encoding: chunked", "ffffffff\r\nabc"),
    () => Buffer.from(`POST / HTTP/1.1\r\n${"a: b\r\n".repeat(5_000)}\r\n`),
    () => Buffer.concat([Buffer.from(UPGRADE), noise(random.pick([2, 50, 5_000]))]),
    () => Buffer.concat([Buffer.from(UPGRADE), Buffer.from([0x81, 0x05]), Buffer.from("hello")]),
    () => Buffer.concat([Buffer.from(UPGRADE), Buffer.from([0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255])]),
    () =>
      Buffer.concat([
        Buffer.from(UPGRADE),
        ...Array.from({ length: 200 }, () => Buffer.from([0x89, 0x80, 0, 0, 0, 0])),
      ]),
    () => Buffer.concat([Buffer.from(UPGRADE), Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0, 0])]),
  ])();
}

const LINGER_MS = 50;

/** Sends and hangs up soon after. Resolves with the first answer's status, 0 without one. */
export async function sendRaw(port: number, bytes: Buffer): Promise<number> {
  const socket = connect({ host: "127.0.0.1", port });
  const { promise, resolve } = Promise.withResolvers<number>();
  socket.on("error", ({ code }: NodeJS.ErrnoException) => resolve(code === "ECONNREFUSED" ? NOBODY.status : 0));
  socket.on("close", () => resolve(0));
  socket.on("data", (data) => resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(data.toString("latin1"))?.[1] ?? 0)));
  socket.write(bytes);
  const status = await Promise.race([promise, delay(LINGER_MS, 0)]);
  socket.destroy();
  return status;
}
