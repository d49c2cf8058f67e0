/** `openledger quality` and the HTTP routes against a real chain's JSON-RPC and a real content server. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPublicClient, http } from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createContentServer } from "../../attribution/content-server.ts";
import { ContentStore } from "../../attribution/content-store.ts";
import { viemDatanetChain } from "../../attribution/quality/datanet-reader.ts";
import type { QualityReport } from "../../attribution/quality/report.ts";
import { createQualityRoutes } from "../../attribution/quality/routes.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { contentRoot } from "../../core/content.ts";
import { DatanetChain } from "../content/testing/datanet-chain.ts";
import { OperationError, UsageError } from "../errors.ts";
import { runQuality } from "./cli.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const prose = (name: string, sentences = 30) =>
  Array.from({ length: sentences }, (_, i) => `The ${name}${i} of ${name}x${i * 7} was seen near a ${name}y${i}.`).join(
    " ",
  );
const [FIRST, SECOND, THIRD] = [utf8(prose("first")), utf8(prose("second")), utf8(prose("third"))];

let directory: string;
let store: ContentStore;
let chain: DatanetChain;
let rpc: string;
let content: string;
const cleanups: (() => unknown)[] = [];
let output = "";

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "quality-"));
  chain = await DatanetChain.open();
  cleanups.push(() => chain.close());
  rpc = await chain.serve();
  store = await ContentStore.open(join(directory, "content"));
  const routes = createQualityRoutes({
    chain: viemDatanetChain(createPublicClient({ transport: http(rpc) })),
    content: store,
    limits: { page: 2 },
  });
  const server = createContentServer({ store, routes });
  cleanups.push(() => server.close());
  content = await server.listen();
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await rm(directory, { recursive: true, force: true });
});

async function run(...args: string[]): Promise<number | Error> {
  const [write, complain] = [process.stdout.write, process.stderr.write];
  output = "";
  process.stdout.write = ((piece: string) => {
    output += piece;
    return true;
  }) as typeof process.stdout.write;
  process.stderr.write = (() => true) as typeof process.stderr.write;
  try {
    return await runQuality(args);
  } catch (error) {
    return error as Error;
  } finally {
    process.stdout.write = write;
    process.stderr.write = complain;
  }
}
const reports = () =>
  output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as QualityReport);
const review = (...more: string[]) =>
  run("review", "--datanet", "1", "--rpc", rpc, "--content.url", content, "--json", ...more);
const suggestions = () => reports().map(({ id, suggestion }) => [id, suggestion.action, suggestion.duplicateOf]);

async function contribute(bytes: Uint8Array, accept: boolean, isStored = true): Promise<bigint> {
  if (isStored) await store.put(bytes);
  return chain.contribute(1n, bytes, { accept });
}

const pathOf = (bytes: Uint8Array): string => {
  const root = bytesToHex(contentRoot(bytes)).slice(2);
  return join(directory, "content", root.slice(0, 2), root);
};

describe("check", () => {
  it("reports on files, each against those before it", async () => {
    const files = ["a", "b", "c"].map((name) => join(directory, name));
    for (const [i, bytes] of [FIRST, SECOND, FIRST].entries()) await writeFile(files[i]!, bytes);
    expect(await run("check", ...files, "--licence", "GPL-3.0", "--json")).toBe(0);
    expect(suggestions()).toEqual([
      [files[0], "accept", null],
      [files[1], "accept", null],
      [files[2], "duplicate", files[0]],
    ]);
    expect(await run("check", files[0]!, "--licence", "GPL-3.0", "--datanet.licence", "MIT")).toBe(0);
    expect(output).toContain(
      `${files[0]}: reject\n  reject        declared GPL-3.0 may not go under the Datanet's MIT\n`,
    );
  });

  it("says what is wrong with its arguments", async () => {
    expect(await run()).toBeInstanceOf(UsageError);
    expect(await run("check")).toBeInstanceOf(UsageError);
    expect(await run("check", "x", "--licence", "Beer")).toBeInstanceOf(UsageError);
    expect(await run("review")).toBeInstanceOf(UsageError);
    expect(await run("review", "file", "--datanet", "1")).toBeInstanceOf(UsageError);
    expect(await run("check", join(directory, "none"))).toBeInstanceOf(OperationError);
  });
});

describe("review", () => {
  it("reports on what is pending, against what has a lower id and was not rejected", async () => {
    await chain.createDatanet();
    await contribute(FIRST, true);
    const rejected = await contribute(THIRD, false);
    await chain.send(0, "rejectContribution", [rejected, "not now"]);
    await contribute(SECOND, false);
    await contribute(utf8(`${prose("first")} The end.`), false);
    await contribute(utf8(`${prose("third")} The end.`), false);
    await contribute(utf8(`${prose("second")} The end.`), false);
    expect(await review()).toBe(0);
    expect(suggestions()).toEqual([
      ["3", "accept", null],
      ["4", "duplicate", "1"],
      ["5", "accept", null],
      ["6", "duplicate", "3"],
    ]);
  });

  it("keeps the index of what is decided, and says the same with it", async () => {
    await chain.createDatanet();
    await contribute(FIRST, true);
    await contribute(SECOND, true);
    await contribute(utf8(`${prose("second")} The end.`), false);
    expect(await review("--datadir", directory)).toBe(0);
    const before = output;
    expect(await readdir(join(directory, "quality"))).toEqual([expect.stringMatching(/^\d+-1\.index$/)]);
    // What the index knows is not read again.
    for (const bytes of [FIRST, SECOND]) await rm(pathOf(bytes));
    expect(await review("--datadir", directory)).toBe(0);
    expect(output).toBe(before);
  });

  it("exits with 1 when a content is not to be had, and says which", async () => {
    await chain.createDatanet();
    await contribute(FIRST, true);
    await contribute(SECOND, false, false);
    await contribute(utf8(`${prose("first")} The end.`), false);
    expect(await review()).toBe(1);
    expect(suggestions()).toEqual([
      ["2", "none", null],
      ["3", "duplicate", "1"],
    ]);
    expect(reports()[1]?.compared).toEqual({ contributions: 1, missing: 1 });
    expect(await run("review", "--datanet", "9", "--rpc", rpc, "--content.url", content)).toBeInstanceOf(
      OperationError,
    );
    expect(await run("review", "--datanet", "1", "--rpc", "http://127.0.0.1:1")).toBeInstanceOf(OperationError);
  });
});

describe("HTTP", () => {
  const get = async (path: string) => {
    const response = await fetch(`${content}${path}`);
    // biome-ignore lint/suspicious/noExplicitAny: answers of several shapes
    return [response.status, (await response.json()) as any] as const;
  };

  it("answers for a contribution and a list, and follows the chain", async () => {
    await chain.createDatanet();
    await contribute(FIRST, true);
    for (const name of ["second", "third", "fourth"]) await contribute(utf8(prose(name)), false);
    const [status, body] = await get("/quality/1");
    expect([status, body.datanetId, body.status, body.report.suggestion.action]).toEqual([
      200,
      "1",
      "accepted",
      "accept",
    ]);

    const [, list] = await get("/quality?datanet=1");
    expect([list.items.map((item: { id: string }) => item.id), list.next]).toEqual([["2", "3"], "3"]);
    const [, rest] = await get("/quality?datanet=1&after=3");
    expect([rest.items.map((item: { id: string }) => item.id), rest.next]).toEqual([["4"], null]);
    expect((await get("/quality?datanet=1&status=all"))[1].items[0].id).toBe("1");

    // A copy of what is rejected afterwards is no copy any more.
    await contribute(utf8(`${prose("second")} The end.`), false);
    expect((await get("/quality/5"))[1].report.suggestion).toMatchObject({ action: "duplicate", duplicateOf: "2" });
    await chain.send(0, "rejectContribution", [2n, "no"]);
    expect((await get("/quality/5"))[1].report.suggestion).toMatchObject({ action: "accept" });
    expect((await get("/quality/2"))[0]).toBe(404);
  });

  it("reads a content that came late", async () => {
    await chain.createDatanet();
    await contribute(FIRST, false, false);
    expect((await get("/quality/1"))[1].report.suggestion.action).toBe("none");
    await store.put(FIRST);
    expect((await get("/quality/1"))[1].report.suggestion.action).toBe("accept");
  });

  it("refuses what it does not know or show", async () => {
    await chain.createDatanet("permissioned");
    await chain.send(0, "setContributor", [1n, "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A", true]);
    const codes = [];
    for (const path of [
      "/quality/1",
      "/quality/x",
      "/quality?datanet=9",
      "/quality?datanet=1",
      "/quality?datanet=1&limit=3",
      "/quality?datanet=1&status=odd",
    ]) {
      const [status, { error }] = await get(path);
      codes.push([status, error.code]);
    }
    expect(codes).toEqual([
      [404, "unknown-contribution"],
      [400, "bad-contribution"],
      [404, "unknown-datanet"],
      [403, "permissioned"],
      [400, "bad-limit"],
      [400, "bad-status"],
    ]);
    expect((await fetch(`${content}/quality/1`, { method: "POST" })).status).toBe(405);
  });
});
