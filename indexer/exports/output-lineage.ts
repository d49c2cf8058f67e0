import type { ExportOutputAnswer } from "./answers.ts";

type Lineage = NonNullable<ExportOutputAnswer["lineage"]>;

/** Where an output comes from: the lineage of an output, which alone has a root. */
export type OutputLineage = Lineage & { readonly root: NonNullable<Lineage["root"]> };
