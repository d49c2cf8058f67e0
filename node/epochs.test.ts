/** Validator sets over epochs, on whole chains: what a header says, what the predeploy shows, what the store keeps. */
import { decodeFunctionResult, encodeFunctionData } from "viem";
import { describe, expect, test } from "vitest";
import artifact from "../contracts/artifacts/ValidatorSet.json" with { type: "json" };
import { SYSTEM_ADDRESS, VALIDATOR_SET_ADDRESS } from "../core/addresses.ts";
import { bigIntToFixed, bytesToHex, concatBytes, EMPTY_BYTES, hexToBytes, ZERO_32 } from "../core/bytes.ts";
import { decodeValidators, encodeValidators, type ValidatorSet } from "../core/validators.ts";
import { encodeBlock } from "../execution/block/block-codec.ts";
import { readValidatorSet } from "../execution/block/validator-set.ts";
import { COINBASE } from "../execution/testing/world.ts";
import { testValidator } from "../genesis/testing/validators.ts";
import { submitCall } from "../genesis/validator-set.ts";
import { Chain, type Proposal } from "./chain.ts";
import { DataError } from "./errors.ts";
import { FakeStore, rich, signed, testGenesis } from "./testing/world.ts";

const setOf = (...members: number[]): ValidatorSet =>
  decodeValidators(encodeValidators(members.map((index) => testValidator(index, BigInt(index + 1)))));
/** By epoch; one of four blocks each. */
const SETS = [setOf(0), setOf(0), setOf(0, 1, 2), setOf(3), setOf(3)];
const GENESIS = testGenesis([rich(0)], {
  consensus: { epochBlocks: 4 },
  validators: SETS[0]!,
  validatorChanges: [
    // Submitted in the block that ends epoch 0, so one epoch too late for epoch 1.
    { block: 3n, set: setOf(1, 2) },
    { block: 5n, set: setOf(0, 1, 2) },
    { block: 8n, set: setOf(2, 1) },
    { block: 9n, set: setOf(3) },
  ],
});
const open = (store = new FakeStore(), genesis = GENESIS) => Chain.open(store, genesis, []);

function proposeOn(chain: Chain, parent: Uint8Array): Promise<Proposal> {
  const timestamp = chain.block(0n)!.header.timestamp;
  return chain.proposeOn(parent, { candidates: [], timestamp, feeAddress: COINBASE, isOutOfTime: () => false });
}

async function grow(chain: Chain, to: bigint): Promise<Proposal[]> {
  const made: Proposal[] = [];
  while (chain.head.number < to) {
    const proposal = await proposeOn(chain, chain.head.hash);
    await chain.commitThrough(proposal.block.hash, undefined);
    made.push(proposal);
  }
  return made;
}

async function ask(chain: Chain, functionName: string, block = chain.headBlock, from: Uint8Array = COINBASE) {
  const data = hexToBytes(encodeFunctionData({ abi: artifact.abi, functionName }));
  const result = await chain.call({ from, to: VALIDATOR_SET_ADDRESS, data }, block);
  if (!result.ok) throw new Error(result.reason);
  return decodeFunctionResult({ abi: artifact.abi, functionName, data: bytesToHex(result.output) });
}

describe("epochs", () => {
  test("the last block of an epoch names the next one's set, the others nothing", async () => {
    const chain = await open();
    await grow(chain, 17n);
    for (let number = 1n; number <= 17n; number++) {
      const next = SETS[Number(number / 4n) + 1];
      expect(chain.block(number)!.header.extraData).toEqual(number % 4n === 3n ? next!.hash : EMPTY_BYTES);
    }
  });

  test("each epoch's set: known once the one before has ended, the same object each time, and after a restart", async () => {
    const store = new FakeStore();
    const chain = await open(store);
    for (let number = 1n; number <= 17n; number++) {
      await grow(chain, number);
      const epochs = Number((number + 1n) / 4n);
      for (let epoch = 0; epoch <= epochs; epoch++) expect(chain.validatorSet(epoch)).toEqual(SETS[epoch]);
      expect(chain.validatorSet(epochs + 1)).toBeUndefined();
    }
    expect(chain.validatorSet(2)).toBe(chain.validatorSet(2));
    const resumed = await open(store.copy());
    expect([0, 1, 2, 3, 4, 5].map((epoch) => resumed.validatorSet(epoch))).toEqual([...SETS, undefined]);
    for (const [epoch, set] of SETS.entries()) {
      const last = chain.block(BigInt(Math.max(0, 4 * epoch - 1)))!;
      expect(readValidatorSet(chain.state(last)!)).toEqual(set);
    }
  });

  test("also when the path that is committed crosses the end of an epoch, and by another chain that verifies", async () => {
    const [making, checking] = await Promise.all([open(), open()]);
    let parent = making.head.hash;
    for (let number = 1; number <= 9; number++) {
      const { block, raw } = await proposeOn(making, parent);
      expect(await checking.verify(raw, parent)).toEqual({ ok: true, hash: block.hash });
      parent = block.hash;
    }
    for (const chain of [making, checking]) {
      await chain.commitThrough(parent, Uint8Array.of(1));
      expect([0, 1, 2, 3].map((epoch) => chain.validatorSet(epoch))).toEqual([...SETS.slice(0, 3), undefined]);
    }
  });

  test("the predeploy's views on a chain", async () => {
    const chain = await open();
    await grow(chain, 11n);
    const views = async (number: bigint) => {
      const block = chain.block(number)!;
      const names = ["count", "number", "setHash", "pendingNumber", "pendingHash", "totalStake"];
      return Promise.all(names.map((name) => ask(chain, name, block)));
    };
    const none = bytesToHex(ZERO_32);
    const hash = (set: ValidatorSet) => bytesToHex(set.hash);
    expect(await views(2n)).toEqual([1n, 0n, hash(SETS[0]!), 0n, none, 1n]);
    expect(await views(3n)).toEqual([1n, 0n, hash(SETS[0]!), 1n, hash(setOf(1, 2)), 1n]);
    expect(await views(6n)).toEqual([1n, 0n, hash(SETS[0]!), 2n, hash(SETS[2]!), 1n]);
    expect(await views(7n)).toEqual([3n, 2n, hash(SETS[2]!), 0n, none, 6n]);
    expect(await views(9n)).toEqual([3n, 2n, hash(SETS[2]!), 4n, hash(SETS[3]!), 6n]);
    expect(await views(11n)).toEqual([1n, 4n, hash(SETS[3]!), 0n, none, 4n]);
    expect(await ask(chain, "encoded")).toBe(bytesToHex(encodeValidators(SETS[3]!.validators)));
  });

  test("nobody but the system submits, with a transaction or in a call", async () => {
    const chain = await open();
    const data = submitCall(9n, encodeValidators(SETS[2]!.validators));
    const call = await chain.call({ to: VALIDATOR_SET_ADDRESS, data }, chain.headBlock);
    expect(call).toMatchObject({ ok: false, reason: "execution reverted" });
    const tx = signed(0, 0n, { to: VALIDATOR_SET_ADDRESS, value: 0n, data, gasLimit: 1_000_000n });
    const timestamp = chain.headBlock.header.timestamp;
    const made = await chain.propose({ candidates: [tx], timestamp, feeAddress: COINBASE, isOutOfTime: () => false });
    expect(made.block.receipts.map(({ status }) => status)).toEqual([0]);
    await chain.commit(made);
    expect(await ask(chain, "pendingNumber")).toBe(0n);
    expect(chain.headState.account(SYSTEM_ADDRESS)).toBeUndefined();
  });

  test("a header that says otherwise is refused", async () => {
    const [making, checking] = await Promise.all([open(), open()]);
    await grow(checking, 2n);
    await grow(making, 2n);
    const parent = making.head.hash;
    const { block } = await proposeOn(making, parent);
    const refusal = async (extraData: Uint8Array, of = block, on = parent) => {
      const raw = encodeBlock({ ...of, header: { ...of.header, extraData } });
      return checking.verify(raw, on);
    };
    expect(await refusal(SETS[1]!.hash)).toMatchObject({ ok: true });
    for (const extraData of [EMPTY_BYTES, SETS[2]!.hash, ZERO_32, SETS[1]!.hash.slice(1)]) {
      expect(await refusal(extraData)).toMatchObject({
        fault: "invalid",
        reason: `extraData is ${bytesToHex(extraData)} instead of ${bytesToHex(SETS[1]!.hash)}`,
      });
    }
    const next = await proposeOn(making, block.hash);
    expect(await refusal(SETS[1]!.hash, next.block, block.hash)).toMatchObject({
      fault: "invalid",
      reason: `extraData is ${bytesToHex(SETS[1]!.hash)} instead of 0x`,
    });
  });

  test("a stored set or certificate that is damaged is told", async () => {
    const store = new FakeStore();
    const chain = await open(store);
    const made = await proposeOn(chain, chain.head.hash);
    await chain.commitThrough(made.block.hash, Uint8Array.of(1, 2, 3));
    const damaged = (key: Uint8Array, value: Uint8Array) => {
      const copy = store.copy();
      copy.memory.put(key, value);
      return copy;
    };
    const setKey = concatBytes(Uint8Array.of(0x17), bigIntToFixed(0n, 8));
    const flipped = store.memory.get(setKey)!.slice();
    flipped[30]! ^= 1;
    for (const value of [flipped, flipped.slice(0, 3), EMPTY_BYTES]) {
      const broken = await open(damaged(setKey, value));
      expect(() => broken.validatorSet(0)).toThrow(DataError);
      expect(() => broken.validatorSet(0)).toThrow("the validator set of epoch 0 does not match its checksum");
    }
    // What no program of ours writes, under a right checksum: crc32 of nothing is 0.
    const strange = await open(damaged(setKey, new Uint8Array(4)));
    expect(() => strange.validatorSet(0)).toThrow(/damaged: the validator set of epoch 0 cannot be decoded/);
    const certificateKey = concatBytes(Uint8Array.of(0x16), bigIntToFixed(1n, 8));
    const broken = damaged(certificateKey, Uint8Array.of(1, 2, 3, 4, 5));
    await expect(open(broken)).rejects.toThrow("the certificate of block 1 does not match its checksum");
  });
});
