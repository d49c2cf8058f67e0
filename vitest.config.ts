import { defineConfig } from "vitest/config";

/** Their tests leave nothing behind in the modules that they load, so files share them: loading costs more than most tests. */
const SHARED = ["{core,bridge,consensus,precompiles,genesis}/**/*.test.ts", "test/precompiles/**/*.test.ts"];
const ALONE = ["{execution,attribution,indexer,node,test,bench,scripts}/**/*.test.ts"];

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // For two cores: many tests wait for processes and for blocks of an L1, more workers than this only for each other.
    maxWorkers: 3,
    projects: [
      { extends: true, test: { name: "shared", include: SHARED, isolate: false } },
      { extends: true, test: { name: "alone", include: ALONE, exclude: ["**/node_modules/**", "test/precompiles/**"] } },
    ],
  },
});
