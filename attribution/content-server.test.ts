import { mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytesToHex, type Hex, hexToBytes } from "../core/bytes.ts";
import { contentRoot, verifyContentRange } from "../core/content.ts";
import { Clients, clientOf } from "./content-clients.ts";
import { SERVER_LIMITS } from "./content-limits.ts";
import { createContentServer, httpContentSource } from "./content-server.ts";
import { ContentStore } from "./content-store.ts";
import { type HttpServer, sendJson } from "./http.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const rootOf = (bytes: Uint8Array) => bytesToHex(contentRoot(bytes));
const pathOf = (directory: string, root: Hex) => join(directory, root.slice(2, 4), root.slice(2));
const noise = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 2_654_435_761) >>> 13);

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "content-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe("content server", () => {
  let store: ContentStore;
  let server: HttpServer;
  let url: string;
  beforeEach(async () => {
    store = await ContentStore.open(directory, { maxItemBytes: 100_000 });
    server = createContentServer({ store });
    url = await server.listen();
  });
  afterEach(() => server.close());

  const put = (body: Uint8Array<ArrayBuffer> | string) => fetch(`${url}/content`, { method: "PUT", body });
  const expectError = async (response: Response, status: number, code: string) => {
    expect([response.status, await response.json()]).toEqual([
      status,
      { error: { code, message: expect.stringMatching(/.{10}/) } },
    ]);
  };

  it("puts, gets, heads and lists", async () => {
    const bytes = utf8("hello content");
    const root = rootOf(bytes);
    const created = await put(bytes);
    expect([created.status, await created.json()]).toEqual([201, { root, size: 13 }]);
    expect((await put(bytes)).status).toBe(200);
    const got = await fetch(`${url}/content/${root}`);
    expect(new Uint8Array(await got.arrayBuffer())).toEqual(bytes);
    expect(got.headers.get("access-control-allow-origin")).toBeNull();
    const head = await fetch(`${url}/content/${root}`, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, "13"]);
    await put("another");
    const list = (await (await fetch(`${url}/content?limit=1`)).json()) as { items: unknown[]; next: string };
    expect(list.items).toHaveLength(1);
    const rest = await fetch(`${url}/content?limit=1&after=${list.next}`);
    expect(await rest.json()).toMatchObject({ items: [{ size: expect.any(Number) }], next: null });
  });

  it("proves ranges of chunks", async () => {
    const bytes = noise(90_000);
    const root = rootOf(bytes);
    await put(bytes);
    for (const [first, last] of [
      [0, 0],
      [3, 9],
      [60, 351],
      [0, 351],
    ] as const) {
      const answer = await fetch(`${url}/content/${root}/proof?first=${first}&last=${last}`);
      const proof = (await answer.json()) as { size: number; first: number; data: Hex; siblings: Hex[] };
      expect(proof).toMatchObject({ root, size: 90_000, first, last });
      const range = { first: proof.first, data: hexToBytes(proof.data), siblings: proof.siblings.map(hexToBytes) };
      expect(verifyContentRange(hexToBytes(root), proof.size, range)).toBe(true);
      expect(range.data).toEqual(bytes.slice(first * 256, (last + 1) * 256));
    }
    await expectError(await fetch(`${url}/content/${root}/proof?first=351&last=352`), 400, "bad-chunks");
    await expectError(await fetch(`${url}/content/${root}/proof?first=2&last=1`), 400, "bad-chunks");
    await expectError(await fetch(`${url}/content/${root}/proof?first=2`), 400, "bad-last");
    await expectError(await fetch(`${url}/content/${root}/proof?last=2`), 400, "bad-first");
  });

  it("answers errors as JSON with their status", async () => {
    const unknown = rootOf(utf8("unknown"));
    await expectError(await fetch(`${url}/content/${unknown}`), 404, "unknown-content");
    expect((await fetch(`${url}/content/${unknown}`, { method: "HEAD" })).status).toBe(404);
    await expectError(await fetch(`${url}/content/0x1234`), 400, "bad-root");
    await expectError(await fetch(`${url}/content/..%2f..%2fetc%2fpasswd`), 400, "bad-root");
    await expectError(await fetch(`${url}/elsewhere`), 404, "not-found");
    await expectError(await fetch(`${url}/content?limit=0`), 400, "bad-limit");
    await expectError(await fetch(`${url}/content?limit=-1`), 400, "bad-limit");
    await expectError(await fetch(`${url}/content?after=zz`), 400, "bad-root");
    await expectError(await fetch(`${url}/content`, { method: "DELETE" }), 405, "method-not-allowed");
    await expectError(await put(""), 400, "empty");
  });

  it("serves single ranges as RFC 9110 says", async () => {
    const bytes = noise(80_000);
    const { root } = await store.put(bytes);
    const ask = (range: string, headers: Record<string, string> = {}, method = "GET") =>
      fetch(`${url}/content/${root}`, { method, headers: { range, ...headers } });
    const tag = `"${root}"`;
    const position = fc.nat(90_000);
    await fc.assert(
      fc.asyncProperty(position, fc.option(position), async (first, last) => {
        if (last !== null && last < first) return;
        const response = await ask(`bytes=${first}-${last ?? ""}`);
        const expected = bytes.slice(first, last === null ? undefined : last + 1);
        const got = new Uint8Array(await response.arrayBuffer());
        if (first >= bytes.length) {
          expect([response.status, response.headers.get("content-range")]).toEqual([416, "bytes */80000"]);
        } else {
          const place = `bytes ${first}-${first + expected.length - 1}/80000`;
          expect([response.status, response.headers.get("content-range")]).toEqual([206, place]);
          // Not toEqual: it looks at each byte by itself.
          expect(Buffer.compare(got, expected)).toBe(0);
        }
      }),
      { numRuns: 40 },
    );
    const suffix = await ask("bytes=-10");
    expect([suffix.headers.get("content-range"), new Uint8Array(await suffix.arrayBuffer())]).toEqual([
      "bytes 79990-79999/80000",
      bytes.slice(-10),
    ]);
    expect((await ask("bytes=-90000")).headers.get("content-range")).toBe("bytes 0-79999/80000");
    await expectError(await ask("bytes=-0"), 416, "bad-range");
    await expectError(await ask(`bytes=${"9".repeat(400)}-`), 416, "bad-range");
    // What is no single range of bytes is ignored.
    for (const range of ["bytes=5-4", "bytes=-", "bytes=0-1,5-6", "lines=0-1", "bytes=a-b", "0-1"]) {
      const whole = await ask(range);
      expect([range, whole.status, (await whole.arrayBuffer()).byteLength]).toEqual([range, 200, 80_000]);
    }
    expect((await ask("bytes=0-9", { "if-range": tag })).status).toBe(206);
    for (const other of [`W/${tag}`, '"0x12"', "Wed, 21 Oct 2015 07:28:00 GMT"]) {
      expect((await ask("bytes=0-9", { "if-range": other })).status).toBe(200);
    }
    const head = await ask("bytes=0-9", {}, "HEAD");
    expect([head.status, head.headers.get("content-length"), head.headers.get("accept-ranges")]).toEqual([
      200,
      "80000",
      "bytes",
    ]);
    expect((await ask("bytes=0-9", { "if-none-match": `"x", W/${tag}` })).status).toBe(304);
    expect((await ask("bytes=0-9", { "if-match": tag })).status).toBe(206);
    await expectError(await ask("bytes=0-9", { "if-match": '"x"' }), 412, "precondition-failed");
  });

  it("lets other endpoints stand beside its own", async () => {
    const other = createContentServer({
      store,
      takesUploads: false,
      async routes(_, response, { pathname }) {
        if (pathname !== "/other") return false;
        sendJson(response, 200, { other: true });
        return true;
      },
    });
    const at = await other.listen();
    expect(await (await fetch(`${at}/other`)).json()).toEqual({ other: true });
    await expectError(await fetch(`${at}/neither`), 404, "not-found");
    await expectError(await fetch(`${at}/content/0x12/other`), 404, "not-found");
    await expectError(await fetch(`${at}/content`, { method: "PUT", body: "no" }), 403, "no-uploads");
    await other.close();
  });

  it("holds each client to its rates, and says when to come again", async () => {
    const limits = { trustsLoopback: false, requestRate: { perSecond: 0.01, burst: 3 } };
    const strict = createContentServer({ store, limits });
    const at = await strict.listen();
    for (let i = 0; i < 3; i++) expect((await fetch(`${at}/content`)).status).toBe(200);
    const refused = await fetch(`${at}/content`);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(1);
    await expectError(refused, 429, "rate-limited");
    await strict.close();

    const byteRate = { perSecond: 1, burst: 1_000 };
    const slow = createContentServer({ store, limits: { trustsLoopback: false, byteRate } });
    const there = await slow.listen();
    const { root } = await store.put(noise(2_000));
    expect((await (await fetch(`${there}/content/${root}`)).arrayBuffer()).byteLength).toBe(2_000);
    await expectError(await fetch(`${there}/content/${root}`), 429, "rate-limited");
    await slow.close();
  });

  it("cuts off uploads that stand still, and keeps nothing of them", async () => {
    const pace = { idleMs: 50, graceMs: 10_000, minBytesPerSecond: 1 };
    const strict = createContentServer({ store, limits: { pace } });
    const at = await strict.listen();
    const answer = await new Promise<number | undefined>((resolve) => {
      const upload = httpRequest(
        `${at}/content`,
        { method: "PUT", headers: { "content-length": 1_000 } },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      );
      upload.on("error", () => {});
      upload.write(new Uint8Array(10));
    });
    expect(answer).toBe(408);
    expect(await readdir(join(directory, "tmp"))).toEqual([]);
    await strict.close();
  });

  it("breaks off where later bytes are damaged", async () => {
    const bytes = noise(90_000);
    const large = await ContentStore.open(directory);
    const { root } = await large.put(bytes);
    const disk = await open(pathOf(directory, root), "r+");
    await disk.write(Uint8Array.of(bytes[89_000]! ^ 1), 0, 1, 89_000);
    await disk.close();
    const got = await fetch(`${url}/content/${root}`, { headers: { range: "bytes=0-65535" } });
    expect(new Uint8Array(await got.arrayBuffer())).toEqual(bytes.slice(0, 65_536));
    await expectError(await fetch(`${url}/content/${root}`, { headers: { range: "bytes=-1" } }), 500, "damaged");
  });

  it("reports damaged content instead of serving it", async () => {
    const { root } = await store.put(utf8("precious"));
    await writeFile(pathOf(directory, root), "precioux");
    await expectError(await fetch(`${url}/content/${root}`), 500, "damaged");
  });

  it("stops an upload above the limit, announced or streamed, and stores nothing", async () => {
    await expectError(await put(new Uint8Array(100_001)), 413, "too-large");
    const status = await new Promise((resolve) => {
      let answered = false;
      const upload = httpRequest(`${url}/content`, { method: "PUT" }, (response) => {
        answered = true;
        response.resume();
        resolve(response.statusCode);
      });
      const write = () => {
        while (!answered && upload.write(new Uint8Array(10_000)));
      };
      // The server cuts the connection after its answer.
      upload.on("error", () => {}).on("drain", write);
      write();
    });
    expect(status).toBe(413);
    expect(store.totalBytes).toBe(0);
    expect((await put("still serving")).status).toBe(201);
  });

  it("refuses a Host header of another name, as a rebound DNS name sends it", async () => {
    const status = await new Promise((resolve, reject) => {
      httpRequest(`${url}/content`, { headers: { host: "evil.example:7070" } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on("error", reject)
        .end();
    });
    expect(status).toBe(403);
    expect((await fetch(url.replace("127.0.0.1", "localhost"))).status).toBe(404);
  });

  it("serves as a checked source over HTTP", async () => {
    const source = httpContentSource(url, 100);
    const { root } = await store.put(utf8("over the wire"));
    expect(await source.get(root)).toEqual(utf8("over the wire"));
    expect(await source.get(rootOf(utf8("no")))).toBeUndefined();
    const large = await store.put(new Uint8Array(101));
    expect(await source.get(large.root)).toBeUndefined();
  });

  it("keeps the bytes exactly on disk", async () => {
    const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => i * 7);
    const { root } = (await (await put(bytes)).json()) as { root: Hex };
    expect(new Uint8Array(await readFile(pathOf(directory, root)))).toEqual(bytes);
  });
});

describe("clients of a server", () => {
  it("are addresses, of IPv6 the network", () => {
    expect(clientOf("192.0.2.1")).toBe("192.0.2.1");
    expect(clientOf("::ffff:192.0.2.1")).toBe("192.0.2.1");
    expect(clientOf("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2::/64");
    expect(clientOf("2001:db8::6")).toBe("2001:db8:0:0::/64");
    expect(clientOf("fe80::1%eth0")).toBe("fe80:0:0:0::/64");
    expect(clientOf("::1")).toBe("::1");
    expect(clientOf(undefined)).toBe("unknown");
  });

  it("get back their rate with time, in a table that does not grow", () => {
    let nowMs = 0;
    const requestRate = { perSecond: 2, burst: 4 };
    const clients = new Clients({ ...SERVER_LIMITS, requestRate, clients: 10 }, () => nowMs);
    for (let i = 0; i < 4; i++) expect(clients.admit("192.0.2.1")).toBeUndefined();
    expect(clients.admit("192.0.2.1")).toBe(1);
    expect(clients.admit("192.0.2.2")).toBeUndefined();
    nowMs += 500;
    expect(clients.admit("192.0.2.1")).toBeUndefined();
    clients.charge("192.0.2.1", SERVER_LIMITS.byteRate.burst + 10 * SERVER_LIMITS.byteRate.perSecond);
    expect(clients.admit("192.0.2.1")).toBe(10);
    for (let i = 0; i < 100; i++) clients.admit(`198.51.100.${i}`);
    expect(clients.size).toBe(10);
    for (let i = 0; i < 10_000; i++) expect(clients.admit("127.0.0.1")).toBeUndefined();
    for (let i = 0; i < SERVER_LIMITS.clientAtOnce; i++) expect(clients.enter("192.0.2.1")).toBe(true);
    expect(clients.enter("192.0.2.1")).toBe(false);
    clients.leave("192.0.2.1");
    expect(clients.enter("192.0.2.1")).toBe(true);
  });
});
