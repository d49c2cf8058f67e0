/**
 * What the published specifications require of the documents, as far as these exports use them. CycloneDX's own schema is
 * in a package; of OpenLineage, PROV-JSON and Croissant none is, so their rules are written down here.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Ajv } from "ajv";
import formatsOf from "ajv-formats";

// biome-ignore lint/suspicious/noExplicitAny: documents are JSON; the rules look at what they are.
type Json = any;

const addFormats = formatsOf.default;
const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** Each violation as a line. */
export type Rules = (document: Json) => string[];

/** By a schema of these tests. */
function bySchema(schema: object): Rules {
  const ajv = new Ajv({ allErrors: true, strict: false });
  addFormats(ajv);
  const validate = ajv.compile(schema);
  return (document) => (validate(document) ? [] : (validate.errors ?? []).map((e) => `${e.instancePath} ${e.message}`));
}

/** The published JSON schema of CycloneDX 1.6, from its own library. */
function cycloneDxSchema(): Rules {
  const require = createRequire(import.meta.url);
  const folder = require.resolve("@cyclonedx/cyclonedx-library/package.json").replace("package.json", "res/schema/");
  const read = (name: string): Json => JSON.parse(readFileSync(`${folder}${name}.SNAPSHOT.schema.json`, "utf8"));
  const ajv = new Ajv({ allErrors: true, strict: false });
  addFormats(ajv);
  // Of ASCII, an IRI is a URI; the documents have no other.
  ajv.addFormat("iri-reference", { type: "string", validate: (text: string) => URL.canParse(text, "x:/") });
  ajv.addFormat("idn-email", /@/);
  for (const name of ["spdx", "jsf-0.82"]) {
    ajv.addSchema(read(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`);
  }
  const validate = ajv.compile(read("bom-1.6"));
  return (bom) => (validate(bom) ? [] : (validate.errors ?? []).map((e) => `${e.instancePath} ${e.message}`));
}

let bySchemaOfCycloneDx: Rules | undefined;

/** That schema, and what no schema can say: references lead somewhere, and each name is used once. */
export const cycloneDxRules: Rules = (bom) => {
  // Compiling it takes a second.
  bySchemaOfCycloneDx ??= cycloneDxSchema();
  const components: Json[] = [bom.metadata.component, ...bom.components];
  const refs: string[] = components.map((component) => component["bom-ref"]);
  const used: string[] = [
    ...bom.dependencies.flatMap((entry: Json) => [entry.ref, ...entry.dependsOn]),
    ...components.flatMap(({ modelCard }) =>
      (modelCard?.modelParameters.datasets ?? []).map(({ ref }: Json): string => ref),
    ),
  ];
  return [
    ...bySchemaOfCycloneDx(bom),
    ...(new Set(refs).size === refs.length ? [] : ["a bom-ref is used twice"]),
    ...used.filter((ref) => !refs.includes(ref)).map((ref) => `${ref} is no component`),
  ];
};

const FACETS = {
  type: "object",
  additionalProperties: {
    type: "object",
    required: ["_producer", "_schemaURL"],
    properties: { _producer: { type: "string", format: "uri" }, _schemaURL: { type: "string", format: "uri" } },
  },
};
const DATASET = {
  type: "object",
  required: ["namespace", "name"],
  properties: {
    namespace: { type: "string", minLength: 1 },
    name: { type: "string", minLength: 1 },
    facets: FACETS,
    inputFacets: FACETS,
    outputFacets: FACETS,
  },
};
const runEvent = bySchema({
  type: "object",
  required: ["eventTime", "producer", "schemaURL", "run", "job"],
  properties: {
    eventType: { enum: ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"] },
    eventTime: { type: "string", format: "date-time" },
    producer: { type: "string", format: "uri" },
    schemaURL: { const: "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent" },
    run: {
      type: "object",
      required: ["runId"],
      properties: { runId: { type: "string", format: "uuid" }, facets: FACETS },
    },
    job: {
      type: "object",
      required: ["namespace", "name"],
      properties: { namespace: { type: "string" }, name: { type: "string" }, facets: FACETS },
    },
    inputs: { type: "array", items: DATASET },
    outputs: { type: "array", items: DATASET },
  },
});

/** OpenLineage 2-0-2: each event, and that a run begins once and ends at most once, not before it began. */
export const openLineageRules: Rules = (events: Json[]) => {
  const wrong = events.flatMap((event, i) => runEvent(event).map((error) => `event ${i}: ${error}`));
  const runs = Map.groupBy(events, (event) => event.run?.runId);
  for (const [id, ofRun] of runs) {
    const types = ofRun.map(({ eventType }) => eventType);
    const ends = types.slice(1).filter((type) => ["COMPLETE", "ABORT", "FAIL"].includes(type));
    if (types[0] !== "START" || types.length > 2 || ends.length !== types.length - 1) wrong.push(`run ${id}: ${types}`);
    if (ofRun.some(({ eventTime }) => eventTime < ofRun[0].eventTime)) wrong.push(`run ${id} ends before it begins`);
  }
  return wrong;
};

/** By relation: what its two ends are, and in which of the document's maps they stand. */
const PROV_ENDS: Readonly<Record<string, readonly (readonly [attribute: string, map: string])[]>> = {
  used: [
    ["prov:activity", "activity"],
    ["prov:entity", "entity"],
  ],
  wasGeneratedBy: [
    ["prov:entity", "entity"],
    ["prov:activity", "activity"],
  ],
  wasAssociatedWith: [
    ["prov:activity", "activity"],
    ["prov:agent", "agent"],
  ],
  wasAttributedTo: [
    ["prov:entity", "entity"],
    ["prov:agent", "agent"],
  ],
  wasDerivedFrom: [
    ["prov:generatedEntity", "entity"],
    ["prov:usedEntity", "entity"],
  ],
  hadMember: [
    ["prov:collection", "entity"],
    ["prov:entity", "entity"],
  ],
};

/** PROV-JSON: known maps, declared prefixes, qualified names, literals, and relations between things that are there. */
export const provRules: Rules = (document) => {
  const wrong: string[] = [];
  const { prefix, ...maps } = document;
  const prefixes = ["prov", ...Object.keys(prefix ?? {})];
  for (const [name, uri] of Object.entries(prefix ?? {})) if (!URL.canParse(String(uri))) wrong.push(`prefix ${name}`);
  const isName = (text: Json): boolean =>
    typeof text === "string" && /^[A-Za-z]\w*:[^:]+$/.test(text) && prefixes.includes(text.split(":")[0] ?? "");
  for (const [map, records] of Object.entries(maps) as [string, Json][]) {
    const ends = PROV_ENDS[map];
    if (ends === undefined && !["entity", "activity", "agent"].includes(map)) wrong.push(`${map} is no map of PROV`);
    for (const [id, record] of Object.entries(records) as [string, Json][]) {
      if (ends === undefined ? !isName(id) : !id.startsWith("_:") && !isName(id)) wrong.push(`${map} ${id} is no name`);
      for (const [attribute, to] of ends ?? []) {
        if (!Object.hasOwn(document[to] ?? {}, String(record[attribute]))) {
          wrong.push(`${map} ${id}: ${attribute} ${record[attribute]} is no ${to}`);
        }
      }
      for (const [attribute, value] of Object.entries(record) as [string, Json][]) {
        if (!isName(attribute)) wrong.push(`${map} ${id}: ${attribute} is no name`);
        if (/Time$|:time$/.test(attribute) && !DATE_TIME.test(String(value))) wrong.push(`${map} ${id}: ${attribute}`);
        if (typeof value === "object" && !(typeof value.$ === "string" && isName(value.type))) {
          wrong.push(`${map} ${id}: ${attribute} is no literal`);
        }
      }
    }
  }
  return wrong;
};

const dataset = bySchema({
  type: "object",
  required: [
    ...["@context", "@type", "conformsTo", "description", "license", "name", "url", "creator", "datePublished"],
    "distribution",
  ],
  properties: {
    "@type": { const: "sc:Dataset" },
    conformsTo: { const: "http://mlcommons.org/croissant/1.1" },
    description: { type: "string", minLength: 1 },
    name: { type: "string", minLength: 1 },
    license: { type: "string", format: "uri" },
    url: { type: "string", format: "uri" },
    creator: { type: "object", required: ["@type", "name"] },
    datePublished: { type: "string", format: "date-time" },
    version: { type: "string", pattern: "^\\d+\\.\\d+\\.\\d+$" },
    distribution: {
      type: "array",
      items: {
        type: "object",
        required: ["@type", "@id", "name", "contentUrl", "encodingFormat"],
        properties: {
          "@type": { enum: ["cr:FileObject", "cr:FileSet"] },
          contentUrl: { type: "string", format: "uri" },
          contentSize: { type: "string", pattern: "^\\d+ B$" },
          encodingFormat: { type: "string", pattern: "^\\w+/[\\w.+-]+$" },
          sha256: { type: "string", pattern: "^[0-9a-f]{64}$" },
        },
      },
    },
    recordSet: {
      type: "array",
      items: {
        type: "object",
        required: ["@type", "@id", "field"],
        properties: {
          "@type": { const: "cr:RecordSet" },
          field: {
            type: "array",
            items: {
              type: "object",
              required: ["@type", "@id", "dataType"],
              properties: {
                "@type": { const: "cr:Field" },
                dataType: { enum: ["sc:Integer", "sc:Text", "sc:Boolean"] },
              },
            },
          },
        },
      },
    },
  },
});

/** Croissant 1.1: required properties, the context's terms, ids used once, and records that have the fields declared. */
export const croissantRules: Rules = (document) => {
  const wrong = dataset(document);
  const context = document["@context"] ?? {};
  const terms: [string, string][] = [
    ["@vocab", "http://schema.org/"],
    ["sc", "http://schema.org/"],
    ["cr", "http://mlcommons.org/croissant/"],
    ["dct", "http://purl.org/dc/terms/"],
    ["conformsTo", "dct:conformsTo"],
    ["recordSet", "cr:recordSet"],
    ["field", "cr:field"],
    ["key", "cr:key"],
  ];
  for (const [term, iri] of terms) if (context[term] !== iri) wrong.push(`@context ${term} is ${context[term]}`);
  const sets: Json[] = document.recordSet ?? [];
  const ids = [...(document.distribution ?? []), ...sets, ...sets.flatMap(({ field }) => field)].map((it) => it["@id"]);
  if (new Set(ids).size !== ids.length) wrong.push("an @id is used twice");
  for (const { field, data, key } of sets) {
    const fields: string[] = field.map((it: Json) => it["@id"]);
    if (!fields.includes(key["@id"])) wrong.push(`key ${key["@id"]} is no field`);
    const keys = data.map((record: Json) => record[key["@id"]]);
    if (new Set(keys).size !== keys.length) wrong.push("two records have one key");
    for (const record of data) {
      if (Object.keys(record).join() !== fields.join()) wrong.push(`a record has ${Object.keys(record)}`);
    }
  }
  return wrong;
};
