/** A chain with an L1: its genesis, blocks with deposits, what is stored, travels and is shown of them. */
import { chainConfig } from "viem/op-stack";
import { expect, test } from "vitest";
import { encodeDeposit, sourceHash } from "../bridge/deposit.ts";
import { attributesDeposit, type L1Attributes } from "../bridge/l1-attributes.ts";
import { aliasAddress, L1_FEE_VAULT_ADDRESS } from "../core/addresses.ts";
import { bytesToHex, EMPTY_BYTES } from "../core/bytes.ts";
import type { Transaction } from "../core/chain.ts";
import { keccak256 } from "../core/crypto.ts";
import { readL1FeeScalars, readL1Origin } from "../execution/block/l1-origin.ts";
import { Mempool } from "../execution/mempool.ts";
import { l1DataFee } from "../execution/tx/l1-fee.ts";
import { PRECOMPILES } from "../precompiles/table.ts";
import { Chain } from "./chain.ts";
import { blockDecoder, readBlock } from "./chain-store.ts";
import { rewardPercentiles, suggestTip } from "./rpc/fees.ts";
import { formatReceipt, formatTransaction } from "./rpc/format.ts";
import { setup } from "./rpc/testing/setup.ts";
import { decodeReceipts, encodeReceipts } from "./sync/receipts.ts";
import { testL1Parameters } from "./testing/l1.ts";
import { CHAIN_ID, FakeStore, rich, signed, testGenesis } from "./testing/world.ts";

const START = 1_700_000_000n;
const address = (fill: number) => new Uint8Array(20).fill(fill);
const L1 = testL1Parameters({ number: 50n, hash: new Uint8Array(32).fill(0x50), timestamp: START - 100n });

const genesisOf = (scalars = { l1BaseFeeScalar: 1_368n, l1BlobBaseFeeScalar: 810_949n }) => {
  const plain = testGenesis([rich(0), rich(1)], { l1: L1 });
  return { ...plain, parameters: { ...plain.parameters, ...scalars } };
};

/** What a block on the head takes from the next L1 block, with deposits of users. */
function l1Input(chain: Chain, users: readonly Uint8Array[] = []) {
  const before = readL1Origin(chain.headState);
  const attributes: L1Attributes = {
    number: before.number + 1n,
    hash: new Uint8Array(32).fill(Number(before.number + 1n)),
    timestamp: before.timestamp + 12n,
    baseFeeWei: 30_000_000_000n,
    blobBaseFeeWei: 1n,
    sequenceNumber: 0n,
    ...readL1FeeScalars(chain.headState),
  };
  return {
    deposits: [encodeDeposit(attributesDeposit(attributes)), ...users],
    prevRandao: keccak256(attributes.hash),
    parentBeaconBlockRoot: keccak256(keccak256(attributes.hash)),
  };
}

const FROM = aliasAddress(address(0xc0));
const creation = encodeDeposit({
  sourceHash: sourceHash("user", new Uint8Array(32), 3n),
  from: FROM,
  to: undefined,
  mintWei: 7n,
  valueWei: 2n,
  gasLimit: 200_000n,
  isSystem: false,
  data: Uint8Array.of(0x60, 1, 0x5f, 0x53, 0x60, 1, 0x5f, 0xf3), // returns the code 0x01
});
const message = encodeDeposit({
  sourceHash: sourceHash("user", new Uint8Array(32), 4n),
  from: FROM,
  to: address(0xc1),
  mintWei: 0n,
  valueWei: 0n,
  gasLimit: 30_000n,
  isSystem: false,
  data: Uint8Array.of(1),
});

async function extended(chain: Chain, candidates: readonly Transaction[], users: readonly Uint8Array[] = []) {
  const head = chain.headBlock;
  const made = await chain.propose({
    candidates,
    timestamp: START + head.header.number + 1n,
    feeAddress: address(0xfe),
    isOutOfTime: () => false,
    l1: l1Input(chain, users),
  });
  await chain.commit(made);
  return made;
}

const opened = async (store = new FakeStore(), genesis = genesisOf()) => {
  const chain = await Chain.open(store, genesis, PRECOMPILES);
  return { store, chain };
};

test("genesis has the origin, and a block without L1 attributes cannot be made", async () => {
  const { chain } = await opened();
  expect(readL1Origin(chain.headState)).toMatchObject({ ...L1.origin, sequenceNumber: 0n });
  const input = { candidates: [], timestamp: START + 1n, feeAddress: address(0xfe), isOutOfTime: () => false };
  await expect(chain.propose(input)).rejects.toThrow("the first transaction is not the L1 attributes");
});

test("blocks with deposits commit here, verify elsewhere, and read back from the store", async () => {
  const { chain, store } = await opened();
  const { chain: other } = await opened();
  const blocks = [await extended(chain, [signed(0, 0n)], [creation, message]), await extended(chain, [signed(1, 0n)])];
  for (const { block, raw } of blocks) {
    expect(await other.verify(raw, block.header.parentHash)).toEqual({ ok: true, hash: block.hash });
    await other.commitThrough(block.hash, undefined);
    expect(readBlock(store.reader, block.header.number, blockDecoder(CHAIN_ID))).toEqual(block);
    expect(decodeReceipts(encodeReceipts(block.receipts), block)).toEqual(block.receipts);
  }
  const { chain: again } = await opened(store);
  expect(again.headBlock).toEqual(blocks[1]!.block);
  const found = again.transaction(keccak256(creation));
  expect(found?.receipt).toMatchObject({ type: 0x7e, status: 1, depositNonce: 0n, effectiveGasPrice: 0n });
  expect(again.headState.account(FROM)).toMatchObject({ balance: 5n, nonce: 2n });
  expect(again.headState.account(found!.receipt.contractAddress!)).toMatchObject({ balance: 2n });
  const fees = blocks.map(({ block }) => block.receipts.at(-1)!.l1Fee!);
  expect(again.headState.account(L1_FEE_VAULT_ADDRESS)).toMatchObject({ balance: fees[0]! + fees[1]! });
});

test("JSON is op-geth's, and viem's op-stack reads it", async () => {
  const { chain } = await opened();
  const { block } = await extended(chain, [signed(0, 0n)], [creation, message]);
  const { transaction, transactionReceipt } = chainConfig.formatters;
  const shown = block.transactions.map((tx, index) => formatTransaction(tx, { block, index }));
  const receipts = block.transactions.map((_, index) => formatReceipt(block, index, 0));

  expect(shown[1]).toEqual({
    blockHash: bytesToHex(block.hash),
    blockNumber: "0x1",
    blockTimestamp: `0x${(START + 1n).toString(16)}`,
    transactionIndex: "0x1",
    hash: bytesToHex(keccak256(creation)),
    type: "0x7e",
    from: bytesToHex(FROM),
    to: null,
    nonce: "0x0",
    gas: "0x30d40",
    gasPrice: "0x0",
    value: "0x2",
    input: "0x60015f5360015ff3",
    v: "0x0",
    r: "0x0",
    s: "0x0",
    sourceHash: bytesToHex(sourceHash("user", new Uint8Array(32), 3n)),
    mint: "0x7",
    depositReceiptVersion: "0x1",
  });
  expect(shown[2]).toMatchObject({ nonce: "0x1" });
  expect(shown[2]).not.toHaveProperty("mint");
  expect(shown[0]).toMatchObject({ from: "0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001", nonce: "0x0" });
  expect(transaction.format(shown[1] as never)).toMatchObject({
    type: "deposit",
    mint: 7n,
    sourceHash: shown[1]!.sourceHash,
  });

  expect(receipts[2]).toMatchObject({
    type: "0x7e",
    effectiveGasPrice: "0x0",
    depositNonce: "0x1",
    depositReceiptVersion: "0x1",
  });
  expect(receipts[1]).not.toHaveProperty("l1Fee");
  expect(transactionReceipt.format(receipts[2] as never)).toMatchObject({
    depositNonce: 1n,
    depositReceiptVersion: 1,
    l1Fee: null,
  });
  const { l1Fee } = block.receipts[3]!;
  expect(receipts[3]).toMatchObject({
    l1BaseFeeScalar: "0x558",
    l1BlobBaseFeeScalar: "0xc5fc5",
    l1BlobBaseFee: "0x1",
    l1FeeScalar: null,
  });
  expect(receipts[3]).not.toHaveProperty("depositNonce");
  expect(transactionReceipt.format(receipts[3] as never)).toMatchObject({
    l1Fee,
    l1GasPrice: 30_000_000_000n,
    l1FeeScalar: null,
  });
  expect(BigInt(receipts[3]!.l1GasUsed as string)).toBe(
    block.transactions[3]!.raw.reduce((gas, byte) => gas + (byte === 0 ? 4n : 16n), 0n),
  );
});

test("suggestions of fees leave deposits out", async () => {
  const { chain } = await opened();
  const { block } = await extended(chain, [signed(0, 0n)], [message]);
  expect(rewardPercentiles(block, [0, 50, 100])).toEqual([1_000n, 1_000n, 1_000n]);
  expect(suggestTip(chain, 1n)).toBe(1_000n);
  const { block: empty } = await extended(chain, []);
  expect(rewardPercentiles(empty, [50])).toEqual([0n]);
});

test("RPC refuses a deposit and says why", async () => {
  const { fail } = setup();
  const { message: text } = await fail("eth_sendRawTransaction", bytesToHex(creation));
  expect(text).toBe("transaction type not supported: deposits (0x7e) come from L1 only");
});

test("the pool goes by the head's price of L1 data", async () => {
  const { chain } = await opened();
  const mempool = new Mempool({ next: chain.nextBlock });
  await extended(chain, []);
  const { l1FeePrice } = chain.nextBlock;
  const tx = signed(0, 0n, { data: new Uint8Array(100).fill(1), gasLimit: 100_000n });
  const feeWei = l1DataFee(tx.raw, l1FeePrice!);
  expect(feeWei).toBeGreaterThan(0n);
  const affordable = signed(0, 0n, { value: 10n ** 18n - 21_000n * 1_000_000_000n - 1n });
  expect(mempool.add(affordable, chain.headState, 0)).toMatchObject({ ok: true });
  mempool.removeMined(chain.headBlock, chain.headState, chain.nextBlock, 0);
  expect(mempool.counts).toMatchObject({ pending: 0, queued: 0 });
  const { code, message: text } = mempool.add(affordable, chain.headState, 0) as { code: string; message: string };
  expect(code).toBe("insufficient-funds");
  expect(text).toContain(`overshot ${l1DataFee(affordable.raw, l1FeePrice!) - 1n}`);
  expect(mempool.add(tx, chain.headState, 0)).toMatchObject({ ok: true });
});

test("calls and estimates leave the L1 fee out", async () => {
  const { chain } = await opened();
  const { block } = await extended(chain, []);
  const rest = 10n ** 18n - 21_000n * 10n ** 9n;
  const request = { from: signed(0, 0n).from, to: address(0x55), gas: 21_000n, gasPrice: 10n ** 9n, value: rest };
  expect(await chain.call(request, block)).toEqual({
    ok: true,
    output: EMPTY_BYTES,
    gasUsed: 21_000n,
    gasRefunded: 0n,
  });
});
