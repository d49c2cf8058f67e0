/**
 * Licences on chain: a code is for ever, new ones are appended. `licenceAllows(from, to)` answers whether content
 * under `from` may become part of a work offered under `to`. It records the field's common reading of these licences
 * as three properties; it is a gate, not legal advice. docs/spec.md "Licences" prints the resulting matrix.
 */
interface Licence {
  readonly code: number;
  /** SPDX identifier, or a LicenseRef. */
  readonly spdx: string;
  readonly attribution: boolean;
  readonly shareAlike: boolean;
  readonly nonCommercial: boolean;
}

const row = (code: number, spdx: string, flags: string): Licence => ({
  code,
  spdx,
  attribution: flags.includes("a"),
  shareAlike: flags.includes("s"),
  nonCommercial: flags.includes("n"),
});

/** 0 grants nothing: it can neither be accepted nor offered. 13 is a private grant and stays within itself. */
const NONE = 0;
const PROPRIETARY = 13;

export const LICENCES: readonly Licence[] = [
  row(NONE, "NONE", ""),
  row(1, "CC0-1.0", ""),
  row(2, "MIT", "a"),
  row(3, "ISC", "a"),
  row(4, "BSD-2-Clause", "a"),
  row(5, "BSD-3-Clause", "a"),
  row(6, "Apache-2.0", "a"),
  row(7, "CC-BY-4.0", "a"),
  row(8, "CC-BY-SA-4.0", "as"),
  row(9, "GPL-3.0", "as"),
  row(10, "CC-BY-NC-4.0", "an"),
  row(11, "CC-BY-NC-SA-4.0", "asn"),
  row(12, "ODbL-1.0", "as"),
  row(PROPRIETARY, "LicenseRef-Proprietary", "a"),
  row(14, "Python-2.0", "a"),
  row(15, "BlueOak-1.0.0", "a"),
  row(16, "MPL-2.0", "as"),
];

/** One-way compatibilities that the licences' stewards declare themselves: CC-BY-SA-4.0 and MPL-2.0 into GPL-3.0. */
const DECLARED = new Set(["8>9", "16>9"]);

export function licenceAllows(from: number, to: number): boolean {
  const a = LICENCES[from];
  const b = LICENCES[to];
  if (a === undefined || b === undefined || from === NONE || to === NONE) return false;
  if (from === to || DECLARED.has(`${from}>${to}`)) return true;
  if (a.shareAlike || from === PROPRIETARY) return false;
  if (a.nonCommercial && !b.nonCommercial) return false;
  return !a.attribution || b.attribution;
}

/** SPDX identifier as packages state it to code; 0 when unknown or absent. */
export function licenceCode(spdx: string | undefined): number {
  return LICENCES.find((licence) => licence.spdx === spdx)?.code ?? NONE;
}
