import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { privateKeyToAccount } from "viem/accounts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createContentServer } from "../../attribution/content-server.ts";
import { ContentStore } from "../../attribution/content-store.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { contentRoot } from "../../core/content.ts";
import { hostDefaults, hostOptions } from "../commands/host.ts";
import { readOptions } from "../config.ts";
import { signingAs } from "../data-cli/signing.ts";
import { DataError, OperationError, UsageError } from "../errors.ts";
import { keptContents } from "./contents.ts";
import { type HostIdentity, openHostDirectory } from "./directory.ts";
import { hostSettings } from "./settings.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "host-settings-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const settings = (args: readonly string[], environment: Record<string, string> = {}) =>
  hostSettings(readOptions(args, {}, hostOptions, hostDefaults), environment);
const OPENAI = ["--engine", "openai", "--engine.url", "http://127.0.0.1:1/v1", "--engine.model", "some/model:7b"];

describe("settings", () => {
  it("have the defaults that docs/hosting.md prints", () => {
    expect(settings(["--datadir", "/d"])).toEqual({
      datadir: "/d",
      rpcUrl: "http://127.0.0.1:8545",
      contentUrls: ["http://127.0.0.1:7070"],
      contentDirectory: "/d/content",
      listener: { address: "127.0.0.1", port: 8081 },
      vhosts: [],
      publicUrl: undefined,
      models: undefined,
      join: [],
      stakeWei: undefined,
      isFree: false,
      engine: undefined,
      passages: 0,
      batchSize: 64,
      batchMs: 10_000,
      pollMs: 1_000,
      maxUnsettled: 4_096,
      maxCorpusBytes: 4 * 1024 ** 3,
      keepAnswers: 100_000,
    });
  });

  it("take the engine's key from a file or a variable", () => {
    const file = join(directory, "key");
    writeFileSync(file, "file-key\n");
    expect(settings([...OPENAI, "--engine.keyfile", file]).engine).toMatchObject({ apiKey: "file-key", parallel: 16 });
    expect(settings([...OPENAI, "--engine.keyenv", "THE_KEY"], { THE_KEY: "a-key" }).engine?.apiKey).toBe("a-key");
    expect(settings([...OPENAI, "--models", "3,12", "--retrieval", "4"])).toMatchObject({
      models: new Set([3n, 12n]),
      passages: 4,
      engine: { apiKey: undefined, timeoutMs: 60_000, model: "some/model:7b" },
    });
  });

  it.each<[string, readonly string[]]>([
    ["an engine without its server", ["--engine", "openai"]],
    ["a server without its engine", ["--engine.url", "http://127.0.0.1:1"]],
    ["a key in the URL", ["--engine", "openai", "--engine.url", "http://me:pass@127.0.0.1:1", "--engine.model", "m"]],
    ["two keys", [...OPENAI, "--engine.keyfile", "/a", "--engine.keyenv", "B"]],
    ["retrieval for nobody", ["--retrieval", "3"]],
    ["a model by name", ["--models", "gpt"]],
    ["model 0", ["--join", "0"]],
    ["no content store", ["--content.url", ""]],
  ])("refuse %s", (_, args) => {
    expect(() => settings(args)).toThrow(UsageError);
  });

  it("show nothing of a key that is none", () => {
    const file = join(directory, "key");
    writeFileSync(file, "two secret\nlines");
    for (const more of [
      ["--engine.keyfile", file],
      ["--engine.keyfile", join(directory, "none")],
      ["--engine.keyenv", "NO"],
    ]) {
      const fails = () => settings([...OPENAI, ...more]);
      expect(fails).toThrow(OperationError);
      expect(fails).not.toThrow(/secret/);
    }
  });
});

it("a directory is one process's, one key's and one chain's", () => {
  const identity: HostIdentity = { chainId: "7", genesisHash: "0x01", host: "0xab" };
  const first = openHostDirectory(directory);
  first.claim(identity);
  expect(() => openHostDirectory(directory)).toThrow(DataError);
  first.release();
  const second = openHostDirectory(directory);
  second.claim(identity);
  for (const change of [{ chainId: "8" }, { genesisHash: "0x02" }, { host: "0xcd" }] as const) {
    expect(() => second.claim({ ...identity, ...change })).toThrow(/is of .*use another --datadir/);
  }
  writeFileSync(join(directory, "host.json"), "{");
  expect(() => second.claim(identity)).toThrow(/damaged/);
  second.release();
});

it("contents come from the first store that has them, and are kept", async () => {
  const bytes = new TextEncoder().encode("some content");
  const root = bytesToHex(contentRoot(bytes));
  const [empty, full, own] = await Promise.all(
    ["empty", "full", "own"].map((name) => ContentStore.open(join(directory, name))),
  );
  await full!.put(bytes);
  const servers = [empty!, full!].map((store) => createContentServer({ store }));
  const urls = await Promise.all(servers.map((server) => server.listen()));
  const kept = keptContents(own!, ["http://127.0.0.1:1", ...urls]);
  expect(await kept.get(root)).toEqual(bytes);
  for (const server of servers) await server.close();
  expect(await kept.get(root)).toEqual(bytes);
  // What a store that is gone cannot say is no absence.
  const other = bytesToHex(contentRoot(new TextEncoder().encode("other")));
  await expect(kept.get(other)).rejects.toThrow();
  // Damage on disk is mended from a store.
  writeFileSync(join(directory, "own", root.slice(2, 4), root.slice(2)), "some c0ntent");
  const again = createContentServer({ store: full! });
  const mending = keptContents(own!, [await again.listen()]);
  expect(await mending.get(root)).toEqual(bytes);
  expect(await own!.get(root)).toEqual(bytes);
  expect(await mending.get(other)).toBeUndefined();
  await again.close();
});

it("contents that are not for everybody are asked for with a signature, and only then", async () => {
  const bytes = new TextEncoder().encode("for granted accounts");
  const root = bytesToHex(contentRoot(bytes));
  const signed: boolean[] = [];
  const server = createServer((request, response) => {
    signed.push(request.headers.authorization !== undefined);
    if (request.headers.authorization === undefined) response.writeHead(401).end("{}");
    else response.writeHead(200).end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const own = await ContentStore.open(join(directory, "own"));
  await expect(keptContents(own, [url]).get(root)).rejects.toThrow("401");
  const account = privateKeyToAccount(`0x${"11".repeat(32)}`);
  expect(await keptContents(own, [url], signingAs(account, 7)).get(root)).toEqual(bytes);
  expect(signed).toEqual([false, false, true]);
  server.close();
  server.closeAllConnections();
});
