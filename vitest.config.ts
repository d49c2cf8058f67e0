import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: [
      "{core,bridge,consensus,precompiles,genesis,execution,attribution,indexer,node,test,bench,scripts}/**/*.test.ts",
    ],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores: more workers only wait for each other.
    maxWorkers: 2,
  },
});
