import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { HEADER_BYTES, MAX_FRAME_BYTES } from "../../consensus/frames.ts";
import { KIND, type Subject } from "../../consensus/types.ts";
import { encodeWalHeader, networkHash, type WalRecord } from "../../consensus/wal.ts";
import { seededRandom } from "../../test/helpers/random.ts";
import { DataError } from "../errors.ts";
import { MemoryFiles } from "./testing/memory-files.ts";
import { openWal, type Wal, WalError } from "./wal-file.ts";

const NETWORK = networkHash(161_299n, new Uint8Array(32));
const DIR = "/validator/log";
const SEGMENT = `${DIR}/00000001.log`;

const subject = (view: number): Subject => ({
  kind: KIND.nullify,
  epoch: 0,
  view,
  parentView: 0,
  block: new Uint8Array(32),
});
const vote = (view: number): WalRecord => ({ type: "vote", subject: subject(view) });
const block = (size: number): WalRecord => ({
  type: "block",
  id: new Uint8Array(32).fill(1),
  height: 7,
  parent: new Uint8Array(32),
  bytes: new Uint8Array(size).fill(size & 0xff),
});
const viewsOf = ({ records }: Pick<Wal, "records">) =>
  records.flatMap((record) => (record.type === "vote" ? [record.subject.view] : []));

const open = (files: MemoryFiles) => openWal(DIR, NETWORK, files);
const reopened = async (files: MemoryFiles) => open(files.crash(seededRandom(1), "power loss"));
async function logWith(views: readonly number[]): Promise<MemoryFiles> {
  const files = new MemoryFiles();
  const wal = await open(files);
  for (const view of views) await wal.append([vote(view)]);
  await wal.close();
  return files;
}
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => "resolved",
    (error: unknown) => (error instanceof WalError ? error.code : error),
  );

describe("opening", () => {
  test("a new log is made by the first append", async () => {
    const files = new MemoryFiles();
    const wal = await open(files);
    expect(wal).toMatchObject({ state: "new", records: [], sizeBytes: 0 });
    expect(files.paths).toEqual([]);
    await wal.append([vote(1), block(10)]);
    expect(files.paths).toEqual([SEGMENT]);
    expect(await reopened(files)).toMatchObject({ state: "intact", records: [vote(1), block(10)] });
  });

  test("changes nothing, whatever is found", async () => {
    const files = await logWith([1, 2]);
    files.put(SEGMENT, files.bytesOf(SEGMENT).slice(0, -1));
    const before = files.bytesOf(SEGMENT);
    expect(await open(files)).toMatchObject({ state: "torn" });
    expect(files.bytesOf(SEGMENT)).toEqual(before);
  });

  test("a torn tail is cut off before the next record", async () => {
    const files = await logWith([1]);
    const longer = await open(files);
    await longer.append([block(5_000), vote(2)]);
    await longer.close();
    files.put(SEGMENT, files.bytesOf(SEGMENT).slice(0, -1));
    const wal = await open(files);
    expect(viewsOf(wal)).toEqual([1]);
    await wal.append([vote(3)]);
    const after = await reopened(files);
    expect(after.state).toBe("intact");
    expect(viewsOf(after)).toEqual([1, 3]);
  });

  test("damage in the middle: what precedes it is read, nothing is written until a rotation", async () => {
    const files = await logWith([1, 2, 3]);
    const bytes = files.bytesOf(SEGMENT);
    bytes[bytes.length - 80] = (bytes[bytes.length - 80] as number) ^ 1;
    files.put(SEGMENT, bytes);
    const wal = await open(files);
    expect(wal.state).toBe("damaged");
    expect(wal.damage).toMatch(/00000001\.log is wrong at byte \d+/);
    expect(viewsOf(wal)).toEqual([1]);
    expect(await codeOf(wal.append([vote(9)]))).toBe("UNUSABLE");
    expect(() => wal.appendLazy([vote(9)])).toThrow(WalError);
    expect(files.bytesOf(SEGMENT)).toEqual(bytes);
    await wal.rotate([vote(1)]);
    await wal.append([vote(4)]);
    const after = await reopened(files);
    expect(after.state).toBe("intact");
    expect(viewsOf(after)).toEqual([1, 4]);
  });

  test("a directory without a segment is a log that is missing", async () => {
    const files = await logWith([1]);
    await files.remove(SEGMENT);
    const wal = await open(files);
    expect(wal).toMatchObject({ state: "missing", records: [] });
    expect(await codeOf(wal.append([vote(2)]))).toBe("UNUSABLE");
  });

  test("another network's log is refused", async () => {
    const files = await logWith([1]);
    const other = openWal(DIR, networkHash(1n, new Uint8Array(32)), files);
    await expect(other).rejects.toThrow(DataError);
    await expect(other).rejects.toThrow(/00000001\.log was written for another network/);
  });

  test("of two segments the newer counts, and the other goes with the first write", async () => {
    const files = await logWith([1]);
    const old = files.bytesOf(SEGMENT);
    const wal = await open(files);
    await wal.rotate([vote(2)]);
    await wal.close();
    await (await files.create(SEGMENT)).close();
    files.put(SEGMENT, old);
    await (await files.create(`${DIR}/00000003.log.new`)).close();
    const again = await open(files);
    expect(viewsOf(again)).toEqual([2]);
    await again.append([vote(3)]);
    expect(files.paths).toEqual([`${DIR}/00000002.log`]);
    expect(viewsOf(await reopened(files))).toEqual([2, 3]);
  });

  test("a file with nothing but its header is intact", async () => {
    const files = await logWith([1]);
    files.put(SEGMENT, encodeWalHeader({ network: NETWORK, salt: new Uint8Array(16) }));
    expect(await open(files)).toMatchObject({ state: "intact", records: [], sizeBytes: HEADER_BYTES });
  });
});

describe("group commit", () => {
  /** Syncs wait until they are let go one by one. */
  function gated(files: MemoryFiles): { readonly waiting: () => number; release(): void } {
    const gates: (() => void)[] = [];
    files.slowSync = () => new Promise((resolve) => gates.push(resolve));
    return { waiting: () => gates.length, release: () => gates.shift()?.() };
  }
  const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

  test("what waits during a sync shares the next one, in order, and none resolves early", async () => {
    const files = await logWith([]);
    const wal = await open(files);
    await wal.append([vote(1)]);
    const gate = gated(files);
    const done: number[] = [];
    const append = (view: number) => wal.append([vote(view)]).then(() => done.push(view));
    const all = [append(2)];
    await settled();
    all.push(append(3), append(4), append(5));
    await settled();
    expect({ waiting: gate.waiting(), done }).toEqual({ waiting: 1, done: [] });
    gate.release();
    await settled();
    expect({ waiting: gate.waiting(), done }).toEqual({ waiting: 1, done: [2] });
    gate.release();
    await Promise.all(all);
    expect(done).toEqual([2, 3, 4, 5]);
    expect(gate.waiting()).toBe(0);
    expect(viewsOf(await reopened(files))).toEqual([1, 2, 3, 4, 5]);
  });

  test("a rotation keeps its place among appends", async () => {
    const files = await logWith([1]);
    const wal = await open(files);
    await Promise.all([
      wal.append([vote(2)]),
      wal.rotate([vote(2), vote(3)]),
      wal.append([vote(4)]),
      wal.append([vote(5)]),
    ]);
    expect(viewsOf(await reopened(files))).toEqual([2, 3, 4, 5]);
    expect(files.paths).toEqual([`${DIR}/00000002.log`]);
  });

  test("lazy records cost no sync of their own and precede the next append", async () => {
    const files = new MemoryFiles();
    const wal = await open(files);
    await wal.append([vote(1)]);
    const before = files.operations;
    wal.appendLazy([vote(2)]);
    wal.appendLazy([vote(3)]);
    await settled();
    expect(files.operations).toBe(before);
    await wal.append([vote(4)]);
    expect(files.operations).toBe(before + 2);
    wal.appendLazy([vote(5)]);
    await wal.close();
    expect(viewsOf(await reopened(files))).toEqual([1, 2, 3, 4, 5]);
  });

  test("many lazy records are written without waiting for an append", async () => {
    const files = new MemoryFiles();
    const wal = await open(files);
    for (let i = 0; i < 3; i++) wal.appendLazy([block(100_000)]);
    await expect.poll(async () => (await open(files)).records.length).toBe(3);
  });

  test("a group is at most one frame", async () => {
    const files = new MemoryFiles();
    const wal = await open(files);
    const big = block(MAX_FRAME_BYTES / 2);
    await Promise.all([wal.append([vote(1)]), wal.append([big]), wal.append([big])]);
    expect((await open(files)).records).toHaveLength(3);
    expect(await codeOf(wal.append([big, big]))).toBe("TOO_LARGE");
    await wal.rotate([big, vote(2), big]);
    expect((await open(files)).records).toHaveLength(3);
  });

  test("no more than a bounded number of bytes waits", async () => {
    const files = new MemoryFiles();
    const wal = await open(files);
    await wal.append([vote(1)]);
    const gate = gated(files);
    const big = block(MAX_FRAME_BYTES - 1_000);
    const appends = Array.from({ length: 6 }, () => codeOf(wal.append([big])));
    await settled();
    wal.appendLazy([vote(3)]);
    const after = await reopened(files);
    gate.release();
    expect(await Promise.all(appends)).toEqual([...Array(5).fill("FAILED"), "FULL"]);
    expect(after.records[0]).toEqual(vote(1));
    expect(viewsOf(after)).toEqual([1]);
  });
});

describe("a failing disk", () => {
  test.each(["write", "sync"])("after a failed %s nothing is written any more", async (name) => {
    const files = await logWith([1]);
    const wal = await open(files);
    await wal.append([vote(2)]);
    let failures = 0;
    files.before = (_, operation) => {
      if (operation === name && failures++ === 0) throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
    };
    const [first, second] = await Promise.all([codeOf(wal.append([vote(3)])), codeOf(wal.append([vote(4)]))]);
    expect([first, second]).toEqual(["FAILED", "FAILED"]);
    const operations = files.operations;
    expect(await codeOf(wal.append([vote(5)]))).toBe("FAILED");
    expect(await codeOf(wal.rotate([vote(5)]))).toBe("FAILED");
    wal.appendLazy([vote(6)]);
    await wal.close();
    expect(files.operations).toBe(operations + 1);
    const after = await reopened(files);
    expect(after.state).toMatch(/intact|torn/);
    expect(viewsOf(after).slice(0, 2)).toEqual([1, 2]);
  });

  test("a failure of lazy records is heard of on closing", async () => {
    const wal = await open(
      Object.assign(new MemoryFiles(), {
        before: (_: number, name: string) => {
          if (name === "sync") throw new Error("no space left");
        },
      }),
    );
    wal.appendLazy([vote(1)]);
    expect(await codeOf(wal.close())).toBe("FAILED");
    expect(await codeOf(wal.append([vote(2)]))).toBe("CLOSED");
  });
});

/**
 * A life of a log: appends, some concurrent, some lazy, and rotations, cut at any operation of the disk. What the next
 * process finds must hold all that was acknowledged, and nothing out of order.
 */
describe("a crash at any operation", () => {
  type Step = { readonly kind: "append" | "lazy" | "rotate" | "together"; readonly size: number };
  const steps = fc.array(
    fc.record({
      kind: fc.constantFrom<Step["kind"]>("append", "append", "lazy", "rotate", "together"),
      size: fc.nat(3_000),
    }),
    { minLength: 1, maxLength: 12 },
  );

  async function live(
    files: MemoryFiles,
    life: readonly Step[],
    first: number,
    acknowledged: Set<number>,
  ): Promise<void> {
    const wal = await open(files);
    if (wal.state === "missing") await wal.rotate([]);
    const kept = new Set(viewsOf(wal));
    let next = first;
    const append = async () => {
      const view = next++;
      kept.add(view);
      await wal.append([vote(view), block(view % 3_000)]);
      acknowledged.add(view);
    };
    for (const { kind, size } of life) {
      if (kind === "append") await append();
      else if (kind === "together") await Promise.all([append(), append(), append()]);
      else if (kind === "lazy") wal.appendLazy([block(size)]);
      else {
        await wal.rotate([...kept].map(vote));
        for (const view of kept) acknowledged.add(view);
      }
    }
    await wal.close();
  }

  test("loses nothing that was acknowledged", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(steps, fc.nat(60), fc.constantFrom("kill" as const, "power loss" as const)), {
          minLength: 1,
          maxLength: 4,
        }),
        fc.nat(),
        async (lives, seed) => {
          const chance = seededRandom(seed);
          let files = new MemoryFiles();
          const acknowledged = new Set<number>();
          let first = 1;
          for (const [life, crashAt, kind] of lives) {
            let next: MemoryFiles | undefined;
            const running = files;
            running.before = (operation) => {
              if (operation === crashAt) {
                next = running.crash(chance, kind);
                throw new Error("the power is gone");
              }
            };
            await live(running, life, first, acknowledged).catch(() => {});
            files = next ?? running.crash(chance, kind);
            const found = await open(files);
            // Before its first segment is there, a log has nothing to lose.
            expect(found.state).toMatch(acknowledged.size === 0 ? /new|missing|intact|torn/ : /intact|torn/);
            const views = viewsOf(found);
            expect(views).toEqual([...views].sort((a, b) => a - b));
            for (const view of acknowledged) expect(views).toContain(view);
            first = Math.max(0, ...views) + 1;
            // What was found counts from now on: a restarted node acts on it.
            for (const view of views) acknowledged.add(view);
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("on the real file system", () => {
  const folders: string[] = [];
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  });

  test("survives reopening, for the owner's eyes only", async () => {
    const folder = mkdtempSync(join(tmpdir(), "openledger-wal-"));
    folders.push(folder);
    const dir = join(folder, "a", "log");
    const wal = await openWal(dir, NETWORK);
    await Promise.all([wal.append([vote(1)]), wal.append([block(100_000)]), wal.append([vote(2)])]);
    await wal.rotate([vote(2)]);
    await wal.append([vote(3)]);
    await wal.close();
    const again = await openWal(dir, NETWORK);
    expect(again.state).toBe("intact");
    expect(viewsOf(again)).toEqual([2, 3]);
    expect(readdirSync(dir)).toEqual(["00000002.log"]);
    if (process.platform === "win32") return;
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(statSync(join(dir, "00000002.log")).mode & 0o777).toBe(0o600);
  });
});
