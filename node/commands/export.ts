/** `openledger export`: what help and main need of it; the work is loaded only to be done. */
import type { Command } from "../help.ts";

export const exportCommand: Command = {
  name: "export",
  argumentsUsage: "openlineage | prov | cyclonedx | croissant",
  summary: "Lineage in the formats of other tools",
  description: `openlineage  what an output (--output) was made of, as OpenLineage RunEvents: a JSON object a line, or sent to a
             collector such as Marquez (--url)
prov         the same as PROV-JSON
cyclonedx    a model (--model), its ancestors and training data, as CycloneDX ML-BOM
croissant    a Datanet (--datanet, --version), as Croissant. A content store (--content.url) adds what readers of
             Croissant want and the chain does not have: where contents are, and their SHA-256

All is asked through GraphQL, at the last block of the index or at --block. See docs/exports.md.`,
  options: [
    "config",
    "graphql.url",
    "block",
    "output",
    "model",
    "datanet",
    "version",
    "content.url",
    "out",
    "url",
    "url.tokenfile",
  ],
  defaults: { "content.url": "" },
  async run(args) {
    const { runExport } = await import("../export-cli/cli.ts");
    return runExport(args);
  },
};
