/** `openledger lineage` as an auditor runs it: an index and a node over HTTP, and proxies in front of them that lie. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createContentServer } from "../../attribution/content-server.ts";
import { ContentStore } from "../../attribution/content-store.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { contentRoot } from "../../core/content.ts";
import { runLineage } from "./cli.ts";
import { plain } from "./print.ts";
import { GENESIS, LineageWorld, OUTPUT, TEXTS } from "./testing/lineage-world.ts";
import { type LyingProxy, startLyingProxy } from "./testing/lying-proxy.ts";

const directory = mkdtempSync(join(tmpdir(), "lineage-cli-"));
const answer = join(directory, "answer.txt");
const genesis = join(directory, "genesis.json");
let world: LineageWorld;
let graphql: LyingProxy;
let rpc: LyingProxy;
let content: string;
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  writeFileSync(answer, OUTPUT);
  writeFileSync(genesis, JSON.stringify(GENESIS));
  world = await LineageWorld.open();
  await world.tell();
  graphql = await startLyingProxy(await world.serveGraphql());
  rpc = await startLyingProxy(await world.serveRpc());
  const store = await ContentStore.open(join(directory, "store"));
  for (const text of TEXTS) await store.put(text);
  const server = createContentServer({ store });
  content = await server.listen();
  closers.push(
    () => graphql.close(),
    () => rpc.close(),
    () => server.close(),
  );
}, 60_000);
afterEach(() => {
  graphql.lie = undefined;
  rpc.lie = undefined;
});
afterAll(async () => {
  for (const close of closers) await close();
  await world.close();
  rmSync(directory, { recursive: true, force: true });
});

interface Run {
  readonly code: number | string;
  readonly output: string;
}

/** What it prints, and its exit code, or what it complains about. */
async function run(args: readonly string[], input: Readable = Readable.from([])): Promise<Run> {
  let output = "";
  const { write } = process.stdout;
  process.stdout.write = ((text: string) => {
    output += text;
    return true;
  }) as typeof write;
  try {
    const code = await runLineage(["--graphql.url", graphql.url, ...args], input as NodeJS.ReadStream);
    return { code, output };
  } catch (error) {
    return { code: (error as Error).message, output };
  } finally {
    process.stdout.write = write;
  }
}

const VERIFY = () => ["--verify", rpc.url, "--genesis", genesis];
const ROOT = bytesToHex(contentRoot(OUTPUT));

describe("an answer in hand", () => {
  it.each([
    ["a file", ["--file", answer], Readable.from([])],
    ["standard input", [], Readable.from([OUTPUT.subarray(0, 50), OUTPUT.subarray(50)])],
    ["its root", ["--root", ROOT.toUpperCase().replace("0X", "0x")], Readable.from([])],
  ])("is found by %s, with all who have it", async (_what, args, input) => {
    const { code, output } = await run(args, input);
    expect(code).toBe(0);
    expect(output).toMatch(
      /^3 inferences have this output; --output ID shows another one\n {2}output 1 +settled +model 2/,
    );
    expect(output).toMatch(/\noutput 1, settled\n/);
    expect(output).toMatch(/bytes +\d+, of them \d+ repeat contributions/);
    expect(output).toMatch(/\d+ +\d+\.\d\d % +0\.\d+ OPEN +CC0-1\.0 +1 +1 +0x/);
    expect(output).toMatch(/1 +"Base" +base +CC-BY-4\.0 +of Datanet 1 version 1 /);
    expect(output).toMatch(/2 +"Tuned" +fine-tune +CC-BY-4\.0 +of model 1, Datanet 2 version 1 /);
    for (const kind of ["contributor", "model owner", "royalty", "host", "stakers", "treasury"]) {
      expect(output).toMatch(new RegExp(`0\\.\\d+ OPEN +${kind} `));
    }
    expect(output).not.toMatch(/undefined|null|NaN|Verified/);
  });

  it("may be another one of those, and has to be one of them", async () => {
    expect((await run(["--file", answer, "--output", "2"])).output).toMatch(
      /\noutput 2, settled\n[\s\S]*audience +private\n/,
    );
    expect(await run(["--file", answer, "--output", "3"])).toEqual({
      code: `output 3 does not have the root ${ROOT}; these do: 1, 2, 7`,
      output: "",
    });
  });

  it.each([
    ["3", /^output 3, void\n[\s\S]*fault +contradiction\n[\s\S]*OPEN +challenger /],
    ["4", /^output 4, expired\n {2}root +none: nothing was committed\n/],
    ["5", /^output 5, committed\n/],
    ["6", /^output 6, requested\n/],
  ])("output %s is shown whatever became of it", async (id, expected) => {
    const { code, output } = await run(["--output", id]);
    expect(code).toBe(0);
    expect(output).toMatch(expected);
    expect(output).not.toMatch(/undefined|null|NaN/);
  });

  it("is exactly its bytes: what is like one is none, and a newline more is told", async () => {
    writeFileSync(join(directory, "more"), Buffer.concat([OUTPUT, Buffer.from("\n")]));
    const root = bytesToHex(contentRoot(Buffer.concat([OUTPUT, Buffer.from("\n")])));
    expect((await run(["--file", join(directory, "more")])).code).toBe(
      `no inference has an output with the root ${root}; without its last newline it is output 1: give exactly the bytes`,
    );
    expect((await run([], Readable.from([Buffer.from("something else\n")]))).code).toMatch(
      /^no inference has an output with the root 0x[0-9a-f]{64}$/,
    );
    expect((await run(["--output", "99"])).code).toBe("there is no inference 99");
  });

  it("as of an earlier block it was not settled yet, and that is proven too", async () => {
    const { output } = await run(["--output", "1", "--json"]);
    const { lineage } = JSON.parse(output);
    const before = String(BigInt(lineage.root.closed.block.number) - 1n);
    const earlier = await run(["--output", "1", "--block", before, ...VERIFY()]);
    expect(earlier.output).toMatch(
      new RegExp(`^output 1, committed\\n[\\s\\S]*as of block ${before},[\\s\\S]*ok +payments: none yet`),
    );
    expect(earlier.code).toBe(0);
  });

  it.each([
    [["--root", "0x12"], /is not an output root/],
    [["--root", ROOT, "--file", answer], /name the output twice/],
    [["--file", directory], /cannot be read/],
    [["--output", "1", "--verify", "http://127.0.0.1:1", "--datadir", directory], /--verify needs what to trust/],
    [["--output", "1", "--verify", "http://127.0.0.1:1", "--checkpoint", "7"], /is not a block hash/],
  ])("%j is refused", async (args, expected) => {
    expect(await run(args)).toEqual({ code: expect.stringMatching(expected), output: "" });
  });

  it("an empty answer, one that is too long, and a terminal are no answers", async () => {
    expect((await run([])).code).toBe("standard input is empty, and no output is");
    expect((await run([], Readable.from([new Uint8Array(2 ** 20 + 1)]))).code).toMatch(/longer than any output/);
    const terminal = Object.assign(Readable.from([]), { isTTY: true });
    expect((await run([], terminal)).code).toMatch(/^which output\?/);
  });
});

describe("a verification", () => {
  it("has a line for each check, and exit code 0 when all hold", async () => {
    const { code, output } = await run(["--file", answer, ...VERIFY(), "--content.url", content]);
    const [, after] = output.split("\nVerified against ");
    const lines = after!.trim().split("\n").slice(1);
    const names = lines.map((line) => /^(ok|FAILED) +([^:]+): .{10,}/.exec(line)?.slice(1).join(" "));
    expect(names.slice(0, -1)).toEqual(
      [
        ...["validators", "certificate", "index", "inference", "answer", "file", "spans", "weights", "graph"],
        ...["model 2", "model 1", "contribution 1", "contribution 2", "contribution 3", "Datanet 1", "Datanet 2"],
        ...["contents", "fee", "payments"],
      ].map((name) => `ok ${name}`),
    );
    expect(lines.at(-1)).toBe("all 19 checks hold");
    expect(code).toBe(0);
  });

  it("says the same as JSON", async () => {
    const { code, output } = await run(["--file", answer, ...VERIFY(), "--json"]);
    const { matches, lineage, verification } = JSON.parse(output);
    expect(code).toBe(0);
    expect(matches).toMatchObject({ totalCount: 3, outputs: [{ id: "1" }, { id: "2" }, { id: "7" }] });
    expect(lineage).toMatchObject({ root: { id: "1", outputRoot: ROOT }, truncated: false });
    expect(verification.ok).toBe(true);
    expect(verification.checks).toContainEqual({
      name: "payments",
      ok: true,
      detail: expect.stringMatching(/to the wei/),
    });
  });

  it("believes no GraphQL server", async () => {
    graphql.lie = ((reply: { data: { lineage?: { attributions: { licence: string }[] } } }) => {
      const first = reply.data.lineage?.attributions[0];
      if (first !== undefined) first.licence = "MIT";
      return reply;
    }) as never;
    const { code, output } = await run(["--output", "1", ...VERIFY()]);
    expect(output).toMatch(
      /\nFAILED contribution 1: licence of the attribution is MIT in GraphQL, CC0-1\.0 on chain\n/,
    );
    expect(output).toMatch(/\n1 of \d+ checks failed\n$/);
    expect(code).toBe(1);
    const { code: jsonCode, output: json } = await run(["--output", "1", ...VERIFY(), "--json"]);
    expect([jsonCode, JSON.parse(json).verification.ok]).toEqual([1, false]);
    expect((await run(["--output", "1"])).code).toBe(0);
  });

  it("believes no JSON-RPC server", async () => {
    rpc.lie = ((reply: { result: { storageProof?: { proof: string[] }[] } }) => {
      for (const { proof } of reply.result.storageProof ?? []) proof.pop();
      return reply;
    }) as never;
    const { code, output } = await run(["--output", "1", ...VERIFY()]);
    expect(output).toMatch(
      /\nFAILED inference: what eth_getProof answers of 0x.* does not lead to its state root\n1 of 4 checks failed; what rests on them was not checked\n$/,
    );
    expect(code).toBe(1);
  });

  it("believes no content store", async () => {
    const store = await startLyingProxy(content);
    closers.push(() => store.close());
    const { code, output } = await run(["--output", "1", ...VERIFY(), "--content.url", store.url]);
    expect(output).toMatch(/\nFAILED contents: no store proves the content of contribution 1: /);
    expect(code).toBe(1);
  });

  it("finds out a host that claimed what its data do not hold", async () => {
    const lied = ["--file", answer, "--output", "7", ...VERIFY(), "--content.url", content];
    const { code, output } = await run(lied);
    expect(output).toMatch(/\nFAILED spans: span 0 is not-at-word\n/);
    expect(output).toMatch(/\nFAILED contents: span 0 differs from contribution 1 at its byte 0\n/);
    expect(code).toBe(1);
  });

  it("with nobody there says who does not answer", async () => {
    const { code, output } = await run(["--output", "1", "--verify", "http://127.0.0.1:1", "--genesis", genesis]);
    expect(output).toMatch(/\nFAILED validators: no JSON-RPC answers at 127\.0\.0\.1:1\n/);
    expect(code).toBe(1);
    const silent = await run(["--output", "1", "--graphql.url", "http://127.0.0.1:1/graphql"]);
    expect(silent.code).toMatch(/given twice/);
  });
});

describe("answers of a GraphQL server", () => {
  it.each([
    [{ errors: [{ message: "no" }] }, /^GraphQL at \S+: no$/],
    [[], /^GraphQL at \S+: it answers nothing$/],
    [{ data: { lineage: null } }, /^there is no inference 1$/],
    [{ data: {} }, /^GraphQL at \S+ answered another output than 1$/],
    [{ data: { lineage: { root: { id: "1" } } } }, /^GraphQL at \S+ answered what is not of the schema: /],
  ])("%j are not taken for a record", async (reply, expected) => {
    graphql.lie = () => reply;
    expect(await run(["--output", "1"])).toEqual({ code: expect.stringMatching(expected), output: "" });
  });

  it("move no terminal's cursor", () => {
    expect(plain("a\u001b[2J\u202eb\nc é 漢")).toBe("a\\u{1b}[2J\\u{202e}b\\u{a}c é 漢");
  });
});
