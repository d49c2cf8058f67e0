/** Small pieces that the node's own HTTP servers share. */
import { once } from "node:events";
import type { Server } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import type { Listener } from "./config.ts";
import { OperationError } from "./errors.ts";

/** Listens, and turns the usual failures into one clear line. Returns the port, which differs when 0 was asked for. */
export async function listen(server: Server, listener: Listener, option: string): Promise<number> {
  server.listen(listener.port, listener.address);
  try {
    await once(server, "listening");
  } catch (error) {
    throw listenError(error, listener, option);
  }
  return (server.address() as AddressInfo).port;
}

/** What went wrong with `--<option>.port` or `--<option>.addr`. */
export function listenError(error: unknown, listener: Listener, option: string): Error {
  const code = (error as NodeJS.ErrnoException).code;
  const where = `${listener.address}:${listener.port}`;
  const remedy: Readonly<Record<string, string>> = {
    EADDRINUSE: `port ${listener.port} is in use; stop what uses it or choose another with --${option}.port`,
    EACCES: `no permission to listen on ${where}; choose another with --${option}.port`,
    EADDRNOTAVAIL: `${listener.address} is no address of this machine; see --${option}.addr`,
    ENOTFOUND: `${listener.address} cannot be resolved; see --${option}.addr`,
  };
  const message = code === undefined ? undefined : remedy[code];
  return message === undefined ? (error as Error) : new OperationError(message, { cause: error });
}

/** Ports on the loopback address that nobody listens on at the moment. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  // All at once, so that no port comes twice.
  const ports = await Promise.all(
    servers.map(async (server) => {
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      return (server.address() as AddressInfo).port;
    }),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Stops accepting, lets answers finish for a moment, then cuts the rest. */
export async function closeServer(server: Server, graceMs = 2_000): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, "close");
  server.close();
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(timer);
}
