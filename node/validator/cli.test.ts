/** `openledger validator` as an operator meets it: real processes on real directories. */
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { create } from "@chainsafe/bls-keystore";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  blsPublicKey,
  blsSecretKey,
  compressBlsPublicKey,
  expandBlsPublicKey,
  isPossessionProven,
} from "../../core/bls.ts";
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import { runCommand } from "../../test/helpers/devnet-process.ts";
import { exitCodeOf } from "../errors.ts";
import { runValidator } from "./cli.ts";
import { createKey } from "./keys.ts";
import { copyDirectory, fastKdf, notarize, openState, signIn, temporaryFolder } from "./testing/directory.ts";

// Each process takes a second to start, or ten on a machine with much else to do.
vi.setConfig({ testTimeout: 240_000 });

let folder: ReturnType<typeof temporaryFolder>;
let datadir: string;
let password: string;
beforeEach(() => {
  folder = temporaryFolder();
  datadir = join(folder.path, "data");
  password = join(folder.path, "password");
  writeFileSync(password, "correct horse\n", { mode: 0o600 });
});
afterEach(() => folder.remove());

/** In a process of its own. */
const validatorProcess = (...args: readonly string[]) => runCommand(["validator", ...args, "--datadir", datadir]);

/** In this one: what the program prints, and the exit code that node/main.ts makes of it. */
async function validator(...args: readonly string[]): Promise<{ code: number; output: string }> {
  let output = "";
  const printed = (text: string | Uint8Array) => {
    output += text;
    return true;
  };
  const spies = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, "write").mockImplementation(printed));
  try {
    return { code: await runValidator([...args, "--datadir", datadir]), output };
  } catch (error) {
    return { code: exitCodeOf(error), output: `${output}openledger: ${(error as Error).message}\n` };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
const validatorDir = () => join(datadir, "validator");
const newKey = () => createKey(validatorDir(), "correct horse", fastKdf());
const refused = (exit: { code: number | null; output: string }, code: number, line: RegExp) =>
  expect({ code: exit.code, output: exit.output }).toEqual({ code, output: expect.stringMatching(line) });

test("a key from its creation to its first signature", async () => {
  const created = await validatorProcess(
    "keys",
    "create",
    "--validator.passwordfile",
    password,
    "--validator.address",
    `0x${"11".repeat(20)}`,
  );
  expect(created.code).toBe(0);
  const identity = JSON.parse(created.output);
  expect(Object.keys(identity)).toEqual(["address", "publicKey", "proofOfPossession"]);
  expect(identity.publicKey).toMatch(/^0x[0-9a-f]{96}$/);
  const key = expandBlsPublicKey(hexToBytes(identity.publicKey));
  expect(isPossessionProven(key, hexToBytes(identity.proofOfPossession))).toBe(true);
  expect(created.output).not.toContain("horse");

  const listed = await validator("keys", "list");
  expect(listed.output).toBe(`Public key      ${identity.publicKey}\nMode            sign\nLast signed     nothing\n`);
  await signIn(validatorDir(), notarize(12));
  const after = JSON.parse((await validator("keys", "list", "--json")).output);
  expect(after).toMatchObject({
    publicKey: identity.publicKey,
    mode: "sign",
    lastSigned: { epoch: 0, view: 12 },
    chainId: "161299",
  });
  refused(
    await validator("keys", "create", "--validator.passwordfile", password),
    3,
    /^openledger: .*keystore\.json exists/,
  );
});

test("an imported key observes until its record comes with it", async () => {
  const secretKey = blsSecretKey(new Uint8Array(32).fill(4));
  const publicKey = bytesToHex(compressBlsPublicKey(blsPublicKey(secretKey)));
  const keystore = join(folder.path, "foreign.json");
  writeFileSync(
    keystore,
    JSON.stringify(await create("correct horse", secretKey, hexToBytes(publicKey), "", null, fastKdf())),
  );
  const home = datadir;
  datadir = join(folder.path, "old");
  for (const place of [datadir, home]) {
    datadir = place;
    const imported = await validator("keys", "import", keystore, "--validator.passwordfile", password);
    expect(imported).toMatchObject({ code: 0, output: expect.stringContaining("The key only observes here until") });
    expect(JSON.parse(imported.output.split("\n")[0] as string)).toMatchObject({ publicKey });
  }

  datadir = join(folder.path, "old");
  expect((await validator("keys", "list")).output).toMatch(/Mode {12}observe\nBecause {9}the key was imported/);
  refused(
    await validator("resume"),
    2,
    /^openledger: the key was imported.*; what 0x.* signed last is not known here.*--above\.epoch/,
  );
  refused(await validator("resume", "--above.view", "0"), 2, /go together/);
  const resumed = await validator("resume", "--above.epoch", "0", "--above.view", "0");
  expect(JSON.parse(resumed.output.split("\n")[0]!)).toMatchObject({
    signsAbove: { epoch: 0, view: 0 },
    accepted: [expect.stringMatching(/imported/)],
  });
  await signIn(validatorDir(), notarize(5), notarize(6));
  const record = join(folder.path, "record.json");
  expect((await validator("protection", "export", record)).code).toBe(0);
  if (process.platform !== "win32") expect(statSync(record).mode & 0o777).toBe(0o600);
  refused(await validator("protection", "export", record), 1, /record\.json exists/);

  datadir = home;
  const taken = await validator("protection", "import", record);
  expect(JSON.parse(taken.output)).toEqual({ publicKey, signsAbove: { epoch: 0, view: 6 } });
  expect(JSON.parse((await validator("keys", "list", "--json")).output)).toMatchObject({
    mode: "sign",
    lastSigned: { view: 6 },
  });
  await expect(signIn(validatorDir(), notarize(6))).rejects.toMatchObject({ code: "BELOW_FLOOR" });
  await signIn(validatorDir(), notarize(7));
});

test("a copied directory observes, and says so", async () => {
  await newKey();
  await signIn(validatorDir(), notarize(5));
  const original = datadir;
  datadir = join(folder.path, "copy");
  copyDirectory(original, datadir);
  const listed = JSON.parse((await validator("keys", "list", "--json")).output);
  expect(listed).toMatchObject({ mode: "observe", reasons: [expect.stringMatching(/^the signer guard is a copy/)] });
  refused(await validator("protection", "export", join(folder.path, "p")), 3, /would not be complete/);
  expect(existsSync(join(folder.path, "p"))).toBe(false);
  const resumed = await validator("resume", "--above.epoch", "2", "--above.view", "3");
  expect(JSON.parse(resumed.output.split("\n")[0]!)).toMatchObject({ signsAbove: { epoch: 2, view: 3 } });
  expect((await validator("keys", "list")).output).toMatch(
    /Mode {12}sign\n.*Signs above {5}view 3 of epoch 2\n[\s\S]*Resumed {9}20/s,
  );
});

test("while a node runs, nothing changes under it", async () => {
  await newKey();
  const state = await openState(validatorDir());
  await state.guard.advance(notarize(3));
  const listed = JSON.parse((await validator("keys", "list", "--json")).output);
  expect(listed).toMatchObject({ mode: "in use", reasons: [], lastSigned: { view: 3 }, lastKnown: { view: 3 } });
  const record = join(folder.path, "record.json");
  writeFileSync(record, readFileSync(password));
  for (const action of [
    ["resume", "--above.epoch", "0", "--above.view", "9"],
    ["protection", "export", `${record}2`],
  ]) {
    refused(
      await validatorProcess(...action),
      3,
      /^openledger: .*validator is in use by another process; stop it first\n$/,
    );
  }
  await state.guard.advance(notarize(4));
  await state.close();
  expect((await validator("resume")).output).toBe("Nothing to do: this validator signs.\n");
});

describe("mistakes", () => {
  test.each<[readonly string[], number, RegExp]>([
    [[], 2, /^validator needs one of: keys create, keys import/],
    [["keys"], 2, /validator needs one of/],
    [["keys", "import"], 2, /^validator keys import needs a FILE$/],
    [["keys", "list", "all"], 2, /^unexpected argument "all"$/],
    [["protection", "import"], 2, /needs a FILE/],
    [["protection", "import", "/nowhere"], 3, /validator does not exist; make a key/],
    [["keys", "list"], 3, /^.*validator holds no key; make one with openledger validator keys create$/],
    [["resume"], 3, /validator does not exist/],
    [["keys", "create", "--validator.passwordfile", "/nowhere"], 1, /^\/nowhere does not exist$/],
    [["keys", "create", "--validator.address", "0x12"], 2, /--validator\.address "0x12" is not/],
  ])("%j: exit code %i", async (args, code, line) => {
    const error = await runValidator([...args, "--datadir", datadir]).catch((cause: unknown) => cause);
    expect({ code: exitCodeOf(error), output: (error as Error).message }).toEqual({
      code,
      output: expect.stringMatching(line),
    });
    expect(existsSync(datadir)).toBe(false);
  });

  test("without a terminal the password's flag is named", async () => {
    const line =
      /^openledger: a password is needed: name its file with --validator\.passwordfile, or use a terminal\n$/;
    refused(await validatorProcess("keys", "create"), 2, line);
    expect(existsSync(datadir)).toBe(false);
  });

  test("a record that is none is named", async () => {
    await newKey();
    refused(await validator("protection", "import", password), 3, /^openledger: .*password: it is no JSON/);
    refused(await validator("protection", "import", join(folder.path, "none")), 1, /none cannot be read/);
    rmSync(join(validatorDir(), "guard"));
    refused(
      await validator("keys", "list"),
      0,
      /Mode {12}observe\nBecause {9}the signer guard is missing[^\n]*\nLast signed {5}unknown\n/,
    );
  });
});
