import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DataError } from "../errors.ts";
import { createIdentity, loadIdentity } from "./identity.ts";

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
    expect(second.peerId).toBe(first.peerId);
    expect(second.privateKey.equals(first.privateKey)).toBe(true);
    expect(first.peerId).toMatch(/^12D3KooW/);
  });

  it("two that start at once do not end up with different keys in one file", async () => {
    const file = join(directory, "network.key");
    const results = await Promise.allSettled([loadIdentity(file), loadIdentity(file)]);
    const made = results.filter((result) => result.status === "fulfilled").map(({ value }) => value.peerId);
    expect(made).toContain((await loadIdentity(file)).peerId);
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

  it("makes its directory; one that cannot be is named", async () => {
    const file = join(directory, "p2p", "network.key");
    await loadIdentity(file);
    expect((await stat(join(directory, "p2p"))).mode & 0o777).toBe(0o700);
    await expect(loadIdentity(join(file, "below"))).rejects.toThrow(`the network key ${join(file, "below")} cannot be`);
  });

  it("ids differ", async () => {
    expect((await createIdentity()).peerId).not.toBe((await createIdentity()).peerId);
  });
});
