/** The files are what the definitions give; with `vitest -u` they are written anew. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { batchVectors } from "./attribution-batch.ts";
import { contentTreeVectors } from "./content-tree.ts";
import { wordVectors } from "./words.ts";

test.each([
  ["content-tree.json", contentTreeVectors],
  ["words.json", wordVectors],
  ["attribution-batch.json", batchVectors],
] as const)("%s", async (file, vectors) => {
  const path = fileURLToPath(new URL(`../vectors/${file}`, import.meta.url));
  await expect(`${JSON.stringify(vectors(), undefined, 2)}\n`).toMatchFileSnapshot(path);
});
