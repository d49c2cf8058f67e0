/** What the demo prints, and what it holds to be true. */

let checks = 0;
const failures: string[] = [];

export function heading(text: string): void {
  process.stdout.write(`\n${text}\n${"-".repeat(text.length)}\n`);
}

export function line(text: string): void {
  process.stdout.write(`  ${text}\n`);
}

/** Left-aligned columns; the widest cell decides. */
export function table(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  for (const row of rows)
    line(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    );
}

/** Prints and counts; a failed check makes the demo end with exit 1, after the rest has been tried. */
export function check(holds: boolean, claim: string): void {
  checks += 1;
  if (!holds) failures.push(claim);
  line(`${holds ? "ok  " : "FAIL"} ${claim}`);
}

export function summary(): void {
  line(`${checks - failures.length} of ${checks} checks hold`);
  if (failures.length > 0) process.exitCode = 1;
}
