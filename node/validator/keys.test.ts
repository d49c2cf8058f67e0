import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { create, decrypt, type IKeystore, isValidKeystore } from "@chainsafe/bls-keystore";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  blsPublicKey,
  blsSecretKey,
  blsSign,
  blsVerify,
  compressBlsPublicKey,
  isPossessionProven,
} from "../../core/bls.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { DataError, OperationError } from "../errors.ts";
import { systemFiles } from "./files.ts";
import { readGuard } from "./guard-file.ts";
import { createKey, importKey, loadSigner, readPublicKey } from "./keys.ts";
import { createGuard } from "./state.ts";
import { fastKdf, notarize, openState, signIn, temporaryFolder } from "./testing/directory.ts";

let folder: ReturnType<typeof temporaryFolder>;
let dir: string;
beforeEach(() => {
  folder = temporaryFolder();
  dir = join(folder.path, "data", "validator");
});
afterEach(() => folder.remove());

const onUnix = process.platform !== "win32";
const file = () => join(dir, "keystore.json");
const keystoreOf = (path: string): IKeystore => JSON.parse(readFileSync(path, "utf8"));
const digest = new Uint8Array(32).fill(9);

async function foreignKeystore(change: (keystore: IKeystore) => unknown = (keystore) => keystore): Promise<string> {
  const secretKey = blsSecretKey(new Uint8Array(32).fill(1));
  const keystore = await create(
    "pass",
    secretKey,
    compressBlsPublicKey(blsPublicKey(secretKey)),
    "m/12381/3600/0/0/0",
    null,
    fastKdf(),
  );
  const path = join(folder.path, "foreign.json");
  writeFileSync(path, JSON.stringify(change(keystore)));
  return path;
}

test("a new key signs, and is whoever it says it is", async () => {
  const { publicKey, proofOfPossession } = await createKey(dir, "pass", fastKdf());
  expect(isPossessionProven(publicKey, proofOfPossession)).toBe(true);
  expect(readPublicKey(dir)).toEqual(compressBlsPublicKey(publicKey));
  const signer = await loadSigner(dir, "pass");
  expect(signer.publicKey).toEqual(publicKey);
  expect(blsVerify([publicKey], digest, signer.sign(digest))).toBe(true);
  const state = await openState(dir);
  expect(state.mode).toBe("sign");
  await state.close();
});

test("is an EIP-2335 keystore for the owner's eyes only, and holds nothing in clear", async () => {
  await createKey(dir, "pass", fastKdf());
  const keystore = keystoreOf(file());
  expect(isValidKeystore(keystore)).toBe(true);
  expect(readdirSync(dir).sort()).toEqual(["guard", "keystore.json", "lock"]);
  const secretKey = Buffer.from(await decrypt(keystore, "pass")).toString("hex");
  for (const name of ["guard", "keystore.json"]) {
    expect(readFileSync(join(dir, name)).toString("latin1")).not.toContain(secretKey);
    expect(readFileSync(join(dir, name)).toString("hex")).not.toContain(secretKey);
    if (onUnix) expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600);
  }
  if (onUnix) expect(statSync(dir).mode & 0o777).toBe(0o700);
});

test("two keys are never the same", async () => {
  const one = await createKey(dir, "pass", fastKdf());
  const two = await createKey(join(folder.path, "other"), "pass", fastKdf());
  expect(one.publicKey).not.toEqual(two.publicKey);
});

test("the standard strength is scrypt with N = 2^18", async () => {
  await createKey(dir, "pass");
  expect(keystoreOf(file()).crypto.kdf).toMatchObject({
    function: "scrypt",
    params: { n: 262_144, r: 8, p: 1, dklen: 32 },
  });
  await loadSigner(dir, "pass");
});

test("another password opens nothing", async () => {
  await createKey(dir, "pass", fastKdf());
  await expect(loadSigner(dir, "Pass")).rejects.toThrow(OperationError);
  await expect(loadSigner(dir, "Pass")).rejects.toThrow(/keystore\.json has another password/);
});

test("no keystore: says how to make one", async () => {
  await expect(loadSigner(dir, "pass")).rejects.toThrow(
    /does not exist; make a key with openledger validator keys create/,
  );
  expect(readPublicKey(dir)).toBeUndefined();
});

test.runIf(onUnix)("a keystore that others can read is refused", async () => {
  await createKey(dir, "pass", fastKdf());
  for (const mode of [0o644, 0o640, 0o604, 0o620]) {
    chmodSync(file(), mode);
    await expect(loadSigner(dir, "pass")).rejects.toThrow(DataError);
    await expect(loadSigner(dir, "pass")).rejects.toThrow(`mode ${mode.toString(8)}); run: chmod 600 ${file()}`);
  }
  chmodSync(file(), 0o400);
  await loadSigner(dir, "pass");
});

test.each([
  ["no JSON", () => "{"],
  ["another JSON", () => "{}"],
  ["too large", () => `${JSON.stringify({ a: "x".repeat(70_000) })}`],
  ["another public key", (text: string) => text.replace(/"pubkey": "../, '"pubkey": "aa')],
  ["a short public key", (text: string) => text.replace(/"pubkey": ".."?/, '"pubkey": "')],
])("a keystore that is damaged is refused: %s", async (_, change) => {
  await createKey(dir, "pass", fastKdf());
  writeFileSync(file(), change(readFileSync(file(), "utf8")));
  await expect(loadSigner(dir, "pass")).rejects.toMatchObject({
    exitCode: 3,
    message: expect.stringContaining(file()),
  });
});

test("an import takes the keystore as it is, and observes", async () => {
  const path = await foreignKeystore();
  const { publicKey, proofOfPossession } = await importKey(dir, path, "pass");
  expect(publicKey).toEqual(blsPublicKey(blsSecretKey(new Uint8Array(32).fill(1))));
  expect(isPossessionProven(publicKey, proofOfPossession)).toBe(true);
  expect(keystoreOf(file())).toEqual(keystoreOf(path));
  const signer = await loadSigner(dir, "pass");
  expect(signer.sign(digest)).toEqual(blsSign(blsSecretKey(new Uint8Array(32).fill(1)), digest));
  const state = await openState(dir);
  expect(state).toMatchObject({ mode: "observe", reasons: [expect.stringMatching(/^the key was imported/)] });
  await state.close();
});

test.each<[string, (keystore: IKeystore) => unknown, RegExp]>([
  [
    "a kdf that would take all memory",
    (k) => ({
      ...k,
      crypto: {
        ...k.crypto,
        kdf: { function: "scrypt", message: "", params: { dklen: 32, n: 2 ** 30, r: 8, p: 1, salt: "00".repeat(32) } },
      },
    }),
    /unusual scrypt parameters/,
  ],
  [
    "a kdf that would take all day",
    (k) => ({
      ...k,
      crypto: { ...k.crypto, kdf: { ...k.crypto.kdf, params: { ...k.crypto.kdf.params, c: 2 ** 40 } } },
    }),
    /unusual pbkdf2 parameters/,
  ],
  [
    "a short derived key",
    (k) => ({ ...k, crypto: { ...k.crypto, kdf: { ...k.crypto.kdf, params: { ...k.crypto.kdf.params, dklen: 16 } } } }),
    /unusual pbkdf2 parameters/,
  ],
  [
    "another key's name",
    (k) => ({
      ...k,
      pubkey: bytesToHex(compressBlsPublicKey(blsPublicKey(blsSecretKey(new Uint8Array(32).fill(2))))).slice(2),
    }),
    /names the public key .* holds the secret key of/,
  ],
])("a keystore from elsewhere is refused and leaves nothing: %s", async (_, change, problem) => {
  await expect(importKey(dir, await foreignKeystore(change), "pass")).rejects.toThrow(problem);
  expect(existsSync(dir)).toBe(false);
});

test("a keystore of something else than a key is refused", async () => {
  const path = join(folder.path, "foreign.json");
  writeFileSync(
    path,
    JSON.stringify(await create("pass", new Uint8Array(32), new Uint8Array(48), "", null, fastKdf())),
  );
  await expect(importKey(dir, path, "pass")).rejects.toThrow(/holds no BLS12-381 key/);
  await expect(importKey(dir, join(folder.path, "none"), "pass")).rejects.toThrow(/none does not exist/);
});

test("one directory holds one key", async () => {
  const { publicKey } = await createKey(dir, "pass", fastKdf());
  const path = await foreignKeystore();
  for (const again of [() => createKey(dir, "pass", fastKdf()), () => importKey(dir, path, "pass")]) {
    await expect(again()).rejects.toThrow(/keystore\.json exists: one directory holds one key/);
  }
  expect((await loadSigner(dir, "pass")).publicKey).toEqual(publicKey);
});

test("what is left of a key that signed is not written over", async () => {
  await createKey(dir, "pass", fastKdf());
  await signIn(dir, notarize(1));
  rmSync(file());
  await expect(createKey(dir, "pass", fastKdf())).rejects.toThrow(
    /holds the signer guard of a key whose keystore is gone/,
  );
  expect(await readGuard(systemFiles, dir)).toMatchObject({ type: "intact", contents: { votes: [notarize(1)] } });
  rmSync(join(dir, "guard"));
  await expect(createKey(dir, "pass", fastKdf())).rejects.toThrow(/is the log of a key whose keystore is gone/);
});

test("a creation that was cut short can be repeated", async () => {
  await createGuard(dir, blsPublicKey(blsSecretKey(new Uint8Array(32).fill(3))), { isImported: false });
  writeFileSync(join(dir, "keystore.json.new"), "{");
  const { publicKey } = await createKey(dir, "pass", fastKdf());
  expect(await readGuard(systemFiles, dir)).toMatchObject({ contents: { publicKey: compressBlsPublicKey(publicKey) } });
  await signIn(dir, notarize(1));
});
