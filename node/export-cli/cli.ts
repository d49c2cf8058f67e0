/** Runs `openledger export`: gathers through GraphQL, makes the document, and writes or sends it. */
import { readFileSync, writeFileSync } from "node:fs";
import { createLineageClient, LineageError } from "../../client/lineage.js";
import { croissant } from "../../indexer/exports/croissant.ts";
import { cycloneDxBom } from "../../indexer/exports/cyclonedx.ts";
import { openLineageEvents } from "../../indexer/exports/openlineage.ts";
import { provDocument } from "../../indexer/exports/prov.ts";
import { exportCommand, lineageExportOptions } from "../commands/export.ts";
import { readOptions, type Values } from "../config.ts";
import { EXIT, OperationError, UsageError } from "../errors.ts";
import { VERSION } from "../help.ts";
import { checksumsOf } from "./checksums.ts";
import { Gatherer } from "./gather.ts";
import { postEvents } from "./post.ts";

interface Format {
  /** The option that says which one to export. */
  readonly subject: "output" | "model" | "datanet";
  make(gatherer: Gatherer, id: number, values: Partial<Values>): Promise<unknown>;
}

const contextOf = ({ deployment }: Gatherer) => ({ deployment, programVersion: VERSION });

const FORMATS: Readonly<Record<string, Format>> = {
  openlineage: {
    subject: "output",
    make: async (gatherer, id) => openLineageEvents(warned(await gatherer.output(id)), contextOf(gatherer)),
  },
  prov: {
    subject: "output",
    make: async (gatherer, id) => provDocument(warned(await gatherer.output(id)), contextOf(gatherer)),
  },
  cyclonedx: {
    subject: "model",
    make: async (gatherer, id) => cycloneDxBom(await gatherer.models(id), gatherer.asOf, contextOf(gatherer)),
  },
  croissant: {
    subject: "datanet",
    async make(gatherer, id, values) {
      const found = await gatherer.datanet(id, values.version as number | undefined);
      const urls = values["content.url"] as readonly string[];
      const roots = found.contributions.map(({ contentRoot }) => contentRoot);
      const sha256 = await checksumsOf(roots, urls);
      const missing = roots.filter((root) => !sha256.has(root)).length;
      if (missing > 0) {
        const remedy = urls.length === 0 ? "--content.url names a store that has them" : "no --content.url has them";
        say(`${missing} of ${roots.length} files are without sha256, which readers of Croissant may want: ${remedy}`);
      }
      return croissant({ ...found, contentUrl: urls[0], sha256 }, contextOf(gatherer));
    },
  },
};

/** Resolves to the exit code. Throws UsageError, OperationError. */
export async function runExport(args: readonly string[]): Promise<number> {
  const [name = "", ...rest] = args;
  const format = Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined;
  if (format === undefined) {
    throw new UsageError(
      `export needs one of: ${Object.keys(FORMATS).join(", ")}, blocks; see openledger export --help`,
    );
  }
  const values = readOptions(rest, process.env, lineageExportOptions, exportCommand.defaults);
  const url = values.url as string | undefined;
  if (url !== undefined && name !== "openlineage") throw new UsageError("--url is where openlineage events are sent");
  const id = values[format.subject] as number | undefined;
  if (id === undefined) throw new UsageError(`--${format.subject} is missing: which one to export`);
  const client = createLineageClient({ url: values["graphql.url"] as string });
  try {
    const gatherer = await Gatherer.of(client, values.block as number | undefined);
    const document = await format.make(gatherer, id, values);
    if (url === undefined) write(Array.isArray(document) ? lines(document) : pretty(document), values);
    else {
      const events = document as object[];
      await postEvents(events, { url, token: tokenOf(values) });
      say(`${events.length} events sent to ${new URL(url).host}`);
    }
  } catch (error) {
    if (!(error instanceof LineageError)) throw error;
    throw new OperationError(`${error.message}; see --graphql.url`, { cause: error });
  }
  return EXIT.ok;
}

function warned<T extends { readonly truncated: boolean }>(lineage: T): T {
  if (lineage.truncated) say("the lineage is larger than 500 things: what is exported is cut there");
  return lineage;
}

function tokenOf(values: Partial<Values>): string | undefined {
  const file = values["url.tokenfile"] as string | undefined;
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new OperationError(`--url.tokenfile ${file} cannot be read`, { cause: error });
  }
}

const pretty = (document: unknown): string => `${JSON.stringify(document, null, 2)}\n`;
/** NDJSON. */
const lines = (documents: readonly unknown[]): string =>
  documents.map((entry) => `${JSON.stringify(entry)}\n`).join("");
const say = (line: string): void => void process.stderr.write(`${line}\n`);

function write(text: string, values: Partial<Values>): void {
  const file = values.out as string | undefined;
  if (file === undefined) {
    process.stdout.write(text);
    return;
  }
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new OperationError(`--out ${file} cannot be written`, { cause: error });
  }
}
