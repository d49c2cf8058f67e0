/** Keeps the import directions: each folder may import itself and what stands beside its name, nothing else of ours. */
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  core: [],
  bridge: ["core"],
  precompiles: ["core"],
  genesis: ["core"],
  consensus: ["core"],
  attribution: ["core", "precompiles/interfaces"],
  indexer: ["core", "precompiles/interfaces"],
  execution: ["core", "bridge", "precompiles", "genesis"],
  node: ["core", "bridge", "precompiles", "genesis", "consensus", "attribution", "indexer", "execution"],
  demo: ["core", "precompiles/interfaces"],
};

/** Paths of our own modules that a file imports, relative to the root. */
function ownImports(file: string): string[] {
  const text = readFileSync(join(root, file), "utf8");
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+\.ts)"/g)].map((match) =>
    normalize(join(dirname(file), match[1] as string)),
  );
}

describe("import directions", () => {
  for (const [folder, allowed] of Object.entries(ALLOWED)) {
    const files = globSync(`${folder}/**/*.ts`, { cwd: root }).filter((file) => !/\.test\.ts$/.test(file));
    it(`${folder} imports only ${[folder, ...allowed].join(", ")}`, () => {
      const wrong = files.flatMap((file) =>
        ownImports(file)
          .filter((target) => ![folder, ...allowed].some((prefix) => target.startsWith(prefix + sep)))
          .map((target) => `${file} -> ${target}`),
      );
      expect(wrong).toEqual([]);
    });
  }

  it("sees imports at all", () => {
    expect(ownImports("genesis/builder.ts")).toContain(normalize("core/addresses.ts"));
  });
});
