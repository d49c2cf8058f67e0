/** The GraphQL schema, put together from schema-*.ts. indexer/schema.graphql is its committed print. */
import type { GraphQLSchema } from "graphql/index.js";
import "./schema-accounts.ts";
import { withBlocks } from "./schema-blocks.ts";
import "./schema-bridge.ts";
import { builder } from "./schema-builder.ts";
import "./schema-data.ts";
import "./schema-lineage.ts";
import "./schema-meta.ts";
import "./schema-models.ts";
import "./schema-roots.ts";
import "./schema-search.ts";
import "./schema-series.ts";
import "./schema-subscriptions.ts";

builder.queryType({});

export const schema: GraphQLSchema = withBlocks(builder.toSchema());
