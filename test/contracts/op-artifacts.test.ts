/** The OP Stack's contracts that we carry are those that it publishes, bit for bit. */

import { globSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const PACKAGE = "@eth-optimism/contracts-bedrock";
const require = createRequire(import.meta.url);
const folder = fileURLToPath(new URL("../../contracts/artifacts/op/", import.meta.url));
const { version, license } = require(`${PACKAGE}/package.json`);

describe("contracts/artifacts/op", () => {
  const names = globSync("*.json", { cwd: folder }).map((file) => file.slice(0, -".json".length));

  it("has the contracts of both sides", () => {
    expect(names.sort()).toEqual([
      "L1CrossDomainMessenger",
      "L1StandardBridge",
      "L2CrossDomainMessenger",
      "L2StandardBridge",
      "L2ToL1MessagePasser",
      "OptimismMintableERC20Factory",
    ]);
  });

  it.each(names)("%s", (name) => {
    const ours = JSON.parse(readFileSync(`${folder}${name}.json`, "utf8"));
    const theirs = require(`${PACKAGE}/forge-artifacts/${name}.sol/${name}.json`);
    const isOnL1 = name.startsWith("L1");
    expect(ours.bytecode).toBe(isOnL1 ? theirs.bytecode.object : undefined);
    expect(ours.deployedBytecode).toBe(isOnL1 ? undefined : theirs.deployedBytecode.object);
    expect(ours.abi).toEqual(theirs.abi);
    expect(ours.licence).toBe(license);
    expect(ours.source).toContain(`${PACKAGE}@${version}/`);
    // Nothing to link, nothing that a constructor would write into the code.
    expect(theirs.deployedBytecode.linkReferences ?? {}).toEqual({});
    expect(theirs.deployedBytecode.immutableReferences ?? {}).toEqual({});
  });
});
