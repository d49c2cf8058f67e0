import { keccak256 } from "viem";
import { describe, expect, it } from "vitest";
import { bytesToHex } from "../core/bytes.ts";
import { genesisAccounts } from "./builder.ts";
import devnet from "./networks/devnet.json" with { type: "json" };
import predeploys from "./predeploys.json" with { type: "json" };
import { parseGenesis } from "./schema.ts";

describe("genesis", () => {
  it("reads the devnet and gives each account of the protocol once", () => {
    const accounts = genesisAccounts(parseGenesis(devnet));
    const addresses = accounts.map((account) => bytesToHex(account.address));
    expect(new Set(addresses).size).toBe(addresses.length);
    expect(addresses).toContain("0x0000000000000000000000000000000000000903");
    expect(accounts.filter((account) => account.balanceWei > 0n)).toHaveLength(10);
  });

  it("reports every problem of a file together", () => {
    const broken = {
      ...devnet,
      chainId: -1,
      gasLimit: "1e6",
      parameters: { ...devnet.parameters, modelPpm: 1 },
      extra: 1,
    };
    expect(() => parseGenesis(broken)).toThrow(/extra is unknown.*chainId.*gasLimit.*sum to 800001 ppm/);
  });

  it.each([null, [], "x", 1, {}, { alloc: { "0x12": {} } }])("refuses %j", (value) => {
    expect(() => parseGenesis(value)).toThrow(/invalid genesis/);
  });

  it("refuses blocks that are smaller than a transaction may be", () => {
    expect(() => parseGenesis({ ...devnet, blockBytes: 100_000 })).toThrow(/blockBytes must be at least 262144/);
  });

  it("refuses an allotment to an account of the protocol", () => {
    const alloc = { "0x0000000000000000000000000000000000000901": { balance: "1" } };
    expect(() => genesisAccounts(parseGenesis({ ...devnet, alloc }))).toThrow(/belongs to the protocol/);
  });

  it.each(predeploys)("carries the code of $name under its published hash", ({ code, codeHash }) => {
    expect(keccak256(code as `0x${string}`)).toBe(codeHash);
  });
});
