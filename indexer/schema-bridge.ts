/** GraphQL types of what comes from L1 and goes there, of the blocks, and of the stakes. */
import { Block, found, OnChain, StakeKind } from "./schema-builder.ts";
import { Node } from "./schema-nodes.ts";
import { Account, Deposit, StakeMovement, ValidatorSet, Withdrawal } from "./schema-refs.ts";

Block.implement({
  interfaces: [Node],
  fields: (t) => ({
    number: t.field({ type: "BigInt", resolve: ({ block }) => block }),
    hash: t.expose("hash", { type: "Bytes" }),
    parentHash: t.expose("parent_hash", { type: "Bytes" }),
    timestamp: t.expose("timestamp", { type: "Timestamp" }),
    gasUsed: t.expose("gas_used", { type: "BigInt" }),
    transactionCount: t.exposeInt("transactions"),
    eventCount: t.exposeInt("events", { description: "Events of the native operations." }),
  }),
});

StakeMovement.implement({
  description: "A host's stake: deposited, withdrawn, or slashed by a proven challenge.",
  interfaces: [OnChain, Node],
  fields: (t) => ({
    host: t.field({ type: Account, resolve: ({ host }) => ({ address: host }) }),
    kind: t.expose("kind", { type: StakeKind }),
    amount: t.expose("amount", { type: "BigInt", description: "Wei." }),
    total: t.expose("total", { type: "BigInt", description: "Wei at stake afterwards." }),
  }),
});

Deposit.implement({
  description: "A deposit from L1 as it arrived.",
  interfaces: [Node],
  fields: (t) => ({
    block: t.field({ type: Block, resolve: ({ block }, _, { reader }) => found(reader.block.load(block)) }),
    tx: t.expose("tx_hash", { type: "Bytes" }),
    transactionIndex: t.exposeInt("tx_index"),
    sourceHash: t.expose("source_hash", { type: "Bytes", description: "Names its event on L1." }),
    sender: t.field({ type: Account, resolve: ({ sender }) => ({ address: sender }) }),
    recipient: t.field({
      type: Account,
      nullable: true,
      description: "Null where it created a contract.",
      resolve: ({ recipient }) => (recipient === null ? null : { address: recipient }),
    }),
    mint: t.expose("mint", { type: "BigInt", description: "Wei that it brought." }),
    value: t.expose("value", { type: "BigInt", description: "Wei that it passed on." }),
    succeeded: t.boolean({
      description: "Whether its call did: what failed has minted nevertheless.",
      resolve: ({ succeeded }) => succeeded === 1,
    }),
  }),
});

Withdrawal.implement({
  description: "A message to L1.",
  interfaces: [OnChain, Node],
  fields: (t) => ({
    nonce: t.expose("nonce", { type: "BigInt" }),
    sender: t.field({ type: Account, resolve: ({ sender }) => ({ address: sender }) }),
    target: t.expose("target", { type: "Address", description: "On L1." }),
    value: t.expose("value", { type: "BigInt", description: "Wei." }),
    gasLimit: t.expose("gas_limit", { type: "BigInt", description: "Of its call on L1." }),
    withdrawalHash: t.expose("withdrawal_hash", { type: "Bytes" }),
  }),
});

ValidatorSet.implement({
  description: "A snapshot of the validator registry that arrived from L1.",
  interfaces: [OnChain, Node],
  fields: (t) => ({
    number: t.field({ type: "BigInt", resolve: ({ number }) => number }),
    setHash: t.expose("set_hash", { type: "Bytes" }),
    count: t.exposeInt("count", { description: "Validators in it." }),
    totalStake: t.expose("total_stake", { type: "BigInt", description: "Wei." }),
  }),
});
