/** `openledger data` against real content servers and the JSON-RPC of a real chain. */
import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPublicClient, http } from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createContentServer } from "../../attribution/content-server.ts";
import { ContentStore } from "../../attribution/content-store.ts";
import { bytesToHex, type Hex } from "../../core/bytes.ts";
import { contentRoot } from "../../core/content.ts";
import { openContents } from "../content/contents.ts";
import { ACCOUNT_KEYS, ACCOUNTS, DatanetChain } from "../content/testing/datanet-chain.ts";
import { until } from "../p2p/testing/nodes.ts";
import { systemClock } from "../ports.ts";
import { testLog } from "../testing/world.ts";
import { runData } from "./cli.ts";
import { readVersion } from "./datanet.ts";
import { download } from "./download.ts";

const noise = (length: number, seed: number): Uint8Array<ArrayBuffer> => {
  const parts: Buffer[] = [];
  for (let i = 0; i * 32 < length; i++) parts.push(createHash("sha256").update(`${seed} ${i}`).digest());
  return new Uint8Array(Buffer.concat(parts).subarray(0, length));
};
const rootOf = (bytes: Uint8Array): Hex => bytesToHex(contentRoot(bytes));

const cleanups: (() => unknown)[] = [];
let directory: string;
let output = "";
let errors = "";
const [write, complain] = [process.stdout.write, process.stderr.write];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "data-"));
  [output, errors] = ["", ""];
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await rm(directory, { recursive: true, force: true });
});

/** What the command prints, and its exit code or error. */
async function run(...args: string[]): Promise<number | Error> {
  // As the program's own: a piece at a time, answered by the callback.
  const capture = (into: (text: string) => void) =>
    ((piece: string | Uint8Array, ...rest: unknown[]) => {
      into(Buffer.from(piece as Uint8Array).toString("latin1"));
      const callback = rest.find((item) => typeof item === "function") as (() => void) | undefined;
      callback?.();
      return true;
    }) as typeof process.stdout.write;
  process.stdout.write = capture((text) => {
    output += text;
  });
  process.stderr.write = capture((text) => {
    errors += text;
  });
  try {
    return await runData(args);
  } catch (error) {
    return error as Error;
  } finally {
    process.stdout.write = write;
    process.stderr.write = complain;
  }
}

async function startStore(name: string, contents: readonly Uint8Array[] = []) {
  const store = await ContentStore.open(join(directory, name));
  for (const content of contents) await store.put(content);
  const server = createContentServer({ store });
  cleanups.push(() => server.close());
  return { store, url: await server.listen() };
}

/** A server that answers what it is told to. */
async function startRaw(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("put, get and list", () => {
  it("store files, and give back what hashes to its root", async () => {
    const { url } = await startStore("store");
    const [small, large] = [noise(100, 1), noise(400_000, 2)];
    await writeFile(join(directory, "a"), small);
    await writeFile(join(directory, "b"), large);
    const files = [join(directory, "a"), join(directory, "b")];
    expect(await run("put", ...files, "--content.url", url)).toBe(0);
    expect(output).toBe(`${rootOf(small)} 100 ${files[0]}\n${rootOf(large)} 400000 ${files[1]}\n`);
    output = "";
    expect(await run("list", "--json", "--content.url", url)).toBe(0);
    const listed = output
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
    expect(listed).toHaveLength(2);
    expect(listed).toContainEqual({ root: rootOf(large), size: 400_000 });

    const out = join(directory, "out");
    expect(await run("get", rootOf(large), "--out", out, "--content.url", url)).toBe(0);
    expect(Buffer.compare(await readFile(out), large)).toBe(0);
    expect(await run("get", rootOf(large), "--range", "262143-262150", "--out", out, "--content.url", url)).toBe(0);
    expect(new Uint8Array(await readFile(out))).toEqual(large.slice(262_143, 262_151));
    expect(await run("get", rootOf(large), "--range", "399998-999999", "--out", out, "--content.url", url)).toBe(0);
    expect(new Uint8Array(await readFile(out))).toEqual(large.slice(399_998));
    output = "";
    expect(await run("get", rootOf(small), "--content.url", url)).toBe(0);
    expect(Buffer.from(output, "latin1").equals(small)).toBe(true);
    expect(await run("get", rootOf(small), "--range", "100-101", "--content.url", url)).toMatchObject({ exitCode: 1 });
    expect(await run("get", rootOf(noise(5, 9)), "--content.url", url)).toMatchObject({
      exitCode: 1,
      message: expect.stringContaining("does not hold"),
    });
  });

  it("tell mistakes", async () => {
    const usage = (message: string) => ({ exitCode: 2, message: expect.stringContaining(message) });
    expect(await run()).toMatchObject(usage("put, get, list, fetch"));
    expect(await run("toString")).toMatchObject(usage("put, get, list, fetch"));
    expect(await run("put")).toMatchObject(usage("a FILE"));
    expect(await run("get", "0x12")).toMatchObject(usage("not a content root"));
    expect(await run("fetch", "here")).toMatchObject(usage("nothing before its flags"));
    expect(await run("fetch", "--datanet", "1")).toMatchObject(usage("--out DIR"));
    expect(await run("list", "--content.url", "ftp://x")).toMatchObject(usage("not an http or https URL"));
    expect(await run("get", `0x${"00".repeat(32)}`, "--range", "9-1")).toMatchObject(usage("not a range"));
    expect(await run("put", join(directory, "absent"))).toMatchObject({ exitCode: 1 });
  });
});

describe("fetch", () => {
  const contents = [noise(300, 1), noise(70_000, 2), noise(256, 3), noise(12_345, 4)];

  async function datanet() {
    const chain = await DatanetChain.open();
    cleanups.push(() => chain.close());
    const id = await chain.createDatanet();
    for (const content of contents) await chain.contribute(id, content);
    await chain.send(0, "publishVersion", [id]);
    return { chain, id, rpc: await chain.serve() };
  }

  it("brings a version, checked against the chain, from several stores, and goes on where it was interrupted", async () => {
    const { chain, rpc } = await datanet();
    const liar = await startRaw((_, response) => response.end("something else"));
    const first = await startStore("first", [contents[0]!, contents[1]!]);
    const second = await startStore("second", [contents[1]!, contents[2]!]);
    const out = join(directory, "out");
    const urls = [liar, first.url, second.url].flatMap((url) => ["--content.url", url]);
    const args = ["fetch", "--datanet", "1", "--out", out, "--rpc", rpc];
    expect(await run(...args, ...urls)).toBe(1);
    expect(errors).toContain(`missing: contribution 4, content ${rootOf(contents[3]!)}, in whose place`);
    const manifest = JSON.parse(await readFile(join(out, "manifest.json"), "utf8")) as {
      contributions: { file?: string; missing?: string }[];
    };
    expect(manifest).toMatchObject({ datanet: 1, version: 1, licence: "CC-BY-4.0", access: "open", bytes: 82_901 });
    expect(manifest.contributions[1]).toMatchObject({
      id: 2,
      root: rootOf(contents[1]!),
      size: 70_000,
      contributor: ACCOUNTS[1],
      licence: "CC-BY-4.0",
      file: `contents/${rootOf(contents[1]!).slice(2)}`,
    });
    expect(manifest.contributions[3]).toMatchObject({ missing: "wrong" });

    // One is damaged, another stopped in the middle, and the one that was missing turns up.
    const fileOf = (content: Uint8Array) => join(out, "contents", rootOf(content).slice(2));
    await writeFile(fileOf(contents[0]!), noise(300, 77));
    await rm(fileOf(contents[1]!));
    await writeFile(`${fileOf(contents[1]!)}.partial`, contents[1]!.subarray(0, 50_000));
    const kept = (await stat(fileOf(contents[2]!))).mtimeMs;
    await second.store.put(contents[3]!);
    await chain.send(1, "withdrawConsent", [3n]);
    expect(await run(...args, ...urls)).toBe(0);
    for (const content of contents) expect(Buffer.compare(await readFile(fileOf(content)), content)).toBe(0);
    expect((await stat(fileOf(contents[2]!))).mtimeMs).toBe(kept);
    expect((await readdir(join(out, "contents"))).length).toBe(4);
    expect(JSON.parse(await readFile(join(out, "manifest.json"), "utf8"))).toMatchObject({
      contributions: [{}, {}, { missing: "withdrawn", withdrawnAt: 15 }, {}],
    });

    // A directory of one Datanet takes no other.
    await chain.createDatanet();
    await chain.contribute(2n, noise(10, 5));
    expect(await run("fetch", "--datanet", "2", "--out", out, "--rpc", rpc)).toMatchObject({
      exitCode: 1,
      message: "Datanet 2 has no version yet: its owner publishes one",
    });
    await chain.send(0, "publishVersion", [2n]);
    expect(await run("fetch", "--datanet", "2", "--out", out, "--rpc", rpc)).toMatchObject({ exitCode: 3 });
    expect(await run("fetch", "--datanet", "3", "--out", out, "--rpc", rpc)).toMatchObject({
      exitCode: 1,
      message: "the chain answers UnknownDatanet(3)",
    });
  });

  it("takes what was withdrawn only when asked, and tells it from what is unavailable", async () => {
    const { chain, rpc } = await datanet();
    await chain.send(1, "withdrawConsent", [2n]);
    const { url } = await startStore("store", [contents[0]!, contents[2]!, contents[3]!]);
    const args = ["fetch", "--datanet", "1", "--version", "1", "--rpc", rpc, "--content.url", url];
    expect(await run(...args, "--out", join(directory, "without"))).toBe(0);
    expect(output).toMatch(/^datanet +1\nversion +1\nfetched +3\nwithdrawn +1\nmissing +0\ndirectory +\//);
    expect(await run(...args, "--withdrawn", "--out", join(directory, "with"))).toBe(1);
    expect(errors).toContain("whose contributor has withdrawn consent, and which no store has");
  });

  it("does not believe a node whose list of contributions is not the version's", async () => {
    const { rpc } = await datanet();
    const client = createPublicClient({ transport: http(rpc) });
    const lying = {
      getChainId: () => client.getChainId(),
      readContract: async (call: { functionName: string; args: readonly unknown[] }) => {
        const answer = await client.readContract(call as never);
        if (call.functionName !== "contribution" || call.args[0] !== 2n) return answer;
        return { ...(answer as object), contentRoot: rootOf(noise(9, 9)) };
      },
    };
    await expect(readVersion(lying as never, 1n, undefined)).rejects.toThrow("do not lead to the root");
    expect((await readVersion(client, 1n, undefined)).contributions).toHaveLength(4);
  });
});

describe("permissioned contents", () => {
  it("are fetched by whom the Datanet grants them, and by nobody else", async () => {
    const chain = await DatanetChain.open();
    cleanups.push(() => chain.close());
    const id = await chain.createDatanet("permissioned");
    await chain.send(0, "setContributor", [id, ACCOUNTS[1], true]);
    await chain.send(0, "setBuilder", [id, ACCOUNTS[2], true]);
    const [secret, large] = [noise(500, 11), noise(300_000, 12)];
    await chain.contribute(id, secret);
    await chain.contribute(id, large);
    await chain.send(0, "publishVersion", [id]);
    const contents = await openContents({
      chain: chain.chain,
      directory: join(directory, "contents"),
      config: undefined,
      isServed: true,
      network: undefined,
      clock: systemClock,
      log: testLog().log,
    });
    cleanups.push(() => contents.close());
    await contents.store.put(secret);
    await contents.store.put(large);
    const { store, access } = contents;
    await until(() => access?.visibility(rootOf(large)) === "granted", "the catalog knows it");
    const server = createContentServer({ store, access });
    cleanups.push(() => server.close());
    const url = await server.listen();
    const keyOf = async (account: number) => {
      const file = join(directory, `key-${account}`);
      await writeFile(file, ACCOUNT_KEYS[account]!, { mode: 0o600 });
      return ["--keyfile", file];
    };
    const args = ["--rpc", await chain.serve(), "--content.url", url];
    const fetching = ["fetch", "--datanet", "1", ...args];
    expect(await run(...fetching, "--out", join(directory, "nobody"))).toBe(1);
    expect(errors).toContain("which is given to granted accounts only");
    expect(await run(...fetching, "--out", join(directory, "stranger"), ...(await keyOf(3)))).toBe(1);
    // Owner, contributor and builder.
    for (const account of [0, 1, 2]) {
      expect(await run(...fetching, "--out", join(directory, `of-${account}`), ...(await keyOf(account)))).toBe(0);
    }
    const out = join(directory, "out");
    const range = ["--range", "262144-262200", "--out", out];
    expect(await run("get", rootOf(large), ...range, ...args, ...(await keyOf(2)))).toBe(0);
    expect(new Uint8Array(await readFile(out))).toEqual(large.slice(262_144, 262_201));
    // Taken back on chain it is gone with the next request.
    await chain.send(0, "setBuilder", [id, ACCOUNTS[2], false]);
    expect(await run(...fetching, "--out", join(directory, "later"), ...(await keyOf(2)))).toBe(1);
  });

  it("can be sealed, granted and opened", async () => {
    const [ann, ben, cat] = ["ann", "ben", "cat"].map((name) => join(directory, name)) as [string, string, string];
    for (const [i, file] of [ann, ben, cat].entries()) await writeFile(file, ACCOUNT_KEYS[i]!, { mode: 0o600 });
    expect(await run("key", "--keyfile", ben, "--json")).toBe(0);
    const { address, publicKey } = JSON.parse(output) as { address: string; publicKey: string };
    expect(address).toBe(ACCOUNTS[1]);
    const content = noise(200_000, 20);
    const [plain, sealed, out] = ["plain", "sealed", "opened"].map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ];
    await writeFile(plain, content);
    output = "";
    expect(await run("encrypt", plain, "--keyfile", ann, "--out", sealed, "--json")).toBe(0);
    const { contentRoot: root, sealedRoot } = JSON.parse(output) as { contentRoot: Hex; sealedRoot: Hex };
    expect([root, sealedRoot]).toEqual([rootOf(content), rootOf(await readFile(sealed))]);
    const denied = { exitCode: 1, message: expect.stringContaining("is not among the grants") };
    expect(await run("decrypt", sealed, "--keyfile", ben, "--out", out)).toMatchObject(denied);
    expect(await run("grant", `${sealed}.grants.json`, "--recipient", publicKey, "--keyfile", cat)).toMatchObject(
      denied,
    );
    expect(await run("grant", `${sealed}.grants.json`, "--recipient", publicKey, "--keyfile", ann)).toBe(0);
    expect(await run("decrypt", sealed, "--keyfile", ben, "--out", out)).toBe(0);
    expect(Buffer.compare(await readFile(out), content)).toBe(0);
    const damaged = await readFile(sealed);
    damaged[100_000]! ^= 1;
    await writeFile(sealed, damaged);
    const other = join(directory, "other");
    expect(await run("decrypt", sealed, "--keyfile", ben, "--out", other)).toMatchObject({ exitCode: 1 });
    expect((await readdir(directory)).filter((name) => name.startsWith("other"))).toEqual([]);
    const usage = (message: string) => ({ exitCode: 2, message: expect.stringContaining(message) });
    expect(await run("encrypt", plain, "--out", sealed)).toMatchObject(usage("nobody could open it"));
    expect(await run("encrypt", plain, "--recipient", "0x02")).toMatchObject(usage("--out FILE"));
    expect(await run("encrypt", plain, "--recipient", "0x02", "--out", sealed)).toMatchObject(usage("no public key"));
    expect(await run("key")).toMatchObject(usage("--keyfile FILE is missing"));
  });
});

describe("a download", () => {
  const content = noise(200_000, 6);
  const wanted = { root: rootOf(content), size: content.length, maxBytes: content.length };

  it("goes on after each break, and asks again for all when what was there was wrong", async () => {
    const file = join(directory, "file");
    const partial = `${file}.partial`;
    const ranges: (string | undefined)[] = [];
    const url = await startRaw((request, response) => {
      const { range } = request.headers;
      ranges.push(range);
      const start = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
      const place = { "content-range": `bytes ${start}-199999/200000`, "content-length": 200_000 - start };
      response.writeHead(range === undefined ? 200 : 206, place);
      // Four breaks, each once the piece has arrived, then all.
      if (ranges.length > 4) return void response.end(content.subarray(start));
      response.write(content.subarray(start, start + 30_000));
      const hasArrived = () => existsSync(partial) && statSync(partial).size === start + 30_000;
      void until(hasArrived, "the piece is there").then(() => response.destroy());
    });
    expect(await download([{ url }], wanted, file)).toBeUndefined();
    expect(Buffer.compare(await readFile(file), content)).toBe(0);
    const starts = [30_000, 60_000, 90_000, 120_000].map((start) => `bytes=${start}-`);
    expect(ranges).toEqual([undefined, ...starts]);
    expect(existsSync(partial)).toBe(false);

    const { url: honest } = await startStore("store", [content]);
    await rm(file);
    await writeFile(partial, noise(100_000, 7));
    expect(await download([{ url: honest }], wanted, file)).toBeUndefined();
    expect(Buffer.compare(await readFile(file), content)).toBe(0);
  });

  it("waits when the store is busy, and stops reading what is too long", async () => {
    let asked = 0;
    const { url } = await startStore("store", [content]);
    const busy = await startRaw((_, response) => {
      if (asked++ === 0) response.writeHead(429, { "retry-after": "1" }).end();
      else response.writeHead(404).end();
    });
    let sent = 0;
    const endless = await startRaw((_, response) => {
      const more = () => {
        while (!response.destroyed && sent < 2 ** 30) {
          sent += 65_536;
          if (!response.write(new Uint8Array(65_536))) return void response.once("drain", more);
        }
      };
      more();
    });
    const file = join(directory, "folder", "file");
    await mkdir(join(directory, "folder"));
    expect(await download([{ url: busy }, { url: endless }, { url }], wanted, file)).toBeUndefined();
    expect(asked).toBe(2);
    expect(sent).toBeLessThan(2 ** 26);
    await rm(file);
    const missing = await download([{ url: busy }, { url: endless }], wanted, file);
    expect(missing).toMatchObject({ reason: "wrong", details: [expect.stringMatching(/404/), expect.any(String)] });
  });
});
