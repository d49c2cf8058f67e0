/** The L1 contracts cost what contracts/gas-snapshot.json says: `npm run contracts:gas` writes it anew. */
import { describe, expect, it } from "vitest";
import { asNumbers, GAS_SECTIONS, readGasSnapshot } from "../helpers/gas-snapshot.ts";

/** What an output with a hundred validators may cost. */
const OUTPUT_GOAL = 400_000;

describe("gas", () => {
  const snapshot = readGasSnapshot();

  for (const [section, measure] of Object.entries(GAS_SECTIONS)) {
    it(`of ${section} is that of the snapshot, to the unit`, async () => {
      expect(asNumbers(await measure())).toEqual(snapshot[section]);
    });
  }

  it("of an output with a hundred validators is below the goal, whoever signs", () => {
    expect(snapshot.oracle?.["output, all of 100 validators"]).toBeLessThan(OUTPUT_GOAL);
    expect(snapshot.oracle?.["output, a quorum of 100 validators"]).toBeLessThan(OUTPUT_GOAL);
  });
});
