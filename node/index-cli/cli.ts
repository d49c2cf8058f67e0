/** Runs `openledger index`. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { indexOptions } from "../commands/index.ts";
import { dataDirectory, indexUrl, logFormat, readOptions, type Values } from "../config.ts";
import { indexFile } from "../data-directory.ts";
import { EXIT, OperationError, UsageError } from "../errors.ts";
import { createLog } from "../log.ts";
import { rebuildIndex } from "./rebuild.ts";
import { verifyIndex } from "./verify.ts";

/** Resolves to the exit code. Throws UsageError, OperationError. */
export async function runIndex(args: readonly string[]): Promise<number> {
  const [action, ...flags] = args;
  if (action !== "verify" && action !== "rebuild") {
    throw new UsageError("index needs one of: verify, rebuild; see openledger index --help");
  }
  const values = readOptions(flags, process.env, indexOptions);
  const location = indexLocation(values);
  return action === "verify" ? await verify(location, values) : await rebuild(location, values);
}

/** That of --index.url, of a node's data directory, or of a devnet's first validator. Throws OperationError. */
export function indexLocation(values: Partial<Values>): string {
  const url = indexUrl(values);
  if (url !== undefined) return url;
  const directory = dataDirectory(values, "devnet");
  const files = [indexFile(directory), indexFile(join(directory, "validator-0"))];
  const found = files.find((file) => existsSync(file));
  if (found !== undefined) return found;
  throw new OperationError(`there is no index ${files[0]}: name its data directory by --datadir, or --index.url`);
}

async function verify(location: string, values: Partial<Values>): Promise<number> {
  const options = { location, rpc: values.rpc as string, sample: values["index.sample"] as number };
  let failed = 0;
  for await (const result of verifyIndex(options)) {
    failed += result.failures.length;
    if (values.json === true) {
      process.stdout.write(`${JSON.stringify(result)}\n`);
      continue;
    }
    const { name, compared, failures } = result;
    process.stdout.write(`${failures.length === 0 ? "ok    " : "FAILED"} ${name}: ${compared} compared\n`);
    for (const failure of failures) process.stdout.write(`       ${failure}\n`);
  }
  return failed === 0 ? EXIT.ok : EXIT.failure;
}

async function rebuild(location: string, values: Partial<Values>): Promise<number> {
  const log = createLog(values["log.level"] as string, logFormat(values));
  process.stdout.write(`${await rebuildIndex(location, values.rpc as string, log)}\n`);
  return EXIT.ok;
}
