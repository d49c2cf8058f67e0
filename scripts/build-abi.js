// Compiles precompiles/interfaces/*.sol with solc and writes one `as const` ABI module beside each.
// `--check` writes nothing and fails when a committed file differs.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import solc from "solc";

const folder = new URL("../precompiles/interfaces/", import.meta.url);
const check = process.argv.includes("--check");
const files = readdirSync(folder).filter((name) => name.endsWith(".sol"));
const input = {
  language: "Solidity",
  sources: Object.fromEntries(files.map((name) => [name, { content: readFileSync(new URL(name, folder), "utf8") }])),
  settings: { outputSelection: { "*": { "*": ["abi"] } } },
};
const output = JSON.parse(solc.compile(JSON.stringify(input)));
const errors = (output.errors ?? []).filter((e) => e.severity === "error");
if (errors.length > 0) throw new Error(errors.map((e) => e.formattedMessage).join("\n"));

let stale = 0;
for (const name of files) {
  const contract = name.replace(".sol", "");
  const constant = `${contract[1].toLowerCase()}${contract.slice(2)}Abi`;
  const target = new URL(`${constant.replace(/Abi$/, "")}.abi.ts`, folder);
  const text = `// Generated from ${name} by \`npm run abi\`. Do not edit.\nexport const ${constant} = ${JSON.stringify(output.contracts[name][contract].abi, null, 2)} as const;\n`;
  let present = "";
  try {
    present = readFileSync(target, "utf8");
  } catch {
    // not generated yet
  }
  if (present === text) continue;
  stale += 1;
  if (!check) writeFileSync(target, text);
}
if (check && stale > 0) {
  console.error(`${stale} generated ABI file(s) differ from their Solidity source: run \`npm run abi\``);
  process.exit(1);
}
