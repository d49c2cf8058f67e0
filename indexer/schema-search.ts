/** GraphQL of the full-text search. */
import { NODE_KIND } from "./codes.ts";
import { badInput } from "./scalars.ts";
import { builder, found } from "./schema-builder.ts";
import { LineageEntity, loadEntity } from "./schema-lineage.ts";
import { type Found, search } from "./search.ts";

const MAX_FOUND = 100;
const MAX_TEXT = 1_000;

const SearchKind = builder.enumType("SearchKind", {
  values: {
    CONTRIBUTION: { value: NODE_KIND.CONTRIBUTION },
    MODEL: { value: NODE_KIND.MODEL },
    DATANET: { value: NODE_KIND.DATANET },
  },
});

const SearchResult = builder.objectRef<Found>("SearchResult").implement({
  fields: (t) => ({
    nodes: t.field({
      type: [LineageEntity],
      resolve: ({ things }, _, { reader }) => Promise.all(things.map((thing) => found(loadEntity(reader, thing)))),
    }),
    truncated: t.exposeBoolean("truncated", { description: "Whether there may be more: ask for more words." }),
  }),
});

builder.queryFields((t) => ({
  search: t.field({
    type: SearchResult,
    description:
      "Datanets by name and domain, models by name, contributions by URI. All words must be there, the last may be the beginning of one.",
    args: {
      text: t.arg.string({ required: true }),
      kinds: t.arg({ type: [SearchKind], description: "All when absent." }),
      first: t.arg.int({ required: true, defaultValue: 20, description: `1 to ${MAX_FOUND}.` }),
    },
    resolve: (_, { text, kinds, first }, { reader }) => {
      if (first < 1 || first > MAX_FOUND) throw badInput(`first must be 1 to ${MAX_FOUND}, not ${first}`);
      if (text.length > MAX_TEXT) throw badInput(`text has ${text.length} characters, the limit is ${MAX_TEXT}`);
      return search(reader, text, kinds ?? undefined, first);
    },
  }),
}));
