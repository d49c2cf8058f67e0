/**
 * Writes one artifact each into contracts/artifacts for the contracts that genesis or a deployment on L1 needs: compiled
 * here, or the code that the OP Stack publishes. `--check` writes nothing and fails when a committed file differs.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
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
  "contracts/l1/OutputOracle.sol",
  "contracts/l1/ValidatorRegistry.sol",
  "contracts/l1/BatchInbox.sol",
  "@openzeppelin/contracts/governance/TimelockController.sol",
  "@openzeppelin/contracts/proxy/transparent/TransparentUpgradeableProxy.sol",
];
const OP_L2 = ["L2CrossDomainMessenger", "L2StandardBridge", "L2ToL1MessagePasser", "OptimismMintableERC20Factory"];
const OP_L1 = ["L1CrossDomainMessenger", "L1StandardBridge"];

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL("..", import.meta.url));
const check = process.argv.includes("--check");
let stale = 0;

function write(path: string, artifact: object): void {
  const target = `${root}contracts/artifacts/${path}.json`;
  const text = `${JSON.stringify(artifact, null, 2)}\n`;
  let present = "";
  try {
    present = readFileSync(target, "utf8");
  } catch {
    // not built yet
  }
  if (present === text) return;
  stale += 1;
  if (!check) writeFileSync(target, text);
}

for (const source of [...L2, ...L1]) {
  const contract = source.slice(source.lastIndexOf("/") + 1, -".sol".length);
  const { abi, bytecode, deployedBytecode } = compileSolidity(source, contract, "none");
  const code = L1.includes(source) ? { bytecode, deployedBytecode } : { deployedBytecode };
  write(contract, { contract, source, compiler: COMPILER_VERSION, settings: COMPILER_SETTINGS, abi, ...code });
}
for (const contract of [...OP_L2, ...OP_L1]) {
  const name = "@eth-optimism/contracts-bedrock";
  const { version } = require(`${name}/package.json`);
  const published = require(`${name}/forge-artifacts/${contract}.sol/${contract}.json`);
  const code = OP_L1.includes(contract)
    ? { bytecode: published.bytecode.object }
    : { deployedBytecode: published.deployedBytecode.object };
  const source = `npm:${name}@${version}/${Object.keys(published.metadata.settings.compilationTarget)[0]}`;
  const compiler = published.metadata.compiler.version;
  write(`op/${contract}`, { contract, source, licence: "MIT", compiler, abi: published.abi, ...code });
}
if (check && stale > 0) {
  console.error(`${stale} contract artifact(s) differ from their source: run \`npm run contracts\``);
  process.exit(1);
}
