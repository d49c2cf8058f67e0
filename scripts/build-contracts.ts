/**
 * Compiles the contracts that genesis or a deployment on L1 needs, and writes one artifact each into
 * contracts/artifacts. `--check` writes nothing and fails when a committed file differs.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { COMPILER_SETTINGS, COMPILER_VERSION, compileSolidity } from "../test/helpers/solidity.ts";

/** Predeploys: genesis takes the code that the constructor would leave. */
const L2 = [
  "contracts/l2/ValidatorSet.sol",
  "contracts/l2/L1Block.sol",
  "contracts/l2/GasPriceOracle.sol",
  "contracts/l2/WrappedOpen.sol",
];
/** Deployed by transactions. */
const L1 = [
  "contracts/l1/OpenToken.sol",
  "contracts/l1/OpenLedgerPortal.sol",
  "contracts/l1/SystemConfig.sol",
  "@openzeppelin/contracts/governance/TimelockController.sol",
  "@openzeppelin/contracts/proxy/transparent/TransparentUpgradeableProxy.sol",
];
const root = fileURLToPath(new URL("..", import.meta.url));
const check = process.argv.includes("--check");

let stale = 0;
for (const source of [...L2, ...L1]) {
  const contract = source.slice(source.lastIndexOf("/") + 1, -".sol".length);
  const { abi, bytecode, deployedBytecode } = compileSolidity(source, contract, "none");
  const code = L1.includes(source) ? { bytecode, deployedBytecode } : { deployedBytecode };
  const artifact = { contract, source, compiler: COMPILER_VERSION, settings: COMPILER_SETTINGS, abi, ...code };
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
