/** What the exports ask. `scripts/write-client-types.ts` writes the types of the answers from here (answers.ts). */

const MOMENT = `fragment Moment on Block { number hash timestamp }`;

const NODE = `fragment ExportNode on LineageNode {
  id
  depth
  entity {
    __typename
    ... on Contribution {
      id contentRoot uri size licence consent contributor { address } block { ...Moment } tx
    }
    ... on Datanet { id name licence domain owner { address } block { ...Moment } tx }
    ... on Inference { id state outputRoot host { address } block { ...Moment } tx }
    ... on Model { id name kind licence artifactHash configHash owner { address } block { ...Moment } tx }
  }
}`;

const EDGE = `fragment ExportEdge on LineageEdge { from to kind weight weightPpm version tx block { ...Moment } }`;

const ROOT = `fragment ExportRoot on Inference {
  id state audience fault
  block { ...Moment } tx
  committed { block { ...Moment } tx }
  closed { block { ...Moment } tx }
  model { id } host { address } payer { address }
  requestRoot requestBytes outputRoot outputBytes coveredBytes fee
}`;

const MODEL = `fragment ExportModel on Model {
  id name kind licence metadataUri artifactHash configHash owner { address } parent { id }
  data { version datanet { id name licence domain metadataUri modality owner { address } } }
  block { ...Moment } tx
}`;

const DATANET = `fragment ExportDatanet on Datanet {
  id name domain licence metadataUri modality access owner { address } block { ...Moment } tx
}`;

const VERSION = `fragment ExportVersion on DatanetVersion { version count root block { ...Moment } tx }`;

const CONTRIBUTION = `fragment ExportContribution on Contribution {
  id leafIndex contentRoot uri size licence consent score contributor { address } block { ...Moment } tx
}`;

/** All of one document are asked at one block. */
export const exportDocuments = {
  output: `query ExportOutput($of: ID!, $maxNodes: Int!, $block: BlockSelector!) {
  lineage(of: $of, maxDepth: 64, maxNodes: $maxNodes, block: $block) {
    root { ...ExportRoot attributions { contribution { id } weight weightPpm paid } }
    nodes { ...ExportNode }
    edges { ...ExportEdge }
    truncated
    asOf { ...Moment }
  }
}
${ROOT}
${NODE}
${EDGE}
${MOMENT}`,

  model: `query ExportModelById($id: ID!, $block: BlockSelector!) {
  model(id: $id, block: $block) { ...ExportModel }
}
${MODEL}
${MOMENT}`,

  datanet: `query ExportDatanetById($id: ID!, $block: BlockSelector!) {
  datanet(id: $id, block: $block) { ...ExportDatanet }
}
${DATANET}
${MOMENT}`,

  versions: `query ExportVersions($datanet: ID!, $first: Int!, $after: String, $block: BlockSelector!) {
  datanet(id: $datanet, block: $block) {
    versions(first: $first, after: $after) { nodes { ...ExportVersion } pageInfo { hasNextPage endCursor } }
  }
}
${VERSION}
${MOMENT}`,

  contributions: `query ExportContributions($datanet: ID!, $first: Int!, $after: String, $block: BlockSelector!) {
  contributions(datanet: $datanet, status: ACCEPTED, first: $first, after: $after, block: $block) {
    nodes { ...ExportContribution } pageInfo { hasNextPage endCursor }
  }
}
${CONTRIBUTION}
${MOMENT}`,
};
