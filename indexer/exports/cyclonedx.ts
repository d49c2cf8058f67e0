/**
 * A model as CycloneDX 1.6 ML-BOM: the model, its ancestors and the Datanet versions that each was trained on, as
 * components and their dependencies. https://cyclonedx.org/docs/1.6/json/
 */
import type { ExportModel, Moment } from "./answers.ts";
import { chainUri, dateTime, type ExportContext, uriOrUndefined, uuidOf } from "./names.ts";

export interface Bom {
  readonly $schema: string;
  readonly bomFormat: "CycloneDX";
  readonly specVersion: "1.6";
  readonly serialNumber: string;
  readonly version: 1;
  readonly metadata: object;
  readonly components: readonly object[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

type DataOfModel = ExportModel["data"][number];

/**
 * `models`: the model, then its parent, and so on to the base. What is registered never changes but prices, which are
 * not in it, so the document depends on the model alone; `asOf` dates it.
 */
export function cycloneDxBom(models: readonly ExportModel[], asOf: Moment, context: ExportContext): Bom {
  const [subject, ...ancestors] = models;
  if (subject === undefined) throw new Error("a bill of materials is of a model");
  const namespace = chainUri(context);
  const data = new Map(models.flatMap((model) => model.data.map((entry) => [dataRef(entry), entry])));
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuidOf(`${namespace}:bom:${subject.id}:${asOf.hash}`)}`,
    version: 1,
    metadata: {
      timestamp: dateTime(asOf.timestamp),
      tools: { components: [{ type: "application", name: "openledger", version: context.programVersion }] },
      component: modelComponent(subject),
      properties: [property("chain", namespace), property("block", asOf.number), property("blockHash", asOf.hash)],
    },
    components: [...ancestors.map(modelComponent), ...[...data.values()].map(dataComponent)],
    dependencies: [
      ...models.map((model) => ({
        ref: modelRef(model.id),
        dependsOn: [...(model.parent === null ? [] : [modelRef(model.parent.id)]), ...new Set(model.data.map(dataRef))],
      })),
      ...[...data.keys()].map((ref) => ({ ref, dependsOn: [] })),
    ],
  };
}

const modelRef = (id: string): string => `model:${id}`;
const dataRef = ({ datanet, version }: DataOfModel): string => `datanet:${datanet.id}@${version}`;
const property = (name: string, value: string): object => ({ name: `openledger:${name}`, value });

function modelComponent(model: ExportModel): object {
  const { id, name, kind, licence, metadataUri, artifactHash, configHash, owner, parent, data, block, tx } = model;
  return {
    type: "machine-learning-model",
    "bom-ref": modelRef(id),
    name,
    publisher: owner.address,
    licenses: licences(licence),
    ...references(metadataUri),
    ...(parent !== null && {
      pedigree: { ancestors: [{ type: "machine-learning-model", name: modelRef(parent.id) }] },
    }),
    modelCard: {
      modelParameters: { datasets: [...new Set(data.map(dataRef))].map((ref) => ({ ref })) },
    },
    properties: [
      property("modelId", id),
      property("kind", kind),
      // Its algorithm is for whoever registers to say, so it cannot stand among `hashes`.
      property("artifactHash", artifactHash),
      property("configHash", configHash),
      property("registrationBlock", block.number),
      property("registrationTransaction", tx),
    ],
  };
}

function dataComponent(entry: DataOfModel): object {
  const { datanet, version } = entry;
  return {
    type: "data",
    "bom-ref": dataRef(entry),
    name: datanet.name,
    version: String(version),
    publisher: datanet.owner.address,
    licenses: licences(datanet.licence),
    ...references(datanet.metadataUri),
    data: [
      {
        type: "dataset",
        name: datanet.name,
        description: `Version ${version} of Datanet ${datanet.id}: ${datanet.domain}`,
        governance: { owners: [{ organization: { name: datanet.owner.address } }] },
      },
    ],
    properties: [
      property("datanetId", datanet.id),
      property("datanetVersion", String(version)),
      property("modality", datanet.modality),
    ],
  };
}

/** Identifiers of SPDX by id; others by name, because the schema knows SPDX's alone. */
function licences(licence: string): object[] {
  const isSpdx = !licence.startsWith("LicenseRef-") && licence !== "NONE";
  return [{ license: isSpdx ? { id: licence } : { name: licence } }];
}

function references(metadataUri: string): object {
  const url = uriOrUndefined(metadataUri);
  return url === undefined ? {} : { externalReferences: [{ type: "other", url, comment: "metadata" }] };
}
