/**
 * A Datanet version as Croissant 1.1 (JSON-LD): its contributions as files, and as records what the chain says of them.
 * https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html
 */
import type { ExportContribution, ExportDatanet, ExportVersion } from "./answers.ts";
import { chainUri, dateTime, type ExportContext, licenceUri, uriOrUndefined } from "./names.ts";

export interface CroissantInput {
  readonly datanet: ExportDatanet;
  readonly version: ExportVersion;
  /** Those of the version, in the order of their leaves. */
  readonly contributions: readonly ExportContribution[];
  /** Where contents are served, as `<contentUrl>/content/<root>`; without it the URI on chain is given. */
  readonly contentUrl?: string | undefined;
  /** SHA-256 of contents, lower-case hex by content root: the chain has none. */
  readonly sha256?: ReadonlyMap<string, string> | undefined;
}

/** Appendix 1 of the specification, as far as this document uses it, and PROV-O for who contributed what. */
const JSON_LD_CONTEXT = {
  "@language": "en",
  "@vocab": "http://schema.org/",
  sc: "http://schema.org/",
  cr: "http://mlcommons.org/croissant/",
  dct: "http://purl.org/dc/terms/",
  prov: "http://www.w3.org/ns/prov#",
  conformsTo: "dct:conformsTo",
  data: { "@id": "cr:data", "@type": "@json" },
  dataType: { "@id": "cr:dataType", "@type": "@vocab" },
  examples: { "@id": "cr:examples", "@type": "@json" },
  field: "cr:field",
  isLiveDataset: "cr:isLiveDataset",
  key: "cr:key",
  recordSet: "cr:recordSet",
} as const;

const MEDIA_TYPES: Readonly<Record<ExportDatanet["modality"], string>> = {
  TEXT: "text/plain",
  // Which format an image or a recording has is not on chain.
  IMAGE: "application/octet-stream",
  AUDIO: "application/octet-stream",
};

/** Columns of the record set, and the schema.org type of each. */
const COLUMNS = [
  ["id", "sc:Integer", "Global sequence number of the contribution"],
  ["leaf", "sc:Integer", "Its place in the version"],
  ["contentRoot", "sc:Text", "Root of its content tree"],
  ["size", "sc:Integer", "Bytes"],
  ["contributor", "sc:Text", "Address that contributed it"],
  ["licence", "sc:Text", "SPDX identifier"],
  ["score", "sc:Integer", "Set on acceptance, 0 to 10,000"],
  ["consent", "sc:Boolean", "Whether the contributor's consent stands"],
  ["block", "sc:Integer", "Block that recorded it"],
  ["transaction", "sc:Text", "Transaction that recorded it"],
] as const;

export function croissant(input: CroissantInput, context: ExportContext): Record<string, unknown> {
  const { datanet, version, contributions } = input;
  const uri = `${chainUri(context)}:datanet/${datanet.id}@${version.version}`;
  return {
    "@context": JSON_LD_CONTEXT,
    "@type": "sc:Dataset",
    "@id": uri,
    name: datanet.name,
    conformsTo: "http://mlcommons.org/croissant/1.1",
    description:
      `${datanet.domain}: version ${version.version} of Datanet ${datanet.id} on OpenLedger, ` +
      `${version.count} contributions with root ${version.root}`,
    license: licenceUri(datanet.licence),
    url: uriOrUndefined(datanet.metadataUri) ?? uri,
    creator: { "@type": "sc:Organization", name: datanet.owner.address, identifier: datanet.owner.address },
    datePublished: dateTime(version.block.timestamp),
    dateCreated: dateTime(datanet.block.timestamp),
    // A version is a prefix of the next one: by semantic versioning a minor step.
    version: `1.${version.version}.0`,
    isLiveDataset: false,
    keywords: [datanet.domain, datanet.modality.toLowerCase()],
    identifier: version.root,
    distribution: contributions.map((contribution) => fileObject(contribution, input)),
    recordSet: [recordSet(contributions)],
  };
}

function fileObject(contribution: ExportContribution, { datanet, contentUrl, sha256 }: CroissantInput): object {
  const { id, contentRoot, size, uri, licence, contributor, block } = contribution;
  const checksum = sha256?.get(contentRoot);
  const served = contentUrl === undefined ? undefined : `${contentUrl.replace(/\/$/, "")}/content/${contentRoot}`;
  return {
    "@type": "cr:FileObject",
    "@id": `contribution/${id}`,
    name: contentRoot,
    contentUrl: served ?? uri,
    contentSize: `${size} B`,
    encodingFormat: MEDIA_TYPES[datanet.modality],
    ...(checksum !== undefined && { sha256: checksum }),
    identifier: contentRoot,
    license: licenceUri(licence),
    "prov:wasAttributedTo": { "@type": "prov:Agent", "prov:label": contributor.address },
    "prov:generatedAtTime": dateTime(block.timestamp),
  };
}

function recordSet(contributions: readonly ExportContribution[]): object {
  const name = "contributions";
  return {
    "@type": "cr:RecordSet",
    "@id": name,
    name,
    description: "What the chain says of each contribution",
    key: { "@id": `${name}/id` },
    field: COLUMNS.map(([column, dataType, description]) => ({
      "@type": "cr:Field",
      "@id": `${name}/${column}`,
      name: column,
      description,
      dataType,
    })),
    data: contributions.map((contribution) =>
      Object.fromEntries(Object.entries(recordOf(contribution)).map(([column, value]) => [`${name}/${column}`, value])),
    ),
  };
}

const recordOf = (contribution: ExportContribution): Record<(typeof COLUMNS)[number][0], unknown> => ({
  id: Number(contribution.id),
  leaf: contribution.leafIndex,
  contentRoot: contribution.contentRoot,
  size: Number(contribution.size),
  contributor: contribution.contributor.address,
  licence: contribution.licence,
  score: contribution.score,
  consent: contribution.consent,
  block: Number(contribution.block.number),
  transaction: contribution.tx,
});
