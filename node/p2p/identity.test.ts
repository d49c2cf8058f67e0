import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DataError } from "../errors.ts";
import { createIdentity, loadIdentity, peerIdOf } from "./identity.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "identity-"));
});
afterEach(() => rm(directory, { recursive: true }));

describe("identity", () => {
  it("is made once, for the owner only, and found again", async () => {
    const file = join(directory, "network.key");
    const first = await loadIdentity(file);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual(["network.key"]);
    const second = await loadIdentity(file);
    expect(peerIdOf(second)).toBe(peerIdOf(first));
    expect(peerIdOf(first)).toMatch(/^12D3KooW/);
  });

  it("two that start at once do not end up with different keys in one file", async () => {
    const file = join(directory, "network.key");
    const results = await Promise.allSettled([loadIdentity(file), loadIdentity(file)]);
    const made = results.filter((result) => result.status === "fulfilled").map(({ value }) => peerIdOf(value));
    expect(made).toContain(peerIdOf(await loadIdentity(file)));
    expect(new Set(made).size).toBe(1);
  });

  it("a damaged file is not replaced", async () => {
    const file = join(directory, "network.key");
    for (const text of ["", "0x00", "nonsense", "0x0801"]) {
      await writeFile(file, text, { mode: 0o600 });
      await expect(loadIdentity(file)).rejects.toThrow(DataError);
      expect(await readFile(file, "utf8")).toBe(text);
    }
  });

  it.skipIf(process.platform === "win32")("a file that others may read is refused", async () => {
    const file = join(directory, "network.key");
    await loadIdentity(file);
    await chmod(file, 0o640);
    await expect(loadIdentity(file)).rejects.toThrow(`chmod 600 ${file}`);
  });

  it("a directory that is not there is named", async () => {
    await expect(loadIdentity(join(directory, "no", "network.key"))).rejects.toThrow("cannot be written");
  });

  it("ids differ", async () => {
    expect(peerIdOf(await createIdentity())).not.toBe(peerIdOf(await createIdentity()));
  });
});
