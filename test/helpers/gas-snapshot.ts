/** contracts/gas-snapshot.json: what the L1 contracts cost, so that a change of it is seen in review. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { measureOracleGas } from "./oracle-gas.ts";

export const GAS_SECTIONS: Readonly<Record<string, () => Promise<Record<string, bigint>>>> = {
  oracle: measureOracleGas,
};

const FILE = fileURLToPath(new URL("../../contracts/gas-snapshot.json", import.meta.url));

export type GasSnapshot = Readonly<Record<string, Readonly<Record<string, number>>>>;

export const readGasSnapshot = (): GasSnapshot => JSON.parse(readFileSync(FILE, "utf8")) as GasSnapshot;

export const asNumbers = (gas: Record<string, bigint>): Record<string, number> =>
  Object.fromEntries(Object.entries(gas).map(([name, amount]) => [name, Number(amount)]));

export async function writeGasSnapshot(): Promise<void> {
  const snapshot: Record<string, Record<string, number>> = {};
  for (const [section, measure] of Object.entries(GAS_SECTIONS)) snapshot[section] = asNumbers(await measure());
  writeFileSync(FILE, `${JSON.stringify(snapshot, null, 2)}\n`);
}
