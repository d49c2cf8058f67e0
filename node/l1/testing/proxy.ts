/** An L1 endpoint that fails and lies when told to, in front of a real one. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface Call {
  readonly method: string;
  readonly params: readonly unknown[];
}

/** Undefined: pass on. `status`: answer with it. `body`: answer with these bytes. `change`: of the real result. */
export type Fault =
  | undefined
  | { readonly status: number }
  | { readonly body: string }
  | { readonly error: { readonly code: number; readonly message: string } }
  | { readonly change: (result: unknown) => unknown };

export interface FaultyProxy {
  readonly url: string;
  readonly calls: Call[];
  fault: (call: Call) => Fault;
  stop(): Promise<void>;
}

export async function startFaultyProxy(target: string): Promise<FaultyProxy> {
  const calls: Call[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const call = JSON.parse(body) as Call & { id: number };
    calls.push(call);
    const fault = proxy.fault(call);
    const send = (status: number, text: string) => response.writeHead(status).end(text);
    if (fault !== undefined && "status" in fault) return send(fault.status, "no");
    if (fault !== undefined && "body" in fault) return send(200, fault.body);
    if (fault !== undefined && "error" in fault) {
      return send(200, JSON.stringify({ jsonrpc: "2.0", id: call.id, error: fault.error }));
    }
    const headers = { "content-type": "application/json" };
    const answer = await fetch(target, { method: "POST", headers, body });
    const json = (await answer.json()) as { result?: unknown };
    return send(200, JSON.stringify(fault === undefined ? json : { ...json, result: fault.change(json.result) }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy: FaultyProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret-key`,
    calls,
    fault: () => undefined,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return proxy;
}
