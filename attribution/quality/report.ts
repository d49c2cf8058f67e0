/**
 * The report on a contribution: findings, and what they suggest to the curator, who decides. The same bytes, licences and earlier
 * contributions give the same report. docs/quality.md documents the fields.
 */
import type { Hex } from "../../core/bytes.ts";
import type { Examination } from "./examine.ts";
import { checkLicence, type LicenceCheck } from "./licence-check.ts";
import type { PersonalData, PersonalDataKind } from "./personal-data.ts";
import type { Comparison } from "./quality-index.ts";
import { rounded, type SpamScore } from "./spam.ts";
import { DUPLICATE, LISTED, PERSONAL_DATA } from "./thresholds.ts";

export interface Reason {
  readonly code:
    | "content-missing"
    | "licence-conflict"
    | "licence-contradicted"
    | "personal-data"
    | "duplicate"
    | "near-duplicate"
    | "piece-of"
    | "assembled"
    | "covered"
    | "similar"
    | "boilerplate"
    | "spam"
    | "too-little-text";
  /** `note` suggests nothing by itself. */
  readonly weighs: "reject" | "duplicate" | "note";
  readonly message: string;
}

export interface Suggestion {
  /** `none`: the content could not be read. */
  readonly action: "accept" | "reject" | "duplicate" | "none";
  readonly duplicateOf: string | null;
  readonly reasons: readonly Reason[];
}

export interface QualityReport {
  readonly version: 1;
  /** Contribution id in decimal, or a file name. */
  readonly id: string;
  readonly contentRoot: Hex;
  readonly size: number;
  readonly suggestion: Suggestion;
  /** Null when the content could not be read. */
  readonly findings: Findings | null;
  /** Earlier contributions that it was compared with, and those whose content could not be read. */
  readonly compared: { readonly contributions: number; readonly missing: number };
}

export interface Findings {
  readonly words: number;
  readonly duplicates: {
    readonly exact: string | null;
    readonly near: readonly { readonly id: string; readonly jaccard: number }[];
  };
  /** Shares of its words that earlier contributions hold; `common`: that many of them hold. */
  readonly coverage: {
    readonly share: number;
    readonly common: number;
    readonly sources: readonly { readonly id: string; readonly share: number }[];
  };
  readonly licence: LicenceCheck;
  readonly personalData: PersonalData;
  readonly spam: SpamScore;
}

export interface ReportInput {
  readonly id: string;
  readonly content: Uint8Array;
  readonly examination: Examination;
  readonly comparison: Comparison;
  readonly compared: QualityReport["compared"];
  /** Licence codes as on chain. */
  readonly licence: number | undefined;
  readonly datanetLicence: number | undefined;
}

export function reportOn(input: ReportInput): QualityReport {
  const { examination, comparison } = input;
  const { words } = examination.sketch;
  const share = (part: number) => (words === 0 ? 0 : rounded(part / words));
  const findings: Findings = {
    words,
    duplicates: {
      exact: comparison.exact ?? null,
      near: comparison.near.slice(0, LISTED.similar).map(({ id, jaccard }) => ({ id, jaccard: rounded(jaccard) })),
    },
    coverage: {
      share: share(comparison.coverage.covered),
      common: share(comparison.coverage.common),
      sources: comparison.coverage.sources
        .slice(0, LISTED.sources)
        .map(({ id, words: held }) => ({ id, share: share(held) })),
    },
    licence: checkLicence(input.content, input.licence, input.datanetLicence),
    personalData: examination.personalData,
    spam: examination.spam,
  };
  return {
    version: 1,
    id: input.id,
    contentRoot: examination.contentRoot,
    size: examination.size,
    suggestion: suggest(findings),
    findings,
    compared: input.compared,
  };
}

/** Of a contribution whose content nobody has: nothing can be said, and nothing suggested. */
export function reportOnMissing(
  id: string,
  contentRoot: Hex,
  size: number,
  why: string,
  compared: QualityReport["compared"],
): QualityReport {
  const reasons: Reason[] = [{ code: "content-missing", weighs: "note", message: why }];
  const suggestion: Suggestion = { action: "none", duplicateOf: null, reasons };
  return { version: 1, id, contentRoot, size, suggestion, findings: null, compared };
}

/** A licence or a secret in the bytes weighs more than a duplicate: a duplicate is accepted too, only without pay. */
function suggest(findings: Findings): Suggestion {
  const licence = licenceReasons(findings.licence);
  const personal = personalReasons(findings);
  const { reasons: duplicates, of } = duplicateReasons(findings);
  const spam = spamReasons(findings.spam);
  const reasons = [...licence, ...personal, ...duplicates, ...spam];
  const weighs = (list: readonly Reason[], what: Reason["weighs"]) => list.some((reason) => reason.weighs === what);
  if (weighs([...licence, ...personal], "reject")) return { action: "reject", duplicateOf: null, reasons };
  if (of !== undefined) return { action: "duplicate", duplicateOf: of, reasons };
  if (weighs(reasons, "reject")) return { action: "reject", duplicateOf: null, reasons };
  return { action: "accept", duplicateOf: null, reasons };
}

function licenceReasons({ declared, datanet, allowsDatanet, found }: LicenceCheck): Reason[] {
  const reasons: Reason[] = [];
  if (!allowsDatanet) {
    const message =
      datanet === undefined
        ? "no licence is declared"
        : `declared ${declared} may not go under the Datanet's ${datanet}`;
    reasons.push({ code: "licence-conflict", weighs: "reject", message });
  }
  for (const { spdx, by, offset, isAllowed } of found) {
    if (isAllowed) continue;
    const message = `the ${by === "header" ? "SPDX header" : "licence text"} at byte ${offset} says ${spdx}, declared is ${declared}`;
    reasons.push({ code: "licence-contradicted", weighs: "reject", message });
  }
  return reasons;
}

function personalReasons({ personalData: { counts }, words }: Findings): Reason[] {
  const entries = Object.entries(counts) as [PersonalDataKind, number][];
  if (entries.length === 0) return [];
  const isGrave = entries.some(([kind]) => (PERSONAL_DATA.grave as readonly string[]).includes(kind));
  const total = entries.reduce((sum, [, count]) => sum + count, 0);
  const isDense = total >= PERSONAL_DATA.count && total * 1_000 >= PERSONAL_DATA.perThousandWords * words;
  const message = entries.map(([kind, count]) => `${kind}: ${count}`).join(", ");
  return [{ code: "personal-data", weighs: isGrave || isDense ? "reject" : "note", message }];
}

function duplicateReasons({ duplicates, coverage, words }: Findings): {
  readonly reasons: readonly Reason[];
  readonly of: string | undefined;
} {
  const percent = (value: number) => `${Math.round(value * 100)} %`;
  const { exact, near } = duplicates;
  const [most] = near;
  const [source] = coverage.sources;
  const duplicateOf = (of: string, code: Reason["code"], message: string) => ({
    reasons: [{ code, weighs: "duplicate", message } as const],
    of,
  });
  if (exact !== null) return duplicateOf(exact, "duplicate", `the same bytes as ${exact}`);
  if (words < DUPLICATE.minWords) return { reasons: [], of: undefined };
  if (most !== undefined && most.jaccard >= DUPLICATE.jaccard) {
    return duplicateOf(most.id, "near-duplicate", `${percent(most.jaccard)} similar to ${most.id}`);
  }
  if (source !== undefined && source.share >= DUPLICATE.oneSource) {
    return duplicateOf(source.id, "piece-of", `${percent(source.share)} of its words are in ${source.id}`);
  }
  const reasons: Reason[] = [];
  const isAssembled = coverage.share - coverage.common >= DUPLICATE.covered;
  if (isAssembled || coverage.share >= DUPLICATE.coveredNote) {
    const message = `${percent(coverage.share)} of its words are in earlier contributions`;
    reasons.push(
      isAssembled ? { code: "assembled", weighs: "reject", message } : { code: "covered", weighs: "note", message },
    );
  }
  if (coverage.common >= DUPLICATE.coveredNote) {
    const message = `${percent(coverage.common)} of its words are in many earlier contributions`;
    reasons.push({ code: "boilerplate", weighs: coverage.common >= DUPLICATE.covered ? "reject" : "note", message });
  }
  if (most !== undefined) {
    reasons.push({ code: "similar", weighs: "note", message: `${percent(most.jaccard)} similar to ${most.id}` });
  }
  return { reasons, of: undefined };
}

function spamReasons({ soft, hard, values, score }: SpamScore): Reason[] {
  return soft.map((measure) => ({
    code: measure === "words" ? "too-little-text" : "spam",
    weighs: hard.includes(measure) || score >= 1 ? "reject" : "note",
    message: `${measure} is ${values[measure]}`,
  }));
}
