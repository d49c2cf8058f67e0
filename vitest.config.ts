import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: [
      "{core,bridge,client,consensus,precompiles,genesis,execution,attribution,indexer,node,test,bench,scripts}/**/*.test.ts",
    ],
    globalSetup: "test/global-setup.ts",
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // For two cores: many tests wait for processes and for blocks of an L1, more workers than this only for each other.
    maxWorkers: 3,
    // Files of a worker share the modules that they load: loading them costs more than most tests. So a test leaves
    // nothing behind in them.
    isolate: false,
  },
});
