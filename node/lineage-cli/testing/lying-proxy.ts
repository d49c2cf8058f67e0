/** An HTTP server that passes JSON on to another one and may change what that answers. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export type Lie = (answer: never, request: never) => unknown;

export interface LyingProxy {
  readonly url: string;
  /** Undefined: the truth. */
  lie: Lie | undefined;
  close(): void;
}

/** In front of `target`, on a port that the system chooses. */
export async function startLyingProxy(target: string): Promise<LyingProxy> {
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts).toString();
    const headers = { "content-type": "application/json", accept: "application/json" };
    const answer = await (await fetch(target, { method: "POST", headers, body })).json();
    response.setHeader("content-type", "application/json");
    response.end(
      JSON.stringify(proxy.lie === undefined ? answer : proxy.lie(answer as never, JSON.parse(body) as never)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const proxy: LyingProxy = {
    url: `http://127.0.0.1:${port}${new URL(target).pathname}`,
    lie: undefined,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
  return proxy;
}
