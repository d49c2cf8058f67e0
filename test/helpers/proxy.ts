/** A TCP proxy on the loopback address that can cut a link or let it go silent: the network between two real processes. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export type LinkState =
  | "open"
  /** Connections are reset, new ones refused. */
  | "cut"
  /** Connections stay, and nothing comes through: what a firewall or a pulled cable does. */
  | "silent";

export class LinkProxy {
  readonly #server: Server;
  readonly #target: () => number;
  readonly #sockets = new Set<Socket>();
  #state: LinkState = "open";
  port = 0;

  /** `target`: the port behind it. */
  constructor(target: () => number) {
    this.#target = target;
    this.#server = createServer((inbound) => this.#accept(inbound));
  }

  async listen(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = (this.#server.address() as AddressInfo).port;
  }

  set(state: LinkState): void {
    this.#state = state;
    for (const socket of this.#sockets) {
      if (state === "cut") socket.destroy();
      else if (state === "silent") socket.pause();
      else socket.resume();
    }
  }

  async close(): Promise<void> {
    this.set("cut");
    this.#server.close();
    await once(this.#server, "close");
  }

  #accept(inbound: Socket): void {
    if (this.#state === "cut") {
      inbound.destroy();
      return;
    }
    const outbound = connect(this.#target(), "127.0.0.1");
    for (const [from, to] of [
      [inbound, outbound],
      [outbound, inbound],
    ] as const) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on("data", (bytes) => {
        if (to.write(bytes) || this.#state === "silent") return;
        from.pause();
        to.once("drain", () => {
          if (this.#state === "open") from.resume();
        });
      });
      from.on("error", () => {});
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      if (this.#state === "silent") from.pause();
    }
  }
}
