import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isSlashable } from "../../consensus/ballots.ts";
import { KIND, type Subject, type VoteKind } from "../../consensus/types.ts";
import { networkHash, type WalRecord } from "../../consensus/wal.ts";
import { blsPublicKey, blsSecretKey, compressBlsPublicKey } from "../../core/bls.ts";
import { keccak256 } from "../../core/crypto.ts";
import { seededRandom } from "../../test/helpers/random.ts";
import { DataError, OperationError } from "../errors.ts";
import { openGuard } from "./guard.ts";
import { type NetworkId, readGuard } from "./guard-file.ts";
import { VoteRefused } from "./positions.ts";
import { createGuard, logPath, openValidatorState, type StatePorts, type ValidatorState } from "./state.ts";
import { MemoryFiles } from "./testing/memory-files.ts";
import { createVoteSigner, MAX_IN_FLIGHT, SigningFailed, type VoteSigner } from "./vote-signer.ts";
import { openWal, WalError } from "./wal-file.ts";

const DIR = "/data/validator";
const GUARD = `${DIR}/guard`;
const LOG = `${logPath(DIR)}/00000001.log`;
const KEY = blsPublicKey(blsSecretKey(new Uint8Array(32).fill(1)));
const NETWORK: NetworkId = { chainId: 161_299n, genesisHash: new Uint8Array(32).fill(5) };

const notarize = (view: number, block = 1, kind: VoteKind = KIND.notarize): Subject => ({
  kind,
  epoch: 0,
  view,
  parentView: view - 1,
  block: new Uint8Array(32).fill(block),
});
const finalize = (view: number, block = 1) => notarize(view, block, KIND.finalize);
const nullify = (view: number): Subject => ({
  kind: KIND.nullify,
  epoch: 0,
  view,
  parentView: 0,
  block: new Uint8Array(32),
});
const tip = (view: number): WalRecord => ({ type: "tip", epoch: 0, view, height: view, block: new Uint8Array(32) });
const record = (subject: Subject): WalRecord => ({ type: "vote", subject });

/** A lock as the system's: one holder, and none after a crash. */
function portsOf(files: MemoryFiles): StatePorts {
  let isHeld = false;
  return {
    files,
    guardRoomBytes: 700,
    lock(dir) {
      if (isHeld) throw new DataError(`${dir} is in use by another process`);
      isHeld = true;
      return {
        release() {
          isHeld = false;
        },
      };
    },
  };
}
const open = (files: MemoryFiles) => openValidatorState(DIR, KEY, NETWORK, portsOf(files));
async function newKey(isImported = false): Promise<MemoryFiles> {
  const files = new MemoryFiles();
  await createGuard(DIR, KEY, { isImported }, files);
  return files;
}
const signerOf = (state: ValidatorState): VoteSigner =>
  createVoteSigner({
    ...state,
    // Cheap, and tells what was signed.
    sign: (digest) => keccak256(digest),
    domain: { chainId: NETWORK.chainId, l1Contract: new Uint8Array(20) },
    setHashOf: () => new Uint8Array(32),
  });
/** A key that signed these; the directory as the process left it. */
async function afterSigning(votes: readonly Subject[]): Promise<MemoryFiles> {
  const files = await newKey();
  const state = await open(files);
  const signer = signerOf(state);
  for (const vote of votes) await signer.signVote(vote);
  await state.close();
  return files;
}
const many = (count: number) => Array.from({ length: count }, (_, i) => notarize(i + 1));
const power = (files: MemoryFiles) => files.crash(seededRandom(1), "power loss");

describe("signs", () => {
  test("with a new key, and goes on after a restart", async () => {
    const files = await newKey();
    const first = await open(files);
    expect(first).toMatchObject({ mode: "sign", reasons: [] });
    expect(first.wal).toMatchObject({ state: "new", records: [] });
    const signature = await signerOf(first).signVote(notarize(1), [tip(0)]);
    expect(signature).toHaveLength(32);
    await first.close();
    const second = await open(power(files));
    expect(second).toMatchObject({ mode: "sign", reasons: [] });
    expect(second.wal.records).toEqual([tip(0), record(notarize(1))]);
    expect(second.guard.votes).toEqual([notarize(1)]);
    expect(await signerOf(second).signVote(notarize(1))).toEqual(signature);
    await expect(signerOf(second).signVote(notarize(1, 2))).rejects.toThrow(VoteRefused);
  });

  test("after a torn tail of the log", async () => {
    const files = await afterSigning(many(3));
    files.put(LOG, files.bytesOf(LOG).slice(0, -1));
    const state = await open(files);
    expect(state).toMatchObject({ mode: "sign", wal: { state: "torn" } });
    // The guard knew it all along.
    await expect(signerOf(state).signVote(notarize(3, 2))).rejects.toMatchObject({ code: "CONFLICT" });
  });

  test("with a log that is new, missing or damaged while nothing was signed", async () => {
    for (const damage of [
      (files: MemoryFiles) => files.remove(logPath(DIR)),
      (files: MemoryFiles) => files.remove(LOG),
      async (files: MemoryFiles) => files.put(LOG, new Uint8Array(9)),
    ]) {
      const files = await afterSigning([]);
      await damage(files);
      const state = await open(files);
      expect(state.mode).toBe("sign");
      await signerOf(state).signVote(notarize(1));
      expect((await open(power(files))).wal.records).toEqual([record(notarize(1))]);
    }
  });

  test("after votes that a crash left in only one of log and guard", async () => {
    let both = await afterSigning([notarize(1)]);
    const contents = await readGuard(both, DIR);
    if (contents.type !== "intact") throw new Error(contents.type);
    await (await openGuard(both, DIR, contents.contents)).advance(nullify(2));
    const wal = await openWal(logPath(DIR), networkHash(NETWORK.chainId, NETWORK.genesisHash), both);
    await wal.append([record(notarize(3))]);
    both = power(both);
    const state = await open(both);
    expect(state.mode).toBe("sign");
    for (const refused of [finalize(2), notarize(3, 2)]) {
      await expect(signerOf(state).signVote(refused)).rejects.toMatchObject({ code: "CONFLICT" });
    }
    await state.close();
    // Each has now what the other had.
    const again = await open(power(both));
    expect(again.wal.records).toEqual([notarize(1), notarize(3), nullify(2)].map(record));
    expect(again.guard.votes).toEqual([notarize(1), nullify(2), notarize(3)]);
  });

  test("nothing at or below the view that its log knows as finalized", async () => {
    const files = await newKey();
    const state = await open(files);
    await state.wal.append([tip(40)]);
    await state.close();
    const again = await open(files);
    expect(again.guard.floor).toBe(40);
    await expect(signerOf(again).signVote(finalize(40))).rejects.toMatchObject({ code: "BELOW_FLOOR" });
    await signerOf(again).signVote(finalize(41));
  });

  test("after any number of rotations, also such as forget votes", async () => {
    const files = await newKey();
    const state = await open(files);
    const signer = signerOf(state);
    for (const vote of many(60)) await signer.signVote(vote);
    await state.wal.rotate([tip(20)]);
    await state.close();
    const again = await open(power(files));
    expect(again.mode).toBe("sign");
    expect(again.wal.records).toEqual([tip(20), ...many(60).slice(20).map(record)]);
  });
});

describe("only observes", () => {
  const cases: readonly (readonly [string, () => Promise<MemoryFiles>, RegExp])[] = [
    [
      "the guard is missing",
      async () => {
        const files = await afterSigning(many(3));
        await files.remove(GUARD);
        return files;
      },
      /^the signer guard is missing/,
    ],
    ["everything is missing", async () => new MemoryFiles(), /^the signer guard is missing/],
    [
      "the guard is damaged",
      async () => {
        const files = await afterSigning(many(3));
        files.put(GUARD, files.bytesOf(GUARD).slice(9));
        return files;
      },
      /^the signer guard is damaged: \/data\/validator\/guard /,
    ],
    ["the directory is a copy", async () => (await afterSigning(many(3))).copy(), /^the signer guard is a copy/],
    [
      "the log is gone",
      async () => {
        const files = await afterSigning(many(3));
        await files.remove(logPath(DIR));
        return files;
      },
      /^the log is missing, although the key has signed up to view 3$/,
    ],
    [
      "the log is empty",
      async () => {
        const files = await afterSigning(many(3));
        await files.remove(LOG);
        return files;
      },
      /^the log is missing/,
    ],
    [
      "the log is damaged",
      async () => {
        const files = await afterSigning(many(3));
        const bytes = files.bytesOf(LOG);
        bytes[80] = 77;
        files.put(LOG, bytes);
        return files;
      },
      /^the log is damaged: .*00000001\.log is wrong at byte 64/,
    ],
    [
      "the log is an older one",
      async () => {
        const files = await afterSigning([notarize(1)]);
        const old = files.bytesOf(LOG);
        const state = await open(files);
        for (const vote of many(2 + MAX_IN_FLIGHT)) await signerOf(state).signVote(vote);
        await state.close();
        files.put(LOG, old);
        return files;
      },
      /^the log lacks 17 votes/,
    ],
    [
      "the guard is an older one",
      async () => {
        const files = await afterSigning(many(1));
        const wal = await openWal(logPath(DIR), networkHash(NETWORK.chainId, NETWORK.genesisHash), files);
        await wal.append(many(2 + MAX_IN_FLIGHT).map(record));
        return files;
      },
      /^the signer guard lacks 17 votes/,
    ],
    [
      "they contradict each other",
      async () => {
        const files = await afterSigning(many(1));
        const wal = await openWal(logPath(DIR), networkHash(NETWORK.chainId, NETWORK.genesisHash), files);
        await wal.append([record(notarize(1, 2))]);
        return files;
      },
      /^log and signer guard contradict each other: notarize in view 1 and notarize in view 1/,
    ],
    ["the key was imported", () => newKey(true), /^the key was imported/],
    [
      "the guard is another key's",
      async () => {
        const files = new MemoryFiles();
        await createGuard(DIR, blsPublicKey(blsSecretKey(new Uint8Array(32).fill(2))), { isImported: false }, files);
        return files;
      },
      /^the signer guard is that of the key 0x/,
    ],
  ];

  test.each(cases)("when %s, at every start, and touches nothing", async (_, make, reason) => {
    const files = await make();
    const before = Object.fromEntries(files.paths.map((path) => [path, files.bytesOf(path)]));
    for (let start = 0; start < 2; start++) {
      const state = await open(files);
      expect(state).toMatchObject({ mode: "observe", reasons: [expect.stringMatching(reason)] });
      await expect(signerOf(state).signVote(notarize(9_999))).rejects.toMatchObject({ code: "OBSERVING" });
      await expect(state.wal.append([tip(1)])).rejects.toThrow(WalError);
      state.wal.appendLazy([tip(1)]);
      await state.wal.rotate([tip(1)]);
      await state.close();
    }
    expect(Object.fromEntries(files.paths.map((path) => [path, files.bytesOf(path)]))).toEqual(before);
  });

  test("with every reason named", async () => {
    const files = await afterSigning(many(3));
    await files.remove(LOG);
    expect((await open(files.copy())).reasons).toHaveLength(2);
  });
});

describe("refuses to open", () => {
  test("another network's directory", async () => {
    const files = await afterSigning(many(1));
    for (const other of [
      { ...NETWORK, chainId: 1n },
      { ...NETWORK, genesisHash: new Uint8Array(32) },
    ]) {
      const opening = openValidatorState(DIR, KEY, other, portsOf(files));
      await expect(opening).rejects.toThrow(DataError);
      await expect(opening).rejects.toThrow(/belongs to chain 161299 with genesis 0x0505/);
    }
    await files.remove(GUARD);
    const log = openValidatorState(DIR, KEY, { ...NETWORK, chainId: 1n }, portsOf(files));
    await expect(log).rejects.toThrow(/was written for another network/);
  });

  test("a second time, until it is closed", async () => {
    const files = await newKey();
    const ports = portsOf(files);
    const opened = () => openValidatorState(DIR, KEY, NETWORK, ports);
    const first = await opened();
    await expect(opened()).rejects.toThrow(/in use/);
    await first.close();
    await (await opened()).close();
  });

  test("where nothing can be written, and leaves the lock", async () => {
    const files = await newKey();
    const ports = portsOf(files);
    files.before = (_, name) => {
      if (name === "create") throw new Error("no space left");
    };
    await expect(openValidatorState(DIR, KEY, NETWORK, ports)).rejects.toThrow(OperationError);
    files.before = () => {};
    expect((await openValidatorState(DIR, KEY, NETWORK, ports)).mode).toBe("sign");
  });
});

describe("signing", () => {
  test("waits for both log and guard", async () => {
    const files = await newKey();
    const state = await open(files);
    const gates: (() => void)[] = [];
    files.slowSync = () => new Promise((resolve) => gates.push(resolve));
    let isSigned = false;
    const signing = signerOf(state)
      .signVote(notarize(1))
      .then(() => {
        isSigned = true;
      });
    await expect.poll(() => gates.length).toBe(2);
    gates.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
    expect(isSigned).toBe(false);
    gates.shift()?.();
    await signing;
  });

  test("a refused vote writes nothing", async () => {
    const files = await newKey();
    const state = await open(files);
    const signer = signerOf(state);
    await signer.signVote(notarize(1));
    const before = files.operations;
    await expect(signer.signVote(notarize(1, 2), [tip(0)])).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(signer.signVote({ ...notarize(2), epoch: 3 })).rejects.toMatchObject({ code: "MALFORMED" });
    expect(files.operations).toBe(before);
    expect((await open(power(files))).wal.records).toEqual([record(notarize(1))]);
  });

  test.each(["log", "guard"])("stops for good when the %s cannot be written", async (which) => {
    const files = await newKey();
    const state = await open(files);
    const signer = signerOf(state);
    await signer.signVote(notarize(1));
    const parts = { wal: state.wal, guard: state.guard };
    const failing = createVoteSigner({
      wal: which === "log" ? { append: async () => Promise.reject(new WalError("FAILED", "full")) } : parts.wal,
      guard:
        which === "guard"
          ? { check: (s) => parts.guard.check(s), advance: async () => Promise.reject(new Error("full")) }
          : parts.guard,
      sign: () => new Uint8Array(96),
      domain: { chainId: 1n, l1Contract: new Uint8Array(20) },
      setHashOf: () => new Uint8Array(32),
    });
    await expect(failing.signVote(notarize(2))).rejects.toThrow(SigningFailed);
    await expect(failing.signVote(notarize(1))).rejects.toThrow(SigningFailed);
  });

  test("a log that is full is no failure: after a rotation it goes on", async () => {
    let isFull = true;
    const state = await open(await newKey());
    const signer = createVoteSigner({
      guard: state.guard,
      wal: {
        append: async (records) => {
          if (isFull) throw new WalError("FULL", "full");
          await state.wal.append(records);
        },
      },
      sign: () => new Uint8Array(96),
      domain: { chainId: 1n, l1Contract: new Uint8Array(20) },
      setHashOf: () => new Uint8Array(32),
    });
    await expect(signer.signVote(notarize(1))).rejects.toMatchObject({ code: "FULL" });
    isFull = false;
    expect(await signer.signVote(notarize(1))).toHaveLength(96);
  });

  test("many at once: all are signed, a bounded number is on its way", async () => {
    const files = await newKey();
    const state = await open(files);
    let most = 0;
    let now = 0;
    const signer = createVoteSigner({
      wal: {
        async append(records) {
          most = Math.max(most, ++now);
          await state.wal.append(records);
          now--;
        },
      },
      guard: state.guard,
      sign: (digest) => digest,
      domain: { chainId: 1n, l1Contract: new Uint8Array(20) },
      setHashOf: () => new Uint8Array(32),
    });
    const signed = await Promise.all(many(200).map((vote) => signer.signVote(vote)));
    expect(new Set(signed.map(String)).size).toBe(200);
    expect(most).toBe(MAX_IN_FLIGHT);
    const flood = await Promise.allSettled(many(400).map((vote) => signer.signVote(vote)));
    expect(flood.filter(({ status }) => status === "rejected")).toHaveLength(400 - MAX_IN_FLIGHT - 256);
  });
});

/**
 * The promise: whatever is asked of the signer, whenever the process or the machine stops, no two signatures that ever
 * left contradict each other, and the validator signs again by itself.
 */
describe("over any number of crashes", () => {
  const asked = fc.record({
    kind: fc.constantFrom<VoteKind>(KIND.notarize, KIND.nullify, KIND.finalize),
    ahead: fc.integer({ min: -3, max: 1 }),
    block: fc.integer({ min: 1, max: 2 }),
    together: fc.boolean(),
  });
  const lives = fc.array(
    fc.record({
      asks: fc.array(asked, { minLength: 1, maxLength: 25 }),
      crashAt: fc.nat(110),
      end: fc.constantFrom("kill" as const, "power loss" as const, "full disk" as const),
      rotate: fc.boolean(),
    }),
    { minLength: 1, maxLength: 5 },
  );

  test("no signature that left contradicts another", async () => {
    let released = 0;
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(lives, fc.nat(), async (plan, seed) => {
        const random = seededRandom(seed);
        let files = await newKey();
        const signed: Subject[] = [];
        let view = 1;
        for (const { asks, crashAt, end, rotate } of plan) {
          const running = files;
          let next: MemoryFiles | undefined;
          running.before = (operation, name) => {
            if (operation < crashAt) return;
            if (end === "full disk") {
              if (name === "write" || name === "create") throw new Error("no space left");
            } else if (next === undefined) {
              next = running.crash(random, end);
              throw new Error("the power is gone");
            }
          };
          const live = async () => {
            const state = await open(running);
            expect({ mode: state.mode, reasons: state.reasons }).toEqual({ mode: "sign", reasons: [] });
            const signer = signerOf(state);
            const pending: Promise<void>[] = [];
            for (const { kind, ahead, block, together } of asks) {
              view = Math.max(1, view + Math.max(0, ahead));
              const at = Math.max(1, view + ahead);
              const subject = kind === KIND.nullify ? nullify(at) : notarize(at, block, kind);
              const signing = signer.signVote(subject).then(
                () => {
                  signed.push(subject);
                },
                (error) => {
                  if (error instanceof VoteRefused) refused++;
                },
              );
              if (together) pending.push(signing);
              else await signing;
            }
            await Promise.all(pending);
            if (rotate) await state.wal.rotate([tip(Math.max(0, view - 5))]);
            await state.close();
          };
          await live().catch((error) => {
            if (error.name === "AssertionError") throw error;
          });
          files = next ?? running.crash(random, end === "full disk" ? "power loss" : end);
        }
        for (const [index, first] of signed.entries()) {
          for (const second of signed.slice(index + 1)) expect(isSlashable(first, second)).toBe(false);
        }
        released += signed.length;
        const last = await open(files);
        expect(last.mode).toBe("sign");
        await signerOf(last).signVote(notarize(view + 10));
      }),
      { numRuns: 200 },
    );
    // Otherwise the test shows nothing.
    expect(released).toBeGreaterThan(500);
    expect(refused).toBeGreaterThan(300);
  });
});

test("the key of a guard is kept compressed", async () => {
  expect(await readGuard(await newKey(), DIR)).toMatchObject({ contents: { publicKey: compressBlsPublicKey(KEY) } });
});
