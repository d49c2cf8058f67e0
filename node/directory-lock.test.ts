import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isDirectoryLocked, lockDirectory } from "./directory-lock.ts";
import { DataError, OperationError } from "./errors.ts";
import { temporaryFolder } from "./validator/testing/directory.ts";

let folder: ReturnType<typeof temporaryFolder>;
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  folder.remove();
});

/** Another process that holds the lock of the folder, and says what became of it. */
async function holder(): Promise<{ readonly child: ChildProcess; readonly said: string }> {
  const program = `
    const { lockDirectory } = await import(${JSON.stringify(fileURLToPath(new URL("directory-lock.ts", import.meta.url)))});
    try {
      lockDirectory(${JSON.stringify(folder.path)});
      console.log("held");
      setInterval(() => {}, 1_000);
    } catch (error) {
      console.log(error.message);
    }`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const [chunk] = (await once(child.stdout!, "data")) as [Buffer];
  return { child, said: String(chunk).trim() };
}

test("one part of a process at a time", () => {
  const lock = lockDirectory(folder.path);
  expect(isDirectoryLocked(folder.path)).toBe(true);
  expect(() => lockDirectory(folder.path)).toThrow(DataError);
  lock.release();
  lock.release();
  expect(isDirectoryLocked(folder.path)).toBe(false);
  lockDirectory(folder.path).release();
});

test("one process at a time, and kill -9 lets it go", async () => {
  const first = await holder();
  expect(first.said).toBe("held");
  expect((await holder()).said).toBe(`${folder.path} is in use by another process; stop it first`);
  expect(isDirectoryLocked(folder.path)).toBe(true);
  const ended = once(first.child, "exit");
  first.child.kill("SIGKILL");
  await ended;
  expect((await holder()).said).toBe("held");
});

test("a process that holds it is not disturbed by one that looks", async () => {
  const { child } = await holder();
  for (let i = 0; i < 3; i++) expect(isDirectoryLocked(folder.path)).toBe(true);
  expect(child.exitCode).toBeNull();
});

test("what cannot be a lock is told from one that is held", () => {
  expect(() => lockDirectory(join(folder.path, "none"))).toThrow(OperationError);
  writeFileSync(join(folder.path, "lock"), "something else entirely, longer than a header of SQLite: ".repeat(4));
  expect(() => lockDirectory(folder.path)).toThrow(/cannot be locked/);
});
