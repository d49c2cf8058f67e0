/** Access lists and simulated blocks of random worlds, against the calls and blocks that they tell of. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesToBigInt, bytesToHex, concatBytes } from "../../core/bytes.ts";
import type { ExecutedBlock, Transaction } from "../../core/chain.ts";
import { OwnForms } from "../../execution/simulate/forms.ts";
import { simulate } from "../../execution/simulate/simulate.ts";
import { TransferLogs } from "../../execution/simulate/transfer-logs.ts";
import type { SimulatedInput, SimulationRequest } from "../../execution/simulate/types.ts";
import { openStateDatabase } from "../../execution/state/database.ts";
import { OverlayLayer } from "../../execution/state/layer.ts";
import { type MemoryStore, memoryStore } from "../../execution/state/memory-store.ts";
import { EMPTY_TRIE_ROOT } from "../../execution/state/trie-node.ts";
import type { SealedState } from "../../execution/state/types.ts";
import {
  ADDRESSES,
  COINBASE,
  CONTRACTS,
  genesis,
  hashOfBlock,
  loadGenesis,
  type Plan,
  plan,
  SENDERS,
  signPlan,
} from "../../execution/testing/world.ts";
import { createTracingMachine } from "../../execution/trace/replay.ts";
import type { CallRequest } from "../../execution/tx/call.ts";
import { PRECOMPILES } from "../../precompiles/table.ts";
import { Chain } from "../chain.ts";
import { CHAIN_ID, contract, decoded, FakeStore, propose, rich, testGenesis } from "../testing/world.ts";
import { Calls } from "./calls.ts";

const WHOLE: Omit<SimulationRequest, "blocks"> = {
  isValidating: true,
  logsTransfers: false,
  gasBudget: 50_000_000n,
  maxBlocks: 256,
};

const openChain = (accounts: Parameters<typeof testGenesis>[0]) =>
  Chain.open(new FakeStore(), testGenesis(accounts, { gasLimit: 30_000_000n }), PRECOMPILES);

/** The call that asks for what the transaction asks for. */
function callOf(tx: Transaction): CallRequest {
  const { type, from, to, gasLimit, value, data, nonce, accessList, authorizationList } = tx;
  const fees =
    type <= 1
      ? { gasPrice: tx.maxFeePerGas }
      : { maxFeePerGas: tx.maxFeePerGas, maxPriorityFeePerGas: tx.maxPriorityFeePerGas };
  return {
    from,
    ...(to && { to }),
    gas: gasLimit,
    value,
    data,
    nonce,
    ...fees,
    ...(type >= 1 && { accessList }),
    ...(type === 4 && { authorizationList }),
  };
}

async function blockOf(chain: Chain, plans: readonly Plan[]): Promise<ExecutedBlock> {
  const state = new OverlayLayer(chain.headState);
  const candidates = plans.map((each) => {
    const tx = decoded(signPlan(each, state, CHAIN_ID));
    const account = state.account(tx.from);
    if (account !== undefined) state.setAccount(tx.from, { ...account, nonce: account.nonce + 1n });
    return tx;
  });
  const proposal = await propose(chain, candidates);
  await chain.commit(proposal);
  return proposal.block;
}

test("a simulated block of a block's transactions comes to the block's state and receipts", async () => {
  let transactions = 0;
  const property = fc.asyncProperty(genesis, fc.array(plan, { minLength: 1, maxLength: 6 }), async (world, plans) => {
    const chain = await openChain(world);
    const parent = chain.headBlock;
    const block = await blockOf(chain, plans);
    const { header, receipts } = block;
    const { number, timestamp, coinbase, prevRandao, gasLimit } = header;
    for (const logsTransfers of [false, true]) {
      const blocks = [
        { calls: block.transactions.map(callOf), block: { number, timestamp, coinbase, prevRandao, gasLimit } },
      ];
      const simulation = await new Calls(chain, PRECOMPILES).simulate({ ...WHOLE, logsTransfers, blocks }, parent);
      if (!simulation.ok) throw new Error(simulation.failure.message);
      const [simulated] = simulation.blocks;
      expect(simulated!.block.receipts).toEqual(receipts);
      expect(bytesToHex(simulated!.block.header.stateRoot)).toBe(bytesToHex(header.stateRoot));
      expect(simulated!.block.header).toMatchObject({
        parentHash: header.parentHash,
        baseFeePerGas: header.baseFeePerGas,
        gasUsed: header.gasUsed,
        receiptsRoot: header.receiptsRoot,
        logsBloom: header.logsBloom,
        withdrawalsRoot: header.withdrawalsRoot,
      });
    }
    transactions += receipts.length;
  });
  await fc.assert(property, { numRuns: 25 });
  expect(transactions).toBeGreaterThan(5);
});

/** The state after a simulation: what its last block was sealed from. */
async function simulatedState(world: Parameters<typeof loadGenesis>[1], blocks: readonly SimulatedInput[]) {
  const store: MemoryStore = memoryStore();
  const database = openStateDatabase({ reader: store, headRoot: EMPTY_TRIE_ROOT });
  const layer = database.head.fork();
  loadGenesis(layer, world);
  const state = database.seal(layer);
  const states: SealedState[] = [];
  const seal = (open: Parameters<typeof database.seal>[0]) => {
    states.push(database.seal(open));
    return states.at(-1)!;
  };
  const chain = await openChain([]);
  const machine = createTracingMachine({ rules: chain.rules, precompiles: PRECOMPILES });
  const transfers = new TransferLogs();
  machine.evm.tracer = transfers;
  const forms = new OwnForms(chain.rules);
  const parts = { forms, database: { seal }, blockHash: hashOfBlock, machineOf: () => machine, transfers };
  const request = { ...WHOLE, isValidating: false, logsTransfers: true, blocks };
  return { before: state.reader, after: states, simulation: await simulate(parts, request, chain.headBlock, state) };
}

test("logged transfers say how every balance came to be what it is", async () => {
  const calls = fc.array(
    fc.record({
      from: fc.constantFrom(...SENDERS),
      to: fc.constantFrom(...CONTRACTS),
      value: fc.constantFrom(0n, 3n, 50n),
      gas: fc.constantFrom(60_000n, 2_000_000n),
    }),
    { minLength: 1, maxLength: 3 },
  );
  let transfers = 0;
  const property = fc.asyncProperty(genesis, calls, async (world, requests) => {
    const { before, after, simulation } = await simulatedState(world, [{ calls: requests }]);
    if (!simulation.ok) throw new Error(simulation.failure.message);
    const logs = simulation.blocks[0]!.calls.flatMap((call) => call.logs);
    const moved = new Map<string, bigint>();
    const burning = new Set<string>();
    for (const { address, topics, data } of logs) {
      if (!address.every((byte) => byte === 0xee)) continue;
      transfers++;
      const [from, to] = topics.slice(1).map((topic) => bytesToHex(topic.subarray(12)));
      // A contract that destroys itself in its own favour may burn what it has.
      if (from === to) burning.add(from!);
      moved.set(from!, (moved.get(from!) ?? 0n) - bytesToBigInt(data));
      moved.set(to!, (moved.get(to!) ?? 0n) + bytesToBigInt(data));
    }
    for (const address of [...ADDRESSES, COINBASE]) {
      const name = bytesToHex(address);
      if (burning.has(name)) continue;
      const was = before.account(address)?.balance ?? 0n;
      const is = after.at(-1)!.reader.account(address)?.balance ?? 0n;
      expect([name, is - was]).toEqual([name, moved.get(name) ?? 0n]);
    }
  });
  await fc.assert(property, { numRuns: 40 });
  expect(transfers).toBeGreaterThan(5);
});

test("with its access list a call finds nothing cold, and costs what is said", async () => {
  let listed = 0;
  const property = fc.asyncProperty(genesis, plan, async (world, { sender, tx }) => {
    const chain = await openChain(world);
    const { to, data, value, accessList } = tx;
    const request = { from: SENDERS[sender]!, ...(to && { to }), data, value, accessList, gas: 5_000_000n };
    const calls = new Calls(chain, PRECOMPILES);
    const found = await calls.accessList(request, chain.headBlock.header);
    if (!found.ok) return;
    const again = await calls.accessList({ ...request, accessList: found.accessList }, chain.headBlock.header);
    expect(again).toEqual(found);
    const run = await chain.call({ ...request, accessList: found.accessList }, chain.headBlock);
    expect([run.gasUsed, run.ok ? undefined : run.reason]).toEqual([found.gasUsed, found.failure]);
    const names = found.accessList.map(({ address }) => bytesToHex(address));
    expect(new Set(names).size).toBe(names.length);
    const given = new Set(accessList.map(({ address }) => bytesToHex(address)));
    for (const { address, storageKeys } of found.accessList) {
      // Warm without a list.
      if (storageKeys.length > 0 || given.has(bytesToHex(address))) continue;
      expect([request.from, to ?? request.from, ...NATIVE].map((warm) => bytesToHex(warm))).not.toContain(
        bytesToHex(address),
      );
      listed++;
    }
  });
  await fc.assert(property, { numRuns: 40 });
  expect(listed).toBeGreaterThan(0);
});

const NATIVE = ADDRESSES.filter((address) => address.subarray(0, 18).every((byte) => byte === 0));

/** Returns the hash of the block whose number is the call's data. */
const HASHES = contract(CONTRACTS[0]!, Uint8Array.of(0x5f, 0x35, 0x40, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3));
const numberWord = (number: number) => concatBytes(new Uint8Array(31), Uint8Array.of(number));

test("simulated blocks see each other's hashes and states; gaps are filled; nothing is kept", async () => {
  const chain = await openChain([rich(0), HASHES]);
  const ask = (number: number) => ({ to: HASHES.address, data: numberWord(number) });
  const stateRoot = chain.headBlock.header.stateRoot;
  const blocks: SimulatedInput[] = [
    { calls: [{ from: SENDERS[0]!, to: SENDERS[1]!, value: 7n }] },
    {
      block: { number: 4n },
      calls: [ask(0), ask(1), ask(3), ask(9), { from: SENDERS[1]!, to: SENDERS[2]!, value: 7n }],
    },
  ];
  const simulation = await new Calls(chain, PRECOMPILES).simulate(
    { ...WHOLE, isValidating: false, blocks },
    chain.headBlock,
  );
  if (!simulation.ok) throw new Error(simulation.failure.message);
  const made = simulation.blocks.map(({ block }) => block);
  expect(made.map(({ header }) => header.number)).toEqual([1n, 2n, 3n, 4n]);
  expect(made.map(({ header }) => header.parentHash)).toEqual([
    chain.head.hash,
    ...made.slice(0, 3).map((b) => b.hash),
  ]);
  const outputs = simulation.blocks[3]!.calls.map((call) => bytesToHex(call.output));
  expect(outputs).toEqual([
    ...[chain.head.hash, made[0]!.hash, made[2]!.hash].map((hash) => bytesToHex(hash)),
    `0x${"0".repeat(64)}`,
    "0x",
  ]);
  expect(simulation.blocks[3]!.calls.map((call) => call.failure)).toEqual(Array(5).fill(undefined));
  expect(chain.head.number).toBe(0n);
  expect(chain.headState.account(SENDERS[1]!)).toBeUndefined();
  expect(chain.headBlock.header.stateRoot).toBe(stateRoot);
});

test("a balance that nobody can have goes round", async () => {
  const chain = await openChain([rich(0)]);
  const owner = new Uint8Array(20).fill(0xf1);
  const call: CallRequest = { from: SENDERS[0]!, to: SENDERS[0]!, maxFeePerGas: 1n, maxPriorityFeePerGas: 1n };
  const state = [{ address: owner, balance: 2n ** 256n - 1n }];
  const block = { coinbase: owner, baseFeePerGas: 0n };
  const request = { ...WHOLE, isValidating: false, blocks: [{ calls: [call], state, block }] };
  const made = await new Calls(chain, PRECOMPILES).simulate(request, chain.headBlock);
  expect(made).toMatchObject({ ok: true, blocks: [{ calls: [{ gasUsed: 21_000n, failure: undefined }] }] });
});

test("a simulated block takes a beacon root, and no withdrawals, which this chain has not", async () => {
  const chain = await openChain([rich(0)]);
  const calls = new Calls(chain, PRECOMPILES);
  const beaconRoot = new Uint8Array(32).fill(0xbe);
  const ask = (input: Partial<SimulatedInput>) =>
    calls.simulate({ ...WHOLE, blocks: [{ calls: [], ...input }] }, chain.headBlock);
  const made = await ask({ beaconRoot, withdrawals: [] });
  expect(made).toMatchObject({ ok: true, blocks: [{ block: { header: { parentBeaconBlockRoot: beaconRoot } } }] });
  const withdrawal = { index: 0n, validatorIndex: 0n, address: SENDERS[0]!, amountGwei: 1n };
  expect(await ask({ withdrawals: [withdrawal] })).toEqual({
    ok: false,
    failure: { code: "override", message: "this chain has no withdrawals" },
  });
});
