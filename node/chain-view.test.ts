/** The view of a chain on disk while it grows, against the chain itself. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bytesToHex, EMPTY_BYTES, hexToBytes, ZERO_32 } from "../core/bytes.ts";
import { type LevelStore, openLevelStore, openReadStore } from "../execution/state/level-store.ts";
import { CONTRACTS, SENDERS } from "../execution/testing/world.ts";
import { PRECOMPILES } from "../precompiles/table.ts";
import { Chain } from "./chain.ts";
import { ChainView } from "./chain-view.ts";
import { Calls } from "./runner/calls.ts";
import { contract, extend, RECIPIENT, rich, signed, testGenesis } from "./testing/world.ts";

/** sstore(0, calldataload(0)) and a log with calldata, else returns sload(0). */
const CELL = contract(CONTRACTS[0]!, hexToBytes("0x36600c575f545f5260205ff35b5f355f55604260055fa100"));
const word = (value: bigint) => hexToBytes(`0x${value.toString(16).padStart(64, "0")}`);
const write = (nonce: bigint, value: bigint) =>
  signed(0, nonce, { to: CELL.address, value: 0n, data: word(value), gasLimit: 100_000n });

let directory: string;
let store: LevelStore;
let chain: Chain;
let view: ChainView;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "chain-view-"));
  store = await openLevelStore(directory);
  chain = await Chain.open(store, testGenesis([rich(0), rich(1), CELL]), PRECOMPILES);
  view = new ChainView(await openReadStore(directory), chain);
});

afterEach(async () => {
  await view.close();
  await store.close();
  await rm(directory, { recursive: true });
});

test("it says what the chain says of each block, once it has looked", async () => {
  const seen: bigint[] = [];
  view.onCommit(({ number }) => seen.push(number));
  for (let n = 0n; n < 5n; n++) {
    await extend(chain, [write(n, 100n + n), signed(1, n)]);
    expect(view.head.number).toBe(n);
    expect(view.block(n + 1n)).toBeUndefined();
    view.refresh();
    view.refresh();
    expect(view.head).toEqual(chain.head);
  }
  expect(seen).toEqual([1n, 2n, 3n, 4n, 5n]);
  expect(chain.headBlock.receipts[0]?.logs).toHaveLength(1);
  for (let number = 0n; number <= 5n; number++) {
    const block = chain.block(number)!;
    const read = view.logs(number)!;
    expect(read.logCount).toBe(block.receipts.flatMap((receipt) => receipt.logs).length);
    expect(view.logs(number)).toBe(read);
    expect(view.block(number)).toEqual(block);
    expect(view.find({ hash: block.hash })).toEqual(block);
    const logs = view.logs(number)!;
    expect(logs.header).toEqual(block.header);
    expect(logs.hash).toEqual(block.hash);
    expect(logs.transactionCount).toBe(block.transactions.length);
    const each = Array.from({ length: logs.logCount }, (_, i) => [logs.transactionOf(i), logs.log(i)]);
    expect(each).toEqual(block.receipts.flatMap((receipt, index) => receipt.logs.map((log) => [index, log])));
    expect(block.transactions.map((_, i) => logs.transactionHash(i))).toEqual(block.transactions.map((tx) => tx.hash));
    expect(view.rawAt(number)).toEqual(chain.rawAt(number));
    for (const tx of block.transactions) expect(view.transaction(tx.hash)).toEqual(chain.transaction(tx.hash));
    const [mine, theirs] = [view.state(block)!, chain.state(block)!];
    for (const address of [...SENDERS, CELL.address, RECIPIENT]) {
      expect(mine.account(address)).toEqual(theirs.account(address));
    }
    expect(mine.storage(CELL.address, ZERO_32)).toEqual(theirs.storage(CELL.address, ZERO_32));
  }
  expect(view.nextBaseFee()).toBe(chain.nextBaseFee());
  expect(view.next(7n)).toEqual(chain.next(7n));
  view.tags = { safe: 3n, finalized: 2n };
  expect(view.find({ tag: "safe" })?.header.number).toBe(3n);
  expect(view.find({ tag: "finalized" })?.header.number).toBe(2n);
});

test("a state that is held stays what it was while blocks come", async () => {
  await extend(chain, [write(0n, 1n)]);
  view.refresh();
  const held = view.hold(view.block(1n)!.header.stateRoot)!;
  for (let n = 1n; n < 4n; n++) {
    await extend(chain, [write(n, 1n + n)]);
    view.refresh();
    expect(held.state.reader.storage(CELL.address, ZERO_32)).toEqual(Uint8Array.of(1));
    expect(held.state.reader.account(SENDERS[0]!)?.nonce).toBe(1n);
  }
  held.release();
  held.release();
  expect(view.state(view.block(4n)!)!.storage(CELL.address, ZERO_32)).toEqual(Uint8Array.of(4));
});

test("a state that the view has not seen yet is looked for", async () => {
  await extend(chain, [write(0n, 9n)]);
  const calls = new Calls(view, PRECOMPILES);
  const result = await calls.call({ to: CELL.address, data: EMPTY_BYTES }, chain.headBlock.header);
  expect(result).toMatchObject({ ok: true, output: word(9n) });
  expect(await calls.call({ to: CELL.address }, { ...chain.headBlock.header, stateRoot: ZERO_32 })).toMatchObject({
    ok: false,
    reason: `state ${bytesToHex(ZERO_32)} is not available: it was pruned`,
  });
});

test("a listener that throws is told of, and the others are told of the block", async () => {
  const errors: unknown[] = [];
  const other = new ChainView(await openReadStore(directory), chain, (error) => errors.push(error));
  const told: bigint[] = [];
  other.onCommit(() => {
    throw new Error("no");
  });
  const stop = other.onCommit(({ number }) => told.push(number));
  await extend(chain, [write(0n, 1n)]);
  other.refresh();
  stop();
  await extend(chain, [write(1n, 1n)]);
  other.refresh();
  expect(told).toEqual([1n]);
  expect(errors).toHaveLength(2);
  await other.close();
});
