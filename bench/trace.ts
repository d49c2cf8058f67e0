/**
 * The index of contributions and the tracing of outputs over it, at several sizes of corpus:
 *   building in bounded shards, memory, disk; until a new contribution is searchable beside all others;
 *   tracing 500 words of the infinity-gram model, and 500 words of the corpus in random order, which hardly match:
 *   shards in memory, from disk with a warm page cache, and cold.
 * Cold: before each output every shard's pages are dropped from the page cache (`dd if=FILE iflag=nocache count=0`, of
 * coreutils) and the view is opened anew; what a view keeps in memory is read before the clock starts.
 * The peer is a scan by Buffer.indexOf; at every size random spans are sought by scan too, and one byte more on either
 * side to the next word boundary, which must not occur.
 * Prints `name value unit goal`, a line a figure.
 * `node bench/trace.ts [--sizes 10,100,1000] [--outputs 200] [--cold 40]`, sizes in MB
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { continueText } from "../attribution/infinity-gram.ts";
import { ShardStore } from "../attribution/shard-store.ts";
import type { SpanIndex } from "../attribution/span-index.ts";
import { traceSpans } from "../attribution/trace.ts";
import { contentRoot } from "../core/content.ts";
import { isBoundary, isWithinWindow } from "../core/span-rule.ts";
import { quantile } from "./quantile.ts";
import { type BenchCorpus, corpusOf, generator, numbers, readRealText } from "./trace-corpus.ts";
import { traceByScan } from "./trace-scan.ts";

const MIN_SPAN_BYTES = 24;
const MEGABYTE = 1e6;
/** Above this a scan takes minutes: samples are scanned only. */
const MAX_SCANNED_MEGABYTES = 10;

const { values } = parseArgs({
  options: {
    sizes: { type: "string", default: "10,100,1000" },
    outputs: { type: "string", default: "200" },
    cold: { type: "string", default: "40" },
  },
});
const sizes = values.sizes.split(",").map(Number);
const outputCount = Number(values.outputs);
const coldCount = Number(values.cold);

// Each size has a process of its own: what one leaves in memory is not counted with the next.
if (sizes.length > 1) {
  for (const size of sizes) {
    const options = ["--sizes", `${size}`, "--outputs", values.outputs, "--cold", values.cold];
    execFileSync(process.execPath, [fileURLToPath(import.meta.url), ...options], { stdio: "inherit" });
  }
  process.exit();
}

const megabytes = sizes[0]!;
const real = readRealText(megabytes * MEGABYTE);
const directory = mkdtempSync(join(tmpdir(), "openledger-trace-"));
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
process.on("SIGINT", () => process.exit(130));
process.on("SIGTERM", () => process.exit(143));
await measure();

function print(name: string, value: number, unit: string, goal: string): void {
  process.stdout.write(`trace.${name} ${Number(value.toPrecision(4))} ${unit} ${goal}\n`);
}

function noReading(): Promise<never> {
  return Promise.reject(new Error("it is indexed"));
}

async function measure(): Promise<void> {
  const at = `${megabytes}MB`;
  const corpus = corpusOf(real, megabytes * MEGABYTE);
  const folder = join(directory, at);
  print(`${at}.real`, corpus.realBytes / MEGABYTE, "MB", "-");
  print(`${at}.generated-from-it`, corpus.generatedBytes / MEGABYTE, "MB", "-");
  await build(at, folder, corpus);

  const inMemory = { memoryBytes: Number.MAX_SAFE_INTEGER };
  const store = await ShardStore.open(folder, inMemory);
  const before = process.memoryUsage.rss();
  const [view, openMs] = await timed(() => store.view(corpus.documents, noReading));
  print(`${at}.memory.open`, openMs, "ms", "-");
  print(`${at}.memory.bytes`, (process.memoryUsage.rss() - before) / view.bytes, "bytes/byte", "-");
  const written = Array.from({ length: outputCount }, (_, i) => write(view, corpus, i));
  const shuffled = Array.from({ length: outputCount }, (_, i) => shuffle(written[i]!, i));
  for (const output of written.slice(0, 20)) traceSpans(view, output, MIN_SPAN_BYTES); // compiled
  const goalMs = megabytes >= 1000 ? { memory: "<20", cold: "<100" } : { memory: "-", cold: "-" };
  report(
    `${at}.memory`,
    written.map((output) => take(view, output)),
    goalMs.memory,
  );
  report(
    `${at}.memory.shuffled`,
    shuffled.map((output) => take(view, output)),
    goalMs.memory,
  );
  agreeWithScan(at, view, corpus, written);
  await grow(at, store, corpus);
  view.close();
  await store.close();

  const onDisk = { memoryBytes: 0 };
  const disk = await ShardStore.open(folder, onDisk);
  const diskBefore = process.memoryUsage.rss();
  const warming = await disk.view(corpus.documents, noReading);
  print(`${at}.disk.memory`, Math.max(0, process.memoryUsage.rss() - diskBefore) / warming.bytes, "bytes/byte", "-");
  for (const output of [...written, ...shuffled]) traceSpans(warming, output, MIN_SPAN_BYTES);
  warming.close();
  await disk.close();
  report(`${at}.disk.warm`, await tracesFromDisk(folder, corpus, written), "-");
  report(`${at}.disk.warm.shuffled`, await tracesFromDisk(folder, corpus, shuffled), "-");
  for (const [name, outputs] of [
    ["", written],
    [".shuffled", shuffled],
  ] as const) {
    const times: Took[] = [];
    for (const output of outputs.slice(0, coldCount))
      times.push(...(await tracesFromDisk(folder, corpus, [output], true)));
    report(`${at}.disk.cold${name}`, times, goalMs.cold);
  }
}

/** Builds all shards and closes them. */
async function build(at: string, folder: string, corpus: BenchCorpus): Promise<void> {
  const store = await ShardStore.open(folder, { memoryBytes: 0 });
  const before = process.memoryUsage.rss();
  let peak = before;
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 20);
  const all = process.cpuUsage();
  const here = process.threadCpuUsage();
  const [view, ms] = await timed(() => store.view(corpus.documents, async (document) => corpus.contents(document)));
  const cpu = process.cpuUsage(all);
  const main = process.threadCpuUsage(here);
  clearInterval(timer);
  // This thread makes and writes the contents.
  const cpuSeconds = (cpu.user + cpu.system - main.user - main.system) / 1e6;
  print(`${at}.build.rate`, view.bytes / MEGABYTE / cpuSeconds, "MB/CPU-s", "-");
  print(`${at}.build.time`, ms / 1000, "s", "-");
  const largest = Math.max(...store.shards.map(({ bytes }) => bytes));
  print(`${at}.build.memory`, (peak - before) / largest, "bytes/byte-of-a-shard", "<9");
  print(`${at}.shards`, store.shards.length, "shards", "-");
  const files = readdirSync(folder).map((file) => statSync(join(folder, file)).size);
  print(`${at}.disk.bytes`, files.reduce((sum, size) => sum + size, 0) / view.bytes, "bytes/byte", "-");
  view.close();
  await store.close();
}

/** 500 words of the infinity-gram model. */
function write(view: SpanIndex, corpus: BenchCorpus, i: number): Uint8Array {
  const next = numbers(i + 1);
  const source = corpus.contents(corpus.documents[next() % corpus.documents.length]!);
  const from = next() % source.length;
  const prompt = source.slice(from, from + 60);
  return continueText(view, { prompt, words: 500, maxBytes: 16_384, seed: contentRoot(prompt) }).output;
}

/** The same words in random order. */
function shuffle(output: Uint8Array, i: number): Uint8Array {
  const next = numbers(i + 7_777);
  const words = Buffer.from(output)
    .toString("latin1")
    .split(/(?<=\s)(?=\S)/);
  for (let k = words.length - 1; k > 0; k--) {
    const other = next() % (k + 1);
    [words[k], words[other]] = [words[other]!, words[k]!];
  }
  return new Uint8Array(Buffer.from(words.join(""), "latin1"));
}

/** What a trace took, by the clock and of this thread's CPU: on a busy machine they differ. */
interface Took {
  readonly ms: number;
  readonly cpuMs: number;
  /** Of 4,096 bytes, that the disk was read for. */
  readonly pages: number;
}

function take(view: SpanIndex, output: Uint8Array): Took {
  const cpu = process.threadCpuUsage();
  const blocks = process.resourceUsage().fsRead;
  const start = performance.now();
  traceSpans(view, output, MIN_SPAN_BYTES);
  const ms = performance.now() - start;
  const { user, system } = process.threadCpuUsage(cpu);
  return { ms, cpuMs: (user + system) / 1000, pages: (process.resourceUsage().fsRead - blocks) / 8 };
}

/** Milliseconds of each output over one view that reads from disk. */
async function tracesFromDisk(folder: string, corpus: BenchCorpus, outputs: readonly Uint8Array[], cold = false) {
  const store = await ShardStore.open(folder, { memoryBytes: 0 });
  const view = await store.view(corpus.documents, noReading);
  if (cold) {
    for (const file of readdirSync(folder)) {
      execFileSync("dd", [`if=${join(folder, file)}`, "iflag=nocache", "count=0"], { stdio: "ignore" });
    }
  }
  const times = outputs.map((output) => take(view, output));
  view.close();
  await store.close();
  return times;
}

function report(name: string, times: readonly Took[], goal: string): void {
  const ms = times.map((took) => took.ms);
  print(`${name}.p50`, quantile(ms, 0.5), "ms", "-");
  print(`${name}.p99`, quantile(ms, 0.99), "ms", goal);
  // The CPU's clock ticks too slowly for one trace.
  print(`${name}.cpu.mean`, times.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / times.length, "ms", "-");
  const pages = quantile(
    times.map((took) => took.pages),
    0.5,
  );
  if (pages > 0) print(`${name}.pages-read.p50`, pages, "pages", "-");
}

/** Throws unless a scan of all contents finds random spans where the trace says, and nothing longer. */
function agreeWithScan(at: string, view: SpanIndex, corpus: BenchCorpus, outputs: readonly Uint8Array[]): void {
  const next = numbers(99);
  const samples = Array.from({ length: 12 }, () => {
    const output = outputs[next() % outputs.length]!;
    const spans = traceSpans(view, output, MIN_SPAN_BYTES);
    return { output, span: spans[next() % spans.length]! };
  });
  const present = samples.map(({ output, span }) => output.subarray(span.outputStart, span.outputStart + span.length));
  const absent = samples.flatMap(({ output, span }) => {
    const end = span.outputStart + span.length;
    let longer = end + 1;
    while (longer < output.length && !isBoundary(output, longer)) longer++;
    let earlier = span.outputStart - 1;
    while (earlier > 0 && !isBoundary(output, earlier)) earlier--;
    return [
      ...(end < output.length && isWithinWindow(span.outputStart, longer)
        ? [output.subarray(span.outputStart, longer)]
        : []),
      ...(earlier >= 0 && isWithinWindow(earlier, end) ? [output.subarray(earlier, end)] : []),
    ];
  });
  const found = new Array<{ contribution: bigint; contentOffset: bigint } | undefined>(samples.length);
  for (const document of corpus.documents) {
    const bytes = corpus.contents(document);
    const content = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (const [i, part] of present.entries()) {
      if (found[i] !== undefined) continue;
      const offset = content.indexOf(part);
      if (offset >= 0) found[i] = { contribution: document.id, contentOffset: BigInt(offset) };
    }
    if (absent.some((part) => content.includes(part))) throw new Error("a longer match than the trace says");
  }
  for (const [i, { span }] of samples.entries()) {
    const { contribution, contentOffset } = span;
    if (!isDeepStrictEqual(found[i], { contribution, contentOffset }))
      throw new Error("another holder than the trace says");
  }
  print(`${at}.scan.agreeing-samples`, samples.length + absent.length, "samples", "-");

  if (corpus.generatedBytes > 0 || corpus.realBytes > MAX_SCANNED_MEGABYTES * MEGABYTE) return;
  const documents = corpus.documents.map((document) => ({ id: document.id, bytes: corpus.contents(document) }));
  const output = outputs[0]!.subarray(0, 1_500);
  const start = performance.now();
  const scanned = traceByScan(documents, output, MIN_SPAN_BYTES);
  const scanMs = performance.now() - start;
  if (!isDeepStrictEqual(scanned, traceSpans(view, output, MIN_SPAN_BYTES))) throw new Error("the spans differ");
  print(`${at}.scan.output`, output.length, "bytes", "-");
  print(`${at}.scan.indexOf`, scanMs, "ms", "-");
  print(`${at}.scan.ratio`, scanMs / take(view, output).ms, "times", "-");
}

/** Until a new contribution of 1 MB is found, all others being indexed. */
async function grow(at: string, store: ShardStore, corpus: BenchCorpus): Promise<void> {
  const make = generator(real);
  const contribution = make(1_000_003, MEGABYTE);
  const id = BigInt(corpus.documents.length + 1);
  const document = { id, contentRoot: `0x${"ab".repeat(32)}` as const, size: contribution.length };
  const [view, ms] = await timed(async () => {
    const grown = await store.view([...corpus.documents, document], async () => contribution);
    if (grown.earliest(contribution, 1_000, 1_900)?.id !== id) throw new Error("the new contribution is not found");
    return grown;
  });
  view.close();
  print(`${at}.new-contribution-searchable`, ms, "ms", "<1000");
}

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const start = performance.now();
  const result = await work();
  return [result, performance.now() - start];
}
