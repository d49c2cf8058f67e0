/** Tables of docs/spec.md that restate code. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { LICENCES, licenceAllows } from "../core/licences.ts";

const spec = readFileSync(new URL("../docs/spec.md", import.meta.url), "utf8");

describe("docs/spec.md", () => {
  it("prints the licence matrix of core/licences.ts", () => {
    const codes = LICENCES.map((licence) => licence.code);
    for (const { code, spdx } of LICENCES) {
      const targets = codes.filter((to) => licenceAllows(code, to)).join(" ") || "none";
      expect(spec).toContain(`| ${code} | ${spdx} | ${targets} |`);
    }
    expect(spec.match(/^\| \d+ \| \S+ \| (?:[\d ]+|none) \|$/gm)).toHaveLength(LICENCES.length);
  });

  it("licences keep to themselves what their terms demand", () => {
    const [mit, ccBy, gpl, ccBySa, nonCommercial, proprietary] = [2, 7, 9, 8, 10, 13];
    expect(licenceAllows(0, mit!)).toBe(false);
    expect(licenceAllows(mit!, ccBy!)).toBe(true);
    expect(licenceAllows(mit!, 1)).toBe(false);
    expect(licenceAllows(gpl!, mit!)).toBe(false);
    expect(licenceAllows(ccBySa!, gpl!)).toBe(true);
    expect(licenceAllows(gpl!, ccBySa!)).toBe(false);
    expect(licenceAllows(nonCommercial!, ccBy!)).toBe(false);
    expect(licenceAllows(proprietary!, mit!)).toBe(false);
    expect(licenceAllows(mit!, proprietary!)).toBe(true);
    expect(licenceAllows(99, mit!)).toBe(false);
  });
});
