import { Common, Hardfork, Mainnet } from "@ethereumjs/common";
import { createEVM } from "@ethereumjs/evm";
import { createMPT } from "@ethereumjs/mpt";
import { Caches, MerkleStateManager } from "@ethereumjs/statemanager";
import { createLegacyTx } from "@ethereumjs/tx";
import { Account, Address, createAddressFromPrivateKey } from "@ethereumjs/util";
import { createVM, runTx } from "@ethereumjs/vm";
import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesToHex, concatBytes } from "../../core/bytes.ts";
import { openStateDatabase } from "./database.ts";
import { LayerStateManager } from "./ethereumjs-adapter.ts";
import { memoryStore } from "./memory-store.ts";
import { EMPTY_TRIE_ROOT } from "./trie-node.ts";

const common = new Common({ chain: Mainnet, hardfork: Hardfork.Prague });
const key = new Uint8Array(32).fill(1);
const sender = createAddressFromPrivateKey(key);
const contracts = [0xa0, 0xa1, 0xa2].map((byte) => new Address(new Uint8Array(20).fill(byte)));

const op = { stop: 0x00, sstore: 0x55, mstore: 0x52, pop: 0x50, gas: 0x5a, push1: 0x60, push10: 0x69, push20: 0x73 };
const push = (value: number) => [op.push1, value];
const store = (slot: number, value: number) => [...push(value), ...push(slot), op.sstore];

const byte = fc.integer({ min: 0, max: 3 });
const target = fc.nat({ max: contracts.length - 1 });
const end = fc.constantFrom([op.stop], [...push(0), ...push(0), 0xfd], [0xfe], [op.push20, ...sender.bytes, 0xff]);
const statement = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(byte, byte).map(([slot, value]) => store(slot, value)) },
  {
    weight: 2,
    // CALL with a value of 0 or 1 wei and all gas
    arbitrary: fc.tuple(target, fc.nat({ max: 1 })).map(([to, value]) => {
      const sizes = [0, 0, 0, 0].flatMap(push);
      return [...sizes, ...push(value), op.push20, ...contracts[to]!.bytes, op.gas, 0xf1, op.pop];
    }),
  },
  {
    weight: 1,
    // CREATE of something that writes storage, sometimes destroys itself (EIP-6780), sometimes returns 1 byte of code
    arbitrary: fc
      .constantFrom([0x30, 0xff, 0, 0, 0], [...push(1), ...push(0), 0xf3], [0xfe, 0, 0, 0, 0])
      .map((tail) => [
        op.push10,
        ...store(0, 1),
        ...tail,
        ...push(0),
        op.mstore,
        ...push(10),
        ...push(22),
        ...push(0),
        0xf0,
        op.pop,
      ]),
  },
);
const program = fc
  .tuple(fc.array(statement, { minLength: 1, maxLength: 6 }), end)
  .map(([statements, last]) => Uint8Array.from([...statements.flat(), ...last]));

test("transactions use the same gas and give the same roots as on MerkleStateManager", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(program, program, program),
      fc.array(fc.array(target, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 }),
      async (programs, blocks) => {
        const kv = memoryStore();
        const database = openStateDatabase({ reader: kv, headRoot: EMPTY_TRIE_ROOT });
        const own = new LayerStateManager(database.head.fork());
        const trie = await createMPT({ useKeyHashing: true });
        const reference = new MerkleStateManager({ common, trie, caches: new Caches() });
        const vms = [];
        for (const stateManager of [own, reference]) {
          await stateManager.putAccount(sender, new Account(0n, 10n ** 24n));
          for (const [i, contract] of contracts.entries()) {
            await stateManager.putAccount(contract, new Account(1n, 5n));
            await stateManager.putCode(contract, programs[i]!);
            await stateManager.putStorage(contract, new Uint8Array(32), Uint8Array.of(9));
          }
          stateManager.originalStorageCache.clear(); // what is there now is what the first transaction starts with
          vms.push(await createVM({ common, stateManager, evm: await createEVM({ common, stateManager }) }));
        }
        let nonce = 0n;
        for (const block of blocks) {
          for (const to of block) {
            const call = { gasPrice: 100n, gasLimit: 400_000n, value: 1n, to: contracts[to]!, nonce: nonce++ };
            const tx = createLegacyTx(call, { common }).sign(key);
            const results = [];
            for (const vm of vms) {
              const { totalGasSpent, receipt, execResult } = await runTx(vm, { tx, skipHardForkValidation: true });
              results.push({ totalGasSpent, logs: receipt.logs, error: execResult.exceptionError?.error });
            }
            expect(results[0]).toEqual(results[1]);
          }
          const state = database.seal(own.layer);
          await reference.flush();
          expect(bytesToHex(state.stateRoot)).toBe(bytesToHex(await reference.getStateRoot()));
          database.stage(state, kv);
          database.committed(state);
          own.setLayer(state.fork());
        }
      },
    ),
    { numRuns: 40 },
  );
});

test("a fork for a simulation does not write through", async () => {
  const own = new LayerStateManager(
    openStateDatabase({ reader: memoryStore(), headRoot: EMPTY_TRIE_ROOT }).head.fork(),
  );
  await own.putAccount(sender, new Account(1n, 2n));
  const copy = own.shallowCopy();
  await copy.putAccount(sender, new Account(7n, 8n));
  await copy.putCode(sender, concatBytes(sender.bytes));
  expect(await own.getAccount(sender)).toMatchObject({ nonce: 1n, balance: 2n });
  expect(await own.getCodeSize(sender)).toBe(0);
  expect(await copy.getCodeSize(sender)).toBe(20);
});
