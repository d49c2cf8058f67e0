import { spawn } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bytesToHex } from "../../core/bytes.ts";
import { DataError, OperationError } from "../errors.ts";
import { testLog } from "../testing/world.ts";
import { lineBytes, openJournal, type TransactionJournal } from "./transaction-journal.ts";

const GENESIS = new Uint8Array(32).fill(7);
const rawOf = (i: number, bytes = 3): Uint8Array => new Uint8Array(bytes).fill(i);

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "journal-"));
  path = join(directory, "transactions.journal");
});
afterEach(() => rmSync(directory, { recursive: true }));

async function open(genesis = GENESIS) {
  const { log, lines } = testLog();
  return { ...(await openJournal(path, genesis, log)), lines };
}

/** What a process finds that starts now. */
async function found(): Promise<string[]> {
  const { journal, raws } = await open();
  await journal.close();
  return raws.map(bytesToHex);
}

function put(journal: TransactionJournal, raw: Uint8Array): boolean {
  journal.append(raw);
  return journal.flush();
}

async function written(...all: readonly Uint8Array[]): Promise<void> {
  const { journal } = await open();
  for (const raw of all) expect(put(journal, raw)).toBe(true);
  await journal.close();
}

describe("the journal of transactions", () => {
  test("has what was appended, in its order, over any number of starts", async () => {
    await written(rawOf(1), rawOf(2, 1));
    await written(rawOf(3, 100_000));
    expect(await found()).toEqual([rawOf(1), rawOf(2, 1), rawOf(3, 100_000)].map(bytesToHex));
  });

  test("has it before it is closed", async () => {
    const { journal } = await open();
    put(journal, rawOf(1));
    expect(await found()).toEqual(["0x010101"]);
    await journal.close();
  });

  test("written anew has only what is given and what came meanwhile, and is smaller", async () => {
    const { journal } = await open();
    const many = Array.from({ length: 2_000 }, (_, i) => rawOf(i % 256, 400));
    for (const raw of many) journal.append(raw);
    journal.flush();
    const before = journal.sizeBytes;
    const writing = journal.rewrite(() => many.slice(500, 1_500));
    journal.append(rawOf(9));
    await writing;
    put(journal, rawOf(8));
    expect(readFileSync(path).length).toBe(journal.sizeBytes);
    expect(new Set(await found())).toEqual(new Set([...many.slice(500, 1_500), rawOf(9), rawOf(8)].map(bytesToHex)));
    expect(journal.sizeBytes).toBeLessThan(before);
    expect(before).toBeGreaterThanOrEqual(2_000 * lineBytes(many[0]!));
    await journal.close();
  });

  test("where it cannot be written anew, the old one goes on", async () => {
    const { journal } = await open();
    journal.append(rawOf(1));
    mkdirSync(`${path}.new`);
    await expect(journal.rewrite(() => [])).rejects.toMatchObject({ code: "EISDIR" });
    rmSync(`${path}.new`, { recursive: true });
    expect(put(journal, rawOf(2))).toBe(true);
    expect(await found()).toEqual([rawOf(1), rawOf(2)].map(bytesToHex));
    await journal.close();
  });

  test("what a process left that ended while it wrote a new one changes nothing", async () => {
    await written(rawOf(1));
    writeFileSync(`${path}.new`, "openledger trans");
    expect(await found()).toEqual(["0x010101"]);
    expect(existsSync(`${path}.new`)).toBe(false);
  });

  test("property: a file cut anywhere, with garbage behind it, gives every line before that, and takes further ones", async () => {
    await written(...[1, 2, 3, 4, 5].map((i) => rawOf(i, 2)));
    const whole = readFileSync(path);
    const header = whole.indexOf("\n") + 1;
    const line = lineBytes(rawOf(1, 2));
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: header, max: whole.length }),
        fc.uint8Array({ maxLength: 40 }),
        async (length, garbage) => {
          writeFileSync(path, whole);
          truncateSync(path, length);
          appendFileSync(path, garbage);
          await written(rawOf(9));
          // A blank line of the start comes first. The last line may lack what ends it only.
          const lines = Math.max(0, Math.floor((length - header) / line));
          const least = [1, 2, 3, 4, 5].slice(0, lines).map((i) => bytesToHex(rawOf(i, 2)));
          const raws = await found();
          expect(raws.slice(0, lines)).toEqual(least);
          expect(raws.at(-1)).toBe("0x090909");
          expect(raws.length).toBeLessThanOrEqual(lines + 2);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("damage costs the line that it is in, and is told", async () => {
    await written(rawOf(1), rawOf(2), rawOf(3));
    writeFileSync(path, readFileSync(path, "latin1").replace("0x020202", "0x020302"));
    const { journal, raws, lines } = await open();
    await journal.close();
    expect(raws.map(bytesToHex)).toEqual(["0x010101", "0x030303"]);
    expect(lines).toMatchObject([{ level: 40, lines: 1, path }]);
  });

  test.each([
    ["something else", "hello\n", "is no journal of transactions"],
    ["a newer program's", `openledger transactions 2 ${bytesToHex(GENESIS)}\n`, "newer openledger"],
    ["another chain's", `openledger transactions 1 ${bytesToHex(new Uint8Array(32))}\n`, "of another chain"],
  ])("%s is refused and stays as it is", async (_, content, reason) => {
    writeFileSync(path, content);
    const refusal = await open().catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(DataError);
    expect((refusal as Error).message).toContain(reason);
    expect((refusal as Error).message).toContain("--txpool.journal");
    expect(readFileSync(path, "utf8")).toBe(content);
  });

  test("a place where there can be no file is told", async () => {
    path = join(directory, "missing", "transactions.journal");
    await expect(open()).rejects.toBeInstanceOf(OperationError);
  });

  test("what cannot be written is told once, and ends when it can again", async () => {
    const { journal, lines } = await open();
    await journal.close();
    expect([put(journal, rawOf(1)), put(journal, rawOf(2))]).toEqual([false, false]);
    expect(lines.filter(({ level }) => level === 50)).toHaveLength(1);
    await journal.rewrite(() => [rawOf(1)]);
    expect(put(journal, rawOf(2))).toBe(true);
    await journal.close();
    expect(await found()).toEqual([rawOf(1), rawOf(2)].map(bytesToHex));
  });

  test("a process that is killed loses nothing that it has told of, whatever it is at", async () => {
    const program = `
      import { openJournal } from ${JSON.stringify(new URL("transaction-journal.ts", import.meta.url).href)};
      const log = { warn() {}, error() {} };
      const { journal } = await openJournal(process.argv[1], new Uint8Array(32).fill(7), log);
      const kept = [];
      for (let i = 0; ; i++) {
        const raw = new Uint8Array(100);
        new DataView(raw.buffer).setUint32(0, i);
        journal.append(raw);
        kept.push(raw);
        await undefined;
        process.stdout.write(i + "\\n");
        if (i % 20 === 0) void journal.rewrite(() => [...kept]);
        if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
      }`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program, path]);
    const told: number[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      told.push(Number(line));
      if (told.length === 400) child.kill("SIGKILL");
    }
    const numbers = new Set((await found()).map((hex) => Number.parseInt(hex.slice(2, 10), 16)));
    expect(told.length).toBeGreaterThanOrEqual(400);
    expect(told.filter((i) => !numbers.has(i))).toEqual([]);
  });
});
