/** The V8 inspector of a node that runs with `--inspect=127.0.0.1:0`: profiles and forced collections, from outside. */
import { once } from "node:events";
import { readFileSync } from "node:fs";

/** For the environment variable NODE_OPTIONS. */
export const INSPECTED = "--inspect=127.0.0.1:0";

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly sessionId: string; readonly message: string };
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** JavaScript's memory of one thread, in MiB. */
export interface Heap {
  readonly used: number;
  readonly external: number;
}

export class Inspector {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<string, PromiseWithResolvers<unknown>>();
  /** Threads of the process besides the main one. */
  readonly #workers = new Set<string>();
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => this.#take(JSON.parse(data as string) as Message, ""));
    socket.addEventListener("close", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("the inspected process closed the connection"));
    });
  }

  /** `logFile`: what the process has printed, the inspector's address among it. */
  static async attach(logFile: string): Promise<Inspector> {
    const url = /Debugger listening on (ws:\S+)/.exec(readFileSync(logFile, "utf8"))?.[1];
    if (url === undefined) throw new Error(`${logFile} names no inspector: was the process started with ${INSPECTED}?`);
    const socket = new WebSocket(url);
    await once(socket, "open");
    const inspector = new Inspector(socket);
    await inspector.#call("", "NodeWorker.enable", { waitForDebuggerOnStart: false });
    return inspector;
  }

  async startProfile(): Promise<void> {
    await this.#call("", "Profiler.enable");
    await this.#call("", "Profiler.start");
  }

  /** Of the main thread, as JSON that Chrome's developer tools open. */
  async stopProfile(): Promise<string> {
    const { profile } = (await this.#call("", "Profiler.stop")) as { profile: unknown };
    return JSON.stringify(profile);
  }

  /** Forces a collection in every thread; resolves with what is left, all threads together. */
  async collect(): Promise<Heap> {
    let [used, external] = [0, 0];
    for (const session of ["", ...this.#workers]) {
      try {
        await this.#call(session, "HeapProfiler.collectGarbage");
        const heap = (await this.#call(session, "Runtime.getHeapUsage")) as Record<string, number>;
        used += heap.usedSize! / 2 ** 20;
        external += (heap.backingStorageSize ?? 0) / 2 ** 20;
      } catch (error) {
        // A worker may end at any time; the process may not.
        if (session === "" || this.#workers.has(session)) throw error;
      }
    }
    return { used, external };
  }

  close(): void {
    this.#socket.close();
  }

  #call(session: string, method: string, params: object = {}): Promise<unknown> {
    const id = ++this.#lastId;
    const answered = Promise.withResolvers<unknown>();
    this.#waiting.set(`${session} ${id}`, answered);
    const message = { id, method, params };
    const inner = { sessionId: session, message: JSON.stringify(message) };
    const sent =
      session === "" ? message : { id: ++this.#lastId, method: "NodeWorker.sendMessageToWorker", params: inner };
    this.#socket.send(JSON.stringify(sent));
    return answered.promise;
  }

  #take({ id, method, params, result, error }: Message, session: string): void {
    if (method === "NodeWorker.attachedToWorker") this.#workers.add(params!.sessionId);
    else if (method === "NodeWorker.detachedFromWorker") this.#detach(params!.sessionId);
    else if (method === "NodeWorker.receivedMessageFromWorker") {
      this.#take(JSON.parse(params!.message) as Message, params!.sessionId);
    }
    const key = `${session} ${id}`;
    const answered = this.#waiting.get(key);
    this.#waiting.delete(key);
    if (error === undefined) answered?.resolve(result);
    else answered?.reject(new Error(error.message));
  }

  #detach(session: string): void {
    this.#workers.delete(session);
    for (const [key, { reject }] of this.#waiting)
      if (key.startsWith(`${session} `)) reject(new Error("a worker ended"));
  }
}
