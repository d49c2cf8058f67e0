/** Foundry's cast from npm. Its install script is not needed: the binary lies in the package of the platform. */
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The platform packages that package.json names as optional; their launcher needs an install script, they do not. */
const PACKAGES: Readonly<Record<string, string>> = { "linux-x64": "@foundry-rs/cast-linux-amd64" };

function castBinary(): string {
  const name = PACKAGES[`${process.platform}-${process.arch}`];
  // Elsewhere an installed one serves.
  return name === undefined ? "cast" : createRequire(import.meta.url).resolve(`${name}/bin/cast`);
}

/** Runs one command and gives what it printed. Rejects with `stderr` when it ends with another code than 0. */
export type Cast = (...args: readonly string[]) => Promise<string>;

/** `directory` is where it looks for its configuration: one without any. */
export function createCast(rpcUrl: string, directory: string): Cast {
  const binary = castBinary();
  const env = {
    PATH: process.env.PATH,
    HOME: directory,
    ETH_RPC_URL: rpcUrl,
    // A proxy of the machine must not come between two processes on it.
    NO_PROXY: "*",
    NO_COLOR: "1",
  };
  return async (...args) => {
    const { stdout } = await run(binary, [...args], { cwd: directory, env, timeout: 20_000 });
    return stdout.trim();
  };
}

/** What a command that must fail said. */
export async function castFailure(command: Promise<string>): Promise<string> {
  const outcome = await command.then(
    (output) => ({ ok: true, output }) as const,
    (error: Error & { stderr?: string }) => ({ ok: false, output: error.stderr ?? error.message }) as const,
  );
  if (outcome.ok) throw new Error(`cast succeeded: ${outcome.output}`);
  return outcome.output;
}
