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
  meta: `query Meta($block: BlockSelector) {
  _meta(block: $block) {
    block { ...BlockRef } safe { ...BlockRef } finalized { ...BlockRef } chainHead
    hasIndexingErrors deployment schemaVersion
  }
}
${BLOCK_REF}`,

  output: `query OutputById($id: ID!, $block: BlockSelector) {
  inference(id: $id, block: $block) { ...Output }
}
${OUTPUT}
${BLOCK_REF}`,

  outputByRoot: `query OutputByRoot($root: Bytes!, $block: BlockSelector) {
  outputByRoot(root: $root, block: $block) { ...Output }
}
${OUTPUT}
${BLOCK_REF}`,

  lineage: `query Lineage(
  $of: ID!, $direction: LineageDirection!, $kinds: [LineageEdgeKind!]
  $maxDepth: Int!, $maxNodes: Int!, $block: BlockSelector
) {
  lineage(of: $of, direction: $direction, kinds: $kinds, maxDepth: $maxDepth, maxNodes: $maxNodes, block: $block) {
    of
    root { ...Output attributions { ...Attribution } }
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

  account: `query Account($address: Address!, $block: BlockSelector) {
  account(address: $address, block: $block) {
    address accrued claimed claimable rewardCount stake rewardTotals { kind amount count }
  }
}`,

  rewardSeries: `query RewardSeries(
  $address: Address!, $from: Timestamp!, $to: Timestamp!, $interval: Interval!, $block: BlockSelector
) {
  account(address: $address, block: $block) {
    rewardSeries(from: $from, to: $to, interval: $interval) { start seconds amount count }
  }
}`,

  rewards: `query Rewards(
  $account: Address!, $kind: RewardKind, $order: ListOrder!, $first: Int!, $after: String, $block: BlockSelector
) {
  rewards(account: $account, kind: $kind, order: $order, first: $first, after: $after, block: $block) {
    nodes { ...Reward } pageInfo { hasNextPage endCursor }
  }
}
${REWARD}
${BLOCK_REF}`,

  earnings: `query Earnings($contributor: Address!, $order: ListOrder!, $first: Int!, $after: String, $block: BlockSelector) {
  contributions(contributor: $contributor, order: $order, first: $first, after: $after, block: $block) {
    nodes { ...Earning } pageInfo { hasNextPage endCursor }
  }
}
${EARNING}
${BLOCK_REF}`,

  contributionRewards: `query ContributionRewards(
  $id: ID!, $order: ListOrder!, $first: Int!, $after: String, $block: BlockSelector
) {
  contribution(id: $id, block: $block) {
    rewards(order: $order, first: $first, after: $after) {
      nodes { ...Reward } pageInfo { hasNextPage endCursor }
    }
  }
}
${REWARD}
${BLOCK_REF}`,

  newRewards: `query NewRewards($account: Address!, $kind: RewardKind, $first: Int!, $after: String) {
  _meta { block { number } }
  rewards(account: $account, kind: $kind, order: OLDEST, first: $first, after: $after) {
    edges { cursor node { ...Reward } } pageInfo { hasNextPage }
  }
}
${REWARD}
${BLOCK_REF}`,

  head: `subscription Head {
  head { number }
}`,
};
