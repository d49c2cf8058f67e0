/**
 * Span tracing by suffix array against two peers on the same corpus and output, all three giving the same spans:
 *   scan       for each word, Buffer.indexOf over every contribution, resumed where the shorter match was found
 *   reference  attribution/trace-reference.ts, the rule by definition
 * The corpus is documentation and licence text of the installed packages; the output is 500 words of the
 * infinity-gram model. Prints `name value unit goal`, a line a figure. `node bench/attribution.ts [corpus MB]`
 */
import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { continueText } from "../attribution/infinity-gram.ts";
import { buildSpanIndex, type CorpusDocument, type SpanIndex } from "../attribution/span-index.ts";
import { traceSpans } from "../attribution/trace.ts";
import { traceByDefinition } from "../attribution/trace-reference.ts";
import { contentRoot } from "../core/content.ts";
import { traceByScan } from "./trace-scan.ts";

const MIN_SPAN_BYTES = 24;
const MAX_DOCUMENT_BYTES = 200_000;

const megabytes = Number(process.argv[2] ?? 5);
const documents = readCorpus(megabytes * 1e6);
const corpusBytes = documents.reduce((sum, { bytes }) => sum + bytes.length, 0);

const [index, buildMs] = best(3, () => buildSpanIndex(documents));
const output = fiveHundredWords(index);
const [spans, traceMs] = best(20, () => traceSpans(index, output, MIN_SPAN_BYTES));
const [scanned, scanMs] = best(1, () => traceByScan(documents, output, MIN_SPAN_BYTES));
const [defined, referenceMs] = best(1, () => traceByDefinition(documents, output, MIN_SPAN_BYTES));
if (!isDeepStrictEqual(scanned, spans) || !isDeepStrictEqual(defined, spans)) throw new Error("the spans differ");

print("corpus", corpusBytes / 1e6, "MB", "-");
print("output", output.length, "bytes", "-");
print("spans", spans.length, "spans", "-");
print("index.build", buildMs, "ms", "<3000");
print("index.build.rate", corpusBytes / 1e3 / buildMs, "MB/s", ">2");
print("trace.suffix-array", traceMs, "ms", "<20");
print("trace.scan", scanMs, "ms", "-");
print("trace.reference", referenceMs, "ms", "-");
print("trace.ratio-to-scan", scanMs / traceMs, "times", ">100");
print("trace.ratio-to-reference", referenceMs / traceMs, "times", ">100");
print("trace.break-even-with-scan", buildMs / (scanMs - traceMs), "outputs", "-");

function print(name: string, value: number, unit: string, goal: string): void {
  process.stdout.write(`attribution.${name} ${Number(value.toPrecision(4))} ${unit} ${goal}\n`);
}

/** Result and the shortest time of so many runs. */
function best<T>(runs: number, work: () => T): [T, number] {
  let shortest = Number.POSITIVE_INFINITY;
  for (let run = 1; ; run++) {
    const start = performance.now();
    const result = work();
    shortest = Math.min(shortest, performance.now() - start);
    if (run === runs) return [result, shortest];
  }
}

function readCorpus(limitBytes: number): CorpusDocument[] {
  const cwd = fileURLToPath(new URL("../node_modules", import.meta.url));
  const files = [...globSync("**/{README,LICENSE,CHANGELOG}*", { cwd }), ...globSync("**/*.d.ts", { cwd })];
  const found: CorpusDocument[] = [];
  let total = 0;
  for (const file of files) {
    if (total >= limitBytes) break;
    const bytes = readUnlessFolder(`${cwd}/${file}`)?.subarray(0, Math.min(MAX_DOCUMENT_BYTES, limitBytes - total));
    if (bytes === undefined || bytes.length === 0) continue;
    found.push({ id: BigInt(found.length + 1), bytes });
    total += bytes.length;
  }
  return found;
}

function readUnlessFolder(path: string): Uint8Array | undefined {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EISDIR") return undefined;
    throw error;
  }
}

function fiveHundredWords(corpus: SpanIndex): Uint8Array {
  const prompt = new TextEncoder().encode("How do I use it");
  return continueText(corpus, { prompt, words: 500, maxBytes: 16_384, seed: contentRoot(prompt) }).output;
}
