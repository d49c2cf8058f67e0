/** `openledger export`: what help and main need of it; the work is loaded only to be done. */
import type { Command } from "../help.ts";
import type { OptionSpecs } from "../options.ts";

export const lineageExportOptions = [
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
] as const;

export const blocksOptions = ["config", "datadir", "genesis", "from", "to"] as const;

export const blocksSpecs: OptionSpecs = {
  to: { type: "integer", value: "NUMBER", group: "Node", help: "Last block (default: the head)" },
};

export const exportCommand: Command = {
  name: "export",
  argumentsUsage: "openlineage | prov | cyclonedx | croissant | blocks FILE",
  summary: "Lineage in the formats of other tools, or the chain",
  description: `openlineage  what an output (--output) was made of, as OpenLineage RunEvents: a JSON object a line, or sent to a
             collector such as Marquez (--url)
prov         the same as PROV-JSON
cyclonedx    a model (--model), its ancestors and training data, as CycloneDX ML-BOM
croissant    a Datanet (--datanet, --version), as Croissant. A content store (--content.url) adds what readers of
             Croissant want and the chain does not have: where contents are, and their SHA-256

All this is asked through GraphQL, at the last block of the index or at --block. See docs/exports.md.

blocks FILE  the chain of a stopped node (--datadir), --from to --to, as RLP blocks that openledger import takes, with the
             certificates that make them final. Interrupted, it goes on when it is run again`,
  options: [...lineageExportOptions, "datadir", "genesis", "from", "to"],
  defaults: { "content.url": "" },
  specs: blocksSpecs,
  async run(args) {
    if (args[0] === "blocks") {
      const { runExportBlocks } = await import("../db-cli/export-blocks.ts");
      return runExportBlocks(args.slice(1));
    }
    const { runExport } = await import("../export-cli/cli.ts");
    return runExport(args);
  },
};
