import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { type Abi, decodeErrorResult, decodeFunctionResult, encodeFunctionData } from "viem";
import { beforeEach, describe, expect, test } from "vitest";
import artifact from "../../contracts/artifacts/ValidatorSet.json" with { type: "json" };
import { SYSTEM_ADDRESS, VALIDATOR_SET_ADDRESS } from "../../core/addresses.ts";
import { bigIntToFixed, bytesToHex, concatBytes, EMPTY_BYTES, hexToBytes, padTo32 } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { encodeValidators, VALIDATOR_BYTES, type Validator, validatorSet } from "../../core/validators.ts";
import { submitCall, validatorSetAccounts } from "../../genesis/validator-set.ts";
import { DEFAULT_RULES } from "../rules.ts";
import { openStateDatabase } from "../state/database.ts";
import { memoryStore } from "../state/memory-store.ts";
import { EMPTY_TRIE_ROOT } from "../state/trie-node.ts";
import type { StateLayer } from "../state/types.ts";
import { callMessage } from "../tx/call.ts";
import { messageEnvironment } from "../tx/environment.ts";
import { MachinePool } from "../tx/machine.ts";
import { systemCall } from "../tx/system-call.ts";
import { readValidatorSet, takeOverValidators } from "./validator-set.ts";

const abi = artifact.abi as Abi;
const RULES = { ...DEFAULT_RULES, chainId: 161299n };
const HEADER = {
  number: 7n,
  coinbase: new Uint8Array(20),
  timestamp: 1n,
  prevRandao: new Uint8Array(32),
  gasLimit: 100_000_000n,
  baseFeePerGas: 7n,
};
const machines = new MachinePool(RULES, []);
const noHashes = (): Uint8Array => {
  throw new Error("no block hashes here");
};

/** Bytes of the right form: the predeploy does not look at points. */
const member = (index: number, stake = 5n): Validator => ({
  address: keccak256(bigIntToFixed(BigInt(index), 4)).slice(12),
  publicKey: concatBytes(...[1, 2, 3].map((part) => keccak256(Uint8Array.of(part), bigIntToFixed(BigInt(index), 4)))),
  stake,
});
const members = (count: number, from = 0): Validator[] => Array.from({ length: count }, (_, i) => member(from + i));
const GENESIS_SET = validatorSet(members(4));

let layer: StateLayer;
beforeEach(() => {
  layer = fresh(GENESIS_SET);
});

/** A state that has nothing but the predeploy with this set. */
function fresh(set: ReturnType<typeof validatorSet>): StateLayer {
  const state = openStateDatabase({ reader: memoryStore(), headRoot: EMPTY_TRIE_ROOT }).head.fork();
  for (const { address, code, nonce, storage } of validatorSetAccounts(set, undefined)) {
    state.setAccount(address, { nonce, balance: 0n, codeHash: state.addCode(code), storageRoot: EMPTY_TRIE_ROOT });
    for (const { slot, value } of storage) state.setStorage(address, slot, value);
  }
  return state;
}

async function submit(number: bigint, encoded: Uint8Array): Promise<void> {
  const machine = machines.borrow(layer, noHashes);
  await systemCall(machine, VALIDATOR_SET_ADDRESS, submitCall(number, encoded), messageEnvironment(HEADER, RULES));
  machines.giveBack(machine);
}

const submitSet = (number: bigint, validators: readonly Validator[]) => submit(number, encodeValidators(validators));

async function ask(data: Uint8Array, from: Uint8Array = new Uint8Array(20)) {
  return machines.use(layer, noHashes, (machine) =>
    callMessage(machine, { from, to: VALIDATOR_SET_ADDRESS, data }, HEADER, RULES),
  );
}

async function view(functionName: string, ...args: unknown[]): Promise<unknown> {
  layer.checkpoint();
  const result = await ask(hexToBytes(encodeFunctionData({ abi, functionName, args })));
  layer.revert();
  const data = bytesToHex(result.output);
  if (!result.ok) return decodeErrorResult({ abi, data });
  return decodeFunctionResult({ abi, functionName, data });
}

async function seen() {
  const names = ["number", "count", "totalStake", "setHash", "pendingNumber", "pendingHash"];
  const values: unknown[] = [];
  for (const name of names) values.push(await view(name));
  return values;
}

const NOTHING = bytesToHex(new Uint8Array(32));
const hashOf = (validators: readonly Validator[]) => bytesToHex(validatorSet(validators).hash);

describe("the ValidatorSet predeploy", () => {
  test("begins with the set of genesis", async () => {
    expect(await seen()).toEqual([0n, 4n, 20n, hashOf(members(4)), 0n, NOTHING]);
    expect(readValidatorSet(layer)).toEqual(GENESIS_SET);
    for (const [index, { address, stake, publicKey }] of GENESIS_SET.validators.entries()) {
      const [account, weight, key] = (await view("validator", BigInt(index))) as [string, bigint, string];
      expect([account.toLowerCase(), weight, key]).toEqual([bytesToHex(address), stake, bytesToHex(publicKey)]);
    }
    expect(await view("validator", 4n)).toMatchObject({ errorName: "NoValidator", args: [4n] });
    expect(await view("validator", 2n ** 256n - 1n)).toMatchObject({ errorName: "NoValidator" });
  });

  test("a snapshot waits, takes over with the step of an epoch's end, and is what core says it is", async () => {
    const next = [member(9, 1n), member(3, 2n ** 128n - 1n)];
    await submitSet(3n, next);
    expect(await seen()).toEqual([0n, 4n, 20n, hashOf(members(4)), 3n, hashOf(next)]);
    expect(bytesToHex(takeOverValidators(layer))).toBe(hashOf(next));
    expect(await seen()).toEqual([3n, 2n, 2n ** 128n, hashOf(next), 0n, NOTHING]);
    expect(readValidatorSet(layer)).toEqual(validatorSet(next));
    expect(await view("encoded")).toBe(bytesToHex(encodeValidators(next)));
    // Nothing new: it stays.
    expect(bytesToHex(takeOverValidators(layer))).toBe(hashOf(next));
    expect(readValidatorSet(layer)).toEqual(validatorSet(next));
  });

  test("the code that genesis gives it and its parts is what it makes itself", async () => {
    const other = validatorSet(members(200, 50));
    await submitSet(1n, other.validators);
    takeOverValidators(layer);
    const [predeploy, ...parts] = validatorSetAccounts(other, undefined);
    expect(parts).toHaveLength(2);
    for (const { address, code, nonce } of parts) {
      const account = layer.account(address);
      expect(account).toMatchObject({ nonce, balance: 0n });
      expect(layer.code(account!.codeHash)).toEqual(code);
    }
    for (const { slot, value } of predeploy!.storage) {
      const stored = padTo32(layer.storage(VALIDATOR_SET_ADDRESS, slot));
      // Its number differs: genesis has 0.
      if (slot[31] === 1) expect(stored.slice(0, 24)).toEqual(value.slice(0, 24));
      else expect(stored).toEqual(value);
    }
  });

  test("the largest set fits the gas of a system call, and bytes that are here are not stored again", async () => {
    const largest = members(256, 1_000);
    await submitSet(1n, largest);
    expect(layer.account(VALIDATOR_SET_ADDRESS)?.nonce).toBe(3n);
    takeOverValidators(layer);
    expect(readValidatorSet(layer)).toEqual(validatorSet(largest));
    expect(await view("encoded")).toBe(bytesToHex(encodeValidators(largest)));
    for (const index of [0, 185, 186, 255]) {
      const [account] = (await view("validator", BigInt(index))) as [string];
      expect(account.toLowerCase()).toBe(bytesToHex(largest[index]!.address));
    }
    await submitSet(2n, largest);
    expect(await view("pendingHash")).toBe(hashOf(largest));
    expect(layer.account(VALIDATOR_SET_ADDRESS)?.nonce).toBe(3n);
    // One part less than before.
    await submitSet(3n, members(1));
    takeOverValidators(layer);
    expect(readValidatorSet(layer)).toEqual(validatorSet(members(1)));
  });

  test("random snapshots in any order: the newest of an epoch takes over", async () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({
          number: fc.bigInt(0n, 12n),
          set: fc.uniqueArray(fc.nat(30), { minLength: 1, maxLength: 6 }).map((all) => all.map((each) => member(each))),
        }),
        fc.constant("end" as const),
      ),
      { maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        layer = fresh(GENESIS_SET);
        let current = { number: 0n, set: GENESIS_SET.validators };
        let pending: typeof current | undefined;
        for (const step of list) {
          if (step === "end") {
            current = pending ?? current;
            pending = undefined;
            expect(bytesToHex(takeOverValidators(layer))).toBe(hashOf(current.set));
          } else {
            await submitSet(step.number, step.set);
            if (step.number > (pending ?? current).number) pending = step;
          }
          expect(readValidatorSet(layer)).toEqual(validatorSet(current.set));
          const [number, count, , setHash, pendingNumber, pendingHash] = await seen();
          expect([number, count, setHash]).toEqual([current.number, BigInt(current.set.length), hashOf(current.set)]);
          expect(pendingNumber).toBe(pending?.number ?? 0n);
          expect(pendingHash).toBe(pending ? hashOf(pending.set) : NOTHING);
        }
      }),
      { numRuns: 25 },
    );
  });

  test("takes snapshots from the system only", async () => {
    const result = await ask(submitCall(1n, encodeValidators(members(1))), member(0).address);
    expect(result.ok).toBe(false);
    expect(decodeErrorResult({ abi, data: bytesToHex(result.output) })).toMatchObject({ errorName: "NotSystem" });
  });

  test.each([
    ["nobody", EMPTY_BYTES, "InvalidLength(uint256)"],
    ["half a validator", encodeValidators(members(2)).slice(0, VALIDATOR_BYTES + 66), "InvalidLength(uint256)"],
    ["one byte more", concatBytes(encodeValidators(members(1)), Uint8Array.of(0)), "InvalidLength(uint256)"],
    ["257 validators", encodeValidators(members(257)), "InvalidLength(uint256)"],
    ["no stake", encodeValidators([member(1), member(2, 0n)]), "NoStake(uint256)"],
    ["a key twice", encodeValidators([member(1), member(2), member(1, 9n)]), "DuplicateKey(uint256)"],
  ])("refuses %s", async (_, encoded, error) => {
    const selector = bytesToHex(keccak256(new TextEncoder().encode(error)).slice(0, 4));
    await expect(submit(1n, encoded)).rejects.toThrow(
      `system call to ${bytesToHex(VALIDATOR_SET_ADDRESS)} failed: revert ${selector}`,
    );
    // An old number is not looked at any further.
    await submit(0n, encoded);
    expect(await view("pendingNumber")).toBe(0n);
    // The same key in two snapshots is no duplicate.
    await submitSet(1n, [member(1)]);
    await submitSet(2n, [member(1), member(2)]);
    expect(await view("pendingNumber")).toBe(2n);
  });

  test("a system call leaves no account behind and costs nobody", async () => {
    await submitSet(1n, members(3));
    expect(layer.account(SYSTEM_ADDRESS)).toBeUndefined();
    expect(layer.account(HEADER.coinbase)).toBeUndefined();
    expect(layer.account(VALIDATOR_SET_ADDRESS)).toMatchObject({ nonce: 2n, balance: 0n });
  });
});

describe("a damaged set", () => {
  const slot = (number: bigint) => bigIntToFixed(number, 32);

  test.each([
    ["another hash", 0n, slot(7n), "does not match its hash"],
    ["another count", 1n, slot((20n << 80n) | (5n << 64n)), "does not match its hash"],
    ["no part", 2n, EMPTY_BYTES, "cannot be decoded"],
    ["a part that is not there", 2n, slot(7n), "bytes are missing"],
    ["a part of another contract", 2n, padTo32(VALIDATOR_SET_ADDRESS), "cannot be decoded"],
  ])("%s", (_, at, value, message) => {
    layer.setStorage(VALIDATOR_SET_ADDRESS, slot(at), value);
    expect(() => readValidatorSet(layer)).toThrow(message);
  });

  test("an epoch cannot end without a set", () => {
    layer.setStorage(VALIDATOR_SET_ADDRESS, slot(0n), EMPTY_BYTES);
    expect(() => takeOverValidators(layer)).toThrow("the validator set is missing");
  });
});

test("the committed artifact is what solc makes of the source", () => {
  const script = fileURLToPath(new URL("../../scripts/build-contracts.ts", import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [script, "--check"], { encoding: "utf8" });
  expect([status, stderr]).toEqual([0, ""]);
});
