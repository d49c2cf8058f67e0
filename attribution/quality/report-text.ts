/** A report in lines for people. */
import type { QualityReport } from "./report.ts";

export function reportText(report: QualityReport): string {
  const { suggestion, findings, compared } = report;
  const action = suggestion.action === "duplicate" ? `duplicate of ${suggestion.duplicateOf}` : suggestion.action;
  const lines = [`${report.id}: ${action}`];
  const row = (name: string, text: string) => lines.push(`  ${name.padEnd(14)}${text}`);
  for (const reason of suggestion.reasons) row(reason.weighs, reason.message);
  if (findings === null) return `${lines.join("\n")}\n`;
  const percent = (share: number) => `${Math.round(share * 1_000) / 10} %`;
  row("content", `${report.contentRoot} ${report.size} bytes, ${findings.words} words`);
  row(
    "compared",
    `${compared.contributions} earlier${compared.missing > 0 ? `, ${compared.missing} not readable` : ""}`,
  );
  const { share, common, sources } = findings.coverage;
  const held = sources.map((source) => `${source.id} ${percent(source.share)}`).join(", ");
  row(
    "coverage",
    `${percent(share)}${common > 0 ? `, ${percent(common)} in many` : ""}${held === "" ? "" : ` (${held})`}`,
  );
  for (const { id, jaccard } of findings.duplicates.near) row("similar", `${id} ${percent(jaccard)}`);
  const { licence, personalData, spam } = findings;
  row(
    "licence",
    `${licence.declared ?? "not given"}${licence.datanet === undefined ? "" : ` into ${licence.datanet}`}`,
  );
  for (const { spdx, by, offset } of licence.found) row("", `${by} at ${offset}: ${spdx}`);
  for (const { kind, offset, masked } of personalData.items) row(kind, `at ${offset}: ${masked}`);
  row("spam", `${spam.score}${spam.soft.length === 0 ? "" : ` (${spam.soft.join(", ")})`}`);
  return `${lines.join("\n")}\n`;
}
