/**
 * Compiles the contracts that genesis deploys and writes one artifact each into contracts/artifacts.
 * `--check` writes nothing and fails when a committed file differs.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { COMPILER_SETTINGS, COMPILER_VERSION, compileSolidity } from "../test/helpers/solidity.ts";

const SOURCES = ["contracts/l2/ValidatorSet.sol"];
const root = fileURLToPath(new URL("..", import.meta.url));
const check = process.argv.includes("--check");

let stale = 0;
for (const source of SOURCES) {
  const contract = source.slice(source.lastIndexOf("/") + 1, -".sol".length);
  const { abi, deployedBytecode } = compileSolidity(source, contract, "none");
  const artifact = { contract, source, compiler: COMPILER_VERSION, settings: COMPILER_SETTINGS, abi, deployedBytecode };
  const target = `${root}contracts/artifacts/${contract}.json`;
  const text = `${JSON.stringify(artifact, null, 2)}\n`;
  let present = "";
  try {
    present = readFileSync(target, "utf8");
  } catch {
    // not built yet
  }
  if (present === text) continue;
  stale += 1;
  if (!check) writeFileSync(target, text);
}
if (check && stale > 0) {
  console.error(`${stale} contract artifact(s) differ from their source: run \`npm run contracts\``);
  process.exit(1);
}
