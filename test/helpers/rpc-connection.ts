/**
 * One kept-alive HTTP connection for JSON-RPC, one request at a time. Leaner than node:http, so that a client on the same
 * machine takes little from the server that it measures.
 */
import { connect, type Socket } from "node:net";

const HEAD_END = Buffer.from("\r\n\r\n");
const CHUNKS_END = Buffer.from("0\r\n\r\n");

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** The bytes of a POST of `body`, to be sent as often as wanted. */
export function postRequest(url: string, body: string): Buffer {
  const { host, pathname } = new URL(url);
  const head = `POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\n`;
  return Buffer.from(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

export class RpcConnection {
  readonly #socket: Socket;
  #received: Buffer[] = [];
  #size = 0;
  #answered: PromiseWithResolvers<HttpAnswer> | undefined;
  #failure: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => this.#take(bytes));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("the server closed the connection")));
  }

  /** Rejects when nobody listens there. */
  static open(url: string): Promise<RpcConnection> {
    const { hostname, port } = new URL(url);
    const { promise, resolve, reject } = Promise.withResolvers<RpcConnection>();
    const socket = connect({ host: hostname, port: Number(port) });
    socket.once("error", reject);
    socket.once("connect", () => resolve(new RpcConnection(socket)));
    return promise;
  }

  /** Of bytes as `postRequest` makes them. Rejects when the connection breaks. */
  send(request: Buffer): Promise<HttpAnswer> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#answered !== undefined) throw new Error("a request is under way on this connection");
    this.#answered = Promise.withResolvers();
    this.#socket.write(request);
    return this.#answered.promise;
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    this.#received.push(bytes);
    this.#size += bytes.length;
    const answer = parseAnswer(this.#received.length === 1 ? bytes : this.#joined());
    if (answer === undefined) return;
    this.#received = [];
    this.#size = 0;
    const answered = this.#answered;
    this.#answered = undefined;
    answered?.resolve(answer);
  }

  #joined(): Buffer {
    const joined = Buffer.concat(this.#received, this.#size);
    this.#received = [joined];
    return joined;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#answered?.reject(this.#failure);
    this.#answered = undefined;
  }
}

/** Undefined while it is not whole. */
function parseAnswer(bytes: Buffer): HttpAnswer | undefined {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd < 0) return undefined;
  const head = bytes.toString("latin1", 0, headEnd);
  const bodyStart = headEnd + HEAD_END.length;
  const status = Number(head.slice(9, 12));
  const length = /\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) {
    if (bytes.length < bodyStart + Number(length)) return undefined;
    return { status, body: bytes.toString("utf8", bodyStart, bodyStart + Number(length)) };
  }
  if (!bytes.subarray(bodyStart).equals(CHUNKS_END) && !bytes.subarray(-7).equals(Buffer.from("\r\n0\r\n\r\n"))) {
    return undefined;
  }
  return { status, body: joinChunks(bytes.subarray(bodyStart)).toString("utf8") };
}

/** Of a body in chunked transfer encoding (RFC 9112, 7.1). */
function joinChunks(bytes: Buffer): Buffer {
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf("\r\n", at);
    const size = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    if (!(size > 0)) return Buffer.concat(chunks);
    chunks.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
}
