/** What GraphiQL shows first: queries that work on a devnet. Each is named, so that the play button offers them all. */
export const EXAMPLE_QUERIES = `# Where does an output come from, and who was paid for it?
query Lineage {
  _meta { block { number timestamp } hasIndexingErrors }
  lineage(output: "1") {
    root { outputRoot fee coveredBytes outputBytes model { name parent { name } } }
    attributions {
      weight
      weightPpm
      licence
      paid
      contributor { address }
      contribution { id uri datanet { name } }
    }
    truncated
    asOf { number }
  }
  inferences(first: 5, order: NEWEST) { totalCount nodes { id state fee } }
}

# What does each piece of data earn? Runs until it is stopped.
subscription Rewards {
  rewardEarned {
    amount
    kind
    account { address accrued }
    contribution { id uri }
    block { number }
  }
}

# Every block.
subscription Head {
  head { number hash eventCount }
}
`;
