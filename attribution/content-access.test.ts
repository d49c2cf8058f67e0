/** Signed requests against a real server. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LocalAccount, privateKeyToAccount } from "viem/accounts";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Hex } from "../core/bytes.ts";
import { type ContentAccess, gatekeeper } from "./content-access.ts";
import { Askers, authorizationHeader, type ContentRequest, contentRequestData } from "./content-request.ts";
import { createContentServer } from "./content-server.ts";
import { ContentStore } from "./content-store.ts";
import type { HttpServer } from "./http.ts";

const CHAIN_ID = 161_299n;
const [builder, stranger] = [1, 2].map((i) => privateKeyToAccount(`0x${String(i).padStart(64, "0")}`)) as [
  LocalAccount,
  LocalAccount,
];
const text = (words: string): Uint8Array => new TextEncoder().encode(words);

let directory: string;
let server: HttpServer;
let url: string;
let secret: Hex;
let open: Hex;
let access: ContentAccess;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "access-"));
  const store = await ContentStore.open(directory);
  secret = (await store.put(text("a secret"))).root;
  open = (await store.put(text("no secret"))).root;
  access = {
    chainId: CHAIN_ID,
    visibility: (root) => (root === secret ? "granted" : root === open ? "public" : "unlisted"),
    isGranted: async (_, account) => account === builder.address.toLowerCase(),
  };
  server = createContentServer({ store, access });
  url = await server.listen();
});
afterEach(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
});

let nonces = 0;
async function signed(account: LocalAccount, path: string, changes: Partial<ContentRequest> = {}, chainId = CHAIN_ID) {
  const request: ContentRequest = {
    host: new URL(url).host,
    method: "GET",
    path,
    range: "",
    expires: BigInt(Math.floor(Date.now() / 1_000) + 60),
    nonce: `0x${(++nonces).toString(16).padStart(64, "0")}`,
    ...changes,
  };
  const signature = await account.signTypedData(contentRequestData(chainId, request));
  return authorizationHeader(request, signature);
}

async function ask(path: string, authorization?: string, headers: Record<string, string> = {}) {
  const response = await fetch(url + path, { headers: { ...headers, ...(authorization && { authorization }) } });
  const body = await response.text();
  const code = response.ok ? body : (JSON.parse(body) as { error: { code: string } }).error.code;
  return [response.status, code, response.headers.get("cache-control")];
}

it("gives what is granted to whom it is granted, and everything else to everybody", async () => {
  const path = `/content/${secret}`;
  expect(await ask(`/content/${open}`)).toEqual([200, "no secret", "public, max-age=31536000, immutable"]);
  const refused = await fetch(url + path);
  expect([refused.status, refused.headers.get("www-authenticate")]).toEqual([401, "OpenLedger"]);
  expect(await ask(path, await signed(stranger, path))).toEqual([403, "not-granted", null]);
  expect(await ask(path, await signed(builder, path))).toEqual([200, "a secret", "private, no-store"]);
  const ranged = await signed(builder, path, { range: "bytes=2-3" });
  expect(await ask(path, ranged, { range: "bytes=2-3" })).toEqual([206, "se", "private, no-store"]);
  const proof = `${path}/proof?first=0&last=0`;
  expect((await ask(proof))[0]).toBe(401);
  expect((await ask(proof, await signed(builder, proof)))[0]).toBe(200);
  // Also for what the store does not hold: who may not read it is not told.
  expect((await ask(path, undefined, { "if-none-match": `"${secret}"` }))[0]).toBe(401);
});

it("takes a signature for this request alone, once and in its time", async () => {
  const path = `/content/${secret}`;
  const header = await signed(builder, path);
  expect((await ask(path, header))[0]).toBe(200);
  expect(await ask(path, header)).toEqual([401, "replayed", null]);
  const now = BigInt(Math.floor(Date.now() / 1_000));
  const others = [
    await signed(builder, path, { method: "HEAD" }),
    await signed(builder, `${path}/proof`),
    await signed(builder, path, { range: "bytes=0-1" }),
    await signed(builder, path, { host: "127.0.0.1:1" }),
    await signed(builder, path, {}, 1n),
  ];
  // Of another request it is the signature of another account.
  for (const other of others) expect(await ask(path, other)).toEqual([403, "not-granted", null]);
  const untimely = [now - 1n, now + 10_000n].map((expires) => signed(builder, path, { expires }));
  for (const other of await Promise.all(untimely)) expect(await ask(path, other)).toEqual([401, "not-signed", null]);
  for (const wrong of ["Bearer x", "OpenLedger", header.slice(0, -1), `${header.slice(0, -2)}63`]) {
    expect(await ask(path, wrong)).toEqual([401, "not-signed", null]);
  }
});

it("remembers no more requests than it has room for, and forgets those that expired", async () => {
  let now = 1_000;
  const askers = new Askers(CHAIN_ID, () => now);
  const header = (nonce: number, expires: number) =>
    `OpenLedger expires=${expires}, nonce=0x${nonce.toString(16).padStart(64, "0")}, signature=0x${"00".repeat(65)}`;
  for (let i = 0; i < 65_536; i++) expect(askers.isFirst(header(i, 1_100))).toBe(true);
  expect(askers.isFirst(header(70_000, 1_100))).toBe(false);
  now = 1_100;
  expect(askers.isFirst(header(70_000, 1_200))).toBe(true);
  expect(askers.isFirst("Bearer x")).toBe(false);
});

it("hides from strangers what is not on chain yet", () => {
  const gate = gatekeeper(access);
  expect([secret, open, `0x${"00".repeat(32)}` as Hex].map((root) => gate.isListed(root))).toEqual([true, true, false]);
});
