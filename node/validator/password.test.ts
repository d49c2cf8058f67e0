import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DataError, OperationError, UsageError } from "../errors.ts";
import { readPassword, type Terminal } from "./password.ts";
import { temporaryFolder } from "./testing/directory.ts";

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

describe("from a file", () => {
  const write = (text: string, mode = 0o600): string => {
    const file = join(folder.path, "password");
    writeFileSync(file, text, { mode });
    return file;
  };

  test.each([
    ["pass", "pass"],
    ["pass\n", "pass"],
    ["pass\r\n", "pass"],
    [" with spaces \n", " with spaces "],
    ["пароль", "пароль"],
  ])("%j", async (text, password) => {
    expect(await readPassword({ file: write(text), isNew: true })).toBe(password);
  });

  test.each(["", "\n", "two\nlines", "two\nlines\n", "pass\n\n"])("%j is no password", async (text) => {
    await expect(readPassword({ file: write(text) })).rejects.toThrow(UsageError);
  });

  test("that is absent, or no password by its size", async () => {
    await expect(readPassword({ file: join(folder.path, "none") })).rejects.toThrow(/none does not exist/);
    await expect(readPassword({ file: write("x".repeat(5_000)) })).rejects.toThrow(OperationError);
  });

  test.runIf(process.platform !== "win32")(
    "that others can read is refused, and its text is in no message",
    async () => {
      const file = write("secret");
      chmodSync(file, 0o644);
      const error = await readPassword({ file }).catch((cause: Error) => cause);
      expect(error).toBeInstanceOf(DataError);
      expect(String(error)).toContain(`chmod 600 ${file}`);
      expect(String(error)).not.toContain("secret");
    },
  );
});

describe("from a terminal", () => {
  function terminal(): Terminal & { readonly raw: boolean[]; type(text: string): void; shown(): string } {
    const raw: boolean[] = [];
    const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: (mode: boolean) => raw.push(mode) });
    const written: string[] = [];
    const output = new PassThrough().on("data", (chunk) => written.push(String(chunk)));
    return { input, output, raw, type: (text) => void input.write(text), shown: () => written.join("") };
  }
  const answer = async (text: string, isNew = false) => {
    const on = terminal();
    const reading = readPassword({ file: undefined, isNew }, on);
    on.type(text);
    return { password: await reading, ...on };
  };

  test("without an echo, and the terminal is as before", async () => {
    const { password, raw, shown } = await answer("secret\r");
    expect(password).toBe("secret");
    await expect.poll(shown).toBe("Password of the keystore: \n");
    expect(raw).toEqual([true, false]);
  });

  test("with corrections, and without control characters", async () => {
    expect((await answer("secx\u007fret\n")).password).toBe("secret");
    expect((await answer("é\bsec\u001b\tret\n")).password).toBe("secret");
    expect((await answer("\b\bsecret\n")).password).toBe("secret");
  });

  test("a new one twice", async () => {
    const on = terminal();
    const reading = readPassword({ file: undefined, isNew: true }, on);
    on.type("secret\n");
    await expect.poll(() => on.raw).toEqual([true, false, true]);
    on.type("secret\n");
    expect(await reading).toBe("secret");
    const other = terminal();
    const differing = readPassword({ file: undefined, isNew: true }, other);
    other.type("secret\n");
    await expect.poll(() => other.raw).toEqual([true, false, true]);
    other.type("Secret\n");
    await expect(differing).rejects.toThrow("the two passwords differ");
  });

  test.each([
    ["Ctrl-C", "sec\u0003"],
    ["Ctrl-D", "\u0004"],
  ])("%s cancels", async (_, typed) => {
    await expect(answer(typed)).rejects.toThrow("no password was given");
  });

  test("an empty one is refused, and so is a terminal that goes away", async () => {
    await expect(answer("\n")).rejects.toThrow("the password is empty");
    const on = terminal();
    const reading = readPassword({ file: undefined }, on);
    (on.input as PassThrough).end();
    await expect(reading).rejects.toThrow("no password was given");
  });

  test("is bounded", async () => {
    expect((await answer(`${"x".repeat(5_000)}\n`)).password).toHaveLength(1_024);
  });

  test("there is none: the flag is named", async () => {
    const on = { input: new PassThrough(), output: new PassThrough() };
    await expect(readPassword({ file: undefined }, on)).rejects.toThrow(/--validator\.passwordfile/);
  });
});
