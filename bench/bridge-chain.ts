/** Posting and derivation of a chain of transfers, by the node's own poster and deriver on a real L1. */
import { deflateSync } from "node:zlib";
import { hexToBytes as fromHex, type Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { encodePayload } from "../bridge/batch.ts";
import { bigIntToFixed, equalsBytes } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";
import { batchBlockOf } from "../node/l1/batch-rules.ts";
import { beaconBlobs, blobSigner } from "../node/l1/blobs.ts";
import { Deriver } from "../node/l1/derive.ts";
import { Poster } from "../node/l1/poster.ts";
import { L1Sender } from "../node/l1/sender.ts";
import { signed } from "../node/testing/world.ts";
import { EPOCH_BLOCKS, type TestL1, TestL2, testL1 } from "../test/helpers/l1-world.ts";

const KEY: Hex = `0x${"45".repeat(32)}`;
const POSTER = privateKeyToAccount(KEY);
/** Up to the end of the first epoch: one batch. */
const BLOCKS = EPOCH_BLOCKS - 1;
const TRANSFERS_PER_BLOCK = 215;
const MOST_L1_BLOCKS = 30;

export interface Posting {
  readonly transactions: number;
  readonly l1Transactions: number;
  readonly gas: bigint;
  readonly blobGas: bigint;
}

export interface ChainFigures {
  readonly calldata: Posting;
  readonly blobs: Posting;
  /** Of a batch's payload: as it is, as the node compresses it, and by zlib, which the OP Stack's channels use. */
  readonly bytes: { readonly plain: number; readonly zlib: number };
  readonly calldataBytes: number;
  readonly deriveSeconds: number;
  readonly importSeconds: number;
}

/** Every one to an account of its own, with an amount of its own: little repeats. */
async function makeChain(l2: TestL2): Promise<void> {
  for (let block = 0; block < BLOCKS; block++) {
    const transfers = Array.from({ length: TRANSFERS_PER_BLOCK }, (_, i) => {
      const index = block * TRANSFERS_PER_BLOCK + i;
      const random = keccak256(bigIntToFixed(BigInt(index), 4));
      const value = BigInt(`0x${Buffer.from(random.subarray(0, 5)).toString("hex")}`);
      return signed(index % 2, BigInt(Math.floor(index / 2)), { to: random.subarray(12), value });
    });
    await l2.extend(transfers);
    const count = l2.chain.headBlock.transactions.length - 1;
    if (count !== TRANSFERS_PER_BLOCK) throw new Error(`a block has ${count} of ${TRANSFERS_PER_BLOCK} transfers`);
  }
}

async function post(world: TestL1, l2: TestL2, data: "calldata" | "blobs"): Promise<Posting> {
  const { client: anvil } = world.anvil;
  await anvil.setBalance({ address: POSTER.address, value: 10n ** 20n });
  const { chain, watcher, safeHead, store, clock, client } = l2;
  const { log } = l2.log;
  const readTo = () => safeHead.readTo;
  const limits = { maxFeePerGas: 500_000_000_000n, bumpAfterMs: 60_000 };
  const common = { chain, watcher, safeHead, store, clock, log };
  const sender = new L1Sender({ ...common, client, privateKey: fromHex(KEY), readTo, blobs: blobSigner, ...limits });
  const poster = new Poster({
    ...common,
    sender,
    inbox: world.l1.inbox,
    epochBlocks: BigInt(EPOCH_BLOCKS),
    data,
    validators: () => chain.validatorSet(0)!,
    publicKey: undefined,
    maxAgeMs: 0,
  });
  const head = chain.head.number;
  for (let i = 0; safeHead.safe < head; i++) {
    if (i === MOST_L1_BLOCKS) throw new Error(`only ${safeHead.safe} of ${head} blocks are on L1`);
    // Nobody's turn here: whatever is due is posted after everybody else's time.
    clock.setMs(clock.nowMs() + 1_000_000);
    await poster.tick();
    await world.mine();
    await l2.follow();
  }
  const posting = { transactions: BLOCKS * TRANSFERS_PER_BLOCK, l1Transactions: 0, gas: 0n, blobGas: 0n };
  for (let number = 0n, last = await anvil.getBlockNumber(); number <= last; number++) {
    const { transactions } = await anvil.getBlock({ blockNumber: number });
    for (const hash of transactions) {
      const { from, gasUsed, blobGasUsed = 0n } = await anvil.getTransactionReceipt({ hash });
      if (from !== POSTER.address.toLowerCase()) continue;
      posting.l1Transactions++;
      posting.gas += gasUsed;
      posting.blobGas += blobGasUsed;
    }
  }
  return posting;
}

/** A node that has nothing but L1. */
async function derive(world: TestL1, l2: TestL2): Promise<number> {
  await world.mine(3);
  const other = await TestL2.open(world);
  await other.watcher.poll();
  const { chain, watcher, sources, rules, log } = other;
  const deriver = new Deriver({ chain, watcher, parameters: world.l1, sources, rules, log: log.log });
  const begin = performance.now();
  await deriver.advance();
  const seconds = (performance.now() - begin) / 1_000;
  if (!equalsBytes(chain.head.hash, l2.chain.head.hash)) throw new Error("L1 gives another chain");
  other.client.stop();
  return seconds;
}

/** The peer of derivation: the same blocks, as they come from other nodes. */
async function importBlocks(world: TestL1, l2: TestL2): Promise<number> {
  const other = await TestL2.open(world);
  const begin = performance.now();
  for (let number = 1n; number <= BigInt(BLOCKS); number++) {
    const parent = other.chain.head.hash;
    const verified = await other.chain.verify(l2.chain.rawAt(number)!, parent);
    if (!verified.ok) throw new Error(`block ${number} is refused`);
    await other.chain.commitThrough(verified.hash, undefined);
  }
  const seconds = (performance.now() - begin) / 1_000;
  other.client.stop();
  return seconds;
}

export async function measureChain(): Promise<ChainFigures> {
  const world = await testL1();
  try {
    const blobs = beaconBlobs({ url: world.anvil.url, blockId: ({ number }) => String(number) });
    const l2 = await TestL2.open(world, { blobs });
    await l2.follow();
    await makeChain(l2);
    const snapshot = await world.anvil.client.snapshot();
    const byBlobs = await post(world, await reopened(world, l2, blobs), "blobs");
    await world.anvil.client.revert({ id: snapshot });
    const poster = await reopened(world, l2, blobs);
    const calldata = await post(world, poster, "calldata");
    const inputs = await callsOf(world);
    const { chain } = l2;
    const plain = encodePayload({
      first: 1n,
      parentHash: chain.genesisHash,
      blocks: Array.from({ length: BLOCKS }, (_, i) => batchBlockOf(chain.block(BigInt(i + 1))!)),
      certificate: chain.certificate(BigInt(BLOCKS))!,
    });
    // Once to get warm.
    await importBlocks(world, l2);
    const importSeconds = await importBlocks(world, l2);
    const deriveSeconds = await derive(world, l2);
    l2.client.stop();
    const bytes = { plain: plain.length, zlib: deflateSync(plain, { level: 9 }).length };
    return { calldata, blobs: byBlobs, bytes, calldataBytes: inputs, deriveSeconds, importSeconds };
  } finally {
    await world.anvil.stop();
  }
}

/** What it knows of L1 is of before; both ways of posting begin there. */
async function reopened(world: TestL1, l2: TestL2, blobs: NonNullable<TestL2["sources"]["blobs"]>): Promise<TestL2> {
  const copy = await TestL2.open(world, { store: l2.store.copy(), blobs });
  await copy.follow();
  return copy;
}

/** Bytes of calldata that the poster sent. */
async function callsOf(world: TestL1): Promise<number> {
  const { client } = world.anvil;
  let bytes = 0;
  for (let number = 0n, last = await client.getBlockNumber(); number <= last; number++) {
    const { transactions } = await client.getBlock({ blockNumber: number, includeTransactions: true });
    for (const { from, input } of transactions) {
      if (from === POSTER.address.toLowerCase()) bytes += (input.length - 2) / 2;
    }
  }
  return bytes;
}
