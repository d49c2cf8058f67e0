import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bigIntToFixed } from "../../core/bytes.ts";
import { ecdsaSign, KECCAK_EMPTY } from "../../core/crypto.ts";
import { type Precompile, type PrecompileContext, PrecompileRevert } from "../../core/precompile.ts";
import { type ChainRules, DEFAULT_RULES } from "../rules.ts";
import { openStateDatabase } from "../state/database.ts";
import { memoryStore } from "../state/memory-store.ts";
import { EMPTY_TRIE_ROOT } from "../state/trie-node.ts";
import { COINBASE, KEYS, SENDERS } from "../testing/world.ts";
import { messageEnvironment } from "./environment.ts";
import { gasRequirement } from "./intrinsic.ts";
import { type Machine, MachinePool } from "./machine.ts";
import { applyMessage, type Message } from "./message.ts";

const SELF = bigIntToFixed(0x901n, 20);
const SIBLING = bigIntToFixed(0x902n, 20);
const ABSENT = new Uint8Array(20).fill(0xaa);
const TARGETS = [SELF, SIBLING, SENDERS[0]!, SENDERS[1]!, ABSENT, COINBASE, bigIntToFixed(4n, 20)];
const RULES: ChainRules = { ...DEFAULT_RULES, chainId: 161299n };
const slotOf = (n: number): Uint8Array => bigIntToFixed(BigInt(n), 32);

/** Does what its input says, two bytes a step, so that random bytes reach every price and every end of a frame. */
const interpreter = (address: Uint8Array): Precompile => ({
  address,
  name: "interpreter",
  run(context, input) {
    let sum = context.value + context.timestamp + context.blockNumber + context.chainId;
    for (let i = 0; i + 1 < input.length; i += 2) sum += step(context, input[i]! % 12, input[i + 1]!);
    return bigIntToFixed(sum % 2n ** 256n, 32);
  },
});

function step(context: PrecompileContext, kind: number, argument: number): bigint {
  const target = TARGETS[argument % TARGETS.length]!;
  switch (kind) {
    case 0:
      return context.load(slotOf(argument % 4));
    case 1:
      return context.loadFrom(SIBLING, slotOf(argument % 4));
    case 2:
    case 3:
    case 4:
      context.store(slotOf(argument % 4), BigInt(argument >> 4) % 3n);
      return 0n;
    case 5:
    case 6:
      context.credit(target, BigInt(argument % 3));
      return 0n;
    case 7:
      context.log([slotOf(argument)], target);
      return 0n;
    case 8:
      return BigInt(context.keccak(context.caller, target)[0]!);
    case 9: {
      const { r, s, yParity } = ecdsaSign(slotOf(1), KEYS[0]!);
      return BigInt(context.recover(slotOf(1), yParity, r, s)?.[0] ?? 0);
    }
    case 10:
      if (argument > 240) throw new PrecompileRevert(target, "asked to");
      return 1n;
    default:
      context.useGas(BigInt(argument) * 10n);
      return 0n;
  }
}

const pool = new MachinePool(RULES, [interpreter(SELF), interpreter(SIBLING)]);
const HEADER = {
  number: 400n,
  timestamp: 1_700_000_000n,
  coinbase: COINBASE,
  gasLimit: 60_000_000n,
  baseFeePerGas: 7n,
  prevRandao: new Uint8Array(32),
};

interface Genesis {
  /** A nonce of 0 makes the precompile's account empty (EIP-161) when it has no balance. */
  readonly self: "absent" | "empty" | "usual";
  readonly balance: bigint;
  readonly storage: readonly (readonly [slot: number, value: number])[];
}

/** Runs the messages one after the other and answers all that can be seen of them. */
async function run(messages: readonly Message[], genesis: Genesis, prepare: (machine: Machine) => Machine) {
  const database = openStateDatabase({ reader: memoryStore(), headRoot: EMPTY_TRIE_ROOT });
  const layer = database.head.fork();
  const plain = { codeHash: KECCAK_EMPTY, storageRoot: EMPTY_TRIE_ROOT };
  for (const address of SENDERS) layer.setAccount(address, { ...plain, nonce: 0n, balance: 10n ** 18n });
  for (const address of genesis.self === "absent" ? [SIBLING] : [SELF, SIBLING]) {
    const nonce = genesis.self === "empty" && address === SELF ? 0n : 1n;
    layer.setAccount(address, { ...plain, nonce, balance: genesis.balance });
    for (const [slot, value] of genesis.storage) layer.setStorage(address, slotOf(slot), Uint8Array.of(value));
  }
  const machine = prepare(pool.borrow(layer, () => new Uint8Array(32)));
  const results: unknown[] = [];
  for (const message of messages) {
    const environment = messageEnvironment(HEADER, RULES);
    const running = applyMessage(machine, message, gasRequirement(message), environment);
    results.push(await running.catch((error: unknown) => String(error)));
  }
  return { results, stateRoot: database.seal(layer).stateRoot };
}

const message: fc.Arbitrary<Message> = fc.record({
  from: fc.constantFrom(SENDERS[0]!, SENDERS[1]!),
  to: fc.constantFrom(SELF, SELF, SELF, SIBLING),
  gasLimit: fc.oneof(fc.constant(1_000_000n), fc.bigInt({ min: 26_000n, max: 80_000n })),
  gasPrice: fc.constantFrom(7n, 9n),
  tipPerGas: fc.constantFrom(0n, 2n),
  l1FeeWei: fc.constantFrom(0n, 0n, 3n),
  value: fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(0n, 1n, 5n, 5_000n) },
    { weight: 1, arbitrary: fc.constant(10n ** 19n) },
  ),
  data: fc.uint8Array({ maxLength: 24 }),
  accessList: fc.array(
    fc.record({
      address: fc.constantFrom(...TARGETS),
      storageKeys: fc.array(fc.nat(3).map(slotOf), { maxLength: 2 }),
    }),
    { maxLength: 2 },
  ),
  authorizationList: fc.constant([]),
});

const genesis: fc.Arbitrary<Genesis> = fc.record({
  self: fc.constantFrom<Genesis["self"]>("usual", "usual", "usual", "usual", "absent", "empty"),
  balance: fc.constantFrom(0n, 3n, 2n ** 256n - 1_000n),
  storage: fc.array(fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 2 })), { maxLength: 4 }),
});

describe("a message straight to a stateful precompile", () => {
  test("ends as it does through the EVM", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 4 }), genesis, async (messages, accounts) => {
        const directly = await run(messages, accounts, (machine) => machine);
        const throughEvm = await run(messages, accounts, (machine) => ({ ...machine, statefulPrecompiles: new Map() }));
        expect(directly).toEqual(throughEvm);
      }),
      { numRuns: 400 },
    );
  });
});
