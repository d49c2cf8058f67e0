/**
 * What the client asks. Operations by name, each whole with the fragments that it spreads.
 * `scripts/write-client-types.ts` writes the types of the answers from here and from the schema (answers.d.ts), and
 * the names of the fields that are integers without bound (integers.js).
 */

const BLOCK_REF = `fragment BlockRef on Block { number hash timestamp }`;

const OUTPUT = `fragment Output on Inference {
  id state audience
  block { ...BlockRef } tx
  committed { block { ...BlockRef } tx }
  closed { block { ...BlockRef } tx }
  settleAfter fault
  model { id name kind licence owner { address } }
  host { address } payer { address }
  requestRoot requestBytes outputRoot outputBytes coveredBytes
  escrow fee platformFee refund contributorsPaid modelPaid stakersPaid treasuryPaid slashed
}`;

const ATTRIBUTION = `fragment Attribution on Attribution {
  weight weightPpm licence paid
  contributor { address }
  datanet { id name }
  contribution { id contentRoot uri size consent block { ...BlockRef } tx }
  spans { outputStart length contentOffset weight }
}`;

const LINEAGE_NODE = `fragment LineageNode on LineageNode {
  id depth
  entity {
    __typename
    ... on Contribution { id contentRoot uri licence contributor { address } }
    ... on Datanet { id name licence owner { address } }
    ... on Inference { id outputRoot state }
    ... on Model { id name kind licence owner { address } }
  }
}`;

const LINEAGE_EDGE = `fragment LineageEdge on LineageEdge { from to kind weight weightPpm version tx }`;

const REWARD = `fragment Reward on Reward {
  id kind amount weight block { ...BlockRef } tx
  account { address } inference { id outputRoot } contribution { id } model { id }
}`;

const EARNING = `fragment Earning on Contribution {
  id contentRoot uri size licence status consent earned rewardCount datanet { id name } block { ...BlockRef } tx
}`;

export const documents = {
  meta: `query Meta {
  _meta { block { ...BlockRef } hasIndexingErrors deployment schemaVersion }
}
${BLOCK_REF}`,

  output: `query OutputById($id: ID!) {
  inference(id: $id) { ...Output }
}
${OUTPUT}
${BLOCK_REF}`,

  outputByRoot: `query OutputByRoot($root: Bytes!) {
  outputByRoot(root: $root) { ...Output }
}
${OUTPUT}
${BLOCK_REF}`,

  lineage: `query Lineage($output: ID!, $maxDepth: Int!, $maxNodes: Int!) {
  lineage(output: $output, maxDepth: $maxDepth, maxNodes: $maxNodes) {
    root { ...Output }
    attributions { ...Attribution }
    nodes { ...LineageNode }
    edges { ...LineageEdge }
    truncated
    asOf { ...BlockRef }
  }
}
${OUTPUT}
${ATTRIBUTION}
${LINEAGE_NODE}
${LINEAGE_EDGE}
${BLOCK_REF}`,

  account: `query Account($address: Address!) {
  account(address: $address) {
    address accrued claimed claimable rewardCount stake rewardTotals { kind amount count }
  }
}`,

  rewards: `query Rewards($account: Address!, $kind: RewardKind, $order: ListOrder!, $first: Int!, $after: String) {
  rewards(account: $account, kind: $kind, order: $order, first: $first, after: $after) {
    nodes { ...Reward } pageInfo { hasNextPage endCursor }
  }
}
${REWARD}
${BLOCK_REF}`,

  earnings: `query Earnings($contributor: Address!, $order: ListOrder!, $first: Int!, $after: String) {
  contributions(contributor: $contributor, order: $order, first: $first, after: $after) {
    nodes { ...Earning } pageInfo { hasNextPage endCursor }
  }
}
${EARNING}
${BLOCK_REF}`,

  contributionRewards: `query ContributionRewards($id: ID!, $order: ListOrder!, $first: Int!, $after: String) {
  contribution(id: $id) {
    rewards(order: $order, first: $first, after: $after) {
      nodes { ...Reward } pageInfo { hasNextPage endCursor }
    }
  }
}
${REWARD}
${BLOCK_REF}`,
};
