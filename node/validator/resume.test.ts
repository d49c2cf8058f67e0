/** On real files, as an operator meets it: lost, damaged, copied and restored directories, and the way back. */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Subject } from "../../consensus/types.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { DataError, UsageError } from "../errors.ts";
import { systemFiles } from "./files.ts";
import { readGuard } from "./guard-file.ts";
import { createKey } from "./keys.ts";
import {
  decodeProtection,
  encodeProtection,
  exportProtection,
  importProtection,
  type Protection,
} from "./protection.ts";
import { inspectValidator, resumeValidator } from "./resume.ts";
import { createGuard } from "./state.ts";
import { copyDirectory, fastKdf, NETWORK, notarize, openState, signIn, temporaryFolder } from "./testing/directory.ts";

const NOW_MS = 1_700_000_000_000;
let folder: ReturnType<typeof temporaryFolder>;
let dir: string;
beforeEach(async () => {
  folder = temporaryFolder();
  dir = join(folder.path, "validator");
  await createKey(dir, "pass", fastKdf());
});
afterEach(() => folder.remove());

const log = (name = "00000001.log") => join(dir, "log", name);
const many = (count: number): Subject[] => Array.from({ length: count }, (_, i) => notarize(i + 1));
async function modeOf(where: string): Promise<string> {
  const state = await openState(where);
  await state.close();
  return state.mode;
}
const refusals = async (...votes: readonly Subject[]): Promise<string[]> => {
  const codes: string[] = [];
  for (const vote of votes) {
    await signIn(dir, vote).then(
      () => codes.push("signed"),
      (error) => codes.push(error.code),
    );
  }
  return codes;
};

describe("a directory that is not the one that signed last is told", () => {
  test("a copy of it, while the original goes on", async () => {
    await signIn(dir, ...many(3));
    const copy = join(folder.path, "copy");
    copyDirectory(dir, copy);
    expect(await modeOf(copy)).toBe("observe");
    expect(await modeOf(copy)).toBe("observe");
    expect(await modeOf(dir)).toBe("sign");
  });

  test("a backup put back in its place", async () => {
    await signIn(dir, ...many(3));
    const backup = join(folder.path, "backup");
    copyDirectory(dir, backup);
    await signIn(dir, notarize(4));
    rmSync(dir, { recursive: true });
    copyDirectory(backup, dir);
    expect(await modeOf(dir)).toBe("observe");
  });

  test("a backup, also of a running validator, written over the files that are there", async () => {
    const state = await openState(dir);
    await state.guard.advance(notarize(1));
    const backup = join(folder.path, "backup");
    copyDirectory(dir, backup);
    await state.guard.advance(notarize(2));
    await state.close();
    for (const name of ["guard", join("log", "00000001.log")]) {
      // Keeps the inode and its time of birth.
      writeFileSync(join(dir, name), readFileSync(join(backup, name)));
    }
    expect(await modeOf(dir)).toBe("observe");
  });

  test("a directory that was moved on the same disk is the same one", async () => {
    await signIn(dir, ...many(3));
    const moved = join(folder.path, "moved");
    renameSync(dir, moved);
    expect(await modeOf(moved)).toBe("sign");
  });
});

describe("resume", () => {
  test("has nothing to do where the validator signs", async () => {
    await signIn(dir, ...many(3));
    expect(await resumeValidator(dir, undefined, NOW_MS)).toBeUndefined();
    expect(await refusals(notarize(3))).toEqual(["signed"]);
  });

  test("raises the floor when it is told to", async () => {
    await signIn(dir, ...many(3));
    expect(await resumeValidator(dir, 50, NOW_MS)).toEqual({ aboveView: 50, reasons: [] });
    expect(await refusals(notarize(50), notarize(51))).toEqual(["BELOW_FLOOR", "signed"]);
    expect(await resumeValidator(dir, 2, NOW_MS)).toEqual({ aboveView: 51, reasons: [] });
  });

  test("after a log was lost: what the guard knows is not signed again", async () => {
    await signIn(dir, ...many(3));
    rmSync(join(dir, "log"), { recursive: true });
    expect(await modeOf(dir)).toBe("observe");
    expect(await resumeValidator(dir, undefined, NOW_MS)).toEqual({
      aboveView: 3,
      reasons: ["the log is missing, although the key has signed up to view 3"],
    });
    expect(await refusals(notarize(3, 2), notarize(3), notarize(4))).toEqual(["BELOW_FLOOR", "BELOW_FLOOR", "signed"]);
    expect(await readGuard(systemFiles, dir)).toMatchObject({ contents: { resumedAtMs: NOW_MS } });
  });

  test.each([
    ["damaged", () => writeFileSync(log(), readFileSync(log()).fill(0x55, 70, 80))],
    ["empty", () => rmSync(log())],
  ])("after a log that is %s, which is kept aside", async (_, damage) => {
    await signIn(dir, ...many(3));
    damage();
    expect(await modeOf(dir)).toBe("observe");
    expect(await resumeValidator(dir, undefined, NOW_MS)).toMatchObject({ aboveView: 3 });
    expect(existsSync(join(dir, "log.damaged"))).toBe(true);
    expect(await refusals(notarize(3, 2), notarize(4))).toEqual(["BELOW_FLOOR", "signed"]);
  });

  test("after a guard was lost: the log still tells", async () => {
    await signIn(dir, ...many(3));
    rmSync(join(dir, "guard"));
    expect(await modeOf(dir)).toBe("observe");
    expect(await resumeValidator(dir, undefined, NOW_MS)).toMatchObject({ aboveView: 3 });
    expect(await refusals(notarize(3, 2), notarize(4))).toEqual(["BELOW_FLOOR", "signed"]);
  });

  const BLIND: readonly (readonly [string, () => Promise<void> | void])[] = [
    [
      "guard and log are lost",
      () => {
        rmSync(join(dir, "guard"));
        rmSync(join(dir, "log"), { recursive: true });
      },
    ],
    [
      "the guard is lost and the log damaged",
      () => {
        rmSync(join(dir, "guard"));
        writeFileSync(log(), readFileSync(log()).fill(0x55, 70, 80));
      },
    ],
    [
      "it is a backup",
      () => {
        const backup = join(folder.path, "b");
        copyDirectory(dir, backup);
        rmSync(dir, { recursive: true });
        renameSync(backup, dir);
      },
    ],
  ];
  test.each(BLIND)("needs the operator's word where %s", async (_, damage) => {
    await signIn(dir, ...many(3));
    await damage();
    const { publicKey } = await inspectValidator(dir, systemFiles);
    const asking = resumeValidator(dir, undefined, NOW_MS);
    await expect(asking).rejects.toThrow(UsageError);
    await expect(asking).rejects.toThrow(bytesToHex(publicKey));
    await expect(asking).rejects.toThrow(/add --above\.epoch and --above\.view/);
    expect(await modeOf(dir)).toBe("observe");
    expect(await resumeValidator(dir, 90, NOW_MS)).toMatchObject({ aboveView: 90 });
    expect(await refusals(notarize(4), notarize(90), notarize(91))).toEqual(["BELOW_FLOOR", "BELOW_FLOOR", "signed"]);
    expect(await modeOf(dir)).toBe("sign");
  });

  test("is refused while a node runs", async () => {
    const state = await openState(dir);
    await expect(resumeValidator(dir, 5, NOW_MS)).rejects.toThrow(/is in use by another process/);
    await expect(exportProtection(dir)).rejects.toThrow(DataError);
    await state.close();
  });

  test("a directory without a key has nothing to resume", async () => {
    await expect(inspectValidator(join(folder.path, "none"), systemFiles)).rejects.toThrow(/holds no key/);
  });
});

describe("protection", () => {
  const protection = (change: Partial<Protection> = {}): Protection => ({
    network: NETWORK,
    publicKey: new Uint8Array(48).fill(7),
    lastView: 9,
    votes: many(3),
    ...change,
  });
  const own = async (change: Partial<Protection> = {}) =>
    protection({ publicKey: (await inspectValidator(dir, systemFiles)).publicKey, ...change });

  test("comes back as it was written", () => {
    expect(decodeProtection(encodeProtection(protection()))).toEqual(protection());
  });

  test.each<[string, (json: Record<string, unknown>) => unknown, RegExp]>([
    ["another format", (j) => ({ ...j, format: "eip-3076" }), /no openledger-slashing-protection/],
    ["a newer version", (j) => ({ ...j, version: 2 }), /version 2, this program knows 1/],
    ["an unknown field", (j) => ({ ...j, more: 1 }), /more is unknown/],
    ["a chain id as a number", (j) => ({ ...j, chainId: 5 }), /chainId must be/],
    ["a short genesis hash", (j) => ({ ...j, genesisHash: "0x12" }), /genesisHash must be 0x and 64/],
    ["no key", (j) => ({ ...j, publicKey: undefined }), /publicKey must be 0x and 96/],
    ["a view that is no integer", (j) => ({ ...j, lastView: 1.5 }), /lastView must be an integer/],
    ["a view below zero", (j) => ({ ...j, lastView: -1 }), /lastView must be an integer/],
    ["votes that are no list", (j) => ({ ...j, votes: {} }), /votes must be a list/],
    [
      "a vote of no kind",
      (j) => ({ ...j, votes: [{ ...(j.votes as object[])[0], kind: "veto" }] }),
      /votes\.0\.kind must be one of notarize, nullify, finalize/,
    ],
    [
      "a vote without a view",
      (j) => ({ ...j, votes: [{ ...(j.votes as object[])[0], view: undefined }] }),
      /votes\.0\.view/,
    ],
    ["a list", () => [], /must be an object/],
  ])("%s is refused", (_, change, problem) => {
    const text = JSON.stringify(change(JSON.parse(encodeProtection(protection()))));
    expect(() => decodeProtection(text)).toThrow(DataError);
    expect(() => decodeProtection(text)).toThrow(problem);
  });

  test("no JSON is refused", () => {
    expect(() => decodeProtection("{")).toThrow(/it is no JSON/);
  });

  test("what is exported holds every vote, and an import elsewhere refuses them all", async () => {
    await signIn(dir, ...many(3));
    const exported = await exportProtection(dir);
    expect(exported).toEqual(await own({ lastView: 3, votes: many(3) }));
    const original = dir;
    dir = join(folder.path, "other");
    // As keys import leaves it.
    await createGuard(dir, (await openedKey(original)).publicKey, { isImported: true });
    copyDirectory(join(original, "keystore.json"), join(dir, "keystore.json"));
    expect(await modeOf(dir)).toBe("observe");
    expect(await importProtection(dir, decodeProtection(encodeProtection(exported)))).toBe(3);
    expect(await refusals(notarize(3, 2), notarize(1), notarize(4))).toEqual(["BELOW_FLOOR", "BELOW_FLOOR", "signed"]);
  });
  const openedKey = async (where: string) => {
    const { loadSigner } = await import("./keys.ts");
    return loadSigner(where, "pass");
  };

  test("an import takes the higher of both and never lowers anything", async () => {
    await signIn(dir, ...many(20));
    expect(await importProtection(dir, await own())).toBe(9);
    expect(await refusals(notarize(9), notarize(10, 2), notarize(10), notarize(20, 2))).toEqual([
      "BELOW_FLOOR",
      "CONFLICT",
      "signed",
      "CONFLICT",
    ]);
    expect(await importProtection(dir, await own({ lastView: 2, votes: [] }))).toBe(9);
    expect(await importProtection(dir, await own({ lastView: 2, votes: [notarize(40)] }))).toBe(40);
    expect(await refusals(notarize(40), notarize(41))).toEqual(["BELOW_FLOOR", "signed"]);
  });

  test("another key's or network's record is refused", async () => {
    await signIn(dir, notarize(1));
    await expect(importProtection(dir, protection())).rejects.toThrow(/it is the record of 0x0707/);
    for (const network of [
      { ...NETWORK, chainId: 5n },
      { ...NETWORK, genesisHash: new Uint8Array(32) },
    ]) {
      await expect(importProtection(dir, await own({ network }))).rejects.toThrow(
        /it is of chain .* this validator is of chain 161299/,
      );
    }
    expect(await refusals(notarize(2))).toEqual(["signed"]);
  });

  test("a directory whose own record is in doubt neither gives nor takes one", async () => {
    await signIn(dir, ...many(3));
    const record = await exportProtection(dir);
    const original = dir;
    dir = join(folder.path, "copy");
    copyDirectory(original, dir);
    await expect(exportProtection(dir)).rejects.toThrow(/is a copy.*would not be complete/);
    await expect(importProtection(dir, record)).rejects.toThrow(/see openledger validator resume/);
    expect(await modeOf(dir)).toBe("observe");
  });

  test("a key that never signed has none to give, and is bound to the network of the one it takes", async () => {
    await expect(exportProtection(dir)).rejects.toThrow(/has never signed/);
    await importProtection(dir, await own({ network: { ...NETWORK, chainId: 77n } }));
    await expect(openState(dir)).rejects.toThrow(/belongs to chain 77/);
  });
});
