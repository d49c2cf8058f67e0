/** A record and its provenance as a person reads it. */
import { formatEther } from "viem";
import type { Check } from "./checks.ts";
import { dateOf, placeOf } from "./events.ts";
import { type AttributionRecord, entities, type Lineage, type Match } from "./record.ts";
import type { Verified } from "./verify.ts";

/** Texts of strangers must not move a terminal's cursor: control characters and what reorders text are escaped. */
export const plain = (text: string): string =>
  text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);

const open = (wei: string): string => `${formatEther(BigInt(wei))} OPEN`;
const percent = (ppm: number): string => `${(ppm / 10_000).toFixed(2)} %`;

/** All that have one output root. */
export function matchLines(matches: readonly Match[], totalCount: number): string[] {
  const rows = matches.map(({ id, state, model, payer, block }) => [
    `output ${id}`,
    state.toLowerCase(),
    `model ${model.id}`,
    `for ${payer.address}`,
    dateOf(block.timestamp),
  ]);
  const more = totalCount > matches.length ? [`and ${totalCount - matches.length} more`] : [];
  return [`${totalCount} inferences have this output; --output ID shows another one`, ...table(rows), ...more, ""];
}

export function lineageLines(lineage: Lineage): string[] {
  const { asOf, truncated } = lineage;
  return [
    ...recordLines(lineage),
    ...section("Contributions, by what they weigh", attributionRows(lineage)),
    ...section("Spans", spanRows(lineage)),
    ...section("Models", modelRows(lineage)),
    ...section("Datanets", datanetRows(lineage)),
    ...section("Payments", paymentRows(lineage)),
    "",
    `as of block ${asOf.number}, ${dateOf(asOf.timestamp)}${truncated ? "; cut short: the whole lineage is larger" : ""}`,
  ];
}

function recordLines({ root }: Lineage): string[] {
  const rows: [string, string][] = [
    ["root", root.outputRoot ?? "none: nothing was committed"],
    ["audience", root.audience.toLowerCase()],
    ["model", root.model.id],
    ["payer", root.payer.address],
    ["host", root.host.address],
    ["requested", placeOf(root)],
  ];
  if (root.committed !== null) rows.push(["committed", placeOf(root.committed)]);
  if (root.closed !== null) rows.push([root.state.toLowerCase(), placeOf(root.closed)]);
  if (root.outputBytes !== null) {
    rows.push(["bytes", `${root.outputBytes}, of them ${root.coveredBytes} repeat contributions`]);
  }
  if (root.fee !== null) rows.push(["fee", `${open(root.fee)} of an escrow of ${open(root.escrow)}`]);
  if (root.fault !== null) rows.push(["fault", root.fault.toLowerCase()]);
  return [
    `output ${root.id}, ${root.state.toLowerCase()}`,
    ...rows.map(([name, value]) => `  ${name.padEnd(12)}${value}`),
  ];
}

function attributionRows(lineage: Lineage): string[][] {
  const contributions = new Map(entities(lineage, "Contribution").map((record) => [record.id, record]));
  const row = ({ weight, weightPpm, paid, licence, contributor, contribution, datanet }: AttributionRecord) => {
    const known = contributions.get(contribution.id);
    const consent = known?.consent === false ? "withdrawn" : "";
    const place = known === undefined ? "" : placeOf(known);
    return [
      weight,
      percent(weightPpm),
      open(paid),
      licence,
      contribution.id,
      datanet.id,
      contributor.address,
      place,
      consent,
    ];
  };
  const head = ["bytes", "share", "paid", "licence", "contribution", "Datanet", "contributor", "submitted", ""];
  const heaviestFirst = lineage.attributions.toSorted((a, b) => b.weightPpm - a.weightPpm);
  const rows = heaviestFirst.map(row);
  return rows.length === 0 ? [] : [head, ...rows];
}

function spanRows({ root }: Lineage): string[][] {
  if (root.spans.length === 0) return [];
  const rows = root.spans.map(({ outputStart, length, weight, contribution, contentOffset }) => [
    `${outputStart}-${Number(outputStart) + length - 1}`,
    `contribution ${contribution.id} from byte ${contentOffset}`,
    `owns ${weight} bytes`,
  ]);
  return rows;
}

function modelRows(lineage: Lineage): string[][] {
  return entities(lineage, "Model").map((model) => {
    const { id, name, kind, licence, owner, parent } = model;
    const data = lineage.edges
      .filter((edge) => edge.kind === "TRAINED_ON" && edge.from === `model:${id}`)
      .map(({ to, version }) => `${to.replace("datanet:", "Datanet ")} version ${version}`);
    const made = [...(parent === null ? [] : [`model ${parent.id}`]), ...data].join(", ");
    const what = kind.toLowerCase().replace("_", "-");
    return [id, `"${plain(name)}"`, what, licence, `of ${made || "nothing"}`, `owner ${owner.address}`, placeOf(model)];
  });
}

const datanetRows = (lineage: Lineage): string[][] =>
  entities(lineage, "Datanet").map((datanet) => {
    const { id, name, licence, access, owner } = datanet;
    return [id, `"${plain(name)}"`, licence, access.toLowerCase(), `owner ${owner.address}`, placeOf(datanet)];
  });

const paymentRows = ({ root }: Lineage): string[][] =>
  root.rewards.map(({ kind, amount, account, contribution, model }) => {
    const source =
      contribution !== null ? `contribution ${contribution.id}` : model !== null ? `model ${model.id}` : "";
    return [open(amount), kind.toLowerCase().replace("_", " "), account.address, source];
  });

const section = (title: string, rows: readonly (readonly string[])[]): string[] =>
  rows.length === 0 ? [] : ["", title, ...table(rows)];

/** Left-aligned columns; the widest cell decides. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd());
}

export const checkLine = ({ name, ok, detail }: Check): string =>
  `${ok ? "ok    " : "FAILED"} ${name}: ${plain(detail)}`;

export function resultLine({ checks, isCutShort }: Verified): string {
  const failed = checks.filter(({ ok }) => !ok).length;
  if (failed === 0) return `all ${checks.length} checks hold`;
  const rest = isCutShort ? "; what rests on them was not checked" : "";
  return `${failed} of ${checks.length} checks failed${rest}`;
}
