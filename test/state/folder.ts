/** All state tests below a folder. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parseStateTests, type StateTest } from "./format.ts";
import { KNOWN_FORKS, runStateTest } from "./run.ts";

export interface FolderResult {
  /** Cases by who ran them. */
  readonly own: number;
  readonly vm: number;
  /** A line each. */
  readonly failures: readonly string[];
  /** Expectations of forks that are not known here. */
  readonly unknownForks: ReadonlyMap<string, number>;
  /** Files that hold no state tests, with the reason. */
  readonly unreadable: readonly string[];
}

/** `forks`: only these, in the files' words. */
export async function runFolder(folder: string, forks?: ReadonlySet<string>): Promise<FolderResult> {
  let [own, vm] = [0, 0];
  const failures: string[] = [];
  const unreadable: string[] = [];
  const unknownForks = new Map<string, number>();
  for (const file of jsonFiles(folder)) {
    const path = relative(folder, file);
    for (const test of testsOf(file, path, unreadable)) {
      for (const [fork, cases] of test.post) {
        if (!KNOWN_FORKS.includes(fork)) unknownForks.set(fork, (unknownForks.get(fork) ?? 0) + cases.length);
      }
      for await (const { fork, indexes, by, failure } of runStateTest(test, forks)) {
        if (by === "own") own++;
        else vm++;
        if (failure === undefined) continue;
        const place = `data ${indexes.data}, gas ${indexes.gas}, value ${indexes.value}`;
        failures.push(`${path}: ${test.name} on ${fork} (${place}, ${by}): ${failure}`);
      }
    }
  }
  return { own, vm, failures, unknownForks, unreadable };
}

function testsOf(file: string, path: string, unreadable: string[]): StateTest[] {
  try {
    return parseStateTests(readFileSync(file, "utf8"));
  } catch (error) {
    unreadable.push(`${path}: ${(error as Error).message}`);
    return [];
  }
}

const jsonFiles = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".json"))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
