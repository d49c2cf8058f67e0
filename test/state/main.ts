/**
 * `npm run test:state -- FOLDER [--fork Prague,Osaka] [--generate SEED]`: runs every state test in the JSON files below
 * the folder and compares state roots and logs. `--generate` writes a folder of tests first, made with @ethereumjs/vm.
 *
 * Prints what failed and `name value unit goal`; exit code 1 when anything fails or nothing ran.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runFolder } from "./folder.ts";
import { generateStateTests } from "./generate.ts";

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { fork: { type: "string" }, generate: { type: "string" } },
  });
  const [folder] = positionals;
  if (folder === undefined) throw new Error("name a FOLDER of state tests");
  if (values.generate !== undefined) await generateStateTests(folder, Number(values.generate), 40);
  const forks = values.fork === undefined ? undefined : new Set(values.fork.split(","));
  const { own, vm, failures, unknownForks, unreadable } = await runFolder(folder, forks);
  for (const failure of failures) console.error(failure);
  for (const reason of unreadable) console.error(reason);
  for (const [fork, count] of unknownForks) console.log(`state.skipped.${fork} ${count} cases -`);
  console.log(`state.own ${own} cases -`);
  console.log(`state.vm ${vm} cases -`);
  console.log(`state.unreadable ${unreadable.length} files 0`);
  console.log(`state.failures ${failures.length} cases 0`);
  process.exitCode = failures.length === 0 && unreadable.length === 0 && own + vm > 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
