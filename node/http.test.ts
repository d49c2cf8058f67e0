import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { describe, expect, test } from "vitest";
import { OperationError } from "./errors.ts";
import { closeServer, listen, listenError } from "./http.ts";

const LOCAL = { address: "127.0.0.1", port: 0 };

describe("listen", () => {
  test("gives the port, also when any will do", async () => {
    const server = createServer();
    const port = await listen(server, LOCAL, "metrics");
    expect(port).toBe((server.address() as AddressInfo).port);
    await closeServer(server);
  });

  test("a port in use, an address of another machine: one line with the option to change", async () => {
    const first = createServer();
    const port = await listen(first, LOCAL, "metrics");
    const taken = await listen(createServer(), { address: "127.0.0.1", port }, "http").catch((error: unknown) => error);
    expect(taken).toBeInstanceOf(OperationError);
    expect((taken as Error).message).toContain(`port ${port} is in use`);
    expect((taken as Error).message).toContain("--http.port");
    // TEST-NET-1 (RFC 5737) is nobody's.
    const elsewhere = listen(createServer(), { address: "192.0.2.1", port: 0 }, "graphql");
    await expect(elsewhere).rejects.toThrow("192.0.2.1 is no address of this machine; see --graphql.addr");
    await closeServer(first);
  });

  test("failures that the machine decides, by their code", () => {
    const coded = (code: string) => Object.assign(new Error("system"), { code });
    const line = (code: string) => listenError(coded(code), { address: "h", port: 80 }, "http");
    expect(line("EACCES")).toBeInstanceOf(OperationError);
    expect(line("EACCES").message).toBe("no permission to listen on h:80; choose another with --http.port");
    expect(line("ENOTFOUND").message).toBe("h cannot be resolved; see --http.addr");
    const other = coded("EMFILE");
    expect(listenError(other, LOCAL, "http")).toBe(other);
    const plain = new Error("no code");
    expect(listenError(plain, LOCAL, "http")).toBe(plain);
  });
});

describe("closeServer", () => {
  test("cuts a request that does not end", async () => {
    const server = createServer();
    const port = await listen(server, LOCAL, "metrics");
    const asked = once(server, "request");
    const socket = connect(port, "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    await asked;
    const cut = once(socket, "close");
    await closeServer(server, 0);
    await cut;
    expect(server.listening).toBe(false);
  });

  test("a server that does not listen is closed already", async () => {
    await closeServer(createServer());
  });
});
