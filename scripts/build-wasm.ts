/**
 * Compiles attribution/wasm/*.as (AssemblyScript) to WebAssembly beside them. `--check` writes nothing and fails when a
 * committed module differs from what its source gives.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const folder = fileURLToPath(new URL("../attribution/wasm/", import.meta.url));

/** The module that a source file gives. Throws Error with the compiler's messages. */
export async function compileWasm(source: string): Promise<Uint8Array> {
  const files = new Map<string, string | Uint8Array>();
  const messages = asc.createMemoryStream();
  // The compiler reads .ts files only; these are named .as because TypeScript's own compiler cannot read them.
  const { error } = await asc.main(
    ["module.ts", "-O3", "--noAssert", "--runtime", "stub", "--importMemory", "--outFile", "module.wasm"],
    {
      stderr: messages,
      readFile: (name) => (name === "module.ts" ? readFileSync(`${folder}${source}`, "utf8") : null),
      writeFile: (name, contents) => void files.set(name, contents),
      listFiles: () => [],
    },
  );
  const module = files.get("module.wasm");
  if (error !== null || !(module instanceof Uint8Array))
    throw new Error(`${source}: ${messages.toString()}`, { cause: error });
  return module;
}

export const wasmSources = (): string[] => readdirSync(folder).filter((name) => name.endsWith(".as"));

if (import.meta.main) {
  for (const source of wasmSources()) {
    const target = `${folder}${source.slice(0, -".as".length)}.wasm`;
    const module = await compileWasm(source);
    if (!process.argv.includes("--check")) writeFileSync(target, module);
    else if (!readFileSync(target).equals(module)) {
      process.stderr.write(`${target} differs from its source: run \`npm run wasm\`\n`);
      process.exitCode = 1;
    }
  }
}
