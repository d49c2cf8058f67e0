/**
 * The quality gate on documentation, licences and declarations of the installed packages, against two peers:
 *   exact        the Jaccard similarity of all pairs of shingle sets: what the estimate is judged by
 *   permutations MinHash as in the textbook, one hash function for each of the 255 values
 * Prints `name value unit goal`, a line a figure. CPU-seconds are those of this process, user and system.
 * `node bench/quality.ts [corpus MB] [pairs a similarity]`
 */
import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { examine } from "../attribution/quality/examine.ts";
import { findPersonalData } from "../attribution/quality/personal-data.ts";
import { QualityIndex } from "../attribution/quality/quality-index.ts";
import { Review } from "../attribution/quality/review.ts";
import { type Sketch, similarity, sketchOf } from "../attribution/quality/sketch.ts";
import { DUPLICATE, SKETCH } from "../attribution/quality/thresholds.ts";
import { wordsOf } from "../attribution/quality/words.ts";
import { bytesToHex } from "../core/bytes.ts";
import { contentRoot } from "../core/content.ts";
import { licenceCode } from "../core/licences.ts";

const MAX_DOCUMENT_BYTES = 200_000;
const ALL_PAIRS_DOCUMENTS = 1_000;

const documents = readCorpus(Number(process.argv[2] ?? 10) * 1e6);
const pairs = Number(process.argv[3] ?? 200);
const megabytes = documents.reduce((sum, { length }) => sum + length, 0) / 1e6;
print("corpus", megabytes, "MB", "-");
print("documents", documents.length, "documents", "-");

memory();
speed();
planted();
realPairs();
suggestions();

function speed(): void {
  const rate = (name: string, goal: string, work: (content: Uint8Array) => unknown) => {
    for (const content of documents.slice(0, 50)) work(content);
    const seconds = cpuSeconds(() => {
      for (const content of documents) work(content);
    });
    print(`speed.${name}`, megabytes / seconds, "MB/CPU-s", goal);
    return megabytes / seconds;
  };
  const sketch = rate("sketch", ">30", (content) => sketchOf(wordsOf(content)));
  const sample = documents.slice(0, Math.ceil(documents.length / 20));
  const sampleMegabytes = sample.reduce((sum, { length }) => sum + length, 0) / 1e6;
  const textbook =
    sampleMegabytes /
    cpuSeconds(() => {
      for (const content of sample) permutations(sketchOf(wordsOf(content)).shingles);
    });
  print("speed.permutations", textbook, "MB/CPU-s", "-");
  print("speed.sketch-to-permutations", sketch / textbook, "times", ">2");
  rate("personal-data", "-", findPersonalData);
  rate("examine", ">5", examine);
  const review = new Review(licenceCode("CC-BY-4.0"));
  rate("report", ">5", (content) => review.report({ id: "x", contentRoot: "0x", size: 0, licence: 2 }, content));
}

/** Of an index over the corpus, before anything else fills the heap. */
function memory(): void {
  const before = memoryBytes();
  const index = new QualityIndex();
  for (const [i, content] of documents.entries()) {
    index.add({ id: String(i), contentRoot: bytesToHex(contentRoot(content)) }, sketchOf(wordsOf(content)));
  }
  const held = memoryBytes() - before;
  print("memory.contribution", held / index.contents.length, "bytes", "-");
  print("memory.byte", held / 1e6 / megabytes, "bytes/byte", "<1");
  print("memory.saved", index.encode().length / 1e6 / megabytes, "bytes/byte", "<1");
}

/**
 * Pairs whose similarity is made: part of a document replaced by other words, in one block or word by word. What comes out
 * differs from the plan where a text repeats itself, so pairs are sorted by their exact similarity.
 */
function planted(): void {
  const texts = documents
    .map((content) => new TextDecoder().decode(content).split(/\s+/))
    .filter((words) => words.length >= 300)
    .slice(0, pairs);
  for (const [way, edit] of [
    ["block", replaceBlock],
    ["scattered", replaceScattered],
  ] as const) {
    const bands = new Map<number, { pairs: number; listed: number; duplicate: number; error: number }>();
    for (let target = 0.48; target < 1; target += 0.05) {
      const random = randomNumbers(1_000 * target);
      for (const words of texts) {
        const a = sketchOfText(words.join(" "));
        const b = sketchOfText(edit(words, target, random).join(" "));
        const exact = jaccard(setOf(a), setOf(b));
        const index = new QualityIndex();
        index.add({ id: "a", contentRoot: "0x" }, a);
        const estimate = index.compare("0x00", b).near[0]?.jaccard;
        const key = Math.floor(exact * 20) / 20;
        const band = bands.get(key) ?? { pairs: 0, listed: 0, duplicate: 0, error: 0 };
        bands.set(key, band);
        band.pairs++;
        band.error += Math.abs(similarity(a.signature, b.signature) - exact);
        if (estimate !== undefined) band.listed++;
        if (estimate !== undefined && estimate >= DUPLICATE.jaccard) band.duplicate++;
      }
    }
    for (const [from, band] of [...bands].sort(([a], [b]) => a - b)) {
      if (from < 0.4 || from >= 1 || band.pairs < 20) continue;
      const name = `planted.${way}.${from.toFixed(2)}-${(from + 0.05).toFixed(2)}`;
      print(`${name}.pairs`, band.pairs, "pairs", "-");
      print(`${name}.listed`, band.listed / band.pairs, "share", from >= 0.6 ? ">0.99" : "-");
      const goal = from >= 0.9 ? ">0.99" : from < 0.7 ? "<0.01" : "-";
      print(`${name}.duplicate`, band.duplicate / band.pairs, "share", goal);
      print(`${name}.error`, band.error / band.pairs, "mean |estimate - exact|", "<0.03");
    }
  }
}

/** All pairs of the corpus' first documents: what the gate reports, judged by exact similarities. */
function realPairs(): void {
  const sketches = documents
    .slice(0, ALL_PAIRS_DOCUMENTS)
    .map((content) => sketchOf(wordsOf(content)))
    .filter(({ words }) => words >= DUPLICATE.minWords);
  const sets = sketches.map(setOf);
  const truth = new Map<string, number>();
  const exactSeconds = cpuSeconds(() => {
    for (let i = 0; i < sets.length; i++) {
      for (let k = 0; k < i; k++) {
        // Sizes too different for the least similarity that is listed.
        const [small, large] = [sets[i]!.size, sets[k]!.size].sort((a, b) => a - b) as [number, number];
        if (small < large * DUPLICATE.similar) continue;
        truth.set(`${i} ${k}`, jaccard(sets[i]!, sets[k]!));
      }
    }
  });
  const reported = new Map<string, number>();
  const gateSeconds = cpuSeconds(() => {
    const index = new QualityIndex();
    for (const [i, sketch] of sketches.entries()) {
      const { near } = index.compare("0x", sketch);
      for (const { id, jaccard: estimate } of near) reported.set(`${i} ${id}`, estimate);
      index.add({ id: String(i), contentRoot: `0x${i}` }, sketch);
    }
  });
  const share = (part: number, whole: number) => (whole === 0 ? 1 : part / whole);
  for (const bound of [DUPLICATE.similar, 0.7, DUPLICATE.jaccard, 0.9]) {
    const right = [...truth].filter(([, exact]) => exact >= bound).map(([pair]) => pair);
    const found = [...reported].filter(([, estimate]) => estimate >= bound).map(([pair]) => pair);
    // A pair within three standard deviations of the bound may be told either way.
    const near = (pair: string) => (truth.get(pair) ?? 0) >= bound - 3 * Math.sqrt((bound * (1 - bound)) / SKETCH.bins);
    const hits = found.filter((pair) => (truth.get(pair) ?? 0) >= bound).length;
    print(`pairs.${bound}.exact`, right.length, "pairs", "-");
    print(`pairs.${bound}.recall`, share(hits, right.length), "share", "-");
    print(`pairs.${bound}.precision`, share(hits, found.length), "share", "-");
    print(
      `pairs.${bound}.precision-within-3-deviations`,
      share(found.filter(near).length, found.length),
      "share",
      ">0.99",
    );
    const listed = right.filter((pair) => reported.has(pair)).length;
    print(`pairs.${bound}.recall-of-listing`, share(listed, right.length), "share", bound >= 0.7 ? ">0.99" : "-");
  }
  print("pairs.seconds.exact", exactSeconds, "CPU-s", "-");
  print("pairs.seconds.gate", gateSeconds, "CPU-s", "-");
  print("pairs.ratio-to-exact", exactSeconds / gateSeconds, "times", ">10");
}

/** What a curator would see of this corpus: how many texts of working packages the gate would turn away, and why. */
function suggestions(): void {
  const review = new Review(licenceCode("CC-BY-4.0"));
  const counts = new Map<string, number>();
  const count = (name: string) => counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const [i, content] of documents.entries()) {
    const candidate = { id: String(i), contentRoot: "0x", size: content.length, licence: undefined } as const;
    const { suggestion } = review.report(candidate, content);
    count(suggestion.action);
    const weighs = new Set(suggestion.reasons.filter((reason) => reason.weighs !== "note").map(({ code }) => code));
    for (const code of weighs) count(`because.${code}`);
  }
  for (const [name, value] of [...counts].sort()) {
    print(`suggested.${name}`, value / documents.length, "share", "-");
  }
}

function print(name: string, value: number, unit: string, goal: string): void {
  process.stdout.write(`quality.${name} ${Number(value.toPrecision(4))} ${unit} ${goal}\n`);
}

/** Of this process after a collection: objects and array buffers. */
function memoryBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // Buffers of what the first collection found go with the next.
  for (let i = 0; i < 3; i++) collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function cpuSeconds(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** Distinct contents. */
function readCorpus(limitBytes: number): Uint8Array[] {
  const cwd = fileURLToPath(new URL("../node_modules", import.meta.url));
  const files = ["**/{README,LICENSE,CHANGELOG}*", "**/*.md", "**/*.d.ts"].flatMap((pattern) =>
    globSync(pattern, { cwd }),
  );
  const found = new Map<string, Uint8Array>();
  let total = 0;
  for (const file of new Set(files)) {
    if (total >= limitBytes) break;
    const bytes = readUnlessFolder(`${cwd}/${file}`)?.subarray(0, Math.min(MAX_DOCUMENT_BYTES, limitBytes - total));
    if (bytes === undefined || bytes.length === 0) continue;
    const root = bytesToHex(contentRoot(bytes));
    if (found.has(root)) continue;
    found.set(root, bytes);
    total += bytes.length;
  }
  return [...found.values()];
}

function readUnlessFolder(path: string): Uint8Array | undefined {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EISDIR") return undefined;
    throw error;
  }
}

function sketchOfText(text: string): Sketch {
  return sketchOf(wordsOf(new TextEncoder().encode(text)));
}

function setOf({ shingles }: Sketch): Set<number> {
  return new Set(shingles);
}

function jaccard(a: Set<number>, b: Set<number>): number {
  let common = 0;
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  for (const shingle of small) if (large.has(shingle)) common++;
  return common / (a.size + b.size - common);
}

/** The peer: for each of the 255 values the least of its own hash over all shingles. */
function permutations(shingles: Uint32Array): Uint32Array {
  const signature = new Uint32Array(SKETCH.bins).fill(0xffffffff);
  for (const shingle of shingles) {
    for (let i = 0; i < SKETCH.bins; i++) {
      let h = Math.imul(shingle ^ Math.imul(i + 1, 0x9e3779b1), 0x85ebca6b);
      h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35) >>> 0;
      if (h < signature[i]!) signature[i] = h;
    }
  }
  return signature;
}

/** Deterministic, from 0 to 1. */
function randomNumbers(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b1);
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Of n shingles x are replaced: (n − x) / (n + x) = J. */
function replaceBlock(words: readonly string[], target: number, random: () => number): string[] {
  const replaced = Math.max(1, Math.round((words.length * (1 - target)) / (1 + target)));
  const start = Math.floor(random() * (words.length - replaced));
  return words.map((word, i) => (i >= start && i < start + replaced ? newWord(random) : word));
}

/** A shingle stays when none of its five words is replaced. */
function replaceScattered(words: readonly string[], target: number, random: () => number): string[] {
  const kept = (2 * target) / (1 + target);
  const rate = 1 - kept ** (1 / SKETCH.shingleWords);
  return words.map((word) => (random() < rate ? newWord(random) : word));
}

function newWord(random: () => number): string {
  return `new${Math.floor(random() * 1e9)}`;
}
