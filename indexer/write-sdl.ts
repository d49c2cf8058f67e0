/** Writes schema.graphql, the committed print of the schema; `biome format --write` gives it its final form. */
import { writeFileSync } from "node:fs";
import { printSchema } from "graphql/index.js";
import { schema } from "./schema.ts";

writeFileSync(new URL("./schema.graphql", import.meta.url), `${printSchema(schema)}\n`);
