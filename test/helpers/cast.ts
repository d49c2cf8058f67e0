/** Foundry's cast from npm. Its packages' install script is not needed: the binary lies in the package of the platform. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import manifest from "../../package.json" with { type: "json" };

const run = promisify(execFile);

/**
 * The binary of this platform's package, or a `cast` on the path where npm has none for the platform. Undefined when
 * there is neither. Throws when package.json names the package and it is not installed.
 */
export function findCast(): string | undefined {
  const name = process.platform === "win32" ? "cast.exe" : "cast";
  const platformPackage = `@foundry-rs/cast-${process.platform}-${process.arch === "x64" ? "amd64" : process.arch}`;
  try {
    return createRequire(import.meta.url).resolve(`${platformPackage}/bin/${name}`);
  } catch (error) {
    if (platformPackage in manifest.optionalDependencies) throw error;
  }
  const places = (process.env.PATH ?? "").split(delimiter).map((directory) => join(directory, name));
  return places.find((place) => existsSync(place));
}

/** Runs one command and gives what it printed. Rejects with `stderr` when it ends with another code than 0. */
export type Cast = (...args: readonly string[]) => Promise<string>;

/** `directory` is where it looks for its configuration: one without any. */
export function createCast(binary: string, rpcUrl: string, directory: string): Cast {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(ETH|FOUNDRY|DAPP|CAST)_/.test(name));
  const env = {
    ...Object.fromEntries(inherited),
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
export async function castFailure(command: Promise<unknown>): Promise<string> {
  const said = await command.then(
    () => undefined,
    (error: Error & { stderr?: string }) => error.stderr ?? error.message,
  );
  if (said === undefined) throw new Error("cast succeeded");
  return said;
}
