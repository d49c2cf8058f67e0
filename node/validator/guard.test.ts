import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { baseView, KIND, type Subject, type VoteKind } from "../../consensus/types.ts";
import { concatBytes } from "../../core/bytes.ts";
import { seededRandom } from "../../test/helpers/random.ts";
import { DataError } from "../errors.ts";
import { type Guard, openGuard } from "./guard.ts";
import { type GuardContents, readGuard } from "./guard-file.ts";
import { Positions, VoteRefused, WINDOW_VIEWS } from "./positions.ts";
import { MemoryFiles } from "./testing/memory-files.ts";

const DIR = "/validator";
const FILE = `${DIR}/guard`;
const NEW: GuardContents = {
  publicKey: new Uint8Array(48).fill(3),
  network: { chainId: 161_299n, genesisHash: new Uint8Array(32).fill(4) },
  floor: 0,
  last: 0,
  isImported: false,
  resumedAtMs: 0,
  votes: [],
};

/** `x` and `y` are blocks; `x2` is x on another parent view. */
function vote(kind: VoteKind, view: number, block?: "x" | "y" | "x2"): Subject {
  const epoch = Math.floor(view / 2 ** 32);
  if (block === undefined) return { kind, epoch, view, parentView: 0, block: new Uint8Array(32) };
  const parentView = block === "x2" ? Math.max(view - 2, baseView(epoch)) : view - 1;
  return { kind, epoch, view, parentView, block: new Uint8Array(32).fill(block === "y" ? 2 : 1) };
}
const notarize = (view: number, block: "x" | "y" | "x2" = "x") => vote(KIND.notarize, view, block);
const finalize = (view: number, block: "x" | "y" | "x2" = "x") => vote(KIND.finalize, view, block);
const nullify = (view: number) => vote(KIND.nullify, view);

async function guardOn(files: MemoryFiles, roomBytes?: number): Promise<Guard> {
  const reading = await readGuard(files, DIR);
  return openGuard(files, DIR, "contents" in reading ? reading.contents : NEW, roomBytes);
}
function changed(bytes: Uint8Array, at: number): Uint8Array {
  const out = bytes.slice();
  out[at] = (out[at] as number) ^ 0x10;
  return out;
}
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => "signed",
    (error: unknown) => (error instanceof VoteRefused ? error.code : error),
  );

describe("what may be signed", () => {
  const CONFLICTS: readonly (readonly [Subject, Subject])[] = [
    [notarize(5), notarize(5, "y")],
    [notarize(5), notarize(5, "x2")],
    [finalize(5), finalize(5, "y")],
    [finalize(5), nullify(5)],
    [notarize(5), finalize(5, "y")],
    [notarize(5), finalize(5, "x2")],
  ];
  const HONEST: readonly (readonly [Subject, Subject])[] = [
    [notarize(5), finalize(5)],
    [notarize(5), nullify(5)],
    [nullify(5), notarize(6)],
    [finalize(5), nullify(6)],
    [finalize(5), finalize(4, "y")],
    [nullify(6), finalize(5)],
  ];

  test.each(
    CONFLICTS.flatMap(([a, b]) => [
      [a, b],
      [b, a],
    ]),
  )("a pair that is slashable is refused, %j then %j", (first, second) => {
    const positions = new Positions(0, 0, []);
    positions.add(first as Subject);
    expect(positions.check(second as Subject)).toMatchObject({ name: "VoteRefused", code: "CONFLICT" });
    expect(new Positions(0, 0, [first as Subject]).check(second as Subject)?.code).toBe("CONFLICT");
  });

  test.each(
    HONEST.flatMap(([a, b]) => [
      [a, b],
      [b, a],
    ]),
  )("a pair that is honest is signed, %j then %j", (first, second) => {
    const positions = new Positions(0, 0, []);
    positions.add(first as Subject);
    expect(positions.check(second as Subject)).toBeUndefined();
  });

  test("a conflict stands after another vote in the same view", () => {
    const positions = new Positions(0, 0, [notarize(5), finalize(5)]);
    for (const refused of [nullify(5), notarize(5, "y"), finalize(5, "y")]) {
      expect(positions.check(refused)?.code).toBe("CONFLICT");
    }
    expect(positions.check(notarize(5))).toBeUndefined();
  });

  test("the same vote again, any number of times", () => {
    const positions = new Positions(0, 0, [notarize(5)]);
    for (let i = 0; i < 3; i++) {
      expect(positions.check(notarize(5))).toBeUndefined();
      positions.add(notarize(5));
    }
    expect(positions.votes).toEqual([notarize(5)]);
  });

  test("a late finalize within the window, nothing below it", () => {
    const positions = new Positions(0, 0, [notarize(10), nullify(11)]);
    positions.add(nullify(10 + WINDOW_VIEWS - 1));
    expect(positions.check(finalize(10))).toBeUndefined();
    expect(positions.check(finalize(11))?.code).toBe("CONFLICT");
    positions.add(nullify(10 + WINDOW_VIEWS));
    expect(positions.check(finalize(10))?.code).toBe("BELOW_WINDOW");
    expect(positions.check(notarize(10))?.code).toBe("BELOW_WINDOW");
    expect(positions.check(finalize(11))?.code).toBe("CONFLICT");
    expect(positions.check(finalize(12))).toBeUndefined();
  });

  test("a late finalize does not move the window back", () => {
    const positions = new Positions(0, 0, [nullify(5_000)]);
    positions.add(finalize(4_500));
    expect(positions.last).toBe(5_000);
    expect(positions.check(nullify(5_000 - WINDOW_VIEWS))?.code).toBe("BELOW_WINDOW");
  });

  test("nothing at or below the floor, and nothing of an earlier epoch", () => {
    const positions = new Positions(100, 0, []);
    expect(positions.check(nullify(100))?.code).toBe("BELOW_FLOOR");
    expect(positions.check(nullify(101))).toBeUndefined();
    positions.add(nullify(baseView(3) + 1));
    for (const late of [nullify(101), nullify(baseView(3) - 1), nullify(baseView(2) + 5)]) {
      expect(positions.check(late)?.code).toBe("BELOW_WINDOW");
    }
    expect(positions.check(nullify(baseView(3) + 2))).toBeUndefined();
  });

  test.each([
    ["a view of another epoch", { ...nullify(5), epoch: 1 }],
    ["a base view", nullify(baseView(1))],
    ["a nullification of a block", { ...nullify(5), block: new Uint8Array(32).fill(1) }],
    ["a parent above", { ...notarize(5), parentView: 5 }],
    ["a fraction", nullify(5.5)],
    ["a block id of another length", { ...notarize(5), block: new Uint8Array(31) }],
  ])("a malformed subject is refused: %s", (_, subject) => {
    expect(new Positions(0, 0, []).check(subject)?.code).toBe("MALFORMED");
  });

  test("memory is bounded by the window", () => {
    const positions = new Positions(0, 0, []);
    for (let view = 1; view < 4 * WINDOW_VIEWS; view++) {
      positions.add(notarize(view));
      positions.add(finalize(view));
    }
    expect(positions.votes).toHaveLength(2 * WINDOW_VIEWS);
    positions.add(nullify(baseView(1) + 1));
    expect(positions.votes).toEqual([nullify(baseView(1) + 1)]);
  });

  test("never holds two votes that exclude each other, whatever is asked", () => {
    const asked = fc.array(
      fc.tuple(
        fc.constantFrom<VoteKind>(1, 2, 3),
        fc.integer({ min: 1, max: 6 }),
        fc.constantFrom("x" as const, "y" as const, "x2" as const),
      ),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(asked, (votes) => {
        const positions = new Positions(0, 0, []);
        for (const [kind, view, block] of votes) {
          const subject = vote(kind, view, kind === KIND.nullify ? undefined : block);
          if (positions.check(subject) === undefined) positions.add(subject);
        }
        for (const [first, second] of CONFLICTS.flatMap(([a, b]) => [[a, b]] as const)) {
          for (let view = 1; view <= 6; view++) {
            const at = (subject: Subject) => ({
              ...subject,
              view,
              parentView: subject.parentView === 0 ? 0 : view - (5 - subject.parentView),
            });
            const [a, b] = [at(first), at(second)];
            if (a.parentView < 0 || b.parentView < 0) continue;
            expect(positions.has(a) && positions.has(b)).toBe(false);
          }
        }
      }),
    );
  });
});

describe("the file", () => {
  test("remembers votes, floor, last view and whose it is over restarts", async () => {
    let files = new MemoryFiles();
    const guard = await openGuard(files, DIR, { ...NEW, floor: 2, isImported: true, resumedAtMs: 1_700_000_000_123 });
    for (const subject of [notarize(5), finalize(5), nullify(7), finalize(6)]) await guard.advance(subject);
    files = files.crash(seededRandom(1), "power loss");
    expect(await readGuard(files, DIR)).toEqual({
      type: "intact",
      contents: {
        ...NEW,
        floor: 2,
        isImported: true,
        resumedAtMs: 1_700_000_000_123,
        last: 7,
        votes: [notarize(5), finalize(5), nullify(7), finalize(6)],
      },
    });
    const again = await guardOn(files);
    expect({ floor: again.floor, last: again.lastView, votes: again.votes }).toEqual({
      floor: 2,
      last: 7,
      votes: [notarize(5), finalize(5), nullify(7), finalize(6)],
    });
    expect(await codeOf(again.advance(nullify(5)))).toBe("CONFLICT");
  });

  test("the last view outlives the votes, and a key without a network is bound by the first that opens it", async () => {
    const files = new MemoryFiles();
    await openGuard(files, DIR, { ...NEW, network: undefined, last: 5_000 });
    const reading = await readGuard(files, DIR);
    expect(reading).toMatchObject({ type: "intact", contents: { network: undefined, last: 5_000, votes: [] } });
    const guard = await guardOn(files);
    expect(guard.check(nullify(5_000 - WINDOW_VIEWS))?.code).toBe("BELOW_WINDOW");
  });

  test("is not made by reading", async () => {
    const files = new MemoryFiles();
    expect(await readGuard(files, DIR)).toEqual({ type: "missing" });
    expect(files.paths).toEqual([]);
  });

  test("that is full is made anew, and nothing is lost", async () => {
    const files = new MemoryFiles();
    const guard = await openGuard(files, DIR, NEW);
    const inode = (await (await files.open(FILE))!.identity()).inode;
    const views = Array.from({ length: 4_000 }, (_, i) => i + 1);
    for (const view of views) await guard.advance(notarize(view));
    expect((await (await files.open(FILE))!.identity()).inode).not.toBe(inode);
    const after = await guardOn(files.crash(seededRandom(1), "power loss"));
    expect(after.votes).toEqual(views.slice(-WINDOW_VIEWS).map((view) => notarize(view)));
    expect(files.bytesOf(FILE).length).toBeLessThan(1_000_000);
  });

  test("whose last write was torn keeps the former state, and is written on", async () => {
    for (let cut = 1; cut < 70; cut += 4) {
      const files = new MemoryFiles();
      const guard = await openGuard(files, DIR, NEW);
      await guard.advance(notarize(1));
      const before = files.bytesOf(FILE);
      await guard.advance(notarize(2));
      const after = files.bytesOf(FILE);
      const begin = before.findIndex((byte, i) => byte !== after[i]);
      files.put(FILE, concatBytes(after.subarray(0, begin + cut), before.subarray(begin + cut)));
      const reading = await readGuard(files, DIR);
      if ("contents" in reading && reading.contents.votes.length === 2) continue;
      expect(reading).toMatchObject({ type: "intact", contents: { votes: [notarize(1)] } });
      await (await guardOn(files)).advance(notarize(3));
      expect((await guardOn(files)).votes).toEqual([notarize(1), notarize(3)]);
    }
  });

  test("that was changed is damaged", async () => {
    const files = new MemoryFiles();
    const guard = await openGuard(files, DIR, NEW);
    for (let view = 1; view <= 3; view++) await guard.advance(notarize(view));
    const bytes = files.bytesOf(FILE);
    // Up to the last vote, whose loss cannot be told from a torn write.
    const lastFrame = 64 + (12 + 162) + 2 * (12 + 57);
    for (let at = 0; at < lastFrame; at++) {
      // A larger version number is a newer program's.
      if (at >= 8 && at < 12) continue;
      files.put(FILE, changed(bytes, at));
      const reading = await readGuard(files, DIR);
      expect(reading).toMatchObject({ type: "damaged" });
    }
    files.put(FILE, bytes.slice(0, 100));
    expect(await readGuard(files, DIR)).toMatchObject({
      type: "damaged",
      detail: expect.stringContaining("lacks its first"),
    });
    files.put(FILE, changed(bytes, 11));
    await expect(readGuard(files, DIR)).rejects.toThrow(DataError);
    files.put(FILE, new Uint8Array(5_000_000));
    expect(await readGuard(files, DIR)).toMatchObject({ type: "damaged" });
  });

  test("that is a copy is told from the one that goes on, and each opening makes earlier copies stale", async () => {
    const files = new MemoryFiles();
    const guard = await openGuard(files, DIR, NEW);
    await guard.advance(notarize(1));
    const copy = files.copy();
    const backup = files.bytesOf(FILE);
    expect(await readGuard(copy, DIR)).toMatchObject({ type: "moved", contents: { votes: [notarize(1)] } });
    expect(await readGuard(files, DIR)).toMatchObject({ type: "intact" });
    await guard.advance(notarize(2));
    await guard.close();
    // Written over the file that is there, inode and all.
    const current = files.bytesOf(FILE);
    files.put(FILE, backup);
    expect(await readGuard(files, DIR)).toMatchObject({ type: "moved", contents: { votes: [notarize(1)] } });
    files.put(FILE, current);
    expect(await readGuard(files, DIR)).toMatchObject({
      type: "intact",
      contents: { votes: [notarize(1), notarize(2)] },
    });
    await guardOn(files);
    files.put(FILE, current);
    expect(await readGuard(files, DIR)).toMatchObject({ type: "moved" });
  });
});

describe("a place", () => {
  const movedAfter = async (change: object, before: object = {}) => {
    const files = new MemoryFiles();
    await openGuard(files, DIR, NEW);
    if (Object.keys(before).length > 0) {
      // A file system that knows no time of birth, from the start.
      files.identify = (identity) => ({ ...identity, ...before });
      await openGuard(files, DIR, NEW);
    }
    files.place(FILE, change);
    return (await readGuard(files, DIR)).type;
  };

  test("is an inode and its time of birth; the device's number may change with a boot", async () => {
    expect(await movedAfter({})).toBe("intact");
    expect(await movedAfter({ inode: 77n })).toBe("moved");
    expect(await movedAfter({ birthtimeNs: 77n })).toBe("moved");
    expect(await movedAfter({ device: 77n })).toBe("intact");
  });

  test("is inode and device where the file system keeps no time of birth", async () => {
    expect(await movedAfter({}, { birthtimeNs: 0n })).toBe("intact");
    expect(await movedAfter({ inode: 77n }, { birthtimeNs: 0n })).toBe("moved");
    expect(await movedAfter({ device: 77n }, { birthtimeNs: 0n })).toBe("moved");
  });

  test("an inode of 64 bits is told apart to its last bit", async () => {
    const inode = 2n ** 64n - 1n;
    expect(await movedAfter({}, { inode })).toBe("intact");
    expect(await movedAfter({ inode: inode - 1n }, { inode })).toBe("moved");
  });
});

describe("writing", () => {
  test("a vote that contradicts one on its way to the disk is refused, and the same one waits for it", async () => {
    const files = new MemoryFiles();
    const guard = await openGuard(files, DIR, NEW);
    const gate = Promise.withResolvers<void>();
    files.slowSync = () => gate.promise;
    const first = guard.advance(notarize(1));
    expect(await codeOf(guard.advance(notarize(1, "y")))).toBe("CONFLICT");
    let isDone = false;
    const again = guard.advance(notarize(1)).then(() => {
      isDone = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isDone).toBe(false);
    gate.resolve();
    await Promise.all([first, again]);
    expect(await readGuard(files, DIR)).toMatchObject({ contents: { votes: [notarize(1)] } });
  });

  test("votes that wait share a write", async () => {
    const files = new MemoryFiles();
    const guard = await openGuard(files, DIR, NEW);
    const before = files.operations;
    await Promise.all(Array.from({ length: 100 }, (_, i) => guard.advance(notarize(i + 1))));
    expect(files.operations).toBeLessThanOrEqual(before + 4);
    expect((await guardOn(files)).votes).toHaveLength(100);
  });

  test("refusals write nothing", async () => {
    const files = new MemoryFiles();
    const guard = await openGuard(files, DIR, NEW);
    await guard.advance(notarize(1));
    const before = files.operations;
    expect(await codeOf(guard.advance(finalize(1, "y")))).toBe("CONFLICT");
    expect(await codeOf(guard.advance({ ...nullify(1), epoch: 7 }))).toBe("MALFORMED");
    expect(files.operations).toBe(before);
  });

  test.each(["write", "sync"])("after a failed %s nothing is signed any more", async (name) => {
    const files = new MemoryFiles();
    const guard = await openGuard(files, DIR, NEW);
    await guard.advance(notarize(1));
    let isFull = true;
    files.before = (_, operation) => {
      if (operation === name && isFull) throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
    };
    expect(await codeOf(guard.advance(notarize(2)))).toBe("FAILED");
    isFull = false;
    for (const subject of [notarize(1), notarize(2), notarize(3)]) {
      expect(guard.check(subject)?.code).toBe("FAILED");
      expect(await codeOf(guard.advance(subject))).toBe("FAILED");
    }
    await guard.close();
    expect((await guardOn(files)).votes[0]).toEqual(notarize(1));
  });

  test("a closed guard signs nothing", async () => {
    const guard = await openGuard(new MemoryFiles(), DIR, NEW);
    await guard.close();
    await guard.close();
    expect(await codeOf(guard.advance(notarize(1)))).toBe("FAILED");
  });

  test("a crash at any operation leaves every vote that was durable", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(50), fc.constantFrom("kill" as const, "power loss" as const), fc.nat(30)), {
          minLength: 1,
          maxLength: 5,
        }),
        fc.nat(),
        async (lives, seed) => {
          const random = seededRandom(seed);
          let files = new MemoryFiles();
          await (await openGuard(files, DIR, NEW)).close();
          const durable: Subject[] = [];
          let view = 1;
          for (const [crashAt, kind, votes] of lives) {
            let next: MemoryFiles | undefined;
            const running = files;
            running.before = (operation) => {
              if (operation !== crashAt) return;
              next = running.crash(random, kind);
              throw new Error("the power is gone");
            };
            const live = async () => {
              const guard = await guardOn(running, 300);
              for (let i = 0; i < votes; i += 2) {
                const pair = [notarize(view++), nullify(view++)];
                await Promise.all(pair.map((subject) => guard.advance(subject).then(() => durable.push(subject))));
              }
              await guard.close();
            };
            await live().catch(() => {});
            files = next ?? running.crash(random, kind);
            const reading = await readGuard(files, DIR);
            expect(reading.type).toBe("intact");
            for (const subject of durable)
              expect("contents" in reading && reading.contents.votes).toContainEqual(subject);
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});
