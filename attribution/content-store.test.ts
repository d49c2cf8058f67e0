import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytesToHex, type Hex, hexToBytes } from "../core/bytes.ts";
import { contentRoot, verifyContentProof } from "../core/content.ts";
import { createContentServer, httpContentSource } from "./content-server.ts";
import { ContentStore } from "./content-store.ts";
import type { HttpServer } from "./http.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const rootOf = (bytes: Uint8Array) => bytesToHex(contentRoot(bytes));
const pathOf = (directory: string, root: Hex) => join(directory, root.slice(2, 4), root.slice(2));

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "content-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe("ContentStore", () => {
  it("gives back what was put, after a reopen too, readable by the owner alone", async () => {
    const store = await ContentStore.open(directory);
    const bytes = utf8("a contribution");
    expect(await store.put(bytes)).toEqual({ root: rootOf(bytes), size: 14, created: true });
    expect(await store.put(bytes)).toEqual({ root: rootOf(bytes), size: 14, created: false });
    const again = await ContentStore.open(directory);
    expect(await again.get(rootOf(bytes))).toEqual(bytes);
    expect(again.totalBytes).toBe(14);
    expect((await stat(pathOf(directory, rootOf(bytes)))).mode & 0o777).toBe(0o600);
    expect(await again.get(rootOf(utf8("other")))).toBeUndefined();
    expect(await readdir(join(directory, "tmp"))).toEqual([]);
  });

  it("refuses empty, too large and too much content", async () => {
    const store = await ContentStore.open(directory, { maxItemBytes: 10, maxTotalBytes: 15 });
    await expect(store.put(new Uint8Array(0))).rejects.toMatchObject({ code: "empty" });
    await expect(store.put(new Uint8Array(11))).rejects.toMatchObject({ code: "too-large" });
    const [first, second] = await Promise.allSettled([store.put(utf8("ten bytes.")), store.put(utf8("ten more b"))]);
    expect(first.status).toBe("fulfilled");
    expect(second).toMatchObject({ reason: { code: "full" } });
    expect(store.totalBytes).toBe(10);
  });

  it("detects damage on read and repairs it by a new put", async () => {
    const store = await ContentStore.open(directory);
    const bytes = utf8("precious");
    const { root } = await store.put(bytes);
    for (const damage of ["", "precioux", "precious and more"]) {
      await writeFile(pathOf(directory, root), damage);
      await expect(store.get(root)).rejects.toMatchObject({ code: "damaged" });
      await store.put(bytes);
      expect(await store.get(root)).toEqual(bytes);
    }
  });

  it("lists in the order of roots, page by page, without gaps", async () => {
    const store = await ContentStore.open(directory);
    const roots: Hex[] = [];
    for (let i = 0; i < 25; i++) roots.push((await store.put(utf8(`item ${i}`))).root);
    const listed: Hex[] = [];
    let after: Hex | undefined;
    do {
      const page = await store.list(after, 4);
      listed.push(...page.items.map(({ root }) => root));
      after = page.next;
    } while (after !== undefined);
    expect(listed).toEqual(roots.sort());
  });

  it("removes interrupted writes and refuses a newer format", async () => {
    await ContentStore.open(directory);
    await writeFile(join(directory, "tmp", "half"), "hal");
    await ContentStore.open(directory);
    expect(await readdir(join(directory, "tmp"))).toEqual([]);
    await writeFile(join(directory, "FORMAT"), "2\n");
    await expect(ContentStore.open(directory)).rejects.toMatchObject({ code: "format" });
  });

  it("takes no path for a root", async () => {
    const store = await ContentStore.open(directory);
    await expect(store.get("0x../../etc/passwd")).rejects.toThrow(TypeError);
  });
});

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

  it("proves chunks", async () => {
    const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i);
    const root = rootOf(bytes);
    await put(bytes);
    const proof = (await (await fetch(`${url}/content/${root}/proof?chunk=3`)).json()) as {
      bytes: Hex;
      siblings: Hex[];
      size: number;
    };
    const { size: length } = proof;
    const chunk = hexToBytes(proof.bytes);
    const siblings = proof.siblings.map(hexToBytes);
    expect(verifyContentProof({ root: contentRoot(bytes), length, index: 3, chunk, siblings })).toBe(true);
    await expectError(await fetch(`${url}/content/${root}/proof?chunk=4`), 400, "bad-chunk");
    await expectError(await fetch(`${url}/content/${root}/proof`), 400, "bad-chunk");
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
